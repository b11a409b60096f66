//! Puts watches on directories and all that is of interest below them, level by level, and announces what it finds.

use std::collections::BTreeSet;
use std::fs;

use crate::paths::HostPath;
use crate::watch::touch::{Stage, Touch};
use crate::watch::walk::{self, Unreadable};
use crate::watch::watcher::WatchEvent;
use crate::watch::watcher::interest::Interest;

use super::{Announce, Scanner};

impl Scanner {
    /// Watches the directories `level` and everything of interest below them. Each is watched before it is read, so that what is
    /// created meanwhile is either in the listing or reported. Returns all directories it came across.
    pub(super) fn establish(
        &mut self,
        interest: &Interest,
        mut level: Vec<HostPath>,
        announce: Announce,
    ) -> BTreeSet<HostPath> {
        let mut visited = BTreeSet::new();
        let mut renewed = level.clone();
        if announce == Announce::Yes {
            for path in &level {
                self.announce(interest, path, Stage::Renewed);
            }
        }
        while !level.is_empty() {
            for problem in self.watches.add(interest, &level) {
                self.cannot_read(problem);
            }
            let mut next = Vec::new();
            for directory in &level {
                if interest.keeps(directory) {
                    next.extend(self.enter(interest, directory, announce));
                } else {
                    let leads = self.lead_on(interest, directory, announce);
                    renewed.extend(leads.iter().cloned());
                    next.extend(leads);
                }
            }
            visited.extend(level);
            level = next;
        }
        // Only now, when all watches are in place: removals from now on are reported.
        renewed.retain(|directory| announce == Announce::Yes && interest.keeps(directory));
        for directory in renewed {
            let touch = Touch::now(directory, Stage::Renewed);
            self.say(WatchEvent::Touched(touch));
        }
        visited
    }

    /// Reads a kept directory that is watched already; returns the directories in it that are to be watched.
    fn enter(
        &mut self,
        interest: &Interest,
        directory: &HostPath,
        announce: Announce,
    ) -> Vec<HostPath> {
        let mut next = Vec::new();
        let entries = match walk::list(directory) {
            Ok(entries) => entries,
            Err(error) => {
                if let Some(problem) = Unreadable::new(directory.clone(), &error) {
                    self.cannot_read(problem);
                }
                return next;
            }
        };
        for found in entries {
            let enters = if found.is_dir {
                interest.enters(&found.path)
            } else {
                // A root may be a link to a directory.
                interest.leads(&found.path) && found.path.as_path().is_dir()
            };
            if announce == Announce::Yes {
                let stage = if found.is_dir {
                    Stage::Renewed
                } else {
                    Stage::Complete
                };
                self.announce(interest, &found.path, stage);
            }
            if enters {
                next.push(found.path);
            }
        }
        next
    }

    /// The directories in `directory`, which is not kept itself, that lead on towards a root or single file.
    fn lead_on(
        &self,
        interest: &Interest,
        directory: &HostPath,
        announce: Announce,
    ) -> Vec<HostPath> {
        let mut next = Vec::new();
        for lead in interest.leads_in(directory) {
            if announce == Announce::Yes && fs::symlink_metadata(lead).is_ok() {
                self.announce(interest, lead, Stage::Complete);
            }
            if lead.as_path().is_dir() {
                next.push(lead.clone());
            }
        }
        next
    }

    fn announce(&self, interest: &Interest, path: &HostPath, stage: Stage) {
        if interest.watches(path) {
            self.say(WatchEvent::Touched(Touch::now(path.clone(), stage)));
        }
    }
}
