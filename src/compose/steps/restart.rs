//! Reads the last steps: `restart_container`, `restart_process`, `signal`. Sends nothing.

use std::time::Duration;

use serde_yaml::{Mapping, Value};

use crate::compose::block::{Does, LastStep, Work};
use crate::compose::finding::YamlPath;
use crate::compose::rule::PathRule;
use crate::compose::yaml::{key_text, quoted, untagged};
use crate::nearest::did_you_mean;

use super::kinds::{Key, Shape, key_names};
use super::paths::rules;
use super::{Read, StepReader, missing};

/// The keys of `restart_container`.
pub(super) const CONTAINER: [Key; 2] = [Key::new("timeout", Shape::Of("duration")), Key::trigger()];

/// The keys of `restart_process`.
pub(super) const PROCESS: [Key; 3] = [
    Key::new("signal", Shape::Of("signal")),
    Key::new("timeout", Shape::Of("duration")),
    Key::trigger(),
];

/// The long form's keys of `signal`.
pub(super) const SIGNAL: [Key; 2] = [Key::needed("name", Shape::Of("signal")), Key::trigger()];

/// `restart_container`
pub(super) fn container(value: &Value, r: &mut StepReader<'_, '_>) -> Option<Read> {
    let options = none_or_options(value, &CONTAINER, r)?;
    let timeout = options.timeout;
    Some(options.last(LastStep::RestartContainer { timeout }, r))
}

/// `restart_process`
pub(super) fn process(value: &Value, r: &mut StepReader<'_, '_>) -> Option<Read> {
    let mut options = none_or_options(value, &PROCESS, r)?;
    let (signal, timeout) = (options.signal.take(), options.timeout);
    Some(options.last(LastStep::RestartProcess { signal, timeout }, r))
}

/// `signal`
pub(super) fn signal(value: &Value, r: &mut StepReader<'_, '_>) -> Option<Read> {
    let mut options = Options::default();
    match untagged(value) {
        Value::Mapping(map) => options.read(map, &SIGNAL, r)?,
        Value::String(_) => options.signal = Some(signal_name(value, r)?),
        _ => {
            r.wrong_type(value, "a signal's name, or a mapping with `name`");
            return None;
        }
    }
    let Some(name) = options.signal.take() else {
        missing("name", r);
        return None;
    };
    Some(options.last(LastStep::Signal { name }, r))
}

/// What the long forms have, all kinds' together.
#[derive(Default)]
struct Options {
    signal: Option<String>,
    timeout: Option<Duration>,
    trigger: Vec<PathRule>,
    trigger_spots: Vec<YamlPath>,
}

fn none_or_options(value: &Value, keys: &[Key], r: &mut StepReader<'_, '_>) -> Option<Options> {
    let mut options = Options::default();
    match untagged(value) {
        Value::Null => {}
        Value::Mapping(map) => options.read(map, keys, r)?,
        _ => {
            let expected = format!("no value, or a mapping with {}", quoted(&key_names(keys)));
            r.wrong_type(value, &expected);
            return None;
        }
    }
    Some(options)
}

impl Options {
    /// Reads those of `keys`. `None` when there is no going on without what one of them says.
    fn read(&mut self, map: &Mapping, keys: &[Key], r: &mut StepReader<'_, '_>) -> Option<()> {
        let known = key_names(keys);
        r.only_keys(map, &known);
        for (key, value) in map {
            let key = key_text(key).unwrap_or_default();
            if !known.contains(&key.as_str()) {
                continue;
            }
            let r = &mut r.key(&key);
            match key.as_str() {
                "signal" | "name" => self.signal = Some(signal_name(value, r)?),
                "timeout" => self.timeout = r.duration(value),
                _ => (self.trigger, self.trigger_spots) = rules(value, r).into_iter().unzip(),
            }
        }
        Some(())
    }

    /// The step that does `last`.
    fn last(self, last: LastStep, r: &StepReader<'_, '_>) -> Read {
        let work = Work {
            step: r.setting.step.clone(),
            trigger: self.trigger,
            does: Does::Last(last),
        };
        Read::Work(work, self.trigger_spots)
    }
}

/// Names of signals, without `SIG`.
pub const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// A signal's name, without `SIG`, in upper case.
fn signal_name(value: &Value, r: &mut StepReader<'_, '_>) -> Option<String> {
    let Value::String(_) = untagged(value) else {
        r.wrong_type(value, "a signal's name such as `HUP`");
        return None;
    };
    let given = r.text(value, "a signal's name")?;
    let upper = given.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper).to_owned();
    let realtime = ["RTMIN", "RTMAX"].iter().any(|base| {
        name.strip_prefix(base).is_some_and(|rest| {
            rest.is_empty() || (rest.starts_with(['+', '-']) && rest[1..].parse::<u8>().is_ok())
        })
    });
    if !realtime && !SIGNALS.contains(&name.as_str()) {
        r.error(
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
