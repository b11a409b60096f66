//! Checks that hold for `develop.watch` only: paths that look like patterns, and rules that Compose itself treats differently. Pure.

use crate::compose::disk::Files;
use crate::compose::finding::{Findings, YamlPath};
use crate::compose::reader::ReadBlock;
use crate::compose::resolve::Draft;
use crate::compose::steps::Read;
use crate::dockerignore::DockerIgnore;
use crate::paths::HostPath;

/// Checks the rules of one service.
pub fn check(draft: &Draft, read: &ReadBlock, disk: &dyn Files, found: &mut Findings) {
    for placed in &read.steps {
        match &placed.read {
            Read::FallBackOn(_) if draft.service.build.is_none() => found.error(
                &placed.at,
                "the rule asks for a rebuild, but the service has no `build`",
                Some("give the service a `build`, or take the rule out".into()),
            ),
            Read::FallBackOn(files) => {
                for (file, at) in files {
                    exists("path", file.rule.root(), at, disk, found);
                }
            }
            Read::WatchOnly(file, at) => exists("path", file.rule.root(), at, disk, found),
            Read::Sync(sync, at) => exists("sync source", &sync.local, at, disk, found),
            _ => {}
        }
    }
    taken_back_in(draft, disk, found);
}

fn exists(what: &str, path: &HostPath, at: &YamlPath, disk: &dyn Files, found: &mut Findings) {
    if disk.kind(path).is_some() {
        return;
    }
    let hint = if path.verbatim().contains(['*', '?', '[']) {
        "a path in `develop.watch` is no pattern: name the directory in `path`, and write the pattern into `include`"
    } else if what == "path" {
        "it is watched as soon as it is created; check the path if it should be there"
    } else {
        "it is synced as soon as it is created; check the path if it should be there"
    };
    found.warning(
        at,
        format!("{what} `{path}` does not exist"),
        Some(hint.into()),
    );
}

/// F1: `docker compose watch` reads an ignore file differently from the builder in this one case; we follow the builder.
fn taken_back_in(draft: &Draft, disk: &dyn Files, found: &mut Findings) {
    let Some(build) = &draft.service.build else {
        return;
    };
    let Ok(text) = disk.read(&build.ignore_file) else {
        return;
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for (index, line) in lines.iter().enumerate() {
        let kept = line
            .strip_prefix('!')
            .map(|kept| kept.trim().trim_matches('/'));
        let Some(kept) = kept.filter(|kept| !kept.is_empty() && !kept.contains(['*', '?', '[']))
        else {
            continue;
        };
        let before = &lines[..index];
        let Ok(rules) = DockerIgnore::parse(before.join("\n").as_bytes()) else {
            continue;
        };
        let inner = format!("{kept}/");
        let below = before.iter().rfind(|line| {
            line.starts_with("**") || line.trim_start_matches('/').starts_with(&inner)
        });
        if let (false, Some(below)) = (rules.ignores(kept.as_ref()), below) {
            found.warning(
                &draft.at().key("build"),
                format!(
                    "line {} (`!{kept}`) of `{}` brings nothing back for the builder, as no line before leaves out `{kept}` itself; `docker compose watch` takes it for all that is below, and would sync what `{below}` leaves out there. Here it is as in the image",
                    index + 1,
                    build.ignore_file,
                ),
                Some("name what is meant: the files themselves after the `!`".into()),
            );
            return;
        }
    }
}
