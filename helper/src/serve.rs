//! `serve`: answers the host's requests on standard input and output until it says bye or is gone.

use crate::batch::{Batch, Journal};
use crate::control::{self, Supervisor};
use crate::elders;
use crate::failure::Failure;
use crate::hashes::Describer;
use crate::protocol::{Code, Reply, Request, VERSION};
use crate::run::{self, Prepared};
use crate::signals::{self, Signals};
use crate::way::Ways;
use crate::wire::{Hangup, Input, Output};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

/// So long nothing is asked, and the helper's directory goes away until something is.
const IDLE: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// What lasts as long as the connection.
struct Session {
    home: PathBuf,
    ways: Ways,
    describer: Describer,
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
        elders::end(&own);
        // It runs, so the name is needed no more: should we be killed, nothing of it is left.
        drop(std::fs::remove_file(&own));
        let signals = Signals::only(signals::CHILD)?;
        // Modes are given exactly.
        rustix::process::umask(Mode::empty());
        // What a command leaves behind is found and reaped here.
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        Ok(Self {
            ways: Ways::new()?,
            describer: Describer::default(),
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
            if let Err(hangup) = self.next_frame(input, output) {
                break Err(hangup);
            }
            match self.answer(input, output) {
                Ok(None) => {}
                Ok(Some(bye)) => break Ok(bye),
                Err(hangup) => break Err(hangup),
            }
        };
        self.journal.end();
        ended
    }

    /// Waits for the next frame, and meanwhile reaps what commands left behind and hands on what the supervisor says. When none
    /// comes for a while, nothing of the helper's has a name: a container that is stopped is as it was.
    fn next_frame<I: AsFd, O: AsFd>(
        &mut self,
        input: &mut Input<I>,
        output: &mut Output<O>,
    ) -> Result<(), Hangup> {
        while !input.has_frame()? {
            while self.supervisor.as_ref().is_some_and(Supervisor::has_news) {
                self.hand_on(output)?;
            }
            let mut descriptors = vec![
                PollFd::from_borrowed_fd(input.fd(), PollFlags::IN),
                PollFd::new(&self.signals, PollFlags::IN),
            ];
            if let Some(supervisor) = &self.supervisor {
                descriptors.push(PollFd::from_borrowed_fd(supervisor.fd(), PollFlags::IN));
            }
            // A failing poll is as good as one that says "read".
            let patience = self.journal.has_a_name().then_some(&IDLE);
            let ready = poll(&mut descriptors, patience);
            let has_news = |at: usize| {
                descriptors
                    .get(at)
                    .is_some_and(|fd| !fd.revents().is_empty())
            };
            let [asked, signalled, told] = [0, 1, 2].map(has_news);
            if signalled {
                while self.signals.next().is_some() {}
                run::reap();
            }
            if told {
                self.hand_on(output)?;
            }
            if ready == Ok(0) {
                self.journal.rest();
            }
            if asked || ready.is_err() {
                input.read()?;
            }
        }
        Ok(())
    }

    fn hand_on<O: AsFd>(&mut self, output: &mut Output<O>) -> Result<(), Hangup> {
        match self.supervisor.as_mut().map(Supervisor::news) {
            Some(Ok(Some(crash @ Reply::Crashed { .. }))) => output.send(&crash),
            Some(Ok(None)) | None => Ok(()),
            // It is gone, and its container will be.
            Some(Ok(Some(_)) | Err(_)) => {
                self.supervisor = None;
                Ok(())
            }
        }
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
                // Before the answer: what the host does upon it is not taken for something left behind.
                if version == VERSION {
                    let all = mounts.iter().map(|path| (*path, false));
                    let plain = plain_mounts.iter().map(|path| (*path, true));
                    self.ways.enter_mounts(all.chain(plain));
                    self.journal.begin(&self.ways);
                }
                output.send(&Reply::Hello {
                    version: VERSION,
                    pid: std::process::id(),
                    clock_ms: clock_ms(),
                })?;
                if version != VERSION {
                    return Err(Hangup);
                }
            }
            Request::Bye => return Ok(Some(Bye)),
            Request::Describe { path, sought } => {
                self.describer.describe(path, sought, &self.ways, output)?;
            }
            Request::End => {
                self.describer = Describer::default();
                output.send(&Reply::Done)?;
            }
            Request::Release => {
                self.release();
                output.send(&Reply::Done)?;
            }
            ref request @ Request::Restart { .. } => self.restart(request, output)?,
            ref request @ Request::Run { .. } => match Prepared::new(request) {
                Ok(prepared) => prepared.run(input, output, &self.signals)?,
                Err(failure) => output.send(&failure.reply())?,
            },
            Request::Begin { hold } => {
                let held = hold && self.hold();
                self.batch(held, input, output)?;
            }
            Request::Hold
            | Request::Remove { .. }
            | Request::Directory { .. }
            | Request::Mode { .. }
            | Request::File { .. }
            | Request::Ahead { .. }
            | Request::Data(_)
            | Request::Symlink { .. }
            | Request::Commit { .. }
            | Request::Abort => {
                output.send(&Failure::new(Code::Protocol, b"", "not asked for here").reply())?;
                return Err(Hangup);
            }
        }
        Ok(None)
    }

    /// Takes a batch in, up to its commit, and answers once. After a failure the rest of the batch is read and let go.
    fn batch<I: AsFd, O: AsFd>(
        &mut self,
        held: bool,
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
                Ok(Request::Ahead {
                    path,
                    mode,
                    mtime,
                    flags,
                    name,
                }) => batch.ahead(path, mode, mtime, flags, name),
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
                    return conclude(&mut batch, held, output);
                }
                Ok(Request::Abort) => {
                    batch.fail(Failure::new(Code::Aborted, b"", "the batch was given up"));
                    return conclude(&mut batch, held, output);
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

    /// Holds the supervisor, with a connection that lasts: it waits for restarts only while somebody is there to ask for one.
    fn hold(&mut self) -> bool {
        let holds = |supervisor: &Supervisor| supervisor.hold().is_ok();
        if !self.supervisor.as_ref().is_some_and(holds) {
            self.supervisor = Supervisor::find(&self.home);
        }
        self.supervisor.is_some()
    }

    fn release(&mut self) {
        self.supervisor
            .take_if(|supervisor| supervisor.release().is_err());
    }

    fn restart<O: AsFd>(
        &mut self,
        request: &Request,
        output: &mut Output<O>,
    ) -> Result<(), Hangup> {
        self.hold();
        let answer = match &mut self.supervisor {
            Some(supervisor) => supervisor.restart(request, |reply| output.send(reply)),
            None => Err(Failure::new(
                Code::NoSupervisor,
                b"",
                "the container's process was not started under the helper",
            )),
        };
        if answer.is_err() {
            self.supervisor = None;
        }
        // The last step of an update.
        self.release();
        match answer {
            Ok(sent) => sent,
            Err(failure) => output.send(&failure.reply()),
        }
    }
}

/// Puts a batch in force, or what was made of it out of the way, and says what came of it.
fn conclude<O: AsFd>(batch: &mut Batch, held: bool, output: &mut Output<O>) -> Result<(), Hangup> {
    let outcome = batch.commit(&mut || output.beat());
    for left_out in batch.take_left_out() {
        output.add(&Reply::Closed {
            path: &left_out.path,
            text: left_out.text.as_bytes(),
        })?;
    }
    match outcome {
        Ok(()) => {
            for path in batch.take_same() {
                output.add(&Reply::Same { path: &path })?;
            }
            output.send(&Reply::Applied { held })
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
