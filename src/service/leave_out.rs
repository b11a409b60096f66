//! What no update can bring is left out, and said: the rest of its batch is not lost with it.

use std::collections::BTreeMap;

use crate::compose::Mount;
use crate::engine::Container;
use crate::paths::HostPath;
use crate::report::{Notice, Unbrought};
use crate::watch::{Change, Kind};

use super::LiveService;
use super::action::Action;
use super::ledger::Ledger;
use super::mounts::{Bound, bound};

impl LiveService {
    /// Takes out of what the containers are owed what no update can bring, and says it.
    pub(super) fn leave_out(&mut self) -> Vec<Action> {
        let built = (!self.config.can_build).then(|| self.leave_out_what_only_a_build_brings());
        let hidden = self.leave_out_what_a_mount_hides();
        built.flatten().into_iter().chain(hidden).collect()
    }

    /// B9: nothing can be built, so what no sync brings is left out.
    fn leave_out_what_only_a_build_brings(&mut self) -> Option<Action> {
        let rules = &self.config.rules;
        let only_built = |_: &Container, path: &HostPath| {
            rules.rebuilds(path).then_some(Unbrought::OnlyByABuild)
        };
        let left = take_out(self.replicas.iter_mut(), only_built);
        self.say_left_out(&left)
    }

    /// E6: what lies below a bind mount of something else is hidden by that, and would be written into the host's own files.
    fn leave_out_what_a_mount_hides(&mut self) -> Option<Action> {
        let rules = &self.config.rules;
        let hidden = |container: &Container, path: &HostPath| {
            let mounts = &container.mounts;
            if !mounts.iter().any(Mount::is_of_a_host) {
                return None;
            }
            // Where one of several places is hidden, the others get it.
            let mut mount = None;
            for target in rules.targets(path) {
                match bound(mounts, path, &target.to) {
                    Bound::Another(over) => mount = mount.or(Some(over)),
                    Bound::Nothing | Bound::TheFile => return None,
                }
            }
            mount.map(|mount| Unbrought::Hidden {
                mount: mount.target.clone(),
            })
        };
        let left = take_out(self.replicas.iter_mut(), hidden);
        self.say_left_out(&left)
    }

    /// The first file of them all; a directory is worth no word.
    fn say_left_out(&self, left: &BTreeMap<HostPath, Unbrought>) -> Option<Action> {
        let is_directory = |path: &HostPath| matches!(self.seen.disk.change(path), Change::Written(_, entry) if entry.kind == Kind::Directory);
        let mut files = left.iter().filter(|(path, _)| !is_directory(path));
        let (first, why) = files.next()?;
        Some(self.notice(Notice::Unbrought {
            first: first.clone(),
            why: why.clone(),
            more: files.count(),
        }))
    }
}

/// Takes what there is a reason for out of what the containers are owed.
fn take_out<'a>(
    ledgers: impl Iterator<Item = &'a mut Ledger>,
    reason: impl Fn(&Container, &HostPath) -> Option<Unbrought>,
) -> BTreeMap<HostPath, Unbrought> {
    let mut left = BTreeMap::new();
    for ledger in ledgers {
        let container = &ledger.container;
        ledger.owed.retain(|path| match reason(container, path) {
            Some(why) => {
                left.insert(path.clone(), why);
                false
            }
            None => true,
        });
    }
    left
}
