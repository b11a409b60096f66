//! Files that may be in the container already: they are asked for before they are sent, where that is cheaper.

use std::borrow::Cow;

use super::Way;
use crate::engine::{Body, Container, Delta, Outgoing, Sought, There, Wanted};
use crate::paths::ContainerPath;

/// Through the Engine API, up to this many files are asked for one by one; for more, the container's whole tree would be read.
const FEW: usize = 16;

/// Whether asking costs less than sending the file in vain.
pub(super) fn is_asked_first(put: &Outgoing) -> bool {
    match &put.there {
        There::No => false,
        There::Perhaps(_) => matches!(put.body, Body::File { .. }),
        There::Probably(_) => true,
    }
}

/// Whether all files that may be there can be asked for one by one.
pub(super) fn are_few(delta: &Delta) -> bool {
    let may_be_there = |put: &&Outgoing| put.there != There::No;
    delta.put.iter().filter(may_be_there).count() <= FEW
}

/// Removes from `delta` those of the `asked` files that are in the container already, and returns them.
pub(super) async fn take_out(
    way: &impl Way,
    container: &Container,
    delta: &mut Cow<'_, Delta>,
    asked: impl Fn(&Outgoing) -> bool,
) -> Vec<ContainerPath> {
    let wanted: Wanted = delta
        .put
        .iter()
        .filter(|put| asked(put))
        .filter_map(|put| Some((put.to.clone(), file_of(&put.body)?)))
        .collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    // If asking fails, everything is sent: what is wrong shows then.
    let roots = directories(&wanted);
    let Ok(found) = way.fingerprints(container, &wanted, &roots).await else {
        return Vec::new();
    };
    let mut same = Vec::new();
    delta.to_mut().put.retain_mut(|put| {
        if !wanted.contains_key(&put.to) {
            return true;
        }
        let is_there = found.get(&put.to);
        if is_there.is_some() && is_there == put.there.fingerprint() {
            same.push(put.to.clone());
            return false;
        }
        put.there = There::No;
        true
    });
    same
}

fn file_of(body: &Body) -> Option<Sought> {
    let most = match body {
        Body::Bytes(bytes) => bytes.len() as u64,
        Body::File { len, .. } => *len,
        Body::Link(_) | Body::Directory { .. } => return None,
    };
    Some(Sought::File { most })
}

/// The directories that the paths lie in, without those below another one and without the container's root.
fn directories(wanted: &Wanted) -> Vec<ContainerPath> {
    let mut directories: Vec<ContainerPath> = wanted
        .keys()
        .map(|path| match path.parent() {
            Some(parent) if parent.parent().is_some() => parent,
            _ => path.clone(),
        })
        .collect();
    directories.sort_unstable();
    directories.dedup_by(|one, kept| one.is_within(kept));
    directories
}
