//! The helper in hostile places (issue 5, "Bad input"), and which way updates take: each falls back or ends with a clear line,
//! and nothing is lost.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::project::{DOCKERFILE, Project};
use crate::proxy::Proxy;
use crate::session::Session;

/// The helpers that updates go through, and their end.
const KILL: &str = "for p in /proc/[0-9]*; do case $(readlink $p/exe) in */serve-*) kill -9 ${p#/proc/};; esac; done";
const COUNT: &str =
    "for p in /proc/[0-9]*; do case $(readlink $p/exe) in */serve-*) echo; esac; done | wc -l";

/// The next update, whatever way it takes, without a failure.
#[track_caller]
fn updated_via(up: &mut Session<'_>, way: &str, text: &str) -> Value {
    up.write("src/a.txt", text);
    let outcome = up.live_updated("web");
    assert_eq!(outcome["via"], way, "{outcome}");
    assert_eq!(up.file("web", "/app/a.txt").as_deref(), Some(text));
    outcome
}

#[test]
fn a_helper_killed_between_updates_is_replaced() {
    let project = Project::web("- sync: ./src:/app\n- run: cat /app/a.txt >> /ran");
    let mut up = project.up();
    updated_via(&mut up, "helper", "two ");
    project.sh("web", KILL);
    updated_via(&mut up, "helper", "three ");
    project.sh("web", KILL);
    // A delete and a comparison need it as well.
    project.write("src/b.txt", "x");
    up.live_updated("web");
    project.sh("web", KILL);
    project.remove("src/b.txt");
    up.live_updated("web");
    up.until_gone("web", "/app/b.txt");
    assert_eq!(
        project.file("web", "/ran").as_deref(),
        Some("two three three three ")
    );
    up.until_in_step("src", "web", "/app");
    assert_eq!(up.rebuilds("web"), 0);
}

#[test]
fn helpers_killed_during_updates_lose_nothing_and_leave_nothing_half_done() {
    let project = Project::web("- sync: ./src:/app");
    for number in 0..300 {
        project.write(format!("src/many/{number}"), "one");
    }
    let up = project.up();
    std::thread::scope(|threads| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        threads.spawn(|| {
            let stopped = stopped;
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                project.sh("web", &format!("for n in 1 2 3 4 5; do {KILL}; done"));
            }
        });
        for round in 0..6 {
            for number in 0..300 {
                let text = format!("round {round} of {number}\n").repeat(200);
                project.write(format!("src/many/{number}"), text);
            }
            project.write(format!("src/round-{round}"), "x");
            up.until_file("web", &format!("/app/round-{round}"), "x");
        }
        drop(stop);
    });
    // What a killed one had begun the next one takes away: some update brings it.
    let mut round = 0;
    up.eventually("all is there, and nothing else", || {
        round += 1;
        project.write("src/last", format!("{round}"));
        project.tree("web", "/app") == Some(project.host_tree("src"))
    });
    assert_eq!(up.rebuilds("web"), 0);
}

/// "its exec cut": the connection to the engine breaks, and with it the long exec.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_exec_is_opened_anew_and_the_old_helper_ends() {
    let project = Project::web("- sync: ./src:/app");
    let mut proxy = Proxy::open();
    let mut up = project.tool(&["up", "--format", "json"]);
    up.env("DOCKER_HOST", proxy.host());
    let mut up = project.follow(up);
    up.wait_for("the session has started", |event| {
        event["event"] == "started"
    });
    updated_via(&mut up, "helper", "two");
    for text in ["three", "four"] {
        proxy.cut();
        // While the engine is away, and when it is back.
        project.write("src/away", text);
        proxy.mend();
        up.until_file("web", "/app/away", text);
        // What was tried while the engine was away may have its line later.
        let mut round = 0;
        up.eventually("updates go through a helper again", || {
            round += 1;
            let name = format!("{text}-{round}");
            project.write("src/a.txt", &name);
            up.until_file("web", "/app/a.txt", &name);
            let events = up.events();
            let last = events.iter().rfind(|event| event["event"] == "outcome");
            last.is_some_and(|outcome| outcome["via"] == "helper")
        });
    }
    up.until("one helper is left", &"1".to_owned(), || {
        project.sh("web", COUNT)
    });
    // In the middle of an update.
    for number in 0..2000 {
        project.write(format!("src/many/{number}"), vec![b'x'; 10_000]);
    }
    proxy.cut();
    proxy.mend();
    up.until_in_step("src", "web", "/app");
    assert_eq!(up.rebuilds("web"), 0);
}

#[test]
fn a_hidden_directory_that_was_removed_is_made_again() {
    let project = Project::web(
        "- sync: {local_path: ./conf, remote_path: /conf, in_place: true}\n- sync: ./src:/app",
    );
    project.write("conf/app.ini", "a long first line");
    project.write("Dockerfile", format!("{DOCKERFILE}COPY conf /conf\n"));
    let mut up = project.up();
    updated_via(&mut up, "helper", "two");
    project.sh("web", "rm -rf /.liveupdate");
    updated_via(&mut up, "helper", "three");
    let inode = project.sh("web", "stat -c %i /conf/app.ini");
    project.write("conf/app.ini", "two");
    assert_eq!(up.live_updated("web")["via"], "helper");
    up.until_file("web", "/conf/app.ini", "two");
    assert_eq!(project.sh("web", "stat -c %i /conf/app.ini"), inode);
    project.sh("web", &format!("rm -rf /.liveupdate; {KILL}"));
    updated_via(&mut up, "helper", "four");
    assert_eq!(up.rebuilds("web"), 0);
}

/// The container's process runs under the helper: without it, the container could not start again.
#[test]
fn a_container_whose_supervisor_was_removed_starts_again_with_the_next_change() {
    let project = Project::web("- sync: ./src:/app\n- restart_process");
    let mut up = project.up();
    let id = project.id("web");
    updated_via(&mut up, "helper", "two");
    project.sh("web", "rm -rf /.liveupdate");
    let outcome = updated_via(&mut up, "helper", "three");
    assert_eq!(outcome["detail"]["restarted"], "restarted the process");
    // Not by us: that it cannot start is for its owner to see, and the next change mends it.
    project.docker(&["restart", "-t", "1"], "web");
    up.until("there is nothing to start", &"127".to_owned(), || {
        project.inspect("web", "{{.State.ExitCode}}")
    });
    project.write("src/a.txt", "four");
    up.live_updated("web");
    up.until("it runs again", &"true".to_owned(), || {
        project.inspect("web", "{{.State.Running}}")
    });
    up.until_in_step("src", "web", "/app");
    let outcome = updated_via(&mut up, "helper", "five");
    assert_eq!(outcome["detail"]["restarted"], "restarted the process");
    assert_eq!((project.id("web"), up.rebuilds("web")), (id, 0));
}

/// A project whose containers may not do these system calls.
fn without_calls(action: &str, calls: &[&str], steps: &str) -> Project {
    let project = Project::web_with("security_opt: ['seccomp=./seccomp.json']", steps);
    let profile = serde_json::json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": calls, "action": action}],
    });
    project.write("seccomp.json", profile.to_string());
    project.write(".dockerignore", "seccomp.json\n");
    project
}

/// "a seccomp profile .. that forbids it": what cannot begin is not used, and why is said with the first update.
#[test]
fn a_seccomp_profile_that_forbids_the_helper_to_begin_leaves_the_plain_way() {
    for action in ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"] {
        let calls = ["signalfd", "signalfd4"];
        let project = without_calls(
            action,
            &calls,
            "- sync: ./src:/app\n- run: cat /app/a.txt >> /ran",
        );
        project.write("src/old", "goes");
        let mut up = project.up();
        let outcome = updated_via(&mut up, "archive", "two ");
        let why = outcome["via_reason"].as_str().unwrap_or_default();
        assert!(why.contains("the helper"), "{outcome}");
        assert!(up.said(&format!(
            "updates of web-1 go through the plain Engine API: {why}"
        )));
        project.remove("src/old");
        up.live_updated("web");
        up.until_gone("web", "/app/old");
        up.until_in_step("src", "web", "/app");
        assert_eq!(project.file("web", "/ran").as_deref(), Some("two two "));
        assert_eq!(up.rebuilds("web"), 0);
    }
}

/// One that lets it begin and not do its work: the same.
#[test]
fn a_seccomp_profile_that_forbids_to_rename_leaves_the_plain_way() {
    for (action, calls) in [
        ("SCMP_ACT_ERRNO", ["rename", "renameat", "renameat2"]),
        ("SCMP_ACT_ERRNO", ["fchmod", "fchmodat", "fchmodat2"]),
        ("SCMP_ACT_KILL_PROCESS", ["rename", "renameat", "renameat2"]),
    ] {
        let project = without_calls(action, &calls, "- sync: ./src:/app");
        let mut up = project.up();
        for text in ["two", "three"] {
            let outcome = updated_via(&mut up, "archive", text);
            let why = outcome["via_reason"].as_str().unwrap_or_default();
            assert!(why.contains("helper"), "{outcome}");
        }
        project.write("src/deep/new", "new");
        up.until_in_step("src", "web", "/app");
        assert_eq!(up.rebuilds("web"), 0);
    }
}

/// A process that cannot be kept runs by itself; its container is restarted in its place.
#[test]
fn a_seccomp_profile_that_forbids_to_keep_the_process_leaves_the_containers_restart() {
    let calls = ["signalfd", "signalfd4"];
    let project = without_calls(
        "SCMP_ACT_ERRNO",
        &calls,
        "- sync: ./src:/app\n- restart_process",
    );
    let mut up = project.up();
    let (id, started) = (project.id("web"), project.started_at("web"));
    assert!(project.sh("web", "cat /proc/[0-9]*/comm").contains("sleep"));
    let outcome = updated_via(&mut up, "archive", "two");
    let restarted = outcome["detail"]["restarted"].to_string();
    assert!(restarted.contains("restarted the container"), "{outcome}");
    assert_eq!(project.id("web"), id);
    assert_ne!(project.started_at("web"), started);
    assert!(up.said("its process is not kept"), "the log says why");
}

/// "a user namespace that forbids it": root without a right over other users' files, as in one.
#[test]
fn a_root_without_rights_leaves_the_plain_way_where_it_needs_them() {
    let project = Project::web_with("cap_drop: [ALL]", "- sync: ./src:/app");
    project.write(
        "Dockerfile",
        format!("{DOCKERFILE}RUN mkdir /app/theirs && chown -R 1234:1234 /app && chmod 700 /app/theirs\n"),
    );
    let mut up = project.up();
    let outcome = updated_via(&mut up, "archive", "two");
    let why = outcome["via_reason"].as_str().unwrap_or_default();
    assert!(
        why.contains("not permitted") || why.contains("denied"),
        "{outcome}"
    );
    project.write("src/theirs/new", "new");
    up.until_file("web", "/app/theirs/new", "new");
    assert_eq!(project.sh("web", "stat -c %u:%g /app/a.txt"), "1234:1234");
    assert_eq!(up.rebuilds("web"), 0);
}

/// What stands where ours is to stand is none of our business: it stays, and the plain way is taken.
#[test]
fn an_image_with_something_else_in_the_helpers_place_keeps_it() {
    let project = Project::web("- sync: ./src:/app");
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nCOPY src /app\nRUN echo theirs > /.liveupdate\nCMD [\"sleep\", \"100000\"]\n",
    );
    let mut up = project.up();
    let outcome = updated_via(&mut up, "archive", "two");
    let why = outcome["via_reason"].as_str().unwrap_or_default();
    assert!(why.contains(".liveupdate"), "{outcome}");
    assert_eq!(
        project.file("web", "/.liveupdate").as_deref(),
        Some("theirs\n")
    );
    assert_eq!(up.rebuilds("web"), 0);
}

/// What an older tool left there (another version's executables, its journal) is neither used nor in the way.
#[test]
fn what_an_older_tool_left_in_the_hidden_directory_is_not_used() {
    let project = Project::web("- sync: ./src:/app\n- restart_process");
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nCOPY src /app\n\
         RUN mkdir /.liveupdate && for name in init serve serve-1-0; do \
         printf '#!/bin/sh\\necho older; exit 1\\n' > /.liveupdate/$name && chmod 755 /.liveupdate/$name; done \
         && printf '/app\\0' > /.liveupdate/journal-1 && touch /.liveupdate/content-1-0 /app/.liveupdate-1-7~\n\
         CMD [\"sleep\", \"100000\"]\n",
    );
    let mut up = project.up();
    let outcome = updated_via(&mut up, "helper", "two");
    assert_eq!(outcome["detail"]["restarted"], "restarted the process");
    // It was killed in the middle of an update, and this takes away what it left of that.
    up.until_in_step("src", "web", "/app");
}

/// Issue 5.1: "It leaves one hidden directory, removed on exit; nothing of the image is changed."
#[test]
fn nothing_of_the_image_is_changed_and_nothing_is_left_at_the_end() {
    let project = Project::web("- sync: ./src:/app\n- run: 'true'");
    project.write("src/old", "goes");
    let mut up = project.up_with(&["--keep"]);
    updated_via(&mut up, "helper", "two");
    let changed = || -> BTreeSet<String> {
        let name = project.container("web");
        let diff = std::process::Command::new("docker")
            .args(["diff", &name])
            .output();
        let diff = String::from_utf8(diff.unwrap().stdout).unwrap();
        // The engine's own, for `init: true`.
        let ours = diff.lines().filter(|line| !line.contains("/sbin"));
        ours.map(str::to_owned).collect()
    };
    let lines =
        |lines: &[&str]| -> BTreeSet<String> { lines.iter().map(ToString::to_string).collect() };
    let hidden: Vec<String> = changed()
        .into_iter()
        .filter(|line| line.contains(".liveupdate"))
        .collect();
    // While nothing happens there is nothing either.
    assert!(
        hidden.iter().all(|line| line.starts_with("A /.liveupdate")),
        "{hidden:?}"
    );
    project.write("src/new", "new");
    up.live_updated("web");
    project.remove("src/old");
    up.until_gone("web", "/app/old");
    assert_eq!(up.interrupt(), Some(130));
    assert_eq!(
        changed(),
        lines(&["C /app", "C /app/a.txt", "A /app/new", "D /app/old"])
    );
    assert_eq!(project.inspect("web", "{{.State.Running}}"), "true");
}

/// Issue 5.6: "the tool says which path it took (`explain` and the first update's line)".
#[test]
fn the_first_update_says_which_way_updates_take_and_explain_says_it_before() {
    let helper = "the helper inside the container";
    let off = "the plain Engine API: the block says `helper: off`";
    let switched_off = "the plain Engine API: LIVEUPDATE_HELPER=off";
    let volume = "the plain Engine API: the root is read-only and no volume can be written";
    let list = "- sync: ./src:/app";
    let cases = [
        (list, None, helper),
        ("helper: off\nsteps: [{sync: './src:/app'}]", None, off),
        (list, Some("off"), switched_off),
    ];
    for (steps, variable, way) in cases {
        let project = Project::web(steps);
        let tool = |args: &[&str]| {
            let mut tool = project.tool(args);
            if let Some(value) = variable {
                tool.env("LIVEUPDATE_HELPER", value);
            }
            tool
        };
        // As text.
        let mut up = project.follow(tool(&["up"]));
        up.says("ready");
        let explained = tool(&["explain", "src/a.txt"]).output().unwrap();
        let explained = String::from_utf8(explained.stdout).unwrap();
        assert!(
            explained.contains(&format!("goes through {way}\n")),
            "{explained}"
        );
        for text in ["two", "three"] {
            project.write("src/a.txt", text);
            up.until_file("web", "/app/a.txt", text);
        }
        let but = match way {
            way if way == helper => "",
            _ => {
                "; that way cannot rule out that a process in the container turns a path elsewhere in that very moment (SECURITY.md)"
            }
        };
        let line = format!("web  updates of web-1 go through {way}{but}");
        up.says(&line);
        drop(up);
        // As JSON.
        let mut up = project.follow(tool(&["up", "--format", "json"]));
        up.wait_for("the session has started", |event| {
            event["event"] == "started"
        });
        let (via, why) = match way.split_once(": ") {
            Some((_, why)) => ("archive", Value::from(why)),
            None => ("helper", Value::Null),
        };
        let outcome = updated_via(&mut up, via, "four");
        assert_eq!(outcome["via_reason"], why);
        let outcome = updated_via(&mut up, via, "five");
        assert_eq!(outcome["via_reason"], why);
        let told = |event: &Value| {
            event["event"] == "notice"
                && event["text"] == format!("updates of web-1 go through {way}{but}")
        };
        assert_eq!(up.count(told), 1, "once");
        let explained = tool(&["explain", "--format", "json", "src/a.txt"])
            .output()
            .unwrap();
        let explained: Value = serde_json::from_slice(&explained.stdout).unwrap();
        assert_eq!(
            (&explained["via"], &explained["via_reason"]),
            (&via.into(), &why)
        );
    }
    let project = Project::web_with("read_only: true", list);
    let _up = project.up();
    let explained = project.tool(&["explain", "src/a.txt"]).output().unwrap();
    let explained = String::from_utf8(explained.stdout).unwrap();
    assert!(
        explained.contains(&format!("goes through {volume}\n")),
        "{explained}"
    );
}

/// Once for all containers that have it in common.
#[test]
fn containers_with_the_same_way_share_a_line() {
    let project = Project::web_with("scale: 3", "- sync: ./src:/app");
    let mut up = project.up();
    updated_via(&mut up, "helper", "two");
    assert!(up.said("updates of web-1, web-2, web-3 go through the helper inside the container"));
}

/// A session of days: whatever was open to a container is closed when it is gone.
#[cfg(target_os = "linux")]
#[test]
fn a_session_holds_nothing_open_for_containers_that_were_recreated() {
    let project = Project::web_with("scale: 3", "- sync: ./src:/app");
    let mut up = project.up();
    let sockets = |up: &Session<'_>| {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", up.pid())).unwrap();
        let links = descriptors.filter_map(|entry| entry.ok()?.path().read_link().ok());
        links
            .filter(|link| link.to_string_lossy().starts_with("socket:"))
            .count()
    };
    let mut held = Vec::new();
    for round in 0..6 {
        project.write("src/a.txt", round.to_string());
        let outcome = up.wait_for("an update of all three", |event| {
            let containers = event["containers"].as_array();
            event["action"] == "live-update" && containers.is_some_and(|all| all.len() == 3)
        });
        assert_eq!(outcome["via"], "helper", "{outcome}");
        held.push(sockets(&up));
        project.write("Dockerfile", format!("{DOCKERFILE}ENV ROUND={round}\n"));
        up.rebuilt("web");
    }
    // 15 were replaced meanwhile; a connection to the engine more or less comes and goes.
    assert!(held[5] <= held[0] + 4, "{held:?}");
}
