//! Reads `sync`, short and long. Whether a path is watched is the checks' question.

use serde_json::json;
use serde_yaml::{Mapping, Value};

use crate::compose::block::Sync;
use crate::compose::yaml::untagged;
use crate::paths::ContainerPath;

use super::kinds::{Key, Shape, key_names};
use super::{Read, StepReader};

/// The long form's keys.
pub(super) const KEYS: [Key; 6] = [
    Key::needed("local_path", Shape::Of("text")),
    Key::needed(
        "remote_path",
        Shape::Written(|| json!({ "type": "string", "pattern": "^(/|\\$)" })),
    ),
    Key::new("ignore", Shape::Of("texts")),
    Key::new("include", Shape::Of("texts")),
    Key::new("in_place", Shape::Of("boolean")),
    Key::new("initial_sync", Shape::Of("boolean")),
];

/// `LOCAL:REMOTE`, in the schema.
pub(super) fn short() -> Vec<serde_json::Value> {
    vec![json!({
        "type": "string",
        "pattern": "^\\s*\\S.*:(/|\\$)",
        "not": { "pattern": ":(ro|rw|z|Z|cached|delegated)$" }
    })]
}

/// `sync`
pub(super) fn sync(value: &Value, r: &mut StepReader<'_, '_>) -> Option<Read> {
    match untagged(value) {
        Value::Mapping(map) => long(map, r),
        Value::String(_) => {
            let text = r.text(value, "`LOCAL:REMOTE`")?;
            let (local, remote) = split_sync(&text, r)?;
            let sync = between(&local, &remote, r)?;
            Some(Read::Sync(sync, r.at.clone()))
        }
        _ => {
            let expected = "`LOCAL:REMOTE`, or a mapping with `local_path` and `remote_path`";
            r.wrong_type(value, expected);
            None
        }
    }
}

fn long(map: &Mapping, r: &mut StepReader<'_, '_>) -> Option<Read> {
    r.only_keys(map, &key_names(&KEYS));
    let mut path = |key: &str, expected: &str| {
        let Some(value) = map.get(key) else {
            let hint = "the long form is `sync: {local_path: ./src, remote_path: /app/src}`";
            r.error(format!("`sync` has no `{key}`"), Some(hint.into()));
            return None;
        };
        r.key(key).text(value, expected)
    };
    let local = path("local_path", "a path on the host");
    let remote = path("remote_path", "an absolute path in the container");
    let mut list = |key: &str| {
        map.get(key)
            .map_or_else(Vec::new, |value| r.key(key).patterns(value))
    };
    let (ignore, include) = (list("ignore"), list("include"));
    let mut flag = |key: &str| match map.get(key) {
        Some(value) => r.key(key).boolean(value),
        None => Some(false),
    };
    let (in_place, initial) = (flag("in_place")?, flag("initial_sync")?);
    let sync = Sync {
        ignore,
        include,
        in_place,
        initial,
        ..between(&local?, &remote?, &mut r.key("remote_path"))?
    };
    Some(Read::Sync(sync, r.at.key("local_path")))
}

/// The plain sync of `local` to `remote`; `r` stands at the remote path.
fn between(local: &str, remote: &str, r: &mut StepReader<'_, '_>) -> Option<Sync> {
    let Some(path) = ContainerPath::new(remote) else {
        r.error(
            format!("the remote path `{remote}` is relative"),
            Some(format!(
                "write it from the container's root: `/{}`",
                remote.trim_start_matches("./")
            )),
        );
        return None;
    };
    Some(Sync {
        step: r.setting.step.clone(),
        local: r.setting.dir.join(local),
        into_directory: remote.ends_with('/'),
        remote: path,
        ignore: Vec::new(),
        include: Vec::new(),
        in_place: false,
        initial: false,
    })
}

/// Splits `LOCAL:REMOTE` at the first colon before a slash, a drive's letter aside.
fn split_sync(text: &str, r: &mut StepReader<'_, '_>) -> Option<(String, String)> {
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
        r.error(
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
        r.error(
            format!("`sync: {text}` has an empty {side} path"),
            Some("write `sync: ./src:/app/src`".into()),
        );
        return None;
    }
    for mode in [":ro", ":rw", ":z", ":Z", ":cached", ":delegated"] {
        if let Some(path) = remote.strip_suffix(mode) {
            r.error(
                format!("`{mode}` is a mount's option; a sync copies"),
                Some(format!("write `sync: {local}:{path}`")),
            );
            return None;
        }
    }
    Some((local.to_owned(), remote.to_owned()))
}
