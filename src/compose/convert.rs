//! Writes the `x-live-update` block that does what a service's `develop.watch` rules do (F2). Pure.

use std::fmt::Write as _;

use crate::harmless;
use crate::paths::HostPath;

use super::block::{Action, Block, Command, Does, Origin, Run, Sync};
use super::project::{Project, Service};
use super::rule::PathRule;

/// The block for `service`, as text to paste, with a comment for each rule that has no exact counterpart.
pub fn convert(project: &Project, service: &str) -> String {
    let Some(service) = project.service(service) else {
        return format!("# there is no service `{service}`\n");
    };
    match &service.block {
        Some(block) if block.origin == Origin::DevelopWatch => Converting {
            project,
            service,
            block,
            out: String::new(),
        }
        .whole(),
        Some(_) => format!(
            "# service `{}` has an `x-live-update` block already\n",
            service.name
        ),
        None => format!(
            "# service `{}` has no `develop.watch` rules\n",
            service.name
        ),
    }
}

struct Converting<'p> {
    project: &'p Project,
    service: &'p Service,
    block: &'p Block,
    out: String,
}

impl Converting<'_> {
    fn whole(mut self) -> String {
        self.line(0, "services:");
        self.line(1, &format!("{}:", scalar(&self.service.name)));
        self.line(2, "x-live-update:");
        self.line(
            3,
            "unmatched: ignore # `develop.watch` looks at its own paths alone",
        );
        if self.needs_own_watch() {
            let paths: Vec<String> = self.block.watch.iter().map(|it| self.path(it)).collect();
            self.line(3, &format!("watch: {}", list(&paths)));
        }
        if self.needs_all() {
            self.line(3, "matching: all # every rule that holds a file applies");
        }
        self.line(3, "steps:");
        for entry in &self.block.fall_back_on {
            let item = self.item(&entry.rule);
            // Without the key, the mapping would be read as the long form of the step.
            let item = if item.starts_with('{') {
                format!("[{item}]")
            } else {
                item
            };
            self.step(&format!("fall_back_on: {item}"));
        }
        for sync in &self.block.syncs {
            self.sync(sync);
        }
        for work in &self.block.works {
            if let Does::Run(run) = &work.does {
                self.run(run, &work.trigger);
            }
        }
        self.restart();
        self.out
    }

    /// Whether the block needs a `watch` of its own: Compose watches a path anywhere, we watch the image's contexts
    /// alone (B7), and a trigger fires only for what a sync copies.
    fn needs_own_watch(&self) -> bool {
        let build = self.service.build.as_ref();
        let context = build.map(|build| &build.context);
        let is_outside = |path: &HostPath| match context.and_then(|context| path.below(context)) {
            // Files in a hidden directory may be left out of the watch unless they are named.
            Some(below) => below
                .components()
                .any(|part| part.as_os_str().as_encoded_bytes().starts_with(b".")),
            None => context.is_some(),
        };
        !self.block.watch_only.is_empty()
            || !self.service.bases.is_empty()
            || self.block.watch.iter().any(is_outside)
    }

    /// Whether one file can match two rules.
    fn needs_all(&self) -> bool {
        let meet = |one: &HostPath, other: &HostPath| {
            one.below(other).is_some() || other.below(one).is_some()
        };
        let syncs = &self.block.syncs;
        let rebuilds = || self.block.fall_back_on.iter();
        syncs.iter().enumerate().any(|(index, sync)| {
            syncs[..index]
                .iter()
                .any(|other| meet(&sync.local, &other.local))
                || rebuilds().any(|entry| meet(&sync.local, entry.rule.root()))
        })
    }

    fn sync(&mut self, sync: &Sync) {
        let local = self.path(&sync.local);
        let remote = if sync.into_directory && sync.remote.as_bytes() != b"/" {
            format!("{}/", sync.remote.verbatim())
        } else {
            sync.remote.verbatim().into_owned()
        };
        let is_short = sync.ignore.is_empty()
            && sync.include.is_empty()
            && !sync.initial
            && !local.contains(':')
            && !remote.contains(':');
        if is_short {
            self.step(&format!("sync: {}", scalar(&format!("{local}:{remote}"))));
            return;
        }
        self.step("sync:");
        self.line(6, &format!("local_path: {}", scalar(&local)));
        self.line(6, &format!("remote_path: {}", scalar(&remote)));
        for (key, patterns) in [("ignore", &sync.ignore), ("include", &sync.include)] {
            if !patterns.is_empty() {
                self.line(6, &format!("{key}: {}", list(patterns)));
            }
        }
        if sync.initial {
            self.line(6, "initial_sync: true");
        }
    }

    fn run(&mut self, run: &Run, trigger: &[PathRule]) {
        self.step("run:");
        let command = match &run.command {
            Command::Shell(text) => scalar(text),
            Command::Argv(argv) => list(argv),
        };
        self.line(6, &format!("cmd: {command}"));
        let triggers = self.items(trigger);
        if !triggers.is_empty() {
            self.line(6, &format!("trigger: [{triggers}]"));
        }
        let exec = &run.exec;
        match exec.workdir.as_str() {
            "" => self.line(6, "workdir: ."),
            workdir => self.line(6, &format!("workdir: {}", scalar(workdir))),
        }
        if let Some(user) = &exec.user {
            self.line(6, &format!("user: {}", scalar(user)));
        }
        if exec.privileged {
            self.line(6, "privileged: true");
        }
        if !exec.environment.is_empty() {
            let pairs: Vec<String> = exec
                .environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            self.line(6, &format!("environment: {}", list(&pairs)));
        }
    }

    fn restart(&mut self) {
        let Some(last) = self.block.last() else {
            return;
        };
        let every = self.block.watch_only.is_empty()
            && self
                .block
                .syncs
                .iter()
                .all(|sync| sync.step.action == Some(Action::SyncRestart));
        if every {
            self.step("restart_container");
        } else {
            let triggers = self.items(&last.trigger);
            self.step(&format!("restart_container: {{trigger: [{triggers}]}}"));
        }
    }

    /// `path` as it is written in the block: relative where possible.
    fn path(&self, path: &HostPath) -> String {
        let dir = self.block.dir.as_ref().unwrap_or(&self.project.dir);
        let Some(way) = path.way_from(dir) else {
            return path.verbatim().into_owned();
        };
        let way = way.to_string_lossy();
        match &*way {
            "" => ".".into(),
            way if way == ".." || way.starts_with("../") => way.to_owned(),
            way => format!("./{way}"),
        }
    }

    fn items(&self, rules: &[PathRule]) -> String {
        let items: Vec<String> = rules.iter().map(|rule| self.item(rule)).collect();
        items.join(", ")
    }

    /// A path of a trigger or of `fall_back_on`. It takes the long form (`path`) when it has lists, or characters that would make
    /// a glob of it.
    fn item(&self, rule: &PathRule) -> String {
        let path = self.path(rule.root());
        let [include, ignore] = rule.lists();
        if include.is_empty() && ignore.is_empty() && !path.contains(['*', '?', '[', '{']) {
            return scalar(&path);
        }
        let mut parts = vec![format!("path: {}", scalar(&path))];
        for (key, patterns) in [("ignore", ignore), ("include", include)] {
            if !patterns.is_empty() {
                parts.push(format!("{key}: {}", list(patterns)));
            }
        }
        format!("{{{}}}", parts.join(", "))
    }

    fn step(&mut self, text: &str) {
        self.line(4, &format!("- {text}"));
    }

    fn line(&mut self, depth: usize, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "{:1$}{text}", "", depth * 2);
    }
}

fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| scalar(item)).collect();
    format!("[{}]", items.join(", "))
}

/// A YAML scalar that Compose reads back as `text`, within brackets too: `$` doubled, and quoted unless it is a plain word.
fn scalar(text: &str) -> String {
    let text = text.replace('$', "$$");
    let harmless = text
        .starts_with(|first: char| first.is_ascii_alphabetic() || "./".contains(first))
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "./_-:@+".contains(c))
        && !text.ends_with(':')
        && !matches!(
            serde_yaml::from_str(&text),
            Ok(serde_yaml::Value::Bool(_) | serde_yaml::Value::Null | serde_yaml::Value::Number(_))
        )
        && !matches!(
            text.to_lowercase().as_str(),
            "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if harmless {
        text
    } else {
        // Any JSON text is valid YAML.
        harmless::json(&serde_json::Value::from(text).to_string()).into_owned()
    }
}
