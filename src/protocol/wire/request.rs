//! What the host says, as bytes.

use super::super::{MAGIC, Request, Sought, VERSION};
use super::Malformed;
use super::fields::{Fields, Put as _, close, frame};

impl<'a> Request<'a> {
    /// Appends the frame to `out`. Fails when it would be longer than [`MAX_FRAME`](super::super::MAX_FRAME); `out` is then as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let start = out.len();
        match self {
            Self::Hello {
                version,
                mounts,
                plain_mounts,
            } => frame(out, 1)
                .bytes(&MAGIC)
                .u32(*version)
                .list(mounts)
                .list(plain_mounts),
            Self::Bye => frame(out, 2),
            Self::Begin { hold } => frame(out, 9).bool(*hold),
            Self::Remove { path } => frame(out, 10).bytes(path),
            Self::Directory { path, mode } => frame(out, 11).bytes(path).u32(*mode),
            Self::Mode { path, mode } => frame(out, 17).bytes(path).u32(*mode),
            Self::File {
                path,
                mode,
                mtime,
                length,
                flags,
            } => frame(out, 12)
                .bytes(path)
                .u32(*mode)
                .time(*mtime)
                .u64(*length)
                .u8(*flags),
            Self::Ahead {
                path,
                mode,
                mtime,
                flags,
                name,
            } => frame(out, 18)
                .bytes(path)
                .u32(*mode)
                .time(*mtime)
                .u8(*flags)
                .bytes(name),
            Self::Data(bytes) => frame(out, 13).raw(bytes),
            Self::Symlink {
                path,
                target,
                mtime,
            } => frame(out, 14).bytes(path).bytes(target).time(*mtime),
            Self::Commit { until_ms } => frame(out, 15).u64(*until_ms),
            Self::Abort => frame(out, 16),
            Self::Run {
                argv,
                environment,
                directory,
                user,
                timeout_ms,
            } => frame(out, 20)
                .list(argv)
                .list(environment)
                .bytes(directory)
                .bytes(user)
                .u64(*timeout_ms),
            Self::Describe { path, sought } => {
                let (kind, most) = match sought {
                    Sought::Anything => (0, 0),
                    Sought::File { most } => (1, *most),
                    Sought::Directory => (2, 0),
                };
                frame(out, 31).bytes(path).u8(kind).u64(most)
            }
            Self::End => frame(out, 32),
            Self::Hold => frame(out, 40),
            Self::Release => frame(out, 41),
            Self::Restart {
                signal,
                grace_ms,
                fresh_ms,
            } => frame(out, 42).u32(*signal).u64(*grace_ms).u64(*fresh_ms),
        };
        close(out, start)
    }

    /// Reads the fields of a frame of that kind. Fails on an unknown kind, and on too few or too many bytes.
    pub fn decode(kind: u8, fields: &'a [u8]) -> Result<Self, Malformed> {
        let mut from = Fields(fields);
        let request = match kind {
            1 if from.bytes()? == MAGIC => {
                let version = from.u32()?;
                // What another version says further is its own matter: it is told which one this is.
                let ours = version == VERSION;
                if !ours {
                    from.rest();
                }
                Self::Hello {
                    version,
                    mounts: from.list_if(ours)?,
                    plain_mounts: from.list_if(ours)?,
                }
            }
            2 => Self::Bye,
            9 => Self::Begin { hold: from.bool()? },
            10 => Self::Remove {
                path: from.bytes()?,
            },
            11 => Self::Directory {
                path: from.bytes()?,
                mode: from.u32()?,
            },
            17 => Self::Mode {
                path: from.bytes()?,
                mode: from.u32()?,
            },
            12 => Self::File {
                path: from.bytes()?,
                mode: from.u32()?,
                mtime: from.time()?,
                length: from.u64()?,
                flags: from.u8()?,
            },
            18 => Self::Ahead {
                path: from.bytes()?,
                mode: from.u32()?,
                mtime: from.time()?,
                flags: from.u8()?,
                name: from.bytes()?,
            },
            13 => Self::Data(from.rest()),
            14 => Self::Symlink {
                path: from.bytes()?,
                target: from.bytes()?,
                mtime: from.time()?,
            },
            15 => Self::Commit {
                until_ms: from.u64()?,
            },
            16 => Self::Abort,
            20 => Self::Run {
                argv: from.list()?,
                environment: from.list()?,
                directory: from.bytes()?,
                user: from.bytes()?,
                timeout_ms: from.u64()?,
            },
            31 => Self::Describe {
                path: from.bytes()?,
                sought: match (from.u8()?, from.u64()?) {
                    (0, 0) => Sought::Anything,
                    (1, most) => Sought::File { most },
                    (2, 0) => Sought::Directory,
                    _ => return Err(Malformed),
                },
            },
            32 => Self::End,
            40 => Self::Hold,
            41 => Self::Release,
            42 => Self::Restart {
                signal: from.u32()?,
                grace_ms: from.u64()?,
                fresh_ms: from.u64()?,
            },
            _ => return Err(Malformed),
        };
        from.end().map(|()| request)
    }
}
