//! Answers that no engine gives, made from those that one does.

use serde_json::{Value, json};

use crate::answers::{Kind, archive, event, frame, head, honest, kind, sized, upgraded, value};
use crate::liar::{Act, Asked};
use crate::random::Random;

/// Where a stream that may be of any size is enough for a test: now and then beyond all that is held of one.
fn long(random: &mut Random) -> u64 {
    let most = *random.pick(&[1000, 100_000, 100_000, 300_000, 300_000, 3_000_000]);
    1 + random.below(most) as u64
}

/// Beyond every limit on what is held.
const TOO_LONG: u64 = 64 * 1024 * 1024;

/// A lie in answer to this, and then silence, or the connection's end, or the next answer.
pub fn lie(asked: &Asked, random: &mut Random) -> Vec<Act> {
    let kind = kind(asked);
    let mut acts = Vec::new();
    if kind == Kind::Upload && random.below(2) == 0 {
        acts.push(Act::TakeBody);
    }
    match random.below(16) {
        0 => acts.push(Act::Say(random.bytes(2000))),
        1 => acts.extend(head_without_end(random)),
        2 => acts.push(Act::Drip(random.bytes(50))),
        3 => acts.extend(cut(&honest(asked), random)),
        4..=6 => acts.extend(changed(&honest(asked), random)),
        7 => acts.extend(wrong_length(random)),
        8 => acts.extend(wrong_chunks(random)),
        9 => acts.extend(refusal(random)),
        10 => acts.extend(any_status(asked, random)),
        // Silence from the beginning.
        11 => {}
        _ => acts.extend(nonsense(kind, asked, random)),
    }
    match random.below(4) {
        0 => acts.push(Act::Wait),
        1 => acts.push(Act::Next),
        _ => {}
    }
    acts
}

/// All that an answer says, in one piece.
fn joined(acts: &[Act]) -> Vec<u8> {
    let said = acts.iter().map(|act| match act {
        Act::Say(bytes) => bytes.as_slice(),
        _ => &[],
    });
    said.collect::<Vec<_>>().concat()
}

fn cut(acts: &[Act], random: &mut Random) -> Vec<Act> {
    let mut bytes = joined(acts);
    bytes.truncate(random.below(bytes.len() + 1));
    vec![Act::Say(bytes)]
}

fn changed(acts: &[Act], random: &mut Random) -> Vec<Act> {
    let mut bytes = joined(acts);
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len().max(1));
        match random.below(4) {
            0 => drop(bytes.drain(at..(at + random.below(20)).min(bytes.len()))),
            1 => {
                let more = random.bytes(20);
                bytes.splice(at..at, more);
            }
            2 => {
                let again = bytes[at..].to_vec();
                bytes.extend(again);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.byte();
                }
            }
        }
    }
    vec![Act::Say(bytes)]
}

fn head_without_end(random: &mut Random) -> Vec<Act> {
    let begin = ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nA: ", "HTTP/1.1 "];
    let more: [&[u8]; 4] = [
        b"A: b\r\n",
        b"x",
        b"\r\n ",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ];
    let more = random.pick(&more).repeat(500);
    vec![
        Act::Say(random.pick(&begin).as_bytes().to_vec()),
        Act::Repeat(more, TOO_LONG),
    ]
}

const LENGTHS: [&str; 10] = [
    "0",
    "1",
    "17",
    "100000",
    "8388608",
    "18446744073709551615",
    "18446744073709551616",
    "-1",
    "x",
    "1\r\nContent-Length: 2",
];

fn wrong_length(random: &mut Random) -> Vec<Act> {
    let fields = format!("Content-Length: {}\r\n", random.pick(&LENGTHS));
    let bodies = [&b"{}"[..], b"[", b"\0", b"{\"Id\":\"e\"}"];
    let body = random.pick(&bodies);
    vec![
        Act::Say(head("200 OK", &fields)),
        Act::Repeat(body.to_vec(), 1 + random.below(200_000) as u64),
    ]
}

fn wrong_chunks(random: &mut Random) -> Vec<Act> {
    let sizes = [
        "2",
        "0",
        "ffffffffffffffff",
        "10000000000000000",
        "-2",
        "",
        "zz",
        "2;a=b",
        "7fffffff",
    ];
    let ends = ["\r\n", "\n", "", "\r\nTrailer: x\r\n"];
    let mut body = Vec::new();
    for _ in 0..=random.below(20) {
        body.extend(random.pick(&sizes).bytes());
        body.extend(random.pick(&ends).bytes());
        body.extend(b"{}");
        body.extend(random.pick(&ends).bytes());
    }
    let times = 1 + random.below(10_000) as u64;
    vec![
        Act::Say(head("200 OK", "Transfer-Encoding: chunked\r\n")),
        Act::Repeat(body, times),
    ]
}

fn refusal(random: &mut Random) -> Vec<Act> {
    let status = random.pick(&["400 No", "404 Not Found", "409 Conflict", "500 Oh"]);
    let messages = [
        json!({ "message": "No such container: c" }),
        json!({ "message": "is not running" }),
        json!({ "message": "Could not find the file /x in container c" }),
        json!({ "message": "x".repeat(10_000) }),
        json!({ "message": 7 }),
        json!([]),
    ];
    let body = random.pick(&messages).to_string().into_bytes();
    let length = format!("Content-Length: {}\r\n", body.len());
    match random.below(3) {
        0 => vec![
            Act::Say(head(status, "")),
            Act::Repeat(random.bytes(4000), TOO_LONG),
        ],
        1 => vec![Act::Say(head(status, "")), Act::Drip(body)],
        _ => vec![Act::Say(head(status, &length)), Act::Say(body), Act::Next],
    }
}

fn any_status(asked: &Asked, random: &mut Random) -> Vec<Act> {
    let text = String::from_utf8_lossy(&joined(&honest(asked))).into_owned();
    let rest = text.split_once("\r\n").map_or("\r\n", |(_, rest)| rest);
    let status = 100 + random.below(900);
    let whole = format!("HTTP/1.1 {status} Whatever\r\n{rest}");
    vec![Act::Say(whole.into_bytes())]
}

/// Whole answers as far as HTTP goes.
fn nonsense(kind: Kind, asked: &Asked, random: &mut Random) -> Vec<Act> {
    match kind {
        Kind::Json => json_nonsense(asked, random),
        Kind::Bare => vec![
            Act::Say(head("200 OK", "")),
            Act::Repeat(random.bytes(4000), TOO_LONG),
        ],
        Kind::Archive => archive_nonsense(random),
        Kind::Upload => vec![Act::Say(sized("text/plain", b"")), Act::Next],
        Kind::Logs => vec![Act::Say(head("200 OK", "")), frames(random)],
        Kind::Command => vec![Act::Say(upgraded()), frames(random)],
        Kind::Events => vec![Act::Say(head("200 OK", "")), events(random)],
    }
}

fn json_nonsense(asked: &Asked, random: &mut Random) -> Vec<Act> {
    let honest = value(asked);
    let value = match random.below(20) {
        // Three bytes that cost two hundred.
        0 => {
            let open = r#"{"Mounts":["#;
            return vec![
                Act::Say(head("200 OK", "")),
                Act::Say(open.into()),
                Act::Repeat(b"{},".repeat(1000), TOO_LONG),
            ];
        }
        1 => {
            let entry = format!("{{\"Id\":\"{}\"}},", random.below(1000));
            return vec![
                Act::Say(head("200 OK", "")),
                Act::Say(b"[".to_vec()),
                Act::Repeat(entry.repeat(100).into_bytes(), TOO_LONG),
            ];
        }
        2 => {
            let deep = random.pick(&["[", "{\"a\":"]).repeat(200_000);
            return vec![Act::Say(sized("application/json", deep.as_bytes()))];
        }
        3 => {
            let id = json!({ "Id": random.pick(&["", "..", "/?#", "\r\nX: y", "é"]) });
            json!(vec![id; 1 + random.below(6000)])
        }
        _ => swapped(honest, random),
    };
    let text = value.to_string();
    vec![
        Act::Say(sized("application/json", text.as_bytes())),
        Act::Next,
    ]
}

/// Some values are of another type, or absurd.
fn swapped(value: Value, random: &mut Random) -> Value {
    if random.below(6) == 0 {
        let others = [
            Value::Null,
            json!(true),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(1e300),
            json!("x".repeat(random.below(100_000))),
            json!([]),
            json!({}),
        ];
        return random.pick(&others).clone();
    }
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, swapped(value, random)))
            .collect(),
        Value::Array(items) => items
            .into_iter()
            .map(|item| swapped(item, random))
            .collect(),
        other => other,
    }
}

fn archive_nonsense(random: &mut Random) -> Vec<Act> {
    let mut bytes = archive();
    match random.below(4) {
        // One extended header after the other.
        0 => {
            let mut header = tar::Header::new_gnu();
            let kinds = [
                tar::EntryType::XHeader,
                tar::EntryType::XGlobalHeader,
                tar::EntryType::GNULongName,
                tar::EntryType::GNUSparse,
            ];
            header.set_entry_type(*random.pick(&kinds));
            header.set_size(512);
            header.set_mode(0);
            header.set_uid(0);
            header.set_gid(0);
            header.set_cksum();
            bytes = header.as_bytes().to_vec();
            bytes.extend([b'x'; 512]);
        }
        // Members without end.
        1 => bytes.truncate(512),
        2 => {
            for _ in 0..=random.below(10) {
                let at = random.below(bytes.len());
                bytes[at] = random.byte();
            }
        }
        _ => bytes = random.bytes(5000),
    }
    vec![
        Act::Say(head("200 OK", "Content-Type: application/x-tar\r\n")),
        Act::Repeat(bytes, long(random)),
    ]
}

fn frames(random: &mut Random) -> Act {
    let stamped = b"2026-01-02T03:04:05.000000006Z hello\n";
    let mut bytes = frame(u8::try_from(random.below(4)).unwrap(), stamped);
    match random.below(4) {
        0 => bytes[4..8].copy_from_slice(&[0xff; 4]),
        1 => bytes = random.bytes(300),
        2 => bytes = frame(1, &vec![b'x'; random.below(70_000)]),
        _ => {}
    }
    if random.below(4) == 0 {
        Act::Drip(bytes)
    } else {
        Act::Repeat(bytes, long(random))
    }
}

fn events(random: &mut Random) -> Act {
    let mut bytes = event();
    match random.below(4) {
        0 => bytes.retain(|&byte| byte != b'\n'),
        1 => bytes = random.bytes(300),
        2 => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let time = random.pick(&["9223372036854775807", "-9223372036854775808", "\"x\""]);
            bytes = text.replace("1767323045000000006", time).into_bytes();
        }
        _ => {}
    }
    Act::Repeat(bytes, long(random))
}
