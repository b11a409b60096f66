//! Keeps the watches in step with directories that come and go, on a thread of its own so that no touch is delayed. Everything is
//! decided by the disk, never by the order of events, so doing it twice does no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;

use crate::paths::HostPath;
use crate::watch::touch::{Stage, Touch};
use crate::watch::walk::Unreadable;

use super::interest::Interest;
use super::listener::Listener;
use super::mounts::MountListener;
use super::poller::{Finding, device};
use super::system::{self, Mount};
use super::watches::Watches;

use super::{Count, Notice, Shared, WatchEvent, current};

mod establish;

/// A job for the scanner.
#[derive(Debug)]
pub(super) enum Job {
    /// A directory may have been created, removed or replaced here.
    Renew(HostPath),
    /// A directory's mode has changed: it may be readable now.
    Readable(HostPath),
    /// A file system was unmounted here.
    Unmounted(HostPath),
    /// Some file system was mounted or unmounted, no matter where.
    Mounts,
    /// Events were lost, for this reason.
    Rescan(String),
    /// Watch something else; the answer is what the user should know about it.
    Reconfigure(Interest, Sender<Vec<Notice>>),
    /// Count the watched directories.
    Count(Sender<Count>),
    /// End the thread.
    Stop,
}

/// Whether what a scan finds is reported.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Announce {
    Yes,
    No,
}

pub(super) struct Scanner {
    shared: Shared,
    jobs: Sender<Job>,
    out: UnboundedSender<WatchEvent>,
    watches: Watches,
    /// Directories that were reported as unreadable.
    unreadable: BTreeSet<HostPath>,
    /// The mounts on the way to a root, or inside one.
    mounts: BTreeSet<Mount>,
    _mounts: MountListener,
}

impl Scanner {
    pub(super) fn new(shared: Shared, jobs: Sender<Job>, out: UnboundedSender<WatchEvent>) -> Self {
        Self {
            shared,
            // Started before the table is read, so that a mount in between is either in the table or signalled.
            _mounts: MountListener::start(jobs.clone()),
            jobs,
            out,
            watches: Watches::default(),
            unreadable: BTreeSet::new(),
            mounts: BTreeSet::new(),
        }
    }

    /// Watches everything for the first time; the answer is what the user should know.
    pub(super) fn start(&mut self) -> Vec<Notice> {
        self.open();
        self.everything();
        self.watches.take_notices()
    }

    /// Does jobs until it is told to stop.
    pub(super) fn work(mut self, todo: &Receiver<Job>) {
        loop {
            let first = match self.watches.poller.due() {
                None => todo.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => todo.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            match first {
                Ok(first) => {
                    // Everything that is queued is done together, so that many directories at once are one scan.
                    let jobs: Vec<Job> = std::iter::once(first).chain(todo.try_iter()).collect();
                    if !self.all(jobs) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.poll(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            for notice in self.watches.take_notices() {
                self.say(WatchEvent::Notice(notice));
            }
        }
    }

    /// Does these jobs; `false` when one of them is to stop.
    fn all(&mut self, jobs: Vec<Job>) -> bool {
        let mut renew = BTreeSet::new();
        let mut unmounted = BTreeMap::new();
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
                    // Asked before the watch is set: a file system that is mounted later must be on another device.
                    unmounted.insert(path.clone(), device(&path));
                    renew.insert(path);
                }
                Job::Mounts => renew.extend(self.mounted()),
                Job::Rescan(why) => rescan = Some(why),
                Job::Reconfigure(interest, reply) => {
                    *self.shared.write().unwrap_or_else(PoisonError::into_inner) =
                        Arc::new(interest);
                    self.everything();
                    replies.push(reply);
                }
                Job::Count(reply) => {
                    let _ = reply.send(self.watches.count(&current(&self.shared)));
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
        // No event tells when the file system is mounted again, so it is polled for.
        for path in topmost(unmounted.keys().cloned().collect()) {
            let now = unmounted[&path];
            self.watches.poller.wait_for(path, now);
        }
        for reply in replies {
            let _ = reply.send(self.watches.take_notices());
        }
        true
    }

    /// Replaces the watcher by a new one.
    fn open(&mut self) {
        self.unreadable.clear();
        let listener = Listener::new(
            Arc::clone(&self.shared),
            self.jobs.clone(),
            self.out.clone(),
        );
        self.watches.open(listener);
    }

    /// The mount points that changed since the last call.
    fn mounted(&mut self) -> BTreeSet<HostPath> {
        let interest = current(&self.shared);
        let now = system::mounts(|place| interest.enters(place));
        let before = std::mem::replace(&mut self.mounts, now);
        let changed = self.mounts.symmetric_difference(&before);
        let places: BTreeSet<HostPath> = changed.map(|mount| mount.place.clone()).collect();
        if !places.is_empty() {
            self.watches.find_file_systems(&interest);
        }
        for place in &places {
            self.watches.poller.arrived(place);
        }
        places
    }

    /// Watches everything of interest, and drops all other watches.
    fn everything(&mut self) {
        let interest = current(&self.shared);
        self.mounts = system::mounts(|place| interest.enters(place));
        for scope in &interest.scopes {
            // Records which sources are directories from now on.
            scope.last_seen().vanished();
        }
        self.watches.find_file_systems(&interest);
        for root in interest.roots() {
            if fs::symlink_metadata(root).is_err() {
                self.watches.notice(Notice::MissingRoot(root.clone()));
            }
        }
        let visited = self.establish(&interest, interest.beginnings(), Announce::No);
        self.watches.retain(&visited);
    }

    /// Starts over at each of `paths`: drops the watches at and below it, and watches what is there now.
    fn renew(&mut self, paths: BTreeSet<HostPath>) {
        let interest = current(&self.shared);
        let mut begin = Vec::new();
        // Renewing a directory includes everything below it.
        for path in topmost(paths) {
            self.watches.remove(&path);
            let before = device(&path);
            self.unreadable
                .retain(|directory| directory.below(&path).is_none());
            if is_directory(&path, &interest) {
                begin.push(path.clone());
                continue;
            }
            if interest.is_passed_through(&path) {
                // It went as a whole: no other event reports what was in it.
                self.say(WatchEvent::Touched(Touch::now(
                    path.clone(),
                    Stage::Renewed,
                )));
            }
            if interest.leads(&path) && self.watches.is_without_events(&path) {
                self.watches.poller.wait_for(path, before);
            }
        }
        self.establish(&interest, begin, Announce::Yes);
    }

    fn poll(&mut self) {
        let interest = current(&self.shared);
        let mut renew = BTreeSet::new();
        for finding in self.watches.poller.look(&interest) {
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

    fn cannot_read(&mut self, problem: Unreadable) {
        if self.unreadable.insert(problem.path.clone()) {
            self.watches.notice(Notice::Unreadable(problem));
        }
    }

    fn say(&self, event: WatchEvent) {
        // If nobody listens any more, the session is ending.
        let _ = self.out.send(event);
    }
}

/// Those of `paths` that are not below another of them.
fn topmost(paths: BTreeSet<HostPath>) -> Vec<HostPath> {
    let mut top: Vec<HostPath> = Vec::new();
    for path in paths {
        if top.last().is_none_or(|last| path.below(last).is_none()) {
            top.push(path);
        }
    }
    top
}

/// Whether it is a directory to watch. A link to one counts only if it is or leads to a root, because the user named it.
fn is_directory(path: &HostPath, interest: &Interest) -> bool {
    if interest.leads(path) {
        path.as_path().is_dir()
    } else {
        interest.keeps(path) && fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
    }
}
