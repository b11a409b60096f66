//! Runs one command as `docker exec` would, and sends what it writes.

mod running;

use crate::failure::{self, Failure};
use crate::path::small_file;
use crate::protocol::{Code, Reply, Request, Stream};
use crate::signals::{self, Signals};
use crate::user::{self, User};
use crate::wire::{Hangup, Input, Output};
use running::Running;
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus};
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

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
