//! What an impostor may say: answers of every kind with anything in them, whole and broken, floods, noise, and pauses. Knows
//! what it is going to be asked, not when.

use super::Operation;
use super::rng::Rng;
use docker_liveupdate::protocol::{Code, Kind, MAX_FRAME, Reply, Stream, VERSION};
use std::time::Duration;

/// More is not said in one go.
const MOST: usize = 96 * 1024;

pub enum Step {
    Say(Vec<u8>),
    Flood(Vec<u8>, usize),
    Wait(Duration),
    /// Nothing more is said, and the other side knows.
    End,
}

/// `count` is how many paths an inventory asks for.
pub fn speech(rng: &mut Rng, operations: &[Operation], count: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    if rng.percent(92) {
        let version = if rng.percent(97) { VERSION } else { any(rng) };
        let hello = Reply::Hello {
            version,
            pid: any(rng),
            clock_ms: any_long(rng),
        };
        steps.push(Step::Say(frame(&hello)));
    }
    for operation in operations {
        while rng.percent(20) {
            steps.push(step(rng));
        }
        if rng.percent(90) {
            answer(rng, *operation, count, &mut steps);
        }
    }
    // And for the good-bye.
    if rng.percent(50) {
        steps.push(Step::Say(frame(&Reply::Done)));
    }
    steps
}

/// What belongs to an operation, though there is too much or too little of it, and anything in it.
fn answer(rng: &mut Rng, operation: Operation, count: usize, steps: &mut Vec<Step>) {
    let some = match operation {
        Operation::Apply => Some(7),
        Operation::Run { .. } => Some(4),
        _ => None,
    };
    if operation == Operation::Inventory {
        let count = if rng.percent(80) {
            count
        } else {
            rng.below(16)
        };
        for number in 0..count {
            let path = format!("/app/f{number}").into_bytes();
            let kind = if rng.percent(70) { 5 } else { 6 };
            let target = words(rng);
            steps.push(Step::Say(reply_of(rng, kind, &path, &target)));
        }
    }
    for _ in 0..rng.below(12) {
        if rng.percent(20) {
            steps.push(Step::Say(frame(&Reply::Working)));
        }
        if let Some(kind) = some {
            steps.push(Step::Say(any_of(rng, kind)));
        }
    }
    let end = match operation {
        _ if rng.percent(10) => any_of(rng, 3),
        Operation::Apply => frame(&Reply::Applied {
            held: rng.percent(50),
        }),
        Operation::Run { .. } => frame(&Reply::Ended {
            code: any(rng),
            timed_out: rng.percent(50),
        }),
        Operation::Restart => frame(&Reply::Restarted {
            killed: rng.percent(50),
        }),
        Operation::Inventory | Operation::Release | Operation::Ping => frame(&Reply::Done),
    };
    steps.push(Step::Say(end));
}

/// Anything that does not belong there.
fn step(rng: &mut Rng) -> Step {
    match rng.below(100) {
        0..40 => Step::Say(reply(rng)),
        40..60 => Step::Say(broken(rng)),
        60..65 => {
            let length = rng.below(300);
            Step::Say(noise(rng, length))
        }
        65..78 => {
            let frame = reply(rng);
            let times = (MOST / frame.len()).min(1 << rng.below(14));
            Step::Flood(frame, times)
        }
        78..95 => Step::Wait(Duration::from_millis(1 << rng.below(16))),
        _ => Step::End,
    }
}

/// Any answer at all.
fn reply(rng: &mut Rng) -> Vec<u8> {
    let kind = rng.below(11);
    any_of(rng, kind)
}

/// Any answer of a kind.
fn any_of(rng: &mut Rng, kind: usize) -> Vec<u8> {
    let (path, text) = (words(rng), words(rng));
    reply_of(rng, kind, &path, &text)
}

fn reply_of(rng: &mut Rng, kind: usize, path: &[u8], text: &[u8]) -> Vec<u8> {
    let codes = [
        Code::System,
        Code::MountPoint,
        Code::NotEmpty,
        Code::Aborted,
        Code::User,
        Code::NoSupervisor,
        Code::Protocol,
        Code::Unsafe,
        Code::Late,
    ];
    let kinds = [Kind::File, Kind::Directory, Kind::Symlink, Kind::Other];
    frame(&match kind {
        0 => Reply::Done,
        1 => Reply::Hello {
            version: VERSION,
            pid: any(rng),
            clock_ms: any_long(rng),
        },
        2 => Reply::Working,
        3 => Reply::Failed {
            code: codes[rng.below(codes.len())],
            errno: any(rng),
            partly: rng.percent(50),
            path,
            text,
        },
        4 => Reply::Output {
            stream: if rng.percent(50) {
                Stream::Out
            } else {
                Stream::Err
            },
            bytes: text,
        },
        5 => Reply::Entry {
            path,
            kind: kinds[rng.below(kinds.len())],
            mode: any(rng),
            hash: u128::from(any_long(rng)),
            target: text,
        },
        6 => Reply::Unreadable {
            path,
            errno: any(rng),
            text,
        },
        7 => Reply::Closed { path, text },
        8 => Reply::Applied {
            held: rng.percent(50),
        },
        9 => Reply::Ended {
            code: any(rng),
            timed_out: rng.percent(50),
        },
        _ => Reply::Restarted {
            killed: rng.percent(50),
        },
    })
}

/// A frame with something wrong about it.
fn broken(rng: &mut Rng) -> Vec<u8> {
    let mut frame = reply(rng);
    let length = frame.len();
    match rng.below(6) {
        0 => frame.truncate(rng.below(length)),
        1 => {
            let most = u32::try_from(MAX_FRAME).unwrap();
            let wrong = [0, 1, most, most + 1, u32::MAX, u32::MAX - 3];
            let wrong = wrong[rng.below(wrong.len())];
            frame[..4].copy_from_slice(&wrong.to_le_bytes());
        }
        2 => {
            let at = rng.below(length);
            frame[at] ^= 1 << rng.below(8);
        }
        3 => frame[4] = u8::try_from(rng.below(256)).unwrap(),
        4 => {
            // The length of a field.
            let at = 5 + rng.below(20);
            if let Some(field) = frame.get_mut(at..at + 4) {
                field.copy_from_slice(&any(rng).to_le_bytes());
            }
        }
        _ => {
            let more = rng.below(40);
            let more = noise(rng, more);
            frame.extend(more);
        }
    }
    frame
}

/// A path or a text.
fn words(rng: &mut Rng) -> Vec<u8> {
    match rng.below(40) {
        0..10 => Vec::new(),
        10..20 => format!("/app/f{}", rng.below(8)).into_bytes(),
        20..26 => b"\x1b]0;PWNED\x07\r\nweb  rebuilt: all well\n".to_vec(),
        26..38 => {
            let length = rng.below(64);
            noise(rng, length)
        }
        38 => vec![0xff; rng.below(20_000)],
        // As long as a frame can be, nearly.
        _ if rng.percent(3) => vec![b'x'; 500_000],
        _ => b"../../../etc/passwd\0".repeat(1 + rng.below(300)),
    }
}

fn noise(rng: &mut Rng, length: usize) -> Vec<u8> {
    (0..length)
        .map(|_| u8::try_from(rng.below(256)).unwrap())
        .collect()
}

fn any(rng: &mut Rng) -> u32 {
    match rng.below(4) {
        0 => 0,
        1 => u32::MAX,
        _ => u32::try_from(rng.below(1 << 20)).unwrap(),
    }
}

fn any_long(rng: &mut Rng) -> u64 {
    match rng.below(4) {
        0 => 0,
        1 => u64::MAX,
        2 => u64::MAX / 2 + 1,
        _ => u64::from(any(rng)),
    }
}

fn frame(reply: &Reply) -> Vec<u8> {
    let mut frame = Vec::new();
    // Two long fields together do not fit: then there is a short one.
    if reply.encode(&mut frame).is_err() {
        Reply::Working.encode(&mut frame).unwrap();
    }
    frame
}
