//! Reads Compose's own `develop.watch` rules as steps of ours (F1). Knows no other block.

use serde_yaml::Value;

use crate::paths::{ContainerPath, HostPath};

use super::block::{
    Action, Block, Command, FallBackOn, Matching, OnFailure, Origin, Restart, RestartKind, Run,
    Step, Sync, Unmatched,
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
                matching: Matching::All,
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
        let mut at = at.index(index);
        at.step = Some(Which::WatchRule(index + 1));
        let Some(action) = action(rule, &at, found) else {
            continue;
        };
        let Some(path) = get(rule, "path").and_then(scalar_text) else {
            continue;
        };
        let written = written(&at.key("path"), trace, sources);
        let rule = Rule {
            step: Step::watch_rule(index + 1, action),
            action,
            shown: written.unwrap_or_else(|| path.clone()),
            path: sources.project_dir.join(path),
            value: rule,
            at,
        };
        reading.rule(&rule, trace, sources, found);
    }
    reading.finish()
}

/// One rule, and what all actions have.
struct Rule<'v> {
    step: Step,
    action: Action,
    path: HostPath,
    /// The path as the user wrote it.
    shown: String,
    value: &'v Value,
    at: Spot,
}

fn action(rule: &Value, at: &Spot, found: &mut Findings) -> Option<Action> {
    let text = get(rule, "action")
        .and_then(scalar_text)
        .unwrap_or_default();
    let known = Action::ALL.iter().find(|(word, _)| *word == text);
    if known.is_none() {
        found.error(
            &at.key("action"),
            format!("unknown action `{text}`"),
            Some(
                "the actions are `sync`, `sync+restart`, `sync+exec`, `restart` and `rebuild`"
                    .into(),
            ),
        );
    }
    known.map(|(_, action)| *action)
}

/// The text at `at` as it stands in the file, variables filled in.
fn written(at: &Spot, trace: &Trace<'_>, sources: &Sources) -> Option<String> {
    let written = trace
        .written(&at.path)
        .filter(super::trace::Written::is_exact)?;
    interpolate(untagged(written.value).as_str()?, &sources.variables)
}

struct Reading {
    block: ReadBlock,
    restart_always: Option<Step>,
    restart_triggers: Vec<PathRule>,
}

impl Reading {
    fn rule(
        &mut self,
        rule: &Rule<'_>,
        trace: &Trace<'_>,
        sources: &Sources,
        found: &mut Findings,
    ) {
        let list = |key: &str, found: &mut Findings| {
            get(rule.value, key).map_or_else(Vec::new, |value| {
                patterns(key, value, &rule.at.key(key), found)
            })
        };
        let ignore = list("ignore", found);
        let include = list("include", found);
        // A path in `develop.watch` is a path, whatever characters it has.
        let matches = match PathRule::filtered(&rule.path, &include, &ignore) {
            Ok(matches) => matches.written_as(rule.shown.clone()),
            Err(bad) => {
                found.error(&rule.at, format!("a pattern cannot be read: {bad}"), None);
                return;
            }
        };
        let (step, at) = (&rule.step, &rule.at);
        if !self.block.block.watch.contains(&rule.path) {
            self.block.block.watch.push(rule.path.clone());
        }
        if matches!(rule.action, Action::SyncRestart | Action::Restart) {
            self.restart_always.get_or_insert_with(|| step.clone());
            self.restart_triggers.push(matches.clone());
        }
        match rule.action {
            Action::Rebuild => {
                let file = FallBackOn {
                    step: step.clone(),
                    rule: matches,
                };
                self.block.block.fall_back_on.push(file.clone());
                self.placed(step, at, Read::FallBackOn(vec![(file, at.key("path"))]));
            }
            Action::Restart => {
                let file = FallBackOn {
                    step: step.clone(),
                    rule: matches,
                };
                self.block.block.watch_only.push(file.clone());
                self.placed(step, at, Read::WatchOnly(file, at.key("path")));
            }
            Action::Sync | Action::SyncRestart | Action::SyncExec => {
                let target = get(rule.value, "target")
                    .and_then(scalar_text)
                    .unwrap_or_default();
                let Some(remote) = remote(&target, &at.key("target"), found) else {
                    return;
                };
                let sync = Sync {
                    step: step.clone(),
                    local: rule.path.clone(),
                    into_directory: target.ends_with('/'),
                    remote,
                    ignore,
                    include,
                    in_place: false,
                    initial: initial_sync(rule, found),
                };
                self.block.block.syncs.push(sync.clone());
                self.placed(step, at, Read::Sync(sync, at.key("path")));
                if rule.action == Action::SyncExec {
                    self.exec(rule.value, step, at, matches, trace, sources, found);
                }
            }
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
        let command = match written(&at.key("command"), trace, sources) {
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

/// Compose takes a relative target from the container's root, whatever the working directory is.
fn remote(target: &str, at: &Spot, found: &mut Findings) -> Option<ContainerPath> {
    if target.is_empty() {
        found.error(
            at,
            "the target is empty",
            Some("write `target` from the container's root".into()),
        );
        return None;
    }
    let remote = ContainerPath::new(format!("/{target}"))?;
    if !target.starts_with('/') {
        found.warning(
            at,
            format!(
                "the target `{target}` is relative: for Compose, and here, that is `{remote}`, not a path in the working directory"
            ),
            Some(format!("write `target: {remote}`, or the path that is meant")),
        );
    }
    Some(remote)
}

/// `initial_sync`, also by the name it had before it was Compose's own.
fn initial_sync(rule: &Rule<'_>, found: &mut Findings) -> bool {
    const OLD: &str = "x-initialSync";
    let mut read = |key: &str| {
        get(rule.value, key)
            .is_some_and(|value| boolean(key, value, &rule.at.key(key), found).unwrap_or(false))
    };
    let (initial, old) = (read("initial_sync"), read(OLD));
    if get(rule.value, OLD).is_some() {
        found.warning(
            &rule.at.key(OLD),
            format!("`{OLD}` is the old name of `initial_sync`"),
            Some("write `initial_sync: true`".into()),
        );
    }
    initial || old
}
