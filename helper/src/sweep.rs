//! Removes directories of the helper's own making with all that is in them: through no link, into no mount, and nothing that
//! somebody has put in their place.

use crate::batch::readable;
use crate::path::Status;
use crate::way::Directory;
use rustix::fs::{AtFlags, Dir};
use rustix::io::Errno;

/// No tree of ours is deeper; one that somebody makes so stays.
const DEEPEST: usize = 256;

/// Removes `name` in `at`, if it is `made`. What nobody remembers goes with no more rights than the directory's owner has.
pub fn remove(at: &Directory, name: &[u8], made: Option<&Status>) {
    let Ok(directory) = at.child(name) else {
        return;
    };
    let known = made.is_some_and(|made| made.is_same(&directory.status));
    let rights = if known { at.rights } else { at.owners_rights() };
    if rights.assume().is_ok() {
        let _ = empty(at, name, rights, DEEPEST);
        let _ = rustix::fs::unlinkat(&at.fd, name, AtFlags::REMOVEDIR);
    }
}

fn empty(
    at: &Directory,
    name: &[u8],
    rights: crate::rights::Rights,
    deeper: usize,
) -> Result<(), Errno> {
    let mut directory = at.child(name).map_err(|closed| closed.errno())?;
    directory.rights = rights;
    rights.assume()?;
    for entry in Dir::read_from(readable(at, name)?)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        match rustix::fs::unlinkat(&directory.fd, name, AtFlags::empty()) {
            Err(Errno::ISDIR) if deeper > 0 => {
                empty(&directory, name, rights, deeper - 1)?;
                rustix::fs::unlinkat(&directory.fd, name, AtFlags::REMOVEDIR)?;
            }
            outcome => outcome?,
        }
    }
    Ok(())
}
