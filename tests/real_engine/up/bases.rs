//! Images built from images of the same project (`spec.md` D1, D2): in which order, and how often.

use serde_json::json;

use crate::gate::Gate;
use crate::project::Project;
use crate::session::Session;

/// `base`, and what is built from it: `web` and `api`, the way `build` and `from` say.
fn family(build: &str, from: &str) -> Project {
    let mut compose = String::from(
        "
services:
  base:
    build: ./base
    image: ${COMPOSE_PROJECT_NAME}-base
    command: ['true']
    x-live-update: []
",
    );
    for service in ["web", "api"] {
        let block = format!("[{{sync: './{service}/src:/app'}}]");
        compose.push_str(&crate::project::service(
            service,
            &format!("build: {{context: ./{service}{build}}}\ninit: true\nx-live-update: {block}"),
        ));
    }
    let project = Project::new(&compose);
    project.write("base/Dockerfile", "FROM busybox:1.37\nCOPY lib /lib\n");
    project.write("base/lib/util", "one");
    let from = from.replace("PROJECT", &project.name);
    for service in ["web", "api"] {
        project.write(
            format!("{service}/Dockerfile"),
            format!("FROM {from}\nCOPY src /app\nCMD [\"sleep\", \"100000\"]\n"),
        );
        project.write(format!("{service}/src/main"), "one");
    }
    project
}

/// How often Compose said that it built the image, so far.
fn built(up: &Session<'_>, service: &str) -> usize {
    let image = format!("{}-{service}", up.name);
    up.count(|event| {
        event["build"] == true
            && event["text"].as_str().is_some_and(|text| {
                let words: Vec<&str> = text.split_whitespace().collect();
                words.contains(&image.as_str()) && words.last() == Some(&"Built")
            })
    })
}

#[track_caller]
fn each_image_is_built_once_and_the_order_is_told(project: &Project) {
    let mut up = project.up();
    let services = ["base", "web", "api"];
    assert_eq!(services.map(|service| built(&up, service)), [1, 1, 1]);
    project.write("base/lib/util", "two");
    for service in ["web", "api"] {
        up.eventually("the rebuild", || up.rebuilds(service) == 1);
        up.until_file(service, "/lib/util", "two");
    }
    up.eventually("the base's own rebuild", || up.rebuilds("base") == 1);
    assert_eq!(services.map(|service| built(&up, service)), [2, 2, 2]);
    let plan = up.wait_for("the plan", |event| {
        event["event"] == "plan" && event["service"] == "web"
    });
    assert_eq!(plan["builds"], json!(["base", "web"]), "{plan}");
    assert!(
        plan["reason"].as_str().unwrap().contains("base/lib/util"),
        "{plan}"
    );
}

/// D2: "One that no sync covers rebuilds the base, then `web`. An image shared by several services is built once."
#[test]
fn a_base_reached_by_a_context_is_rebuilt_once_with_all_that_are_built_from_it() {
    each_image_is_built_once_and_the_order_is_told(&family(
        ", additional_contexts: {lib: 'service:base'}",
        "lib",
    ));
}

/// The same for `FROM` the name of the base's image, which Compose does not know of.
#[test]
fn a_base_reached_by_its_images_name_is_rebuilt_once_and_before_what_is_built_from_it() {
    each_image_is_built_once_and_the_order_is_told(&family("", "PROJECT-base"));
}

/// D2, C1: the first build of a base that changed since comes before those that are built from it.
#[test]
fn the_first_build_takes_no_stale_base() {
    let project = family("", "PROJECT-base");
    drop(project.up());
    project.write("base/lib/util", "two");
    let gate = Gate::new();
    project.write(
        "base/Dockerfile",
        format!("FROM busybox:1.37\n{}\nCOPY lib /lib\n", gate.line()),
    );
    let up = project.begin(&[]);
    gate.reached();
    assert_eq!((built(&up, "web"), built(&up, "api")), (0, 0));
    gate.open();
    up.until_file("web", "/lib/util", "two");
    up.until_file("api", "/lib/util", "two");
}

/// C13, D2: one's broken build is no matter of the others that are built from the same base.
#[test]
fn a_broken_build_of_one_leaves_the_others_of_the_same_base_alone() {
    let project = family(", additional_contexts: {lib: 'service:base'}", "lib");
    let mut up = project.up();
    project.replace("api/Dockerfile", "CMD", "RUN exit 9\nCMD");
    up.rebuild_failed("api");
    project.write("base/lib/util", "two");
    up.until_file("web", "/lib/util", "two");
    assert_eq!(project.file("api", "/lib/util").as_deref(), Some("one"));
    project.replace("api/Dockerfile", "RUN exit 9\n", "");
    up.until_file("api", "/lib/util", "two");
}

/// E3, D2: the first build too.
#[test]
fn a_broken_first_build_of_one_leaves_the_others_of_the_same_base_alone() {
    let project = family(", additional_contexts: {lib: 'service:base'}", "lib");
    project.replace("api/Dockerfile", "CMD", "RUN exit 9\nCMD");
    let up = project.up();
    up.until_file("web", "/lib/util", "one");
    project.replace("api/Dockerfile", "RUN exit 9\n", "");
    up.until_file("api", "/lib/util", "one");
}

/// The same where one service needs it both ways: by a context, and by name through what it is built `FROM`.
#[test]
fn a_base_reached_both_by_a_context_and_by_name_is_built_once() {
    let project = Project::new(
        "
services:
  base:
    build: ./base
    image: ${COMPOSE_PROJECT_NAME}-base
    command: ['true']
  middle:
    build: ./middle
    image: ${COMPOSE_PROJECT_NAME}-middle
    command: ['true']
  web:
    build: {context: ./web, additional_contexts: {tools: 'service:base'}}
    init: true
    x-live-update: [{sync: './web/src:/app'}]
",
    );
    let name = &project.name;
    project.write("base/Dockerfile", "FROM busybox:1.37\nCOPY lib /lib\n");
    project.write("base/lib/util", "one");
    project.write("middle/Dockerfile", format!("FROM {name}-base\nRUN true\n"));
    let web = "COPY --from=tools /lib/util /util\nCOPY src /app\nCMD [\"sleep\", \"100000\"]\n";
    project.write("web/Dockerfile", format!("FROM {name}-middle\n{web}"));
    project.write("web/src/main", "one");
    let up = project.up();
    let services = ["base", "middle", "web"];
    assert_eq!(services.map(|service| built(&up, service)), [1, 1, 1]);
    project.write("base/lib/util", "two");
    up.until_file("web", "/lib/util", "two");
    up.until_file("web", "/util", "two");
    up.eventually("the rebuild", || up.rebuilds("web") == 1);
    assert_eq!(services.map(|service| built(&up, service)), [2, 2, 2]);
}
