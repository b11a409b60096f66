//! Reads Compose's own `develop.watch` rules as steps of ours (F1). Knows no other block.

use serde_yaml::Value;

use crate::paths::ContainerPath;

use super::block::{
    Block, Command, FallBackOn, OnFailure, Origin, Restart, RestartKind, Run, Step, Sync, Unmatched,
};
use super::finding::{Findings, Spot};
use super::interpolate::interpolate;
use super::problem::Which;
use super::reader::{Placed, ReadBlock};
use super::rule::PathRule;
use super::sources::Sources;
use super::steps::{Read, command, environment, patterns};
use super::trace::Trace;
use super::yaml::{boolean, get, scalar_text, untagged};

/// Characters that a shell would act on: a text with one of them is meant for a shell.
const FOR_THE_SHELL: &str = ";|&<>$`()*?[]{}~#!\n";

/// Reads the rules at `at`; Compose has checked their shape.
pub fn read(
    rules: &Value,
    at: &Spot,
    trace: &Trace<'_>,
    sources: &Sources,
    found: &mut Findings,
) -> ReadBlock {
    let mut reading = Reading {
        block: ReadBlock {
            block: Block {
                origin: Origin::DevelopWatch,
                unmatched: Unmatched::Ignore,
                dir: Some(trace.dir(&at.path)),
                ..Block::default()
            },
            steps: Vec::new(),
            deps: Vec::new(),
            at: at.clone(),
        },
        restart_always: None,
        restart_triggers: Vec::new(),
    };
    for (index, rule) in untagged(rules)
        .as_sequence()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let step = Step::new(index + 1);
        let mut at = at.index(index);
        at.step = Some(Which::WatchRule(step.number));
        reading.rule(rule, &step, &at, trace, sources, found);
    }
    reading.finish()
}

struct Reading {
    block: ReadBlock,
    restart_always: Option<Step>,
    restart_triggers: Vec<PathRule>,
}

impl Reading {
    fn rule(
        &mut self,
        rule: &Value,
        step: &Step,
        at: &Spot,
        trace: &Trace<'_>,
        sources: &Sources,
        found: &mut Findings,
    ) {
        let text = |key: &str| get(rule, key).and_then(scalar_text);
        let action = text("action").unwrap_or_default();
        let Some(path) = text("path").map(|path| sources.project_dir.join(path)) else {
            return;
        };
        let list = |key: &str, found: &mut Findings| {
            get(rule, key).map_or_else(Vec::new, |value| patterns(key, value, &at.key(key), found))
        };
        let ignore = list("ignore", found);
        let include = list("include", found);
        // A path in `develop.watch` is a path, whatever characters it has.
        let trigger = PathRule::within(&path);
        match action.as_str() {
            "rebuild" | "restart" => {
                let rule = match PathRule::filtered(&path, &include, &ignore) {
                    Ok(rule) => rule,
                    Err(bad) => {
                        found.error(at, format!("a pattern cannot be read: {bad}"), None);
                        return;
                    }
                };
                let file = FallBackOn {
                    step: step.clone(),
                    rule,
                };
                if action == "rebuild" {
                    self.block.block.fall_back_on.push(file.clone());
                    self.placed(step, at, Read::FallBackOn(vec![(file, at.key("path"))]));
                } else {
                    self.restart_always.get_or_insert_with(|| step.clone());
                    self.restart_triggers.push(file.rule.clone());
                    self.block.block.watch_only.push(file);
                }
            }
            "sync" | "sync+restart" | "sync+exec" => {
                let target = text("target").unwrap_or_default();
                let Some(remote) = ContainerPath::new(&target) else {
                    found.error(
                        &at.key("target"),
                        format!("the target `{target}` is not an absolute path"),
                        Some("write `target` from the container's root".into()),
                    );
                    return;
                };
                let initial = get(rule, "initial_sync").is_some_and(|value| {
                    boolean("initial_sync", value, &at.key("initial_sync"), found).unwrap_or(false)
                });
                let sync = Sync {
                    step: step.clone(),
                    local: path,
                    into_directory: target.ends_with('/'),
                    remote,
                    ignore,
                    include,
                    in_place: false,
                    initial,
                };
                self.block.block.syncs.push(sync.clone());
                self.placed(step, at, Read::Sync(sync, at.key("path")));
                if action == "sync+restart" {
                    self.restart_always.get_or_insert_with(|| step.clone());
                    self.restart_triggers.push(trigger);
                } else if action == "sync+exec" {
                    self.exec(rule, step, at, trigger, trace, sources, found);
                }
            }
            other => found.error(
                &at.key("action"),
                format!("unknown action `{other}`"),
                Some(
                    "the actions are `sync`, `sync+restart`, `sync+exec`, `restart` and `rebuild`"
                        .into(),
                ),
            ),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one rule's parts, each of another kind"
    )]
    fn exec(
        &mut self,
        rule: &Value,
        step: &Step,
        at: &Spot,
        trigger: PathRule,
        trace: &Trace<'_>,
        sources: &Sources,
        found: &mut Findings,
    ) {
        let at = at.key("exec");
        let Some(exec) = get(rule, "exec") else {
            return;
        };
        let Some(resolved) = get(exec, "command")
            .and_then(|value| command("command", value, &at.key("command"), found))
        else {
            return;
        };
        let written = trace.written(&at.key("command").path);
        let as_written = written
            .filter(super::trace::Written::is_exact)
            .and_then(|written| interpolate(untagged(written.value).as_str()?, &sources.variables));
        let command = match as_written {
            // Compose cuts such a text at the first `;`, `|` or `&` in silence.
            Some(text) if text.contains(|c| FOR_THE_SHELL.contains(c)) => Command::Shell(text),
            _ => resolved,
        };
        let run = Run {
            step: step.clone(),
            command,
            trigger: vec![trigger],
            // Empty is the container's own working directory: that is where Compose runs it.
            workdir: Some(
                get(exec, "working_dir")
                    .and_then(scalar_text)
                    .unwrap_or_default(),
            ),
            user: get(exec, "user").and_then(scalar_text),
            privileged: get(exec, "privileged").is_some_and(|value| {
                boolean("privileged", value, &at.key("privileged"), found).unwrap_or(false)
            }),
            environment: get(exec, "environment").map_or_else(Vec::new, |value| {
                environment(value, &at.key("environment"), found)
            }),
            timeout: None,
            on_failure: OnFailure::Keep,
        };
        self.block.block.runs.push(run);
    }

    fn placed(&mut self, step: &Step, at: &Spot, read: Read) {
        self.block.steps.push(Placed {
            step: step.clone(),
            at: at.clone(),
            read,
        });
    }

    fn finish(mut self) -> ReadBlock {
        if let Some(step) = self.restart_always {
            self.block.block.restart = Some(Restart {
                step,
                kind: RestartKind::Container { timeout: None },
                trigger: self.restart_triggers,
            });
        }
        self.block
    }
}
