//! What comments cite is written down: rules in `docs/spec.md`, traps in `docs/traps.md`; and `docs/architecture.md` names
//! files and functions that are there. No engine is needed.

#![expect(clippy::unwrap_used, reason = "what cannot be read has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Two points of an older list, of what `develop.watch` does: no rules.
const NO_RULES: [&str; 2] = ["F12", "F16"];

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document(name: &str) -> String {
    fs::read_to_string(package().join("docs").join(name)).unwrap()
}

/// All `.rs` files below `src`, `helper/src` and `tests`, with the text of their comments.
fn comments() -> Vec<(PathBuf, String)> {
    let mut folders: Vec<PathBuf> = ["src", "helper/src", "tests"]
        .map(|folder| package().join(folder))
        .to_vec();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = comments_of(&fs::read_to_string(&path).unwrap());
                found.push((path.strip_prefix(package()).unwrap().to_owned(), text));
            }
        }
    }
    found
}

/// What stands behind `//`, unless that stands in a text; a comment of several lines is one.
fn comments_of(source: &str) -> String {
    let comment = |line: &str| {
        let mut starts = line.match_indices("//").map(|(start, _)| start);
        let start = starts.find(|start| line[..*start].matches('"').count().is_multiple_of(2))?;
        Some(line[start..].trim_start_matches(['/', '!', ' ']).to_owned())
    };
    let comments: Vec<String> = source.lines().filter_map(comment).collect();
    comments.join(" ")
}

/// The rules that a comment names: `C5`, `C3.2`, `E2'`; in `C9's advice` it is `C9`.
fn rules_in(text: &str) -> BTreeSet<String> {
    let is_part_of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rules = BTreeSet::new();
    for (start, letter) in text.char_indices() {
        if !matches!(letter, 'B'..='F' | 'S') || text[..start].ends_with(is_part_of_a_word) {
            continue;
        }
        let after = &text[start + 1..];
        let digits =
            |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let mut end = digits(after);
        if end == 0 {
            continue;
        }
        let point = after[end..].strip_prefix('.').map_or(0, digits);
        if point > 0 {
            end += 1 + point;
        }
        if let Some(behind) = after[end..].strip_prefix('\'')
            && !behind.starts_with(is_part_of_a_word)
        {
            end += 1;
        }
        if !after[end..].starts_with(is_part_of_a_word) {
            rules.insert(text[start..=start + end].to_owned());
        }
    }
    rules
}

/// The numbers behind the word: `trap 4`, `traps 2, 3 and 6`.
fn traps_in(text: &str) -> BTreeSet<u32> {
    let text = text.to_lowercase();
    let mut traps = BTreeSet::new();
    for (start, word) in text.match_indices("trap") {
        let behind = &text[start + word.len()..];
        let behind = behind.strip_prefix('s').unwrap_or(behind);
        let numbers = behind
            .split([' ', ','])
            .filter(|word| !matches!(*word, "" | "and"));
        let number = |word: &str| {
            word.trim_end_matches(|c: char| !c.is_ascii_digit())
                .parse::<u32>()
                .ok()
        };
        traps.extend(numbers.map_while(number));
    }
    traps
}

/// The rules of `docs/spec.md`, and the points of those that are lists: `C3.2`. Each stands there once.
fn rules_of_the_spec() -> BTreeSet<String> {
    let (mut rules, mut last) = (BTreeSet::new(), String::new());
    for line in document("spec.md").lines() {
        let rule = if let Some(rule) = line.strip_prefix("- ") {
            rule.split(' ').next().unwrap().clone_into(&mut last);
            last.clone()
        } else if let Some((number, _)) = line.trim_start().split_once(". ")
            && line.starts_with("  ")
            && number.parse::<u32>().is_ok()
        {
            format!("{last}.{number}")
        } else {
            continue;
        };
        assert!(rules.insert(rule.clone()), "docs/spec.md has {rule} twice");
    }
    rules
}

/// The back-quoted words of a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_rule_that_a_comment_cites_is_in_the_spec() {
    let rules = rules_of_the_spec();
    let mut missing = Vec::new();
    let mut cited = BTreeSet::new();
    for (file, text) in comments() {
        for rule in rules_in(&text) {
            if !rules.contains(&rule) && !NO_RULES.contains(&&*rule) {
                missing.push(format!("{}: {rule}", file.display()));
            }
            cited.insert(rule);
        }
    }
    assert!(
        missing.is_empty(),
        "not in docs/spec.md:\n{}",
        missing.join("\n")
    );
    assert!(cited.len() > 30, "comments cite {cited:?} alone");
}

#[test]
fn every_trap_that_a_comment_cites_is_in_the_list() {
    let traps: Vec<u32> = document("traps.md")
        .lines()
        .filter_map(|line| line.split_once(". ")?.0.parse().ok())
        .collect();
    let numbers: Vec<u32> = (1..).take(traps.len()).collect();
    assert_eq!(traps, numbers, "docs/traps.md counts from 1");
    let mut missing = Vec::new();
    let mut cited = BTreeSet::new();
    for (file, text) in comments() {
        for trap in traps_in(&text) {
            if !traps.contains(&trap) {
                missing.push(format!("{}: trap {trap}", file.display()));
            }
            cited.insert(trap);
        }
    }
    assert!(
        missing.is_empty(),
        "not in docs/traps.md:\n{}",
        missing.join("\n")
    );
    assert!(cited.len() > 5, "comments cite {cited:?} alone");
}

#[test]
fn every_file_that_the_map_names_is_there() {
    let map = document("architecture.md");
    let named: BTreeSet<&str> = quoted(&map)
        .filter(|name| name.starts_with("src/") || name.starts_with("tests/"))
        .collect();
    let missing: Vec<&&str> = named
        .iter()
        .filter(|name| !package().join(name).exists())
        .collect();
    assert!(missing.is_empty(), "docs/architecture.md names {missing:?}");
    assert!(
        named.len() > 30,
        "docs/architecture.md names {named:?} alone"
    );
}

/// A row of the way: the file, then its functions.
#[test]
fn every_function_on_the_way_of_a_save_is_in_the_file_that_the_map_says() {
    let map = document("architecture.md");
    let (mut rows, mut missing) = (0, Vec::new());
    for row in map.lines().filter(|line| line.starts_with("| ")) {
        let [_, _, file, functions, ..] = row.split('|').collect::<Vec<_>>()[..] else {
            continue;
        };
        let Some(file) = quoted(file).find(|name| name.starts_with("src/")) else {
            continue;
        };
        let source = fs::read_to_string(package().join(file)).unwrap();
        rows += 1;
        let is_there = |name: &&str| {
            let heads = [format!("fn {name}("), format!("fn {name}<")];
            heads.iter().any(|head| source.contains(head))
        };
        missing.extend(
            quoted(functions)
                .filter(|name| !is_there(name))
                .map(|name| format!("{file}: {name}")),
        );
    }
    assert!(missing.is_empty(), "docs/architecture.md names {missing:?}");
    assert!(rows > 10, "the way of a save has {rows} rows");
}

#[test]
fn a_citation_is_known_as_such() {
    let rules = rules_in(
        "C9's advice (`spec.md` C3.2, E2'), B1 to B4; not UTF8, xB2, F_1, 0xC3, C3A or A1.",
    );
    assert_eq!(
        rules.iter().collect::<Vec<_>>(),
        ["B1", "B4", "C3.2", "C9", "E2'"]
    );
    let traps = traps_in(
        "Trap 4: a header (traps 5 and 7; engine traps 2, 3). It traps 1 more or none, a 10 s trap.",
    );
    assert_eq!(
        traps.iter().copied().collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 7]
    );
    let source = "let at = \"http://C5\"; // C6\n    /// E4:\n    /// all.\nlet b = 2;\n";
    assert_eq!(comments_of(source), "C6 E4: all.");
}
