//! What the engine says about a container whose output is shown: its run, its terminal, how much log it keeps. Pure.

use std::collections::HashMap;
use std::time::SystemTime;

use serde::Deserialize;

use super::frames::Stamp;

/// The engine's description of a container, as far as it matters here.
#[derive(Deserialize)]
pub(super) struct Seen {
    #[serde(rename = "State", default)]
    pub(super) state: Run,
    #[serde(rename = "Config", default)]
    pub(super) config: Config,
    #[serde(rename = "HostConfig", default)]
    pub(super) host: Host,
}

impl Seen {
    pub(super) fn runs(&self) -> bool {
        self.state.status == "running"
    }

    /// Whether its run began after that time, as far as the two clocks agree.
    pub(super) fn began_after(&self, time: SystemTime) -> bool {
        let began = Stamp::read(self.state.started_at.as_bytes());
        began.is_some_and(|began| began > Stamp::of(time))
    }
}

#[derive(Default, Deserialize)]
pub(super) struct Run {
    #[serde(rename = "Status", default)]
    pub(super) status: String,
    #[serde(rename = "StartedAt", default)]
    pub(super) started_at: String,
}

#[derive(Default, Deserialize)]
pub(super) struct Config {
    #[serde(rename = "Tty", default)]
    pub(super) tty: bool,
}

#[derive(Default, Deserialize)]
pub(super) struct Host {
    #[serde(rename = "LogConfig", default)]
    pub(super) log: LogConfig,
}

#[derive(Default, Deserialize)]
pub(super) struct LogConfig {
    #[serde(rename = "Config", default)]
    options: Option<HashMap<String, String>>,
}

impl LogConfig {
    /// How many bytes of log the container keeps for certain; `None`: all of it.
    pub(super) fn keeps(&self) -> Option<u64> {
        let options = self.options.as_ref()?;
        let size = bytes_of(options.get("max-size")?)?;
        let files = options.get("max-file").and_then(|files| files.parse().ok());
        // The oldest file is removed as a whole. With a single file the log starts over, and how much is in it by then is unknown.
        Some(match files.unwrap_or(1_u64) {
            0 | 1 => size / 8,
            files => size.saturating_mul(files - 1),
        })
    }
}

/// A size such as `20m`, as the engine reads it.
fn bytes_of(size: &str) -> Option<u64> {
    let end = size.find(|character: char| !character.is_ascii_digit());
    let (number, unit) = size.split_at(end.unwrap_or(size.len()));
    let factor = match unit.chars().next().map(|unit| unit.to_ascii_lowercase()) {
        None | Some('b') => 1,
        Some('k') => 1 << 10,
        Some('m') => 1 << 20,
        Some('g') => 1 << 30,
        Some(_) => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps(options: &serde_json::Value) -> Option<u64> {
        let host = serde_json::json!({"LogConfig": {"Type": "json-file", "Config": options}});
        serde_json::from_value::<Host>(host).unwrap().log.keeps()
    }

    #[test]
    fn what_a_log_keeps_in_any_case_is_told_by_its_options() {
        use serde_json::json;
        for (options, expected) in [
            (json!(null), None),
            (json!({}), None),
            (json!({"max-file": "3"}), None),
            (json!({"max-size": "a lot"}), None),
            (json!({"max-size": "20m", "max-file": "2"}), Some(20 << 20)),
            (json!({"max-size": "10K", "max-file": "3"}), Some(20 << 10)),
            (json!({"max-size": "1gb", "max-file": "2"}), Some(1 << 30)),
            (json!({"max-size": "500", "max-file": "2"}), Some(500)),
            (json!({"max-size": "8m"}), Some(1 << 20)),
        ] {
            assert_eq!(keeps(&options), expected, "{options}");
        }
    }
}
