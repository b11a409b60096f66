//! Owners, and users without rights (`spec.md` C6).

use crate::project::Project;

fn non_root() -> Project {
    let project = Project::web("- sync: ./src:/app\n- run: id -u > /tmp/ran");
    project.write(
        "Dockerfile",
        "FROM busybox:1.37\nCOPY src /app\nRUN chown -R 1000:1000 /app && chown 33:44 /app/of33 && \
         mkdir /app/of55 && chown 55:66 /app/of55\nUSER 1000\nCMD [\"sleep\", \"100000\"]\n",
    );
    project.write("src/of33", "one");
    project.write("src/d/x", "one");
    project
}

/// C6: "A non-root container user is no obstacle to copy or delete."
#[test]
fn a_non_root_container_user_is_no_obstacle_to_copy_or_delete() {
    let project = non_root();
    let up = project.up();
    project.write("src/a.txt", "two");
    project.write("src/new/deep", "new");
    up.until_file("web", "/app/a.txt", "two");
    up.until_file("web", "/app/new/deep", "new");
    project.remove("src/d");
    up.until_gone("web", "/app/d");
    project.remove("src/of33");
    up.until_gone("web", "/app/of33");
    assert_eq!(up.rebuilds("web"), 0);
    // C7: "as the container's user".
    up.until("the run", &"1000".to_owned(), || {
        up.sh("web", "cat /tmp/ran")
    });
}

/// C6: "a replaced file keeps its owner; a new file gets its directory's owner."
#[test]
fn a_replaced_file_keeps_its_owner_and_a_new_file_gets_its_directorys_owner() {
    let project = non_root();
    let up = project.up();
    project.write("src/of33", "two");
    project.write("src/of55/new", "new");
    project.write("src/fresh/deep/file", "new");
    project.link("a.txt", "src/link");
    up.until_file("web", "/app/of33", "two");
    up.until_file("web", "/app/of55/new", "new");
    up.until_file("web", "/app/fresh/deep/file", "new");
    up.eventually("the link", || project.tree("web", "/app/link").is_some());
    assert_eq!(
        up.sh(
            "web",
            "cd /app; stat -c '%n %u:%g' of33 of55 of55/new fresh fresh/deep/file link"
        ),
        "of33 33:44\nof55 55:66\nof55/new 55:66\nfresh 1000:1000\nfresh/deep/file 1000:1000\nlink 1000:1000"
    );
}
