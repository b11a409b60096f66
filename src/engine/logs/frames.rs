//! Splits the engine's output of a container into messages: framed, or raw from a terminal; those of a log with their times. Joins
//! no lines.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};

use super::super::Stream;

/// The engine splits a long line into pieces of this size, each with a time in front of it.
const PARTIAL: usize = 16 * 1024;

/// A longer frame is taken to be no frame.
const LONGEST_FRAME: usize = 4 * 1024 * 1024;

/// The length of `2026-01-02T03:04:05.000000006Z`, the time in front of each message of a log.
const STAMP: usize = 30;

/// When a message was written, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(i128);

impl Stamp {
    /// The value of the query's `since` for this message and later ones.
    pub fn since(self) -> String {
        format!(
            "&since={}.{:09}",
            self.0.div_euclid(1_000_000_000),
            self.0.rem_euclid(1_000_000_000)
        )
    }

    /// A time of our own clock.
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i128::try_from(since.as_nanos()).unwrap_or_default())
    }

    /// The time this much earlier.
    pub fn before_by(self, time: Duration) -> Self {
        let nanos = i128::try_from(time.as_nanos()).unwrap_or_default();
        Self(self.0.saturating_sub(nanos))
    }

    /// The time in front of a message, and its length with the space after it; `None` when there is none.
    fn before(message: &[u8]) -> Option<(Self, usize)> {
        let end = message
            .iter()
            .take(STAMP + 6)
            .position(|&byte| byte == b' ')?;
        Some((Self::read(&message[..end])?, end + 1))
    }

    /// Parses a time as the engine writes it.
    pub fn read(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i128>().ok();
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let seconds = (number(11..13)? * 60 + number(14..16)?) * 60 + number(17..19)?;
        let rest = text.get(19..)?;
        let zone = rest.find(['Z', '+', '-'])?;
        let nanos = match rest[..zone].strip_prefix('.') {
            Some(digits) => format!("{digits:0<9}").get(..9)?.parse::<i128>().ok()?,
            None => 0,
        };
        if text.get(10..11)? != "T" || !rest.ends_with('Z') {
            return None;
        }
        Some(Self(
            (days_since_1970(year, month, day) * 86_400 + seconds) * 1_000_000_000 + nanos,
        ))
    }
}

/// Days of the Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_since_1970(year: i128, month: i128, day: i128) -> i128 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A message: a line, or a piece of one.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Output or errors.
    pub stream: Stream,
    /// When it was written; `None` when the engine did not say.
    pub stamp: Option<Stamp>,
    /// Its text, with its line break if it has one.
    pub text: Bytes,
}

/// Where the output comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The log: each message follows its time.
    Log,
    /// An attachment: as it is written.
    Attached,
}

/// A stream that is being split.
pub struct Frames {
    from: From,
    tty: bool,
    buffer: BytesMut,
}

impl Frames {
    /// A stream of a terminal (`tty`) has no frames.
    pub fn new(from: From, tty: bool) -> Self {
        Self {
            from,
            tty,
            buffer: BytesMut::new(),
        }
    }

    /// Adds what has arrived.
    pub fn feed(&mut self, bytes: &Bytes) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, once it is complete.
    pub fn next(&mut self) -> Option<Message> {
        match (self.tty, self.from) {
            (false, _) => self.framed(),
            (true, From::Log) => self.raw(),
            // An attachment's lines need not be complete here, since there are no times to find between them.
            (true, From::Attached) => {
                (!self.buffer.is_empty()).then(|| self.cut(None, self.buffer.len()))
            }
        }
    }

    fn framed(&mut self) -> Option<Message> {
        let length = self.buffer.get(4..8)?.try_into().ok()?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST_FRAME {
            // It is no frame: show it rather than wait for ever.
            let text = self.buffer.split().freeze();
            let (stream, stamp) = (Stream::Out, None);
            return Some(Message {
                stream,
                stamp,
                text,
            });
        }
        if self.buffer.len() < 8 + length {
            return None;
        }
        let header = self.buffer.split_to(8);
        let mut text = self.buffer.split_to(length).freeze();
        let stamp = match self.from {
            From::Log => Stamp::before(&text),
            From::Attached => None,
        };
        if let Some((_, used)) = stamp {
            let _ = text.split_to(used);
        }
        Some(Message {
            stream: if header[0] == 2 {
                Stream::Err
            } else {
                Stream::Out
            },
            stamp: stamp.map(|(stamp, _)| stamp),
            text,
        })
    }

    fn raw(&mut self) -> Option<Message> {
        let stamp = Stamp::before(&self.buffer);
        let begin = stamp.map_or(0, |(_, used)| used);
        let text = &self.buffer[begin..];
        let text = &text[..text.len().min(PARTIAL)];
        let length = match text.iter().position(|&byte| byte == b'\n') {
            Some(end) => end + 1,
            None if text.len() == PARTIAL => PARTIAL,
            None => return None,
        };
        Some(self.cut(stamp, length))
    }

    /// The next message; once the stream has `ended`, what is left over as well.
    pub fn next_of(&mut self, ended: bool) -> Option<Message> {
        match self.next() {
            None if ended => self.rest(),
            message => message,
        }
    }

    /// What is left when the stream ends: a terminal's last line may lack its line break.
    fn rest(&mut self) -> Option<Message> {
        if !self.tty || self.buffer.is_empty() {
            return None;
        }
        let stamp = Stamp::before(&self.buffer);
        let length = self.buffer.len() - stamp.map_or(0, |(_, used)| used);
        Some(self.cut(stamp, length))
    }

    fn cut(&mut self, stamp: Option<(Stamp, usize)>, length: usize) -> Message {
        if let Some((_, used)) = stamp {
            let _ = self.buffer.split_to(used);
        }
        Message {
            stream: Stream::Out,
            stamp: stamp.map(|(stamp, _)| stamp),
            text: self.buffer.split_to(length).freeze(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let mut frame = vec![stream, 0, 0, 0];
        frame.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(text.as_bytes());
        frame
    }

    fn all(tty: bool, bytes: &[u8], piece: usize) -> Vec<(Stream, bool, String)> {
        let mut frames = Frames::new(From::Log, tty);
        let mut got = Vec::new();
        for part in bytes.chunks(piece) {
            frames.feed(&Bytes::copy_from_slice(part));
            while let Some(message) = frames.next() {
                got.push(message);
            }
        }
        got.extend(frames.rest());
        let told = |message: Message| {
            let text = String::from_utf8_lossy(&message.text).into_owned();
            (message.stream, message.stamp.is_some(), text)
        };
        got.into_iter().map(told).collect()
    }

    #[test]
    fn stamps_are_read_to_the_nanosecond() {
        let stamp = |text: &str| Stamp::read(text.as_bytes()).map(Stamp::since);
        let since = |text: &str| Some(text.to_owned());
        assert_eq!(
            stamp("1970-01-01T00:00:00.000000000Z"),
            since("&since=0.000000000")
        );
        assert_eq!(
            stamp("2024-02-29T12:34:56.000000007Z"),
            since("&since=1709210096.000000007")
        );
        assert_eq!(
            stamp("2024-02-29T12:34:56.5Z"),
            since("&since=1709210096.500000000")
        );
        assert_eq!(stamp("hello there, no stamp at all.."), None);
    }

    #[test]
    fn framed_messages_are_found_whatever_the_pieces() {
        let mut bytes = frame(1, "2024-02-29T12:34:56.000000007Z out\n");
        bytes.extend(frame(2, "2024-02-29T12:34:56.000000008Z err\n"));
        for piece in [1, 7, 8, 9, 1000] {
            assert_eq!(
                all(false, &bytes, piece),
                [
                    (Stream::Out, true, "out\n".to_owned()),
                    (Stream::Err, true, "err\n".to_owned()),
                ]
            );
        }
    }

    #[test]
    fn what_is_attached_has_no_stamps_and_keeps_its_own_times() {
        let text = "2024-02-29T12:34:56.000000007Z the program's own\n";
        for tty in [false, true] {
            let mut frames = Frames::new(From::Attached, tty);
            let bytes = if tty { text.into() } else { frame(2, text) };
            frames.feed(&Bytes::from(bytes));
            let message = frames.next().unwrap();
            assert_eq!((message.stamp, &*message.text), (None, text.as_bytes()));
            assert_eq!(frames.next(), None);
        }
    }

    #[test]
    fn a_terminals_lines_lose_their_stamps_even_inside_a_long_line() {
        let stamp = "2024-02-29T12:34:56.000000007Z ";
        let bytes = format!(
            "{stamp}{}{stamp}rest\r\n{stamp}\r\n{stamp}$ ",
            "x".repeat(PARTIAL)
        );
        for piece in [1, 40, 100_000] {
            let text: String = all(true, bytes.as_bytes(), piece)
                .into_iter()
                .map(|(_, _, text)| text)
                .collect();
            assert_eq!(
                text,
                format!("{}rest\r\n\r\n$ ", "x".repeat(PARTIAL)),
                "{piece}"
            );
        }
    }

    /// The most that is kept of a stream that goes on like this without end.
    fn most_kept(tty: bool, begin: &[u8], more: &[u8]) -> usize {
        let mut frames = Frames::new(From::Log, tty);
        frames.feed(&Bytes::copy_from_slice(begin));
        let more = Bytes::copy_from_slice(&more.repeat(10_000));
        let mut most = 0;
        for _ in 0..2000 {
            frames.feed(&more);
            while frames.next().is_some() {}
            most = most.max(frames.buffer.len());
        }
        most
    }

    #[test]
    fn a_line_or_frame_without_end_is_handed_on_before_it_has_one() {
        let endless_line = most_kept(true, b"", b"x");
        assert!(endless_line <= PARTIAL, "{endless_line}");
        let no_frame = most_kept(false, b"", b"x");
        assert!(no_frame < 8, "{no_frame}");
        let too_long = most_kept(false, &[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], b"x");
        assert!(too_long < 8, "{too_long}");
        let longest = u32::try_from(LONGEST_FRAME).unwrap().to_be_bytes();
        let long = most_kept(false, &[&[1, 0, 0, 0], &longest[..]].concat(), b"x");
        assert!(long < LONGEST_FRAME + 8, "{long}");
    }
}
