//! What the container has, as the host would see it.

use crate::place::{Pipes, Place, bytes, put, terms};
use docker_liveupdate::helper::{Entry, Error, Kind, Link, Sought, Wanted};
use docker_liveupdate::protocol::VERSION;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use tokio::io::AsyncWriteExt as _;
use xxhash_rust::xxh3::xxh3_128;

/// Nothing is longer than this.
const ANY: Sought = Sought::File { most: 1 << 40 };

async fn entries(
    link: &mut Pipes,
    wanted: impl IntoIterator<Item = Vec<u8>>,
    sought: Sought,
) -> BTreeMap<Vec<u8>, Entry> {
    let mut entries = BTreeMap::new();
    let wanted = wanted.into_iter().map(|path| Wanted { path, sought });
    let wanted: Vec<Wanted> = wanted.collect();
    link.inventory(&wanted, |entry| {
        let path = match &entry {
            Entry::Found(found) => found.path.clone(),
            Entry::Unreadable { path, .. } => path.clone(),
        };
        assert!(entries.insert(path, entry).is_none(), "described once");
    })
    .await
    .unwrap();
    entries
}

#[tokio::test]
async fn a_tree_is_described_with_the_hashes_the_host_computes() {
    let place = Place::new();
    let contents = [
        ("empty", Vec::new()),
        ("small", b"small".to_vec()),
        ("d/large", vec![b'x'; 300_000]),
        ("d/e/exactly", vec![b'y'; 65_536]),
    ];
    for (name, content) in &contents {
        place.container(name, content);
    }
    fs::set_permissions(place.path("app/small"), fs::Permissions::from_mode(0o750)).unwrap();
    symlink("d/large", place.path("app/link")).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(place.path("app/fifo"))
            .status()
            .unwrap()
            .success()
    );
    let (mut link, _helper) = place.serve().await;
    let app = bytes(&place.path("app"));
    let names = [
        "empty",
        "small",
        "d",
        "d/large",
        "d/e",
        "d/e/exactly",
        "link",
        "fifo",
    ];
    let wanted = names.iter().map(|name| place.target(name)).chain([app]);
    let entries = entries(&mut link, wanted, ANY).await;
    assert_eq!(entries.len(), 9);
    for (name, content) in &contents {
        let Entry::Found(found) = &entries[&place.target(name)] else {
            panic!("{name}")
        };
        assert_eq!(
            (found.kind, found.size, found.hash),
            (Kind::File, content.len() as u64, xxh3_128(content)),
            "{name}"
        );
    }
    let mut lines: Vec<String> = entries
        .iter()
        .map(|(path, entry)| {
            let name = String::from_utf8_lossy(&path[place.target("").len() - 1..]);
            match entry {
                Entry::Found(found) => format!(
                    "{name} {:?} {:o} {} {}",
                    found.kind,
                    found.mode,
                    found.size,
                    String::from_utf8_lossy(&found.target)
                ),
                Entry::Unreadable { text, .. } => format!("{name} {text}"),
            }
        })
        .collect();
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"), @r"
     Directory 755 0 
    /d Directory 755 0 
    /d/e Directory 755 0 
    /d/e/exactly File 644 65536 
    /d/large File 644 300000 
    /empty File 644 0 
    /fifo Other 644 0 
    /link Symlink 777 0 d/large
    /small File 750 5 
    ");
}

#[tokio::test]
async fn exact_paths_are_described_and_a_missing_one_does_not_end_it() {
    let place = Place::new();
    place.container("d/f", "f");
    let (mut link, _helper) = place.serve().await;
    let wanted = ["gone", "d", "d/f", "d/f/below"].map(|name| place.target(name));
    let entries = entries(&mut link, wanted, Sought::Anything).await;
    let found = |name: &str| match &entries[&place.target(name)] {
        Entry::Found(found) => format!("{:?} {} {}", found.kind, found.size, found.hash),
        Entry::Unreadable { errno, text, .. } => format!("{errno} {text}"),
    };
    assert_eq!(found("gone"), "2 no such file or directory");
    assert_eq!(found("d"), "Directory 0 0");
    assert_eq!(found("d/f"), "File 1 0");
    assert_eq!(found("d/f/below"), "20 not a directory");
}

#[tokio::test]
async fn a_hundred_thousand_questions_do_not_block_their_own_answers() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let wanted: Vec<Vec<u8>> = (0..100_000)
        .map(|number| place.target(&format!("missing/{number}")))
        .collect();
    assert_eq!(entries(&mut link, wanted, ANY).await.len(), 100_000);
    link.apply(&put([])).await.unwrap();
}

#[tokio::test]
async fn another_versions_helper_is_told_apart() {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let (reader, writer) = tokio::io::split(ours);
    let (_, mut old) = tokio::io::split(theirs);
    let mut frame = vec![25, 0, 0, 0, 1, 8, 0, 0, 0];
    frame.extend(b"liveupd\n");
    for field in [99_u32, 0, 1] {
        frame.extend(field.to_le_bytes());
    }
    old.write_all(&frame).await.unwrap();
    let error = Link::open(reader, writer, &terms()).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Version {
                theirs: 99,
                ours: VERSION
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn the_engines_words_are_shown_when_it_could_not_start_the_helper() {
    let words =
        "OCI runtime exec failed: exec: \"/.liveupdate/helper\": permission denied: unknown\r\n";
    let error = Link::open(words.as_bytes(), tokio::io::sink(), &terms())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the helper did not start in the container: {}",
            words.trim()
        )
    );
    let error = Link::open(&b""[..], tokio::io::sink(), &terms())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
}
