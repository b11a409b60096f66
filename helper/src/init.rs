//! `init`: keeps the container's real process as its child, as process 1 or below the engine's own init, and restarts it on
//! request. Forwards signals, reaps orphans, ends as its child ends. Knows nothing of files and updates.
//!
//! A restart ends everything that descends from here: the process gets the signal, as it would get `docker stop`'s, then what
//! it left of its group; what outlives the grace is killed, as the kernel would do with all of a container when its first
//! process ends. What `docker exec` started is no descendant.
//!
//! A process that crashes right after a restart leaves its container waiting for the next one, for as long as a host is there.

use crate::control;
use crate::failure::{self, Failure};
use crate::fate::Fate;
use crate::protocol::{Reply, Request};
use crate::run;
use crate::signals::{self, Signals};
use crate::tree;
use crate::wire::{Hangup, Input, Output};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// How often a stopping group is looked at when no signal tells of a change: its members may be others' children.
const LOOK: Duration = Duration::from_millis(20);
/// How long to wait for killed processes to be gone before the new one starts all the same.
const LINGER: Duration = Duration::from_secs(2);
/// Connections beyond this number are turned away.
const MOST_CLIENTS: usize = 16;

/// Runs `argv` until it ends by itself.
pub fn init(argv: &[OsString]) -> ExitCode {
    let signals = match Signals::all() {
        Ok(signals) => signals,
        Err(errno) => return step_aside(argv, errno),
    };
    // As process 1 orphans come here anyway; below another init only so.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let mut init = Init {
        argv,
        signals,
        // Without it this is a plain init.
        listener: control::home().and_then(|home| control::listen(&home)).ok(),
        clients: Vec::new(),
        process: None,
        code: 0,
        stopping: None,
        fate: Fate::default(),
        crashed: false,
    };
    if let Err(error) = init.start(None) {
        eprintln!("{}", cannot_start(argv, &error));
    }
    init.keep();
    init.kill_the_rest();
    ExitCode::from(u8::try_from(init.code).unwrap_or(u8::MAX))
}

/// The container forbids what keeping a process takes: its process runs all the same, as if we were not there.
fn step_aside(argv: &[OsString], errno: rustix::io::Errno) -> ExitCode {
    let reason = failure::words(errno);
    eprintln!(
        "docker liveupdate: this container forbids to watch for signals ({reason}), so its process is not kept"
    );
    let Some((program, arguments)) = argv.split_first() else {
        return ExitCode::from(125);
    };
    signals::let_all_through();
    let error = Command::new(program).args(arguments).exec();
    eprintln!("{}", cannot_start(argv, &error));
    ExitCode::from(code_of(&error))
}

/// A connection: may hold us, and ask for a restart.
struct Client {
    input: Input<OwnedFd>,
    output: Output<OwnedFd>,
    /// It has an update under way. So has who has just come, and not said otherwise yet.
    holds: bool,
    /// It asked for a restart and has no answer yet.
    waits: bool,
}

impl Client {
    fn new(stream: UnixStream) -> std::io::Result<Self> {
        Ok(Self {
            output: Output::new(
                OwnedFd::from(stream.try_clone()?),
                OwnedFd::from(stream.try_clone()?),
            ),
            input: Input::new(OwnedFd::from(stream)),
            holds: true,
            waits: false,
        })
    }
}

/// A restart under way.
struct Stopping {
    deadline: Instant,
    signal: u32,
    group: i32,
    /// When the group hears the signal as well, should the process wait for it and not pass it on.
    everyone: Instant,
    told_everyone: bool,
    killed: bool,
    /// So long a crash of the new process is the update's.
    fresh: Duration,
    /// A signal from outside asked everything to end: so do not start again.
    leaving: bool,
}

struct Init<'a> {
    argv: &'a [OsString],
    signals: Signals,
    listener: Option<UnixListener>,
    clients: Vec<Client>,
    /// The child, while it lives.
    process: Option<i32>,
    /// How the last child ended.
    code: u32,
    stopping: Option<Stopping>,
    fate: Fate,
    /// The child ended by a crash that the next restart is to put right.
    crashed: bool,
}

impl Init<'_> {
    /// The loop: ends when the child has ended and nobody is about to start it again.
    fn keep(&mut self) {
        while self.process.is_some() || self.stopping.is_some() || self.is_held() {
            self.wait();
            while let Some(signal) = self.signals.next() {
                if signal != signals::CHILD {
                    self.forward(signal);
                }
            }
            self.reap();
            if self.has_no_process() && self.fate.is_asked_to_end(Instant::now()) {
                self.clients.clear();
            }
            self.stop();
        }
    }

    /// Whether somebody is about to start the child again.
    fn is_held(&self) -> bool {
        self.clients
            .iter()
            .any(|client| client.holds || self.crashed)
    }

    fn has_no_process(&self) -> bool {
        self.process.is_none() && self.stopping.is_none()
    }

    fn wait(&mut self) {
        let mut descriptors = vec![PollFd::new(&self.signals, PollFlags::IN)];
        descriptors.extend(
            self.clients
                .iter()
                .map(|client| PollFd::from_borrowed_fd(client.input.fd(), PollFlags::IN)),
        );
        if let Some(listener) = &self.listener {
            descriptors.push(PollFd::new(listener, PollFlags::IN));
        }
        let timeout = self.stopping.as_ref().map(|stopping| {
            let left = stopping
                .deadline
                .saturating_duration_since(Instant::now())
                .min(LOOK);
            Timespec::try_from(left).unwrap_or(Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            })
        });
        if poll(&mut descriptors, timeout.as_ref()).is_err() {
            return;
        }
        let ready: Vec<bool> = descriptors[1..]
            .iter()
            .map(|fd| !fd.revents().is_empty())
            .collect();
        let clients = std::mem::take(&mut self.clients);
        let calls = ready.get(clients.len()).is_some_and(|calls| *calls);
        for (mut client, ready) in clients.into_iter().zip(ready) {
            if !ready || self.hear(&mut client).is_ok() {
                self.clients.push(client);
            }
        }
        if calls {
            self.accept();
        }
    }

    fn accept(&mut self) {
        let Some(Ok((stream, _))) = self.listener.as_ref().map(UnixListener::accept) else {
            return;
        };
        if self.clients.len() < MOST_CLIENTS
            && control::is_trusted(&stream)
            && let Ok(client) = Client::new(stream)
        {
            self.clients.push(client);
        }
    }

    fn hear(&mut self, client: &mut Client) -> Result<(), Hangup> {
        client.input.read()?;
        while let Some((kind, fields)) = client.input.next()? {
            match Request::decode(kind, fields)? {
                Request::Hold => client.holds = true,
                Request::Release => client.holds = false,
                Request::Restart {
                    signal,
                    grace_ms,
                    fresh_ms,
                } => {
                    client.waits = true;
                    let (grace, fresh) = (
                        Duration::from_millis(grace_ms),
                        Duration::from_millis(fresh_ms),
                    );
                    self.begin_stop(signal, grace, fresh);
                }
                _ => return Err(Hangup),
            }
        }
        Ok(())
    }

    fn begin_stop(&mut self, signal: u32, grace: Duration, fresh: Duration) {
        if self.stopping.is_some() {
            return;
        }
        let now = Instant::now();
        // A grace that does not fit is as good as for ever.
        let grace = grace.min(Duration::from_secs(86_400));
        self.fate.is_to_restart(signal, grace);
        // It alone: a shell's trap, or a master of workers, is to end the others in its own way.
        if let Some(process) = self.process {
            tell(process, signal);
        }
        self.stopping = Some(Stopping {
            deadline: now + grace,
            signal,
            group: self.process.unwrap_or_default(),
            everyone: now + grace / 2,
            told_everyone: false,
            killed: false,
            fresh,
            leaving: false,
        });
    }

    /// Takes the restart under way a step further.
    fn stop(&mut self) {
        let process_lives = self.process.is_some();
        let Some(stopping) = &mut self.stopping else {
            return;
        };
        if stopping.group != 0 && signals::group_lives(stopping.group) {
            let now = Instant::now();
            if !stopping.told_everyone && (!process_lives || now >= stopping.everyone) {
                stopping.told_everyone = true;
                tell(-stopping.group, stopping.signal);
            }
            if now < stopping.deadline {
                return;
            }
            if !stopping.killed {
                stopping.killed = true;
                stopping.deadline = Instant::now() + LINGER;
                let _ = signals::send(-stopping.group, signals::KILL);
                return;
            }
        }
        self.kill_the_rest();
        let Some(stopping) = self.stopping.take() else {
            return;
        };
        if stopping.leaving {
            self.clients.clear();
            return;
        }
        let started = self.start(Some(stopping.fresh));
        let failure;
        let reply = match &started {
            Ok(()) => Reply::Restarted {
                killed: stopping.killed,
            },
            Err(error) => {
                // It may be the update that did it: the next one can put it right.
                self.crashed = true;
                failure = Failure {
                    text: cannot_start(self.argv, error),
                    ..Failure::system(failure::errno(error), b"")
                };
                failure.reply()
            }
        };
        self.clients.retain_mut(|client| {
            !std::mem::take(&mut client.waits) || client.output.send(&reply).is_ok()
        });
    }

    /// Passes a signal on to the child, as if it were the first process itself.
    fn forward(&mut self, signal: u32) {
        if let Some(process) = self.process {
            let _ = signals::send(process, signal);
        }
        let now = Instant::now();
        self.fate.hears(signal, now);
        match &mut self.stopping {
            Some(stopping) => stopping.leaving |= self.fate.is_asked_to_end(now),
            // Whatever the container's stop signal is: there is no process that could take it for something else.
            None if self.crashed && signal != signals::CONT => self.clients.clear(),
            None => {}
        }
    }

    fn reap(&mut self) {
        for (pid, code) in run::reap() {
            if self.process == Some(pid) {
                self.process = None;
                self.code = code;
                self.crashed =
                    self.stopping.is_none() && self.fate.is_a_crash(code, Instant::now());
                if self.crashed {
                    let news = Reply::Crashed { code };
                    self.clients
                        .retain_mut(|client| client.output.send(&news).is_ok());
                }
            }
        }
    }

    /// Starts the child, in a session of its own; on a terminal in our session, as its foreground group. `fresh` is how long
    /// its crash is the update's that starts it.
    fn start(&mut self, fresh: Option<Duration>) -> std::io::Result<()> {
        let Some((program, arguments)) = self.argv.split_first() else {
            return Err(std::io::ErrorKind::InvalidInput.into());
        };
        self.crashed = false;
        self.fate.starts(fresh, Instant::now());
        let mut command = Command::new(program);
        command.args(arguments);
        let terminal = rustix::termios::isatty(rustix::stdio::stdin());
        signals::before_exec(&mut command, move || {
            if terminal {
                let own = rustix::process::getpid();
                rustix::process::setpgid(None, None)?;
                // Our signals are still held back here, and with them the stop for doing this from the background.
                // A terminal that is not the controlling one has no foreground to be in.
                let _ = rustix::termios::tcsetpgrp(rustix::stdio::stdin(), own);
            } else {
                rustix::process::setsid()?;
            }
            signals::let_all_through();
            Ok(())
        });
        match command.spawn() {
            Ok(child) => {
                self.process = Some(child.id().cast_signed());
                Ok(())
            }
            Err(error) => {
                self.code = code_of(&error).into();
                Err(error)
            }
        }
    }

    /// Kills every descendant that is left, also those that left the group.
    fn kill_the_rest(&mut self) {
        let own = std::process::id().cast_signed();
        let patience = Instant::now() + LINGER;
        loop {
            let rest = tree::descendants(own);
            if rest.is_empty() || Instant::now() >= patience {
                return;
            }
            for pid in rest {
                let _ = signals::send(pid, signals::KILL);
            }
            let mut descriptors = [PollFd::new(&self.signals, PollFlags::IN)];
            let _ = poll(
                &mut descriptors,
                Some(&Timespec {
                    tv_sec: 0,
                    tv_nsec: 1_000_000,
                }),
            );
            // Only children's ends are of interest now, but an order to leave must not get lost.
            while let Some(signal) = self.signals.next() {
                if signal != signals::CHILD {
                    self.forward(signal);
                }
            }
            self.reap();
        }
    }
}

/// Sends a signal that asks to end; who stands still hears nothing.
fn tell(target: i32, signal: u32) {
    let _ = signals::send(target, signal);
    let _ = signals::send(target, signals::CONT);
}

fn cannot_start(argv: &[OsString], error: &std::io::Error) -> String {
    let program = argv.first().map(|program| program.to_string_lossy());
    format!(
        "cannot start `{}`: {}",
        program.unwrap_or_default(),
        failure::words(failure::errno(error))
    )
}

/// The exit code for a program that cannot be started, as a shell has it.
fn code_of(error: &std::io::Error) -> u8 {
    if error.kind() == std::io::ErrorKind::NotFound {
        127
    } else {
        126
    }
}
