//! What Compose says of itself and of the files: its version, and its complaints in our form with a hint. Starts nothing.

use std::process::Output;

use serde_yaml::{Mapping, Value};

use crate::compose::finding::YamlPath;
use crate::compose::problem::Location;
use crate::compose::sources::Sources;
use crate::compose::trace::Trace;

use super::LoadError;

/// The first version of Compose that resolves what we need (`include`, `develop`).
pub(super) const OLDEST: (u64, u64) = (2, 20);

/// An error when there is no Compose plugin, or one that fails or is too old.
pub(super) fn check_version(version: &Output) -> Result<(), LoadError> {
    let said = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let numbers = version_numbers(&said);
    match numbers {
        Some(numbers) if version.status.success() => {
            if numbers < OLDEST {
                return Err(LoadError::ComposeTooOld { found: said });
            }
            Ok(())
        }
        // A version that we cannot read (a development build) is taken to be new enough.
        None if version.status.success() && !said.is_empty() => Ok(()),
        _ => {
            let complaint = String::from_utf8_lossy(&version.stderr);
            let first = complaint.lines().find(|line| !line.trim().is_empty());
            let first = first.unwrap_or("it says nothing").trim().to_owned();
            Err(if is_docker_s_own(&complaint) {
                LoadError::NoComposePlugin(first)
            } else {
                LoadError::ComposeFails(first)
            })
        }
    }
}

/// Whether the complaint is from the Docker CLI, which does not know `compose` and prints its own usage, and not from a plugin.
fn is_docker_s_own(complaint: &str) -> bool {
    let words = [
        "docker [OPTIONS] COMMAND",
        "unknown command: docker compose",
        "is not a docker command",
    ];
    words.iter().any(|words| complaint.contains(words))
}

fn version_numbers(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.trim_start_matches('v').split(['.', '-', '+', '~']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Finds the line of an `additional_contexts` entry that names a missing service: Compose's message has no line.
pub(super) fn location_of_context(message: &str, sources: &Sources) -> Option<Location> {
    let rest = message.strip_prefix("service \"")?;
    let (service, rest) = rest.split_once('"')?;
    let (_, context) = rest.split_once("as additional contexts ")?;
    let at = YamlPath::service(service)
        .key("build")
        .key("additional_contexts")
        .key(context.trim());
    // There is no resolved model yet, but the service is known.
    let name = Value::from(service);
    let services = Mapping::from_iter([(name, Value::Null)]);
    let model = Mapping::from_iter([(Value::from("services"), Value::Mapping(services))]);
    Trace::new(sources, &Value::Mapping(model)).location(&at, false)
}

/// Compose's complaint in our form, with a hint where we know more.
pub(super) fn complaint(said: &str, sources: &Sources) -> (String, Option<String>) {
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("time=") && !line.starts_with("WARN"))
        .collect();
    let message = if lines.is_empty() {
        "`docker compose config` failed without a word".to_owned()
    } else {
        lines.join("\n")
    };
    let message = message.trim_end_matches('.').to_owned();
    let quoted = |marker: &str| {
        let rest = message.split_once(marker)?.1;
        let rest = rest.trim_start();
        let rest = rest.strip_prefix('"')?;
        Some(rest.split('"').next()?.to_owned())
    };
    // A base service in an inactive profile, or one that does not exist.
    if let Some(name) = quoted("unknown service").or_else(|| quoted("undefined service")) {
        let hint = if sources.service_names().contains(&name) {
            let profiles = sources.profiles(&name);
            match profiles.first() {
                Some(profile) => format!(
                    "`{name}` is in profile `{profile}`, which is not active: add `--profile {profile}`"
                ),
                None => format!("`{name}` is not active here: check its `profiles`"),
            }
        } else {
            let names = sources.service_names();
            let near = crate::nearest::nearest(&name, names.iter().map(String::as_str));
            match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "name a service of this project".to_owned(),
            }
        };
        return (message, Some(hint));
    }
    let hint = if message.contains("yaml:") {
        Some("the file is not valid YAML: look at that line and the one before it".to_owned())
    } else if message.contains("required variable") {
        Some("set it in the environment or in `.env`".to_owned())
    } else if message.contains("no such file") {
        Some("check the path; it is relative to the project directory".to_owned())
    } else {
        Some("`docker compose config` says the same: put it right there first".to_owned())
    };
    (message, hint)
}
