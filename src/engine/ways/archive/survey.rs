//! Looks at what is in a container where files are to go: owners (C6), missing directories (trap 4), file against directory (trap 6). Writes nothing.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hyper::Method;
use tar::EntryType;

use super::read::{Member, Reader};
pub use super::seen::{Kind, Owner, Seen};
use super::seen::{seen, stat_line};
use crate::engine::client::Docker;
use crate::engine::transport::{empty, escaped};
use crate::engine::{ContainerId, EngineError};
use crate::paths::ContainerPath;

/// Up to this many paths are asked for one by one (1 ms each); for more, a `stat` in the container (45 ms) or a listing is faster.
const FEW: usize = 16;

/// How many paths are looked at in parallel.
const AT_ONCE: usize = 8;

/// Bytes of paths in one `stat`.
const ARGUMENTS: usize = 256 * 1024;

/// A directory's listing comes with its files' content, so it may cost this many bytes, plus a multiple of what is sent.
const LISTING_FLOOR: u64 = 4 * 1024 * 1024;

/// How many paths of one container are remembered: the container may have any number of files beside ours.
const MOST_SEEN: usize = 100_000;

/// What is known about one container, for the duration of one update.
///
/// No longer than that: the container's processes create and chown files too, and a look is cheap (1 ms).
pub struct Survey<'a> {
    docker: &'a Docker,
    id: &'a ContainerId,
    seen: HashMap<ContainerPath, Option<Seen>>,
    /// The targets of the links among them.
    targets: HashMap<ContainerPath, Vec<u8>>,
    /// Directories that were listed completely: what is below one but not in `seen` does not exist.
    complete: BTreeSet<ContainerPath>,
}

impl<'a> Survey<'a> {
    /// Nothing is known yet.
    pub fn new(docker: &'a Docker, id: &'a ContainerId) -> Self {
        Self {
            docker,
            id,
            seen: HashMap::new(),
            targets: HashMap::new(),
            complete: BTreeSet::new(),
        }
    }

    /// Looks at many paths at once where that is cheaper than one by one; `sent` is the number of bytes in the update.
    pub async fn prepare(
        &mut self,
        paths: &[&ContainerPath],
        sent: u64,
    ) -> Result<(), EngineError> {
        if paths.len() <= FEW || self.ask_stat(paths).await? {
            return Ok(());
        }
        let mut budget = LISTING_FLOOR + 2 * sent;
        let mut folders: HashMap<ContainerPath, usize> = HashMap::new();
        for path in paths {
            if let Some(parent) = path.parent() {
                *folders.entry(parent).or_default() += 1;
            }
        }
        let mut folders: Vec<_> = folders.into_iter().collect();
        folders.sort_unstable();
        for (folder, files) in folders {
            if files > FEW && budget > 0 && !self.knows(&folder.join("x".as_ref())) {
                budget = budget.saturating_sub(self.list(&folder, budget).await?);
            }
        }
        Ok(())
    }

    /// Asks the container's own `stat` about many paths; `false` when it cannot answer (stopped, paused, no such program).
    async fn ask_stat(&mut self, paths: &[&ContainerPath]) -> Result<bool, EngineError> {
        let mut asked: Vec<(&ContainerPath, &str)> = Vec::new();
        for path in paths {
            // The API carries only UTF-8, and we read lines; other names are looked at one by one.
            match std::str::from_utf8(path.as_bytes()) {
                Ok(text) if !text.contains('\n') => asked.push((path, text)),
                _ => {}
            }
        }
        let mut rest = asked.as_slice();
        while !rest.is_empty() {
            let mut length = 0;
            let fits = |(_, text): &&(&ContainerPath, &str)| {
                length += text.len() + 9;
                length <= ARGUMENTS
            };
            let (now, later) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            rest = later;
            let mut argv = vec!["stat", "-c", "%f %u %g %n"];
            argv.extend(now.iter().map(|(_, text)| *text));
            // The root always exists: its line shows that the answer is complete.
            argv.push("/");
            let said = match self.docker.root_exec(self.id, &argv, Bytes::new()).await {
                Ok(said) => said,
                // Not running, or a `stat` that does not end or writes more than expected.
                Err(EngineError::NotRunning(_) | EngineError::Refused(_)) => return Ok(false),
                Err(error) => return Err(error),
            };
            let text = String::from_utf8_lossy(&said.out);
            let told: HashMap<&str, Seen> = text.lines().filter_map(stat_line).collect();
            if !text.ends_with(" /\n") || !told.contains_key("/") {
                return Ok(false);
            }
            for (path, text) in now {
                self.seen.insert((*path).clone(), told.get(text).copied());
            }
        }
        Ok(true)
    }

    /// What is at the path itself, links not followed; `None` when nothing is.
    pub async fn stat(&mut self, path: &ContainerPath) -> Result<Option<Seen>, EngineError> {
        if let Some(known) = self.seen.get(path) {
            return Ok(*known);
        }
        if self.knows(path) || self.below_nothing(path) {
            return Ok(None);
        }
        let member = self.first_member(path, "").await?;
        self.note(path.clone(), member.as_ref());
        Ok(member.as_ref().map(seen))
    }

    /// Looks at several paths in parallel.
    pub async fn stat_all(&mut self, paths: &[ContainerPath]) -> Result<(), EngineError> {
        let unknown: Vec<ContainerPath> = paths
            .iter()
            .filter(|path| !self.seen.contains_key(*path) && !self.knows(path))
            .cloned()
            .collect();
        let (docker, id) = (self.docker.clone(), self.id.clone());
        let looks = unknown.into_iter().map(move |path| {
            let (docker, id) = (docker.clone(), id.clone());
            async move {
                let member = first_member(&docker, &id, &path, "").await?;
                Ok::<_, EngineError>((path, member))
            }
        });
        let looked: Vec<Result<_, EngineError>> =
            stream::iter(looks).buffered(AT_ONCE).collect().await;
        for looked in looked {
            let (path, member) = looked?;
            self.note(path, member.as_ref());
        }
        Ok(())
    }

    /// The target of a link; `None` for anything else.
    pub async fn target(&mut self, path: &ContainerPath) -> Result<Option<Vec<u8>>, EngineError> {
        if !self.targets.contains_key(path) {
            let member = self.first_member(path, "").await?;
            self.note(path.clone(), member.as_ref());
        }
        Ok(self.targets.get(path).cloned())
    }

    fn note(&mut self, path: ContainerPath, member: Option<&Member>) {
        if let Some(member) = member.filter(|member| member.kind == EntryType::Symlink) {
            self.targets.insert(path.clone(), member.link.clone());
        }
        self.seen.insert(path, member.map(seen));
    }

    /// What is at the path when links are followed, for directories that may be links (E6).
    pub async fn stat_through(
        &mut self,
        path: &ContainerPath,
    ) -> Result<Option<Seen>, EngineError> {
        match self.stat(path).await? {
            Some(Seen {
                kind: Kind::Link, ..
            }) => Ok(self.first_member(path, "/.").await?.as_ref().map(seen)),
            seen => Ok(seen),
        }
    }

    /// Records what this update creates; everything below a new directory is known then.
    pub fn will_be(&mut self, path: &ContainerPath, seen: Seen) {
        self.seen.insert(path.clone(), Some(seen));
        if seen.kind == Kind::Directory {
            self.complete.insert(path.clone());
        }
    }

    /// Forgets what was seen through a link once something else replaces it.
    pub fn forget_below(&mut self, path: &ContainerPath) {
        self.seen.retain(|known, _| !known.is_within(path));
        self.targets.retain(|known, _| !known.is_within(path));
    }

    /// Whether a complete listing, with no link on the way, covers this path.
    fn knows(&self, path: &ContainerPath) -> bool {
        let mut above = path.parent();
        while let Some(folder) = above {
            if self.complete.contains(&folder) {
                return true;
            }
            let link = Some(Kind::Link);
            if self
                .seen
                .get(&folder)
                .copied()
                .flatten()
                .map(|seen| seen.kind)
                == link
            {
                return false;
            }
            above = folder.parent();
        }
        false
    }

    fn below_nothing(&self, path: &ContainerPath) -> bool {
        let mut above = path.parent();
        while let Some(folder) = above {
            match self.seen.get(&folder) {
                Some(None) => return true,
                Some(Some(_)) => return false,
                None => above = folder.parent(),
            }
        }
        false
    }

    async fn first_member(
        &self,
        path: &ContainerPath,
        suffix: &str,
    ) -> Result<Option<Member>, EngineError> {
        first_member(self.docker, self.id, path, suffix).await
    }

    /// The first entry of a directory that is not removed with it. The listing has the files' content too, but those that are removed
    /// are ours.
    pub async fn first_kept(
        &self,
        directory: &ContainerPath,
        goes: impl Fn(&ContainerPath) -> bool,
    ) -> Result<Option<ContainerPath>, EngineError> {
        let Some(mut archive) = self.docker.archive_of(self.id, directory, "").await? else {
            return Ok(None);
        };
        while let Some(member) = archive.next().await? {
            let path = member_path(directory, &member.name);
            if let Some(path) = path.filter(|path| path != directory && !goes(path)) {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Reads a directory's archive up to a number of bytes and records its headers; returns how many bytes it took.
    async fn list(&mut self, folder: &ContainerPath, budget: u64) -> Result<u64, EngineError> {
        let Some(mut archive) = self.docker.archive_of(self.id, folder, "").await? else {
            self.seen.insert(folder.clone(), None);
            return Ok(0);
        };
        while let Some(member) = archive.next().await? {
            if let Some(path) = member_path(folder, &member.name) {
                self.note(path, Some(&member));
            }
            if self.seen.len() > MOST_SEEN {
                return Ok(archive.taken);
            }
            // A file's content precedes the next name, and the announced size may be larger than any disk.
            if archive.taken.saturating_add(member.size) > budget {
                return Ok(archive.taken);
            }
        }
        let listed = self.seen.get(folder).copied().flatten();
        if listed.is_some_and(|seen| seen.kind == Kind::Directory) {
            self.complete.insert(folder.clone());
        }
        Ok(archive.taken)
    }
}

impl Docker {
    /// The engine's archive of one path; `None` when the path does not exist.
    pub(in super::super) async fn archive_of(
        &self,
        id: &ContainerId,
        path: &ContainerPath,
        suffix: &str,
    ) -> Result<Option<Reader<hyper::body::Incoming>>, EngineError> {
        let target = format!(
            "/containers/{}/archive?path={}{suffix}",
            id.0,
            escaped(path.as_bytes())
        );
        match self.ask(Method::GET, &target, empty(), id).await {
            Ok(response) => Ok(Some(Reader::new(response.into_body()))),
            Err(EngineError::Refused(why)) if is_missing(&why) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

async fn first_member(
    docker: &Docker,
    id: &ContainerId,
    path: &ContainerPath,
    suffix: &str,
) -> Result<Option<Member>, EngineError> {
    match docker.archive_of(id, path, suffix).await? {
        Some(mut archive) => archive.next().await,
        None => Ok(None),
    }
}

/// Whether it is one of the engine's messages for a path that does not exist.
fn is_missing(why: &str) -> bool {
    why.contains("Could not find the file")
        || why.contains("no such file or directory")
        || why.contains("not a directory")
}

/// The path of a member in the archive of `root`: the first component stands for the root itself.
pub fn member_path(root: &ContainerPath, name: &[u8]) -> Option<ContainerPath> {
    let name = name.strip_prefix(b"/").unwrap_or(name);
    let rest = if root.as_bytes() == b"/" {
        name
    } else {
        match name.iter().position(|&byte| byte == b'/') {
            Some(slash) => &name[slash + 1..],
            None => b"",
        }
    };
    ContainerPath::new([root.as_bytes(), b"/", rest].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_for_paths_below_the_root_that_was_asked_for() {
        let path = |root: &str, name: &str| {
            member_path(&ContainerPath::new(root).unwrap(), name.as_bytes())
                .unwrap()
                .to_string()
        };
        assert_eq!(path("/srv/app", "app"), "/srv/app");
        assert_eq!(path("/srv/app", "app/a/b"), "/srv/app/a/b");
        assert_eq!(path("/srv/app", "./a"), "/srv/app/a");
        assert_eq!(path("/", "etc/passwd"), "/etc/passwd");
        assert_eq!(path("/", "./etc"), "/etc");
    }
}
