//! Stands between the tool (and the Docker CLI that it calls) and the engine: answers 500, breaks off, delays, and writes
//! down what was sent. One request a connection, so that each can be told by its line. Knows HTTP's heads alone.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What a refused call is answered.
pub const NO: &str = "the engine had a bad moment";

/// What is done to a call.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It is answered 500.
    Refuse,
    /// It is answered with this JSON.
    Answer(&'static str),
    /// The connection ends after so many bytes of what it sends.
    CutRequest(usize),
    /// The connection ends after so many bytes of what it is answered.
    CutAnswer(usize),
}

/// A call that is written down: its first line, and all that was sent with it and after it.
#[derive(Clone, Debug)]
pub struct Call {
    /// `PUT /v1.48/containers/…/archive?…`
    pub line: String,
    /// The rest of its head, its body, and what an upgraded connection sent.
    pub sent: Vec<u8>,
}

/// The door.
pub struct Interposer {
    folder: tempfile::TempDir,
    listener: Option<UnixListener>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    delay: Duration,
    calls: Vec<Call>,
    open: Vec<(usize, UnixStream, UnixStream)>,
}

struct Rule {
    method: &'static str,
    path: &'static str,
    left: usize,
    met: usize,
    fault: Fault,
}

impl Interposer {
    /// An open door in front of the engine of the environment.
    pub fn open() -> Self {
        let mut door = Self {
            folder: tempfile::tempdir().unwrap(),
            listener: None,
            state: Arc::default(),
        };
        door.mend();
        door
    }

    /// The value for `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The next `count` calls of this kind have this fault. In `path`, `*` stands for one part of the path.
    pub fn meddle(&self, method: &'static str, path: &'static str, count: usize, fault: Fault) {
        self.state().rules.push(Rule {
            method,
            path,
            left: count,
            met: 0,
            fault,
        });
    }

    /// How many calls had a fault so far.
    pub fn meddled(&self) -> usize {
        self.state().rules.iter().map(|rule| rule.met).sum()
    }

    /// Every call takes so much longer from now on.
    pub fn slow_down(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Everything that was sent so far.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How much was sent so far, in bytes.
    pub fn bytes(&self) -> usize {
        self.state().calls.iter().map(|call| call.sent.len()).sum()
    }

    /// How many connections of this kind the session has not closed.
    pub fn open_to(&self, method: &str, path: &str) -> usize {
        let state = self.state();
        let is_of = |call: usize| is_of(&state.calls[call].line, method, path);
        state.open.iter().filter(|(call, ..)| is_of(*call)).count()
    }

    /// Ends the connections of this kind that are open.
    pub fn cut(&self, method: &str, path: &str) -> usize {
        let state = self.state();
        let mut count = 0;
        for (call, client, engine) in &state.open {
            if is_of(&state.calls[*call].line, method, path) && end(client, engine) {
                count += 1;
            }
        }
        count
    }

    /// The engine is gone: all connections end, and there is no socket.
    pub fn shut(&mut self) {
        let _ = std::fs::remove_file(self.socket());
        if let Some(listener) = self.listener.take() {
            // Wakes the thread that accepts.
            let _ = rustix::net::shutdown(&listener, rustix::net::Shutdown::Both);
        }
        for (_, client, engine) in self.state().open.drain(..) {
            end(&client, &engine);
        }
    }

    /// The engine is back.
    pub fn mend(&mut self) {
        let listener = UnixListener::bind(self.socket()).unwrap();
        self.listener = Some(listener.try_clone().unwrap());
        let state = Arc::clone(&self.state);
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let state = Arc::clone(&state);
                // A connection that breaks is what this is about.
                std::thread::spawn(move || drop(serve(client, &state)));
            }
        });
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("sock")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Interposer {
    fn drop(&mut self) {
        self.shut();
    }
}

fn engine() -> io::Result<UnixStream> {
    let host =
        std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into());
    let path = host
        .strip_prefix("unix://")
        .expect("these tests need an engine on a unix socket");
    UnixStream::connect(path)
}

fn end(client: &UnixStream, engine: &UnixStream) -> bool {
    let ended = client.shutdown(Shutdown::Both).is_ok();
    let _ = engine.shutdown(Shutdown::Both);
    ended
}

/// Whether the call with this first line is of a kind; the API's version does not count.
fn is_of(line: &str, method: &str, path: &str) -> bool {
    let mut words = line.split(' ');
    let (Some(called), Some(target)) = (words.next(), words.next()) else {
        return false;
    };
    let asked = target.split('?').next().unwrap_or_default();
    let versioned = |part: &&str| part.starts_with('v') && part[1..].contains('.');
    let mut parts: Vec<&str> = asked.split('/').skip(1).collect();
    if parts.first().is_some_and(versioned) {
        parts.remove(0);
    }
    let wanted: Vec<&str> = path.split('/').skip(1).collect();
    called == method
        && parts.len() == wanted.len()
        && parts
            .iter()
            .zip(&wanted)
            .all(|(part, wanted)| *wanted == "*" || part == wanted)
}

fn serve(mut client: UnixStream, state: &Arc<Mutex<State>>) -> io::Result<()> {
    let (head, rest) = read_head(&mut client)?;
    let line = String::from_utf8_lossy(head.split(|&byte| byte == b'\r').next().unwrap_or(&[]))
        .into_owned();
    let mut engine = engine()?;
    let (call, fault, delay) = {
        let mut state = state.lock().unwrap();
        let call = state.calls.len();
        state.calls.push(Call {
            line: line.clone(),
            sent: [head.as_slice(), &rest].concat(),
        });
        state
            .open
            .push((call, client.try_clone()?, engine.try_clone()?));
        let rule = state
            .rules
            .iter_mut()
            .find(|rule| rule.left > 0 && is_of(&line, rule.method, rule.path));
        let fault = rule.map(|rule| {
            rule.left -= 1;
            rule.met += 1;
            rule.fault
        });
        (call, fault, state.delay)
    };
    std::thread::sleep(delay);
    let answer = match fault {
        Some(Fault::Refuse) => Some((
            "500 Internal Server Error",
            format!("{{\"message\":\"{NO}\"}}"),
        )),
        Some(Fault::Answer(json)) => Some(("200 OK", json.to_owned())),
        _ => None,
    };
    if let Some((status, body)) = answer {
        write!(
            client,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
        client.shutdown(Shutdown::Write)?;
        // What is still on its way is taken, so that the answer is not lost with it.
        io::copy(&mut client, &mut io::sink())?;
        return Ok(());
    }
    let most = match fault {
        Some(Fault::CutRequest(most)) => most,
        _ => usize::MAX,
    };
    engine.write_all(&closing(&head))?;
    engine.write_all(&rest[..rest.len().min(most)])?;
    if rest.len() >= most {
        end(&client, &engine);
        return Ok(());
    }
    let left = most - rest.len();
    let (mut answers, mut listener) = (engine.try_clone()?, client.try_clone()?);
    let answered = match fault {
        Some(Fault::CutAnswer(most)) => most,
        _ => usize::MAX,
    };
    let down = std::thread::spawn(move || {
        let whole = pump(&mut answers, &mut listener, answered, |_| {});
        // The other direction may go on after a half-close; after a cut it may not.
        let how = if whole {
            Shutdown::Write
        } else {
            Shutdown::Both
        };
        let _ = listener.shutdown(how);
        if !whole {
            let _ = answers.shutdown(Shutdown::Both);
        }
    });
    let whole = pump(&mut client, &mut engine, left, |bytes| {
        state.lock().unwrap().calls[call].sent.extend(bytes);
    });
    if whole {
        let _ = engine.shutdown(Shutdown::Write);
    } else {
        end(&client, &engine);
    }
    let _ = down.join();
    let mut state = state.lock().unwrap();
    state.open.retain(|(number, ..)| *number != call);
    Ok(())
}

/// Everything up to the end of the head, and what came with it.
fn read_head(client: &mut UnixStream) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&buffer[..count]);
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = head.split_off(end + 4);
            return Ok((head, rest));
        }
    }
}

/// The head with the wish that the connection end with the answer; one that is to be upgraded stays as it is.
fn closing(head: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(head);
    let lines: Vec<&str> = text.split("\r\n").collect();
    let is = |line: &str, name: &str| line.to_ascii_lowercase().starts_with(name);
    if lines.iter().any(|line| is(line, "upgrade:")) {
        return head.to_vec();
    }
    let mut kept: Vec<&str> = lines
        .into_iter()
        .filter(|line| !is(line, "connection:") && !line.is_empty())
        .collect();
    kept.push("Connection: close\r\n\r\n");
    kept.join("\r\n").into_bytes()
}

/// Passes on at most so many bytes; whether that was all.
fn pump(
    from: &mut UnixStream,
    to: &mut UnixStream,
    most: usize,
    mut hear: impl FnMut(&[u8]),
) -> bool {
    let mut left = most;
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let part = &buffer[..count.min(left)];
        hear(part);
        if to.write_all(part).is_err() {
            return true;
        }
        left -= part.len();
        if left == 0 {
            return false;
        }
    }
    true
}

#[test]
fn a_call_is_told_by_its_method_and_path() {
    let line = "PUT /v1.48/containers/0a1b/archive?path=/ HTTP/1.1";
    assert!(is_of(line, "PUT", "/containers/*/archive"));
    assert!(!is_of(line, "GET", "/containers/*/archive"));
    assert!(!is_of(line, "PUT", "/containers/*/json"));
    assert!(is_of("GET /_ping HTTP/1.1", "GET", "/_ping"));
}
