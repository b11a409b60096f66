//! Reads Compose's own `develop.watch` rules as steps of ours (F1). Knows no other block.

use serde_yaml::Value;

use crate::paths::{ContainerPath, HostPath};
use crate::transfer::Exec;

use super::block::{
    Action, Block, Command, Does, FallBackOn, LastStep, Matching, OnFailure, Origin, Run, Step,
    Sync, Unmatched, Work,
};
use super::finding::{Findings, YamlPath};
use super::interpolate::interpolate;
use super::problem::Which;
use super::reader::{Placed, ReadBlock};
use super::rule::PathRule;
use super::sources::Sources;
use super::steps::{Read, command, environment};
use super::trace::Trace;
use super::values::Reader;
use super::yaml::{get, scalar_text, untagged};

/// Characters that a shell interprets: a command with one of them is meant for a shell.
const FOR_THE_SHELL: &str = ";|&<>$`()*?[]{}~#!\n";

/// Reads the rules at `at`; Compose has checked their shape already.
pub fn read(
    rules: &Value,
    at: &YamlPath,
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
    let files = Files { trace, sources };
    for (index, rule) in untagged(rules)
        .as_sequence()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let r = &mut Reader::new("", &at.index(index), files, &mut *found);
        r.at.step = Some(Which::WatchRule(index + 1));
        let Some(action) = action(rule, r) else {
            continue;
        };
        let Some(path) = get(rule, "path").and_then(scalar_text) else {
            continue;
        };
        let written = files.written(&r.at.key("path"));
        let rule = Rule {
            step: Step::watch_rule(index + 1, action),
            action,
            shown: written.unwrap_or_else(|| path.clone()),
            path: sources.project_dir.join(path),
            value: rule,
        };
        reading.rule(&rule, r);
    }
    reading.finish()
}

/// The files that the rules were written in.
#[derive(Clone, Copy)]
struct Files<'a> {
    trace: &'a Trace<'a>,
    sources: &'a Sources,
}

impl Files<'_> {
    /// The text at `at` as written in the file, variables filled in.
    fn written(self, at: &YamlPath) -> Option<String> {
        let written = self
            .trace
            .written(&at.path)
            .filter(super::trace::Written::is_exact)?;
        interpolate(untagged(written.value).as_str()?, &self.sources.variables)
    }
}

/// The reader of one rule's values, located at the rule.
type RuleReader<'r, 'f> = Reader<'r, Files<'f>>;

/// One rule: what all actions have.
struct Rule<'v> {
    step: Step,
    action: Action,
    path: HostPath,
    /// The path as the user wrote it, for messages.
    shown: String,
    value: &'v Value,
}

fn action(rule: &Value, r: &mut RuleReader<'_, '_>) -> Option<Action> {
    let text = get(rule, "action")
        .and_then(scalar_text)
        .unwrap_or_default();
    let known = Action::ALL.iter().find(|(word, _)| *word == text);
    if known.is_none() {
        r.key("action").error(
            format!("unknown action `{text}`"),
            Some(
                "the actions are `sync`, `sync+restart`, `sync+exec`, `restart` and `rebuild`"
                    .into(),
            ),
        );
    }
    known.map(|(_, action)| *action)
}

struct Reading {
    block: ReadBlock,
    restart_always: Option<Step>,
    restart_triggers: Vec<PathRule>,
}

impl Reading {
    fn rule(&mut self, rule: &Rule<'_>, r: &mut RuleReader<'_, '_>) {
        let mut list = |key: &str| {
            get(rule.value, key).map_or_else(Vec::new, |value| r.key(key).patterns(value))
        };
        let (ignore, include) = (list("ignore"), list("include"));
        // A path in `develop.watch` is never a glob, whatever characters it has.
        let matches = match PathRule::filtered(&rule.path, &include, &ignore) {
            Ok(matches) => matches.written_as(rule.shown.clone()),
            Err(bad) => {
                r.error(format!("a pattern cannot be read: {bad}"), None);
                return;
            }
        };
        let block = &mut self.block.block;
        if !block.watch.contains(&rule.path) {
            block.watch.push(rule.path.clone());
        }
        if matches!(rule.action, Action::SyncRestart | Action::Restart) {
            self.restart_always.get_or_insert_with(|| rule.step.clone());
            self.restart_triggers.push(matches.clone());
        }
        let at = r.at.key("path");
        let file = || FallBackOn {
            step: rule.step.clone(),
            rule: matches.clone(),
        };
        let read = match rule.action {
            Action::Rebuild => Read::FallBackOn(vec![(file(), at)]),
            Action::Restart => Read::WatchOnly(file(), at),
            Action::Sync | Action::SyncRestart | Action::SyncExec => {
                let Some((target, remote)) = remote(rule, &mut r.key("target")) else {
                    return;
                };
                let sync = Sync {
                    step: rule.step.clone(),
                    local: rule.path.clone(),
                    into_directory: target.ends_with('/'),
                    remote,
                    ignore,
                    include,
                    in_place: false,
                    initial: initial_sync(rule, r),
                };
                Read::Sync(sync, at)
            }
        };
        read.put_into(&rule.step, &mut self.block.block);
        self.block.steps.push(Placed {
            step: rule.step.clone(),
            at: r.at.clone(),
            kind: None,
            read,
        });
        if rule.action == Action::SyncExec {
            let work = exec(rule, matches, &mut r.key("exec"));
            self.block.block.works.extend(work);
        }
    }

    fn finish(mut self) -> ReadBlock {
        if let Some(step) = self.restart_always {
            self.block.block.add(Work {
                step,
                trigger: self.restart_triggers,
                does: Does::Last(LastStep::RestartContainer { timeout: None }),
            });
        }
        self.block
    }
}

/// The command of `sync+exec`.
fn exec(rule: &Rule<'_>, trigger: PathRule, r: &mut RuleReader<'_, '_>) -> Option<Work> {
    let hook = get(rule.value, "exec")?;
    let resolved = command(get(hook, "command")?, &mut r.key("command"))?;
    let command = match r.setting.written(&r.at.key("command")) {
        // Compose silently cuts such a text at the first `;`, `|` or `&`.
        Some(text) if text.contains(|c| FOR_THE_SHELL.contains(c)) => Command::Shell(text),
        _ => resolved,
    };
    let text = |key: &str| get(hook, key).and_then(scalar_text);
    let exec = Exec {
        // Empty is the container's own working directory: that is where Compose runs it.
        workdir: text("working_dir").unwrap_or_default(),
        user: text("user"),
        privileged: get(hook, "privileged")
            .is_some_and(|value| r.key("privileged").boolean(value).unwrap_or(false)),
        environment: get(hook, "environment").map_or_else(Vec::new, |value| {
            environment(value, &mut r.key("environment"))
        }),
        ..Exec::default()
    };
    Some(Work {
        step: rule.step.clone(),
        trigger: vec![trigger],
        does: Does::Run(Run::new(command, exec, OnFailure::Keep)),
    })
}

/// The rule's target as written, and the path it means. Compose resolves a relative one from the container's root, whatever the
/// working directory is.
fn remote(rule: &Rule<'_>, r: &mut RuleReader<'_, '_>) -> Option<(String, ContainerPath)> {
    let target = get(rule.value, "target")
        .and_then(scalar_text)
        .unwrap_or_default();
    if target.is_empty() {
        r.error(
            "the target is empty",
            Some("write `target` from the container's root".into()),
        );
        return None;
    }
    let remote = ContainerPath::new(format!("/{target}"))?;
    if !target.starts_with('/') {
        r.found.warning(
            &r.at,
            format!(
                "the target `{target}` is relative: for Compose, and here, that is `{remote}`, not a path in the working directory"
            ),
            Some(format!("write `target: {remote}`, or the path that is meant")),
        );
    }
    Some((target, remote))
}

/// `initial_sync`, or the name it had before Compose adopted it.
fn initial_sync(rule: &Rule<'_>, r: &mut RuleReader<'_, '_>) -> bool {
    const OLD: &str = "x-initialSync";
    let mut read = |key: &str| {
        get(rule.value, key).is_some_and(|value| r.key(key).boolean(value).unwrap_or(false))
    };
    let (initial, old) = (read("initial_sync"), read(OLD));
    if get(rule.value, OLD).is_some() {
        r.found.warning(
            &r.at.key(OLD),
            format!("`{OLD}` is the old name of `initial_sync`"),
            Some("write `initial_sync: true`".into()),
        );
    }
    initial || old
}
