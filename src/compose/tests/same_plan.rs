//! Whatever the rules: the block that `convert` prints loads, and says the same of every batch (`spec.md` F2).

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Situation, compose, host};
use crate::compose::{Project, convert};
use crate::plan::{self, Debts, LiveUpdate, Plan, Rules};
use crate::watch::{Change, Entry, Inode, Kind, Scope};

/// Paths of rules, some of which hold others or lie outside of the context.
const PATHS: [&str; 12] = [
    ".",
    "./src",
    "src/a",
    "./src/a/x.py",
    "conf",
    "../shared",
    "../shared/lib",
    "./package.json",
    "we*ird [x]",
    ".hidden",
    "a:b",
    "src/../conf/c",
];

/// Files that change.
const FILES: [&str; 14] = [
    "src/a/x.py",
    "src/a/y.md",
    "src/a/keep/k.md",
    "src/b",
    "conf/c",
    "conf/gen/x.py",
    "package.json",
    "../shared/lib/m.py",
    "../shared/n.md",
    "we*ird [x]/f.md",
    ".hidden/h",
    "a:b/c",
    "other/z",
    "ignored/i.py",
];

const SOURCES: [&str; 3] = ["build: .", "build: ./src", "image: busybox"];

const TARGETS: [&str; 6] = ["/app", "/app/src/", "/x/y", "rel/t", "/", "/a:b c"];

const PATTERNS: [&str; 6] = ["*.md", "**/x.py", "a", "!a/keep", "gen/", "lib"];

fn rule(can_build: bool) -> impl Strategy<Value = Value> {
    let actions: Vec<&'static str> = ["sync", "sync+restart", "sync+exec", "restart", "rebuild"]
        .into_iter()
        .filter(|action| can_build || *action != "rebuild")
        .collect();
    let list = || prop::collection::vec(prop::sample::select(&PATTERNS[..]), 0..3);
    let exec = (
        any::<bool>(),
        prop::option::of(Just("sub/dir")),
        any::<bool>(),
    );
    (
        prop::sample::select(actions),
        prop::sample::select(&PATHS[..]),
        prop::sample::select(&TARGETS[..]),
        list(),
        list(),
        any::<bool>(),
        exec,
    )
        .prop_map(|(action, path, target, ignore, include, initial, exec)| {
            let mut rule = json!({"action": action, "path": path});
            for (key, list) in [("ignore", ignore), ("include", include)] {
                if !list.is_empty() {
                    rule[key] = json!(list);
                }
            }
            if action.starts_with("sync") {
                rule["target"] = json!(target);
                rule["initial_sync"] = json!(initial);
            }
            if action == "sync+exec" {
                let (privileged, dir, user) = exec;
                rule["exec"] = json!({"command": ["make", "all it"], "privileged": privileged});
                if let Some(dir) = dir {
                    rule["exec"]["working_dir"] = json!(dir);
                }
                if user {
                    rule["exec"]["user"] = json!("me");
                    rule["exec"]["environment"] = json!(["A=b c"]);
                }
            }
            rule
        })
}

/// How the service is built, and its rules.
fn service() -> impl Strategy<Value = (&'static str, Vec<Value>)> {
    prop::sample::select(&SOURCES[..]).prop_flat_map(|source| {
        let rule = rule(source.starts_with("build"));
        (Just(source), prop::collection::vec(rule, 1..6))
    })
}

fn situation(text: &str) -> Situation {
    let files = FILES.into_iter().filter(|file| !file.starts_with(".."));
    files.fold(
        compose(text)
            .file("src/Dockerfile", "FROM busybox\n")
            .file(".dockerignore", "ignored\n"),
        |situation, file| situation.file(file, ""),
    )
}

fn batch(changes: &[(usize, bool)]) -> Vec<Change> {
    let change = |&(index, removed): &(usize, bool)| {
        let path = host(FILES[index]);
        let entry = Entry {
            kind: Kind::File { len: 1 },
            mode: 0o644,
            modified: std::time::UNIX_EPOCH,
            inode: Inode::default(),
        };
        if removed {
            Change::Removed(path)
        } else {
            Change::Written(path, entry)
        }
    };
    let mut batch: Vec<Change> = changes.iter().map(change).collect();
    batch.sort_by(|one, other| one.path().cmp(other.path()));
    batch.dedup_by(|one, other| one.path() == other.path());
    batch
}

/// What is done for a batch: everything of the plan but where it stands in the file.
fn done(project: &Project, situation: &Situation, batch: &[Change]) -> Vec<String> {
    let service = project.service("web").unwrap();
    let rules = Rules::of(project, service).unwrap();
    let scope = Scope::of(project, service, |file| {
        Ok(super::Files::read(situation, file).ok())
    })
    .unwrap();
    let watched: Vec<Change> = batch
        .iter()
        .filter(|change| scope.watches(change.path()))
        .cloned()
        .collect();
    match plan::plan(&rules, &watched, &Debts::default()) {
        Plan::Nothing(_) => Vec::new(),
        Plan::LiveUpdate(update) => lines(&update),
        Plan::Rebuild(because) => {
            // What comes into the container of the rebuild, and what would be updated if nobody had asked for one.
            let after: Vec<Change> = watched
                .into_iter()
                .filter(|change| rules.follows_rebuild(change.path()) || rules.syncs(change.path()))
                .collect();
            let mut lines = vec![format!("rebuild for {:?}", because.path())];
            if let Plan::LiveUpdate(update) = plan::in_place(&rules, &after, &Debts::default()) {
                lines.extend(self::lines(&update));
            }
            lines
        }
    }
}

fn lines(update: &LiveUpdate) -> Vec<String> {
    let copies = update
        .copies
        .iter()
        .map(|copy| format!("copy {} to {}", copy.from, copy.to));
    let removes = update
        .removes
        .iter()
        .map(|remove| format!("remove {}", remove.to));
    let works = update
        .steps
        .iter()
        .map(|due| format!("{:?}", due.work.does));
    copies.chain(removes).chain(works).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn f2_rules_and_the_block_that_convert_prints_give_the_same_plan(
        (source, rules) in service(),
        batches in prop::collection::vec(
            prop::collection::vec((0..FILES.len(), any::<bool>()), 1..5),
            1..12,
        ),
    ) {
        let mut text = format!("services:\n  web:\n    {source}\n    develop:\n      watch:\n");
        for rule in &rules {
            writeln!(text, "        - {rule}").unwrap();
        }
        let before = situation(&text);
        let rules = before.project();
        let converted = convert(&rules, "web");
        let block = converted.replace("x-live-update:", &format!("{source}\n    x-live-update:"));
        prop_assert!(!block.contains(": /p") && !block.contains(" /shared"), "{}", block);
        let after = situation(&block);
        let blocks = after.project();
        let initial = |project: &Project| -> Vec<bool> {
            let block = project.service("web").unwrap().block.as_ref().unwrap();
            block.syncs.iter().map(|sync| sync.initial).collect()
        };
        prop_assert_eq!(initial(&rules), initial(&blocks));
        for changes in &batches {
            let batch = batch(changes);
            prop_assert_eq!(
                done(&rules, &before, &batch),
                done(&blocks, &after, &batch),
                "{}\n{}", text, block
            );
        }
    }
}
