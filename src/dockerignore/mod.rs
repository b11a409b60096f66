//! Decides which paths an ignore file leaves out, exactly as the builder does. No I/O: it sees text and relative paths.
//!
//! The builder walks the context from the top and carries each pattern's match from a directory to everything below it. A
//! pattern is tried only when it could change the answer so far, and the last one that changed it wins. A `!` pattern
//! that was not tried on a directory carries nothing down: with `a/b`, `!a` the builder still leaves out `a/b`.
//! `tests/dockerignore_oracle` compares all of this with the real builder.

mod class;
mod expression;
mod lines;
mod pattern;
mod program;
mod shape;
mod subject;
mod syntax;
mod translate;
mod walk_state;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, path::Path};

use crate::harmless;

use lines::Line;
use pattern::{Pattern, is_below};
use subject::Subject;

pub use walk_state::WalkState;

/// One ignore file's patterns, in the file's order.
#[derive(Clone, Debug, Default)]
pub struct DockerIgnore {
    patterns: Vec<Pattern>,
    /// The indices of the `!` patterns.
    keeping: Vec<usize>,
    /// No `!` pattern has a wildcard except for a last `/*` or `/**`. Then the builder does not look below an ignored directory
    /// unless the text of a `!` pattern leads there.
    keeps_plainly: bool,
}

/// A pattern that the builder refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}`: {}", harmless::value(.pattern), harmless::painted(.why))]
pub struct BadPattern {
    /// The line in the file, or the position in the list; from 1.
    pub line: usize,
    /// As the user wrote it; empty when it is too long to repeat.
    pub pattern: String,
    /// What is wrong, and on a second line what to write instead.
    pub why: String,
}

impl BadPattern {
    fn new(line: usize, pattern: &str, why: impl Into<String>) -> Self {
        Self {
            line,
            pattern: pattern.to_owned(),
            why: why.into(),
        }
    }
}

/// The pattern that decided about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The line in the file, or the position in the list; from 1.
    pub line: usize,
    /// As the user wrote it.
    pub pattern: &'a str,
    /// Whether the path is left out; otherwise a `!` pattern kept it.
    pub ignored: bool,
}

impl DockerIgnore {
    /// Parses an ignore file. Fails with all lines that the builder would refuse, at once or during its walk.
    pub fn parse(text: &[u8]) -> Result<Self, Vec<BadPattern>> {
        Self::compile(lines::read(text))
    }

    /// Takes patterns that do not come from a file: there are no comments, and the position in the list counts as the line.
    pub fn from_patterns<'a>(
        patterns: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Vec<BadPattern>> {
        Self::compile(
            patterns
                .into_iter()
                .zip(1..)
                .filter_map(|(written, place)| lines::pattern(place, written)),
        )
    }

    /// The rules of an empty file: nothing is ignored.
    pub fn empty() -> Self {
        Self::default()
    }

    fn compile(
        lines: impl IntoIterator<Item = Result<Line, BadPattern>>,
    ) -> Result<Self, Vec<BadPattern>> {
        let (mut patterns, mut bad) = (Vec::new(), Vec::new());
        for line in lines {
            let compiled = line.and_then(|line| {
                let (number, written) = (line.number, line.written.clone());
                Pattern::new(line).map_err(|why| BadPattern::new(number, &written, why))
            });
            match compiled {
                Ok(pattern) => patterns.push(pattern),
                Err(problem) => bad.push(problem),
            }
        }
        if !bad.is_empty() {
            return Err(bad);
        }
        let keeping: Vec<usize> = (0..patterns.len())
            .filter(|&index| patterns[index].line.keeps)
            .collect();
        let keeps_plainly = keeping
            .iter()
            .all(|&index| !patterns[index].trunk().contains(WILDCARDS));
        Ok(Self {
            patterns,
            keeping,
            keeps_plainly,
        })
    }

    /// Whether there is no pattern at all.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Decides about a path below the context; all its components but the last must be directories. `None` when no pattern ever
    /// matched: the path is kept.
    pub fn verdict(&self, relative: &Path) -> Option<Decision<'_>> {
        self.decision(&self.standing(&bytes(relative)))
    }

    /// Whether the builder leaves the path out.
    pub fn ignores(&self, relative: &Path) -> bool {
        self.standing(&bytes(relative)).ignored
    }

    /// Whether a walk may skip this directory and everything below it: it is ignored, and no `!` pattern reaches below it.
    pub fn can_skip_directory(&self, relative: &Path) -> bool {
        let path = bytes(relative);
        self.may_skip(&self.standing(&path), &path)
    }

    /// The state at the context's root: the start of a walk that goes down with [`below`](Self::below).
    pub fn root(&self) -> WalkState {
        WalkState::default()
    }

    /// The state of a path, given that of its directory. The result is the same as [`verdict`](Self::verdict)'s, which starts at
    /// the root for each path.
    pub fn below(&self, directory: &WalkState, relative: &Path) -> WalkState {
        let path = bytes(relative);
        let end = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        self.step(directory, &path[..end], &path)
    }

    /// The pattern that decided a state; `None` when none did.
    pub fn decision(&self, standing: &WalkState) -> Option<Decision<'_>> {
        let line = &self.patterns.get(standing.decided?)?.line;
        Some(Decision {
            line: line.number,
            pattern: &line.written,
            ignored: standing.ignored,
        })
    }

    fn standing(&self, path: &[u8]) -> WalkState {
        let mut standing = WalkState::default();
        if path.is_empty() || self.patterns.is_empty() {
            return standing;
        }
        let mut directory: &[u8] = b"";
        let ends = path
            .iter()
            .enumerate()
            .filter(|&(_, &byte)| byte == b'/')
            .map(|(end, _)| end);
        for end in ends.chain([path.len()]) {
            standing = self.step(&standing, directory, &path[..end]);
            directory = &path[..end];
        }
        standing
    }

    /// One level of the builder's walk.
    fn step(&self, above: &WalkState, directory: &[u8], path: &[u8]) -> WalkState {
        if above.ignored && self.is_closed(directory) {
            return above.clone();
        }
        let subject = Subject::new(path);
        let mut standing = WalkState::default();
        for (index, pattern) in self.patterns.iter().enumerate() {
            let changes = pattern.line.keeps == standing.ignored;
            let matched = above.matched.contains(index) || (changes && pattern.matches(&subject));
            if !matched {
                continue;
            }
            standing.matched.insert(index);
            if changes {
                standing.ignored = !pattern.line.keeps;
                standing.decided = Some(index);
            }
        }
        standing
    }

    /// Whether the builder itself skips everything below an ignored directory.
    fn is_closed(&self, directory: &[u8]) -> bool {
        self.keeps_plainly
            && !self.keeping.iter().any(|&index| {
                let trunk = self.patterns[index].trunk().as_bytes();
                trunk == directory || is_below(trunk, directory)
            })
    }

    fn may_skip(&self, standing: &WalkState, directory: &[u8]) -> bool {
        standing.ignored
            && (self.is_closed(directory)
                || !self
                    .keeping
                    .iter()
                    .any(|&index| self.patterns[index].may_match_below(directory)))
    }
}

/// The characters by which the builder decides that a `!` pattern may match anywhere.
const WILDCARDS: [char; 6] = ['*', '[', ']', '?', '^', '\\'];

/// Parses an ignore file and decides about a path in every way there is: an entry for fuzzers. Panics when two ways disagree.
pub fn fuzz(text: &[u8], path: &Path) {
    let Ok(ignore) = DockerIgnore::parse(text) else {
        return;
    };
    let verdict = ignore.verdict(path);
    assert_eq!(
        ignore.ignores(path),
        verdict.is_some_and(|decision| decision.ignored)
    );
    let mut standing = ignore.root();
    let mut skipped = false;
    let bytes = bytes(path);
    let ends = bytes
        .iter()
        .enumerate()
        .filter(|&(_, &byte)| byte == b'/')
        .map(|(end, _)| end);
    for end in ends.chain([bytes.len()]).filter(|&end| end > 0) {
        let part = path_of(&bytes[..end]);
        standing = ignore.below(&standing, &part);
        assert!(
            !skipped || standing.ignored(),
            "a skipped directory hides a kept path"
        );
        skipped |= ignore.can_skip_directory(&part);
        assert!(
            !skipped || standing.ignored(),
            "a kept directory may be skipped"
        );
    }
    assert_eq!(ignore.decision(&standing), verdict);
}

/// The path with `/` between its components, without empty ones and `.`.
fn bytes(relative: &Path) -> Cow<'_, [u8]> {
    let path = raw(relative);
    let tidy = !path
        .split(|&byte| byte == b'/')
        .any(|name| name.is_empty() || name == b".");
    if tidy {
        return path;
    }
    let names: Vec<&[u8]> = path
        .split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .collect();
    Cow::Owned(names.join(&b'/'))
}

#[cfg(unix)]
fn raw(path: &Path) -> Cow<'_, [u8]> {
    use std::os::unix::ffi::OsStrExt;
    Cow::Borrowed(path.as_os_str().as_bytes())
}

#[cfg(not(unix))]
fn raw(path: &Path) -> Cow<'_, [u8]> {
    Cow::Owned(path.to_string_lossy().replace('\\', "/").into_bytes())
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> Cow<'_, Path> {
    use std::os::unix::ffi::OsStrExt;
    Cow::Borrowed(Path::new(std::ffi::OsStr::from_bytes(bytes)))
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> Cow<'_, Path> {
    Cow::Owned(String::from_utf8_lossy(bytes).into_owned().into())
}
