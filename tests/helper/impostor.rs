//! Whoever stands in the helper's place may say anything: every exchange with it ends, nothing panics, nothing grows. As many
//! cases as `LIVEUPDATE_FUZZ` says (20000); `LIVEUPDATE_FUZZ_SEED` (1) is the seed of the first, and a failure names its own.
//!
//! The clock stands still while anybody has something to do, so that hours of silence cost nothing.

mod host;
mod speech;

#[path = "../adversary/inside/rng.rs"]
mod rng;

use rng::Rng;
use speech::Step;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

/// As much as the link may keep for itself, what the allocator does not give back, and what a single frame may bring.
const KEPT_MIB: u64 = 48;
/// A case that takes so long does not end at all.
const FOR_EVER: Duration = Duration::from_secs(60);

#[test]
fn whatever_an_impostor_says_every_exchange_with_it_ends_and_nothing_grows() {
    let cases = number("LIVEUPDATE_FUZZ", 20_000);
    let first = number("LIVEUPDATE_FUZZ_SEED", 1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let mut before = 0;
    let mut seen = host::Seen::default();
    for case in 0..cases {
        // What is set up once is set up by then.
        if case == cases / 20 {
            before = resident_kib();
        }
        let number = first + case;
        let begun = Instant::now();
        // A panic prints the seed as well.
        let guard = Named(number);
        runtime.block_on(one_case(number, &mut seen));
        std::mem::forget(guard);
        assert!(begun.elapsed() < FOR_EVER, "seed {number}");
    }
    let grown = resident_kib().saturating_sub(before) / 1024;
    println!("{cases} cases: {seen}, {grown} MiB more than after the first ones");
    assert!(
        grown < KEPT_MIB,
        "{grown} MiB more than after the first ones"
    );
    assert!(seen.is_everything(cases), "{seen}");
}

/// Something that the host asks of the helper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Apply,
    Inventory,
    Run { has_timeout: bool },
    Release,
    Restart,
    Ping,
}

/// Says which case it was when a test ends in the middle of it.
struct Named(u64);

impl Drop for Named {
    #[expect(clippy::print_stdout, reason = "a test prints what helps to repeat it")]
    fn drop(&mut self) {
        println!("the seed of this case: {}", self.0);
    }
}

async fn one_case(number: u64, seen: &mut host::Seen) {
    let rng = &mut Rng::new(number.wrapping_mul(0x9E37_79B9_7F4A_7C15), 1);
    let (ours, theirs) = tokio::io::duplex(1 << (6 + rng.below(12)));
    let plan = host::Plan::new(rng);
    let speech = speech::speech(rng, plan.operations(), plan.count());
    let reads = rng.below(4);
    tokio::select! {
        biased;
        () = plan.carry_out(ours, seen) => {}
        () = impostor(theirs, speech, reads) => {}
    }
}

/// Says its speech, and is silent from then on.
async fn impostor(connection: DuplexStream, speech: Vec<Step>, reads: usize) {
    let (mut reader, mut writer) = tokio::io::split(connection);
    let hearing = async {
        let mut buffer = [0; 4096];
        loop {
            match reads {
                // Nothing is ever taken.
                0 => std::future::pending().await,
                1 => tokio::time::sleep(Duration::from_secs(1)).await,
                _ => {}
            }
            if !matches!(reader.read(&mut buffer).await, Ok(1..)) {
                std::future::pending::<()>().await;
            }
        }
    };
    let speaking = async {
        for step in speech {
            match step {
                Step::Say(bytes) => drop(writer.write_all(&bytes).await),
                Step::Flood(bytes, times) => {
                    for _ in 0..times {
                        if writer.write_all(&bytes).await.is_err() {
                            break;
                        }
                    }
                }
                Step::Wait(time) => tokio::time::sleep(time).await,
                Step::End => drop(writer.shutdown().await),
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::join!(hearing, speaking);
}

fn number(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => otherwise,
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap()
}
