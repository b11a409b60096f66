//! Reads `sync`, short and long. Whether a path is watched is the checks' question.

use serde_yaml::Value;

use crate::compose::block::Sync;
use crate::compose::finding::{Findings, Spot};
use crate::compose::yaml::{boolean, only_keys, text, texts, untagged, wrong_type};
use crate::paths::ContainerPath;

use super::{Read, Setting};

/// The long form's keys.
pub(super) const KEYS: [&str; 6] = [
    "local_path",
    "remote_path",
    "ignore",
    "include",
    "in_place",
    "initial_sync",
];

/// `sync`
pub(super) fn sync(
    value: &Value,
    at: &Spot,
    setting: Setting<'_>,
    found: &mut Findings,
) -> Option<Read> {
    let mut ignore = Vec::new();
    let mut include = Vec::new();
    let mut in_place = false;
    let mut initial = false;
    let (local, local_at, remote, remote_at) = match untagged(value) {
        Value::Mapping(map) => {
            only_keys("sync", map, &KEYS, at, found);
            let mut part = |key: &str, expected: &str| {
                if let Some(value) = map.get(key) {
                    text(key, value, expected, &at.key(key), found)
                } else {
                    let hint =
                        "the long form is `sync: {local_path: ./src, remote_path: /app/src}`";
                    found.error(at, format!("`sync` has no `{key}`"), Some(hint.into()));
                    None
                }
            };
            let local = part("local_path", "a path on the host");
            let remote = part("remote_path", "an absolute path in the container");
            if let Some(value) = map.get("ignore") {
                ignore = patterns("ignore", value, &at.key("ignore"), found);
            }
            if let Some(value) = map.get("include") {
                include = patterns("include", value, &at.key("include"), found);
            }
            if let Some(value) = map.get("in_place") {
                in_place = boolean("in_place", value, &at.key("in_place"), found)?;
            }
            if let Some(value) = map.get("initial_sync") {
                initial = boolean("initial_sync", value, &at.key("initial_sync"), found)?;
            }
            (local?, at.key("local_path"), remote?, at.key("remote_path"))
        }
        Value::String(_) => {
            let text = text("sync", value, "`LOCAL:REMOTE`", at, found)?;
            let (local, remote) = split_sync(&text, at, found)?;
            (local, at.clone(), remote, at.clone())
        }
        _ => {
            wrong_type(
                "sync",
                value,
                "`LOCAL:REMOTE`, or a mapping with `local_path` and `remote_path`",
                at,
                found,
            );
            return None;
        }
    };
    let Some(path) = ContainerPath::new(&remote) else {
        found.error(
            &remote_at,
            format!("the remote path `{remote}` is relative"),
            Some(format!(
                "write it from the container's root: `/{}`",
                remote.trim_start_matches("./")
            )),
        );
        return None;
    };
    Some(Read::Sync(
        Sync {
            step: setting.step.clone(),
            local: setting.dir.join(&local),
            into_directory: remote.ends_with('/'),
            remote: path,
            ignore,
            include,
            in_place,
            initial,
        },
        local_at,
    ))
}

/// Splits `LOCAL:REMOTE` at the first colon before a slash, a drive's letter aside.
fn split_sync(text: &str, at: &Spot, found: &mut Findings) -> Option<(String, String)> {
    let drive = usize::from(
        text.len() > 2
            && text.as_bytes()[1] == b':'
            && text.as_bytes()[0].is_ascii_alphabetic()
            && text[2..].contains(':'),
    ) * 2;
    let colon = text[drive..]
        .find(":/")
        .or_else(|| text[drive..].find(':'))
        .map(|colon| colon + drive);
    let Some(colon) = colon else {
        found.error(
            at,
            format!("`sync: {text}` has no remote path"),
            Some(format!("write `sync: {text}:/path/in/the/container`")),
        );
        return None;
    };
    let (local, remote) = (&text[..colon], &text[colon + 1..]);
    if local.trim().is_empty() || remote.trim().is_empty() {
        let side = if local.trim().is_empty() {
            "local"
        } else {
            "remote"
        };
        found.error(
            at,
            format!("`sync: {text}` has an empty {side} path"),
            Some("write `sync: ./src:/app/src`".into()),
        );
        return None;
    }
    for mode in [":ro", ":rw", ":z", ":Z", ":cached", ":delegated"] {
        if let Some(path) = remote.strip_suffix(mode) {
            found.error(
                at,
                format!("`{mode}` is a mount's option; a sync copies"),
                Some(format!("write `sync: {local}:{path}`")),
            );
            return None;
        }
    }
    Some((local.to_owned(), remote.to_owned()))
}

/// Patterns in `.dockerignore`'s syntax.
pub fn patterns(name: &str, value: &Value, at: &Spot, found: &mut Findings) -> Vec<String> {
    texts(name, value, "a pattern", at, found)
        .into_iter()
        .map(|(text, _)| text)
        .collect()
}
