//! The usual forms of wildcard patterns, matched by comparing bytes. Of regular expressions it knows only these forms.

use super::{class::Class, expression::Node, subject::Subject};

/// A form of expression that needs no automaton. Texts hold no replacement character, so bytes decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `before*after`: the gap contains no `/`.
    Gap { before: String, after: String },
    /// `**/before*after`, for the path's last component only.
    Name { before: String, after: String },
    /// `**/inner/**`, or `**/inner**`: found at the start of the path or of one of its components.
    Within { inner: String },
    /// `before**/after`: the gap is empty or ends with `/`.
    Between { before: String, after: String },
}

impl Shape {
    /// `None` when the expression has none of these forms.
    pub fn of(node: &Node) -> Option<Self> {
        let mut pieces = Vec::new();
        for node in node.anchored()? {
            match (node, pieces.last_mut()) {
                (Node::Char(char::REPLACEMENT_CHARACTER), _) => return None,
                (Node::Char(char), Some(Piece::Text(text))) => text.push(*char),
                (Node::Char(char), _) => pieces.push(Piece::Text(char.to_string())),
                (other, _) => pieces.push(Piece::of(other)?),
            }
        }
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => Some(text.clone()),
            _ => None,
        };
        let affixes = |pieces: &[Piece]| match pieces {
            [Piece::Star] => Some((String::new(), String::new())),
            [before, Piece::Star] => Some((text(before)?, String::new())),
            [Piece::Star, after] => Some((String::new(), text(after)?)),
            [before, Piece::Star, after] => Some((text(before)?, text(after)?)),
            _ => None,
        };
        match pieces.as_slice() {
            [Piece::Directories, Piece::Text(inner), Piece::Rest] => Some(Self::Within {
                inner: inner.clone(),
            }),
            [Piece::Text(before), Piece::Directories, Piece::Text(after)] => Some(Self::Between {
                before: before.clone(),
                after: after.clone(),
            }),
            [Piece::Directories, rest @ ..] => {
                let (before, after) = affixes(rest)?;
                let name_only = !before.contains('/') && !after.contains('/');
                name_only.then_some(Self::Name { before, after })
            }
            pieces => affixes(pieces).map(|(before, after)| Self::Gap { before, after }),
        }
    }

    /// `None` when bytes cannot tell: the expression's `.` does not match a line feed.
    pub fn matches(&self, subject: &Subject) -> Option<bool> {
        let path = subject.path;
        if let Self::Gap { before, after } = self {
            return Some(gap(path, before, after).is_some_and(|gap| !gap.contains(&b'/')));
        }
        if subject.has_line_feed {
            return None;
        }
        Some(match self {
            Self::Gap { .. } => false,
            Self::Name { before, after } => gap(subject.name(), before, after).is_some(),
            Self::Within { inner } => {
                let inner = inner.as_bytes();
                path.starts_with(inner)
                    || path
                        .iter()
                        .enumerate()
                        .any(|(at, &byte)| byte == b'/' && path[at + 1..].starts_with(inner))
            }
            Self::Between { before, after } => {
                gap(path, before, after).is_some_and(|gap| gap.is_empty() || gap.ends_with(b"/"))
            }
        })
    }
}

/// What is between the path's beginning and its end; `None` when they do not match.
fn gap<'a>(path: &'a [u8], before: &str, after: &str) -> Option<&'a [u8]> {
    path.strip_prefix(before.as_bytes())?
        .strip_suffix(after.as_bytes())
}

enum Piece {
    Text(String),
    /// `[^/]*`, from `*`.
    Star,
    /// `(.*/)?`, from `**/`.
    Directories,
    /// `.*`, from `**`.
    Rest,
}

impl Piece {
    fn of(node: &Node) -> Option<Self> {
        let Node::Repeat { node, min: 0, max } = node else {
            return None;
        };
        match (node.as_ref(), max) {
            (Node::Class(class), None) if *class == Class::any_but('/') => Some(Self::Star),
            (Node::Class(class), None) if *class == Class::any_but('\n') => Some(Self::Rest),
            (Node::Concat(nodes), Some(1)) => match nodes.as_slice() {
                [start, Node::Char('/')] => {
                    matches!(Self::of(start), Some(Self::Rest)).then_some(Self::Directories)
                }
                _ => None,
            },
            _ => None,
        }
    }
}
