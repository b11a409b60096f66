//! Joins the earlier output in a container's log with what an attachment delivers: each byte once. Pure: bytes in, bytes out.

use std::collections::VecDeque;

use bytes::Bytes;

use super::super::Stream;

/// How many bytes of the output shown last are remembered for each stream, to be found again in the log.
const REMEMBERED: usize = 64 * 1024;
/// How many of those bytes have to be found.
const NEEDLE: usize = 4 * 1024;
/// The most bytes of the log that are held until they are joined.
const HELD: usize = 8 * 1024 * 1024;

/// About how many bytes a log stores with each message: its stream and its time.
const AROUND: u64 = 72;

/// A piece of one of the two streams, as it was written.
pub type Piece = (Stream, Bytes);

/// The last part of what was shown of each stream.
#[derive(Default)]
pub struct Shown([Vec<u8>; 2]);

impl Shown {
    /// Adds what was shown next.
    pub fn add(&mut self, stream: Stream, bytes: &[u8]) {
        let tail = &mut self.0[index(stream)];
        let bytes = &bytes[bytes.len().saturating_sub(REMEMBERED)..];
        if tail.len() + bytes.len() > 2 * REMEMBERED {
            tail.drain(..tail.len().saturating_sub(REMEMBERED));
        }
        tail.extend_from_slice(bytes);
    }
}

/// The log's earlier output, while it is read.
#[derive(Default)]
pub struct Before {
    pieces: VecDeque<Piece>,
    bytes: usize,
    read: u64,
    /// There was more than can be held.
    overflowed: bool,
}

/// The part of the log that is to be shown.
pub struct Joined {
    /// In the log's order; empty when all was shown.
    pub pieces: Vec<Piece>,
    /// Whether the end of what was shown before the break was found: then nothing is missing in between.
    pub found: bool,
    /// Whether the text repeats itself, so that it cannot be told how much of it came both ways.
    pub is_vague: bool,
}

impl Before {
    /// Adds the log's next piece; returns the oldest piece when there is no room for both.
    pub fn add(&mut self, stream: Stream, bytes: Bytes) -> Option<Piece> {
        self.bytes += bytes.len();
        self.read += bytes.len() as u64 + AROUND;
        self.pieces.push_back((stream, bytes));
        if self.bytes <= HELD {
            return None;
        }
        self.overflowed = true;
        let oldest = self.pieces.pop_front()?;
        self.bytes -= oldest.1.len();
        Some(oldest)
    }

    /// About how many bytes of the log file were read.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// Leaves out what was `shown` before, and what the attachment delivered since (`attached`).
    pub fn join(self, shown: Option<&Shown>, attached: &[Piece]) -> Joined {
        let mut found = !self.overflowed || shown.is_none();
        let mut is_vague = false;
        let ranges = [Stream::Out, Stream::Err].map(|stream| {
            let log = concatenated(self.pieces.iter(), stream);
            let attached = concatenated(attached.iter(), stream);
            let begin = match shown.map(|shown| shown.0[index(stream)].as_slice()) {
                None | Some([]) => 0,
                Some(shown) => {
                    let (begin, is_sure) = after(&log, shown);
                    found &= is_sure || log.is_empty();
                    begin
                }
            };
            let both = overlap(&log[begin..], &attached);
            let end = log.len() - both;
            is_vague |= repeats(&log[begin..end], &attached[..both]);
            begin..end
        });
        let mut at = [0, 0];
        let mut pieces = Vec::new();
        for (stream, bytes) in self.pieces {
            let (at, range) = (&mut at[index(stream)], &ranges[index(stream)]);
            let from = range.start.clamp(*at, *at + bytes.len()) - *at;
            let to = range.end.clamp(*at, *at + bytes.len()) - *at;
            *at += bytes.len();
            if from < to {
                pieces.push((stream, bytes.slice(from..to)));
            }
        }
        Joined {
            pieces,
            found,
            is_vague,
        }
    }
}

fn index(stream: Stream) -> usize {
    usize::from(stream == Stream::Err)
}

fn concatenated<'a>(pieces: impl Iterator<Item = &'a Piece>, stream: Stream) -> Vec<u8> {
    let mine = pieces.filter(|(of, _)| *of == stream);
    mine.flat_map(|(_, bytes)| bytes.iter().copied()).collect()
}

/// How much of `log` was `shown` before, and whether that is certain. The log begins within or before what was shown.
fn after(log: &[u8], shown: &[u8]) -> (usize, bool) {
    let needle = &shown[shown.len().saturating_sub(NEEDLE)..];
    let mut whole = matches(log, needle).filter(|(_, matched)| *matched == needle.len());
    // When in doubt, show it twice rather than not at all.
    if let Some((end, _)) = whole.next() {
        return (end, whole.next().is_none());
    }
    let both = overlap(shown, log);
    (both, both > 0)
}

/// The length of the longest end of `one` that is a beginning of `other`.
fn overlap(one: &[u8], other: &[u8]) -> usize {
    let begin = &other[..other.len().min(one.len())];
    let one = &one[one.len() - begin.len()..];
    matches(one, begin).last().map_or(0, |(_, matched)| matched)
}

/// Whether the border between `before` and `both` could as well be elsewhere.
fn repeats(before: &[u8], both: &[u8]) -> bool {
    let border = overlap(both.get(1..).unwrap_or_default(), both);
    !both.is_empty() && (before.ends_with(both) || 2 * border >= both.len())
}

/// For each position in `text`: how much follows it, and how much of `pattern` ends there (Knuth, Morris, Pratt).
fn matches(text: &[u8], pattern: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut borders = vec![0; pattern.len()];
    let mut border = 0;
    for at in 1..pattern.len() {
        while border > 0 && pattern[at] != pattern[border] {
            border = borders[border - 1];
        }
        border += usize::from(pattern[at] == pattern[border]);
        borders[at] = border;
    }
    let mut matched = 0;
    text.iter().enumerate().map(move |(at, byte)| {
        while matched > 0 && pattern.get(matched) != Some(byte) {
            matched = borders[matched - 1];
        }
        matched += usize::from(pattern.get(matched) == Some(byte));
        (at + 1, matched)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece(text: &str) -> Piece {
        (Stream::Out, Bytes::copy_from_slice(text.as_bytes()))
    }

    fn joined(shown: Option<&str>, log: &[&str], attached: &[&str]) -> (String, bool) {
        let mut before = Before::default();
        for text in log {
            let (stream, bytes) = piece(text);
            assert!(before.add(stream, bytes).is_none());
        }
        let shown = shown.map(|text| {
            let mut shown = Shown::default();
            shown.add(Stream::Out, text.as_bytes());
            shown
        });
        let attached: Vec<Piece> = attached.iter().map(|text| piece(text)).collect();
        let Joined { pieces, found, .. } = before.join(shown.as_ref(), &attached);
        let bytes: Vec<u8> = pieces.into_iter().flat_map(|(_, bytes)| bytes).collect();
        (String::from_utf8(bytes).unwrap(), found)
    }

    #[test]
    fn each_line_is_shown_once_whoever_has_it() {
        for (shown, log, attached, expected) in [
            (None, &["a\n", "b\n"][..], &[][..], ("a\nb\n", true)),
            (None, &["a\n", "b\n"], &["c\n"], ("a\nb\n", true)),
            (
                None,
                &["a\n", "b\n", "c\n"],
                &["b\nc", "\nd\n"],
                ("a\n", true),
            ),
            // Attached in the middle of a line.
            (None, &["a\n", "bcd\n"], &["d\ne\n"], ("a\nbc", true)),
            // All that the log has came over the attachment as well.
            (None, &["a\n"], &["a\nb\n"], ("", true)),
            (Some("x\na\n"), &["a\n", "b\n"], &["c\n"], ("b\n", true)),
            (
                Some("x\na\n"),
                &["w\n", "x\n", "a\n", "b\n"],
                &["b\n"],
                ("", true),
            ),
            (Some("a\n"), &["b\n"], &[], ("b\n", false)),
            (Some("a\n"), &[], &["c\n"], ("", true)),
        ] {
            let (text, found) = expected;
            assert_eq!(
                joined(shown, log, attached),
                (text.to_owned(), found),
                "{shown:?} {log:?} {attached:?}"
            );
        }
    }

    #[test]
    fn what_is_written_again_and_again_is_told_to_be_vague() {
        let is_vague = |log: &str, attached: &str| {
            let mut before = Before::default();
            let (stream, bytes) = piece(log);
            before.add(stream, bytes);
            before.join(None, &[piece(attached)]).is_vague
        };
        assert!(is_vague("y\ny\ny\n", "y\ny\n"));
        assert!(is_vague("y\ny\ny\n", "y\n"));
        assert!(is_vague("bbbb", "bb"));
        assert!(!is_vague("a\nb\nc\n", "c\nd\n"));
        assert!(!is_vague("10\n11\n12\n", "11\n12\n13\n"));
        assert!(!is_vague("y\ny\n", ""));
        assert!(!is_vague("y\ny\n", "z\n"));
    }

    #[test]
    fn the_streams_are_joined_each_by_itself_in_the_log_s_order() {
        let mut before = Before::default();
        let piece = |stream, text: &'static str| (stream, Bytes::from_static(text.as_bytes()));
        for (stream, text) in [
            (Stream::Out, "1\n"),
            (Stream::Err, "1\n"),
            (Stream::Out, "2\n"),
            (Stream::Err, "2\n"),
        ] {
            let (stream, bytes) = piece(stream, text);
            before.add(stream, bytes);
        }
        let attached = [piece(Stream::Err, "1\n2\n"), piece(Stream::Out, "2\n")];
        let joined = before.join(None, &attached);
        assert_eq!(joined.pieces, [piece(Stream::Out, "1\n")]);
    }

    #[test]
    fn what_does_not_fit_is_handed_on_oldest_first() {
        let mut before = Before::default();
        let block = Bytes::from(vec![b'x'; HELD / 4]);
        let pushed = (0..6).filter_map(|_| before.add(Stream::Out, block.clone()));
        assert_eq!(pushed.count(), 2);
        assert!(before.bytes <= HELD);
        assert!(!before.join(Some(&Shown::default()), &[]).found);
    }

    proptest! {
        /// A stream of different lines, cut anywhere.
        #[test]
        fn a_seam_leaves_nothing_out_and_nothing_doubled(
            cuts in proptest::array::uniform4(0usize..600),
        ) {
            let whole: String = (100..250).map(|line: u8| line.to_string() + "\n").collect();
            let mut cuts = cuts.map(|cut| cut.min(whole.len()));
            cuts.sort_unstable();
            let [begun, shown, attached, read] = cuts;
            // The log begins with a line that was shown, and ends with a whole one.
            let (begun, read) = (begun - begun % 4, read.next_multiple_of(4));
            // A few bytes are found anywhere.
            prop_assume!(begun < shown && shown >= 8);
            let (text, found) = joined(Some(&whole[..shown]), &[&whole[begun..read]], &[&whole[attached..]]);
            prop_assert!(found);
            prop_assert_eq!(text, &whole[shown..attached]);
        }
    }
}
