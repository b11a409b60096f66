//! `restart_process` in every kind of container (issue 5.5): the process is the one the service really has, and the container
//! stays the same.

use std::process::Command;

use crate::needs::{has, needs};
use crate::project::{Project, web};
use crate::session::Session;

/// A service with `restart_process`. What its process says goes to `/log`: a restart of the process keeps it.
fn project(lines: &str, dockerfile: &str) -> Project {
    let project = Project::new(&web(lines, "- sync: ./src:/app\n- restart_process"));
    project.write("Dockerfile", dockerfile);
    project.write("src/a.txt", "one");
    project
}

const PLAIN: &str = "FROM busybox:1.37\nCOPY src /app\nRUN mkdir /log && chmod 777 /log\n";

/// A process that writes what `said` is, waits, and ends at once when it is told to.
fn saying(said: &str) -> String {
    format!(
        "trap 'exit 0' TERM; {{ {said}; }} >> /log/said; while :; do sleep 1000 & wait $$!; done"
    )
}

/// An edit restarts the process and not the container: the process has said `said` once more.
#[track_caller]
fn restarts(up: &mut Session<'_>, said: &str, text: &str) {
    let (id, started) = (up.id("web"), up.started_at("web"));
    let before = up.file("web", "/log/said").unwrap_or_default();
    up.write("src/a.txt", text);
    let outcome = up.live_updated("web");
    assert_eq!(
        outcome["detail"]["restarted"], "restarted the process",
        "{outcome}"
    );
    up.until_file("web", "/log/said", &format!("{before}{said}\n"));
    assert_eq!((id, started), (up.id("web"), up.started_at("web")));
    assert_eq!(up.file("web", "/app/a.txt").as_deref(), Some(text));
}

/// Starts, waits for the first word, and restarts twice.
#[track_caller]
fn restarts_twice<'project>(project: &'project Project, said: &str) -> Session<'project> {
    let mut up = project.up();
    up.until_file("web", "/log/said", &format!("{said}\n"));
    restarts(&mut up, said, "two");
    restarts(&mut up, said, "three");
    up
}

#[test]
fn restart_process_with_a_terminal() {
    let command = saying("tty -s && echo on a terminal || echo on none");
    let project = project(
        &format!("tty: true\ncommand: ['sh', '-c', \"{command}\"]"),
        PLAIN,
    );
    let up = restarts_twice(&project, "on a terminal");
    assert_eq!(up.inspect("web", "{{.Config.Tty}}"), "true");
}

/// The keyboard is the new process's after a restart, as it was the old one's.
#[test]
fn restart_process_with_stdin_open() {
    let echo = "echo began >> /log/said; while read word; do echo heard $$word >> /log/said; done";
    for tty in ["false", "true"] {
        let project = project(
            &format!("stdin_open: true\ntty: {tty}\ncommand: ['sh', '-c', '{echo}']"),
            PLAIN,
        );
        let mut up = restarts_twice(&project, "began");
        let mut attached = Command::new("script");
        let attach = format!(
            "docker attach --sig-proxy=false {}",
            project.container("web")
        );
        attached.args(["-qec", &attach, "/dev/null"]);
        attached.stdin(std::process::Stdio::piped());
        attached.stdout(std::process::Stdio::null());
        if tty == "false" {
            attached = Command::new("docker");
            attached.args(["attach", "--sig-proxy=false", &project.container("web")]);
            attached.stdin(std::process::Stdio::piped());
            attached.stdout(std::process::Stdio::null());
        }
        let mut attached = attached.spawn().unwrap();
        let mut keyboard = attached.stdin.take().unwrap();
        std::io::Write::write_all(&mut keyboard, b"hello\n").unwrap();
        up.until_file("web", "/log/said", "began\nbegan\nbegan\nheard hello\n");
        restarts(&mut up, "began", "four");
        let _ = attached.kill();
        let _ = attached.wait();
    }
}

#[test]
fn restart_process_of_another_user() {
    let command = saying("id -u");
    let project = project(
        &format!("user: '1234:2345'\ncommand: [sh, -c, \"{command}\"]"),
        PLAIN,
    );
    restarts_twice(&project, "1234");
}

#[test]
fn restart_process_of_an_image_with_a_user_of_its_own() {
    let command = saying("id -un").replace("$$", "$");
    let project = project(
        "",
        &format!(
            "{PLAIN}RUN echo app:x:1234:1234::/:/bin/sh >> /etc/passwd\nUSER app\nENTRYPOINT [\"sh\", \"-c\", \"{command}\"]\n"
        ),
    );
    restarts_twice(&project, "app");
}

#[test]
fn restart_process_in_a_working_directory() {
    let command = saying("pwd");
    let project = project(
        &format!("working_dir: /app\ncommand: [sh, -c, \"{command}\"]"),
        PLAIN,
    );
    restarts_twice(&project, "/app");
}

/// `init: true` and its absence: in both the engine's own process 1 or ours is the parent, and zombies are reaped.
#[test]
fn restart_process_with_and_without_init() {
    for init in ["true", "false"] {
        let command = saying("(sleep 0.1 &); echo began");
        let project = project(&format!("command: [sh, -c, \"{command}\"]"), PLAIN);
        project.replace("compose.yaml", "init: true", &format!("init: {init}"));
        let up = restarts_twice(&project, "began");
        let first = up.sh("web", "cat /proc/1/comm");
        let expected = if init == "true" {
            "docker-init"
        } else {
            "init"
        };
        assert_eq!(first, expected, "process 1");
        up.until("no zombie is left", &String::new(), || {
            up.sh("web", "grep -ls 'State:.Z' /proc/[0-9]*/status || true")
        });
    }
}

/// The environment and the name of the program are the service's own.
#[test]
fn exec_form_and_shell_form_of_image_and_compose_file_are_the_process() {
    let script = "#!/bin/sh\necho \"$@\" $MARK >> /log/said\ntrap 'exit 0' TERM\nwhile :; do sleep 1000 & wait $!; done\n";
    let with = |lines: &str, dockerfile: &str| {
        let project = project(
            &format!("environment: {{MARK: marked}}\n{lines}"),
            &format!("{PLAIN}COPY --chmod=755 say /say\n{dockerfile}"),
        );
        project.write("say", script);
        project
    };
    let cases = [
        // The image's exec form, and its shell form.
        (
            "",
            "ENTRYPOINT [\"/say\", \"entry\"]\nCMD [\"two words\"]\n",
            "entry two words marked",
        ),
        ("", "CMD exec /say from $MARK\n", "from marked marked"),
        ("", "ENTRYPOINT exec /say only\n", "only marked"),
        // Compose's: a text is split into words, without a shell; an entrypoint of its own forgets the image's command.
        ("command: /say 'a b' c", "CMD [\"never\"]\n", "a b c marked"),
        (
            "command: [c]",
            "ENTRYPOINT [\"/say\", \"entry\"]\n",
            "entry c marked",
        ),
        (
            "entrypoint: [/say, mine]",
            "ENTRYPOINT [\"never\"]\nCMD [\"never\"]\n",
            "mine marked",
        ),
    ];
    for (lines, dockerfile, said) in cases {
        restarts_twice(&with(lines, dockerfile), said);
    }
}

/// A dollar, a quote and a line's end in a command are the process's, not Compose's.
#[test]
fn a_command_with_every_odd_character_is_the_process() {
    let project = project(
        "",
        &format!(
            "{PLAIN}ENTRYPOINT [\"sh\", \"-c\", \"printf '%s|' \\\"$@\\\" >> /log/said; echo >> /log/said; \
             trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done\", \"0\", \"$HOME ${{X}} $$\", \"a\\\"b'c\", \"#: -\"]\n"
        ),
    );
    restarts_twice(&project, "$HOME ${X} $$|a\"b'c|#: -|");
}

/// `depends_on: condition: service_healthy`: the one that depends on it starts when the process is healthy, and health goes on
/// to mean something across a restart of the process.
#[test]
fn health_stays_meaningful_across_a_restart_of_the_process() {
    let health = "\
healthcheck: {test: 'test -e /tmp/healthy', interval: 200ms, timeout: 5s, retries: 1, start_period: 30s, start_interval: 200ms}
command: ['sh', '-c', 'trap \"exit 0\" TERM; rm -f /tmp/healthy; echo began >> /log/said; grep -q sick /app/a.txt || touch /tmp/healthy; while :; do sleep 1000 & wait $$!; done']";
    let project = project(health, PLAIN);
    let compose = project.read("compose.yaml");
    project.write(
        "compose.yaml",
        format!(
            "{compose}  after:\n    image: busybox:1.37\n    init: true\n    command: sleep 100000\n    \
             depends_on: {{web: {{condition: service_healthy}}}}\n"
        ),
    );
    let mut up = project.up();
    let health = || project.inspect("web", "{{.State.Health.Status}}");
    assert_eq!(health(), "healthy", "or `after` would not have started");
    assert_eq!(project.inspect("after", "{{.State.Running}}"), "true");
    restarts(&mut up, "began", "two");
    up.until("it is healthy again", &"healthy".to_owned(), health);
    restarts(&mut up, "began", "sick");
    up.until("a sick process is seen", &"unhealthy".to_owned(), health);
    restarts(&mut up, "began", "well again");
    up.until("and its recovery", &"healthy".to_owned(), health);
}

/// The process's own end is the container's, and the engine's policy holds: with the code, and with the files.
#[test]
fn a_restart_policy_holds_for_a_process_that_ends_by_itself() {
    let command = "trap 'exit 0' TERM; trap 'exit 3' USR1; echo $$$$ > /log/pid; echo began >> /log/said; while :; do sleep 1000 & wait $$!; done";
    let project = project(
        &format!("restart: on-failure\ncommand: [sh, -c, \"{command}\"]"),
        PLAIN,
    );
    let mut up = project.up();
    up.until_file("web", "/log/said", "began\n");
    let id = up.id("web");
    assert_eq!(up.inspect("web", "{{.RestartCount}}"), "0");
    // No edit was involved. To its process, as the kernel sends a crash: not to process 1, which would only pass it on.
    up.sh("web", "kill -USR1 $(cat /log/pid)");
    up.until("the engine starts it again", &"1".to_owned(), || {
        up.inspect("web", "{{.RestartCount}}")
    });
    up.until_file("web", "/log/said", &"began\n".repeat(2));
    restarts(&mut up, "began", "two");
    assert_eq!(up.id("web"), id);
}

#[test]
fn without_a_restart_policy_the_container_ends_with_its_processs_code() {
    let command = "trap 'exit 0' TERM; trap 'exit 3' USR1; echo $$$$ > /log/pid; echo began >> /log/said; while :; do sleep 1000 & wait $$!; done";
    let project = project(&format!("command: [sh, -c, \"{command}\"]"), PLAIN);
    let mut up = project.up();
    up.until_file("web", "/log/said", "began\n");
    up.sh("web", "kill -USR1 $(cat /log/pid)");
    up.until("its end", &"exited 3".to_owned(), || {
        up.inspect("web", "{{.State.Status}} {{.State.ExitCode}}")
    });
    // E2: the next change revives it, under the helper as before.
    project.write("src/a.txt", "two");
    up.live_updated("web");
    up.until_file("web", "/log/said", &"began\n".repeat(2));
    restarts(&mut up, "began", "three");
}

/// What `docker stop` does to the service, it does to the process: its signal, its grace.
#[test]
fn docker_stop_reaches_the_process() {
    let command = "trap 'echo bye >> /log/said; exit 0' USR2; echo began >> /log/said; while :; do sleep 1000 & wait $$!; done";
    let project = project(
        &format!("stop_signal: SIGUSR2\ncommand: [sh, -c, \"{command}\"]"),
        PLAIN,
    );
    let up = project.up();
    up.until_file("web", "/log/said", "began\n");
    project.docker(&["stop"], "web");
    assert_eq!(
        project.file("web", "/log/said").as_deref(),
        Some("began\nbye\n")
    );
    assert_eq!(project.inspect("web", "{{.State.ExitCode}}"), "0");
}

/// A distroless image has no shell, a user of its own, and nothing that could help us.
#[test]
fn restart_process_of_a_distroless_image() {
    needs!(has("ps"), "ps, which the engine calls for `docker top`");
    let project = project(
        "",
        "FROM scratch\nCOPY --from=busybox:1.37 /bin/busybox /busybox\nCOPY --chown=65532 src /app\n\
         USER 65532:65532\nENTRYPOINT [\"/busybox\", \"sleep\"]\nCMD [\"100000\"]\n",
    );
    let mut up = project.up();
    let (id, started) = (project.id("web"), project.started_at("web"));
    let process = || {
        let top = Command::new("docker")
            .args(["top", &project.container("web"), "-o", "pid,uid,args"])
            .output()
            .unwrap();
        let top = String::from_utf8_lossy(&top.stdout).into_owned();
        let mut lines = top.lines().filter(|line| !line.contains("init"));
        let line = lines.find(|line| line.ends_with(" /busybox sleep 100000"));
        line.and_then(|line| line.split_whitespace().next().map(str::to_owned))
    };
    for text in ["two", "three"] {
        let before = process();
        assert!(before.is_some(), "the process runs");
        project.write("src/a.txt", text);
        let outcome = up.live_updated("web");
        assert_eq!(outcome["via"], "helper");
        assert_eq!(outcome["detail"]["restarted"], "restarted the process");
        assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some(text));
        up.eventually("another process runs", || {
            let now = process();
            now.is_some() && now != before
        });
    }
    assert_eq!(
        (id, started),
        (project.id("web"), project.started_at("web"))
    );
}

/// Issue 5.1: "under `read_only: true` where a writable mount exists".
#[test]
fn restart_process_under_a_read_only_root_with_a_writable_volume() {
    let command = saying("echo began");
    let project = project(
        &format!(
            "read_only: true\nvolumes: ['app:/app', 'log:/log']\ncommand: [sh, -c, \"{command}\"]"
        ),
        PLAIN,
    );
    let compose = project.read("compose.yaml");
    project.write("compose.yaml", compose + "volumes: {app: {}, log: {}}\n");
    let up = restarts_twice(&project, "began");
    // What it needs for that lies in none of the service's own volumes.
    let volumes = up.tree("web", "/app").unwrap();
    assert_eq!(volumes, up.host_tree("src"));
    assert_eq!(up.rebuilds("web"), 0);
}

/// And without one: nothing can be put into a read-only root, so its update is a rebuild, and that is said.
#[test]
fn restart_process_under_a_read_only_root_without_a_writable_mount() {
    let project = project("read_only: true\ncommand: sleep 100000", PLAIN);
    let mut up = project.up();
    let before = project.id("web");
    project.write("src/a.txt", "two");
    up.rebuilt("web");
    assert!(up.said("read-only"), "why is said");
    assert_ne!(project.id("web"), before);
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("two"));
}

/// Issue 5, bad input: "a process that ignores every signal".
#[test]
fn a_process_that_ignores_every_signal_is_killed_after_the_grace_and_that_is_said_once() {
    let command = "trap '' TERM INT HUP QUIT USR1 USR2; echo began >> /log/said; while :; do sleep 1000; done";
    let project = project(&format!("command: [sh, -c, \"{command}\"]"), PLAIN);
    project.replace(
        "compose.yaml",
        "stop_grace_period: 2s",
        "stop_grace_period: 300ms",
    );
    let up = restarts_twice(&project, "began");
    let advice = |event: &serde_json::Value| {
        event["event"] == "notice" && event.to_string().contains("ignored SIGTERM")
    };
    assert_eq!(up.count(advice), 1);
}

/// Issue 5, bad input: "one that forks and outlives its parent".
#[test]
fn what_forked_and_outlives_its_parent_is_gone_after_a_restart_and_the_next_one_can_bind() {
    // The server forks into a session of its own, deaf to signals, as daemons do; its port is free for the next one.
    let project = project(
        "",
        &format!("{PLAIN}COPY serve.sh /\nCMD [\"sh\", \"/serve.sh\"]\n"),
    );
    let server = "\
trap 'exit 0' TERM
setsid sh -c 'trap \"\" TERM HUP; exec httpd -f -p 8080 -h /app' &
until wget -qO /dev/null http://127.0.0.1:8080/a.txt; do sleep 0.05; done
servers() { grep -lx httpd /proc/[0-9]*/comm | wc -l; }
# The child that has just answered may still be ending; what is left of an older server stays.
tries=0
while [ $(servers) != 1 ] && [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.05; done
echo began with $(servers) >> /log/said
while :; do sleep 1000 & wait $!; done
";
    project.write("serve.sh", server);
    restarts_twice(&project, "began with 1");
}

/// Issue 5, bad input: "one that exits at once"; issue 11: the container waits, and the fix takes milliseconds.
#[test]
fn a_crash_after_an_edit_keeps_the_container_and_the_fix_starts_the_process() {
    let command = "trap 'exit 0' TERM; grep -q bad /app/a.txt && exit 7; grep -q done /app/a.txt && exit 0; echo began >> /log/said; while :; do sleep 1000 & wait $$!; done";
    let project = project(&format!("command: [sh, -c, \"{command}\"]"), PLAIN);
    let mut up = restarts_twice(&project, "began");
    let (id, started) = (up.id("web"), up.started_at("web"));
    let crash = |up: &mut Session<'_>, text: &str| {
        project.write("src/a.txt", text);
        up.live_updated("web");
        let end = up.wait_for("the crash is said", |event| event["event"] == "exit");
        assert_eq!(end["code"], 7, "{end}");
        assert_eq!((&end["waits"], &end["ok"]), (&true.into(), &false.into()));
        assert_eq!(end["after"]["detail"]["restarted"], "restarted the process");
    };
    crash(&mut up, "bad");
    crash(&mut up, "still bad");
    assert_eq!(up.file("web", "/app/a.txt").as_deref(), Some("still bad"));
    project.write("src/a.txt", "good");
    let fixed = up.live_updated("web");
    assert_eq!(fixed["detail"]["restarted"], "restarted the process");
    up.until_file("web", "/log/said", &"began\n".repeat(4));
    assert_eq!((id.clone(), started), (up.id("web"), up.started_at("web")));
    // What has done its work is no crash: its end is the container's, and the next change starts that.
    let ended = || up.inspect("web", "{{.State.Status}} {{.State.ExitCode}}");
    project.write("src/a.txt", "done");
    up.until("its end", &"exited 0".to_owned(), ended);
    project.write("src/a.txt", "good again");
    up.until_file("web", "/log/said", &"began\n".repeat(5));
    // Who stops a container that waits does not wait.
    up.wait_for("the end that was none", |event| event["event"] == "exit");
    crash(&mut up, "bad");
    let begun = std::time::Instant::now();
    project.docker(&["stop", "-t", "60"], "web");
    assert!(begun.elapsed() < std::time::Duration::from_secs(30));
    let ended = || up.inspect("web", "{{.State.Status}} {{.State.ExitCode}}");
    assert_eq!(ended(), "exited 7");
    assert_eq!((up.id("web"), up.rebuilds("web")), (id, 0));
}

/// A container whose process cannot run under the helper: it runs as it is, its container is restarted, and that is said once.
#[track_caller]
fn restarts_the_container(project: &Project, why: &str) {
    let mut up = project.up();
    let said = |event: &serde_json::Value| event.to_string().contains(why);
    up.eventually("why it runs as it is", || up.count(said) == 1);
    up.eventually("it runs", || {
        up.inspect("web", "{{.State.Running}}") == "true"
            && !up
                .inspect("web", "{{.Config.Entrypoint}}")
                .contains("liveupdate")
    });
    for text in ["two", "three"] {
        let started = up.started_at("web");
        project.write("src/a.txt", text);
        let outcome = up.live_updated("web");
        let restarted = outcome["detail"]["restarted"].to_string();
        assert!(restarted.contains("restarted the container"), "{outcome}");
        assert_ne!(up.started_at("web"), started);
        assert_eq!(up.file("web", "/app/a.txt").as_deref(), Some(text));
    }
    assert_eq!(up.count(said), 1, "once");
}

/// s6-overlay, systemd, busybox's: known before its first start.
#[test]
fn an_init_that_has_to_be_process_1_is_process_1_and_that_is_said_once() {
    let project = project("command: [init]", PLAIN);
    project.replace("compose.yaml", "init: true", "init: false");
    restarts_the_container(&project, "its init `init` has to be process 1");
}

#[test]
fn an_init_that_is_known_by_its_failed_start_alone_is_process_1_then() {
    let project = project(
        "command: [/run.sh]",
        &format!("{PLAIN}COPY --chmod=755 run.sh /\n"),
    );
    project.replace("compose.yaml", "init: true", "init: false");
    project.write(
        "run.sh",
        "#!/bin/sh\n[ $$ = 1 ] || { echo 'overlay: fatal: can only run as pid 1'; exit 100; }\nexec sleep 100000\n",
    );
    restarts_the_container(&project, "its process has to be process 1 (`overlay: fatal");
}

/// Whatever kept the helper from starting, it is not in the process's way: here a profile that kills without a word.
#[test]
fn a_start_under_the_helper_that_fails_falls_back_and_is_said() {
    let project = project(
        "command: sleep 100000\nsecurity_opt: ['seccomp=./seccomp.json']",
        PLAIN,
    );
    let profile = serde_json::json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["signalfd", "signalfd4"], "action": "SCMP_ACT_KILL_PROCESS"}],
    });
    project.write("seccomp.json", profile.to_string());
    project.write(".dockerignore", "seccomp.json\n");
    restarts_the_container(&project, "seccomp profile kills the helper");
}

/// From the first start on: the container is there, has ended, and the fix brings it up.
#[test]
fn a_process_that_cannot_be_started_is_told_in_the_log_and_the_fix_starts_it() {
    let command = saying("echo began");
    let project = project(
        "command: [/app/start]",
        "FROM busybox:1.37\nCOPY src /app\nRUN mkdir /log\n",
    );
    let mut up = project.up();
    up.eventually("the reason in its log", || {
        up.said("cannot start `/app/start`: no such file or directory")
    });
    up.until("it ends as a shell would say it", &"127".to_owned(), || {
        up.inspect("web", "{{.State.ExitCode}}")
    });
    // Written elsewhere and moved: it is to be executable from its first moment.
    let beside = tempfile::tempdir_in(project.path("..")).unwrap();
    let start = beside.path().join("start");
    std::fs::write(
        &start,
        format!("#!/bin/sh\n{}\n", command.replace("$$", "$")),
    )
    .unwrap();
    std::fs::set_permissions(&start, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::rename(start, project.path("src/start")).unwrap();
    up.live_updated("web");
    up.until_file("web", "/log/said", "began\n");
    restarts(&mut up, "began", "two");
}
