//! Commands that take a while: their lines as they come, and their last lines when they fail. Knows nothing of what they do.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::EngineError;
use crate::harmless;

/// Lines of a failed command that its error may quote.
const LAST_LINES: usize = 40;

/// A longer line is split.
const LONGEST_LINE: usize = 64 * 1024;

/// Called with each line of a command.
pub type Lines<'a> = &'a mut (dyn FnMut(&str) + Send);

/// Runs a command in a process group of its own and passes on its lines; when it fails, its last lines are the error. `what` is
/// its name within a sentence.
///
/// Dropping the future ends the whole group.
pub async fn stream(
    mut command: Command,
    what: &str,
    output: Lines<'_>,
) -> Result<(), EngineError> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut group = Group::start(command).map_err(|error| cannot_start(what, &error))?;
    let Some(child) = group.child.as_mut() else {
        return Ok(());
    };
    let (sender, mut receiver) = mpsc::channel(64);
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(lines(stdout, sender.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(lines(stderr, sender.clone()));
    }
    drop(sender);
    let mut last = VecDeque::new();
    while let Some(line) = receiver.recv().await {
        output(&line);
        if !line.trim().is_empty() {
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            last.push_back(line);
        }
    }
    let ended = group
        .ended()
        .await
        .map_err(|error| EngineError::Refused(format!("lost sight of {what}: {error}")))?;
    if ended.success() {
        return Ok(());
    }
    let said = last_words(last.make_contiguous());
    Err(EngineError::Refused(if said.is_empty() {
        format!("{what} said nothing and ended with {ended}")
    } else {
        harmless::quoted(&format!("{what} failed:\n{said}"))
    }))
}

/// The error for a command that does not exist or cannot be started.
pub fn cannot_start(what: &str, error: &std::io::Error) -> EngineError {
    EngineError::Refused(format!(
        "cannot start {what}: {error}\nhint: see whether it can be started by hand"
    ))
}

/// The lines that say why it failed: the builder puts a frame of dashes around them, all else says it in the last lines.
fn last_words(lines: &[String]) -> String {
    const OTHERS: usize = 5;
    const VERDICT: &str = "failed to solve: ";
    let frame = |line: &&&str| **line == "------";
    let all: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    // The builder's progress is no reason, unless there is nothing else.
    let news: Vec<&str> = all.iter().copied().filter(|line| is_news(line)).collect();
    let lines = if news.is_empty() { all } else { news };
    let ends: Vec<usize> = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| frame(line))
        .map(|(at, _)| at)
        .collect();
    let from = match ends.as_slice() {
        // What follows the frame says how it ended: the exit code.
        [.., open, _] => open + 1,
        _ => lines.len().saturating_sub(OTHERS),
    };
    let mut kept: Vec<&str> = lines[from..]
        .iter()
        .filter(|line| !frame(line))
        .copied()
        .collect();
    // Some builders print the exit code before the frame; it must not be missing.
    let verdict = lines.iter().rev().find(|line| line.contains(VERDICT));
    if let Some(verdict) = verdict.filter(|_| !kept.iter().any(|line| line.contains(VERDICT))) {
        kept.push(verdict);
    }
    kept.dedup();
    kept.join("\n")
}

/// Whether people want to see a line of the builder's plain progress: the steps and what commands print, but not its bookkeeping.
pub fn is_news(line: &str) -> bool {
    let Some((number, rest)) = line.strip_prefix('#').and_then(|rest| rest.split_once(' ')) else {
        return true;
    };
    if number.parse::<u32>().is_err() {
        return true;
    }
    let step = rest.starts_with('[') && !rest.starts_with("[internal]");
    let output = rest
        .split_once(' ')
        .is_some_and(|(time, _)| time.parse::<f64>().is_ok());
    step || output || rest.starts_with("ERROR")
}

async fn lines(from: impl AsyncRead + Unpin, to: mpsc::Sender<String>) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        let (used, whole) = match from.fill_buf().await {
            Ok(part) if !part.is_empty() => {
                let room = LONGEST_LINE - line.len();
                let part = &part[..part.len().min(room)];
                if let Some(end) = part.iter().position(|&byte| byte == b'\n') {
                    line.extend_from_slice(&part[..end]);
                    (end + 1, true)
                } else {
                    line.extend_from_slice(part);
                    (part.len(), line.len() == LONGEST_LINE)
                }
            }
            _ => break,
        };
        from.consume(used);
        if whole && to.send(text(&mut line)).await.is_err() {
            return;
        }
    }
    if !line.is_empty() {
        let _ = to.send(text(&mut line)).await;
    }
}

fn text(line: &mut Vec<u8>) -> String {
    let text = String::from_utf8_lossy(line)
        .trim_end_matches('\r')
        .to_owned();
    line.clear();
    text
}

/// A running command with its process group, which is ended when this is dropped.
pub(super) struct Group {
    child: Option<Child>,
}

impl Group {
    pub(super) fn start(mut command: Command) -> std::io::Result<Self> {
        // Ctrl-C in a terminal reaches a whole process group; what to stop, and in which order, is for us to decide.
        #[cfg(unix)]
        command.process_group(0);
        let child = Some(command.spawn()?);
        Ok(Self { child })
    }

    /// Waits until the command ends by itself.
    pub(super) async fn ended(mut self) -> std::io::Result<ExitStatus> {
        let Some(child) = self.child.as_mut() else {
            return Ok(ExitStatus::default());
        };
        let ended = child.wait().await?;
        self.child = None;
        Ok(ended)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        #[cfg(unix)]
        if let Some(group) = child
            .id()
            .and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?))
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            use rustix::process::{Signal, kill_process_group};
            let _ = kill_process_group(group, Signal::TERM);
            // On TERM, Compose cancels its build; a command that ignores it is not asked twice.
            runtime.spawn(async move {
                let patience = std::time::Duration::from_secs(5);
                if tokio::time::timeout(patience, child.wait()).await.is_err() {
                    let _ = kill_process_group(group, Signal::KILL);
                    let _ = child.wait().await;
                }
            });
            return;
        }
        let _ = child.start_kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        let lines: Vec<String> = text.lines().map(String::from).collect();
        last_words(&lines)
    }

    #[test]
    fn a_failed_build_says_the_builders_own_last_words() {
        let said = words(
            "#1 [internal] load build definition\n#5 ERROR: process did not complete\n------\n > [2/2] RUN false:\n0.1 no such thing\n------\nDockerfile:2\n\nfailed to solve: process did not complete",
        );
        assert_eq!(
            said,
            " > [2/2] RUN false:\n0.1 no such thing\nDockerfile:2\n\nfailed to solve: process did not complete"
        );
        let said = words(
            "#8 ERROR: process did not complete\nDockerfile:3\ntarget web: failed to solve: no bridge\n------\n > [3/3] RUN true:\n------",
        );
        assert_eq!(
            said,
            " > [3/3] RUN true:\ntarget web: failed to solve: no bridge"
        );
    }

    #[test]
    fn any_other_failure_says_its_last_lines() {
        assert_eq!(
            words("1\n2\n3\n4\n5\n6\nno such service: x"),
            "3\n4\n5\n6\nno such service: x"
        );
        assert_eq!(words(""), "");
        let said = words(
            "client version 1.20 is too old\n#1 [internal] load local bake definitions\n#1 reading from stdin 491B done",
        );
        assert_eq!(said, "client version 1.20 is too old");
        assert_eq!(words("#1 [internal] load"), "#1 [internal] load");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_last_words_of_a_command_stand_below_a_line_of_ours() {
        use crate::harmless::everywhere::{HOSTILE, assert_harmless};
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"printf '%s\n' "$0"; exit 1"#, HOSTILE]);
        let failed = stream(command, "`docker compose build`", &mut |_| ()).await;
        let said = failed.unwrap_err().to_string();
        assert_harmless(&said);
        assert!(
            said.starts_with("`docker compose build` failed:\n  | a\\u{1b}]0;PWNED"),
            "{said}"
        );
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_command_that_fails_without_a_word_is_named() {
        let failed = stream(Command::new("false"), "it", &mut |_| ()).await;
        let said = failed.unwrap_err().to_string();
        assert_eq!(said, "it said nothing and ended with exit status: 1");
        let gone = stream(Command::new("/no/such"), "it", &mut |_| ()).await;
        let said = gone.unwrap_err().to_string();
        assert!(said.starts_with("cannot start it: "), "{said}");
    }

    #[tokio::test]
    async fn lines_are_handed_on_as_they_come_and_an_endless_one_in_pieces() {
        let long = "x".repeat(LONGEST_LINE + 10);
        let text = format!("a\r\nb\n{long}\nlast");
        let (sender, mut receiver) = mpsc::channel(10);
        lines(text.as_bytes(), sender).await;
        let mut got = Vec::new();
        while let Some(line) = receiver.recv().await {
            got.push(line.len());
        }
        assert_eq!(got, [1, 1, LONGEST_LINE, 10, 4]);
    }
}
