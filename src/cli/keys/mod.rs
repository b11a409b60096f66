//! The keys of a session in a terminal, and the signal for use without a terminal. Knows what keys are called, not what they do.

#[cfg(unix)]
mod terminal;

#[cfg(unix)]
use terminal::Listening;

/// A key with a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// `r`: rebuild the services.
    Rebuild,
    /// `u`: apply the changes that wait (`trigger_mode: manual`).
    Apply,
    /// `p`: pause updates, or resume them.
    Pause,
    /// `v`: compare containers with the host.
    Verify,
    /// `q`: end the session.
    Quit,
    /// `?`: show what the keys do.
    Help,
}

impl Key {
    /// Every key, in the order of the help.
    pub const ALL: [Self; 6] = [
        Self::Rebuild,
        Self::Apply,
        Self::Pause,
        Self::Verify,
        Self::Quit,
        Self::Help,
    ];

    /// The letter to type.
    pub const fn letter(self) -> char {
        match self {
            Self::Rebuild => 'r',
            Self::Apply => 'u',
            Self::Pause => 'p',
            Self::Verify => 'v',
            Self::Quit => 'q',
            Self::Help => '?',
        }
    }

    /// What it does, in one to three words.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Rebuild => "rebuild",
            Self::Apply => "apply what waits",
            Self::Pause => "pause",
            Self::Verify => "verify",
            Self::Quit => "quit",
            Self::Help => "help",
        }
    }
}

/// Receives keys from a terminal, where there is one, and SIGUSR1 as [`Key::Apply`] everywhere but on Windows: a session for a
/// program, in the background or in a container has no other way to apply what waits.
///
/// As long as it exists, the terminal neither echoes nor waits for a newline (Ctrl-C and Ctrl-Z work as usual). When it is dropped, and on a panic or Ctrl-Z, the terminal is put back as it was.
#[derive(Debug)]
pub struct Keys {
    #[cfg(unix)]
    listening: Option<Listening>,
    #[cfg(unix)]
    apply: Option<tokio::signal::unix::Signal>,
}

impl Keys {
    /// Listens when standard input and output are a terminal and we are in its foreground. On Windows there are no keys so far.
    ///
    /// Must be called within a tokio runtime.
    pub fn listen() -> Self {
        Self {
            #[cfg(unix)]
            listening: Listening::on_standard_input(),
            ..Self::none()
        }
    }

    /// No keys, because the output is for a program or nobody is there. SIGUSR1 still works.
    ///
    /// Must be called within a tokio runtime.
    pub fn none() -> Self {
        Self {
            #[cfg(unix)]
            listening: None,
            // If the handler cannot be installed, the session works without it.
            #[cfg(unix)]
            apply: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined1())
                .ok(),
        }
    }

    /// What the user has to do to apply what waits, for messages.
    pub fn how_to_apply(&self) -> String {
        if self.are_heard() {
            return "`u`".to_owned();
        }
        if cfg!(unix) {
            format!("`kill -USR1 {}`", std::process::id())
        } else {
            "`trigger_mode: auto`, as there are no keys".to_owned()
        }
    }

    /// Whether keys can arrive at all, so that showing them makes sense.
    pub fn are_heard(&self) -> bool {
        #[cfg(unix)]
        return self.listening.is_some();
        #[cfg(not(unix))]
        return false;
    }

    /// The next key; never resolves where there are none. Safe to drop and call again, as in a `select!`.
    pub async fn next(&mut self) -> Key {
        #[cfg(unix)]
        return tokio::select! {
            key = typed(&mut self.listening) => key,
            () = signalled(&mut self.apply) => Key::Apply,
        };
        #[cfg(not(unix))]
        std::future::pending().await
    }
}

#[cfg(unix)]
async fn typed(listening: &mut Option<Listening>) -> Key {
    if let Some(listening) = listening
        && let Some(key) = listening.next().await
    {
        return key;
    }
    std::future::pending().await
}

#[cfg(unix)]
async fn signalled(signal: &mut Option<tokio::signal::unix::Signal>) {
    let heard = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if heard.is_none() {
        std::future::pending::<()>().await;
    }
}

/// The keys in one read from a terminal. An escape sequence (arrows, function keys) consumes the rest of it.
#[cfg_attr(not(unix), expect(dead_code, reason = "no keys on Windows so far"))]
fn decode(bytes: &[u8]) -> impl Iterator<Item = Key> {
    const ESCAPE: u8 = 0x1b;
    bytes
        .iter()
        .take_while(|&&byte| byte != ESCAPE)
        .filter_map(|byte| {
            let letter = char::from(byte.to_ascii_lowercase());
            Key::ALL.into_iter().find(|key| key.letter() == letter)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_letter_is_its_key_and_anything_else_is_none() {
        let keys: Vec<Key> = decode(b"r up\nvxQ?\x03").collect();
        assert_eq!(
            keys,
            [
                Key::Rebuild,
                Key::Apply,
                Key::Pause,
                Key::Verify,
                Key::Quit,
                Key::Help
            ]
        );
    }

    #[test]
    fn an_arrow_or_function_key_is_no_letter() {
        assert_eq!(decode(b"\x1bOr").count(), 0);
        assert_eq!(decode(b"\x1b[24~q").count(), 0);
    }

    #[tokio::test]
    async fn without_a_terminal_no_key_ever_comes() {
        let mut keys = Keys::none();
        assert!(!keys.are_heard());
        tokio::select! {
            biased;
            key = keys.next() => panic!("{key:?}"),
            () = std::future::ready(()) => {}
        }
    }
}
