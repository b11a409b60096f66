//! "Root's rights are never lent": what a user of the container does to the directories of a sync gets him nothing that he could
//! not have had himself, and the rest of an update arrives all the same.

use crate::needs::{has, is_root, needs};
use crate::place::{
    Bring as _, CHMOD, DIRECTORY, Pipes, Place, lives, put, send, started, symlink_to, terms, until,
};
use docker_liveupdate::helper::{Error, Link, Patience, Terms};
use docker_liveupdate::transfer::{Applied, Delta, Fingerprint, Sought, Wanted};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;

const USER: u32 = 1000;
const AS_ROOT: &str = "root, as the helper in a container is";

/// A sync's target that belongs to a user, and a directory of root's beside it.
fn owned_by_a_user() -> Place {
    let place = Place::new();
    chown(place.path("app"), Some(USER), Some(USER)).unwrap();
    fs::create_dir_all(place.path("roots/sub")).unwrap();
    fs::write(place.path("roots/f"), "root's").unwrap();
    fs::write(place.path("roots/gone"), "root's").unwrap();
    chmod(&place.path("roots/f"), 0o600);
    chmod(&place.path("roots/sub"), 0o700);
    place
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A link that the user made.
fn users_link(to: &str, at: &Path) {
    symlink(to, at).unwrap();
    lchown(at, Some(USER), Some(USER)).unwrap();
}

/// What stands in root's directory: paths, modes, contents.
fn roots(place: &Place) -> Vec<(String, u32, Option<String>)> {
    let mut found: Vec<_> = fs::read_dir(place.path("roots"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let mode = fs::metadata(&path).unwrap().mode();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, mode, fs::read_to_string(&path).ok())
        })
        .collect();
    found.sort();
    found
}

/// A batch that does all there is to do below `d`, and something elsewhere.
fn everything_below_d(place: &Place) -> Delta {
    let source = place.host("new", "new");
    let mut sub = place.item("d/sub", CHMOD);
    sub.mode = 0o777;
    Delta {
        remove: vec![place.target("d/gone"), place.target("away")],
        remove_dirs: Vec::new(),
        put: vec![
            place.file(&source, "d/f"),
            place.file(&source, "d/new"),
            place.item("d/made", DIRECTORY),
            place.item("d/link", symlink_to("x")),
            sub,
            place.file(&source, "elsewhere"),
        ],
    }
}

fn closed(place: &Place, applied: &Applied) -> Vec<String> {
    let app = format!("{}/", place.path("app").display());
    let mut closed: Vec<String> = applied
        .closed
        .iter()
        .map(|(path, _)| path.to_string().replace(&app, ""))
        .collect();
    closed.sort();
    closed.dedup();
    closed
}

#[tokio::test]
async fn a_users_link_to_roots_directory_is_not_followed_and_the_rest_arrives() {
    needs!(is_root(), AS_ROOT);
    // The user's own link; one of root's that he has moved into his directory; one where anybody may have put it.
    for (link_of, directory_of, mode) in [
        (USER, USER, 0o755),
        (0, USER, 0o755),
        (USER, 0, 0o755),
        (0, 0, 0o777),
    ] {
        let place = owned_by_a_user();
        place.container("away", "");
        let link = place.path("app/d");
        symlink("../roots", &link).unwrap();
        lchown(&link, Some(link_of), Some(link_of)).unwrap();
        chown(place.path("app"), Some(directory_of), Some(directory_of)).unwrap();
        chmod(&place.path("app"), mode);
        let before = roots(&place);
        let (mut link, _helper) = place.serve().await;
        let applied = link.bring(&everything_below_d(&place)).await.unwrap();
        let all = ["d/f", "d/gone", "d/link", "d/made", "d/new", "d/sub"];
        assert!(
            closed(&place, &applied)
                .iter()
                .all(|path| all.contains(&path.as_str())),
            "{applied:?}"
        );
        assert_eq!(applied.closed.len(), 6, "{applied:?}");
        let why = &applied.closed[0].1;
        assert!(
            why.starts_with("leads through")
                && why.contains("not permitted") | why.contains("denied"),
            "{why}"
        );
        assert_eq!(roots(&place), before);
        assert!(place.path("app/elsewhere").exists() && !place.path("app/away").exists());
    }
}

#[tokio::test]
async fn a_users_link_to_what_that_user_may_write_goes_on_working() {
    needs!(is_root(), AS_ROOT);
    let place = owned_by_a_user();
    fs::create_dir(place.path("shared")).unwrap();
    fs::write(place.path("shared/gone"), "").unwrap();
    chown(place.path("shared"), Some(USER), Some(USER)).unwrap();
    users_link("../shared", &place.path("app/d"));
    let (mut link, _helper) = place.serve().await;
    let applied = link.bring(&everything_below_d(&place)).await.unwrap();
    assert_eq!(applied.closed, [], "{applied:?}");
    assert_eq!(fs::read_to_string(place.path("shared/f")).unwrap(), "new");
    assert!(!place.path("shared/gone").exists());
    for name in ["f", "new", "made", "link"] {
        let owner = fs::symlink_metadata(place.path("shared").join(name)).unwrap();
        assert_eq!(owner.uid(), USER, "{name}");
    }
}

/// The kernel is asked with the user's rights, so who owns what is behind the link decides.
#[tokio::test]
async fn what_stands_behind_a_users_link_is_described_with_that_users_rights() {
    needs!(is_root(), AS_ROOT);
    let place = owned_by_a_user();
    users_link("../roots", &place.path("app/d"));
    place.container("mine", "mine");
    let (mut link, _helper) = place.serve().await;
    let found = describe(&mut link, &place, &["d/f", "mine"], 1000).await;
    assert!(
        matches!(&found[0], Err(Error::Refused { errno: 13, .. })),
        "{found:?}"
    );
    assert!(matches!(found[1], Ok(Fingerprint::File { hash, .. }) if hash != 0));
}

async fn describe(
    link: &mut Pipes,
    place: &Place,
    names: &[&str],
    most: u64,
) -> Vec<Result<Fingerprint, Error>> {
    let file = Sought::File { most };
    let wanted: Wanted = names
        .iter()
        .map(|name| (place.target(name), file))
        .collect();
    let mut found = Vec::new();
    link.inventory(&wanted, |_, print| found.push(print))
        .await
        .unwrap();
    found
}

#[tokio::test]
async fn names_that_somebody_has_taken_beforehand_are_not_used() {
    needs!(is_root(), AS_ROOT);
    let place = owned_by_a_user();
    let (mut link, helper) = place.serve().await;
    for number in 0..4 {
        let name = format!(".liveupdate-{}-{number}~", helper.id().unwrap());
        users_link("../roots/f", &place.path("app").join(name));
    }
    let source = place.host("new", "new");
    let applied = link
        .bring(&put([
            place.file(&source, "a"),
            place.file(&source, "fresh/b"),
        ]))
        .await
        .unwrap();
    assert_eq!(applied.closed, []);
    for name in ["a", "fresh/b"] {
        let new = fs::read_to_string(place.path("app").join(name)).unwrap();
        assert_eq!(new, "new");
    }
    assert_eq!(fs::read_to_string(place.path("roots/f")).unwrap(), "root's");
}

#[tokio::test]
async fn content_is_written_in_place_to_nothing_but_a_file_of_its_own() {
    needs!(is_root(), AS_ROOT);
    needs!(has("mkfifo"), "mkfifo");
    let place = owned_by_a_user();
    // He may not read it, but some kernels let him give it another name.
    fs::hard_link(place.path("roots/f"), place.path("app/linked")).unwrap();
    place.container("fine", "longer than before");
    let inode = fs::metadata(place.path("app/fine")).unwrap().ino();
    let (mut link, _helper) = place.serve().await;
    let source = place.host("new", "new");
    let in_place = |name: &str| place.poured(&source, name);
    let applied = link
        .bring(&put([in_place("linked"), in_place("fine")]))
        .await
        .unwrap();
    assert_eq!(closed(&place, &applied), ["linked"]);
    assert_eq!(fs::read_to_string(place.path("roots/f")).unwrap(), "root's");
    assert_eq!(fs::read_to_string(place.path("app/fine")).unwrap(), "new");
    assert_eq!(fs::metadata(place.path("app/fine")).unwrap().ino(), inode);
}

/// A directory of somebody else's keeps its mode where a name could have been moved in front of it, unless it loses rights.
#[tokio::test]
async fn a_mode_is_given_to_no_directory_of_roots_in_a_users_directory() {
    needs!(is_root(), AS_ROOT);
    let place = owned_by_a_user();
    for (name, mode) in [("open", 0o755), ("shut", 0o700)] {
        fs::create_dir(place.path("app").join(name)).unwrap();
        chmod(&place.path("app").join(name), mode);
    }
    let (mut link, _helper) = place.serve().await;
    let mode = |name: &str, mode: u32| {
        let mut item = place.item(name, CHMOD);
        item.mode = mode;
        item
    };
    let applied = link
        .bring(&put([mode("shut", 0o755), mode("open", 0o750)]))
        .await
        .unwrap();
    assert_eq!(closed(&place, &applied), ["shut"]);
    let modes = ["shut", "open"].map(|name| {
        let found = fs::metadata(place.path("app").join(name)).unwrap();
        found.mode() & 0o777
    });
    assert_eq!(modes, [0o700, 0o750]);
}

/// Whatever a link or a moved directory brings before the sync: what is mounted there is entered only where the host says so.
#[tokio::test]
async fn a_mount_is_entered_only_by_the_way_that_it_was_mounted_at() {
    needs!(is_root(), AS_ROOT);
    needs!(has("unshare"), "unshare");
    let place = owned_by_a_user();
    for name in ["x/mnt", "x/volume", "y/volume"] {
        fs::create_dir_all(place.path("app").join(name)).unwrap();
        chown(place.path("app").join(name), Some(USER), Some(USER)).unwrap();
    }
    fs::create_dir(place.path("volume")).unwrap();
    chown(place.path("volume"), Some(USER), Some(USER)).unwrap();
    let script = format!(
        "mount --bind {0}/roots {0}/app/x/mnt && mount --bind {0}/volume {0}/app/x/volume \
         && mount --bind {0}/roots {0}/app/y/volume && exec {1} serve",
        place.path("").display(),
        place.put_helper("serve").display()
    );
    let mut helper = started(Command::new("unshare").args(["-m", "sh", "-c", &script]));
    let (reader, writer) = (helper.stdout.take().unwrap(), helper.stdin.take().unwrap());
    let mut terms = terms();
    terms
        .mounts
        .push(place.target("x/volume").as_bytes().to_vec());
    let mut link = Link::open(reader, writer, &terms).await.unwrap();
    let before = roots(&place);
    let source = place.host("new", "new");
    let both = |directory: &str| {
        put(["mnt/f", "mnt/new", "volume/f"]
            .map(|name| place.file(&source, &format!("{directory}/{name}"))))
    };
    let applied = link.bring(&both("x")).await.unwrap();
    assert_eq!(
        closed(&place, &applied),
        ["x/mnt/f", "x/mnt/new"],
        "{applied:?}"
    );
    assert!(place.path("volume/f").exists());
    fs::remove_file(place.path("volume/f")).unwrap();
    // Now both lie elsewhere.
    fs::rename(place.path("app/x"), place.path("app/d")).unwrap();
    let applied = link.bring(&both("d")).await.unwrap();
    assert_eq!(
        closed(&place, &applied),
        ["d/mnt/f", "d/mnt/new", "d/volume/f"]
    );
    assert!(applied.closed[0].1.contains("mounted"), "{applied:?}");
    assert!(!place.path("volume/f").exists());
    // And another one lies where the sync leads to.
    fs::rename(place.path("app/y"), place.path("app/x")).unwrap();
    let applied = link.bring(&both("x")).await.unwrap();
    assert_eq!(closed(&place, &applied), ["x/volume/f"], "{applied:?}");
    assert!(
        applied.closed[0]
            .1
            .contains("below a directory that is not root's"),
        "{applied:?}"
    );
    assert_eq!(roots(&place), before);
}

/// Root's directory may be moved by whoever owns the one it lies in: what root would run is not put there.
#[tokio::test]
async fn a_program_that_runs_as_root_is_not_put_where_a_user_has_a_say() {
    needs!(is_root(), AS_ROOT);
    let place = owned_by_a_user();
    fs::create_dir(place.path("app/x")).unwrap();
    let (mut link, _helper) = place.serve().await;
    let source = place.host("new", "new");
    let tool = |name: &str| {
        let mut item = place.file(&source, name);
        item.mode = 0o6755;
        item
    };
    link.bring(&put([tool("x/tool"), tool("x/made/tool"), tool("own")]))
        .await
        .unwrap();
    let modes = ["x/tool", "x/made/tool", "own"].map(|name| {
        let found = fs::metadata(place.path("app").join(name)).unwrap();
        (found.uid(), found.mode() & 0o7777)
    });
    // The user's own are as the host has them.
    assert_eq!(modes, [(0, 0o755), (0, 0o755), (USER, 0o6755)]);
}

/// A short wait, so that a test need not take a long one.
fn impatient() -> Terms {
    Terms {
        patience: Patience {
            silence: Duration::from_millis(300),
            whole: Duration::from_secs(60),
        },
        ..terms()
    }
}

/// "Never out of step": a helper that was stopped must not bring old content when it goes on.
#[tokio::test]
async fn a_helper_that_was_stopped_is_given_up_and_changes_nothing_later() {
    let place = Place::new();
    place.container("a", "old");
    let mut helper = started(Command::new(place.put_helper("serve")).arg("serve"));
    let (reader, writer) = (helper.stdout.take().unwrap(), helper.stdin.take().unwrap());
    let mut link = Link::open(reader, writer, &impatient()).await.unwrap();
    let pid = helper.id().unwrap().to_string();
    send(&pid, rustix::process::Signal::STOP).unwrap();
    let batch = put([place.file(&place.host("new", "new"), "a")]);
    let error = link.bring(&batch).await.unwrap_err();
    assert!(matches!(error, Error::Stuck { silent: true }), "{error}");
    assert!(matches!(
        link.bring(&batch).await.unwrap_err(),
        Error::OutOfStep
    ));
    // It goes on while the connection is still there, and finds the batch complete: too late.
    send(&pid, rustix::process::Signal::CONT).unwrap();
    drop(link);
    until("it has ended", || !lives(helper.id().unwrap_or(0))).await;
    helper.wait().await.unwrap();
    assert_eq!(place.tree(), "a 644 old");
}

#[tokio::test]
async fn a_file_that_is_longer_than_the_hosts_is_not_read() {
    let place = Place::new();
    let sparse = place.container("sparse", "");
    let file = fs::File::options().write(true).open(&sparse).unwrap();
    file.set_len(1 << 42).unwrap();
    let (mut link, _helper) = place.serve().await;
    let found = describe(&mut link, &place, &["sparse"], 1000).await;
    let Ok(Fingerprint::File { hash, .. }) = found[0] else {
        panic!("{found:?}")
    };
    assert_eq!(hash, 0);
}

#[tokio::test]
async fn a_helper_ends_when_nobody_waits_for_its_answer_any_more() {
    let place = Place::new();
    let sparse = place.container("sparse", "");
    let file = fs::File::options().write(true).open(&sparse).unwrap();
    file.set_len(1 << 42).unwrap();
    let (mut link, mut helper) = place.serve().await;
    let pid = helper.id().unwrap();
    let reading = format!("/proc/{pid}/io");
    {
        let all = Sought::File { most: u64::MAX };
        let wanted = Wanted::from([(place.target("sparse"), all)]);
        let mut asking = std::pin::pin!(link.inventory(&wanted, |_, _| {}));
        let reads = async {
            until("it reads", || {
                let told = fs::read_to_string(&reading).unwrap_or_default();
                let read = told.lines().find_map(|line| line.strip_prefix("rchar: "));
                read.and_then(|read| read.parse().ok()).unwrap_or(0_u64) > 1 << 24
            })
            .await;
        };
        tokio::select! {
            answer = &mut asking => panic!("{answer:?}"),
            () = reads => {}
        }
    }
    drop(link);
    helper.wait().await.unwrap();
}

/// "Every exchange has a limit": what stands in the helper's place and says the beginning of something, or the same for ever.
#[tokio::test(start_paused = true)]
async fn what_never_answers_or_never_ends_is_given_up() {
    let (ours, theirs) = tokio::io::duplex(64);
    let (reader, writer) = tokio::io::split(ours);
    let (_reader, mut impostor) = tokio::io::split(theirs);
    tokio::io::AsyncWriteExt::write_all(&mut impostor, &[9, 0, 0, 0])
        .await
        .unwrap();
    let error = Link::open(reader, writer, &Terms::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Stuck { silent: true }), "{error}");
}
