//! Reads the last steps: `restart_container`, `restart_process`, `signal`. Sends nothing.

use serde_yaml::Value;

use crate::compose::block::{Restart, RestartKind};
use crate::compose::finding::{Findings, Spot};
use crate::compose::yaml::{
    did_you_mean, duration, key_text, only_keys, quoted, text, untagged, wrong_type,
};

use super::{Read, Setting, missing, rules};

/// One of the last steps; `kind` says which.
pub(super) fn restart(
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

/// Names of signals, without `SIG`.
pub const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// A signal's name, without `SIG`, in upper case.
fn signal(key: &str, value: &Value, at: &Spot, found: &mut Findings) -> Option<String> {
    let given = if let Value::String(_) = untagged(value) {
        text(key, value, "a signal's name", at, found)?
    } else {
        wrong_type(key, value, "a signal's name such as `HUP`", at, found);
        return None;
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
