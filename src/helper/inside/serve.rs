//! `serve`: answers the host's requests on standard input and output until it says bye or is gone.

use crate::batch::{Batch, Journal};
use crate::control::{self, Supervisor};
use crate::failure::Failure;
use crate::hashes::Looks;
use crate::protocol::{Code, Reply, Request, VERSION};
use crate::run::{self, Order};
use crate::signals::{self, Signals};
use crate::way::Ways;
use crate::wire::{Hangup, Input, Output};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Mode;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

/// What lasts as long as the connection.
struct Session {
    home: PathBuf,
    ways: Ways,
    looks: Looks,
    journal: Journal,
    supervisor: Option<Supervisor>,
    signals: Signals,
}

/// Serves until the host is done. The exit code is 0 then, and 1 when the helper cannot work here.
pub fn serve() -> ExitCode {
    match Session::begin() {
        Ok(session) => {
            let mut input = Input::new(rustix::stdio::stdin());
            let mut output = Output::new(rustix::stdio::stdout(), rustix::stdio::stdin());
            let ended = session.answer_all(&mut input, &mut output);
            if let Ok(Bye) = ended {
                drop(output.send(&Reply::Done));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("liveupdate-helper: cannot begin: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The host said that it is done.
struct Bye;

impl Session {
    fn begin() -> std::io::Result<Self> {
        let (own, home) = (std::env::current_exe()?, control::home()?);
        // It runs, so the name is needed no more: should we be killed, nothing of it is left.
        drop(std::fs::remove_file(&own));
        let signals = Signals::only(signals::CHILD)?;
        // Modes are given exactly.
        rustix::process::umask(Mode::empty());
        // What a command leaves behind is found and reaped here.
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        Ok(Self {
            ways: Ways::new()?,
            looks: Looks::default(),
            journal: Journal::new(&home),
            home,
            supervisor: None,
            signals,
        })
    }

    /// Answers, and at the end removes what is the helper's own: its journal, and the directory unless a supervisor or
    /// another helper lives there.
    fn answer_all<I: AsFd, O: AsFd>(
        mut self,
        input: &mut Input<I>,
        output: &mut Output<O>,
    ) -> Result<Bye, Hangup> {
        let ended = loop {
            if let Err(hangup) = self.next_frame(input) {
                break Err(hangup);
            }
            match self.answer(input, output) {
                Ok(None) => {}
                Ok(Some(bye)) => break Ok(bye),
                Err(hangup) => break Err(hangup),
            }
        };
        self.journal.end();
        drop(std::fs::remove_dir(&self.home));
        ended
    }

    /// Waits for the next frame, and meanwhile reaps what commands left behind.
    fn next_frame<I: AsFd>(&self, input: &mut Input<I>) -> Result<(), Hangup> {
        while !input.has_frame()? {
            let fd = input.fd();
            let mut descriptors = [
                PollFd::from_borrowed_fd(fd, PollFlags::IN),
                PollFd::new(&self.signals, PollFlags::IN),
            ];
            // A failing poll is as good as one that says "read".
            let said_nothing =
                poll(&mut descriptors, None).is_ok() && descriptors[0].revents().is_empty();
            if !descriptors[1].revents().is_empty() {
                while self.signals.next().is_some() {}
                run::reap();
            }
            if !said_nothing {
                input.read()?;
            }
        }
        Ok(())
    }

    fn answer<I: AsFd, O: AsFd>(
        &mut self,
        input: &mut Input<I>,
        output: &mut Output<O>,
    ) -> Result<Option<Bye>, Hangup> {
        let Some((kind, fields)) = input.next()? else {
            return Ok(None);
        };
        let Ok(request) = Request::decode(kind, fields) else {
            let text = format!("a frame of kind {kind} makes no sense");
            output.send(&Failure::new(Code::Protocol, b"", text).reply())?;
            return Err(Hangup);
        };
        match request {
            Request::Hello {
                version,
                mounts,
                plain_mounts,
            } => {
                output.send(&Reply::Hello {
                    version: VERSION,
                    euid: rustix::process::geteuid().as_raw(),
                    pid: std::process::id(),
                    clock_ms: clock_ms(),
                })?;
                if version != VERSION {
                    return Err(Hangup);
                }
                let all = mounts.iter().map(|path| (*path, false));
                let plain = plain_mounts.iter().map(|path| (*path, true));
                self.ways.enter_mounts(all.chain(plain));
                self.journal.begin(&self.ways);
            }
            Request::Bye => return Ok(Some(Bye)),
            // It had ended before the host's word arrived.
            Request::Cancel => {}
            Request::Look { path, sought } => {
                self.looks.look(path, sought, &self.ways, output)?;
            }
            Request::End => {
                self.looks = Looks::default();
                output.send(&Reply::Done)?;
            }
            Request::Hold => {
                if self.supervisor.is_none() {
                    self.supervisor = Supervisor::hold(&self.home);
                }
                let held = self.supervisor.is_some();
                output.send(&Reply::Held { held })?;
            }
            Request::Release => {
                self.supervisor = None;
                output.send(&Reply::Held { held: false })?;
            }
            Request::Restart { signal, grace_ms } => self.restart(signal, grace_ms, output)?,
            ref request @ Request::Run { .. } => {
                if let Some(order) = Order::new(request) {
                    order.run(input, output, &self.signals)?;
                }
            }
            Request::Begin => self.batch(input, output)?,
            Request::Remove { .. }
            | Request::Directory { .. }
            | Request::Mode { .. }
            | Request::File { .. }
            | Request::Data(_)
            | Request::Symlink { .. }
            | Request::Commit { .. }
            | Request::Abort => {
                output.send(&Failure::new(Code::Protocol, b"", "no batch was begun").reply())?;
                return Err(Hangup);
            }
        }
        Ok(None)
    }

    /// Takes a batch in, up to its commit, and answers once. After a failure the rest of the batch is read and let go.
    fn batch<I: AsFd, O: AsFd>(
        &mut self,
        input: &mut Input<I>,
        output: &mut Output<O>,
    ) -> Result<(), Hangup> {
        self.ways.look_anew();
        let mut batch = Batch::new(&mut self.journal, &self.ways);
        loop {
            let over = match input.next() {
                Ok(Some((kind, fields))) => Request::decode(kind, fields).map_err(|_| Hangup),
                Ok(None) => match input.read() {
                    Ok(()) => continue,
                    Err(hangup) => Err(hangup),
                },
                Err(hangup) => Err(hangup),
            };
            match over {
                Ok(Request::Remove { path }) => batch.remove(path),
                Ok(Request::Directory { path, mode }) => batch.directory(path, mode),
                Ok(Request::Mode { path, mode }) => batch.mode(path, mode),
                Ok(Request::File {
                    path,
                    mode,
                    mtime,
                    length,
                    flags,
                }) => batch.file(path, mode, mtime, length, flags),
                Ok(Request::Data(bytes)) => batch.data(bytes),
                Ok(Request::Symlink {
                    path,
                    target,
                    mtime,
                }) => batch.symlink(path, target, mtime),
                Ok(Request::Commit { until_ms }) => {
                    // Stopped for a while, and started again: the host has brought the files another way meanwhile.
                    if (until_ms > 0 && clock_ms() > until_ms) || output.is_alone() {
                        let text = "the host had given the batch up";
                        batch.fail(Failure::new(Code::Late, b"", text));
                    }
                    return conclude(&mut batch, output);
                }
                Ok(Request::Abort) => {
                    batch.fail(Failure::new(Code::Aborted, b"", "the batch was given up"));
                    return conclude(&mut batch, output);
                }
                // The host is gone, or lost its way: what is staged must not stay.
                Ok(_) | Err(_) => {
                    batch.fail(Failure::new(Code::Aborted, b"", "the connection broke"));
                    drop(batch.commit(&mut || Ok(())));
                    return Err(Hangup);
                }
            }
        }
    }

    fn restart<O: AsFd>(
        &mut self,
        signal: u32,
        grace_ms: u64,
        output: &mut Output<O>,
    ) -> Result<(), Hangup> {
        let held = self.supervisor.is_some();
        if !held {
            self.supervisor = Supervisor::hold(&self.home);
        }
        let answer = match &mut self.supervisor {
            Some(supervisor) => supervisor.restart(signal, grace_ms, |reply| output.send(reply)),
            None => Err(Failure::new(
                Code::NoSupervisor,
                b"",
                "the container's process was not started under the helper",
            )),
        };
        if !held || answer.is_err() {
            self.supervisor = None;
        }
        match answer {
            Ok(sent) => sent,
            Err(failure) => output.send(&failure.reply()),
        }
    }
}

/// Puts a batch in force, or what was made of it out of the way, and says what came of it.
fn conclude<O: AsFd>(batch: &mut Batch, output: &mut Output<O>) -> Result<(), Hangup> {
    let outcome = batch.commit(&mut || output.beat());
    for left_out in batch.take_left_out() {
        output.add(&Reply::Closed {
            path: &left_out.path,
            text: left_out.text.as_bytes(),
        })?;
    }
    match outcome {
        Ok(applied) => {
            for path in batch.take_same() {
                output.add(&Reply::Same { path: &path })?;
            }
            output.send(&Reply::Applied {
                placed: applied.placed,
                removed: applied.removed,
                kept: applied.kept,
            })
        }
        Err(failure) => output.send(&failure.reply()),
    }
}

/// Since some moment: what counts is the difference.
fn clock_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1000) + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}
