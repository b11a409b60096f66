//! What a look at the disk says that is news: what was touched and is the same asks for nothing, and what was written through
//! one name of a file is changed at its others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::paths::HostPath;
use crate::plan::Rules;
use crate::watch::{Change, Inode, Kind, Looks, Stage, Touch, look};

use super::contents::Contents;
use super::disk::Disk;
use super::told::Heard;
use super::worker::{Configuration, Linked, Worker, look_at};

/// So many paths are looked at where we are: that takes microseconds, less than to hand them to another thread.
const HANDFUL: usize = 64;

/// What the disk held when the session began with a service: before its first build, so that the image has no less.
#[derive(Debug, Default)]
pub struct Seen {
    pub(super) disk: Disk,
    pub(super) contents: Contents,
}

impl Seen {
    /// Looks at all that is watched, and into the files that the rules name.
    pub async fn of(configuration: &Configuration, looks: &Arc<Looks>) -> Self {
        let disk = Disk::of(look_at(looks, &configuration.scope).await);
        let named = named(&configuration.rules, &disk);
        let contents = tokio::task::spawn_blocking(move || Contents::of(named));
        Self {
            contents: contents.await.unwrap_or_default(),
            disk,
        }
    }
}

/// The files whose content decides by itself whether something is asked for, as far as the rules name them; how the image is
/// built comes first.
fn named(rules: &Rules, disk: &Disk) -> Vec<HostPath> {
    let mut named = Vec::new();
    for root in rules.named() {
        let below = disk.present_below(root);
        let files = below
            .filter(|(_, entry)| matches!(entry.kind, Kind::File { .. }))
            .map(|(path, _)| path)
            .filter(|path| rules.decides_by_content(path));
        named.extend(files.cloned());
    }
    named
}

impl<E: Engine> Worker<E> {
    /// An indexer or a backup sets times and attributes of everything: of what is as it was nothing more is done than to see that.
    pub(super) fn is_no_news(&self, touch: &Touch) -> bool {
        touch.stage == Stage::Attributes
            && !self.told.waits(&touch.path)
            && self
                .disk
                .entry(&touch.path)
                .is_some_and(|entry| look::still_is(&touch.path, entry))
    }

    /// One look at the disk for these paths, and at what stood below them before.
    pub(super) async fn note(
        &mut self,
        paths: &[HostPath],
        heard: impl Fn(&HostPath) -> Heard,
    ) -> BTreeSet<HostPath> {
        let mut asked: BTreeSet<HostPath> = paths.iter().cloned().collect();
        for path in paths {
            asked.extend(
                self.disk
                    .present_below(path)
                    .map(|(below, _)| below.clone()),
            );
        }
        self.look(asked, heard).await
    }

    /// What was written through one name of a file is changed at the others: here, and for other services.
    pub(super) async fn note_other_names(
        &mut self,
        news: &BTreeSet<HostPath>,
    ) -> BTreeSet<HostPath> {
        let inodes = news.iter().filter_map(|path| self.disk.inode(path));
        let inodes: BTreeSet<Inode> = inodes.filter(|inode| inode.has_other_names()).collect();
        if inodes.is_empty() {
            return BTreeSet::new();
        }
        // A session that is ending needs no word.
        let _ = self.linked.send(Linked {
            service: self.service.name.clone(),
            inodes: Arc::new(inodes),
        });
        let names = self.disk.other_names(news.iter());
        self.look(names, |_| Heard::Written).await
    }

    /// What another service's watched name was written through may have a name here.
    pub(super) async fn hear_of_other_names(&mut self, inodes: &BTreeSet<Inode>, now: Instant) {
        let names = self.disk.named(inodes);
        if names.is_empty() {
            return;
        }
        self.last_touch = now;
        let heard = self.told.at(now);
        let news = self.look(names, |_| heard).await;
        if !news.is_empty() {
            self.bring(&news, now, Duration::ZERO).await;
        }
    }

    async fn look(
        &mut self,
        asked: BTreeSet<HostPath>,
        heard: impl Fn(&HostPath) -> Heard,
    ) -> BTreeSet<HostPath> {
        let scope = Arc::clone(&self.scope);
        let asked: Vec<HostPath> = asked.into_iter().collect();
        let changes = if asked.len() < HANDFUL {
            look::look(&scope, &asked)
        } else {
            tokio::task::spawn_blocking(move || look::look(&scope, &asked))
                .await
                .unwrap_or_default()
        };
        self.take_note(changes, heard).await
    }

    /// Writes down what a look has found, and answers what of it is news.
    pub(super) async fn take_note(
        &mut self,
        changes: Vec<Change>,
        heard: impl Fn(&HostPath) -> Heard,
    ) -> BTreeSet<HostPath> {
        let by_content: Vec<HostPath> = changes
            .iter()
            .filter(|change| self.decides_by_content(change))
            .map(|change| change.path().clone())
            .collect();
        let same = self.same_content(by_content).await;
        let mut others = Vec::new();
        for change in changes {
            match change {
                Change::Written(path, entry)
                    if same.contains(&path) && heard(&path) != Heard::WhileBuilding =>
                {
                    self.disk.refresh(path, Some(entry));
                }
                Change::Removed(path) => {
                    self.contents.forget(&path);
                    others.push(Change::Removed(path));
                }
                change @ Change::Written(..) => others.push(change),
            }
        }
        self.disk.note(others, heard)
    }

    /// Whether it is read to find out whether it is another: no container has it, or none that could be asked.
    fn decides_by_content(&self, change: &Change) -> bool {
        matches!(change, Change::Written(_, entry) if matches!(entry.kind, Kind::File { .. }))
            && self.rules.decides_by_content(change.path())
    }

    /// Those of `paths` that hold what they held.
    async fn same_content(&mut self, paths: Vec<HostPath>) -> BTreeSet<HostPath> {
        if paths.len() < HANDFUL {
            return self.contents.same(paths);
        }
        let mut contents = std::mem::take(&mut self.contents);
        let looked = tokio::task::spawn_blocking(move || {
            let same = contents.same(paths);
            (contents, same)
        });
        let same;
        (self.contents, same) = looked.await.unwrap_or_default();
        same
    }
}
