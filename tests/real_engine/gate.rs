//! A build that goes on when a test says so: it asks for a file, which comes when the gate is open.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use crate::session::DEADLINE;

/// Shut until it is opened.
pub struct Gate {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    open: bool,
    /// Builds that stand before it.
    waiting: usize,
}

impl Gate {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<(Mutex<State>, Condvar)>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                thread::spawn(move || answer(&stream, &state));
            }
        });
        Self { address, state }
    }

    /// The line of a Dockerfile at which a build waits.
    pub fn line(&self) -> String {
        format!("ADD http://{}/gate /gate", self.address)
    }

    /// Waits until a build stands before it.
    #[track_caller]
    pub fn reached(&self) {
        let (state, changed) = &*self.state;
        let state = state.lock().unwrap();
        let none = |state: &mut State| state.waiting == 0;
        let (state, _) = changed.wait_timeout_while(state, DEADLINE, none).unwrap();
        assert!(state.waiting > 0, "no build came to the gate");
    }

    /// Those that wait go on, and all that come.
    pub fn open(&self) {
        self.set(true);
    }

    /// Those that come wait.
    pub fn shut(&self) {
        self.set(false);
    }

    fn set(&self, open: bool) {
        let (state, changed) = &*self.state;
        state.lock().unwrap().open = open;
        changed.notify_all();
    }
}

/// A test that fails leaves no build behind.
impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

fn answer(mut stream: &TcpStream, (state, changed): &(Mutex<State>, Condvar)) {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let mut now = state.lock().unwrap();
    now.waiting += 1;
    changed.notify_all();
    now = changed.wait_while(now, |state| !state.open).unwrap();
    now.waiting -= 1;
    drop(now);
    let body = match head.first() {
        Some(first) if first.starts_with("HEAD") => "",
        _ => "open",
    };
    // Whoever was interrupted hears nothing.
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n{body}"
    );
}
