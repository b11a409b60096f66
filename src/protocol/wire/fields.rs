//! The fields of a frame, one after the other: there and back.

use super::super::{Code, HEADER, Kind, MAX_FRAME, Stream, Time};
use super::Malformed;

/// Begins a frame; [`close`] writes its length.
pub(super) fn frame(out: &mut Vec<u8>, kind: u8) -> &mut Vec<u8> {
    out.extend_from_slice(&[0; HEADER]);
    out.push(kind);
    out
}

pub(super) fn close(out: &mut Vec<u8>, start: usize) -> Result<(), Malformed> {
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
pub(super) trait Put {
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
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = tail;
        Ok(head)
    }
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }
    pub(super) fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }
    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }
    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }
    pub(super) fn time(&mut self) -> Result<Time, Malformed> {
        let seconds = self.array().map(i64::from_le_bytes)?;
        let nanos = self.u32()?;
        if nanos >= 1_000_000_000 {
            return Err(Malformed);
        }
        Ok(Time { seconds, nanos })
    }
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32()?;
        self.take(usize::try_from(length).map_err(|_| Malformed)?)
    }
    /// A list, or an empty one where none is expected.
    pub(super) fn list_if(&mut self, expected: bool) -> Result<Vec<&'a [u8]>, Malformed> {
        if expected {
            self.list()
        } else {
            Ok(Vec::new())
        }
    }
    pub(super) fn list(&mut self) -> Result<Vec<&'a [u8]>, Malformed> {
        // Grows with what is there: a count alone must not make anyone allocate.
        let mut list = Vec::new();
        for _ in 0..self.u32()? {
            list.push(self.bytes()?);
        }
        Ok(list)
    }
    pub(super) fn kind(&mut self) -> Result<Kind, Malformed> {
        match self.u8()? {
            0 => Ok(Kind::File),
            1 => Ok(Kind::Directory),
            2 => Ok(Kind::Symlink),
            3 => Ok(Kind::Other),
            _ => Err(Malformed),
        }
    }
    pub(super) fn stream(&mut self) -> Result<Stream, Malformed> {
        match self.u8()? {
            0 => Ok(Stream::Out),
            1 => Ok(Stream::Err),
            _ => Err(Malformed),
        }
    }
    pub(super) fn code(&mut self) -> Result<Code, Malformed> {
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
    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}
