use super::super::read::{Reader, tests::Pieces};
use super::*;
use futures_util::StreamExt;
use proptest::prelude::*;
use std::io::Write;
use std::time::Duration;

/// As tar headers have it: without the leading slash, and empty for the root.
fn tar_name(path: &ContainerPath) -> &[u8] {
    &path.as_bytes()[1..]
}

fn entry(name: &[u8], content: Content) -> Entry {
    let to = ContainerPath::new([b"/", name].concat()).unwrap();
    Entry {
        name: tar_name(&to).to_vec(),
        to,
        mode: 0o751,
        modified: UNIX_EPOCH + Duration::new(1_700_000_000, 5),
        uid: 1000,
        gid: 33,
        content,
    }
}

async fn written(entries: Vec<Entry>) -> (Vec<u8>, bool, StreamReport) {
    let (stream, story) = stream(entries);
    let mut stream = std::pin::pin!(stream);
    let mut all = Vec::new();
    let mut cut = false;
    while let Some(piece) = stream.next().await {
        if let Ok(piece) = piece {
            all.extend_from_slice(&piece);
        } else {
            cut = true;
            break;
        }
    }
    let story = std::mem::take(&mut *story.lock().unwrap());
    (all, cut, story)
}

#[tokio::test]
async fn a_file_that_vanished_is_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let gone = HostPath::new(folder.path().join("gone")).unwrap();
    let (archive, cut, story) = written(vec![
        entry(b"gone", Content::File(gone.into())),
        entry(b"a", Content::Bytes(Bytes::from_static(b"x"))),
    ])
    .await;
    assert!(!cut && story.whole);
    assert_eq!(story.vanished[0].to_string(), "/gone");
    let mut names = Vec::new();
    for member in tar::Archive::new(archive.as_slice()).entries().unwrap() {
        names.push(member.unwrap().path().unwrap().into_owned());
    }
    assert_eq!(names, [std::path::PathBuf::from("a")]);
}

#[tokio::test]
async fn a_file_that_shrinks_cuts_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(3 * PIECE as u64).unwrap();
    let (stream, story) = stream(vec![entry(
        b"big",
        Content::File(HostPath::new(&path).unwrap().into()),
    )]);
    let mut stream = std::pin::pin!(stream);
    assert!(stream.next().await.unwrap().is_ok());
    file.set_len(10).unwrap();
    let mut last = stream.next().await;
    while let Some(Ok(_)) = last {
        last = stream.next().await;
    }
    assert!(last.unwrap().is_err(), "a short file must never look whole");
    let story = story.lock().unwrap();
    assert!(!story.whole);
    assert_eq!(story.shrunk.as_ref().unwrap().to_string(), "/big");
}

#[tokio::test]
async fn a_file_that_was_replaced_meanwhile_cuts_the_stream_unless_it_is_to_be_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big");
    for to_the_end in [false, true] {
        std::fs::write(&path, vec![1; 4 << 20]).unwrap();
        let mut source = Source::from(HostPath::new(&path).unwrap());
        if to_the_end {
            source = source.to_the_end();
        }
        let (stream, story) = stream(vec![entry(b"big", Content::File(source))]);
        let mut stream = std::pin::pin!(stream);
        assert!(stream.next().await.unwrap().is_ok());
        std::fs::write(folder.path().join("new"), vec![2; 4 << 20]).unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        let mut last = stream.next().await;
        while let Some(Ok(_)) = last {
            last = stream.next().await;
        }
        let story = story.lock().unwrap();
        assert_eq!((last.is_none(), story.whole), (to_the_end, to_the_end));
        assert_eq!(story.changed.is_some(), !to_the_end);
    }
}

#[tokio::test]
async fn a_file_that_grows_is_cut_to_the_size_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&vec![b'a'; 2 * PIECE]).unwrap();
    let (stream, story) = stream(vec![
        entry(b"log", Content::File(HostPath::new(&path).unwrap().into())),
        entry(b"after", Content::Bytes(Bytes::from_static(b"whole"))),
    ]);
    let mut stream = std::pin::pin!(stream);
    let mut archive = stream.next().await.unwrap().unwrap().to_vec();
    file.write_all(b"more").unwrap();
    while let Some(piece) = stream.next().await {
        archive.extend_from_slice(&piece.unwrap());
    }
    let sizes: Vec<u64> = tar::Archive::new(archive.as_slice())
        .entries()
        .unwrap()
        .map(|member| member.unwrap().size())
        .collect();
    assert_eq!(sizes, [2 * PIECE as u64, 5]);
    let story = story.lock().unwrap();
    assert!(story.whole);
    assert_eq!(story.grown[0].to_string(), "/log");
}

proptest! {
    #[test]
    fn every_name_owner_and_time_survives(
        name in prop::collection::vec(1u8..=255, 1..300),
        target in prop::collection::vec(1u8..=255, 1..300),
        uid in 0u64..1 << 32,
        seconds in -5_000_000_000i64..50_000_000_000,
    ) {
        let Some(to) = ContainerPath::new([b"/", name.as_slice()].concat()) else { return Ok(()) };
        prop_assume!(!tar_name(&to).is_empty());
        let mut written_entry = entry(tar_name(&to), Content::Link(target.clone()));
        written_entry.uid = uid;
        let offset = Duration::from_secs(seconds.unsigned_abs());
        written_entry.modified = if seconds < 0 { UNIX_EPOCH - offset } else { UNIX_EPOCH + offset };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (archive, _, story) = written(vec![written_entry]).await;
            assert!(story.whole);
            let pieces = Pieces([Bytes::from(archive)].into());
            let member = Reader::new(pieces).next().await.unwrap().unwrap();
            assert_eq!(member.name, tar_name(&to));
            assert_eq!(member.link, target);
            assert_eq!((member.uid, member.gid, member.mode), (uid, 33, 0o751));
        });
    }
}
