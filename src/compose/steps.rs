//! Reads one step of a list: short and long forms, every option (`spec.md` section 1). Knows nothing of files or of other steps.

use serde_yaml::{Mapping, Value};

use crate::paths::{ContainerPath, HostPath};

use super::block::{Command, FallBackOn, OnFailure, Restart, RestartKind, Run, Step, Sync};
use super::finding::{Findings, Spot};
use super::rule::PathRule;
use super::yaml::{
    boolean, choice, describe, did_you_mean, duration, key_text, only_keys, quoted, scalar_text,
    text, text_or_number, texts, untagged, wrong_type,
};

/// The kinds of step, in the order in which they must stand (B1).
pub const KINDS: [&str; 7] = [
    "initial_sync",
    "fall_back_on",
    "sync",
    "run",
    "restart_container",
    "restart_process",
    "signal",
];

const SYNC_KEYS: [&str; 5] = ["local_path", "remote_path", "ignore", "include", "in_place"];
const RUN_KEYS: [&str; 7] = [
    "cmd",
    "trigger",
    "workdir",
    "user",
    "environment",
    "timeout",
    "on_failure",
];

/// One step, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// `initial_sync`
    InitialSync,
    /// `fall_back_on`, each path with its place.
    FallBackOn(Vec<(FallBackOn, Spot)>),
    /// `sync`, with the place of its local path.
    Sync(Sync, Spot),
    /// `run`, with the places of its triggers.
    Run(Run, Vec<Spot>),
    /// One of the last steps, with the places of its triggers.
    Restart(Restart, Vec<Spot>),
}

impl Read {
    /// The rank of B1: a step may not stand before one of a lower rank.
    pub fn rank(&self) -> usize {
        match self {
            Self::InitialSync => 0,
            Self::FallBackOn(_) => 1,
            Self::Sync(..) => 2,
            Self::Run(..) => 3,
            Self::Restart(..) => 4,
        }
    }

    /// The step's key.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InitialSync => "initial_sync",
            Self::FallBackOn(_) => "fall_back_on",
            Self::Sync(..) => "sync",
            Self::Run(..) => "run",
            Self::Restart(restart, _) => match restart.kind {
                RestartKind::Container { .. } => "restart_container",
                RestartKind::Process { .. } => "restart_process",
                RestartKind::Signal { .. } => "signal",
            },
        }
    }
}

/// Where a step stands and what its paths are relative to.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// Its number and name.
    pub step: &'a Step,
    /// The directory of the file it was written in (B5).
    pub dir: &'a HostPath,
}

/// Reads a step written in place. `None` when it is too wrong to go on with; `found` says why.
pub fn read_step(
    value: &Value,
    at: &Spot,
    setting: Setting<'_>,
    found: &mut Findings,
) -> Option<Read> {
    match untagged(value) {
        Value::String(word) => bare_step(word, at, setting, found),
        Value::Mapping(map) => keyed_step(map, at, setting, found),
        _ => {
            found.error(
                at,
                format!(
                    "a step is {}; expected a mapping with one key",
                    describe(value)
                ),
                Some(format!("the steps are {}", quoted(&KINDS))),
            );
            None
        }
    }
}

fn bare_step(word: &str, at: &Spot, setting: Setting<'_>, found: &mut Findings) -> Option<Read> {
    match word {
        "initial_sync" | "restart_container" | "restart_process" => {
            keyed_value(word, &Value::Null, at, setting, found)
        }
        "signal" => {
            found.error(
                at,
                "`signal` does not say which signal",
                Some("write `signal: HUP`".into()),
            );
            None
        }
        "sync" | "run" | "fall_back_on" => {
            found.error(at, format!("`{word}` has no value"), Some(form_of(word)));
            None
        }
        _ => {
            // `- sync:./a:/b` and `- sync ./a:/b` are texts to YAML.
            let start = KINDS.iter().find(|kind| {
                word.strip_prefix(**kind)
                    .is_some_and(|rest| rest.starts_with([':', ' ']))
            });
            let hint = match start {
                Some(kind) => format!("a space belongs behind the colon: {}", form_of(kind)),
                None => format!(
                    "{}the steps are {}",
                    did_you_mean(word, KINDS),
                    quoted(&KINDS)
                ),
            };
            found.error(at, format!("unknown step `{word}`"), Some(hint));
            None
        }
    }
}

fn form_of(kind: &str) -> String {
    match kind {
        "sync" => "write `sync: ./src:/app/src`".into(),
        "run" => "write `run: /app/bin/migrate`".into(),
        "fall_back_on" => "write `fall_back_on: package.json`".into(),
        "signal" => "write `signal: HUP`".into(),
        other => format!("write `{other}`"),
    }
}

fn keyed_step(
    map: &Mapping,
    at: &Spot,
    setting: Setting<'_>,
    found: &mut Findings,
) -> Option<Read> {
    let keys: Vec<String> = map.keys().filter_map(key_text).collect();
    let kinds: Vec<&str> = keys
        .iter()
        .map(String::as_str)
        .filter(|key| KINDS.contains(key))
        .collect();
    let Some(&kind) = kinds.first() else {
        let (at, name) = match keys.first() {
            Some(key) => (at.key(key), key.as_str()),
            None => (at.clone(), ""),
        };
        let message = if name.is_empty() {
            "an empty step".to_owned()
        } else {
            format!("unknown step `{name}`")
        };
        let hint = format!(
            "{}the steps are {}",
            did_you_mean(name, KINDS),
            quoted(&KINDS)
        );
        if name.is_empty() {
            found.error(&at, message, Some(hint));
        } else {
            found.error_on_key(&at, message, Some(hint));
        }
        return None;
    };
    let extra: Vec<&String> = keys.iter().filter(|key| *key != kind).collect();
    if let Some(&other) = extra.first() {
        let at = at.key(other);
        if kinds.len() > 1 {
            let hint = "begin each step with a `-` of its own";
            found.error_on_key(
                &at,
                format!("`{kind}` and `{other}` are in one step"),
                Some(hint.into()),
            );
        } else {
            let (keys, first) = match kind {
                "sync" => (SYNC_KEYS.as_slice(), "local_path: .., remote_path: .."),
                "run" => (RUN_KEYS.as_slice(), "cmd: .."),
                "restart_container" => (["timeout", "trigger"].as_slice(), ""),
                "restart_process" => (["signal", "timeout", "trigger"].as_slice(), ""),
                "signal" => (["name", "trigger"].as_slice(), "name: .."),
                _ => (["files"].as_slice(), "files: .."),
            };
            let hint = if keys.contains(&other.as_str()) {
                let comma = if first.is_empty() { "" } else { ", " };
                format!("write it in the long form: `{kind}: {{{first}{comma}{other}: ..}}`")
            } else {
                format!(
                    "{}a step is a mapping with one key",
                    did_you_mean(other, keys.iter().copied())
                )
            };
            found.error_on_key(&at, format!("`{other}` stands beside `{kind}`"), Some(hint));
        }
        return None;
    }
    keyed_value(kind, map.get(kind)?, &at.key(kind), setting, found)
}

fn keyed_value(
    kind: &str,
    value: &Value,
    at: &Spot,
    setting: Setting<'_>,
    found: &mut Findings,
) -> Option<Read> {
    match kind {
        "initial_sync" => {
            if !matches!(untagged(value), Value::Null | Value::Bool(true)) {
                wrong_type(kind, value, "no value", at, found);
                return None;
            }
            Some(Read::InitialSync)
        }
        "fall_back_on" => fall_back_on(value, at, setting, found),
        "sync" => sync(value, at, setting, found),
        "run" => run(value, at, setting, found),
        _ => restart(kind, value, at, setting, found),
    }
}

fn rules(
    name: &str,
    value: &Value,
    at: &Spot,
    setting: Setting<'_>,
    found: &mut Findings,
) -> Vec<(PathRule, Spot)> {
    texts(name, value, "a path or glob", at, found)
        .into_iter()
        .filter_map(|(text, at)| match PathRule::new(&text, setting.dir) {
            Ok(rule) => Some((rule, at)),
            Err(reason) => {
                found.error(
                    &at,
                    format!("`{text}` is not a valid glob: {reason}"),
                    Some("`*`, `?`, `[..]` and `{a,b}` make a text a glob; `\\` before one makes it an ordinary character".into()),
                );
                None
            }
        })
        .collect()
}

fn fall_back_on(
    value: &Value,
    at: &Spot,
    setting: Setting<'_>,
    found: &mut Findings,
) -> Option<Read> {
    let (value, at) = match untagged(value) {
        Value::Mapping(map) => {
            only_keys("fall_back_on", map, &["files"], at, found);
            let Some(files) = map.get("files") else {
                missing("fall_back_on", "files", at, found);
                return None;
            };
            (files, at.key("files"))
        }
        _ => (value, at.clone()),
    };
    if untagged(value).as_sequence().is_some_and(Vec::is_empty) {
        found.error(
            &at,
            "`fall_back_on` is an empty list",
            Some("name the files whose change asks for a rebuild, or take the step out".into()),
        );
        return None;
    }
    let files: Vec<_> = rules("fall_back_on", value, &at, setting, found)
        .into_iter()
        .map(|(rule, at)| {
            let step = setting.step.clone();
            (FallBackOn { step, rule }, at)
        })
        .collect();
    (!files.is_empty()).then_some(Read::FallBackOn(files))
}

fn missing(step: &str, key: &str, at: &Spot, found: &mut Findings) {
    found.error(at, format!("`{step}` has no `{key}`"), Some(form_of(step)));
}

fn sync(value: &Value, at: &Spot, setting: Setting<'_>, found: &mut Findings) -> Option<Read> {
    let mut ignore = Vec::new();
    let mut include = Vec::new();
    let mut in_place = false;
    let (local, local_at, remote, remote_at) = match untagged(value) {
        Value::Mapping(map) => {
            only_keys("sync", map, &SYNC_KEYS, at, found);
            let mut part = |key: &str, expected: &str| match map.get(key) {
                Some(value) => text(key, value, expected, &at.key(key), found),
                None => {
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
            initial: false,
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

fn run(value: &Value, at: &Spot, setting: Setting<'_>, found: &mut Findings) -> Option<Read> {
    let mut run = Run {
        step: setting.step.clone(),
        command: Command::Shell(String::new()),
        trigger: Vec::new(),
        workdir: None,
        user: None,
        environment: Vec::new(),
        timeout: None,
        on_failure: OnFailure::Keep,
    };
    let mut trigger_spots = Vec::new();
    match untagged(value) {
        Value::Mapping(map) => {
            only_keys("run", map, &RUN_KEYS, at, found);
            for (key, value) in map {
                let key = key_text(key).unwrap_or_default();
                let at = at.key(&key);
                match key.as_str() {
                    "trigger" => {
                        let rules = rules("trigger", value, &at, setting, found);
                        (run.trigger, trigger_spots) = rules.into_iter().unzip();
                    }
                    "workdir" => {
                        run.workdir =
                            text(&key, value, "an absolute path in the container", &at, found);
                        if let Some(dir) = run.workdir.as_ref().filter(|dir| !dir.starts_with('/'))
                        {
                            found.error(
                                &at,
                                format!("`workdir` `{dir}` is relative"),
                                Some("write it from the container's root".into()),
                            );
                        }
                    }
                    "user" => {
                        run.user =
                            text_or_number(&key, value, "a user's name or number", &at, found)
                    }
                    "environment" => run.environment = environment(value, &at, found),
                    "timeout" => {
                        run.timeout = duration(&key, value, &at, found);
                        if run.timeout.is_some_and(|timeout| timeout.is_zero()) {
                            found.error(
                                &at,
                                "a `timeout` of zero ends every command before it begins",
                                Some("give it some seconds, or take `timeout` out".into()),
                            );
                        }
                    }
                    "on_failure" => {
                        let choices = [("keep", OnFailure::Keep), ("rebuild", OnFailure::Rebuild)];
                        run.on_failure =
                            choice(&key, value, &choices, &at, found).unwrap_or_default();
                    }
                    _ => {}
                }
            }
            let Some(cmd) = map.get("cmd") else {
                found.error(
                    at,
                    "`run` has no `cmd`",
                    Some(
                        "the long form is `run: {cmd: npm install, trigger: package.json}`".into(),
                    ),
                );
                return None;
            };
            run.command = command("cmd", cmd, &at.key("cmd"), found)?;
        }
        _ => run.command = command("run", value, at, found)?,
    }
    Some(Read::Run(run, trigger_spots))
}

/// A text for the shell, or a list that is executed as it is (C7).
pub fn command(name: &str, value: &Value, at: &Spot, found: &mut Findings) -> Option<Command> {
    match untagged(value) {
        Value::Sequence(items) if items.is_empty() => {
            found.error(
                at,
                format!("`{name}` is an empty list"),
                Some("the list's first item is the program".into()),
            );
            None
        }
        Value::Sequence(items) => {
            let mut argv = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                // An empty argument is a good one; only the program needs a name.
                match scalar_text(item) {
                    Some(word) if index > 0 || !word.is_empty() => argv.push(word),
                    _ => {
                        wrong_type(name, item, "a text", &at.index(index), found);
                        return None;
                    }
                }
            }
            Some(Command::Argv(argv))
        }
        Value::String(_) => {
            text(name, value, "a shell command or a list", at, found).map(Command::Shell)
        }
        _ => {
            wrong_type(
                name,
                value,
                "a shell command, or a list of program and arguments",
                at,
                found,
            );
            None
        }
    }
}

/// `NAME=value` in a list, or a mapping.
pub fn environment(value: &Value, at: &Spot, found: &mut Findings) -> Vec<(String, String)> {
    match untagged(value) {
        Value::Mapping(map) => map
            .iter()
            .filter_map(|(name, value)| {
                let name = key_text(name)?;
                let at = at.key(&name);
                let text = scalar_text(value);
                if text.is_none() {
                    wrong_type(&name, value, "a text", &at, found);
                }
                Some((name, text?))
            })
            .collect(),
        Value::Sequence(items) => items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| {
                let at = at.index(index);
                let text = scalar_text(item).unwrap_or_default();
                match text.split_once('=') {
                    Some((name, value)) if !name.is_empty() => Some((name.into(), value.into())),
                    _ => {
                        wrong_type("environment", item, "`NAME=value`", &at, found);
                        None
                    }
                }
            })
            .collect(),
        _ => {
            wrong_type(
                "environment",
                value,
                "a mapping, or a list of `NAME=value`",
                at,
                found,
            );
            Vec::new()
        }
    }
}

fn restart(
    kind: &str,
    value: &Value,
    at: &Spot,
    setting: Setting<'_>,
    found: &mut Findings,
) -> Option<Read> {
    let known: &[&str] = match kind {
        "restart_container" => &["timeout", "trigger"],
        "restart_process" => &["signal", "timeout", "trigger"],
        _ => &["name", "trigger"],
    };
    let mut name = None;
    let mut timeout = None;
    let mut trigger = Vec::new();
    let mut trigger_spots = Vec::new();
    match untagged(value) {
        Value::Null if kind != "signal" => {}
        Value::Mapping(map) => {
            only_keys(kind, map, known, at, found);
            for (key, value) in map {
                let key = key_text(key).unwrap_or_default();
                if !known.contains(&key.as_str()) {
                    continue;
                }
                let at = at.key(&key);
                match key.as_str() {
                    "signal" | "name" => name = Some(signal(&key, value, &at, found)?),
                    "timeout" => timeout = duration(&key, value, &at, found),
                    _ => {
                        let rules = rules("trigger", value, &at, setting, found);
                        (trigger, trigger_spots) = rules.into_iter().unzip();
                    }
                }
            }
        }
        Value::String(_) if kind == "signal" => name = Some(signal(kind, value, at, found)?),
        _ => {
            let expected = if kind == "signal" {
                "a signal's name, or a mapping with `name`".to_owned()
            } else {
                format!("no value, or a mapping with {}", quoted(known))
            };
            wrong_type(kind, value, &expected, at, found);
            return None;
        }
    }
    let kind = match kind {
        "restart_container" => RestartKind::Container { timeout },
        "restart_process" => RestartKind::Process {
            signal: name,
            timeout,
        },
        _ => {
            let Some(name) = name else {
                missing("signal", "name", at, found);
                return None;
            };
            RestartKind::Signal { name }
        }
    };
    let step = setting.step.clone();
    Some(Read::Restart(
        Restart {
            step,
            kind,
            trigger,
        },
        trigger_spots,
    ))
}

const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// A signal's name, without `SIG`, in upper case.
fn signal(key: &str, value: &Value, at: &Spot, found: &mut Findings) -> Option<String> {
    let given = match untagged(value) {
        Value::String(_) => text(key, value, "a signal's name", at, found)?,
        _ => {
            wrong_type(key, value, "a signal's name such as `HUP`", at, found);
            return None;
        }
    };
    let upper = given.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper).to_owned();
    let realtime = ["RTMIN", "RTMAX"].iter().any(|base| {
        name.strip_prefix(base).is_some_and(|rest| {
            rest.is_empty() || (rest.starts_with(['+', '-']) && rest[1..].parse::<u8>().is_ok())
        })
    });
    if !realtime && !SIGNALS.contains(&name.as_str()) {
        found.error(
            at,
            format!("unknown signal `{given}`"),
            Some(format!(
                "{}name it as `kill -l` does, for example `HUP`, `USR1` or `TERM`",
                did_you_mean(&name, SIGNALS)
            )),
        );
        return None;
    }
    Some(name)
}
