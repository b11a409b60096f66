//! Whole archives, cut ones, and all that can be done to one.

use super::*;

/// A source of given pieces.
pub struct Pieces(pub std::collections::VecDeque<Bytes>);

impl Chunks for Pieces {
    async fn more(&mut self) -> Result<Option<Bytes>, EngineError> {
        Ok(self.0.pop_front())
    }
}

fn source(archive: &[u8], piece: usize) -> Pieces {
    Pieces(archive.chunks(piece).map(Bytes::copy_from_slice).collect())
}

fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o640);
        header.set_uid(1000);
        header.set_gid(33);
        builder.append_data(&mut header, name, content).unwrap();
    };
    add("a", b"hello");
    add(&"long/".repeat(40), b"");
    add("b", &[7; 1500]);
    builder.into_inner().unwrap()
}

#[tokio::test]
async fn members_are_read_whatever_the_pieces() {
    for piece in [1, 511, 512, 513, 10_000] {
        let mut reader = Reader::new(source(&archive(), piece));
        let a = reader.next().await.unwrap().unwrap();
        assert_eq!(
            (a.name.as_slice(), a.mode, a.uid, a.gid),
            (&b"a"[..], 0o640, 1000, 33)
        );
        let mut content = Vec::new();
        while let Some(bytes) = reader.content().await.unwrap() {
            content.extend_from_slice(&bytes);
        }
        assert_eq!(content, b"hello");
        let long = reader.next().await.unwrap().unwrap();
        assert_eq!(long.name.len(), 5 * 40 - 1);
        assert_eq!(reader.next().await.unwrap().unwrap().size, 1500);
        assert_eq!(reader.next().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_cut_archive_is_an_error_not_an_end() {
    let whole = archive();
    let mut reader = Reader::new(source(&whole[..700], 100));
    let mut outcome = reader.next().await;
    while let Ok(Some(_)) = outcome {
        outcome = reader.next().await;
    }
    assert!(outcome.is_err());
}

/// Takes it apart to its end, content included; how many members there were, and the most that was held at once.
async fn read_all(archive: &[u8], piece: usize) -> (Result<usize, EngineError>, usize) {
    let mut reader = Reader::new(source(archive, piece));
    let (mut count, mut held) = (0, 0);
    loop {
        match reader.next().await {
            Ok(Some(member)) => {
                count += 1;
                held = held.max(member.name.capacity() + member.link.capacity());
                held = held.max(reader.buffer.capacity());
            }
            Ok(None) => return (Ok(count), held),
            Err(error) => return (Err(error), held),
        }
    }
}

fn header(kind: EntryType, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_path("x").unwrap();
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[tokio::test]
async fn extended_headers_without_end_are_given_up() {
    for kind in [
        EntryType::XHeader,
        EntryType::XGlobalHeader,
        EntryType::GNULongName,
        EntryType::GNULongLink,
    ] {
        let mut archive = header(kind, 5);
        archive.resize(2 * BLOCK, b'x');
        let error = read_all(&archive.repeat(1000), 4096).await.0.unwrap_err();
        assert!(error.to_string().ends_with("extended headers without end"));
    }
}

#[tokio::test]
async fn a_member_with_all_kinds_of_extended_headers_is_read() {
    let mut archive = Vec::new();
    for kind in [EntryType::XGlobalHeader, EntryType::XHeader] {
        archive.extend(header(kind, 0));
    }
    archive.extend(header(EntryType::Regular, 0));
    assert_eq!(read_all(&archive, 4096).await.0.unwrap(), 1);
}

#[tokio::test]
async fn sizes_that_no_file_has_and_maps_of_holes_are_errors() {
    let mut negative = header(EntryType::Regular, 0);
    negative[124..136].fill(0xff);
    let mut huge = header(EntryType::Regular, u64::MAX / 2 + 1);
    let sparse = header(EntryType::GNUSparse, 512);
    let record = b"28 size=9223372036854775808\n";
    let mut extended = header(EntryType::XHeader, record.len() as u64);
    extended.extend(record);
    extended.resize(2 * BLOCK, 0);
    extended.extend(header(EntryType::Regular, 0));
    for archive in [&mut negative, &mut huge] {
        let sum = format!("{:06o}\0 ", checksum(archive));
        archive[148..156].copy_from_slice(sum.as_bytes());
    }
    let mut unsummed = header(EntryType::Regular, 0);
    unsummed[0] ^= 1;
    for (archive, why) in [
        (negative, "a size that no file has"),
        (huge, "a size that no file has"),
        (extended, "a size that no file has"),
        (sparse, "a sparse file"),
        (unsummed, "a header's checksum is wrong"),
        (header(EntryType::XHeader, 1 << 40), "more than 1 MiB"),
        (header(EntryType::Regular, 1 << 60), "in the middle"),
    ] {
        let error = read_all(&archive, 4096).await.0;
        let error = error.err().map(|error| error.to_string());
        let error = error.unwrap_or_else(|| panic!("{why}"));
        assert!(error.ends_with(why), "{error}");
    }
}

/// A seed of its own for each run of xorshift: the same mutations each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

/// With a checksum that is right in most cases, so that what is behind it is reached.
fn mutated(archive: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = archive.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 | 1 => bytes[at] = random.byte(),
            // The fields of a header: sizes, kinds, the pax records behind it.
            2 => {
                let field = at / BLOCK * BLOCK + [100, 124, 156, 157, 257][random.below(5)];
                let digits = b"01234567xLKgS\xff\x80 \0";
                for place in field..(field + random.below(12)).min(bytes.len()) {
                    bytes[place] = digits[random.below(digits.len())];
                }
            }
            3 => bytes.truncate(at.max(1)),
            4 => {
                let block = bytes[at / BLOCK * BLOCK..].to_vec();
                bytes.extend(&block[..block.len().min(BLOCK)]);
            }
            _ => {
                let end = (at + random.below(2 * BLOCK)).min(bytes.len());
                bytes.drain(at..end);
                bytes.push(random.byte());
            }
        }
    }
    if random.below(4) > 0 {
        for block in bytes.chunks_exact_mut(BLOCK) {
            if block[257..262] == *b"ustar" {
                let sum = format!("{:06o}\0 ", checksum(block));
                block[148..156].copy_from_slice(sum.as_bytes());
            }
        }
    }
    bytes
}

#[tokio::test]
async fn whatever_is_done_to_an_archive_reading_it_ends_and_holds_little() {
    let mut valid = archive();
    let records = b"20 path=a/b/c/d/e/f\n12 uid=1000\n9 size=3\n";
    let mut pax = header(EntryType::XHeader, records.len() as u64);
    pax.extend(records);
    pax.resize(2 * BLOCK, 0);
    pax.extend(header(EntryType::Regular, 0));
    pax.resize(4 * BLOCK, b'c');
    valid.splice(0..0, pax);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut whole, mut broken) = (0, 0);
    for _ in 0..100_000 {
        let bytes = mutated(&valid, &mut random);
        let piece = 1 + random.below(3 * BLOCK);
        let (outcome, held) = read_all(&bytes, piece).await;
        assert!(held <= 64 * 1024, "{held}");
        match outcome {
            Ok(_) => whole += 1,
            Err(_) => broken += 1,
        }
    }
    assert!(whole > 1000 && broken > 1000, "{whole} {broken}");
}
