//! When a batch cannot be: nothing has changed, the reason is named, nothing is left behind.

use crate::needs::is_root;
use crate::place::{Bring as _, DIRECTORY, Place, code, put, symlink_to, until};
use docker_liveupdate::helper::{Code, Error};
use docker_liveupdate::paths::ContainerPath;
use docker_liveupdate::protocol::{self, Reply, Request, VERSION};
use docker_liveupdate::transfer::Delta;
use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The disk moved under our hands: the same batch, looked at anew, may well succeed.
fn has_moved(error: &Error) -> bool {
    match error {
        Error::Changed { .. } => true,
        Error::Read { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

#[tokio::test]
async fn a_batch_that_cannot_be_staged_changes_nothing() {
    let place = Place::new();
    place.container("old", "old");
    place.container("file", "a file");
    let before = place.tree();
    let (mut link, _helper) = place.serve().await;
    let source = place.host("new", "new");
    let batch = Delta {
        remove: vec![place.target("old")],
        remove_dirs: Vec::new(),
        put: vec![
            place.file(&source, "a/first"),
            place.item("b", DIRECTORY),
            place.item("c", symlink_to("x")),
            // A file is no directory.
            place.file(&source, "file/below"),
        ],
    };
    let error = link.bring(&batch).await.unwrap_err();
    assert_eq!(code(&error), Some(Code::System));
    let text = error
        .to_string()
        .replace(&*place.path("app").to_string_lossy(), "/app");
    assert_eq!(text, "`/app/file`: not a directory");
    assert_eq!(place.tree(), before);
    // And the link is as good as before.
    link.bring(&put([place.file(&source, "old")]))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_full_or_read_only_target_is_named_with_the_kernels_reason() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let mut item = place.file(&place.host("new", "new"), "x");
    item.to = ContainerPath::new("/proc/sys/new/file").unwrap();
    let error = link
        .bring(&put([place.file(&place.host("a", "a"), "a"), item]))
        .await
        .unwrap_err();
    assert!(
        error.to_string().starts_with("`/proc/sys/new`: "),
        "{error}"
    );
    assert_eq!(place.tree(), "");
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_read_aborts_the_batch() {
    let place = Place::new();
    place.container("old", "old");
    let (mut link, _helper) = place.serve().await;
    // The kernel states a length for this one that reading it does not keep.
    let shrinking = std::path::PathBuf::from("/sys/kernel/uevent_seqnum");
    let first = place.host("first", vec![0; 1_000_000]);
    let error = link
        .bring(&put([place.file(&first, "a"), place.file(&shrinking, "b")]))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    assert_eq!(place.tree(), "old 644 old");
    // The same without a byte sent yet.
    link.bring(&put([place.file(&shrinking, "b")]))
        .await
        .unwrap_err();
    link.ping().await.unwrap();
}

#[tokio::test]
async fn a_file_that_grows_while_it_is_read_is_cut_at_its_stated_length() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let log = place.host("log", vec![b'x'; 2_000_000]);
    let over = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (log, over) = (log.clone(), over.clone());
        move || {
            let mut file = fs::File::options().append(true).open(log).unwrap();
            while !over.load(Ordering::Relaxed) {
                file.write_all(b"yy").unwrap();
            }
        }
    });
    until("the file grows", || {
        fs::metadata(&log).unwrap().len() > 2_000_000
    })
    .await;
    let mut whole = 0;
    while whole < 20 {
        let batch = put([
            place.file(&log, "log"),
            place.file(&place.host("z", "after"), "z"),
        ]);
        match link.bring(&batch).await {
            Ok(_) => whole += 1,
            // Its time is another a moment before its length is: as good as written over, and looked at again.
            Err(error) => {
                assert!(has_moved(&error), "{error}");
                continue;
            }
        }
        let copied = fs::read(place.path("app/log")).unwrap();
        assert!(fs::read(&log).unwrap().starts_with(&copied));
        assert_eq!(fs::read_to_string(place.path("app/z")).unwrap(), "after");
    }
    over.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

#[tokio::test]
async fn a_file_that_is_gone_is_worth_another_look_and_sends_nothing() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let error = link
        .bring(&put([place.file(&place.path("host/gone"), "x")]))
        .await
        .unwrap_err();
    assert!(has_moved(&error), "{error}");
    // A FIFO in a file's place is not waited for.
    let fifo = place.path("host/fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let error = link
        .bring(&put([place.file(&fifo, "x")]))
        .await
        .unwrap_err();
    assert!(has_moved(&error), "{error}");
    link.ping().await.unwrap();
    assert_eq!(place.tree(), "");
}

#[tokio::test]
async fn a_killed_helpers_temporary_files_are_gone_after_the_next_start() {
    let place = Place::new();
    place.container("old", "old");
    let (mut link, mut helper) = place.serve().await;
    // The file never arrives whole: the host's side stands still in the middle.
    let fifo_fed = place.host("big", vec![b'x'; 50_000_000]);
    let staged = || {
        fs::read_dir(place.path("app"))
            .unwrap()
            .flatten()
            .any(|entry| {
                entry
                    .file_name()
                    .to_string_lossy()
                    .starts_with(".liveupdate-")
            })
    };
    {
        let batch = put([place.file(&fifo_fed, "d/big"), place.file(&fifo_fed, "old")]);
        let applying = link.bring(&batch);
        tokio::pin!(applying);
        tokio::select! {
            done = &mut applying => panic!("too fast to be caught: {done:?}"),
            () = until("something is staged", staged) => {}
        }
        helper.start_kill().unwrap();
        applying.await.unwrap_err();
    }
    helper.wait().await.unwrap();
    assert!(staged());
    assert!(matches!(link.ping().await, Err(Error::OutOfStep)));
    let (mut link, _helper) = place.serve().await;
    link.ping().await.unwrap();
    assert_eq!(place.tree(), "old 644 old");
}

#[tokio::test]
async fn a_helper_whose_host_vanishes_in_mid_batch_leaves_no_trace() {
    let place = Place::new();
    let (mut link, mut helper) = place.serve().await;
    let big = place.host("big", vec![b'x'; 50_000_000]);
    {
        let batch = put([place.file(&big, "d/big")]);
        tokio::select! {
            done = link.bring(&batch) => panic!("too fast to be caught: {done:?}"),
            () = until("something is staged", || fs::read_dir(place.path("app")).unwrap().count() > 0) => {}
        }
    }
    drop(link);
    assert!(helper.wait().await.unwrap().success());
    assert_eq!(place.tree(), "");
    assert!(!place.path("home").exists());
}

#[tokio::test]
async fn bye_removes_the_helpers_directory_unless_someone_else_lives_there() {
    let place = Place::new();
    let supervisor = place.init();
    for lives_there in [true, false] {
        if !lives_there {
            fs::remove_file(&supervisor).unwrap();
        }
        let (link, mut helper) = place.serve().await;
        link.bye().await.unwrap();
        helper.wait().await.unwrap();
        assert_eq!(place.path("home").exists(), lives_there);
    }
}

#[tokio::test]
async fn a_helper_whose_directory_was_removed_works_on() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    fs::remove_dir_all(place.path("home")).unwrap();
    link.bring(&put([place.file(&place.host("new", "new"), "d/new")]))
        .await
        .unwrap();
    assert_eq!(place.tree(), "d/ 755\nd/new 644 new");
    // What is written into an inode is staged in that directory.
    place.container("kept", "a longer old text");
    link.bring(&put([place.poured(&place.path("host/new"), "kept")]))
        .await
        .unwrap();
    assert_eq!(place.tree(), "d/ 755\nd/new 644 new\nkept 644 new");
    link.bye().await.unwrap();
    assert!(!place.path("home").exists());
}

/// It leaves one hidden directory, removed on exit.
#[tokio::test]
async fn a_running_helpers_executable_has_no_name_any_more() {
    let place = Place::new();
    let (mut link, mut helper) = place.serve().await;
    link.ping().await.unwrap();
    let names = || -> Vec<String> {
        let entries = fs::read_dir(place.path("home")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let journal = format!("journal-{}", helper.id().unwrap());
    // Killed, it leaves no more than that, and the next one takes it away.
    helper.kill().await.unwrap();
    assert!(!place.path("home").exists() || names() == [journal.clone()]);
    let (mut link, next) = place.serve().await;
    // It has tidied up when it answers.
    link.ping().await.unwrap();
    assert!(next.id() == helper.id() || !place.path("home").join(journal).exists());
    link.bye().await.unwrap();
    assert!(!place.path("home").exists());
}

/// What is stopped while nothing happens is as it was before.
#[tokio::test]
async fn an_idle_helper_has_nothing_with_a_name_and_works_on_all_the_same() {
    let place = Place::new();
    fs::create_dir(place.path("app/theirs")).unwrap();
    if is_root() {
        std::os::unix::fs::chown(place.path("app/theirs"), Some(1234), Some(1234)).unwrap();
    }
    let poured = place.container("poured", "old");
    let (mut link, mut helper) = place.serve().await;
    let rests = || !place.path("home").exists();
    until("nothing has a name", rests).await;
    for content in ["one", "two"] {
        let source = place.host("new", content);
        let over = place.poured(&source, "poured");
        let batch = put([place.file(&source, "theirs/new"), over]);
        link.bring(&batch).await.unwrap();
        assert_eq!(
            fs::read_to_string(place.path("app/theirs/new")).unwrap(),
            content
        );
        assert_eq!(fs::read_to_string(&poured).unwrap(), content);
        until("nothing has a name again", rests).await;
    }
    helper.kill().await.unwrap();
    assert!(rests());
}

/// An engine that was restarted forgets whom a helper speaks to: it would wait for ever.
#[tokio::test]
async fn a_new_helper_ends_an_older_one_of_the_same_session_and_no_other() {
    let place = Place::new();
    let (_kept, mut older) = place.serve_with(&place.put_helper("serve-ab-0")).await;
    let (mut others, _helper) = place.serve_with(&place.put_helper("serve-cd-0")).await;
    let (mut link, _helper) = place.serve_with(&place.put_helper("serve-ab-1")).await;
    let ended = tokio::time::timeout(std::time::Duration::from_secs(60), older.wait());
    assert_eq!(ended.await.unwrap().unwrap().code(), None);
    others.ping().await.unwrap();
    link.ping().await.unwrap();
}

/// Our own host never says such a path; whoever speaks in its place may.
#[test]
fn a_path_that_could_lead_elsewhere_is_refused() {
    use std::io::Read as _;
    use std::process::{Command, Stdio};
    let place = Place::new();
    let mut helper = Command::new(place.put_helper("serve"))
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ask = helper.stdin.take().unwrap();
    let mut answers = helper.stdout.take().unwrap();
    let mut heard = Vec::new();
    let mut exchange = |requests: &[Request]| {
        let mut frames = Vec::new();
        for request in requests {
            request.encode(&mut frames).unwrap();
        }
        ask.write_all(&frames).unwrap();
        loop {
            if let Some((kind, fields, length)) = protocol::split(&heard).unwrap() {
                let code = match Reply::decode(kind, fields).unwrap() {
                    Reply::Failed { code, .. } => Some(code),
                    _ => None,
                };
                heard.drain(..length);
                return code;
            }
            let mut some = [0; 256];
            let read = answers.read(&mut some).unwrap();
            assert!(read > 0, "it hung up");
            heard.extend(&some[..read]);
        }
    };
    let hello = Request::Hello {
        version: VERSION,
        mounts: Vec::new(),
        plain_mounts: Vec::new(),
    };
    assert_eq!(exchange(&[hello]), None);
    for path in ["relative", "", "/a/../b", "/a/./b", "/a\0b"] {
        let (path, hold) = (path.as_bytes(), false);
        let directory = Request::Directory { path, mode: 0o755 };
        let commit = Request::Commit { until_ms: 0 };
        let refused = exchange(&[Request::Begin { hold }, directory, commit]);
        assert_eq!(refused, Some(Code::Protocol), "{path:?}");
    }
    drop(ask);
    helper.wait().unwrap();
}
