//! What the container has, as the host would see it.

use crate::place::{Bring as _, Pipes, Place, bytes, put, terms};
use docker_liveupdate::helper::{Error, Link};
use docker_liveupdate::paths::ContainerPath;
use docker_liveupdate::protocol::VERSION;
use docker_liveupdate::transfer::{Fingerprint, Sought, Wanted};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use tokio::io::AsyncWriteExt as _;
use xxhash_rust::xxh3::xxh3_128;

/// Nothing is longer than this.
const ANY: Sought = Sought::File { most: 1 << 40 };

/// What stands at each path, or why that cannot be said.
type Entries = BTreeMap<ContainerPath, Result<Fingerprint, Error>>;

async fn entries(
    link: &mut Pipes,
    wanted: impl IntoIterator<Item = ContainerPath>,
    sought: Sought,
) -> Entries {
    let mut entries = Entries::new();
    let wanted: Wanted = wanted.into_iter().map(|path| (path, sought)).collect();
    link.inventory(&wanted, |path, print| {
        let before = entries.insert(path.clone(), print);
        assert!(before.is_none(), "described once");
    })
    .await
    .unwrap();
    entries
}

fn text(entry: &Result<Fingerprint, Error>) -> String {
    match entry {
        Ok(Fingerprint::File { mode, hash }) => format!("file {mode:o} {hash:x}"),
        Ok(Fingerprint::Directory { mode }) => format!("directory {mode:o}"),
        Ok(Fingerprint::Link { target }) => format!("link {}", String::from_utf8_lossy(target)),
        Ok(Fingerprint::Other) => "other".to_owned(),
        Err(Error::Refused { errno, text, .. }) => format!("{errno} {text}"),
        Err(error) => error.to_string(),
    }
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
    let app = ContainerPath::new(bytes(&place.path("app"))).unwrap();
    let root = app.to_string();
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
        let mode = if *name == "small" { 0o750 } else { 0o644 };
        let hash = xxh3_128(content);
        let found = entries[&place.target(name)].as_ref().unwrap();
        assert_eq!(*found, Fingerprint::File { mode, hash }, "{name}");
    }
    let described = entries.iter().map(|(path, entry)| {
        let name = path.to_string().replace(&root, "");
        match entry {
            Ok(Fingerprint::File { mode, .. }) => format!("{name} file {mode:o}"),
            other => format!("{name} {}", text(other)),
        }
    });
    let mut lines: Vec<String> = described.collect();
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"), @r"
     directory 755
    /d directory 755
    /d/e directory 755
    /d/e/exactly file 644
    /d/large file 644
    /empty file 644
    /fifo other
    /link link d/large
    /small file 750
    ");
}

#[tokio::test]
async fn exact_paths_are_described_and_a_missing_one_does_not_end_it() {
    let place = Place::new();
    place.container("d/f", "f");
    let (mut link, _helper) = place.serve().await;
    let wanted = ["gone", "d", "d/f", "d/f/below"].map(|name| place.target(name));
    let entries = entries(&mut link, wanted, Sought::Anything).await;
    let found = |name: &str| text(&entries[&place.target(name)]);
    assert_eq!(found("gone"), "2 no such file or directory");
    assert_eq!(found("d"), "directory 755");
    assert_eq!(found("d/f"), "file 644 0");
    assert_eq!(found("d/f/below"), "20 not a directory");
}

#[tokio::test]
async fn a_hundred_thousand_questions_do_not_block_their_own_answers() {
    let place = Place::new();
    let (mut link, _helper) = place.serve().await;
    let wanted: Vec<ContainerPath> = (0..100_000)
        .map(|number| place.target(&format!("missing/{number}")))
        .collect();
    assert_eq!(entries(&mut link, wanted, ANY).await.len(), 100_000);
    link.bring(&put([])).await.unwrap();
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
