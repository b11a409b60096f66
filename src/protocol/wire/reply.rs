//! What the helper answers, as bytes.

use super::super::{MAGIC, Reply, VERSION};
use super::Malformed;
use super::fields::{Fields, Put as _, close, frame};

impl<'a> Reply<'a> {
    /// Appends the frame to `out`. Fails when it would be longer than [`MAX_FRAME`](super::super::MAX_FRAME); `out` is then as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let start = out.len();
        match self {
            Self::Hello {
                version,
                pid,
                clock_ms,
            } => frame(out, 1)
                .bytes(&MAGIC)
                .u32(*version)
                .u32(*pid)
                .u64(*clock_ms),
            Self::Working => frame(out, 2),
            Self::Closed { path, text } => frame(out, 12).bytes(path).bytes(text),
            Self::Same { path } => frame(out, 13).bytes(path),
            Self::Applied { held } => frame(out, 10).bool(*held),
            Self::Failed {
                code,
                errno,
                partly,
                path,
                text,
            } => frame(out, 11)
                .u8(*code as u8)
                .u32(*errno)
                .bool(*partly)
                .bytes(path)
                .bytes(text),
            Self::Output { stream, bytes } => frame(out, 20).u8(*stream as u8).raw(bytes),
            Self::Ended { code, timed_out } => frame(out, 21).u32(*code).bool(*timed_out),
            Self::Entry {
                path,
                kind,
                mode,
                hash,
                target,
            } => frame(out, 30)
                .bytes(path)
                .u8(*kind as u8)
                .u32(*mode)
                .raw(&hash.to_le_bytes())
                .bytes(target),
            Self::Unreadable { path, errno, text } => {
                frame(out, 31).bytes(path).u32(*errno).bytes(text)
            }
            Self::Done => frame(out, 32),
            Self::Restarted { killed } => frame(out, 42).bool(*killed),
            Self::Crashed { code } => frame(out, 43).u32(*code),
        };
        close(out, start)
    }

    /// Reads the fields of a frame of that kind. Fails on an unknown kind, and on too few or too many bytes.
    pub fn decode(kind: u8, fields: &'a [u8]) -> Result<Self, Malformed> {
        let mut from = Fields(fields);
        let reply = match kind {
            1 if from.bytes()? == MAGIC => {
                let version = from.u32()?;
                let (pid, clock_ms) = if version == VERSION {
                    (from.u32()?, from.u64()?)
                } else {
                    from.rest();
                    (0, 0)
                };
                Self::Hello {
                    version,
                    pid,
                    clock_ms,
                }
            }
            2 => Self::Working,
            12 => Self::Closed {
                path: from.bytes()?,
                text: from.bytes()?,
            },
            13 => Self::Same {
                path: from.bytes()?,
            },
            10 => Self::Applied { held: from.bool()? },
            11 => Self::Failed {
                code: from.code()?,
                errno: from.u32()?,
                partly: from.bool()?,
                path: from.bytes()?,
                text: from.bytes()?,
            },
            20 => Self::Output {
                stream: from.stream()?,
                bytes: from.rest(),
            },
            21 => Self::Ended {
                code: from.u32()?,
                timed_out: from.bool()?,
            },
            30 => Self::Entry {
                path: from.bytes()?,
                kind: from.kind()?,
                mode: from.u32()?,
                hash: u128::from_le_bytes(from.array()?),
                target: from.bytes()?,
            },
            31 => Self::Unreadable {
                path: from.bytes()?,
                errno: from.u32()?,
                text: from.bytes()?,
            },
            32 => Self::Done,
            42 => Self::Restarted {
                killed: from.bool()?,
            },
            43 => Self::Crashed { code: from.u32()? },
            _ => return Err(Malformed),
        };
        from.end().map(|()| reply)
    }
}
