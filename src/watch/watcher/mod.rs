//! Reports every change of a watched path for the whole session: where and when. What changed is found out by the look.
//!
//! On Linux there is one watch for each kept directory and for the directories that lead to a root; elsewhere one
//! recursive watch for each root. Two threads: one hears the events and sends the touches at once (`listener`), the other
//! keeps the watches in step with the directories (`scanner`), so that a scan never delays a save.

mod interest;
mod listener;
mod mounts;
mod notice;
mod poller;
mod scanner;
mod system;
mod watches;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc::UnboundedSender;

use crate::harmless;
use crate::paths::HostPath;

use super::change::Inode;
use super::scope::Scope;
use super::touch::Touch;

use interest::Interest;
use scanner::{Job, Scanner};

pub use notice::Notice;

/// What the watcher says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// Something happened at a watched path or a single file.
    Touched(Touch),
    /// A file that has several names was changed through one that is not watched.
    Linked(Inode),
    /// Events were lost: only a comparison of the trees can tell what happened (E4). All watches are in place again.
    Rescan {
        /// The reason, for people.
        why: String,
    },
    /// A remark about the watching, for the user.
    Notice(Notice),
}

/// Why nothing can be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// A thread could not be started.
    #[error(
        "cannot start watching: {}\nhint: the system's limit on threads or processes may be reached; see `ulimit -u`",
        harmless::value(&.0.to_string())
    )]
    Thread(#[from] std::io::Error),
    /// The watching thread has ended.
    #[error("watching has stopped unexpectedly\nhint: start `docker liveupdate up` again")]
    Stopped,
}

/// The running watcher; watching ends when it is dropped.
#[derive(Debug)]
pub struct Watcher {
    jobs: Sender<Job>,
    scanner: Option<JoinHandle<()>>,
}

/// What is listened for; replaced as a whole.
type Shared = Arc<RwLock<Arc<Interest>>>;

fn current(shared: &Shared) -> Arc<Interest> {
    Arc::clone(&shared.read().unwrap_or_else(PoisonError::into_inner))
}

impl Watcher {
    /// Watches what `scopes` watch, and the single files `extra_files` wherever they are. When it returns, all watches are in place.
    /// After a change to an ignore file, call [`reconfigure`](Self::reconfigure).
    pub fn start(
        scopes: Vec<Arc<Scope>>,
        extra_files: Vec<HostPath>,
        out: UnboundedSender<WatchEvent>,
    ) -> Result<(Self, Vec<Notice>), WatchError> {
        let (jobs, todo) = mpsc::channel();
        let (ready, wait) = mpsc::channel();
        let shared: Shared = Arc::new(RwLock::new(Arc::new(Interest::new(scopes, extra_files))));
        let for_keeper = jobs.clone();
        let scanner = thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || {
                let mut scanner = Scanner::new(shared, for_keeper, out);
                let notices = scanner.start();
                // The caller may have gone; then the channel of jobs is closed too.
                let _ = ready.send(notices);
                scanner.work(&todo);
            })?;
        let notices = wait.recv().map_err(|_| WatchError::Stopped)?;
        let watcher = Self {
            jobs,
            scanner: Some(scanner),
        };
        Ok((watcher, notices))
    }

    /// Watches something else from now on (E7). No change is missed of what both the old and the new scopes watch. Paths that are
    /// newly watched are not reported: compare them. Blocks for some milliseconds.
    pub fn reconfigure(
        &self,
        scopes: Vec<Arc<Scope>>,
        extra_files: Vec<HostPath>,
    ) -> Result<Vec<Notice>, WatchError> {
        let (reply, wait) = mpsc::channel();
        self.jobs
            .send(Job::Reconfigure(Interest::new(scopes, extra_files), reply))
            .map_err(|_| WatchError::Stopped)?;
        wait.recv().map_err(|_| WatchError::Stopped)
    }

    /// How many directories are watched and how many are polled.
    pub fn count(&self) -> Result<Count, WatchError> {
        let (reply, wait) = mpsc::channel();
        self.jobs
            .send(Job::Count(reply))
            .map_err(|_| WatchError::Stopped)?;
        wait.recv().map_err(|_| WatchError::Stopped)
    }
}

/// How the directories are watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Kept directories that have a watch.
    pub watched: usize,
    /// Directories on the way to a root or single file, watched only for the next name on the way.
    pub leading: usize,
    /// Directories without a watch, which are polled.
    pub polled: usize,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.jobs.send(Job::Stop);
        if let Some(scanner) = self.scanner.take() {
            let _ = scanner.join();
        }
    }
}
