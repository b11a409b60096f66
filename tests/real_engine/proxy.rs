//! A door in front of the engine that can be shut: what a restarted engine, a lost network, a closed laptop look like.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Passes connections on to the engine of the environment, while it is open.
pub struct Proxy {
    folder: tempfile::TempDir,
    passing: Arc<Mutex<Vec<JoinHandle<()>>>>,
    listening: Option<JoinHandle<()>>,
    sent: watch::Sender<u64>,
}

fn engine() -> String {
    let host =
        std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into());
    host.strip_prefix("unix://")
        .expect("these tests need an engine on a unix socket")
        .to_owned()
}

async fn pass(client: impl AsyncRead + AsyncWrite, sent: watch::Sender<u64>) {
    let Ok(engine) = UnixStream::connect(engine()).await else {
        return;
    };
    let (mut from_engine, mut to_engine) = engine.into_split();
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let up = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            if to_engine.write_all(&buffer[..length]).await.is_err() {
                break;
            }
            sent.send_modify(|sent| *sent += length as u64);
        }
        let _ = to_engine.shutdown().await;
    };
    let down = async {
        let _ = tokio::io::copy(&mut from_engine, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    tokio::join!(up, down);
}

impl Proxy {
    /// An open door.
    pub fn open() -> Self {
        let mut proxy = Self {
            folder: tempfile::tempdir().unwrap(),
            passing: Arc::default(),
            listening: None,
            sent: watch::Sender::new(0),
        };
        proxy.mend();
        proxy
    }

    /// The door's address.
    pub fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("sock").display())
    }

    /// Cuts all connections; new ones are refused.
    pub fn cut(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
        }
        let _ = std::fs::remove_file(self.folder.path().join("sock"));
        for connection in self.passing.lock().unwrap().drain(..) {
            connection.abort();
        }
    }

    /// Waits until so many bytes have gone to the engine.
    pub async fn passed(&self, bytes: u64) {
        let mut sent = self.sent.subscribe();
        sent.wait_for(|sent| *sent >= bytes).await.unwrap();
    }

    /// Opens the door again.
    pub fn mend(&mut self) {
        let listener = UnixListener::bind(self.folder.path().join("sock")).unwrap();
        let passing = Arc::clone(&self.passing);
        let sent = self.sent.clone();
        self.listening = Some(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                passing
                    .lock()
                    .unwrap()
                    .push(tokio::spawn(pass(client, sent.clone())));
            }
        }));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
        }
    }
}

/// The engine on a TCP port of this machine, for as long as the test's runtime lives.
pub async fn over_tcp() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass(client, watch::Sender::new(0)));
        }
    });
    format!("tcp://127.0.0.1:{port}")
}
