//! How often an update waits for the other side: counted on a link to a double, in the order in which the verbs of the way ask.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};

use super::links::is_alive;
use super::questions::{self, Update};
use crate::helper::{Code, Error, Link, Terms};
use crate::protocol::{self, Reply, Request, VERSION};
use crate::transfer::{Delta, Ended, Exec, Stream};

type Pipes = Link<ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>;

/// What the double was asked, an exchange each.
type Asked = Arc<Mutex<Vec<&'static str>>>;

/// How the double answers.
#[derive(Clone, Copy, Default)]
struct Answers {
    /// A process runs under the helper.
    supervised: bool,
    /// It refuses every batch.
    refuses: bool,
}

/// A link to a helper that does nothing.
async fn link(answers: Answers) -> (Pipes, Asked) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let asked = Asked::default();
    tokio::spawn(serve(theirs, answers, Arc::clone(&asked)));
    let (reader, writer) = tokio::io::split(ours);
    let link = Link::open(reader, writer, &Terms::default()).await.unwrap();
    asked.lock().unwrap().clear();
    (link, asked)
}

async fn serve(mut host: DuplexStream, answers: Answers, asked: Asked) {
    let mut buffer = Vec::new();
    let mut is_to_hold = false;
    loop {
        let Some((kind, fields, length)) = protocol::split(&buffer).unwrap() else {
            if host.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
            continue;
        };
        let request = Request::decode(kind, fields).unwrap();
        if let Request::Begin { hold } = request {
            is_to_hold = hold;
        }
        if let Some((name, reply)) = answer(&request, is_to_hold, answers) {
            asked.lock().unwrap().push(name);
            let mut frame = Vec::new();
            reply.encode(&mut frame).unwrap();
            host.write_all(&frame).await.unwrap();
        }
        buffer.drain(..length);
    }
}

/// The name of an exchange that ends with this request, and the answer; the rest of a batch has none.
fn answer(
    request: &Request,
    is_to_hold: bool,
    answers: Answers,
) -> Option<(&'static str, Reply<'static>)> {
    Some(match request {
        Request::Hello { .. } => {
            let hello = Reply::Hello {
                version: VERSION,
                pid: 1,
                clock_ms: 0,
            };
            ("hello", hello)
        }
        Request::Commit { .. } if answers.refuses => {
            let refusal = Reply::Failed {
                code: Code::NotEmpty,
                errno: 0,
                partly: false,
                path: b"/app",
                text: b"is not empty",
            };
            ("batch", refusal)
        }
        Request::Commit { .. } => {
            let held = is_to_hold && answers.supervised;
            let name = if is_to_hold {
                "batch that holds"
            } else {
                "batch"
            };
            (name, Reply::Applied { held })
        }
        Request::Run { .. } => {
            let (code, timed_out) = (0, false);
            ("run", Reply::Ended { code, timed_out })
        }
        Request::Restart { .. } => ("restart", Reply::Restarted { killed: false }),
        Request::Release => ("release", Reply::Done),
        Request::End => ("ping", Reply::Done),
        _ => return None,
    })
}

async fn command(link: &mut Pipes) {
    assert!(is_alive(link).await);
    let exec = Exec {
        argv: vec!["true".to_owned()],
        ..Exec::default()
    };
    let nothing = |_: Stream, _: &[u8]| {};
    assert_eq!(link.run(&exec, nothing).await.unwrap(), Ended::Exit(0));
}

fn exchanges(asked: &Asked) -> Vec<&'static str> {
    std::mem::take(&mut asked.lock().unwrap())
}

const SUPERVISED: Answers = Answers {
    supervised: true,
    refuses: false,
};

#[tokio::test]
async fn a_save_with_a_command_and_a_restart_of_the_process_takes_three_exchanges() {
    let (mut link, asked) = link(SUPERVISED).await;
    let delta = Delta::default();
    Update::new(&delta, true).ask(&mut link).await.unwrap();
    command(&mut link).await;
    let restarted = questions::restart(&mut link, 15, Duration::from_secs(1)).await;
    assert!(restarted.unwrap().is_some());
    questions::release(&mut link).await.unwrap();
    assert_eq!(exchanges(&asked), ["batch that holds", "run", "restart"]);
}

#[tokio::test]
async fn without_a_restart_whoever_is_held_is_released() {
    let (mut link, asked) = link(SUPERVISED).await;
    let delta = Delta::default();
    Update::new(&delta, true).ask(&mut link).await.unwrap();
    command(&mut link).await;
    questions::release(&mut link).await.unwrap();
    assert_eq!(exchanges(&asked), ["batch that holds", "run", "release"]);
    // Once is enough.
    questions::release(&mut link).await.unwrap();
    assert_eq!(exchanges(&asked), [""; 0]);
}

#[tokio::test]
async fn a_batch_that_failed_may_have_held_somebody() {
    let (mut link, asked) = link(Answers {
        supervised: true,
        refuses: true,
    })
    .await;
    let delta = Delta::default();
    let error = Update::new(&delta, true).ask(&mut link).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    questions::release(&mut link).await.unwrap();
    assert_eq!(exchanges(&asked), ["batch", "release"]);
}

#[tokio::test]
async fn where_nobody_is_to_be_held_an_update_is_its_batch() {
    for hold in [true, false] {
        let (mut link, asked) = link(Answers::default()).await;
        let delta = Delta::default();
        Update::new(&delta, hold).ask(&mut link).await.unwrap();
        questions::release(&mut link).await.unwrap();
        assert_eq!(exchanges(&asked).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_whose_end_has_come_is_not_alive_though_it_was_heard_just_now() {
    let (ours, theirs) = tokio::io::duplex(1024);
    let asked = Asked::default();
    let double = tokio::spawn(serve(theirs, SUPERVISED, Arc::clone(&asked)));
    let (reader, writer) = tokio::io::split(ours);
    let mut link = Link::open(reader, writer, &Terms::default()).await.unwrap();
    assert!(is_alive(&mut link).await);
    double.abort();
    assert!(double.await.unwrap_err().is_cancelled());
    assert!(!is_alive(&mut link).await);
}
