//! What an ignore file means, rule by rule.

use std::path::Path;

use super::{Decision, DockerIgnore};

/// The paths among these that the file leaves out.
fn ignored(file: &str, paths: &str) -> String {
    let ignore = DockerIgnore::parse(file.as_bytes()).unwrap();
    let left_out: Vec<_> = paths
        .split_whitespace()
        .filter(|path| ignore.ignores(Path::new(path)))
        .collect();
    left_out.join(" ")
}

#[track_caller]
fn check(table: &[(&str, &str, &str)]) {
    for (file, paths, expected) in table {
        assert_eq!(ignored(file, paths), *expected, "{file:?}");
    }
}

#[test]
fn a_pattern_is_for_a_path_and_all_below_it() {
    check(&[
        ("a", "a a/b a/b/c ab b/a", "a a/b a/b/c"),
        ("a/b", "a a/b a/b/c a/c", "a/b a/b/c"),
        ("*.log", "x.log d.log/y d/x.log", "x.log d.log/y"),
    ]);
}

#[test]
fn however_a_path_is_written_it_is_cleaned() {
    for file in [
        "a",
        "./a",
        "/a",
        "a/",
        "a//",
        " a ",
        "x/../a",
        "a\r",
        "\u{feff}a",
        "//a",
        "/../a",
    ] {
        assert_eq!(ignored(file, "a a/b b"), "a a/b", "{file:?}");
    }
}

#[test]
fn the_last_match_wins() {
    check(&[
        ("a\n!a/b", "a a/b a/b/c a/c", "a a/c"),
        ("!a/b\na", "a a/b", "a a/b"),
        ("*\n!src\nsrc/x", "a src src/x src/y", "a src/x"),
        ("*\n!d\n*.o", "d d/x.o x.o", "x.o"),
    ]);
}

#[test]
fn keeping_a_directory_does_not_keep_what_an_earlier_line_left_out_below_it() {
    check(&[("a/b\n!a", "a a/b a/c", "a/b"), ("a/*\n!a", "a a/b", "a/b")]);
}

#[test]
fn a_star_stops_at_a_slash_and_two_do_not() {
    check(&[
        ("*/x", "x a/x a/b/x", "a/x"),
        ("**/x", "x a/x a/b/x ax", "x a/x a/b/x"),
        ("**x", "x ax a/bx a/xb", "x ax a/bx"),
        ("a**b", "ab a/b axb a/x/b ax/b", "ab a/b a/x/b ax/b"),
        ("a/**/b", "a/b a/x/b a/x/y/b a/xb", "a/b a/x/b a/x/y/b"),
        ("**", "a a/b", "a a/b"),
        ("**/*.o", "x.o a/x.o a/b/x.o x.obj", "x.o a/x.o a/b/x.o"),
        ("**/a*z", "az a/bz x/abz abz/y", "az x/abz abz/y"),
    ]);
}

#[test]
fn a_double_star_at_the_end_is_not_for_the_directory_itself() {
    check(&[
        ("a/**", "a a/b a/b/c", "a/b a/b/c"),
        ("a/*", "a a/b a/b/c", "a/b a/b/c"),
        ("**/a/**", "a a/b x/a x/a/b xa/b", "a/b x/a/b"),
        ("a**", "a ab a/b b", "a ab a/b"),
    ]);
}

#[test]
fn classes_escapes_and_braces() {
    check(&[
        ("?", "a ab é", "a é"),
        ("[ab]", "a b c", "a b"),
        ("[!a]", "! a b", "! a"),
        ("[^a]", "! a b", "! b"),
        ("x[^a]y", "xay xby x/y", "xby x/y"),
        ("{a,b}", "a b {a,b}", "{a,b}"),
        ("*.{a,b}", "x.a x.{a,b}", "x.{a,b}"),
        ("\\#a", "#a a", "#a"),
        ("\\!a", "!a a", "!a"),
        ("a\\*", "a* ab", "a*"),
        ("*.py[co]", "a.pyc a.pyo a.py a.pyx", "a.pyc a.pyo"),
    ]);
}

#[test]
fn a_hash_is_a_comment_in_the_first_column_only() {
    check(&[("#a", "#a a", ""), (" #a", "#a a", "#a")]);
}

#[test]
fn a_list_has_no_comments_and_counts_its_entries() {
    let ignore = DockerIgnore::from_patterns(["x", "", "#a"]).unwrap();
    assert_eq!(
        ignore.verdict(Path::new("#a/b")),
        Some(Decision {
            line: 3,
            pattern: "#a",
            ignored: true
        })
    );
}

#[test]
fn a_decision_names_the_line_that_tipped_the_scales() {
    let ignore = DockerIgnore::parse(b"# built\n\n ./out/ \n!out/keep\nout/keep/tmp\n").unwrap();
    let decision = |path: &str| {
        ignore
            .verdict(Path::new(path))
            .map(|found| (found.line, found.pattern, found.ignored))
    };
    assert_eq!(decision("out/a/b"), Some((3, "./out/", true)));
    assert_eq!(decision("out/keep/a"), Some((4, "!out/keep", false)));
    assert_eq!(decision("out/keep/tmp"), Some((5, "out/keep/tmp", true)));
    assert_eq!(decision("src"), None);
}

#[test]
fn a_walk_skips_an_ignored_directory_only_when_no_exception_reaches_below_it() {
    for (file, directory, skip) in [
        ("a", "a", true),
        ("a", "b", false),
        ("*\n!src", "node_modules", true),
        ("*\n!src/lib", "src", false),
        ("*\n!src/lib", "src/other", true),
        ("*\n!src/**", "src", false),
        ("*\n!*.md", "node_modules", true),
        ("*\n!src/*.md", "node_modules", true),
        ("*\n!src/*.md", "src", false),
        ("*\n!**/*.md", "node_modules", false),
        ("*\n!**/keep", "a/b", false),
        ("*\n!a*/x", "ab", false),
        ("*\n!a*/x", "ba", true),
    ] {
        let ignore = DockerIgnore::parse(file.as_bytes()).unwrap();
        assert_eq!(
            ignore.can_skip_directory(Path::new(directory)),
            skip,
            "{file:?} at `{directory}`"
        );
    }
}

#[test]
fn an_untidy_path_is_the_tidy_one() {
    assert_eq!(
        ignored("a/b", "./a/b a//b a/b/ /a/./b a/c"),
        "./a/b a//b a/b/ /a/./b"
    );
    let everything = DockerIgnore::parse(b"**").unwrap();
    assert!(!everything.ignores(Path::new("")) && !everything.ignores(Path::new(".")));
}

#[cfg(unix)]
#[test]
fn names_that_are_no_utf8_are_matched_byte_by_byte() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let ignore = DockerIgnore::parse(b"a?c\nx*").unwrap();
    assert!(ignore.ignores(Path::new(OsStr::from_bytes(b"a\xFFc"))));
    assert!(ignore.ignores(Path::new(OsStr::from_bytes(b"x\xFF/\xFE"))));
    assert!(!ignore.ignores(Path::new(OsStr::from_bytes(b"a\xFF\xFFc"))));
}

#[test]
fn all_bad_patterns_are_reported_with_their_lines_and_what_to_write() {
    let bad = DockerIgnore::parse(b"ok\n!\na\\\n[a\nsrc\\main\n").unwrap_err();
    let text: Vec<_> = bad
        .iter()
        .map(|bad| format!("line {}: {bad}", bad.line))
        .collect();
    insta::assert_snapshot!(text.join("\n"), @r"
    line 2: `!`: a `!` alone keeps nothing
    write the pattern to keep after it, as in `!name`, or remove the line
    line 3: `a\`: it ends in a `\` that escapes nothing
    write `/` between directories, and `\\` for a backslash in a name
    line 4: `[a`: its `[` is never closed
    write `\[` for the bracket itself, or close the class with `]`
    line 5: `src\main`: the builder knows no escape `\m`
    write `/` between directories, and `m` without the backslash for the character itself
    ");
}

#[test]
fn braces_bars_and_carets_mean_beside_wildcards_what_the_builder_makes_of_them() {
    check(&[
        ("a{2}*", "aab a{2}b", "aab"),
        ("x|y*", "xz zyq zy ay/b", "xz zyq zy ay/b"),
        ("^a*", "ab ^ab", "ab"),
        ("a^b", "a^b", "a^b"),
        ("[a*]", "a [ aa] ab]", "aa]"),
    ]);
}
