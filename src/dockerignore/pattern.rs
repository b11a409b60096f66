//! One compiled pattern. Knows nothing of the patterns before and after it, nor of a path's parents.

use super::{
    expression::{self, Ends},
    lines::Line,
    program::Program,
    shape::Shape,
    subject::Subject,
    syntax::{self, Complaint},
    translate::{self, Kind},
};

#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub line: Line,
    matcher: Matcher,
}

#[derive(Clone, Debug)]
enum Matcher {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Shape(Shape, Program),
    Program(Ends, Program),
}

impl Pattern {
    /// Fails on what the builder refuses, at once or when it first compares a path.
    pub fn new(line: Line) -> Result<Self, Complaint> {
        syntax::check(&line.pattern)?;
        let matcher = match translate::kind(&line.pattern) {
            Kind::Exact(text) => Matcher::Exact(text),
            Kind::Prefix(text) => Matcher::Prefix(text),
            Kind::Suffix(text) => Matcher::Suffix(text),
            Kind::Expression(text) => {
                let node = expression::parse(&text)?;
                let program = Program::new(&node)?;
                match Shape::of(&node) {
                    Some(shape) => Matcher::Shape(shape, program),
                    None => Matcher::Program(node.ends(), program),
                }
            }
        };
        Ok(Self { line, matcher })
    }

    /// Whether the pattern matches exactly this path; the caller handles the path's parents.
    pub fn matches(&self, subject: &Subject) -> bool {
        let path = subject.path;
        match &self.matcher {
            Matcher::Exact(text) => path == text.as_bytes(),
            Matcher::Prefix(text) => path.starts_with(text.as_bytes()),
            Matcher::Suffix(text) => {
                path.ends_with(text.as_bytes())
                    || text
                        .strip_prefix('/')
                        .is_some_and(|name| path == name.as_bytes())
            }
            Matcher::Shape(shape, program) => shape
                .matches(subject)
                .unwrap_or_else(|| program.matches(path)),
            Matcher::Program(ends, program) => ends.allow(path) && program.matches(path),
        }
    }

    /// Whether some path below the directory might match.
    pub fn may_match_below(&self, directory: &[u8]) -> bool {
        match &self.matcher {
            Matcher::Exact(text) => is_below(text.as_bytes(), directory),
            Matcher::Prefix(text) => {
                directory.starts_with(text.as_bytes()) || is_below(text.as_bytes(), directory)
            }
            Matcher::Suffix(_) => true,
            Matcher::Shape(_, program) | Matcher::Program(_, program) => {
                program.may_match_below(directory)
            }
        }
    }

    /// The pattern without a trailing `/*` or `/**`: the builder compares this before it skips a directory.
    pub fn trunk(&self) -> &str {
        let pattern = &self.line.pattern;
        let pattern = pattern.strip_suffix("/**").unwrap_or(pattern);
        pattern.strip_suffix("/*").unwrap_or(pattern)
    }
}

/// Whether the path is the directory or lies below it, going by the text alone.
pub(super) fn is_below(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.starts_with(b"/"))
}
