//! Names that shells and archives stumble over (issue 4, point 5).

use crate::project::Project;

/// C5: whatever a file is called, it is copied and deleted.
#[test]
fn files_with_odd_names_are_copied_and_deleted() {
    const NAMES: [&str; 8] = [
        "with space",
        "-rf",
        "--help",
        "new\nline",
        "quote'\"$HOME`id`",
        "*",
        "back\\slash",
        "ünï",
    ];
    let project = Project::web("- sync: ./src:/app");
    let up = project.up();
    for name in NAMES {
        project.write(format!("src/{name}"), "one");
    }
    project.write("src/-dir with space/-file", "one");
    up.until_in_step("src", "web", "/app");
    for name in NAMES {
        project.remove(format!("src/{name}"));
    }
    project.remove("src/-dir with space");
    up.until_in_step("src", "web", "/app");
    assert_eq!(up.rebuilds("web"), 0);
}

/// C5: a path longer than a plain archive header holds.
#[test]
fn very_long_paths_are_copied_and_deleted() {
    let project = Project::web("- sync: ./src:/app");
    let up = project.up();
    let long = format!(
        "src/{}/{}/{}",
        "a".repeat(120),
        "b".repeat(200),
        "c".repeat(250)
    );
    project.write(&long, "far away");
    up.until_in_step("src", "web", "/app");
    project.remove(format!("src/{}", "a".repeat(120)));
    up.until_in_step("src", "web", "/app");
}
