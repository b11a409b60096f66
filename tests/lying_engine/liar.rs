//! A server on a unix socket that answers each request with whatever it is told to. Knows of HTTP where a request ends.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// One thing it does on a connection.
#[derive(Clone, Debug)]
pub enum Act {
    /// Says these bytes.
    Say(Vec<u8>),
    /// Says them again and again, up to so many bytes in all.
    Repeat(Vec<u8>, u64),
    /// Says one of them a second, again and again.
    Drip(Vec<u8>),
    /// Takes the rest of the request.
    TakeBody,
    /// Says nothing more, until the other side hangs up.
    Wait,
    /// Listens for the next request. Without it the connection ends.
    Next,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET`
    pub method: String,
    /// Without the API's version and the query.
    pub path: String,
    /// What came of its body with its head.
    pub body: String,
}

type Script = dyn Fn(&Asked) -> Vec<Act> + Send + Sync;

/// The server.
pub struct Liar {
    folder: tempfile::TempDir,
    heard: Arc<Heard>,
    listens: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Heard {
    connections: AtomicU64,
    said: AtomicU64,
    asked: Mutex<Vec<Asked>>,
}

impl Liar {
    /// Listens, and answers by that script.
    pub fn new(script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("sock")).unwrap();
        let heard = Arc::<Heard>::default();
        let (script, ears): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&heard));
        let listens = tokio::spawn(async move {
            let mut talks = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                ears.connections.fetch_add(1, Ordering::Relaxed);
                let (script, ears) = (Arc::clone(&script), Arc::clone(&ears));
                // The other side may hang up at any time.
                talks.spawn(async move { drop(serve(stream, &*script, &ears).await) });
                while talks.try_join_next().is_some() {}
            }
        });
        Self {
            folder,
            heard,
            listens,
        }
    }

    /// The socket.
    pub fn host(&self) -> String {
        let socket: &Path = &self.folder.path().join("sock");
        format!("unix://{}", socket.display())
    }

    /// Bytes that it could get rid of; the last 200 KiB or so may be on their way.
    pub fn said(&self) -> u64 {
        self.heard.said.load(Ordering::Relaxed)
    }

    /// Connections that were made to it.
    pub fn connections(&self) -> u64 {
        self.heard.connections.load(Ordering::Relaxed)
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.heard.asked.lock().unwrap().clone()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.listens.abort();
    }
}

async fn serve(mut stream: UnixStream, script: &Script, ears: &Heard) -> io::Result<()> {
    let mut input = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&input[..end]).to_ascii_lowercase();
        let first = String::from_utf8_lossy(&input[..end]).into_owned();
        input.drain(..end);
        let length = head
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.lines().next()?.parse().ok())
            .unwrap_or(0);
        while input.len() < length {
            if stream.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        }
        let mut asked = asked(&first);
        asked.body = String::from_utf8_lossy(&input[..length]).into_owned();
        input.drain(..length);
        ears.asked.lock().unwrap().push(asked.clone());
        let mut goes_on = false;
        for act in script(&asked) {
            goes_on = false;
            match act {
                Act::Say(bytes) => say(&mut stream, &bytes, ears).await?,
                Act::Repeat(bytes, most) => {
                    let mut said = 0;
                    while said < most {
                        say(&mut stream, &bytes, ears).await?;
                        said += bytes.len() as u64;
                    }
                }
                Act::Drip(bytes) => {
                    for byte in bytes.iter().cycle() {
                        say(&mut stream, &[*byte], ears).await?;
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
                Act::TakeBody => {
                    while head.contains("transfer-encoding") && !input.ends_with(b"0\r\n\r\n") {
                        let kept = input.split_off(input.len().saturating_sub(8));
                        input = kept;
                        if stream.read_buf(&mut input).await? == 0 {
                            return Ok(());
                        }
                    }
                    input.clear();
                }
                Act::Wait => while stream.read(&mut [0; 4096]).await? > 0 {},
                Act::Next => goes_on = true,
            }
        }
        if !goes_on {
            return Ok(());
        }
    }
}

async fn say(stream: &mut UnixStream, mut bytes: &[u8], heard: &Heard) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = stream.write(bytes).await?;
        heard.said.fetch_add(count as u64, Ordering::Relaxed);
        bytes = &bytes[count..];
    }
    Ok(())
}

/// By the request's first line.
fn asked(head: &str) -> Asked {
    let mut words = head.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let versioned = path.starts_with("/v") && path[2..].starts_with(|c: char| c.is_ascii_digit());
    let path = match path.get(1..).and_then(|rest| rest.find('/')) {
        Some(slash) if versioned => &path[slash + 1..],
        _ => path,
    };
    Asked {
        method,
        path: path.to_owned(),
        body: String::new(),
    }
}
