//! Services without a build of Compose's: `image:` alone (`spec.md` B9), `custom_build` (D3).

use crate::project::Project;

/// B9: "A service with only `image:` may have a block: its sync sources are what is watched".
#[test]
fn a_service_with_only_an_image_is_live_updated_and_never_rebuilt() {
    let project = Project::new(
        "
services:
  web:
    image: busybox:1.37
    init: true
    command: sleep 100000
    x-live-update:
      - sync: ./site:/www
      - run: echo ran >> /ran
",
    );
    project.write("site/index.html", "one");
    let mut up = project.up();
    let before = project.id("web");
    project.write("beside", "nothing watches this");
    project.write("site/index.html", "two");
    up.until_file("web", "/www/index.html", "two");
    project.remove("site/index.html");
    project.write("site/other", "x");
    up.until_gone("web", "/www/index.html");
    assert_eq!(project.id("web"), before);
    assert!(!up.said("beside"));
    up.live_updated("web");
}

/// B9, E1: a recreated container of an image that has none of the files gets all that changed.
#[test]
fn a_recreated_container_of_an_image_gets_the_files_with_initial_sync() {
    let project = Project::new(
        "
services:
  web:
    image: busybox:1.37
    init: true
    command: sleep 100000
    x-live-update: [initial_sync, {sync: ./site:/www}]
",
    );
    project.write("site/index.html", "one");
    project.write("site/deep/x", "one");
    let up = project.up();
    up.until_file("web", "/www/deep/x", "one");
    project.compose(&["up", "-d", "--force-recreate"]);
    up.until_in_step("site", "web", "/www");
}

/// Issue 3, "Bad input": "a custom build that produces no image" is a failed build, and waits for the fix.
#[test]
fn a_custom_build_that_produces_no_image_says_what_it_has_to_tag() {
    let project = Project::new(
        "
services:
  web:
    image: ${COMPOSE_PROJECT_NAME}-none
    init: true
    command: sleep 100000
    x-live-update:
      custom_build: {command: 'sh make.sh', deps: [./src, ./make.sh]}
      steps: [{sync: './src:/app'}]
",
    );
    project.write("make.sh", "true\n");
    project.write("src/a.txt", "one");
    let mut up = project.begin(&[]);
    let problem = up.wait_for("the problem", |event| event["event"] == "problem");
    let image = format!("`{}-none`", project.name);
    for word in [
        "custom build `sh make.sh` succeeded but there is no image",
        &image,
        "$EXPECTED_REF",
    ] {
        assert!(problem.to_string().contains(word), "{word}: {problem}");
    }
    assert!(!problem["hint"].as_str().unwrap().is_empty(), "{problem}");
    up.wait_for("it goes on", |event| event["event"] == "started");
    let label = format!("com.docker.compose.project={}", project.name);
    let make = format!(
        "printf 'FROM busybox:1.37\\nCOPY src /app\\n' | docker build -q --label {label} -t $EXPECTED_REF -f - .\n"
    );
    project.write("make.sh", make);
    up.rebuilt("web");
    up.until_file("web", "/app/a.txt", "one");
}

/// D3: "an image built by a command of the user's (`command`, run in the project directory with `EXPECTED_REF` set to the tag),
/// watching `deps` in place of the context."
#[test]
fn a_custom_build_is_run_with_expected_ref_and_its_deps_are_watched() {
    let project = Project::new(
        "
services:
  web:
    image: ${COMPOSE_PROJECT_NAME}-custom
    init: true
    command: sleep 100000
    x-live-update:
      custom_build: {command: 'sh make.sh', deps: [./src, ./recipe]}
      steps: [{sync: './src:/app'}]
",
    );
    project.write(
        "make.sh",
        "set -e\nrm -rf out\nmkdir out\ncp -r src recipe out\n\
         printf 'FROM busybox:1.37\\nCOPY src /app\\nCOPY recipe /recipe\\n' > out/Dockerfile\n\
         docker build -q --label com.docker.compose.project=$LABEL -t \"$EXPECTED_REF\" out\n",
    );
    project.replace("make.sh", "$LABEL", &project.name);
    project.write("src/a.txt", "one");
    project.write("recipe", "one");
    let mut up = project.up();
    up.until_file("web", "/app/a.txt", "one");
    project.write("src/a.txt", "two");
    up.live_updated("web");
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("two"));
    project.write("recipe", "two");
    up.rebuilt("web");
    assert_eq!(project.file("web", "/recipe").as_deref(), Some("two"));
    // A failing one is a failed build.
    project.replace("make.sh", "set -e", "set -e; grep -q bad recipe && exit 1");
    project.write("recipe", "bad");
    up.rebuild_failed("web");
    project.write("recipe", "good");
    up.rebuilt("web");
    assert_eq!(project.file("web", "/recipe").as_deref(), Some("good"));
}

/// B9, C12: where nothing can be built, a file that no sync covers is left out and said, and takes nothing along with it.
#[test]
fn without_a_build_what_no_sync_covers_is_left_out_and_the_rest_arrives() {
    let project = Project::new(
        "
services:
  web:
    image: busybox:1.37
    init: true
    command: sleep 100000
    x-live-update:
    - sync: {local_path: ./src, remote_path: /app, include: ['**/*.py']}
",
    );
    project.write("src/a.py", "one");
    let mut up = project.up();
    // Both come in one batch.
    project.write("aside/b.py", "two");
    project.write("aside/notes.txt", "two");
    project.rename("aside", "src/new");
    let notice = up.wait_for("what is left out", |event| {
        event["event"] == "notice" && event["text"].to_string().contains("left out")
    });
    let text = notice["text"].as_str().unwrap();
    assert!(
        text.contains("notes.txt") && !text.contains("more"),
        "{text}"
    );
    up.until_file("web", "/app/new/b.py", "two");
    assert_eq!(project.file("web", "/app/new/notes.txt"), None);
}
