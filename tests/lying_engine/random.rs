//! As many lies as there is time for, the same for one seed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::timeout;

use crate::answers::honest;
use crate::clock::Clock;
use crate::liar::{Act, Liar};
use crate::lies::lie;
use crate::verbs::{Verb, call, connect};

/// xorshift64*
pub struct Random(u64);

impl Random {
    fn new(seed: u64, case: u64) -> Self {
        let mut random = Self((seed ^ case.wrapping_mul(0x9E37_79B9_7F4A_7C15)).max(1));
        for _ in 0..4 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// One of `0..bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from((self.next() >> 11) % bound.max(1) as u64).unwrap()
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Any.
    pub fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    /// At most so many, half of them from what HTTP and JSON are made of.
    pub fn bytes(&mut self, most: usize) -> Vec<u8> {
        let words = b"HTTP/1.1 200 OK\r\n\r\n{}[]\":,0123456789";
        let count = 1 + self.below(most);
        let byte = |_| match self.below(2) {
            0 => *self.pick(words),
            _ => self.byte(),
        };
        (0..count).map(byte).collect()
    }
}

/// No verb takes longer, by the clock that runs ahead: each of its requests has minutes at most.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Cases of each test here, where nobody says how many.
const CASES: u64 = 800;

/// What the process may have needed when all is over, in KiB: a list of 2 MiB with the least that an entry can be.
#[cfg(target_os = "linux")]
const MEMORY: u64 = 600 * 1024;

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// A setting from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Lies to these verbs, one after the other.
async fn lies_to(verbs: &[Verb]) {
    // The tasks of the connections are not awaited by anybody who would tell of a panic.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        hook(info);
    }));
    let _clock = Clock::start(Duration::from_secs(2));
    let seed = setting("LYING_ENGINE_SEED", 1);
    let first = setting("LYING_ENGINE_FROM", 0);
    for case in first..first + setting("LYING_ENGINE_CASES", CASES) {
        let random = Arc::new(Mutex::new(Random::new(seed, case)));
        let verb = *random.lock().unwrap().pick(verbs);
        let told = Arc::new(Mutex::new(Vec::new()));
        let tells = Arc::clone(&told);
        let liar = Liar::new(move |asked| {
            let mut random = random.lock().unwrap();
            let spared = asked.path == "/version" && verb != Verb::Connect;
            if spared || random.below(5) < 2 {
                return honest(asked);
            }
            let lie = lie(asked, &mut random);
            let first: Vec<String> = lie.iter().map(short).collect();
            let mut tells = tells.lock().unwrap();
            tells.push(format!(
                "{} {}: {}",
                asked.method,
                asked.path,
                first.join(", ")
            ));
            lie
        });
        let whole = async { call(&connect(&liar).await?, verb).await };
        let ended = timeout(DAY, whole).await.is_ok();
        let told = told.lock().unwrap().join("\n");
        assert!(ended, "case {case}: {verb:?} did not end after\n{told}");
        let panics = PANICS.load(Ordering::Relaxed);
        assert_eq!(panics, 0, "case {case}: {verb:?} after\n{told}");
        #[cfg(target_os = "linux")]
        assert!(
            peak() < MEMORY,
            "case {case}: {verb:?}: {} KiB after\n{told}",
            peak()
        );
    }
}

/// What was done, for somebody who reads of a failure.
fn short(act: &Act) -> String {
    let mut text = format!("{act:?}");
    if let Act::Say(bytes) | Act::Repeat(bytes, _) = act {
        text = String::from_utf8_lossy(bytes).into_owned();
    }
    text.chars().take(200).collect()
}

/// The most memory that this process had, in KiB.
#[cfg(target_os = "linux")]
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn short_answers() {
    lies_to(&[
        Verb::Connect,
        Verb::Containers,
        Verb::Image,
        Verb::Signal,
        Verb::Start,
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn archives() {
    lies_to(&[Verb::Apply, Verb::ApplyMany, Verb::Fingerprints]).await;
}

#[tokio::test(start_paused = true)]
async fn commands_and_restarts() {
    lies_to(&[Verb::Run, Verb::Restart, Verb::ApplyMany]).await;
}

#[tokio::test(start_paused = true)]
async fn streams() {
    lies_to(&[Verb::Logs, Verb::Events]).await;
}
