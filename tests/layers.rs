//! Who may use whom: each room knows only those that stand above it in `src/lib.rs`.

#![expect(clippy::unwrap_used, reason = "what cannot be read has failed")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The rooms, from above.
fn rooms() -> Vec<String> {
    let map = fs::read_to_string(root().join("lib.rs")).unwrap();
    let rooms = map.lines().filter_map(|line| {
        let name = line.strip_prefix("pub mod ")?.strip_suffix(';')?;
        Some(name.to_owned())
    });
    rooms.collect()
}

fn sources(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            sources(&entry.unwrap().path(), found);
        }
    } else if path.extension().is_some_and(|it| it == "rs") {
        found.push(path.to_owned());
    }
}

/// Tests look at whatever they like.
fn is_test(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    path.components()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "everywhere")
        || matches!(name, Some("tests.rs" | "nowhere_else.rs" | "properties.rs"))
}

/// The rooms that a source names: `crate::room` and those in braces behind `crate::`.
fn names(source: &str) -> Vec<String> {
    let product = source.split("#[cfg(test)]\n").next().unwrap_or_default();
    let product = if source.contains("#[cfg(test)]\nmod tests {") {
        product.to_owned()
    } else {
        source.to_owned()
    };
    let mut names = Vec::new();
    for line in product
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
    {
        for part in line.split("crate::").skip(1) {
            let name = part
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_');
            names.push(name.collect());
        }
    }
    names
}

#[test]
fn each_room_uses_only_those_above_it() {
    let rooms = rooms();
    assert!(rooms.len() > 15, "{rooms:?}");
    let place = |name: &str| rooms.iter().position(|room| room == name);
    let mut wrong = Vec::new();
    for (own, room) in rooms.iter().enumerate() {
        let mut files = Vec::new();
        let file = root().join(format!("{room}.rs"));
        let folder = root().join(room);
        sources(if file.exists() { &file } else { &folder }, &mut files);
        if file.exists() && folder.exists() {
            sources(&folder, &mut files);
        }
        for file in files.iter().filter(|file| !is_test(file)) {
            let source = fs::read_to_string(file).unwrap();
            for name in names(&source) {
                let below = place(&name).is_some_and(|other| other > own);
                if below {
                    wrong.push(format!("{} uses {name}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_a_source_uses_is_found() {
    let source = "use crate::plan::Rules;\n// crate::no\nf(crate::watch::look());\n#[cfg(test)]\nmod tests {\nuse crate::session;\n}";
    assert_eq!(names(source), ["plan", "watch"]);
}

#[test]
fn every_folder_of_the_source_is_a_room_on_the_map() {
    let rooms = rooms();
    for entry in fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(
            rooms.contains(&name) || ["lib", "main"].contains(&name.as_str()),
            "{name}"
        );
    }
}
