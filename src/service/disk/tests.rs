use proptest::prelude::*;

use super::*;
use crate::watch::Inode;

fn path(path: &str) -> HostPath {
    HostPath::new("/p").unwrap().join(path)
}

fn there(name: &str, kind: Kind) -> Change {
    Change::Written(path(name), Entry::of(kind))
}

fn note<const N: usize>(disk: &mut Disk, changes: [Change; N]) -> BTreeSet<HostPath> {
    disk.note(changes, |_| Heard::Written)
}

fn name_of(name: &str, number: u64, names: u32) -> Change {
    let mut file = file(name);
    if let Change::Written(_, entry) = &mut file {
        entry.inode = Inode { number, names };
    }
    file
}

#[test]
fn the_other_names_of_a_file_are_known_also_where_it_had_one_when_it_was_looked_at() {
    let mut disk = Disk::default();
    note(
        &mut disk,
        [name_of("a", 7, 1), name_of("b", 8, 1), name_of("c", 0, 0)],
    );
    note(&mut disk, [name_of("d/a", 7, 2)]);
    let other_names = |disk: &mut Disk, name: &str| {
        let names = disk.other_names([path(name)].iter());
        names.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(other_names(&mut disk, "d/a"), [path("a")]);
    assert!(other_names(&mut disk, "b").is_empty() && other_names(&mut disk, "c").is_empty());
    let told = BTreeSet::from([Inode {
        number: 7,
        names: 2,
    }]);
    assert_eq!(
        disk.named(&told).into_iter().collect::<Vec<_>>(),
        [path("a"), path("d/a")]
    );
    // Saved by a rename, it is a file of its own.
    note(&mut disk, [name_of("a", 9, 1)]);
    assert!(other_names(&mut disk, "d/a").is_empty());
    // A name that came by a rename is found like one that was made.
    note(
        &mut disk,
        [name_of("e", 7, 2), Change::Removed(path("d/a"))],
    );
    note(&mut disk, [name_of("f", 7, 2)]);
    assert_eq!(other_names(&mut disk, "e"), [path("f")]);
}

fn file(name: &str) -> Change {
    there(name, Kind::File { len: 1 })
}

#[test]
fn a_file_that_came_and_went_between_two_looks_is_no_news() {
    let mut disk = Disk::default();
    assert!(note(&mut disk, [Change::Removed(path("a"))]).is_empty());
}

#[test]
fn a_container_of_an_older_image_is_owed_all_that_changed_since() {
    let mut disk = Disk::default();
    note(&mut disk, [file("a"), file("b")]);
    let built = disk.now();
    note(
        &mut disk,
        [file("b"), file("c"), Change::Removed(path("a"))],
    );
    let owed: Vec<_> = disk.changed_since(built).into_iter().collect();
    assert_eq!(owed, [path("a"), path("b"), path("c")]);
}

#[test]
fn a_new_container_of_an_older_image_hears_again_of_what_was_removed() {
    let mut disk = Disk::default();
    note(&mut disk, [there("d", Kind::Directory)]);
    let built = disk.now();
    note(&mut disk, [Change::Removed(path("d"))]);
    assert_eq!(disk.changed_since(built), BTreeSet::from([path("d")]));
    assert_eq!(disk.was_directory(&path("d")), Some(true));
}

#[test]
fn what_a_removed_path_was_is_remembered_until_everybody_knows() {
    let mut disk = Disk::default();
    note(&mut disk, [there("d", Kind::Directory), file("d/f")]);
    note(
        &mut disk,
        [Change::Removed(path("d")), Change::Removed(path("d/f"))],
    );
    assert_eq!(disk.was_directory(&path("d")), Some(true));
    assert_eq!(disk.was_directory(&path("d/f")), Some(false));
}

#[test]
fn an_older_state_is_known_by_its_number_whatever_came_and_went_since() {
    let first = Entries::from_iter([(path("a"), Entry::of(Kind::File { len: 1 }))]);
    let mut disk = Disk::of(vec![Arc::new(first)]);
    let first = disk.now();
    note(&mut disk, [Change::Removed(path("a")), file("b")]);
    let second = disk.now();
    note(&mut disk, [file("a"), Change::Removed(path("b"))]);
    let third = disk.now();
    note(&mut disk, [Change::Removed(path("a")), file("b")]);
    let owed = |then| disk.changed_since(then).into_iter().collect::<Vec<_>>();
    assert_eq!(owed(first), [path("a"), path("b")]);
    // Of `a` that state knew nothing.
    assert_eq!(owed(second), [path("b")]);
    assert_eq!(owed(third), [path("a"), path("b")]);
}

#[test]
fn a_late_event_of_what_is_the_same_alters_nothing() {
    let mut disk = Disk::default();
    note(&mut disk, [file("a")]);
    let built = disk.now();
    assert_eq!(note(&mut disk, [file("a")]), BTreeSet::from([path("a")]));
    assert!(disk.is_as_it_was(&path("a"), built));
    note(&mut disk, [there("a", Kind::File { len: 2 })]);
    assert!(!disk.is_as_it_was(&path("a"), built));
    note(&mut disk, [file("t")]);
    note(&mut disk, [Change::Removed(path("t"))]);
    assert!(disk.is_as_it_was(&path("t"), built));
}

#[test]
fn what_came_and_went_since_the_build_is_news_to_no_container() {
    let mut disk = Disk::default();
    let built = disk.now();
    note(&mut disk, [file("t")]);
    note(&mut disk, [Change::Removed(path("t"))]);
    assert!(disk.changed_since(built).is_empty());
    assert_eq!(disk.gone().collect::<Vec<_>>(), [&path("t")]);
}

#[test]
fn what_a_directory_holds_is_no_news_of_it_and_another_mode_is() {
    let mut disk = Disk::default();
    note(&mut disk, [there("d", Kind::Directory)]);
    assert!(note(&mut disk, [there("d", Kind::Directory)]).is_empty());
    let mut closed = there("d", Kind::Directory);
    if let Change::Written(_, entry) = &mut closed {
        entry.mode = 0o700;
    }
    assert_eq!(disk.chmodded().count(), 0);
    assert_eq!(note(&mut disk, [closed]), BTreeSet::from([path("d")]));
    assert_eq!(disk.was_directory(&path("d")), Some(true));
    assert_eq!(disk.chmodded().collect::<Vec<_>>(), [&path("d")]);
}

#[test]
fn what_was_only_touched_is_no_news_unless_its_content_may_be_another() {
    let mut disk = Disk::default();
    let link = || {
        let target = "t".into();
        there("l", Kind::Link { target })
    };
    note(&mut disk, [file("a"), link()]);
    let mut touched = file("a");
    if let Change::Written(_, entry) = &mut touched {
        entry.modified += std::time::Duration::from_secs(1);
    }
    let attributes = |disk: &mut Disk, change: Change| disk.note([change], |_| Heard::Attributes);
    assert!(attributes(&mut disk, file("a")).is_empty());
    assert_eq!(attributes(&mut disk, touched), BTreeSet::from([path("a")]));
    assert!(disk.doubt(&path("a")) == Doubt::Probably);
    // A write within one step of the clock: the look is the same, the content is not.
    assert_eq!(note(&mut disk, [file("a")]), BTreeSet::from([path("a")]));
    assert_eq!(disk.doubt(&path("a")), Doubt::Perhaps);
    // A link is all that the look says of it; but not of what an image has that was built meanwhile.
    assert!(note(&mut disk, [link()]).is_empty());
    let meanwhile = disk.note([link()], |_| Heard::WhileBuilding);
    assert_eq!(meanwhile, BTreeSet::from([path("l")]));
}

#[test]
fn what_is_another_by_its_length_or_is_new_needs_no_comparison() {
    let long = || there("a", Kind::File { len: 2 });
    let first = Entries::from_iter([(path("a"), Entry::of(Kind::File { len: 1 }))]);
    let mut disk = Disk::of(vec![Arc::new(first)]);
    note(&mut disk, [long(), file("b")]);
    assert_eq!(
        ["a", "b"].map(|name| disk.doubt(&path(name))),
        [Doubt::Another; 2]
    );
    // Back again, before anybody may have got the other.
    note(&mut disk, [file("a")]);
    assert_eq!(disk.doubt(&path("a")), Doubt::Perhaps);
}

#[test]
fn below_means_below_and_not_beside() {
    let mut disk = Disk::default();
    note(&mut disk, [file("d"), file("d-e"), file("d/f"), file("da")]);
    let root = path("d");
    let below: Vec<_> = disk.present_below(&root).map(|(path, _)| path).collect();
    assert_eq!(below, [path("d"), path("d/f")]);
}

type Map = BTreeMap<HostPath, Entry>;

fn maps() -> impl Strategy<Value = Map> {
    let paths = "[ab!](/[ab!]){0,2}".prop_map(|name| path(&name));
    let entries = (0..3_u64).prop_map(|len| Entry::of(Kind::File { len }));
    prop::collection::btree_map(paths, entries, 0..12)
}

proptest! {
    /// Two roots, one within the other's reach, over them what changed since, and another look at both.
    #[test]
    fn what_is_there_and_what_differs_is_what_asking_for_each_path_would_say(
        (first, then) in ([maps(), maps()], [maps(), maps()]), (written, gone) in (maps(), maps())
    ) {
        let table = |map: &Map| Arc::new(map.clone().into_iter().collect::<Entries>());
        let mut disk = Disk::of(first.iter().map(table).collect());
        let written = written.into_iter().map(|(path, entry)| Change::Written(path, entry));
        let gone = gone.into_keys().map(Change::Removed);
        disk.note(written.chain(gone), |_| Heard::Written);
        let all: BTreeSet<HostPath> = first.iter().chain(&then).flat_map(Map::keys).chain(disk.since.keys()).cloned().collect();
        let present = |root: &HostPath| -> Vec<(HostPath, &Entry)> {
            let below = all.iter().filter(|path| path.below(root).is_some());
            below.filter_map(|path| Some((path.clone(), disk.entry(path)?))).collect()
        };
        prop_assert_eq!(disk.present().collect::<Vec<_>>(), present(&path("")));
        for root in &all {
            prop_assert_eq!(disk.present_below(root).collect::<Vec<_>>(), present(root));
        }
        let seen = |path: &HostPath| then.iter().find_map(|map| map.get(path));
        let changes = all.iter().filter_map(|path| {
            let entry = seen(path).filter(|entry| disk.entry(path) != Some(*entry))?;
            Some(Change::Written(path.clone(), entry.clone()))
        });
        let missing = all.iter().filter(|path| disk.has(path) && seen(path).is_none());
        let expected = (changes.collect::<Vec<_>>(), missing.cloned().collect::<Vec<_>>());
        prop_assert_eq!(disk.compare(&then.iter().map(table).collect::<Vec<_>>()), expected);
    }
}
