//! The words that the host and the helper in the container exchange, and how they lie on the wire.
//! Knows no pipe, no file and no process: bytes in, bytes out. Both executables are built from this one file.
//!
//! A frame is a length (`u32`, little endian, of all that follows it), a kind (`u8`) and the fields of that kind.
//! Numbers are little endian, byte strings have a `u32` length before them. Nothing a peer sends makes decoding panic.

mod wire;

pub use wire::{Frame, Malformed, decode_anything, split};

/// The protocol's version; host and helper must have the same one.
pub const VERSION: u32 = 5;

/// What a helper's first answer begins with, in every version: tells it from an engine's error text on the same stream.
pub const MAGIC: [u8; 8] = *b"liveupd\n";

/// The longest frame, kind included, that either side accepts.
pub const MAX_FRAME: usize = 1024 * 1024;

/// The most content one [`Request::Data`] or [`Reply::Output`] carries.
pub const CHUNK: usize = 64 * 1024;

/// The bytes before a frame's kind.
pub const HEADER: usize = 4;

/// Write into the existing file's inode instead of renaming a new file over it.
pub const IN_PLACE: u8 = 1;

/// Hold what arrives against what is there: where it is the same, leave that as it is and answer [`Reply::Same`].
pub const COMPARE: u8 = 2;

/// A helper that works and has nothing to say yet says [`Reply::Working`] so often, in milliseconds.
pub const PULSE_MS: u64 = 1000;

/// A point in time, as the kernel keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time {
    /// Seconds since 1970, negative before it.
    pub seconds: i64,
    /// Nanoseconds within that second.
    pub nanos: u32,
}

/// What the host says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request<'a> {
    /// The first frame of a connection.
    Hello {
        /// The host's [`VERSION`].
        version: u32,
        /// The mounts that what is synced may be written to; no other is entered.
        mounts: Vec<&'a [u8]>,
        /// Of these, the ones that are entered by their own name alone, through no link: a directory of the engine's machine,
        /// which the host cannot see.
        plain_mounts: Vec<&'a [u8]>,
    },
    /// A batch begins: its removes, then what is to be put, then [`Request::Commit`].
    Begin {
        /// With it an update begins: the supervisor shall not end with its process until [`Request::Release`], or until the
        /// connection ends.
        hold: bool,
    },
    /// Part of a batch: remove a file, or a directory that is empty by then.
    Remove {
        /// Absolute path in the container, as all paths here.
        path: &'a [u8],
    },
    /// Part of a batch: a directory has to be there. An existing one stays as it is.
    Directory {
        /// The directory's path.
        path: &'a [u8],
        /// The mode of a new one.
        mode: u32,
    },
    /// Part of a batch: a directory that is there in the end has this mode.
    Mode {
        /// The directory's path.
        path: &'a [u8],
        /// Its mode; bits beyond the permissions that the container gave it stay.
        mode: u32,
    },
    /// Part of a batch: a file. Exactly `length` bytes of [`Request::Data`] follow.
    File {
        /// The file's path.
        path: &'a [u8],
        /// Its permission bits.
        mode: u32,
        /// Its modification time.
        mtime: Time,
        /// How many bytes of content follow.
        length: u64,
        /// [`IN_PLACE`], [`COMPARE`].
        flags: u8,
    },
    /// Part of a batch: a file whose content the host has put into the helper's own directory.
    Ahead {
        /// The file's path.
        path: &'a [u8],
        /// Its permission bits.
        mode: u32,
        /// Its modification time.
        mtime: Time,
        /// [`IN_PLACE`].
        flags: u8,
        /// What its content is called there: `content-`, the helper's process id, `-`, and whatever. It is gone when the
        /// batch is over.
        name: &'a [u8],
    },
    /// The next bytes of the last [`Request::File`].
    Data(&'a [u8]),
    /// Part of a batch: a symbolic link.
    Symlink {
        /// The link's path.
        path: &'a [u8],
        /// What it points to, as it is.
        target: &'a [u8],
        /// Its own modification time.
        mtime: Time,
    },
    /// The batch is complete: put it in force. Answered by [`Reply::Closed`]s and [`Reply::Same`]s, then [`Reply::Applied`] or [`Reply::Failed`].
    Commit {
        /// By the helper's clock, in milliseconds: after that the host has given the batch up, and has brought another one
        /// another way. 0 is never.
        until_ms: u64,
    },
    /// The batch is given up, also in the middle of a file: leave no trace. Answered by [`Reply::Failed`].
    Abort,
    /// Run a command. Answered by [`Reply::Output`]s, then [`Reply::Ended`] or [`Reply::Failed`].
    Run {
        /// The program and its arguments.
        argv: Vec<&'a [u8]>,
        /// `NAME=VALUE`, added to the container's environment.
        environment: Vec<&'a [u8]>,
        /// The working directory.
        directory: &'a [u8],
        /// `name`, `uid`, `name:group` or `uid:gid`; empty is the helper's own user.
        user: &'a [u8],
        /// After so many milliseconds the process group ends; 0 is never.
        timeout_ms: u64,
    },
    /// Describe exactly this path: kind, mode, hash, target. Answered by [`Reply::Entry`] or [`Reply::Unreadable`].
    Describe {
        /// The path, itself and not what a link leads to.
        path: &'a [u8],
        /// What the host has there.
        sought: Sought,
    },
    /// The last [`Request::Describe`] was sent. Answered by [`Reply::Done`] after all entries.
    End,
    /// To a supervisor alone: it shall not end with its process.
    Hold,
    /// The update is over: the supervisor may end with its process again. A helper answers [`Reply::Done`], a supervisor nothing.
    Release,
    /// Stop the supervised process and start it again. Answered by [`Reply::Restarted`] or [`Reply::Failed`]. With a helper's
    /// answer the update is over, as with [`Request::Release`].
    Restart {
        /// The signal's number.
        signal: u32,
        /// How long the process may take before it is killed.
        grace_ms: u64,
        /// A new process that crashes within this time is started by the next restart, while its container waits for that.
        fresh_ms: u64,
    },
    /// Clean up and exit. Answered by [`Reply::Done`].
    Bye,
}

/// What the host has at a path that the container is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// Nothing, or nothing that is to be compared by content.
    Anything,
    /// A file: one that is no longer than this is read and hashed.
    File {
        /// The host's length in bytes.
        most: u64,
    },
    /// A directory: a link that leads to one is described as that directory, as files are put through it.
    Directory,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A socket, FIFO or device.
    Other,
}

/// Which of its two streams a command wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Why the helper refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The kernel said no; see the errno.
    System,
    /// The path is a mount point, a bind-mounted file for example: it cannot be renamed over, only written in place.
    MountPoint,
    /// A directory that is not empty stands in the way.
    NotEmpty,
    /// The sender gave the batch up.
    Aborted,
    /// No such user or group in the container.
    User,
    /// No supervisor runs in the container.
    NoSupervisor,
    /// The request made no sense.
    Protocol,
    /// The way to the path is one on which root's rights would be lent to somebody.
    Unsafe,
    /// The host has given the batch up by now.
    Late,
    /// The content that was sent ahead is not there.
    NotThere,
}

/// What the helper answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The answer to [`Request::Hello`], also when the versions differ.
    Hello {
        /// The helper's [`VERSION`].
        version: u32,
        /// Its process id in the container.
        pid: u32,
        /// What its clock says, in milliseconds: see [`Request::Commit`].
        clock_ms: u64,
    },
    /// It works on what it was asked, and is not done yet.
    Working,
    /// A part of a batch that is left out, while the rest is put in force.
    Closed {
        /// The path that was not touched.
        path: &'a [u8],
        /// Why, in words.
        text: &'a [u8],
    },
    /// A part of a batch that is in force without having been put there: the file is the one that was there.
    Same {
        /// The file's path.
        path: &'a [u8],
    },
    /// The batch is in force, but for what was said to be left out.
    Applied {
        /// Whether a supervisor is held from now on.
        held: bool,
    },
    /// The request failed.
    Failed {
        /// The kind of refusal, for whoever acts on it.
        code: Code,
        /// The kernel's number, 0 when it was not the kernel.
        errno: u32,
        /// A part of the batch is in force all the same: it broke after staging.
        partly: bool,
        /// The path it is about, or empty.
        path: &'a [u8],
        /// The reason in words.
        text: &'a [u8],
    },
    /// The command wrote something.
    Output {
        /// The stream that it wrote to.
        stream: Stream,
        /// As it came, cut anywhere.
        bytes: &'a [u8],
    },
    /// The command ended.
    Ended {
        /// Its exit code as a shell counts: 128 + signal, 127 not found, 126 not executable.
        code: u32,
        /// It was ended for its timeout.
        timed_out: bool,
    },
    /// One path.
    Entry {
        /// The path that was asked for.
        path: &'a [u8],
        /// What it is.
        kind: Kind,
        /// Its permission bits.
        mode: u32,
        /// XXH3-128 of a file's content; 0 when it was not asked for, and of a file that is longer than was asked for.
        hash: u128,
        /// What a link points to.
        target: &'a [u8],
    },
    /// A path that could not be described.
    Unreadable {
        /// The path that was asked for.
        path: &'a [u8],
        /// The kernel's number.
        errno: u32,
        /// The reason in words.
        text: &'a [u8],
    },
    /// Everything asked for was said.
    Done,
    /// The new process runs.
    Restarted {
        /// The old one had to be killed.
        killed: bool,
    },
    /// The supervised process crashed right after its restart, and its container waits for the next one. Nobody has asked.
    Crashed {
        /// Its exit code as a shell counts.
        code: u32,
    },
}
