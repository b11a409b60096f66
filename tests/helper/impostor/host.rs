//! The host's side of a case: some operations one after the other, each of which must end by itself, and what they brought.

use super::Operation;
use super::rng::Rng;
use docker_liveupdate::helper::{Delivery, Error, Link, Patience, Terms};
use docker_liveupdate::paths::ContainerPath;
use docker_liveupdate::transfer::{
    Body, Delta, Exec, Fingerprint, Outgoing, Sought, There, Wanted,
};
use std::fmt;
use std::time::{Duration, SystemTime};
use tokio::io::DuplexStream;
use tokio::time::Instant;

/// The longest that is waited for what has a limit: two of them for each exchange, and what there is to do in it.
const LONGEST: Duration = Duration::from_secs(180);
/// The grace of a restart, and the timeout of a command.
const GRACE: Duration = Duration::from_secs(30);
/// No path that is left out takes more memory with its reason, whose bytes may each become three.
const LEFT_OUT: usize = 4 * 16 * 1024;
/// Nor do all answers of an inventory together.
const INVENTORY: usize = 3 * 16 * 1024 * 1024;

/// What the host is going to do.
pub struct Plan {
    operations: Vec<Operation>,
    says_bye: bool,
    patience: Patience,
    /// Things to put, to remove, or to ask for.
    count: usize,
    /// How much is sent.
    size: usize,
}

/// How things went, over all cases.
#[derive(Debug, Default)]
pub struct Seen {
    opened: u64,
    went_well: u64,
    refused: u64,
    malformed: u64,
    stuck: u64,
    broken: u64,
    out_of_step: u64,
    no_helper: u64,
}

impl Plan {
    pub fn new(rng: &mut Rng) -> Self {
        let operation = |rng: &mut Rng| match rng.below(10) {
            0..3 => Operation::Apply,
            3..5 => Operation::Inventory,
            5 | 6 => Operation::Run {
                has_timeout: rng.percent(50),
            },
            7 => Operation::Restart,
            8 => Operation::Release,
            _ => Operation::Ping,
        };
        Self {
            operations: (0..=rng.below(4)).map(|_| operation(rng)).collect(),
            says_bye: rng.percent(50),
            patience: if rng.percent(50) {
                Patience::default()
            } else {
                Patience {
                    silence: Duration::from_secs(1),
                    whole: Duration::from_secs(3),
                }
            },
            count: rng.below(12),
            size: if rng.percent(3) { 400_000 } else { 50 },
        }
    }

    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub async fn carry_out(self, connection: DuplexStream, seen: &mut Seen) {
        let (reader, writer) = tokio::io::split(connection);
        let terms = Terms {
            mounts: vec![b"/data".to_vec()],
            patience: self.patience,
            ..Terms::default()
        };
        let begun = Instant::now();
        let opened = Link::open(reader, writer, &terms).await;
        assert!(begun.elapsed() < LONGEST, "opening took too long");
        let mut link = match opened {
            Ok(link) => link,
            Err(error) => return seen.note(&Err(error)),
        };
        seen.opened += 1;
        for operation in &self.operations {
            let begun = Instant::now();
            let result = self.operate(&mut link, *operation).await;
            // A command without a timeout goes on as long as its signs of life do.
            let has_end = !matches!(
                operation,
                Operation::Run {
                    has_timeout: false,
                    ..
                }
            );
            let took = begun.elapsed();
            assert!(!has_end || took < LONGEST, "{operation:?} took {took:?}");
            seen.note(&result);
        }
        if self.says_bye {
            let begun = Instant::now();
            seen.note(&link.bye().await);
            assert!(begun.elapsed() < LONGEST, "the good-bye took too long");
        }
    }

    async fn operate<R, W>(&self, link: &mut Link<R, W>, what: Operation) -> Result<(), Error>
    where
        R: tokio::io::AsyncRead + Unpin,
        W: tokio::io::AsyncWrite + Unpin,
    {
        match what {
            Operation::Apply => {
                let batch = self.batch();
                let how = Delivery {
                    hold: self.count.is_multiple_of(2),
                    ..Delivery::default()
                };
                let applied = link.apply(&batch, &how).await?;
                let most = batch.remove.len() + 2 * batch.put.len();
                assert!(applied.closed.len() <= most, "more answers than asked for");
                let kept = applied.closed.iter();
                let kept: usize = kept
                    .map(|(path, why)| path.as_bytes().len() + why.len())
                    .sum();
                assert!(kept <= most * LEFT_OUT, "{kept} bytes kept");
                Ok(())
            }
            Operation::Inventory => {
                let file = Sought::File {
                    most: self.size as u64,
                };
                let wanted: Wanted = (0..self.count).map(|number| (path(number), file)).collect();
                let (mut entries, mut kept) = (0, 0);
                let on_entry = |path: &ContainerPath, print| {
                    entries += 1;
                    kept += path.as_bytes().len();
                    kept += match print {
                        Ok(Fingerprint::Link { target }) => target.len(),
                        Err(Error::Refused { text, .. }) => text.len(),
                        _ => 0,
                    };
                };
                let result = link.inventory(&wanted, on_entry).await;
                assert!(entries <= wanted.len(), "more entries than asked for");
                assert!(kept <= INVENTORY, "{kept} bytes handed over");
                result
            }
            Operation::Run { has_timeout } => {
                let exec = Exec {
                    argv: vec!["x".repeat(self.size)],
                    timeout: has_timeout.then_some(GRACE),
                    ..Exec::default()
                };
                link.run(&exec, |_, _| {}).await.map(drop)
            }
            Operation::Release => link.release().await,
            Operation::Restart => link.restart(15, GRACE, GRACE).await.map(drop),
            Operation::Ping => link.ping().await,
        }
    }

    fn batch(&self) -> Delta {
        let body = |number: usize| match number % 4 {
            0 => Body::Directory { set_mode: false },
            1 => Body::Link(b"x".to_vec()),
            _ => Body::Bytes(vec![b'x'; self.size].into()),
        };
        let put = |number: usize| Outgoing {
            to: path(number),
            mode: 0o644,
            modified: SystemTime::UNIX_EPOCH,
            body: body(number),
            in_place: number % 4 == 3,
            there: match number % 3 {
                1 => There::Perhaps(Fingerprint::Other),
                _ => There::No,
            },
        };
        Delta {
            remove: (0..self.count / 3).map(path).collect(),
            remove_dirs: Vec::new(),
            put: (0..self.count).map(put).collect(),
        }
    }
}

fn path(number: usize) -> ContainerPath {
    ContainerPath::new(format!("/app/f{number}")).unwrap()
}

impl Seen {
    fn note(&mut self, result: &Result<(), Error>) {
        // Whatever there is to say can be said.
        let _ = result.as_ref().err().map(ToString::to_string);
        *match result {
            Ok(()) => &mut self.went_well,
            Err(Error::Refused { .. }) => &mut self.refused,
            Err(Error::Stuck { .. }) => &mut self.stuck,
            Err(Error::Connection(_)) => &mut self.broken,
            Err(Error::OutOfStep) => &mut self.out_of_step,
            Err(Error::NotAHelper { .. } | Error::Version { .. }) => &mut self.no_helper,
            Err(_) => &mut self.malformed,
        } += 1;
    }

    /// Whether the cases were any good: each kind of end came up.
    pub fn is_everything(&self, cases: u64) -> bool {
        let Self {
            opened,
            went_well,
            refused,
            malformed,
            stuck,
            broken,
            out_of_step,
            no_helper,
        } = self;
        let kinds = [
            went_well,
            refused,
            malformed,
            stuck,
            broken,
            out_of_step,
            no_helper,
        ];
        cases < 1_000 || *opened > cases / 2 && kinds.iter().all(|kind| **kind > cases / 200)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "{} links; exchanges: {} went well, {} refused, {} not understood, {} stuck, {} broke, {} out of step, {} no helper",
            self.opened,
            self.went_well,
            self.refused,
            self.malformed,
            self.stuck,
            self.broken,
            self.out_of_step,
            self.no_helper
        )
    }
}
