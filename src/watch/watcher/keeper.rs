//! Keeps the watches in step with the directories that come and go. Runs on a thread of its own; sends no touch late
//! for it. Everything it does is decided by the disk, never by the order of events, so doing it twice does no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use notify::event::EventKindMask;
use notify::{
    Config, ErrorKind, PathOp, RecommendedWatcher, RecursiveMode, WatchPathConfig, Watcher as _,
};
use tokio::sync::mpsc::UnboundedSender;

use crate::paths::HostPath;
use crate::watch::touch::{Stage, Touch};
use crate::watch::walk::{self, Unreadable};

use super::ear::Ear;
use super::interest::Interest;
use super::poller::{Finding, Poller};
use super::{Count, Notice, Shared, WatchEvent, current, system};

/// What the keeper is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    /// A directory may have come, gone or been exchanged here.
    Renew(HostPath),
    /// A directory's mode has changed: it may be readable now.
    Readable(HostPath),
    /// A file system was unmounted here.
    Unmounted(HostPath),
    /// Events were lost.
    Rescan(String),
    /// Watch something else.
    Reconfigure(Interest, Sender<Vec<Notice>>),
    /// Say how much is watched.
    Count(Sender<Count>),
    /// End.
    Stop,
}

/// Whether what a scan finds is news.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Announce {
    Yes,
    No,
}

pub(super) struct Keeper {
    shared: Shared,
    jobs: Sender<Job>,
    out: UnboundedSender<WatchEvent>,
    /// `None` when the system has none to offer: then everything is polled.
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<HostPath>,
    poller: Poller,
    /// Places below which there are no events, with the kind of file system.
    without_events: BTreeMap<HostPath, String>,
    unreadable: BTreeSet<HostPath>,
    limit_reached: bool,
    notices: Vec<Notice>,
}

impl Keeper {
    pub(super) fn new(shared: Shared, jobs: Sender<Job>, out: UnboundedSender<WatchEvent>) -> Self {
        Self {
            shared,
            jobs,
            out,
            watcher: None,
            watched: BTreeSet::new(),
            poller: Poller::default(),
            without_events: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            limit_reached: false,
            notices: Vec::new(),
        }
    }

    /// Watches everything for the first time.
    pub(super) fn start(&mut self) -> Vec<Notice> {
        self.open();
        self.everything();
        self.take_notices()
    }

    /// Does what it is asked until it is told to stop.
    pub(super) fn work(mut self, todo: &Receiver<Job>) {
        loop {
            let first = match self.poller.due() {
                None => todo.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => todo.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            match first {
                Ok(first) => {
                    // A storm of directories is one piece of work.
                    let jobs: Vec<Job> = std::iter::once(first).chain(todo.try_iter()).collect();
                    if !self.all(jobs) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.poll(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            for notice in self.take_notices() {
                self.say(WatchEvent::Notice(notice));
            }
        }
    }

    /// `false` when told to stop.
    fn all(&mut self, jobs: Vec<Job>) -> bool {
        let mut renew = BTreeSet::new();
        let mut rescan = None;
        let mut replies = Vec::new();
        for job in jobs {
            match job {
                Job::Renew(path) => {
                    renew.insert(path);
                }
                Job::Readable(path) => {
                    if self.unreadable.contains(&path) {
                        renew.insert(path);
                    }
                }
                Job::Unmounted(path) => {
                    self.poller.wait_for(path.clone());
                    renew.insert(path);
                }
                Job::Rescan(why) => rescan = Some(why),
                Job::Reconfigure(interest, reply) => {
                    *self.shared.write().unwrap_or_else(PoisonError::into_inner) =
                        Arc::new(interest);
                    self.everything();
                    replies.push(reply);
                }
                Job::Count(reply) => {
                    let _ = reply.send(self.count());
                }
                Job::Stop => return false,
            }
        }
        if let Some(why) = rescan {
            self.open();
            self.everything();
            self.say(WatchEvent::Rescan { why });
        } else {
            self.renew(renew);
        }
        for reply in replies {
            let _ = reply.send(self.take_notices());
        }
        true
    }

    /// A new watcher, with no watches yet, in place of the old one.
    fn open(&mut self) {
        // The old one's watches count against the limit until it is gone.
        self.watcher = None;
        self.watched.clear();
        self.poller = Poller::default();
        self.unreadable.clear();
        let ear = Ear::new(
            Arc::clone(&self.shared),
            self.jobs.clone(),
            self.out.clone(),
        );
        // Opens and reads are left out: a build that reads the context would flood the queue.
        let config = Config::default()
            .with_event_kinds(EventKindMask::CORE | EventKindMask::ACCESS_CLOSE)
            .with_follow_symlinks(false);
        match RecommendedWatcher::new(ear, config) {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => self.notices.push(match &error.kind {
                ErrorKind::Io(io) if is_too_many_files(io) => Notice::InstanceLimit {
                    limit: system::instance_limit(),
                },
                _ => Notice::NoWatcher {
                    why: error.to_string(),
                },
            }),
        }
    }

    /// Watches all that is of interest, and nothing else.
    fn everything(&mut self) {
        let interest = current(&self.shared);
        for scope in &interest.scopes {
            // From now on it is known which sources are directories.
            scope.sources().vanished();
        }
        self.find_file_systems(&interest);
        for root in interest.roots() {
            let notice = Notice::MissingRoot(root.clone());
            if fs::symlink_metadata(root).is_err() && !self.notices.contains(&notice) {
                self.notices.push(notice);
            }
        }
        let visited = self.establish(&interest, interest.beginnings(), Announce::No);
        let old: Vec<HostPath> = self.watched.difference(&visited).cloned().collect();
        self.unwatch(old);
        self.poller.retain(|directory| visited.contains(directory));
    }

    fn find_file_systems(&mut self, interest: &Interest) {
        let mut found = BTreeMap::new();
        for root in interest.roots() {
            found.extend(system::without_events(root));
        }
        for (path, file_system) in &found {
            if !self.without_events.contains_key(path) {
                self.notices.push(Notice::NoEvents {
                    path: path.clone(),
                    file_system: file_system.clone(),
                });
            }
        }
        self.without_events = found;
    }

    /// Begins anew at each of `paths`: drops the watches at and below it, and watches what is there now.
    fn renew(&mut self, paths: BTreeSet<HostPath>) {
        let interest = current(&self.shared);
        let mut begin = Vec::new();
        let mut last = None::<HostPath>;
        for path in paths {
            // A directory's renewal includes what is below it.
            if last.as_ref().is_some_and(|last| path.below(last).is_some()) {
                continue;
            }
            let stale: Vec<HostPath> = self
                .watched
                .range(path.clone()..)
                .take_while(|watched| watched.below(&path).is_some())
                .cloned()
                .collect();
            self.unwatch(stale);
            self.poller.forget(&path);
            self.unreadable
                .retain(|directory| directory.below(&path).is_none());
            if is_directory(&path, &interest) {
                begin.push(path.clone());
            } else if interest.leads(&path) && self.is_without_events(&path) {
                self.poller.wait_for(path.clone());
            }
            last = Some(path);
        }
        self.establish(&interest, begin, Announce::Yes);
    }

    /// Watches the directories `level` and all of interest below them, each before it is read: what is made meanwhile
    /// is either seen in the listing or heard of. Gives all the directories it came by.
    fn establish(
        &mut self,
        interest: &Interest,
        mut level: Vec<HostPath>,
        announce: Announce,
    ) -> BTreeSet<HostPath> {
        let mut visited = BTreeSet::new();
        if announce == Announce::Yes {
            for path in &level {
                self.announce(interest, path);
            }
        }
        while !level.is_empty() {
            self.watch(interest, &level);
            let mut next = Vec::new();
            for directory in &level {
                if interest.keeps(directory) {
                    match walk::list(directory) {
                        Ok(entries) => {
                            for found in entries {
                                let enters = if found.is_dir {
                                    interest.enters(&found.path)
                                } else {
                                    // A root may be a link to a directory.
                                    interest.leads(&found.path) && found.path.as_path().is_dir()
                                };
                                if announce == Announce::Yes {
                                    self.announce(interest, &found.path);
                                }
                                if enters {
                                    next.push(found.path);
                                }
                            }
                        }
                        Err(error) => {
                            if let Some(problem) = Unreadable::new(directory.clone(), &error) {
                                self.cannot_read(problem);
                            }
                        }
                    }
                } else {
                    for lead in interest.leads_in(directory) {
                        if announce == Announce::Yes && fs::symlink_metadata(lead).is_ok() {
                            self.announce(interest, lead);
                        }
                        if lead.as_path().is_dir() {
                            next.push(lead.clone());
                        }
                    }
                }
            }
            visited.extend(level);
            level = next;
        }
        visited
    }

    fn announce(&self, interest: &Interest, path: &HostPath) {
        if interest.watches(path) {
            let is_dir = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
            let stage = if is_dir {
                Stage::Directory
            } else {
                Stage::Complete
            };
            self.say(WatchEvent::Touched(Touch::now(path.clone(), stage)));
        }
    }

    /// Puts a watch on each of `directories` that has none, or polls it where that cannot be.
    fn watch(&mut self, interest: &Interest, directories: &[HostPath]) {
        let mut operations = Vec::new();
        for directory in directories {
            if self.watched.contains(directory) || self.poller.contains(directory) {
                continue;
            }
            if self.watcher.is_none() || self.is_without_events(directory) {
                self.poller.add(directory.clone(), interest);
                continue;
            }
            if let Some(config) = watch_config(directory, interest) {
                operations.push(PathOp::Watch(directory.as_path().to_path_buf(), config));
                self.watched.insert(directory.clone());
            }
        }
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let mut failed = Vec::new();
        let mut refused = Vec::new();
        while !operations.is_empty() {
            let Err(error) = watcher.update_paths(operations) else {
                break;
            };
            operations = error.remaining;
            if matches!(error.source.kind, ErrorKind::MaxFilesWatch) {
                refused.extend(error.origin);
                refused.append(&mut operations);
            } else {
                failed.extend(error.origin.map(|origin| (origin, error.source)));
            }
        }
        for (operation, error) in failed {
            let Some(directory) = HostPath::new(operation.into_path()) else {
                continue;
            };
            self.watched.remove(&directory);
            // What merely leads to a root need not be readable. What is gone is heard of by its name.
            if interest.keeps(&directory)
                && let ErrorKind::Io(io) = &error.kind
                && let Some(problem) = Unreadable::new(directory, io)
            {
                self.cannot_read(problem);
            }
        }
        if refused.is_empty() {
            return;
        }
        let polled = refused.len();
        for operation in refused {
            if let Some(directory) = HostPath::new(operation.into_path()) {
                self.watched.remove(&directory);
                self.poller.add(directory, interest);
            }
        }
        self.no_more_watches(polled);
    }

    /// Says it once, with the number of directories polled since.
    fn no_more_watches(&mut self, more: usize) {
        let said = self.notices.iter_mut().find_map(|notice| match notice {
            Notice::WatchLimit { polled, .. } => Some(polled),
            _ => None,
        });
        if let Some(polled) = said {
            *polled += more;
        } else if !self.limit_reached {
            self.notices.push(Notice::WatchLimit {
                limit: system::watch_limit(),
                polled: more,
            });
        }
        self.limit_reached = true;
    }

    fn unwatch(&mut self, directories: Vec<HostPath>) {
        let mut operations = Vec::with_capacity(directories.len());
        for directory in directories {
            self.watched.remove(&directory);
            operations.push(PathOp::unwatch(directory.as_path()));
        }
        if let Some(watcher) = &mut self.watcher {
            while !operations.is_empty() {
                // A watch that is gone already went with its directory.
                match watcher.update_paths(operations) {
                    Ok(()) => break,
                    Err(error) => operations = error.remaining,
                }
            }
        }
    }

    fn poll(&mut self) {
        let interest = current(&self.shared);
        let mut renew = BTreeSet::new();
        for finding in self.poller.look(&interest) {
            match finding {
                Finding::Touched(touch) if interest.watches(&touch.path) => {
                    self.say(WatchEvent::Touched(touch));
                }
                Finding::Touched(_) => {}
                Finding::Renew(path) => {
                    renew.insert(path);
                }
            }
        }
        self.renew(renew);
    }

    fn is_without_events(&self, path: &HostPath) -> bool {
        let within = |place: &HostPath| path.below(place).is_some();
        self.watcher.is_none() || self.without_events.keys().any(within)
    }

    fn cannot_read(&mut self, problem: Unreadable) {
        if self.unreadable.insert(problem.path.clone()) {
            self.notices.push(Notice::Unreadable(problem));
        }
    }

    fn count(&self) -> Count {
        let interest = current(&self.shared);
        let kept = self.watched.iter().filter(|path| interest.keeps(path));
        let watched = kept.count();
        Count {
            watched,
            leading: self.watched.len() - watched,
            polled: self.poller.count(),
        }
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    fn say(&self, event: WatchEvent) {
        // The session is ending when nobody listens any more.
        let _ = self.out.send(event);
    }
}

/// A link to a directory is followed only where it is, or leads to, a root: the user named it.
fn is_directory(path: &HostPath, interest: &Interest) -> bool {
    if interest.leads(path) {
        path.as_path().is_dir()
    } else {
        interest.keeps(path) && fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
    }
}

/// One watch for each directory.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "elsewhere not each directory has a watch"
)]
fn watch_config(directory: &HostPath, interest: &Interest) -> Option<WatchPathConfig> {
    let config = WatchPathConfig::new(RecursiveMode::NonRecursive);
    Some(config.with_dereference_symlinks(interest.leads(directory)))
}

/// One recursive watch for each root, which covers the directories in it; ignored ones cost nothing there.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn watch_config(directory: &HostPath, interest: &Interest) -> Option<WatchPathConfig> {
    if interest.roots().any(|root| root == directory) {
        Some(WatchPathConfig::new(RecursiveMode::Recursive))
    } else if interest.keeps(directory) {
        None
    } else {
        Some(WatchPathConfig::new(RecursiveMode::NonRecursive))
    }
}

#[cfg(unix)]
fn is_too_many_files(error: &std::io::Error) -> bool {
    let code = error.raw_os_error();
    let is = |errno: rustix::io::Errno| code == Some(errno.raw_os_error());
    is(rustix::io::Errno::MFILE) || is(rustix::io::Errno::NFILE)
}

#[cfg(not(unix))]
fn is_too_many_files(_: &std::io::Error) -> bool {
    false
}
