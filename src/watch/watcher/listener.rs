//! Turns the operating system's events into touches at once, and tells the scanner about directories that come and go.

use std::collections::HashMap;
use std::fs;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind, RenameMode};
use notify::{Event, EventKind};
use tokio::sync::mpsc::UnboundedSender;

use crate::paths::HostPath;
use crate::watch::look;
use crate::watch::touch::{Stage, Touch};

use super::interest::Interest;
use super::scanner::Job;
use super::{Shared, WatchEvent, current};

/// Writes to one file are reported at most this often: a thousand writes say no more than one.
const STILL_WRITING: Duration = Duration::from_millis(20);

/// Handles the events on the thread that reads them, so it must be quick.
pub(super) struct Listener {
    shared: Shared,
    jobs: Sender<Job>,
    out: UnboundedSender<WatchEvent>,
    /// Files that were written to and not closed yet, with the time this was last reported: a change of mode does not complete them.
    writing: HashMap<HostPath, Instant>,
}

impl Listener {
    pub(super) fn new(shared: Shared, jobs: Sender<Job>, out: UnboundedSender<WatchEvent>) -> Self {
        Self {
            shared,
            jobs,
            out,
            writing: HashMap::new(),
        }
    }

    fn hear(&mut self, event: Event) {
        if event.need_rescan() {
            self.writing.clear();
            self.ask(Job::Rescan(
                "too many changes at once, some events were lost".to_owned(),
            ));
            return;
        }
        let interest = current(&self.shared);
        for path in event.paths {
            let Some(path) = HostPath::new(path) else {
                continue;
            };
            match event.kind {
                EventKind::Create(CreateKind::Folder) => self.directory(&interest, path),
                EventKind::Create(CreateKind::File) => self.created(&interest, path),
                EventKind::Modify(ModifyKind::Data(_)) => {
                    self.touch(&interest, path, Stage::Writing);
                }
                EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                    // `touch` opens the file whose times it sets.
                    let written = self.writing.contains_key(&path);
                    let stage = if written {
                        Stage::Complete
                    } else {
                        Stage::Attributes
                    };
                    self.touch(&interest, path, stage);
                }
                EventKind::Access(_) => {}
                EventKind::Modify(ModifyKind::Metadata(_)) => self.metadata(&interest, path),
                // On this system the two halves of a rename come as events of their own too.
                EventKind::Modify(ModifyKind::Name(RenameMode::Both))
                    if cfg!(target_os = "linux") => {}
                EventKind::Modify(ModifyKind::Name(RenameMode::From)) => {
                    // It may have been a directory; the event does not say.
                    self.gone(&interest, path, true);
                }
                EventKind::Remove(RemoveKind::File) => self.gone(&interest, path, false),
                EventKind::Remove(RemoveKind::Folder) => self.gone(&interest, path, true),
                EventKind::Remove(RemoveKind::Other) if event.attrs.info() == Some("unmount") => {
                    if interest.enters(&path) {
                        self.ask(Job::Unmounted(path));
                    }
                }
                _ => self.arrived(&interest, path),
            }
        }
    }

    fn created(&mut self, interest: &Interest, path: HostPath) {
        // A link, socket or hard link is complete once created: no close will follow.
        let complete = fs::symlink_metadata(&path)
            .is_ok_and(|found| !found.is_file() || has_other_names(&found));
        let stage = if complete {
            Stage::Complete
        } else {
            Stage::Created
        };
        if interest.leads(&path) {
            self.ask(Job::Renew(path.clone()));
        }
        self.touch(interest, path, stage);
    }

    fn metadata(&mut self, interest: &Interest, path: HostPath) {
        let is_dir = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
        if is_dir && interest.enters(&path) {
            self.ask(Job::Readable(path.clone()));
        }
        if !self.writing.contains_key(&path) {
            self.touch(interest, path, Stage::Attributes);
        }
    }

    /// Something was renamed into place, or the event does not say what happened: the disk decides.
    fn arrived(&mut self, interest: &Interest, path: HostPath) {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => self.directory(interest, path),
            Ok(_) => {
                if interest.leads(&path) {
                    self.ask(Job::Renew(path.clone()));
                }
                self.touch(interest, path, Stage::Complete);
            }
            Err(_) => self.gone(interest, path, true),
        }
    }

    fn directory(&mut self, interest: &Interest, path: HostPath) {
        // The scanner reports it once it has a watch, so that no file in it is missed.
        if interest.enters(&path) {
            self.ask(Job::Renew(path));
        }
    }

    fn gone(&mut self, interest: &Interest, path: HostPath, maybe_directory: bool) {
        if (maybe_directory && interest.enters(&path)) || interest.leads(&path) {
            self.ask(Job::Renew(path.clone()));
        }
        self.touch(interest, path, Stage::Gone);
    }

    fn touch(&mut self, interest: &Interest, path: HostPath, stage: Stage) {
        let touch = Touch::now(path, stage);
        if let Some(told) = self.writing.get_mut(&touch.path) {
            if stage == Stage::Writing && touch.at.duration_since(*told) < STILL_WRITING {
                return;
            }
            *told = touch.at;
        }
        if !interest.watches(&touch.path) {
            if matches!(stage, Stage::Complete | Stage::Attributes)
                && let Ok(found) = fs::symlink_metadata(&touch.path)
                && found.is_file()
                && has_other_names(&found)
            {
                let _ = self.out.send(WatchEvent::Linked(look::inode(&found)));
            }
            return;
        }
        match stage {
            Stage::Created | Stage::Writing => {
                self.writing.entry(touch.path.clone()).or_insert(touch.at);
            }
            Stage::Complete | Stage::Attributes | Stage::Gone | Stage::Renewed => {
                self.writing.remove(&touch.path);
            }
        }
        // If nobody listens any more, the session is ending.
        let _ = self.out.send(WatchEvent::Touched(touch));
    }

    fn ask(&self, job: Job) {
        let _ = self.jobs.send(job);
    }
}

impl notify::EventHandler for Listener {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        match event {
            Ok(event) => self.hear(event),
            Err(error) => self.ask(Job::Rescan(format!("the system failed to tell: {error}"))),
        }
    }
}

fn has_other_names(found: &fs::Metadata) -> bool {
    look::inode(found).has_other_names()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::sync::{Arc, RwLock};

    use notify::event::{DataChange, Flag, MetadataKind};
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    /// An listener that listens for `/p/a`, and what comes of it.
    fn listener() -> (Listener, Receiver<Job>, UnboundedReceiver<WatchEvent>) {
        let interest = Interest::new(Vec::new(), vec![HostPath::new("/p/a").unwrap()]);
        let (jobs, todo) = channel();
        let (out, events) = unbounded_channel();
        let shared = Arc::new(RwLock::new(Arc::new(interest)));
        (Listener::new(shared, jobs, out), todo, events)
    }

    fn stages(events: &mut UnboundedReceiver<WatchEvent>) -> Vec<Stage> {
        let mut stages = Vec::new();
        while let Ok(WatchEvent::Touched(touch)) = events.try_recv() {
            stages.push(touch.stage);
        }
        stages
    }

    #[test]
    fn lost_events_ask_for_a_comparison() {
        let (mut listener, todo, _events) = listener();
        listener.hear(Event::new(EventKind::Other).set_flag(Flag::Rescan));
        assert!(matches!(todo.try_recv(), Ok(Job::Rescan(_))));
    }

    #[test]
    fn a_change_of_mode_does_not_complete_a_file_that_is_being_written() {
        let (mut listener, _todo, mut events) = listener();
        let mode = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
        for kind in [
            EventKind::Modify(ModifyKind::Data(DataChange::Any)),
            mode,
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            mode,
        ] {
            listener.hear(Event::new(kind).add_path("/p/a".into()));
        }
        assert_eq!(
            stages(&mut events),
            [Stage::Writing, Stage::Complete, Stage::Attributes]
        );
    }

    #[test]
    fn what_sets_the_times_of_a_file_and_writes_nothing_is_known_as_such() {
        let (mut listener, _todo, mut events) = listener();
        // As `touch` does it.
        for kind in [
            EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
        ] {
            listener.hear(Event::new(kind).add_path("/p/a".into()));
        }
        assert_eq!(stages(&mut events), [Stage::Attributes, Stage::Attributes]);
    }

    #[test]
    fn a_file_that_is_read_is_no_news() {
        let (mut listener, todo, mut events) = listener();
        let read = EventKind::Access(AccessKind::Close(AccessMode::Read));
        listener.hear(Event::new(read).add_path("/p/a".into()));
        assert!(stages(&mut events).is_empty() && todo.try_recv().is_err());
    }
}
