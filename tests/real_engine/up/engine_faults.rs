//! The engine fails in the middle of it: a 500 to each kind of call, connections that break, a slow engine, none at all, a
//! restarted one. Whatever happened, the container ends equal to the host, and what failed was said.

use std::process::Command;
use std::time::Duration;

use crate::interposer::{Fault, Interposer, NO};
use crate::project::Project;
use crate::session::Session;

const BLOCK: &str = "\
- initial_sync
- sync: ./src:/app
- run: 'true'
- restart_container";

/// Which way the files take.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Helper,
    Plain,
}

fn project(block: &str) -> Project {
    let project = Project::web(block);
    project.write("src/b.txt", "one");
    project.write("src/d/c.txt", "one");
    project
}

fn begin<'p>(project: &'p Project, door: &Interposer, way: Way) -> Session<'p> {
    let mut command = project.tool(&["up", "--format", "json"]);
    command.env("DOCKER_HOST", door.host());
    if way == Way::Plain {
        command.env("LIVEUPDATE_HELPER", "off");
    }
    project.follow(command)
}

#[track_caller]
fn started(up: &mut Session) {
    up.wait_for("the session has started", |event| {
        event["event"] == "started"
    });
}

#[track_caller]
fn outcome(up: &mut Session) {
    up.wait_for("any outcome of web", |event| {
        event["event"] == "outcome" && event["service"] == "web"
    });
}

/// All that a session does with containers: edits and deletes, a crashed container's revival, a recreated one's catching up.
#[track_caller]
fn live(project: &Project, up: &mut Session) {
    project.write("src/a.txt", "two");
    project.remove("src/b.txt");
    outcome(up);
    project.crash("web");
    project.write("src/a.txt", "three");
    project.remove("src/d");
    outcome(up);
    recreate(project, up);
    project.write("src/e/new.txt", "one");
    outcome(up);
}

/// Somebody else recreates the container. Two hands on one container may trip over each other: then once more.
#[track_caller]
fn recreate(project: &Project, up: &Session) {
    let name = ["-p", &project.name];
    let verb = ["up", "-d", "--no-build", "--force-recreate"];
    up.eventually("the container is recreated", || {
        let mut compose = Command::new("docker");
        compose.arg("compose").args(name).args(verb);
        compose.current_dir(project.path(""));
        compose.output().unwrap().status.success()
    });
}

/// The first `count` calls of a kind, from the session's beginning on, have this fault; `said` is told about it.
#[track_caller]
fn survives(way: Way, block: &str, call: (&'static str, &'static str), said: &str) {
    survives_fault(way, block, call, 2, Fault::Refuse, said);
}

#[track_caller]
fn survives_fault(
    way: Way,
    block: &str,
    (method, path): (&'static str, &'static str),
    count: usize,
    fault: Fault,
    said: &str,
) {
    let door = Interposer::open();
    let project = project(block);
    door.meddle(method, path, count, fault);
    let mut up = begin(&project, &door, way);
    started(&mut up);
    let runs =
        || !project.id("web").is_empty() && project.inspect("web", "{{.State.Running}}") == "true";
    if !runs() {
        // It could not even be made or started: the next changes try again.
        for attempt in 0..=count {
            if runs() {
                break;
            }
            project.write("src/first.txt", attempt.to_string());
            outcome(&mut up);
        }
        assert_ne!(project.id("web"), "", "{:#?}", up.events());
    }
    live(&project, &mut up);
    up.eventually("all faults were met", || door.meddled() == count);
    // What waits for the next change has it now.
    project.write("src/last.txt", "one");
    up.until_in_step("src", "web", "/app");
    assert!(up.said(said), "`{said}` was not said: {:#?}", up.events());
}

/// It is put right at once by another way, or asked again: nobody needs to know.
const NOTHING: &str = "";

macro_rules! a_500 {
    ($($name:ident: $way:ident, $method:literal $path:literal, $said:expr;)+) => {
        $(
            #[test]
            fn $name() {
                survives(Way::$way, BLOCK, ($method, $path), $said);
            }
        )+
    };
}

// Issue: "answering 500", for every call that `up` makes; Compose's own are among them.
a_500! {
    // The logs ask for it as well, and once more by themselves.
    a_500_to_the_list_of_containers: Helper, "GET" "/containers/json", NOTHING;
    a_500_to_the_look_at_a_container: Helper, "GET" "/containers/*/json", NO;
    a_500_to_the_look_at_an_image: Helper, "GET" "/images/*/json", NOTHING;
    a_500_to_the_making_of_a_container: Helper, "POST" "/containers/create", NO;
    a_500_to_the_making_of_a_network: Helper, "POST" "/networks/create", NO;
    a_500_to_the_start_of_a_container: Helper, "POST" "/containers/*/start", NO;
    a_500_to_the_restart_of_a_container: Helper, "POST" "/containers/*/restart", NO;
    a_500_to_the_start_of_the_helper: Helper, "POST" "/containers/*/exec", NOTHING;
    a_500_to_the_helpers_connection: Helper, "POST" "/exec/*/start", NOTHING;
    a_500_to_the_copy_of_the_helper: Helper, "PUT" "/containers/*/archive", NOTHING;
    a_500_to_the_output: Helper, "POST" "/containers/*/attach", NOTHING;
    a_500_to_the_events: Helper, "GET" "/events", NO;
    a_500_to_a_copy: Plain, "PUT" "/containers/*/archive", NO;
    a_500_to_a_comparison: Plain, "GET" "/containers/*/archive", NO;
    a_500_to_the_making_of_a_command: Plain, "POST" "/containers/*/exec", NO;
    a_500_to_the_start_of_a_command: Plain, "POST" "/exec/*/start", NO;
    a_500_to_the_end_of_a_command: Plain, "GET" "/exec/*/json", NO;
}

#[test]
fn a_500_to_a_signal() {
    let door = Interposer::open();
    let project = project("- sync: ./src:/app\n- signal: HUP");
    door.meddle("POST", "/containers/*/kill", 1, Fault::Refuse);
    let mut up = begin(&project, &door, Way::Helper);
    started(&mut up);
    project.write("src/a.txt", "two");
    up.update_failed("web");
    assert!(up.said(NO));
    // C7, C8: it stays owed.
    project.write("src/a.txt", "three");
    up.live_updated("web");
    up.until_in_step("src", "web", "/app");
}

#[test]
fn a_500_to_the_very_first_question_is_said_with_the_engines_words() {
    let door = Interposer::open();
    let project = project(BLOCK);
    door.meddle("GET", "/version", usize::MAX, Fault::Refuse);
    let mut up = begin(&project, &door, Way::Helper);
    assert_ne!(up.ended(), Some(0));
    assert!(up.said(NO));
}

/// Issue: "dropping connections", "truncated bodies".
#[test]
fn a_copy_that_breaks_off_is_made_again() {
    let call = ("PUT", "/containers/*/archive");
    let fault = Fault::CutRequest(700);
    survives_fault(Way::Plain, BLOCK, call, 2, fault, "the engine answers");
}

#[test]
fn a_list_that_breaks_off_is_asked_for_again() {
    let call = ("GET", "/containers/json");
    let fault = Fault::CutAnswer(200);
    survives_fault(Way::Helper, BLOCK, call, 3, fault, NOTHING);
}

#[test]
fn a_look_that_breaks_off_is_made_again() {
    let call = ("GET", "/containers/*/json");
    let fault = Fault::CutAnswer(500);
    survives_fault(Way::Helper, BLOCK, call, 3, fault, NOTHING);
}

#[test]
fn a_comparison_that_breaks_off_brings_everything() {
    let call = ("GET", "/containers/*/archive");
    let fault = Fault::CutAnswer(900);
    survives_fault(Way::Plain, BLOCK, call, 2, fault, "could not be compared");
}

#[test]
fn output_that_breaks_off_goes_on() {
    let door = Interposer::open();
    let project = project("- sync: ./src:/app");
    let lines = "CMD [\"sh\", \"-c\", \"i=0; while :; do i=$((i+1)); echo line $i end; sleep 0.01; done\"]\n";
    project.write(
        "Dockerfile",
        format!("FROM busybox:1.37\nCOPY src /app\n{lines}"),
    );
    door.meddle("POST", "/containers/*/attach", 3, Fault::CutAnswer(2_000));
    let mut up = begin(&project, &door, Way::Helper);
    started(&mut up);
    up.eventually("the output was cut three times", || door.meddled() == 3);
    up.says("line 400 end");
    let mut seen = Vec::new();
    for event in up.events() {
        let text = event["text"].as_str().unwrap_or_default();
        let number = text
            .strip_prefix("line ")
            .and_then(|rest| rest.strip_suffix(" end"));
        seen.extend(number.map(|number| number.parse::<usize>().unwrap()));
    }
    let expected: Vec<usize> = (1..=seen.len()).collect();
    assert_eq!(seen, expected, "none is lost and none comes twice");
}

/// Issue: "slow (proxy with delay)".
#[test]
fn a_slow_engine_is_waited_for() {
    let door = Interposer::open();
    let project = project(BLOCK);
    let mut up = begin(&project, &door, Way::Helper);
    started(&mut up);
    door.slow_down(Duration::from_millis(400));
    live(&project, &mut up);
    up.until_in_step("src", "web", "/app");
}

/// The connection to the container's helper is the only one of its kind.
#[track_caller]
fn one_helper(door: &Interposer, up: &Session) {
    up.until("connections to helpers", &1, || {
        door.open_to("POST", "/exec/*/start")
    });
}

#[test]
fn a_connection_to_a_helper_ends_with_its_container() {
    let door = Interposer::open();
    let project = project("- sync: ./src:/app");
    let mut up = begin(&project, &door, Way::Helper);
    started(&mut up);
    for text in ["two", "three"] {
        project.write("src/a.txt", text);
        up.live_updated("web");
        recreate(&project, &up);
        up.until_in_step("src", "web", "/app");
    }
    project.write("src/a.txt", "four");
    up.live_updated("web");
    one_helper(&door, &up);
}

/// Issue: "the events stream cut": what happened meanwhile is found out.
#[test]
fn a_cut_of_the_events_alone_misses_no_container() {
    let door = Interposer::open();
    let project = project("- sync: ./src:/app");
    let mut up = begin(&project, &door, Way::Helper);
    started(&mut up);
    project.write("src/a.txt", "two");
    up.live_updated("web");
    // No events for a while: the container is another one before they are back.
    door.meddle("GET", "/events", 4, Fault::Refuse);
    assert!(door.cut("GET", "/events") > 0);
    recreate(&project, &up);
    up.says("the engine is away");
    up.says("the engine is back");
    up.until_in_step("src", "web", "/app");
    // Nor does the connection to the helper of one that went unheard stay open.
    project.write("src/a.txt", "three");
    up.live_updated("web");
    one_helper(&door, &up);
}

/// Issue: "gone for a minute".
#[test]
fn an_engine_that_goes_and_comes_back_is_caught_up_with() {
    for way in [Way::Helper, Way::Plain] {
        let mut door = Interposer::open();
        let project = project(BLOCK);
        let mut up = begin(&project, &door, way);
        started(&mut up);
        project.write("src/a.txt", "two");
        up.live_updated("web");
        door.shut();
        up.says("the engine is away");
        project.write("src/a.txt", "three");
        project.remove("src/b.txt");
        project.remove("src/d");
        project.write("src/e/new.txt", "one");
        up.says("it is tried again as soon as the engine answers");
        door.mend();
        up.says("the engine is back");
        up.until_in_step("src", "web", "/app");
    }
}

/// Issue: "restarted in mid-update". The torture test restarts a real engine; here every connection breaks half way.
#[test]
fn an_engine_that_goes_in_mid_update_is_caught_up_with() {
    for way in [Way::Helper, Way::Plain] {
        let mut door = Interposer::open();
        let project = project("- sync: ./src:/app");
        let mut up = begin(&project, &door, way);
        started(&mut up);
        let before = door.bytes();
        for number in 0..20 {
            project.write(format!("src/large/{number}"), vec![number; 3_000_000]);
        }
        up.eventually("some of it is on its way", || {
            door.bytes() > before + 5_000_000
        });
        door.shut();
        up.says("the engine is away");
        project.remove("src/large/7");
        door.mend();
        up.says("the engine is back");
        up.until_in_step("src", "web", "/app");
    }
}

/// Issue 4, 1: a failed copy is retried though the engine is not known to have been away.
#[test]
fn a_copy_whose_connection_broke_needs_no_next_change() {
    let door = Interposer::open();
    let project = project("- sync: ./src:/app");
    let mut up = begin(&project, &door, Way::Plain);
    started(&mut up);
    door.meddle("PUT", "/containers/*/archive", 2, Fault::CutRequest(700));
    project.write("src/a.txt", "two");
    up.update_failed("web");
    up.until_in_step("src", "web", "/app");
    assert_eq!(up.rebuilds("web"), 0);
}

/// A container that was there before the session is not taken for a fresh one because the engine did not tell of it.
#[test]
fn a_container_of_before_is_compared_though_the_engine_did_not_tell_of_it() {
    let project = project("- sync: ./src:/app");
    project.compose(&["up", "-d", "--build"]);
    project.sh("web", "echo else > /app/a.txt; rm /app/b.txt");
    let door = Interposer::open();
    door.meddle("GET", "/containers/json", 1, Fault::Refuse);
    let mut up = begin(&project, &door, Way::Helper);
    started(&mut up);
    up.until_in_step("src", "web", "/app");
}

/// What Podman answers to `GET /version`, with an API that the real engine has too.
const PODMAN: &str = r#"{"Platform":{"Name":"linux/amd64/debian-12"},"Components":[{"Name":"Podman Engine","Version":"4.3.1","Details":{"APIVersion":"4.3.1","MinAPIVersion":"4.0.0"}},{"Name":"Conmon","Version":"conmon version 2.1.6","Details":{}}],"Version":"4.3.1","ApiVersion":"1.44","MinAPIVersion":"1.24","Os":"linux","Arch":"amd64"}"#;

/// A session on an engine that says it is Podman, with that in its environment; the answer is whether `BuildKit` built.
fn on_podman(choice: Option<(&str, &str)>) -> bool {
    let project = project("- sync: ./src:/app");
    let door = Interposer::open();
    door.meddle("GET", "/version", usize::MAX, Fault::Answer(PODMAN));
    let mut command = project.tool(&["up", "--format", "json"]);
    command.env("DOCKER_HOST", door.host());
    command
        .env_remove("DOCKER_BUILDKIT")
        .env_remove("BUILDX_BUILDER");
    command.envs(choice);
    let mut up = project.follow(command);
    started(&mut up);
    project.write(
        "Dockerfile",
        crate::project::DOCKERFILE.replace("CMD", "RUN true\nCMD"),
    );
    up.rebuilt("web");
    project.write("src/a.txt", "two");
    up.until_file("web", "/app/a.txt", "two");
    let said = up.count(|event| {
        let text = event["text"].as_str().unwrap_or_default();
        event["event"] == "notice" && text.contains("DOCKER_BUILDKIT=0")
    });
    let buildkit = up.events().iter().any(|event| {
        let text = event["text"].as_str().unwrap_or_default();
        event["build"] == true && text.starts_with("#1 [internal]")
    });
    assert_eq!(said, usize::from(!buildkit), "said once, where it is done");
    buildkit
}

/// Podman has no `BuildKit`, and Compose would fetch the image of one: builds go without, and that is said once.
#[test]
fn on_podman_builds_go_without_buildkit_unless_the_user_says_otherwise() {
    assert!(!on_podman(None));
    assert!(on_podman(Some(("DOCKER_BUILDKIT", "1"))));
}
