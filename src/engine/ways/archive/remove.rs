//! Deletes through `rm` and `rmdir` in the container, with plain arguments: the archive API cannot delete (trap 8). Copies nothing.
//!
//! They run as the owner of the directory that holds the name. If a link is put on the way at that moment, they can do no more at
//! its target than that owner could.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use super::survey::{Kind, Survey};
use crate::engine::client::Docker;
use crate::engine::{Container, Delta, EngineError};
use crate::paths::ContainerPath;

/// Bytes of arguments in one command: well below any kernel's limit, and below what the engine passes on in one message.
const ARGUMENTS: usize = 256 * 1024;

/// For names that are not valid UTF-8, which the engine's API cannot carry: they are sent escaped and decoded in the container.
const DECODED: &str =
    r#"verb=$1; shift; for name; do name=$(printf '%b.' "$name"); $verb "${name%.}"; done"#;

/// The command that is run in the container.
#[derive(Clone, Copy)]
enum Verb {
    Files,
    EmptyDirectories,
}

impl Docker {
    /// Removes files and links, then directories that are empty by then; what does not exist is no error. Paths in a directory that was
    /// just replaced are not asked for again. Returns what was left alone.
    pub(super) async fn remove(
        &self,
        container: &Container,
        delta: &Delta,
    ) -> Result<Vec<(ContainerPath, String)>, EngineError> {
        let written: HashSet<&ContainerPath> = delta.put.iter().map(|put| &put.to).collect();
        let goes_anyway = delta.goes_with_what_is_put();
        let due = |paths: &[ContainerPath]| -> Vec<ContainerPath> {
            let due = paths
                .iter()
                .filter(|path| !written.contains(path) && !goes_anyway(path));
            due.cloned().collect()
        };
        let (files, directories) = (due(&delta.remove), due(&delta.remove_dirs));
        let survey = &mut Survey::new(self, &container.id);
        survey.stat_ways(files.iter().chain(&directories)).await?;
        let mut closed = Vec::new();
        let mut files = self.owned(container, survey, files, &mut closed).await?;
        files.sort_unstable();
        let mut are_none = Vec::new();
        for files in files.chunk_by(|one, other| one.0 == other.0) {
            let (owner, files) = unzipped(files);
            let verb = self.verb(container, owner, Verb::Files, &files).await?;
            if verb.failed() {
                let others = self.all_gone(container, owner, &files).await?;
                are_none.extend(others.into_iter().map(|path| (owner.to_owned(), path)));
            }
        }
        // A directory that is not empty stays: what is left in it is the container's own (E4). Subdirectories are removed before it.
        let mut directories = self
            .owned(container, survey, directories, &mut closed)
            .await?;
        directories.extend(are_none);
        directories.sort_unstable_by(|(_, one), (_, other)| other.cmp(one));
        for directories in directories.chunk_by(|one, other| one.0 == other.0) {
            let (owner, directories) = unzipped(directories);
            let verb = Verb::EmptyDirectories;
            let answer = self.verb(container, owner, verb, &directories).await?;
            if !answer.failed() {
                continue;
            }
            // If a path changed its kind on the host while nothing could be copied, the container may have a file where the host last had a
            // directory: that is deleted too, and the directory that holds it may be empty now.
            let left = self.all_gone(container, owner, &directories).await?;
            if !left.is_empty() && left.len() < directories.len() {
                self.verb(container, owner, verb, &left).await?;
            }
        }
        Ok(closed)
    }

    /// Each path with the user to delete it as; paths that no user should delete go to `closed`.
    async fn owned(
        &self,
        container: &Container,
        survey: &mut Survey<'_>,
        paths: Vec<ContainerPath>,
        closed: &mut Vec<(ContainerPath, String)>,
    ) -> Result<Vec<Owned>, EngineError> {
        let mut due = Vec::new();
        let mut ways: BTreeMap<ContainerPath, Result<String, String>> = BTreeMap::new();
        for path in paths {
            let Some(parent) = path.parent() else {
                continue;
            };
            if !ways.contains_key(&parent) {
                let way = match survey.closed(container, &path).await? {
                    Some(why) => Err(why),
                    None => match survey.stat_through(&parent).await? {
                        Some(seen) => Ok(format!("{}:{}", seen.owner.uid, seen.owner.gid)),
                        // Its directory is gone, and the path with it.
                        None => continue,
                    },
                };
                ways.insert(parent.clone(), way);
            }
            match &ways[&parent] {
                Ok(owner) => due.push((owner.clone(), path)),
                Err(why) => closed.push((path, why.clone())),
            }
        }
        Ok(due)
    }

    async fn verb(
        &self,
        container: &Container,
        user: &str,
        verb: Verb,
        paths: &[ContainerPath],
    ) -> Result<Answer, EngineError> {
        let (text, bytes): (Vec<_>, Vec<_>) = paths
            .iter()
            .partition(|path| std::str::from_utf8(path.as_bytes()).is_ok());
        let mut answer = Answer::Done;
        let plain: &[&str] = match verb {
            Verb::Files => &["rm", "-f", "--"],
            Verb::EmptyDirectories => &["rmdir", "--"],
        };
        let decoded: &[&str] = match verb {
            Verb::Files => &["sh", "-c", DECODED, "sh", "rm -f --"],
            Verb::EmptyDirectories => &["sh", "-c", DECODED, "sh", "rmdir --"],
        };
        let bytes = bytes.into_iter().map(escaped_for_printf);
        answer.add(self.chunks(container, user, decoded, bytes).await?);
        // After the others: what lies below a name that is not UTF-8 is not UTF-8 either, and goes before its parents.
        let text = text.into_iter().map(|path| path.verbatim().into_owned());
        answer.add(self.chunks(container, user, plain, text).await?);
        Ok(answer)
    }

    async fn chunks(
        &self,
        container: &Container,
        user: &str,
        command: &[&str],
        arguments: impl Iterator<Item = String>,
    ) -> Result<Answer, EngineError> {
        let mut answer = Answer::Done;
        let mut chunk: Vec<String> = Vec::new();
        let mut length = 0;
        for argument in arguments {
            // Each argument costs its bytes, a terminator and a pointer.
            length += argument.len() + 9;
            if length > ARGUMENTS && !chunk.is_empty() {
                answer.add(self.command(container, user, command, &chunk).await?);
                chunk.clear();
                length = argument.len() + 9;
            }
            chunk.push(argument);
        }
        if !chunk.is_empty() {
            answer.add(self.command(container, user, command, &chunk).await?);
        }
        Ok(answer)
    }

    async fn command(
        &self,
        container: &Container,
        user: &str,
        command: &[&str],
        arguments: &[String],
    ) -> Result<Answer, EngineError> {
        let mut argv = command.to_vec();
        argv.extend(arguments.iter().map(String::as_str));
        let said = self
            .own_exec(&container.id, user, &argv, Bytes::new())
            .await?;
        let name = &container.name;
        let program = command.first().copied().unwrap_or_default();
        match said.code {
            0 => Ok(Answer::Done),
            126 | 127 => Err(EngineError::Refused(format!(
                "cannot delete in {name}: its image has no `{program}`\nhint: the in-container helper can delete there (`helper: off` and LIVEUPDATE_HELPER=off forbid it); a rebuild does it too"
            ))),
            // It was killed, most likely with its container: the remaining paths still exist.
            129.. => Err(EngineError::NotRunning(container.id.clone())),
            _ => Ok(Answer::Failed(said.words())),
        }
    }

    /// After `rm` or `rmdir` complained: checks whether anything that should be gone still exists. Files are deleted once more; returns
    /// the directories.
    async fn all_gone(
        &self,
        container: &Container,
        user: &str,
        files: &[ContainerPath],
    ) -> Result<Vec<ContainerPath>, EngineError> {
        let mut survey = Survey::new(self, &container.id);
        survey.prepare(&files.iter().collect::<Vec<_>>(), 0).await?;
        let mut directories = Vec::new();
        for path in files {
            let Some(left) = survey.stat(path).await? else {
                continue;
            };
            if left.kind == Kind::Directory {
                directories.push(path.clone());
            } else {
                let again = [path.clone()];
                if let Answer::Failed(why) = self.verb(container, user, Verb::Files, &again).await?
                {
                    return Err(EngineError::Refused(format!(
                        "cannot delete `{path}` in {}: {why}",
                        container.name
                    )));
                }
            }
        }
        Ok(directories)
    }
}

/// A user in the engine's form, and a path in a directory that this user owns.
type Owned = (String, ContainerPath);

/// The one owner of the paths, and the paths.
fn unzipped(paths: &[Owned]) -> (&str, Vec<ContainerPath>) {
    let owner = paths.first().map_or("", |(owner, _)| owner.as_str());
    (owner, paths.iter().map(|(_, path)| path.clone()).collect())
}

/// Whether a command complained.
enum Answer {
    Done,
    Failed(String),
}

impl Answer {
    fn failed(&self) -> bool {
        matches!(self, Answer::Failed(_))
    }

    fn add(&mut self, other: Answer) {
        if other.failed() {
            *self = other;
        }
    }
}

/// Escapes every byte that could mean something to `printf` as `\0ooo`.
fn escaped_for_printf(path: &ContainerPath) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    for &byte in path.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "\\0{byte:03o}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_text_travels_escaped() {
        let path = ContainerPath::new(b"/a b/\xff\\n".as_slice()).unwrap();
        assert_eq!(escaped_for_printf(&path), r"/a\0040b/\0377\0134n");
    }
}
