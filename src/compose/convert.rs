//! Writes the `x-live-update` block that does what a service's `develop.watch` rules do (F2). Pure.

use std::fmt::Write as _;

use crate::harmless;
use crate::paths::HostPath;

use super::block::{Block, Command, Origin, Run, Sync};
use super::project::{Project, Service};

/// The block for `service`, as text to paste; a comment for whatever has no exact counterpart.
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
        if self.block.syncs.is_empty() && self.block.fall_back_on.is_empty() {
            self.line(3, "steps: []");
        } else {
            self.line(3, "steps:");
        }
        self.initial_sync();
        self.fall_back_on();
        for sync in &self.block.syncs {
            self.sync(sync);
        }
        for run in &self.block.runs {
            self.run(run);
        }
        self.restart();
        self.out
    }

    fn initial_sync(&mut self) {
        let initial: Vec<usize> = self
            .block
            .syncs
            .iter()
            .filter(|sync| sync.initial)
            .map(|sync| sync.step.number)
            .collect();
        if initial.is_empty() {
            return;
        }
        if initial.len() < self.block.syncs.len() {
            self.comment(&format!(
                "`initial_sync` stood in watch rule {} alone; here it is for all syncs",
                numbers(&initial)
            ));
        }
        self.step("initial_sync");
    }

    fn fall_back_on(&mut self) {
        for entry in &self.block.fall_back_on {
            let root = entry.rule.root().clone();
            self.outside(&root);
            if entry.rule.is_filtered() {
                self.comment(&format!(
                    "watch rule {} has `include` or `ignore`, which `fall_back_on` has not: write a glob that says the same",
                    entry.step.number
                ));
            }
            let path = self.rule(&root);
            self.step(&format!("fall_back_on: {path}"));
        }
    }

    fn sync(&mut self, sync: &Sync) {
        self.outside(&sync.local);
        let local = self.path(&sync.local);
        let remote = if sync.into_directory && sync.remote.as_bytes() != b"/" {
            format!("{}/", sync.remote.verbatim())
        } else {
            sync.remote.verbatim().into_owned()
        };
        if sync.ignore.is_empty() && sync.include.is_empty() {
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
    }

    fn run(&mut self, run: &Run) {
        if run.workdir.as_deref() == Some("") {
            self.comment(&format!(
                "watch rule {} runs in the image's working directory; here it is `/`, unless `workdir` names another",
                run.step.number
            ));
        }
        if run.privileged {
            self.comment(&format!(
                "watch rule {} runs with `privileged`, which `run` has not: it has the container's own rights here",
                run.step.number
            ));
        }
        self.step("run:");
        let command = match &run.command {
            Command::Shell(text) => scalar(text),
            Command::Argv(argv) => list(argv),
        };
        self.line(6, &format!("cmd: {command}"));
        let triggers: Vec<String> = run
            .trigger
            .iter()
            .map(|rule| self.rule(rule.root()))
            .collect();
        if !triggers.is_empty() {
            self.line(6, &format!("trigger: [{}]", triggers.join(", ")));
        }
        if let Some(workdir) = run.workdir.as_ref().filter(|dir| !dir.is_empty()) {
            self.line(6, &format!("workdir: {}", scalar(workdir)));
        }
        if let Some(user) = &run.user {
            self.line(6, &format!("user: {}", scalar(user)));
        }
        if !run.environment.is_empty() {
            let pairs: Vec<String> = run
                .environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            self.line(6, &format!("environment: {}", list(&pairs)));
        }
    }

    fn restart(&mut self) {
        for entry in &self.block.watch_only {
            let path = self.path(entry.rule.root());
            self.comment(&format!(
                "watch rule {} restarts on a change of `{path}` and copies nothing; a trigger here must be synced, so add a `sync` for it and name it in the trigger",
                entry.step.number
            ));
        }
        let Some(restart) = &self.block.restart else {
            return;
        };
        let synced: Vec<String> = restart
            .trigger
            .iter()
            .map(super::rule::PathRule::root)
            .filter(|root| {
                self.block
                    .syncs
                    .iter()
                    .any(|sync| root.below(&sync.local).is_some())
            })
            .map(|root| self.rule(root))
            .collect();
        let every = self.block.syncs.iter().all(|sync| {
            restart
                .trigger
                .iter()
                .any(|rule| sync.local.below(rule.root()).is_some())
        });
        if synced.is_empty() {
            return;
        }
        if every {
            self.step("restart_container");
        } else {
            self.step(&format!(
                "restart_container: {{trigger: [{}]}}",
                synced.join(", ")
            ));
        }
    }

    /// What Compose watches anywhere, we watch in the image's contexts alone (B7).
    fn outside(&mut self, path: &HostPath) {
        let builds = self
            .service
            .bases
            .iter()
            .filter_map(|base| self.project.service(base))
            .chain([self.service])
            .filter_map(|service| service.build.as_ref());
        let mut contexts = builds
            .flat_map(|build| build.additional_contexts.iter().chain([&build.context]))
            .peekable();
        if contexts.peek().is_none() || contexts.any(|context| path.below(context).is_some()) {
            return;
        }
        let path = self.path(path);
        self.comment(&format!(
            "`{path}` is outside the build context, where a block is refused: widen `build.context`"
        ));
    }

    /// `path` as the block writes it.
    fn path(&self, path: &HostPath) -> String {
        let dir = self.block.dir.as_ref().unwrap_or(&self.project.dir);
        match path.below(dir) {
            Some(below) if below.as_os_str().is_empty() => ".".into(),
            Some(below) => format!("./{}", below.to_string_lossy()),
            None => path.verbatim().into_owned(),
        }
    }

    /// The same for a trigger or `fall_back_on`, where some characters make a glob.
    fn rule(&self, path: &HostPath) -> String {
        let mut text = String::new();
        for character in self.path(path).chars() {
            if matches!(character, '*' | '?' | '[' | '{' | ']' | '}') {
                text.push('\\');
            }
            text.push(character);
        }
        scalar(&text)
    }

    fn step(&mut self, text: &str) {
        self.line(4, &format!("- {text}"));
    }

    fn comment(&mut self, text: &str) {
        self.line(4, &format!("# {}", harmless::value(text)));
    }

    fn line(&mut self, depth: usize, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "{:1$}{text}", "", depth * 2);
    }
}

fn numbers(numbers: &[usize]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    numbers.join(", ")
}

fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| scalar(item)).collect();
    format!("[{}]", items.join(", "))
}

/// A YAML scalar that Compose reads back as `text`, also within brackets: `$` doubled, quoted unless plainly harmless.
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
        // A JSON text is a YAML text.
        harmless::json(&serde_json::Value::from(text).to_string()).into_owned()
    }
}
