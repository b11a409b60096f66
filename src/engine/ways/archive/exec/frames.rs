//! Splits a command's output into the engine's frames. Stores none of them: a long one is passed on in pieces as they arrive.

use std::io;
use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes read at once.
const PIECE: usize = 32 * 1024;

/// The length of a frame's header: stream and length.
const HEADER: usize = 8;

/// The output as a stream; it ends with an error when the engine ends within a frame.
pub type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;

/// The frames of `reader`, until it ends.
pub fn output(reader: impl AsyncRead + Unpin + Send + 'static) -> Output {
    let begin = (reader, Frames::default());
    Box::pin(futures_util::stream::try_unfold(
        begin,
        |(mut reader, mut frames)| async move {
            loop {
                if let Some(piece) = frames.next() {
                    return Ok(Some((piece, (reader, frames))));
                }
                frames.buffer.reserve(PIECE);
                if reader.read_buf(&mut frames.buffer).await? > 0 {
                    continue;
                }
                if frames.left > 0 || !frames.buffer.is_empty() {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                return Ok(None);
            }
        },
    ))
}

#[derive(Default)]
struct Frames {
    buffer: BytesMut,
    /// The current frame's stream, and how many bytes of it are still to come.
    stream: u8,
    left: usize,
}

impl Frames {
    fn next(&mut self) -> Option<LogOutput> {
        while self.left == 0 {
            // It is no frame, so something else wrote it: it is passed on as it is.
            if *self.buffer.first()? > 2 {
                let message = self.buffer.split().freeze();
                return Some(LogOutput::Console { message });
            }
            let length = self.buffer.get(4..HEADER)?.try_into().ok()?;
            self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            self.stream = self.buffer.split_to(HEADER)[0];
        }
        if self.buffer.is_empty() {
            return None;
        }
        let length = self.left.min(self.buffer.len());
        self.left -= length;
        let message: Bytes = self.buffer.split_to(length).freeze();
        Some(match self.stream {
            0 => LogOutput::StdIn { message },
            1 => LogOutput::StdOut { message },
            _ => LogOutput::StdErr { message },
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    fn frame(stream: u8, length: u32, text: &[u8]) -> Vec<u8> {
        let mut frame = vec![stream, 0, 0, 0];
        frame.extend(length.to_be_bytes());
        frame.extend(text);
        frame
    }

    /// What was said on which stream, and whether it ended well.
    async fn said(bytes: Vec<u8>, piece: usize) -> (String, String, bool) {
        let (mut far, near) = tokio::io::duplex(piece);
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            far.write_all(&bytes).await.unwrap();
        });
        let (mut out, mut err) = (String::new(), String::new());
        let mut output = output(near);
        while let Some(piece) = output.next().await {
            match piece {
                Ok(LogOutput::StdErr { message }) => err += &String::from_utf8_lossy(&message),
                Ok(piece) => out += &String::from_utf8_lossy(&piece.into_bytes()),
                Err(_) => return (out, err, false),
            }
        }
        (out, err, true)
    }

    #[tokio::test]
    async fn frames_are_told_apart_whatever_the_pieces() {
        let mut bytes = frame(1, 3, b"out");
        bytes.extend(frame(1, 0, b""));
        bytes.extend(frame(2, 3, b"err"));
        bytes.extend(frame(1, 2, b"!\n"));
        for piece in [1, 7, 8, 9, 1000] {
            let expected = ("out!\n".into(), "err".into(), true);
            assert_eq!(said(bytes.clone(), piece).await, expected, "{piece}");
        }
    }

    #[tokio::test]
    async fn a_frame_is_handed_on_before_it_is_whole_and_a_cut_one_is_an_error() {
        let cut = frame(1, u32::MAX, b"begun");
        let expected = ("begun".into(), String::new(), false);
        assert_eq!(said(cut, 1000).await, expected);
        assert!(!said(vec![1, 0, 0], 1000).await.2);
    }

    #[tokio::test]
    async fn what_has_no_frames_is_output() {
        let raw = said(b"no such program\n".to_vec(), 1000).await;
        assert_eq!(raw, ("no such program\n".into(), String::new(), true));
    }
}
