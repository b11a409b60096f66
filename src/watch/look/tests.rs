use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use tempfile::TempDir;

use crate::compose::block::{Step, Sync};
use crate::compose::{Block, Build, Project, Service};
use crate::paths::ContainerPath;
use crate::watch::Looks;

use super::*;

/// A context with some files, `src` synced, and the look at it.
struct Disk {
    dir: TempDir,
    scope: Scope,
}

impl Disk {
    fn with(files: &[&str]) -> Self {
        Self::syncing("src", files)
    }

    fn syncing(source: &str, files: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let scope = Self::scope(&dir, source);
        let disk = Self { dir, scope };
        for file in files {
            disk.write(file);
        }
        // What the watcher does when it starts.
        disk.scope.last_seen().vanished();
        disk
    }

    fn scope(dir: &TempDir, source: &str) -> Scope {
        let context = HostPath::new(dir.path()).unwrap().join("context");
        let block = Block {
            syncs: vec![Sync {
                step: Step::new(1),
                local: context.join(source),
                remote: ContainerPath::new("/app").unwrap(),
                into_directory: false,
                ignore: Vec::new(),
                include: Vec::new(),
                in_place: false,
                initial: false,
            }],
            dir: Some(context.clone()),
            ..Block::default()
        };
        let service = Service {
            name: "web".to_owned(),
            build: Some(Build {
                context: context.clone(),
                dockerfile: Some(context.join("Dockerfile")),
                ignore_file: context.join(".dockerignore"),
                additional_contexts: Vec::new(),
                service_contexts: std::collections::BTreeMap::new(),
            }),
            block: Some(block),
            ..Service::default()
        };
        let project = Project {
            name: "p".to_owned(),
            dir: context,
            sources: Vec::new(),
            services: vec![service.clone()],
        };
        Scope::of(&project, &service, |_| Ok(Some(b"**/ignored\n".to_vec()))).unwrap()
    }

    /// What another service that watches the same reads of it.
    fn scope_again(&self) -> Scope {
        Self::scope(&self.dir, "other")
    }

    fn path(&self, name: &str) -> HostPath {
        let dir = HostPath::new(self.dir.path()).unwrap();
        dir.join("context").join(name)
    }

    fn write(&self, name: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }

    fn name(&self, path: &HostPath) -> String {
        path.below(&self.path("")).unwrap().display().to_string()
    }

    /// Each change in a few words.
    fn look(&self, names: &[&str]) -> Vec<String> {
        let paths: Vec<HostPath> = names.iter().map(|name| self.path(name)).collect();
        look(&self.scope, &paths)
            .into_iter()
            .map(|change| {
                let name = self.name(change.path());
                match change {
                    Change::Written(_, entry) => match entry.kind {
                        Kind::File { len } => format!("{name}: {len} bytes, {:o}", entry.mode),
                        Kind::Link { target } => format!("{name}: -> {}", target.display()),
                        other => format!("{name}: {other:?}"),
                    },
                    Change::Removed(_) => format!("{name}: removed"),
                }
            })
            .collect()
    }
}

#[test]
fn the_disk_decides_between_copy_and_delete() {
    let disk = Disk::with(&["src/a"]);
    fs::set_permissions(disk.path("src/a"), fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(
        disk.look(&["src/a", "src/b", "src"]),
        ["src/a: 5 bytes, 640", "src/b: removed", "src: Directory"]
    );
}

#[test]
fn what_is_not_watched_is_not_looked_at() {
    let disk = Disk::with(&["src/a", "src/ignored/x", ".git/HEAD"]);
    let seen = disk.look(&["src/ignored", "src/ignored/x", ".git/HEAD", "../outside"]);
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn a_link_is_a_link_dangling_or_not() {
    let disk = Disk::with(&["src/a"]);
    symlink("a", disk.path("src/good")).unwrap();
    symlink("nowhere", disk.path("src/broken")).unwrap();
    assert_eq!(
        disk.look(&["src/good", "src/broken"]),
        ["src/good: -> a", "src/broken: -> nowhere"]
    );
}

#[test]
fn nothing_is_read_through_a_link_to_a_directory() {
    let disk = Disk::with(&["src/a"]);
    let outside = disk.dir.path().join("outside");
    fs::create_dir_all(outside.join("deep")).unwrap();
    fs::write(outside.join("deep/secret"), "").unwrap();
    symlink(&outside, disk.path("src/d")).unwrap();
    let seen = disk.look(&["src/d", "src/d/deep", "src/d/deep/secret"]);
    assert!(seen[0].starts_with("src/d: -> "));
    assert_eq!(
        seen[1..],
        ["src/d/deep: removed", "src/d/deep/secret: removed"]
    );
    assert!(!all(&disk).contains(&disk.path("src/d/deep")));
    assert_eq!(
        below(&disk.scope, &disk.path("src/d")),
        [disk.path("src/d")]
    );
}

#[test]
fn a_socket_is_special() {
    let disk = Disk::with(&["src/a"]);
    let _socket = UnixListener::bind(disk.path("src/socket")).unwrap();
    assert_eq!(disk.look(&["src/socket"]), ["src/socket: Special"]);
}

#[test]
fn a_file_below_what_is_a_file_now_is_removed() {
    let disk = Disk::with(&["src/a"]);
    assert_eq!(disk.look(&["src/a/b"]), ["src/a/b: removed"]);
}

#[test]
fn a_vanished_root_is_no_deletion_of_its_files() {
    let disk = Disk::with(&["src/a"]);
    let away = disk.dir.path().join("away");
    fs::rename(disk.path(""), &away).unwrap();
    assert!(disk.look(&["", "src", "src/a", "other"]).is_empty());
    assert!(!is_there(&disk.path("")));
    assert!(all(&disk).is_empty());
    fs::rename(&away, disk.path("")).unwrap();
    assert_eq!(disk.look(&["src/a", "src/b"]).len(), 2);
}

#[test]
fn a_vanished_source_directory_is_no_deletion_but_a_file_in_it_is() {
    let disk = Disk::with(&["src/a", "other/b"]);
    fs::remove_dir_all(disk.path("src")).unwrap();
    fs::remove_dir_all(disk.path("other")).unwrap();
    assert_eq!(
        disk.look(&["other/b", "src", "src/a"]),
        ["other/b: removed"]
    );
    disk.write("src/b");
    assert_eq!(
        disk.look(&["src/a", "src/b"]),
        ["src/a: removed", "src/b: 5 bytes, 644"]
    );
}

#[test]
fn a_synced_single_file_that_is_deleted_is_removed() {
    let disk = Disk::syncing("one.file", &["one.file"]);
    fs::remove_file(disk.path("one.file")).unwrap();
    assert_eq!(disk.look(&["one.file"]), ["one.file: removed"]);
}

fn all(disk: &Disk) -> BTreeSet<HostPath> {
    let seen = Looks::default().at(&disk.scope);
    let entries = seen.iter().flat_map(|entries| entries.iter());
    entries.map(|(path, _)| path).collect()
}

#[test]
fn all_is_everything_watched_and_equal_signatures_mean_equal_content() {
    let disk = Disk::with(&["src/a", "src/ignored/x", "src/deep/b", "Dockerfile"]);
    let names: Vec<_> = all(&disk).iter().map(|path| disk.name(path)).collect();
    assert_eq!(
        names,
        ["", "Dockerfile", "src", "src/a", "src/deep", "src/deep/b"]
    );
    let path = disk.path("src/a");
    let signed = || signature(&fs::symlink_metadata(&path).unwrap());
    let before = signed();
    assert_eq!(signed(), before);
    // The same length and the same time, but written all the same.
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "12345").unwrap();
    fs::File::open(&path).unwrap().set_modified(time).unwrap();
    assert_ne!(signed(), before);
}

/// E8.
#[test]
fn one_look_serves_all_services_that_watch_a_root_by_the_same_rules() {
    let disk = Disk::with(&["src/a", "other/b"]);
    let (same, other) = (disk.scope_again(), Disk::with(&["src/a"]));
    let looks = Looks::default();
    let (one, two) = (looks.at(&disk.scope), looks.at(&same));
    assert!(Arc::ptr_eq(&one[0], &two[0]) && one[0].iter().count() > 3);
    assert!(!Arc::ptr_eq(&one[0], &looks.at(&other.scope)[0]));
    // A later one is its own.
    assert!(!Arc::ptr_eq(&one[0], &Looks::default().at(&same)[0]));
}

#[test]
fn below_a_directory_is_everything_watched_in_it() {
    let disk = Disk::with(&["src/deep/b", "src/a", "src/ignored/x"]);
    let names: Vec<String> = below(&disk.scope, &disk.path("src"))
        .iter()
        .map(|path| disk.name(path))
        .collect();
    assert_eq!(names, ["src", "src/a", "src/deep", "src/deep/b"]);
}

/// C5: who may not look into a directory cannot say that what is in it is gone.
#[cfg(target_os = "linux")]
#[test]
fn what_lies_in_a_directory_that_may_not_be_searched_is_not_removed() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let disk = Disk::with(&["src/d/a", "src/b"]);
    fs::set_permissions(disk.path("src/d"), fs::Permissions::from_mode(0o644)).unwrap();
    let seen = std::thread::scope(|scope| {
        let look = || {
            // Root may look everywhere; rights are a thread's own.
            let mut rights = capabilities(None).unwrap();
            rights.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
            set_capabilities(None, rights).unwrap();
            disk.look(&["src/d", "src/d/a", "src/d/e/f", "src/gone", "src/b/c"])
        };
        scope.spawn(look).join().unwrap()
    });
    assert_eq!(
        seen,
        ["src/d: Directory", "src/gone: removed", "src/b/c: removed"]
    );
}

/// C5, E7: a scope that takes the place of another knows what that saw.
#[test]
fn what_an_older_scope_saw_of_the_sources_is_not_forgotten() {
    let mut disk = Disk::syncing("one.file", &["one.file"]);
    fs::remove_file(disk.path("one.file")).unwrap();
    // As it is when the ignore files are read again: nobody has looked through the new one.
    let new = Disk::scope(&disk.dir, "one.file");
    let old = std::mem::replace(&mut disk.scope, new);
    assert!(disk.look(&["one.file"]).is_empty());
    disk.scope.remember(&old);
    assert_eq!(disk.look(&["one.file"]), ["one.file: removed"]);
}

/// C5, E7: a scope that is new while a source is away knows nothing of what was below it.
#[test]
fn nothing_below_a_source_that_was_never_seen_is_removed() {
    let disk = Disk::with(&["beside"]);
    let seen = disk.look(&["src", "src/a", "src/d/b"]);
    assert!(seen.is_empty(), "{seen:?}");
    disk.write("src/c");
    assert_eq!(disk.look(&["src/a"]), ["src/a: removed"]);
}
