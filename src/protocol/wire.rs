//! The protocol's words as bytes, there and back. Knows the layout of frames, not what they are for.

mod fields;
mod reply;
mod request;

use super::{HEADER, MAX_FRAME, Reply, Request};

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
