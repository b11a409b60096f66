//! The reference and `spec.md` C3, C4 as situations: one service, one batch, one expected text.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::compose::block::{
    Command, Does, FallBackOn, LastStep, Matching, OnFailure, Run, Step, Sync, Work,
};
use crate::compose::{Block, Build, PathRule, Project, Service};
use crate::paths::{ContainerPath, HostPath};
use crate::transfer::Exec;
use crate::watch::Entry;

fn host(path: &str) -> HostPath {
    HostPath::new("/p").unwrap().join(path)
}

#[derive(Clone)]
struct Situation {
    block: Block,
    batch: Vec<Change>,
    debts: Debts,
    steps: usize,
}

fn service() -> Situation {
    Situation {
        block: Block::default(),
        batch: Vec::new(),
        debts: Debts::default(),
        steps: 0,
    }
}

impl Situation {
    fn step(&mut self) -> Step {
        self.steps += 1;
        Step::new(self.steps)
    }

    fn rule(text: &str) -> PathRule {
        PathRule::new(text, &host("")).unwrap()
    }

    fn fall_back_on(mut self, text: &str) -> Self {
        let step = self.step();
        self.block.fall_back_on.push(FallBackOn {
            step,
            rule: Self::rule(text),
        });
        self
    }

    fn sync(self, local: &str, remote: &str) -> Self {
        self.sync_but(local, remote, &[], &[])
    }

    fn sync_but(mut self, local: &str, remote: &str, ignore: &[&str], include: &[&str]) -> Self {
        let step = self.step();
        let own = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        self.block.syncs.push(Sync {
            step,
            local: host(local),
            remote: ContainerPath::new(remote).unwrap(),
            into_directory: remote.ends_with('/'),
            ignore: own(ignore),
            include: own(include),
            in_place: false,
            initial: false,
        });
        self
    }

    fn run(mut self, command: &str, triggers: &[&str]) -> Self {
        let step = self.step();
        let command = Command::Shell(command.into());
        self.block.add(Work {
            step,
            trigger: triggers.iter().map(|text| Self::rule(text)).collect(),
            does: Does::Run(Run::new(command, Exec::default(), OnFailure::Keep)),
        });
        self
    }

    fn restart_container(mut self, triggers: &[&str]) -> Self {
        let step = self.step();
        self.block.add(Work {
            step,
            trigger: triggers.iter().map(|text| Self::rule(text)).collect(),
            does: Does::Last(LastStep::RestartContainer { timeout: None }),
        });
        self
    }

    fn matching_all(mut self) -> Self {
        self.block.matching = Matching::All;
        self
    }

    fn unmatched_ignore(mut self) -> Self {
        self.block.unmatched = Unmatched::Ignore;
        self
    }

    fn owes_run(mut self, index: usize) -> Self {
        self.debts.owed.insert(index);
        self
    }

    fn write(self, path: &str) -> Self {
        self.there(path, Kind::File { len: 1 })
    }

    fn there(mut self, path: &str, kind: Kind) -> Self {
        self.batch
            .push(Change::Written(host(path), Entry::of(kind)));
        self
    }

    fn remove(mut self, path: &str) -> Self {
        self.batch.push(Change::Removed(host(path)));
        self
    }

    fn plan(self) -> Plan {
        let service = Service {
            name: "web".into(),
            build: Some(Build {
                context: host(""),
                dockerfile: Some(host("Dockerfile")),
                ignore_file: host(".dockerignore"),
                additional_contexts: Vec::new(),
                service_contexts: std::collections::BTreeMap::new(),
            }),
            block: Some(self.block),
            ..Service::default()
        };
        let project = Project {
            name: "p".into(),
            dir: host(""),
            sources: Vec::new(),
            services: vec![service.clone()],
        };
        plan(
            &Rules::of(&project, &service).unwrap(),
            &self.batch,
            &self.debts,
        )
    }

    #[track_caller]
    fn plans(self, expected: &str) {
        assert_eq!(self.plan().to_string(), expected);
    }
}

/// The reference's first example.
fn reference_sync() -> Situation {
    service()
        .sync("server/src", "/app")
        .sync("server/package.json", "/app/web/package.json")
}

#[test]
fn a_change_to_a_file_in_a_synced_directory_is_synced_below_its_target() {
    reference_sync()
        .write("server/src/A.txt")
        .plans("live update:\n  copy /p/server/src/A.txt -> /app/A.txt (step 1)");
}

#[test]
fn a_change_to_a_synced_file_is_synced_to_its_target() {
    reference_sync()
        .write("server/package.json")
        .plans("live update:\n  copy /p/server/package.json -> /app/web/package.json (step 2)");
}

#[test]
fn a_change_that_matches_no_sync_but_the_context_is_a_full_build() {
    reference_sync()
        .write("server/some_file.txt")
        .plans("rebuild: no sync covers /p/server/some_file.txt");
}

#[test]
fn f1_every_rule_that_holds_a_file_applies_each_with_its_own_target() {
    let rules = || {
        service()
            .matching_all()
            .sync(".", "/app/sub")
            .sync("vite.config.ts", "/app/vite.config.ts")
            .sync_but("web", "/web", &["*.map"], &[])
    };
    rules().write("vite.config.ts").plans(
        "live update:
  copy /p/vite.config.ts -> /app/sub/vite.config.ts (step 1)
  copy /p/vite.config.ts -> /app/vite.config.ts (step 2)",
    );
    rules().remove("vite.config.ts").plans(
        "live update:
  remove /app/sub/vite.config.ts (/p/vite.config.ts is gone, step 1)
  remove /app/vite.config.ts (/p/vite.config.ts is gone, step 2)",
    );
    // What one of them ignores is the other's all the same.
    rules()
        .write("web/a.map")
        .plans("live update:\n  copy /p/web/a.map -> /app/sub/web/a.map (step 1)");
}

#[test]
fn c4_in_a_block_the_first_sync_alone_decides() {
    service()
        .sync(".", "/app")
        .sync("a", "/b")
        .write("a")
        .plans("live update:\n  copy /p/a -> /app/a (step 1)");
}

#[test]
fn f1_of_two_files_for_one_place_the_earlier_rules_goes_there() {
    service()
        .matching_all()
        .sync("one", "/app")
        .sync("two", "/app")
        .there("two", Kind::Directory)
        .there("one", Kind::Directory)
        .write("two/x")
        .write("one/x")
        .remove("two/y")
        .write("one/y")
        .plans(
            "live update:
  copy /p/one -> /app (step 1)
  copy /p/one/x -> /app/x (step 1)
  copy /p/one/y -> /app/y (step 1)
  leave out /p/two/x: step 1 has a file for `/app/x` too
  leave out /p/two/y: step 1 has a file for `/app/y` too",
        );
}

#[test]
fn nothing_changed_means_nothing_happens() {
    reference_sync().plans("nothing: no watched file changed");
}

/// The reference's example of run triggers.
fn reference_runs() -> Situation {
    service()
        .sync("src", "/app")
        .run("/app/setup.sh", &[])
        .run("cd /app/web && yarn install", &["./src/web/yarn.lock"])
        .run(
            "/app/configure",
            &["./configs/foo.yaml", "./configs/bar.yaml"],
        )
}

#[test]
fn a_run_without_triggers_runs_on_every_live_update() {
    reference_runs().write("src/a.py").plans(
        "live update:\n  copy /p/src/a.py -> /app/a.py (step 1)\n  run /app/setup.sh (step 2, always)",
    );
}

#[test]
fn a_run_with_triggers_runs_when_a_changed_file_matches() {
    reference_runs().write("src/web/yarn.lock").plans(
        "live update:\n  copy /p/src/web/yarn.lock -> /app/web/yarn.lock (step 1)\n  \
         run /app/setup.sh (step 2, always)\n  \
         run cd /app/web && yarn install (step 3, /p/src/web/yarn.lock matches trigger `./src/web/yarn.lock`)",
    );
}

#[test]
fn a_trigger_that_no_sync_covers_does_a_full_build() {
    reference_runs()
        .write("configs/foo.yaml")
        .plans("rebuild: no sync covers /p/configs/foo.yaml");
}

#[test]
fn fall_back_on_wins_over_sync() {
    service()
        .fall_back_on("src/package.json")
        .sync("src", "/app")
        .write("src/a.js")
        .write("src/package.json")
        .plans("rebuild: /p/src/package.json matches fall_back_on `src/package.json` (step 1)");
}

#[test]
fn the_dockerfile_and_the_ignore_file_are_a_full_build() {
    let (image, context) = (
        "says how the image is built",
        "says which files the build gets",
    );
    for (file, says) in [
        ("Dockerfile", image),
        (".dockerignore", context),
        ("Dockerfile.dockerignore", context),
    ] {
        service()
            .sync(".", "/app")
            .write(file)
            .plans(&format!("rebuild: /p/{file} {says}"));
    }
}

#[test]
fn one_uncovered_file_makes_the_whole_batch_a_full_build() {
    service()
        .sync("src", "/app")
        .write("src/a")
        .write("b")
        .plans("rebuild: no sync covers /p/b");
}

#[test]
fn unmatched_ignore_leaves_the_file_out_and_says_so() {
    service()
        .unmatched_ignore()
        .sync("src", "/app")
        .write("src/a")
        .write("b")
        .plans(
            "live update:\n  copy /p/src/a -> /app/a (step 1)\n  \
         leave out /p/b: no sync covers it, and `unmatched` is `ignore`",
        );
    service()
        .unmatched_ignore()
        .sync("src", "/app")
        .write("b")
        .plans("nothing: /p/b: no sync covers it, and `unmatched` is `ignore`");
}

#[test]
fn an_empty_list_rebuilds_on_every_change() {
    service()
        .write("anything")
        .plans("rebuild: no sync covers /p/anything");
}

#[test]
fn a_new_empty_directory_that_no_sync_covers_asks_for_nothing() {
    service()
        .sync("src", "/app")
        .there("newdir", Kind::Directory)
        .plans("nothing: no watched file changed");
}

#[test]
fn a_deleted_file_is_deleted_where_it_was_synced_to() {
    service()
        .sync("src", "/app")
        .remove("src/a/b")
        .plans("live update:\n  remove /app/a/b (/p/src/a/b is gone, step 1)");
}

#[test]
fn the_first_sync_that_holds_the_file_decides() {
    service()
        .sync("src/web", "/web")
        .sync("src", "/app")
        .write("src/web/x")
        .write("src/y")
        .plans("live update:\n  copy /p/src/web/x -> /web/x (step 1)\n  copy /p/src/y -> /app/y (step 2)");
}

#[test]
fn a_file_to_a_path_that_ends_in_a_slash_goes_into_that_directory() {
    service()
        .sync("f", "/dest/")
        .write("f")
        .plans("live update:\n  copy /p/f -> /dest/f (step 1)");
}

#[test]
fn a_directory_to_a_path_that_ends_in_a_slash_is_that_directory() {
    service()
        .sync("d", "/dest/")
        .write("d/x")
        .plans("live update:\n  copy /p/d/x -> /dest/x (step 1)");
    service()
        .sync("d", "/dest/")
        .there("d", Kind::Directory)
        .plans("live update:\n  copy /p/d -> /dest (step 1)");
}

#[test]
fn what_a_sync_ignores_neither_syncs_nor_rebuilds() {
    service()
        .sync_but("static", "/app/static", &["**/*.map"], &[])
        .write("static/js/a.map")
        .plans("nothing: /p/static/js/a.map: step 1 ignores it (`**/*.map`)");
}

#[test]
fn what_a_sync_does_not_include_is_for_the_next_one() {
    service()
        .sync_but("src", "/py", &[], &["**/*.py"])
        .sync_but("src", "/all", &[], &[])
        .write("src/a/b.py")
        .write("src/c.txt")
        .plans("live update:\n  copy /p/src/a/b.py -> /py/a/b.py (step 1)\n  copy /p/src/c.txt -> /all/c.txt (step 2)");
}

#[test]
fn the_restart_comes_with_every_update_unless_it_has_triggers() {
    service()
        .sync("src", "/app")
        .restart_container(&[])
        .write("src/a")
        .plans(
            "live update:\n  copy /p/src/a -> /app/a (step 1)\n  restart the container (step 2)",
        );
    let with_trigger = service()
        .sync("src", "/app")
        .restart_container(&["src/*.py"]);
    with_trigger
        .clone()
        .write("src/a.html")
        .plans("live update:\n  copy /p/src/a.html -> /app/a.html (step 1)");
    with_trigger.write("src/a.py").plans(
        "live update:\n  copy /p/src/a.py -> /app/a.py (step 1)\n  restart the container (step 2)",
    );
}

#[test]
fn a_run_that_failed_is_run_again_with_the_next_update() {
    reference_runs().owes_run(1).write("src/a.py").plans(
        "live update:\n  copy /p/src/a.py -> /app/a.py (step 1)\n  run /app/setup.sh (step 2, always)\n  \
         run cd /app/web && yarn install (step 3, owed since it failed, was skipped or had to wait)",
    );
}

#[test]
fn a_dangling_symlink_is_copied_as_a_symlink() {
    service()
        .sync("src", "/app")
        .there(
            "src/link",
            Kind::Link {
                target: PathBuf::from("nowhere"),
            },
        )
        .plans("live update:\n  copy /p/src/link -> /app/link (step 1)");
}

#[test]
fn sockets_are_left_out_and_said_so() {
    service()
        .sync("src", "/app")
        .there("src/s", Kind::Special)
        .plans("nothing: /p/src/s: sockets, FIFOs and devices are not synced");
}

#[test]
fn an_unreadable_file_is_left_out_and_said_so() {
    service()
        .sync("src", "/app")
        .there(
            "src/s",
            Kind::Unreadable {
                why: "permission denied".into(),
            },
        )
        .plans("nothing: /p/src/s: cannot be read: permission denied");
}

proptest! {
    /// C3, C4: whatever the batch, a plan copies only what a sync holds, below that sync's target.
    #[test]
    fn nothing_is_ever_copied_outside_a_syncs_target(paths in prop::collection::vec("(src|lib|x)(/[a-c]{1,2}){1,3}", 1..8)) {
        let situation = paths.iter().fold(
            service().unmatched_ignore().sync("src", "/app").sync("lib", "/usr/lib/x"),
            |situation, path| situation.write(path),
        );
        if let Plan::LiveUpdate(update) = situation.plan() {
            for copy in &update.copies {
                let (local, remote) = if copy.step.number == 1 { ("src", "/app") } else { ("lib", "/usr/lib/x") };
                prop_assert!(copy.from.below(&host(local)).is_some());
                prop_assert!(copy.to.is_within(&ContainerPath::new(remote).unwrap()));
            }
        }
    }
}
