use super::*;

fn path(text: &str) -> HostPath {
    HostPath::new(text).unwrap()
}

/// The watched of `paths` below `root`, for a compose file in `/p/deploy`.
#[track_caller]
fn kept<'a>(root: &str, ignore: &[&str], only: &[&str], paths: &[&'a str]) -> Vec<&'a str> {
    kept_from("/p/deploy", root, ignore, only, paths)
}

fn kept_from<'a>(
    dir: &str,
    root: &str,
    ignore: &[&str],
    only: &[&str],
    paths: &[&'a str],
) -> Vec<&'a str> {
    let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    let block = Block {
        dir: Some(path(dir)),
        ignore: texts(ignore),
        only: texts(only),
        ..Block::default()
    };
    let filter = Filter::new(&block, &path(root)).unwrap().unwrap();
    let all = paths.iter().copied();
    all.filter(|text| {
        let path = path(text);
        let kept = filter.verdict(&path).is_none();
        // A walk that may leave out a directory may not hide what is kept.
        let mut above = path.parent();
        while let Some(directory) = above {
            assert!(
                !kept || !filter.can_skip_directory(&directory),
                "{directory} hides {path}"
            );
            above = directory.parent();
        }
        kept
    })
    .collect()
}

#[test]
fn patterns_are_relative_to_the_compose_files_directory_wherever_the_context_lies() {
    let paths = ["/p/api/a", "/p/api/x/b", "/p/deploy/api/a", "/p/web/a"];
    for (ignore, expected) in [
        ("../api", &["/p/deploy/api/a", "/p/web/a"][..]),
        ("../api/x", &["/p/api/a", "/p/deploy/api/a", "/p/web/a"]),
        ("./../api/*/b", &["/p/api/a", "/p/deploy/api/a", "/p/web/a"]),
        ("./api", &["/p/api/a", "/p/api/x/b", "/p/web/a"]),
        ("api/a", &["/p/api/a", "/p/api/x/b", "/p/web/a"]),
        ("../*/a", &["/p/api/x/b", "/p/deploy/api/a"]),
        (".", &["/p/api/a", "/p/api/x/b", "/p/web/a"]),
        ("..", &[]),
        ("../../p/api", &["/p/deploy/api/a", "/p/web/a"]),
        ("../../*/api", &["/p/deploy/api/a", "/p/web/a"]),
        ("../../q/api", &paths[..]),
    ] {
        assert_eq!(kept("/p", &[ignore], &[], &paths), expected, "{ignore}");
    }
    assert_eq!(
        kept("/p", &[], &["../api"], &paths),
        ["/p/api/a", "/p/api/x/b"]
    );
    assert_eq!(kept("/p", &[], &["api"], &paths), ["/p/deploy/api/a"]);
    assert_eq!(
        kept("/p", &[], &["../api", "!../api/x"], &paths),
        ["/p/api/a"]
    );
}

#[test]
fn a_pattern_for_any_depth_matches_in_the_whole_context_and_not_on_the_way_to_it() {
    let paths = ["/p/a.md", "/p/api/a.md", "/p/api/a.c", "/p/deploy/x/a.md"];
    assert_eq!(kept("/p", &["**/*.md"], &[], &paths), ["/p/api/a.c"]);
    assert_eq!(kept("/p", &["*.md"], &[], &paths), ["/p/api/a.c"]);
    assert_eq!(
        kept("/p", &["api"], &[], &paths),
        ["/p/a.md", "/p/deploy/x/a.md"]
    );
    assert_eq!(kept("/p", &["*", "!*.c"], &[], &paths), ["/p/api/a.c"]);
    assert_eq!(kept("/p", &[], &["*.c"], &paths), ["/p/api/a.c"]);
    // The context beside the compose file's directory, in a directory of the pattern's name.
    let beside = ["/p/build/a", "/p/build/x/build/a"];
    assert_eq!(kept("/p/build", &["build"], &[], &beside), ["/p/build/a"]);
    assert_eq!(kept("/p/build", &["**/a"], &[], &beside), [""; 0]);
    assert_eq!(
        kept("/p/build", &["../build/a"], &[], &beside),
        ["/p/build/x/build/a"]
    );
    assert_eq!(kept("/p/build", &["../**/x"], &[], &beside), ["/p/build/a"]);
}

#[test]
fn in_only_a_plain_name_is_the_one_beside_the_compose_file() {
    let paths = ["/p/src/a", "/p/web/src/a"];
    assert_eq!(kept_from("/p", "/p", &[], &["src"], &paths), ["/p/src/a"]);
    assert_eq!(kept_from("/p", "/p", &[], &["src/"], &paths), ["/p/src/a"]);
    assert_eq!(kept_from("/p", "/p", &[], &["**/src"], &paths), paths);
    assert_eq!(kept_from("/p", "/p", &[], &["."], &paths), paths);
}

#[test]
fn the_names_of_directories_are_no_patterns() {
    let paths = ["/p/!a*[b] {c}^/src/x", "/p/!a*[b] {c}^/src/y"];
    let dir = "/p/!a*[b] {c}^";
    assert_eq!(kept_from(dir, "/p", &["./src/x"], &[], &paths), [paths[1]]);
    assert_eq!(kept_from(dir, "/p", &[], &["src/x"], &paths), [paths[0]]);
}

#[test]
fn a_bad_pattern_is_told_as_written_and_with_its_place() {
    let block = Block {
        dir: Some(path("/p/deploy")),
        ignore: vec!["ok".into(), "../a[".into()],
        only: vec!["b[".into()],
        ..Block::default()
    };
    let bad = Filter::new(&block, &path("/p")).unwrap_err();
    let said = |bad: &[BadPattern]| -> Vec<String> {
        let all = bad.iter();
        all.map(|bad| format!("{} {}", bad.line, bad.pattern))
            .collect()
    };
    assert_eq!(said(&bad.ignore), ["2 ../a["]);
    assert_eq!(said(&bad.only), ["1 b["]);
}
