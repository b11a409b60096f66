//! The wire: what one side encodes the other decodes, and nothing that arrives makes anyone panic.

use docker_liveupdate::protocol::{
    self, Code, Kind, MAX_FRAME, Reply, Request, Sought, Stream, Time, VERSION,
};
use proptest::prelude::*;

type Bytes = Vec<u8>;

fn bytes() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..64)
}

fn time() -> impl Strategy<Value = Time> {
    (any::<i64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Time { seconds, nanos })
}

/// Encodes, cuts, decodes and compares.
macro_rules! survives {
    ($message:expr, $of:ty) => {{
        let message = $message;
        let mut wire = b"before".to_vec();
        message.encode(&mut wire).unwrap();
        let (kind, fields, length) = protocol::split(&wire[6..]).unwrap().unwrap();
        prop_assert_eq!(length, wire.len() - 6);
        let decoded = <$of>::decode(kind, fields);
        prop_assert_eq!(decoded.as_ref(), Ok(&message));
        // Every shorter frame of the same bytes is either not all there, or refused: never something else.
        prop_assert!(protocol::split(&wire[6..wire.len() - 1]).unwrap().is_none());
        if let Some(shorter) = fields.len().checked_sub(1) {
            let decoded = <$of>::decode(kind, &fields[..shorter]);
            prop_assert_ne!(decoded.as_ref(), Ok(&message));
        }
    }};
}

proptest! {
    #[test]
    fn every_request_survives_the_wire(
        (a, b, c, list) in (bytes(), bytes(), bytes(), proptest::collection::vec(bytes(), 0..5)),
        (mode, length, flags, mtime) in (any::<u32>(), any::<u64>(), any::<u8>(), time()),
    ) {
        let (path, target) = (a.as_slice(), b.as_slice());
        let list: Vec<&[u8]> = list.iter().map(Vec::as_slice).collect();
        for request in [
            Request::Hello { version: VERSION, mounts: list.clone(), plain_mounts: list.iter().rev().copied().collect() },
            Request::Begin { hold: length % 2 == 0 },
            Request::Remove { path },
            Request::Directory { path, mode },
            Request::Mode { path, mode },
            Request::File { path, mode, mtime, length, flags },
            Request::Ahead { path, mode, mtime, flags, name: path },
            Request::Data(path),
            Request::Symlink { path, target, mtime },
            Request::Commit { until_ms: length },
            Request::Abort,
            Request::Run {
                argv: list.clone(),
                environment: list.iter().rev().copied().collect(),
                directory: target,
                user: &c,
                timeout_ms: length,
            },
            Request::Describe { path, sought: Sought::Anything },
            Request::Describe { path, sought: Sought::Directory },
            Request::Describe { path, sought: Sought::File { most: length } },
            Request::End,
            Request::Hold,
            Request::Release,
            Request::Restart { signal: mode, grace_ms: length, fresh_ms: length / 2 },
            Request::Bye,
        ] {
            survives!(request, Request);
        }
    }

    #[test]
    fn every_reply_survives_the_wire(
        (a, b) in (bytes(), bytes()),
        (one, two, three, size) in (any::<u32>(), any::<u32>(), any::<u32>(), any::<u64>()),
        (hash, yes) in (any::<u128>(), any::<bool>()),
    ) {
        let (path, text) = (a.as_slice(), b.as_slice());
        let codes = [
            Code::System, Code::MountPoint, Code::NotEmpty, Code::Aborted, Code::User, Code::NoSupervisor, Code::Protocol,
            Code::Unsafe, Code::Late, Code::NotThere,
        ];
        let code = codes[one as usize % codes.len()];
        let kind = [Kind::File, Kind::Directory, Kind::Symlink, Kind::Other][two as usize % 4];
        let stream = [Stream::Out, Stream::Err][three as usize % 2];
        for reply in [
            Reply::Hello { version: VERSION, pid: three, clock_ms: size },
            Reply::Working,
            Reply::Closed { path, text },
            Reply::Applied { held: yes },
            Reply::Failed { code, errno: one, partly: yes, path, text },
            Reply::Output { stream, bytes: path },
            Reply::Ended { code: one, timed_out: yes },
            Reply::Entry { path, kind, mode: one, hash, target: text },
            Reply::Unreadable { path, errno: one, text },
            Reply::Done,
            Reply::Restarted { killed: yes },
            Reply::Crashed { code: one },
        ] {
            survives!(reply, Reply);
        }
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
        protocol::decode_anything(&noise);
        // Most noise dies at the length: so once more with one that is right, for every kind there is.
        for kind in 0..=50 {
            let mut wire = u32::try_from(noise.len() + 1).unwrap().to_le_bytes().to_vec();
            wire.push(kind);
            wire.extend(&noise);
            protocol::decode_anything(&wire);
        }
    }
}

#[test]
fn a_frame_has_a_largest_length() {
    let mut wire = b"before".to_vec();
    let path = vec![b'x'; MAX_FRAME];
    assert!(Request::Remove { path: &path }.encode(&mut wire).is_err());
    assert_eq!(wire, b"before");
    let mut large = u32::try_from(MAX_FRAME + 1).unwrap().to_le_bytes().to_vec();
    large.push(1);
    assert!(protocol::split(&large).is_err());
    assert!(protocol::split(&[0, 0, 0, 0, 1]).is_err());
}

#[test]
fn a_list_that_claims_to_be_long_costs_nothing() {
    let mut fields = u32::MAX.to_le_bytes().to_vec();
    fields.extend([0; 8]);
    assert!(Request::decode(20, &fields).is_err());
}
