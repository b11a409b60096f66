//! Sentences stand in `report` alone: those who decide and do hold no text that somebody reads.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms that only say what happened, not how that is put.
const ROOMS: [&str; 4] = ["session", "service", "update", "control"];

/// Files with texts that are no message of ours: the reason is beside each.
const EXCEPTIONS: [&str; 2] = [
    // An action's name, which no user reads.
    "service/describe.rs",
    // Errors of the engine's kind, which have their words in them as all of those have.
    "session/custom.rs",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// The texts of a source, without comments, attributes and the tests at its end.
fn texts(source: &str) -> Vec<String> {
    let source = source.split("\nmod tests {").next();
    let mut rest = source.unwrap_or_default();
    let mut texts = Vec::new();
    while let Some(at) = rest.find(['"', '/', '\'', '#']) {
        let from = &rest[at..];
        rest = if from.starts_with("//") {
            from.split_once('\n').map_or("", |(_, rest)| rest)
        } else if from.starts_with("#[") {
            from.split_once("]\n").map_or("", |(_, rest)| rest)
        } else if let Some(behind) = from.strip_prefix("'\"'") {
            behind
        } else if let Some(text) = from.strip_prefix('"') {
            let end = end_of(text);
            texts.push(text[..end].to_owned());
            text.get(end + 1..).unwrap_or_default()
        } else {
            &from[1..]
        };
    }
    texts
}

fn end_of(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    text.len()
}

/// Two words side by side; names of files, flags and the like have no blank between them.
fn is_sentence(text: &str) -> bool {
    let is_word = |word: &str| {
        let word = word.trim_matches(|c: char| c.is_ascii_punctuation() && c != '{' && c != '}');
        word.len() > 1 && word.chars().all(char::is_alphabetic)
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    words
        .windows(2)
        .any(|pair| pair.iter().all(|word| is_word(word)))
}

#[test]
fn no_sentence_is_made_where_something_is_decided_or_done() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for room in ROOMS {
        sources(&folder.join(room), &mut files);
    }
    assert!(files.len() > 30, "{files:?}");
    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(&folder).unwrap().display().to_string();
        for text in texts(&fs::read_to_string(&file).unwrap()) {
            if is_sentence(&text) && !EXCEPTIONS.contains(&name.as_str()) {
                found.push(format!("{name}: {text}"));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_sentence_is_told_from_a_name() {
    let source = "// \"no message\"\n#[expect(x, reason = \"none either\")]\nf('\"', \"web-1\", \"{name}: {why}\", \"it is said\")";
    let texts = texts(source);
    assert_eq!(texts, ["web-1", "{name}: {why}", "it is said"]);
    let told: Vec<bool> = texts.iter().map(|text| is_sentence(text)).collect();
    assert_eq!(told, [false, false, true]);
}
