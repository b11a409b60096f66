//! Puts ignore files to the real builder and compares what arrives in the image with our verdicts.
//!
//! Needs an engine: `docker` on PATH with buildx, and `DOCKER_HOST` or a context. `LIVEUPDATE_ORACLE_CASES` and
//! `LIVEUPDATE_ORACLE_SEED` ask for more, or other, generated cases.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where its preparation fails"
)]

mod builder;
mod cases;
mod tree;

use std::{collections::BTreeSet, path::Path};

use docker_liveupdate::dockerignore::DockerIgnore;
use tree::Entry;

/// How many ignore files one build compares: each is the ignore file of a build context of its own.
const PER_BUILD: usize = 40;

#[test]
fn the_builder_and_we_keep_the_same_files() {
    let number =
        |name: &str, usual| std::env::var(name).map_or(usual, |text| text.parse().expect(name));
    let mut files: Vec<String> = cases::TRICKY.iter().map(|&file| file.to_owned()).collect();
    let generated = usize::try_from(number("LIVEUPDATE_ORACLE_CASES", 120)).unwrap();
    files.extend(cases::generated(number("LIVEUPDATE_ORACLE_SEED", 1)).take(generated));
    let batches: Vec<&[String]> = files.chunks(PER_BUILD).collect();
    let differences = builder::four_at_a_time(&batches, |batch| {
        let images = builder::build_together(batch);
        batch
            .iter()
            .zip(images)
            .filter_map(|(file, image)| difference(file, &image))
            .collect::<Vec<_>>()
    });
    report(&differences.concat(), files.len());
}

/// The case above puts its ignore files into named contexts; this one shows that a service's own context, with
/// `COPY . /`, is no different.
#[test]
fn a_services_own_context_is_treated_as_the_named_ones() {
    let files: Vec<String> = cases::TRICKY
        .iter()
        .step_by(12)
        .map(|&file| file.to_owned())
        .collect();
    let differences = builder::four_at_a_time(&files, |file| {
        let image = builder::build_alone(file.as_bytes())
            .unwrap_or_else(|error| panic!("{file:?}: {error}"));
        difference(file, &image)
    });
    report(
        &differences.into_iter().flatten().collect::<Vec<_>>(),
        files.len(),
    );
}

#[test]
fn what_the_builder_refuses_we_refuse_with_the_line() {
    let accepted: Vec<Vec<u8>> = builder::four_at_a_time(cases::REFUSED, |file| {
        let bad = DockerIgnore::parse(file).expect_err("we refuse it");
        assert!(bad.iter().all(|bad| bad.line == 2), "{bad:?}");
        builder::build_alone(file).is_ok().then(|| file.to_vec())
    })
    .into_iter()
    .flatten()
    .collect();
    let shown: Vec<_> = accepted
        .iter()
        .map(|file| String::from_utf8_lossy(file))
        .collect();
    assert!(accepted.is_empty(), "the builder takes these: {shown:?}");
}

/// What differs between the image and our verdicts, or nothing.
fn difference(file: &str, image: &BTreeSet<String>) -> Option<String> {
    let ignore =
        DockerIgnore::parse(file.as_bytes()).unwrap_or_else(|bad| panic!("{file:?}: {bad:?}"));
    let ours = kept(&ignore);
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
        one.difference(other).cloned().collect::<Vec<_>>()
    };
    (ours != *image).then(|| {
        format!(
            "{file:?}\n  only the builder keeps {:?}\n  only we keep {:?}",
            only(image, &ours),
            only(&ours, image)
        )
    })
}

#[track_caller]
fn report(differences: &[String], cases: usize) {
    assert!(
        differences.is_empty(),
        "{} of {cases} ignore files differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// The paths that reach the image: what is not ignored, and the directories above it.
fn kept(ignore: &DockerIgnore) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    let entries = tree::entries();
    for Entry { path, .. } in &entries {
        if !ignore.ignores(Path::new(path)) {
            kept.extend(
                Path::new(path)
                    .ancestors()
                    .map(|part| part.to_str().unwrap().to_owned()),
            );
        }
    }
    kept.remove("");
    assert_eq!(
        walked(ignore, &entries),
        kept,
        "a walk that skips directories finds the same"
    );
    kept
}

/// The same, found as a walk finds it: from the top, leaving out the directories that may be skipped.
fn walked(ignore: &DockerIgnore, entries: &[Entry]) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    let mut open = vec![(String::new(), ignore.root())];
    while let Some((directory, standing)) = open.pop() {
        for entry in entries
            .iter()
            .filter(|entry| entry.directory() == directory)
        {
            let path = Path::new(&entry.path);
            let below = ignore.below(&standing, path);
            if !below.ignored() {
                kept.extend(
                    path.ancestors()
                        .map(|part| part.to_str().unwrap().to_owned()),
                );
            }
            if entry.is_directory() && !ignore.can_skip_directory(path) {
                open.push((entry.path.clone(), below));
            }
        }
    }
    kept.remove("");
    kept
}
