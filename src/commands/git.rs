//! Which files git sees as changed since a revision. Reads only: no lock is taken, nothing is fetched, no program that the
//! repository's configuration names is run.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use tokio::process::Command;

use crate::children::{self, Limits};
use crate::harmless;
use crate::paths::HostPath;
use crate::programs;

/// Beyond this it is no answer for a plan: a working tree that is the whole disk, objects made to be slow.
const LIMITS: Limits = Limits {
    length: 64 << 20,
    time: Duration::from_secs(60),
};

/// Over what the repository's configuration says.
const SETTINGS: [&str; 11] = [
    // A folder among a repository's files can be a repository by itself, with a configuration that came with the clone.
    "safe.bareRepository=explicit",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "core.sshCommand=false",
    "core.askPass=",
    "core.alternateRefsCommand=false",
    "credential.helper=",
    "diff.external=",
    "protocol.allow=never",
    "submodule.recurse=false",
];

/// Over what the user's environment says.
const ENVIRONMENT: [(&str, &str); 8] = [
    ("GIT_OPTIONAL_LOCKS", "0"),
    // A missing object is fetched from where the configuration says, by programs that it names: ssh, `uploadpack`. The first
    // is understood by newer versions alone, the second by all.
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ASKPASS", ""),
    ("SSH_ASKPASS", ""),
    ("GIT_PAGER", "cat"),
    ("GIT_EDITOR", "false"),
];

/// Every changed, added, deleted or untracked file since `revision` in the repository that holds `dir`, sorted.
/// Directories that are gone with their files are named as well, as a watcher would. The error is for people.
pub async fn changed_since(dir: &HostPath, revision: &str) -> Result<Vec<HostPath>, String> {
    let top = match git(dir, &["rev-parse", "--show-toplevel"], &[]).await? {
        Ok(top) => path_of(trim_end(&top)),
        Err(said) => {
            return Err(format!(
                "error: `{dir}` is in no git repository: {}\n\
                 hint: name the files: `docker liveupdate plan FILE..`",
                first_line(&said)
            ));
        }
    };
    let Some(top) = HostPath::new(top) else {
        return Err(format!(
            "error: `{dir}` is in a git repository without files"
        ));
    };
    // Only what this answers reaches further commands: a revision can then never be taken for an option.
    let commit = format!("{revision}^{{commit}}");
    let resolve = [
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        &commit,
    ];
    let Ok(id) = git(&top, &resolve, &[]).await? else {
        return Err(unknown(revision));
    };
    let id = String::from_utf8_lossy(trim_end(&id)).into_owned();
    // Without `--no-renames` the old name of a renamed file would be missing.
    let diff = [
        "diff",
        "--name-only",
        "-z",
        "--no-renames",
        "--no-ext-diff",
        "--no-textconv",
        // What a submodule's own configuration names would be run to see whether it is dirty.
        "--ignore-submodules=dirty",
        &id,
        "--",
    ];
    let untracked = ["ls-files", "--others", "--exclude-standard", "-z"];
    let filters = filters(&top).await?;
    let mut changed = BTreeSet::new();
    for args in [&diff[..], &untracked[..]] {
        let names = git(&top, args, &filters)
            .await?
            .map_err(|said| format!("error: git failed: {}", first_line(&said)))?;
        for name in names
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
        {
            let path = top.join(path_of(name));
            changed.extend(vanished_above(&path, &top));
            changed.insert(path);
        }
    }
    Ok(changed.into_iter().collect())
}

fn unknown(revision: &str) -> String {
    let hint = if revision == "HEAD" {
        "there is no commit yet: name the files: `docker liveupdate plan FILE..`"
    } else {
        "name a commit, branch or tag of this repository, such as `--since HEAD~3`"
    };
    let revision = harmless::value(revision);
    format!("error: git knows no revision `{revision}`\nhint: {hint}")
}

/// The directories above `path` that are not there any more.
fn vanished_above(path: &HostPath, top: &HostPath) -> Vec<HostPath> {
    let mut vanished = Vec::new();
    let mut above = path.parent();
    while let Some(directory) = above {
        if directory == *top || directory.as_path().symlink_metadata().is_ok() {
            break;
        }
        above = directory.parent();
        vanished.push(directory);
    }
    vanished
}

/// The settings that name filters, programs that a file's content goes through before git compares it. A file whose filter
/// is left out may count as changed though it is not.
async fn filters(top: &HostPath) -> Result<Vec<OsString>, String> {
    let wanted = r"^filter\..*\.(clean|process|required)$";
    let ask = ["config", "--null", "--name-only", "--get-regexp", wanted];
    // Without any it answers with an exit code alone.
    let names = git(top, &ask, &[]).await?.unwrap_or_default();
    let names = names.split(|byte| *byte == 0);
    Ok(names
        .filter(|name| !name.is_empty())
        .map(|name| path_of(name).into_os_string())
        .collect())
}

/// What `git ARGS..` wrote, without the filters of these settings; the inner error is what it complained of.
async fn git(
    dir: &HostPath,
    args: &[&str],
    filters: &[OsString],
) -> Result<Result<Vec<u8>, Vec<u8>>, String> {
    let cannot_be_run = |error: io::Error| {
        format!(
            "error: `git` cannot be run: {error}\n\
             hint: install git, or name the files: `docker liveupdate plan FILE..`"
        )
    };
    let program = programs::find("git".as_ref()).map_err(cannot_be_run)?;
    let mut command = Command::new(program);
    // The user's own settings of this kind stay.
    let first: usize = std::env::var("GIT_CONFIG_COUNT")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or_default();
    for (number, key) in (first..).zip(filters) {
        let required = key.as_encoded_bytes().ends_with(b"required");
        command.env(format!("GIT_CONFIG_KEY_{number}"), key).env(
            format!("GIT_CONFIG_VALUE_{number}"),
            if required { "false" } else { "" },
        );
    }
    if !filters.is_empty() {
        command.env("GIT_CONFIG_COUNT", (first + filters.len()).to_string());
    }
    command.arg("-C").arg(dir.as_path()).arg("--no-pager");
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command.args(args).envs(ENVIRONMENT);
    let output = children::output(command, LIMITS)
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::TimedOut | ErrorKind::FileTooLarge => format!(
                "error: `git` was ended: {error}\n\
                 hint: name the files: `docker liveupdate plan FILE..`"
            ),
            _ => cannot_be_run(error),
        })?;
    Ok(if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(output.stderr)
    })
}

fn first_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let line = said.lines().next().unwrap_or("it does not say why");
    harmless::value(line.trim_start_matches("fatal: ")).into_owned()
}

fn trim_end(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

#[cfg(unix)]
fn path_of(name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(name))
}

#[cfg(not(unix))]
fn path_of(name: &[u8]) -> PathBuf {
    String::from_utf8_lossy(name).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harmless::everywhere::{HOSTILE, assert_harmless};

    #[test]
    fn neither_a_revision_nor_git_s_words_are_repeated_as_they_are() {
        let said = unknown(HOSTILE);
        assert_harmless(said.strip_prefix("error: ").unwrap());
        assert!(said.contains("PWNED"), "{said}");
        let words = first_line(format!("fatal: {HOSTILE}").as_bytes());
        assert_harmless(&words);
        assert!(words.contains("PWNED"), "{words}");
    }
}
