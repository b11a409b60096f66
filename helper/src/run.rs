//! Runs one command as `docker exec` would, and sends what it writes. When time is up or the host is gone,
//! the command's whole process tree ends.

use crate::failure::{self, Failure};
use crate::path::small_file;
use crate::protocol::{Code, PULSE_MS, Reply, Request, Stream};
use crate::signals::{self, Signals};
use crate::tree;
use crate::user::{self, User};
use crate::wire::{Hangup, Input, Output};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus};
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a command may take to end after SIGTERM, before it is killed.
const GRACE: Duration = Duration::from_millis(500);
const READ: usize = 32 * 1024;

/// A command that is ready to be started, free of the frame it came in.
pub struct Prepared {
    command: Command,
    /// It is not for the helper's own user.
    as_another: bool,
    timeout: Option<Duration>,
}

impl Prepared {
    /// Fails when the request is no [`Request::Run`], or one that cannot be run here.
    pub fn new(request: &Request) -> Result<Self, Failure> {
        let Request::Run {
            argv,
            environment,
            directory,
            user,
            timeout_ms,
        } = request
        else {
            return Err(Failure::new(Code::Protocol, b"", "no command"));
        };
        let Some((program, arguments)) = argv.split_first() else {
            return Err(Failure::new(Code::Protocol, b"", "no program to run"));
        };
        let directory = match OsStr::from_bytes(directory) {
            none if none.is_empty() => Path::new("/"),
            directory => Path::new(directory),
        };
        if let Err(error) = std::fs::read_dir(directory).map(drop)
            && error.kind() != std::io::ErrorKind::PermissionDenied
        {
            let errno = failure::errno(&error);
            return Err(Failure::system(errno, directory.as_os_str().as_bytes()));
        }
        let mut command = Command::new(OsStr::from_bytes(program));
        command
            .args(arguments.iter().map(|word| OsStr::from_bytes(word)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let user = find(user)?;
        let as_another = user.is_some();
        if let Some(user) = &user
            && home_is_our_own()
        {
            command.env("HOME", OsStr::from_bytes(&user.home));
        }
        command.envs(environment.iter().filter_map(|pair| {
            let equals = pair.iter().position(|byte| *byte == b'=')?;
            let (name, value) = (&pair[..equals], &pair[equals + 1..]);
            Some((OsStr::from_bytes(name), OsStr::from_bytes(value)))
        }));
        let directory = directory.to_owned();
        signals::before_exec(&mut command, move || {
            signals::let_all_through();
            rustix::process::setsid()?;
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
            if let Some(user) = &user {
                become_user(user)?;
            }
            // As the user, who may be the only one with a right to go there.
            rustix::process::chdir(&directory)?;
            Ok(())
        });
        Ok(Self {
            command,
            as_another,
            timeout: (*timeout_ms > 0).then(|| Duration::from_millis(*timeout_ms)),
        })
    }

    /// Runs it to its end. Fails only when nobody listens any more.
    pub fn run<I: AsFd, O: AsFd>(
        mut self,
        input: &mut Input<I>,
        output: &mut Output<O>,
        signals: &Signals,
    ) -> Result<(), Hangup> {
        match self.command.spawn() {
            Ok(child) => Running::new(child, self.timeout).follow(input, output, signals),
            // Dropped capabilities keep root from being anybody else. The engine can, and knows a file that may not be executed.
            Err(error)
                if self.as_another && error.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                output.send(&Failure::system(Errno::PERM, b"").reply())
            }
            Err(error) => {
                // The codes and the place of the text are those of a shell and of `docker exec`.
                let not_found = error.kind() == std::io::ErrorKind::NotFound;
                let program = self.command.get_program().to_string_lossy();
                let text = format!(
                    "exec: `{program}`: {}\n",
                    failure::words(failure::errno(&error))
                );
                output.add(&Reply::Output {
                    stream: Stream::Err,
                    bytes: text.as_bytes(),
                })?;
                output.send(&Reply::Ended {
                    code: if not_found { 127 } else { 126 },
                    timed_out: false,
                })
            }
        }
    }
}

/// Whom a command is for, unless that is the helper's own user.
fn find(user: &[u8]) -> Result<Option<User>, Failure> {
    if user.is_empty() {
        return Ok(None);
    }
    let (passwd, group) = (small_file("/etc/passwd"), small_file("/etc/group"));
    user::find(&String::from_utf8_lossy(user), &passwd, &group)
        .map(Some)
        .map_err(|text| Failure::new(Code::User, b"", text))
}

/// The engine gives every exec the HOME of its user unless the container's environment names one: ours is then our own.
fn home_is_our_own() -> bool {
    let passwd = small_file("/etc/passwd");
    let own = user::home(rustix::process::geteuid().as_raw(), &passwd);
    match std::env::var_os("HOME") {
        Some(home) => own.map_or(home == "/", |own| own == home.as_bytes()),
        None => true,
    }
}

/// Nothing but system calls: this runs between fork and exec.
fn become_user(user: &User) -> std::io::Result<()> {
    use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
    if rustix::process::geteuid().is_root() {
        // The numbers are read as they lie: `Gid` is a transparent u32.
        let mut groups = [rustix::fs::Gid::ROOT; 64];
        let count = user.groups.len().min(groups.len());
        for (to, from) in groups.iter_mut().zip(&user.groups) {
            *to = rustix::fs::Gid::from_raw(*from);
        }
        set_thread_groups(&groups[..count])?;
    }
    set_thread_gid(rustix::fs::Gid::from_raw(user.gid))?;
    set_thread_uid(rustix::fs::Uid::from_raw(user.uid))?;
    Ok(())
}

/// While a command runs the host has nothing to say: what is heard is that it is gone, or lost its way.
fn hear<I: AsFd>(input: &mut Input<I>) -> Result<(), Hangup> {
    input.read()?;
    if input.has_frame()? {
        return Err(Hangup);
    }
    Ok(())
}

/// What is to end with a command.
struct Ending {
    /// Its tree when it was asked to end.
    tree: Vec<i32>,
    /// When it started itself.
    since: u64,
}

/// A command that runs.
struct Running {
    pid: i32,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    /// When the next stage of its end is due.
    deadline: Option<Instant>,
    timed_out: bool,
    ending: Option<Ending>,
    code: Option<u32>,
}

impl Running {
    fn new(mut child: Child, timeout: Option<Duration>) -> Self {
        Self {
            pid: child.id().cast_signed(),
            stdout: child.stdout.take().map(OwnedFd::from),
            stderr: child.stderr.take().map(OwnedFd::from),
            deadline: timeout.map(|timeout| Instant::now() + timeout),
            timed_out: false,
            ending: None,
            code: None,
        }
    }

    fn follow<I: AsFd, O: AsFd>(
        mut self,
        input: &mut Input<I>,
        output: &mut Output<O>,
        signals: &Signals,
    ) -> Result<(), Hangup> {
        // The tree ends even when nobody listens any more: that is noted, and answered at the end.
        let mut listening = Ok(());
        let mut buffer = vec![0; READ];
        while self.code.is_none() {
            // Nobody takes it for stuck while the command has nothing to say.
            if listening.is_ok() && output.beat().is_err() {
                listening = Err(Hangup);
                self.end();
            }
            let [hears, out, err] = self.wait(listening.is_ok().then(|| input.fd()), signals);
            if hears && let Err(hangup) = hear(input) {
                listening = Err(hangup);
                self.end();
            }
            for (stream, ready) in [(Stream::Out, out), (Stream::Err, err)] {
                if ready && self.forward(stream, &mut buffer, output).is_err() && listening.is_ok()
                {
                    listening = Err(Hangup);
                    self.end();
                }
            }
            while signals.next().is_some() {}
            self.reap();
            if self.code.is_none()
                && self
                    .deadline
                    .is_some_and(|deadline| deadline <= Instant::now())
            {
                self.time_is_up();
            }
        }
        self.kill();
        listening?;
        self.drain(&mut buffer, output)?;
        output.send(&Reply::Ended {
            code: self.code.unwrap_or_default(),
            timed_out: self.timed_out,
        })
    }

    /// Waits until something happened: the host spoke, output came, output came, or neither (a child ended, or time is up).
    fn wait(&self, input: Option<std::os::fd::BorrowedFd>, signals: &Signals) -> [bool; 3] {
        let pulse = Duration::from_millis(PULSE_MS);
        let left = self.deadline.map_or(pulse, |deadline| {
            deadline
                .saturating_duration_since(Instant::now())
                .min(pulse)
        });
        let timeout = Timespec::try_from(left).unwrap_or(Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        });
        let mut descriptors = vec![PollFd::new(signals, PollFlags::IN)];
        let streams = [
            input,
            self.stdout.as_ref().map(AsFd::as_fd),
            self.stderr.as_ref().map(AsFd::as_fd),
        ];
        let streams = streams.map(|stream| {
            stream.map(|stream| {
                descriptors.push(PollFd::from_borrowed_fd(stream, PollFlags::IN));
                descriptors.len() - 1
            })
        });
        if poll(&mut descriptors, Some(&timeout)).is_err() {
            return [false; 3];
        }
        streams.map(|index| index.is_some_and(|index| !descriptors[index].revents().is_empty()))
    }

    fn forward<O: AsFd>(
        &mut self,
        stream: Stream,
        buffer: &mut [u8],
        output: &mut Output<O>,
    ) -> Result<bool, Hangup> {
        let from = match stream {
            Stream::Out => &mut self.stdout,
            Stream::Err => &mut self.stderr,
        };
        let Some(fd) = from else { return Ok(false) };
        match rustix::io::read(&*fd, &mut *buffer) {
            Ok(0) => {
                *from = None;
                Ok(false)
            }
            Ok(read) => output
                .send(&Reply::Output {
                    stream,
                    bytes: &buffer[..read],
                })
                .map(|()| true),
            Err(rustix::io::Errno::INTR) => Ok(true),
            Err(rustix::io::Errno::AGAIN) => Ok(false),
            Err(_) => {
                *from = None;
                Ok(false)
            }
        }
    }

    /// What the command wrote last. A child that it left in the background may hold the pipes: nobody waits for that one.
    fn drain<O: AsFd>(&mut self, buffer: &mut [u8], output: &mut Output<O>) -> Result<(), Hangup> {
        for stream in [Stream::Out, Stream::Err] {
            let from = match stream {
                Stream::Out => &self.stdout,
                Stream::Err => &self.stderr,
            };
            if let Some(fd) = from {
                let _ = rustix::io::ioctl_fionbio(fd, true);
            }
            while self.forward(stream, buffer, output)? {}
        }
        Ok(())
    }

    fn reap(&mut self) {
        for (pid, code) in reap() {
            if pid == self.pid {
                self.code = Some(code);
            }
        }
    }

    fn time_is_up(&mut self) {
        if self.ending.is_none() {
            self.timed_out = true;
            self.end();
        } else {
            self.kill();
            self.deadline = Some(Instant::now() + GRACE);
        }
    }

    /// Asks the command to end.
    fn end(&mut self) {
        if self.ending.is_none() {
            self.ending = Some(Ending {
                tree: tree::descendants(self.pid),
                since: tree::start(self.pid).unwrap_or(u64::MAX),
            });
            let _ = signals::send(-self.pid, signals::TERM);
            let _ = signals::send(-self.pid, signals::CONT);
            self.deadline = Some(Instant::now() + GRACE);
        }
    }

    /// Kills what is left of a command that was asked to end: its group, what descended from it then, and what did since.
    fn kill(&self) {
        let Some(Ending { tree, since }) = &self.ending else {
            return;
        };
        if self.code.is_none() {
            let _ = signals::send(-self.pid, signals::KILL);
        }
        let mut roots = tree.clone();
        roots.push(self.pid);
        // Whoever forked in the meantime is found by the next look; a few looks see the end of any tree that is not a bomb.
        for _ in 0..16 {
            let mut left = tree::descendants_since(&roots, *since);
            left.extend(tree.iter().filter(|pid| tree::lives(**pid)));
            left.retain(|pid| *pid != self.pid);
            if left.is_empty() {
                return;
            }
            for pid in left {
                let _ = signals::send(pid, signals::KILL);
            }
        }
    }
}

/// Reaps every child that has ended, and says how as a shell would.
pub fn reap() -> Vec<(i32, u32)> {
    let mut ended = Vec::new();
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        ended.push((Pid::as_raw(Some(pid)), code(status)));
    }
    ended
}

fn code(status: WaitStatus) -> u32 {
    let code = status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    code.unwrap_or_default().unsigned_abs()
}
