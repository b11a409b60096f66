use proptest::prelude::*;

use super::*;

/// What is to happen, by a clock that is a number of milliseconds. Commands and restarts take the times that the story says.
struct Story {
    start: Instant,
    calm: Calm,
    /// When a restart was begun.
    restarts: Vec<u64>,
    /// How long one takes.
    takes: u64,
    waits: Option<u64>,
}

impl Story {
    fn new() -> Self {
        Self::with_restarts_of(5)
    }

    fn with_restarts_of(takes: u64) -> Self {
        Self {
            start: Instant::now(),
            calm: Calm::default(),
            restarts: Vec::new(),
            takes,
            waits: None,
        }
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.start).as_micros().div_ceil(1000)).unwrap()
    }

    /// As a worker does: a restart when nothing holds it back, otherwise another look when that may be over.
    fn try_restart(&mut self, millis: u64) {
        let now = self.at(millis);
        if let Some((_, until)) = self.calm.held(now) {
            assert!(until > now);
            self.waits = Some(self.millis(until));
            return;
        }
        self.waits = None;
        self.restarts.push(millis);
        let ended = self.at(millis + self.takes);
        self.calm.restarted(now, ended);
        self.calm.acted();
    }

    fn until(&mut self, millis: u64) {
        while let Some(due) = self.waits.filter(|due| *due <= millis) {
            self.try_restart(due);
        }
    }

    /// A batch of these paths at once.
    fn batch(&mut self, millis: u64, paths: &[String]) -> &mut Self {
        self.until(millis);
        let paths: Vec<HostPath> = paths
            .iter()
            .map(|path| HostPath::new(path).unwrap())
            .collect();
        let at = self.at(millis);
        self.calm.batch(paths.iter(), at, at);
        self.try_restart(millis);
        self
    }

    fn save(&mut self, millis: u64, path: &str) -> &mut Self {
        self.batch(millis, &[format!("/p/{path}")])
    }

    fn end(&mut self) -> Vec<u64> {
        self.until(u64::MAX);
        self.restarts.clone()
    }
}

fn five(number: u64) -> Vec<String> {
    (0..5).map(|file| format!("/p/{number}/{file}")).collect()
}

#[test]
fn a_single_save_goes_at_once() {
    assert_eq!(Story::new().save(7, "a").end(), [7]);
    // Also soon after a burst.
    let mut story = Story::new();
    for number in 0..40 {
        story.batch(number * 50, &five(number));
    }
    story.save(3_000, "a");
    assert_eq!(story.end().last(), Some(&3_000));
    let mut story = Story::new();
    for millis in [0, 300, 1400] {
        story.save(millis, "a").save(millis + 160, "b");
    }
    assert_eq!(story.end(), [0, 160, 300, 460, 1400, 1560]);
}

#[test]
fn a_few_files_saved_together_go_at_once() {
    let mut story = Story::with_restarts_of(0);
    story
        .save(0, "a")
        .batch(20, &["/p/b".into(), "/p/c".into()]);
    assert_eq!(story.end()[0], 0);
    assert!(story.end()[1] <= 50, "{:?}", story.end());
}

#[test]
fn what_an_agent_writes_is_at_most_three_restarts() {
    // The last with the pauses of a busy machine.
    for pauses in [
        &[50][..],
        &[10],
        &[20, 80],
        &[50, 50, 50, 50, 50, 140],
        &[60, 60, 60, 400],
    ] {
        for takes in [5, 250] {
            let mut story = Story::with_restarts_of(takes);
            let mut millis = 0;
            for number in 0..40 {
                story.batch(millis, &five(number));
                millis += pauses[usize::try_from(number).unwrap() % pauses.len()];
            }
            let restarts = story.end();
            assert!(restarts.len() <= 3, "{pauses:?}: {restarts:?}");
            assert!(restarts.last().is_some_and(|last| *last <= millis + 1000));
        }
    }
}

#[test]
fn one_file_each_ten_milliseconds_is_few_restarts() {
    let mut story = Story::new();
    for number in 0..200 {
        story.save(number * 10, &number.to_string());
    }
    assert_eq!(story.end().len(), 3);
}

#[test]
fn a_chatty_file_holds_back_nobody() {
    let mut story = Story::new();
    for millis in (0..6000).step_by(10) {
        story.save(millis, "log");
    }
    let restarts = story.end();
    // Ever less often, and once a second at last: the process has the time to start.
    let pauses: Vec<u64> = restarts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.is_sorted() || pauses[..7].is_sorted(), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= 1010), "{pauses:?}");
    assert!(restarts.len() < 13, "{restarts:?}");
    let mut story = Story::new();
    for millis in (0..3000).step_by(10) {
        let at = story.at(millis);
        story
            .calm
            .batch([HostPath::new("/p/log").unwrap()].iter(), at, at);
        if millis == 1500 {
            story.save(millis, "a");
        }
    }
    assert!(story.end()[0] <= 1600, "{:?}", story.end());
}

#[test]
fn ever_new_files_are_restarts_all_the_same() {
    let mut story = Story::new();
    for number in 0..3000 {
        story.batch(number * 10, &five(number));
    }
    let restarts = story.end();
    assert!(restarts.len() <= 5, "{restarts:?}");
    let longest = restarts.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert!(longest.unwrap() <= 10_010, "{restarts:?}");
}

#[test]
fn no_restart_begins_before_the_last_one_had_the_time_it_took() {
    let mut story = Story::with_restarts_of(300);
    story.save(0, "a").save(310, "a");
    assert_eq!(story.end(), [0, 600]);
    // A process that had to be killed is no reason to wait for as long again.
    let mut story = Story::with_restarts_of(10_000);
    story.save(0, "a").save(10_100, "a");
    assert_eq!(story.end(), [0, 11_000]);
}

proptest! {
    #[test]
    fn every_batch_has_its_restart_within_the_bound_and_none_comes_too_early(
        batches in prop::collection::vec((0u64..600, 0u8..9, 1u8..6), 1..120),
        takes in 0u64..400,
    ) {
        let mut story = Story::with_restarts_of(takes);
        let mut millis = 0;
        let mut owed: Option<u64> = None;
        for (pause, first, count) in batches {
            millis += pause;
            // The worker is busy while it restarts.
            millis = millis.max(story.restarts.last().map_or(0, |last| last + takes));
            let paths: Vec<String> = (first..first + count).map(|path| format!("/p/{path}")).collect();
            let before = story.restarts.len();
            story.batch(millis, &paths);
            owed = owed.filter(|_| story.restarts.len() == before);
            owed = story.waits.map(|_| owed.unwrap_or(millis));
            if let Some(since) = owed {
                prop_assert!(story.waits.is_some_and(|until| until <= since + 10_001));
            }
        }
        let restarts = story.end();
        prop_assert!(restarts.last().is_some_and(|last| *last + 1 >= millis));
        for pair in restarts.windows(2) {
            prop_assert!(pair[1] >= pair[0] + takes + takes.min(1000), "{:?}", story.restarts);
        }
    }
}
