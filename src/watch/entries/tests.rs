use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::watch::Kind;

type Map = BTreeMap<HostPath, Entry>;

fn entry(len: u64) -> Entry {
    Entry::of(Kind::File { len })
}

/// Paths that are near each other: names that begin alike, and such as sort before and after a slash.
fn paths() -> impl Strategy<Value = HostPath> {
    prop_oneof![
        9 => "(/[a!.-]{1,2}){1,4}".prop_map(|path| HostPath::new(path).unwrap()),
        1 => Just(HostPath::new("/").unwrap()),
    ]
}

fn maps() -> impl Strategy<Value = Map> {
    prop::collection::btree_map(paths(), (0..3_u64).prop_map(entry), 0..40)
}

fn table(map: &Map) -> Arc<Entries> {
    let all = map
        .iter()
        .map(|(path, entry)| (path.clone(), entry.clone()));
    Arc::new(all.collect())
}

fn owned<'a>(all: impl Iterator<Item = (HostPath, &'a Entry)>) -> Vec<(HostPath, Entry)> {
    all.map(|(path, entry)| (path, entry.clone())).collect()
}

proptest! {
    #[test]
    fn a_table_answers_as_a_map_does(map in maps(), asked in paths()) {
        let table = table(&map);
        prop_assert_eq!(table.get(&asked), map.get(&asked));
        for path in map.keys() {
            prop_assert_eq!(table.get(path), map.get(path));
        }
        let all: Vec<_> = map.clone().into_iter().collect();
        prop_assert_eq!(owned(table.iter()), all.clone());
        let below = all.into_iter().filter(|(path, _)| path.below(&asked).is_some());
        prop_assert_eq!(owned(table.below(&asked)), below.collect::<Vec<_>>());
    }

    #[test]
    fn a_table_that_is_made_of_parts_is_the_same(map in maps()) {
        let mut builder = EntriesBuilder::default();
        let below = |name: &str| {
            let root = HostPath::new("/").unwrap().join(name);
            let all = map.iter().filter(move |(path, _)| path.below(&root).is_some_and(|it| !it.as_os_str().is_empty()));
            all.map(|(path, entry)| (path.clone(), entry.clone()))
        };
        for (path, entry) in &map {
            let (_, name) = path.parts();
            if path.as_path().components().count() <= 2 {
                builder.push(path, entry.clone());
            }
            if path.as_path().components().count() == 2 {
                builder.append(below(&name.to_string_lossy()).collect());
            }
        }
        let is_there = |path: &HostPath| {
            let mut above = std::iter::successors(Some(path.clone()), HostPath::parent);
            let top = above.find(|it| it.as_path().components().count() <= 2);
            top.is_some_and(|top| map.contains_key(&top))
        };
        let all = map.clone().into_iter().filter(|(path, _)| is_there(path));
        prop_assert_eq!(owned(builder.done().iter()), all.collect::<Vec<_>>());
    }

    #[test]
    fn two_tables_differ_where_their_maps_do(before in maps(), changed in maps(), gone in maps()) {
        let mut now = before.clone();
        now.retain(|path, _| !gone.contains_key(path));
        now.extend(changed);
        let all: BTreeSet<&HostPath> = before.keys().chain(now.keys()).collect();
        let differ = all.into_iter().filter(|path| before.get(*path) != now.get(*path));
        let differ: Vec<HostPath> = differ.cloned().collect();
        let (before, now) = (table(&before), table(&now));
        prop_assert_eq!(&*now.differences(&before), &differ[..]);
        // The second who asks is told the same.
        prop_assert_eq!(&*now.differences(&before), &differ[..]);
    }

    #[test]
    fn a_narrowed_table_is_made_once_for_all_by_the_same_rules(map in maps(), root in paths()) {
        let whole = table(&map);
        let keep = |path: &HostPath| path.below(&root).is_none();
        let narrowed = whole.narrowed(1, keep);
        let left = map.into_iter().filter(|(path, _)| keep(path));
        prop_assert_eq!(owned(narrowed.iter()), left.collect::<Vec<_>>());
        let again = whole.narrowed(1, |_| unreachable!("it is known"));
        prop_assert!(Arc::ptr_eq(&narrowed, &again));
        let others = whole.narrowed(2, |_| true);
        prop_assert!(Arc::ptr_eq(&whole, &others));
    }
}
