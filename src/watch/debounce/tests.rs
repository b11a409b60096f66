use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// A debouncer whose clock is a number of microseconds.
struct Story {
    start: Instant,
    debouncer: Debouncer,
}

impl Story {
    fn new() -> Self {
        Self::with(Quiet::default())
    }

    fn with(quiet: Quiet) -> Self {
        Self {
            start: Instant::now(),
            debouncer: Debouncer::new(quiet),
        }
    }

    fn at(&self, micros: u64) -> Instant {
        self.start + Duration::from_micros(micros)
    }

    fn touch(&mut self, micros: u64, path: &str, stage: Stage) -> &mut Self {
        let touch = Touch {
            path: HostPath::new(path).unwrap(),
            at: self.at(micros),
            stage,
        };
        self.debouncer.touch(&touch);
        self
    }

    /// The batch that is due next, and when.
    fn next(&mut self) -> Option<(u128, Vec<String>)> {
        loop {
            let deadline = self.debouncer.deadline()?;
            if let Some(batch) = self.debouncer.take(deadline) {
                let paths = batch.paths.iter().map(HostPath::to_string);
                let fleeting = batch.fleeting.iter().map(|path| format!("({path})"));
                return Some((
                    deadline.duration_since(self.start).as_micros(),
                    paths.chain(fleeting).collect(),
                ));
            }
        }
    }
}

fn batch(micros: u128, paths: &[&str]) -> (u128, Vec<String>) {
    (micros, paths.iter().map(ToString::to_string).collect())
}

#[test]
fn no_touch_no_batch() {
    let story = Story::new();
    assert_eq!(story.debouncer.deadline(), None);
    assert!(story.debouncer.is_empty());
}

#[test]
fn one_finished_save_is_a_batch_at_once() {
    let mut story = Story::new();
    story
        .touch(0, "/p/a", Stage::Writing)
        .touch(300, "/p/a", Stage::Complete);
    assert_eq!(story.next().unwrap(), batch(1300, &["/p/a"]));
    assert_eq!(story.next(), None);
}

#[test]
fn an_atomic_save_through_a_temporary_file_is_one_save() {
    let mut story = Story::new();
    story
        .touch(0, "/p/a.tmp", Stage::Created)
        .touch(50, "/p/a.tmp", Stage::Writing)
        .touch(100, "/p/a.tmp", Stage::Complete)
        .touch(150, "/p/a.tmp", Stage::Gone)
        .touch(150, "/p/a", Stage::Complete);
    assert_eq!(story.next().unwrap(), batch(1150, &["/p/a", "(/p/a.tmp)"]));
    assert_eq!(story.next(), None);
}

#[test]
fn a_save_that_moves_the_old_file_away_first_is_one_save() {
    let mut story = Story::new();
    story
        .touch(0, "/p/a", Stage::Gone)
        .touch(3000, "/p/a", Stage::Created)
        .touch(3100, "/p/a", Stage::Complete);
    assert_eq!(story.next().unwrap(), batch(5000, &["/p/a"]));
}

#[test]
fn a_burst_is_one_batch_sorted_with_each_path_once() {
    let mut story = Story::new();
    for (micros, path) in [
        (0, "/p/d/b"),
        (500, "/p/d"),
        (900, "/p/a"),
        (4000, "/p/d/b"),
    ] {
        story.touch(micros, path, Stage::Complete);
    }
    assert_eq!(
        story.next().unwrap(),
        batch(5900, &["/p/a", "/p/d", "/p/d/b"])
    );
}

#[test]
fn the_quiet_time_grows_with_the_burst_up_to_its_caps() {
    let mut story = Story::new();
    let mut longest = 0;
    for index in 0..1800_u64 {
        let now = story.at(index * 500);
        story.touch(index * 500, &format!("/p/{index}"), Stage::Complete);
        let deadline = story.debouncer.deadline().unwrap();
        longest = longest.max(deadline.duration_since(now).as_micros());
        assert!(story.debouncer.take(now).is_none(), "cut into pieces");
    }
    // About an eighth of what the burst has lasted, so that its end does not cost as much as its writing did.
    assert_eq!(longest, 80_000);
}

#[test]
fn a_long_burst_is_cut_after_a_second() {
    let mut story = Story::new();
    for index in 0..500_u64 {
        story.touch(index * 2000, &format!("/p/{index}"), Stage::Complete);
    }
    let (closed, paths) = story.next().unwrap();
    assert_eq!((closed, paths.len()), (1_000_000, 500));
}

#[test]
fn a_chatty_file_never_holds_back_others() {
    let mut story = Story::new();
    story.touch(0, "/p/log", Stage::Complete);
    story.touch(100, "/p/a", Stage::Complete);
    for micros in (200..5000).step_by(200) {
        story.touch(micros, "/p/log", Stage::Complete);
    }
    assert_eq!(story.next().unwrap(), batch(5100, &["/p/a", "/p/log"]));
}

#[test]
fn a_file_that_is_still_being_written_holds_back_nobody_and_waits_for_its_close() {
    let mut story = Story::new();
    story
        .touch(0, "/p/big", Stage::Writing)
        .touch(100, "/p/a", Stage::Complete);
    assert_eq!(story.next().unwrap(), batch(1100, &["/p/a"]));
    story
        .touch(100_000, "/p/big", Stage::Writing)
        .touch(200_000, "/p/big", Stage::Complete);
    assert_eq!(story.next().unwrap(), batch(201_000, &["/p/big"]));
}

#[test]
fn a_file_that_is_never_closed_goes_after_a_silence_and_while_it_grows_at_long_intervals() {
    let mut story = Story::new();
    story.touch(0, "/p/log", Stage::Writing);
    let still = u64::try_from(STILL.as_micros()).unwrap();
    assert_eq!(story.next().unwrap(), batch(STILL.as_micros(), &["/p/log"]));
    for begun in [10_000_000, 40_000_000] {
        for micros in (begun..begun + 30_000_000).step_by(10_000) {
            story.touch(micros, "/p/log", Stage::Writing);
            assert!(story.debouncer.take(story.at(micros)).is_none());
        }
        let end = u128::from(begun) + 30_000_000;
        assert_eq!(story.next().unwrap(), batch(end, &["/p/log"]));
    }
    story.touch(80_000_000, "/p/log", Stage::Writing);
    let end = u128::from(80_000_000 + still);
    assert_eq!(story.next().unwrap(), batch(end, &["/p/log"]));
}

#[test]
fn a_file_that_is_written_for_seconds_goes_once_when_it_is_closed() {
    let mut story = Story::new();
    story.touch(0, "/p/big", Stage::Created);
    for micros in (0..8_000_000).step_by(20_000) {
        story.touch(micros, "/p/big", Stage::Writing);
        assert!(story.debouncer.take(story.at(micros)).is_none());
    }
    story.touch(8_000_000, "/p/big", Stage::Complete);
    assert_eq!(story.next().unwrap(), batch(8_001_000, &["/p/big"]));
    assert_eq!(story.next(), None);
}

#[test]
fn an_editor_s_probe_comes_and_goes_and_a_file_of_its_name_that_stays_is_a_file() {
    let mut story = Story::new();
    // On a busy machine the two halves of it are far apart.
    story
        .touch(0, "/p/4913", Stage::Created)
        .touch(10, "/p/4913", Stage::Complete)
        .touch(20_000, "/p/a", Stage::Complete);
    assert_eq!(story.next().unwrap(), batch(21_000, &["/p/a"]));
    story.touch(300_000, "/p/4913", Stage::Gone);
    assert_eq!(story.next().unwrap().1, ["(/p/4913)"]);
    story
        .touch(1_000_000, "/p/4913", Stage::Created)
        .touch(1_000_010, "/p/4913", Stage::Complete);
    assert_eq!(story.next().unwrap(), batch(1_500_010, &["/p/4913"]));
    story.touch(2_000_000, "/p/4913", Stage::Gone);
    assert_eq!(story.next().unwrap(), batch(2_005_000, &["/p/4913"]));
}

#[test]
fn a_file_written_again_before_the_batch_closes_goes_with_its_next_close() {
    let mut story = Story::new();
    story
        .touch(0, "/p/a", Stage::Complete)
        .touch(500, "/p/a", Stage::Writing);
    story.touch(9000, "/p/a", Stage::Complete);
    assert!(
        story
            .debouncer
            .take(story.at(9000))
            .is_some_and(|batch| batch.paths.len() == 1)
    );
    assert_eq!(story.next(), None);
}

#[test]
fn a_file_the_last_batch_told_of_is_never_fleeting() {
    let mut story = Story::new();
    story.touch(0, "/p/a", Stage::Complete);
    assert_eq!(story.next().unwrap(), batch(1000, &["/p/a"]));
    // The event of its creation comes late.
    story
        .touch(1500, "/p/a", Stage::Created)
        .touch(1600, "/p/a", Stage::Gone);
    assert_eq!(story.next().unwrap(), batch(6600, &["/p/a"]));
}

#[test]
fn debounce_replaces_the_adaptive_quiet_time() {
    let mut story = Story::with(Quiet {
        debounce: Some(Duration::from_millis(40)),
    });
    story
        .touch(0, "/p/a", Stage::Complete)
        .touch(30_000, "/p/b", Stage::Complete)
        .touch(35_000, "/p/b", Stage::Complete);
    assert_eq!(story.next().unwrap(), batch(70_000, &["/p/a", "/p/b"]));
}

#[test]
fn a_burst_with_debounce_ends_when_it_is_quiet_however_long_it_takes() {
    let mut story = Story::with(Quiet {
        debounce: Some(Duration::from_millis(300)),
    });
    for index in 0..500_u64 {
        story.touch(index * 10_000, &format!("/p/{index}"), Stage::Complete);
    }
    let (closed, paths) = story.next().unwrap();
    assert_eq!((closed, paths.len()), (4_990_000 + 300_000, 500));
    // One that never ends is applied after a minute.
    for index in 0..8000_u64 {
        story.touch(
            10_000_000 + index * 10_000,
            &format!("/p/f{index}"),
            Stage::Complete,
        );
    }
    assert_eq!(story.next().unwrap().0, 70_000_000);
}

#[test]
fn a_batch_tells_when_its_first_and_last_finished_paths_were_touched() {
    let mut story = Story::new();
    story
        .touch(0, "/p/log", Stage::Writing)
        .touch(100, "/p/a", Stage::Complete)
        .touch(2000, "/p/b", Stage::Complete)
        .touch(3000, "/p/a", Stage::Complete);
    let span = story.debouncer.take(story.at(7000)).unwrap().span;
    assert_eq!(span, Some((story.at(100), story.at(2000))));
    let alone = story.debouncer.take(story.at(1_900_000)).unwrap();
    assert_eq!((alone.paths.len(), alone.span), (1, None));
}

fn stage() -> impl Strategy<Value = Stage> {
    prop_oneof![
        Just(Stage::Created),
        Just(Stage::Writing),
        Just(Stage::Complete),
        Just(Stage::Gone),
        Just(Stage::Renewed)
    ]
}

proptest! {
    #[test]
    fn every_touched_path_is_in_exactly_one_of_the_next_batches_within_the_caps(
        touches in prop::collection::vec((0u64..400_000, 0u8..12, stage()), 1..80),
        debounce in prop::option::of(0u64..300),
    ) {
        let debounce = debounce.map(Duration::from_millis);
        let mut story = Story::with(Quiet { debounce });
        let mut waiting: BTreeMap<String, Instant> = BTreeMap::new();
        let mut micros = 0;
        let longest = STILL.max(debounce.unwrap_or_default());
        let longest_wait = OPEN + debounce.map_or(IN_ALL, |_| IN_ALL_DEBOUNCED);
        let collect = |story: &mut Story, waiting: &mut BTreeMap<String, Instant>, now: Instant| {
            while let Some(deadline) = story.debouncer.deadline().filter(|due| *due <= now) {
                let Some(batch) = story.debouncer.take(deadline) else { continue };
                let all: Vec<String> = batch.paths.iter().chain(&batch.fleeting).map(HostPath::to_string).collect();
                let each: BTreeSet<&String> = all.iter().collect();
                prop_assert_eq!(each.len(), all.len());
                prop_assert!(batch.paths.is_sorted());
                for path in &all {
                    let first = waiting.remove(path);
                    prop_assert!(first.is_some(), "{} was not touched", path);
                    prop_assert!(deadline - first.unwrap() <= longest_wait, "{} waited too long", path);
                }
            }
            Ok(())
        };
        for (pause, path, stage) in touches {
            micros += pause;
            let now = story.at(micros);
            collect(&mut story, &mut waiting, now)?;
            let path = format!("/p/{path}");
            story.touch(micros, &path, stage);
            waiting.entry(path).or_insert(now);
            let deadline = story.debouncer.deadline();
            prop_assert!(deadline.is_some_and(|due| due <= now + longest));
        }
        let end = story.at(micros) + 2 * longest_wait;
        collect(&mut story, &mut waiting, end)?;
        prop_assert!(waiting.is_empty(), "lost: {:?}", waiting);
        prop_assert_eq!(story.debouncer.deadline(), None);
        prop_assert!(story.debouncer.is_empty());
    }
}
