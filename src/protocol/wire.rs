//! The protocol's words as bytes, there and back. Knows the layout of frames, not what they are for.

use super::{Code, HEADER, Kind, MAGIC, MAX_FRAME, Reply, Request, Sought, Stream, Time, VERSION};

/// Bytes that are no frame of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// A frame's kind, its fields, and how many bytes it takes in all.
pub type Frame<'a> = (u8, &'a [u8], usize);

/// The first frame in `buffer`; `None` when it is not all there yet. Fails on a length that no frame has.
pub fn split(buffer: &[u8]) -> Result<Option<Frame<'_>>, Malformed> {
    let Some(header) = buffer.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*header) as usize;
    if length == 0 || length > MAX_FRAME {
        return Err(Malformed);
    }
    let Some(frame) = buffer.get(HEADER..HEADER + length) else {
        return Ok(None);
    };
    let (kind, fields) = frame.split_first().ok_or(Malformed)?;
    Ok(Some((*kind, fields, HEADER + length)))
}

/// Decodes `bytes` as both sides would: the entry for fuzzing. Must return for any input.
pub fn decode_anything(bytes: &[u8]) {
    if let Ok(Some((kind, fields, _))) = split(bytes) {
        let _ = Request::decode(kind, fields);
        let _ = Reply::decode(kind, fields);
    }
}

impl<'a> Request<'a> {
    /// Appends the frame to `out`. Fails when it would be longer than [`MAX_FRAME`]; `out` is then as before.
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

impl<'a> Reply<'a> {
    /// Appends the frame to `out`. Fails when it would be longer than [`MAX_FRAME`]; `out` is then as before.
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

/// Begins a frame; [`close`] writes its length.
fn frame(out: &mut Vec<u8>, kind: u8) -> &mut Vec<u8> {
    out.extend_from_slice(&[0; HEADER]);
    out.push(kind);
    out
}

fn close(out: &mut Vec<u8>, start: usize) -> Result<(), Malformed> {
    let length = out.len() - start - HEADER;
    if length > MAX_FRAME {
        out.truncate(start);
        return Err(Malformed);
    }
    let length = u32::try_from(length).map_err(|_| Malformed)?;
    out[start..start + HEADER].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// Appends fields, one after the other.
trait Put {
    fn raw(&mut self, bytes: &[u8]) -> &mut Self;

    fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }
    fn bool(&mut self, value: bool) -> &mut Self {
        self.u8(u8::from(value))
    }
    fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
    fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
    fn time(&mut self, value: Time) -> &mut Self {
        self.raw(&value.seconds.to_le_bytes()).u32(value.nanos)
    }
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        // A length that does not fit belongs to a frame that `close` refuses anyway.
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX))
            .raw(bytes)
    }
    fn list(&mut self, list: &[&[u8]]) -> &mut Self {
        let this = self.u32(u32::try_from(list.len()).unwrap_or(u32::MAX));
        list.iter().fold(this, |this, bytes| this.bytes(bytes))
    }
}

impl Put for Vec<u8> {
    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.extend_from_slice(bytes);
        self
    }
}

/// The fields of a frame that are not read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = tail;
        Ok(head)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }
    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
    fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }
    fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }
    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }
    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }
    fn time(&mut self) -> Result<Time, Malformed> {
        let seconds = self.array().map(i64::from_le_bytes)?;
        let nanos = self.u32()?;
        if nanos >= 1_000_000_000 {
            return Err(Malformed);
        }
        Ok(Time { seconds, nanos })
    }
    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32()?;
        self.take(usize::try_from(length).map_err(|_| Malformed)?)
    }
    /// A list, or an empty one where none is expected.
    fn list_if(&mut self, expected: bool) -> Result<Vec<&'a [u8]>, Malformed> {
        if expected {
            self.list()
        } else {
            Ok(Vec::new())
        }
    }
    fn list(&mut self) -> Result<Vec<&'a [u8]>, Malformed> {
        // Grows with what is there: a count alone must not make anyone allocate.
        let mut list = Vec::new();
        for _ in 0..self.u32()? {
            list.push(self.bytes()?);
        }
        Ok(list)
    }
    fn kind(&mut self) -> Result<Kind, Malformed> {
        match self.u8()? {
            0 => Ok(Kind::File),
            1 => Ok(Kind::Directory),
            2 => Ok(Kind::Symlink),
            3 => Ok(Kind::Other),
            _ => Err(Malformed),
        }
    }
    fn stream(&mut self) -> Result<Stream, Malformed> {
        match self.u8()? {
            0 => Ok(Stream::Out),
            1 => Ok(Stream::Err),
            _ => Err(Malformed),
        }
    }
    fn code(&mut self) -> Result<Code, Malformed> {
        match self.u8()? {
            0 => Ok(Code::System),
            1 => Ok(Code::MountPoint),
            2 => Ok(Code::NotEmpty),
            3 => Ok(Code::Aborted),
            4 => Ok(Code::User),
            5 => Ok(Code::NoSupervisor),
            6 => Ok(Code::Protocol),
            7 => Ok(Code::Unsafe),
            8 => Ok(Code::Late),
            9 => Ok(Code::NotThere),
            _ => Err(Malformed),
        }
    }
    fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}
