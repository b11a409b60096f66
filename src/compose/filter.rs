//! A block's `ignore` and `only` for one watched root: two lists of patterns in the ignore file's syntax. They are relative to
//! the compose file's directory, like every path of a block (B5), wherever the root lies. Pure.

use std::path::Component;

use crate::dockerignore::{BadPattern, DockerIgnore};
use crate::paths::HostPath;

use super::block::Block;

/// The compiled `ignore` and `only` of one block for one root.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The directory that the compiled patterns are relative to: it holds both the root and the compose file's directory.
    base: HostPath,
    ignore: DockerIgnore,
    /// Matches everything except what `only` names; empty when there is no `only`.
    all_but: DockerIgnore,
    written: Vec<String>,
}

/// Which list left out a path.
#[derive(Debug, PartialEq, Eq)]
pub enum LeftOut<'a> {
    /// By a pattern of `ignore`.
    Ignored {
        /// Position in the list, from 1.
        place: usize,
        /// The pattern as written.
        pattern: &'a str,
    },
    /// `only` does not name it.
    NotAmong,
}

/// The patterns of each list that cannot be read, with the reasons.
#[derive(Debug)]
pub struct Bad {
    /// Of `ignore`; empty when all are good.
    pub ignore: Vec<BadPattern>,
    /// Of `only`; empty when all are good.
    pub only: Vec<BadPattern>,
}

/// Which list a pattern is from: the two read a pattern without a slash differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// `ignore`: `node_modules` matches at any depth.
    Ignore,
    /// `only`: `src` matches beside the compose file alone, so that the rest of a large context need not be walked.
    Only,
}

impl Filter {
    /// The lists of `block` for what lies in `root`; `None` when it has none.
    pub fn new(block: &Block, root: &HostPath) -> Result<Option<Self>, Bad> {
        let Some(dir) = block.dir.as_ref() else {
            return Ok(None);
        };
        if block.ignore.is_empty() && block.only.is_empty() {
            return Ok(None);
        }
        let base = around(dir, root);
        let place = |list: List| {
            let base = &base;
            move |written: &String| match Pattern::read(written, list) {
                Some(pattern) => pattern.seen_from(base, dir, root).unwrap_or_default(),
                None => String::new(),
            }
        };
        let ignore = compile(
            &block.ignore,
            block.ignore.iter().map(place(List::Ignore)),
            0,
        );
        let all_but = if block.only.is_empty() {
            Ok(DockerIgnore::empty())
        } else {
            // "Only these" is compiled as "ignore everything but these": the same rules apply, and walks skip the same directories.
            let inverted = block.only.iter().map(place(List::Only)).map(|pattern| {
                match pattern.strip_prefix('!') {
                    Some(out) => out.to_owned(),
                    None if pattern.is_empty() => pattern,
                    None => format!("!{pattern}"),
                }
            });
            compile(
                &block.only,
                std::iter::once("*".to_owned()).chain(inverted),
                1,
            )
        };
        match (ignore, all_but) {
            (Ok(ignore), Ok(all_but)) => Ok(Some(Self {
                base,
                ignore,
                all_but,
                written: block.ignore.clone(),
            })),
            (ignore, all_but) => Err(Bad {
                ignore: ignore.err().unwrap_or_default(),
                only: all_but.err().unwrap_or_default(),
            }),
        }
    }

    /// What leaves out `path`, which must lie in the root; `None` when it is watched.
    pub fn verdict(&self, path: &HostPath) -> Option<LeftOut<'_>> {
        let relative = path.below(&self.base)?;
        if let Some(decision) = self.ignore.verdict(relative).filter(|it| it.ignored) {
            return Some(LeftOut::Ignored {
                place: decision.line,
                pattern: self
                    .written
                    .get(decision.line.saturating_sub(1))
                    .map_or("", |written| written.trim()),
            });
        }
        // A directory that holds everything watched is not itself part of it.
        let is_around = relative.as_os_str().is_empty();
        (!is_around && self.all_but.ignores(relative)).then_some(LeftOut::NotAmong)
    }

    /// Whether a walk may skip the directory `path` and everything below it.
    pub fn can_skip_directory(&self, path: &HostPath) -> bool {
        path.below(&self.base).is_some_and(|relative| {
            self.ignore.can_skip_directory(relative) || self.all_but.can_skip_directory(relative)
        })
    }
}

/// Compiles `placed`. The first `own` patterns are ours, not the user's. A bad pattern is reported as written.
fn compile(
    written: &[String],
    placed: impl Iterator<Item = String>,
    own: usize,
) -> Result<DockerIgnore, Vec<BadPattern>> {
    let placed: Vec<String> = placed.collect();
    DockerIgnore::from_patterns(placed.iter().map(String::as_str)).map_err(|bad| {
        let as_written = |mut bad: BadPattern| {
            bad.line = bad.line.saturating_sub(own);
            if let Some(written) = written.get(bad.line.saturating_sub(1)) {
                written.trim().clone_into(&mut bad.pattern);
            }
            bad
        };
        bad.into_iter().map(as_written).collect()
    })
}

/// The deepest directory that holds both; the root itself when there is none, as on another drive.
fn around(dir: &HostPath, root: &HostPath) -> HostPath {
    let mut around = Some(dir.clone());
    while let Some(directory) = around {
        if root.below(&directory).is_some() {
            return directory;
        }
        around = directory.parent();
    }
    root.clone()
}

/// One pattern of `ignore` or `only`.
#[derive(Clone, Copy, Debug)]
pub struct Pattern<'a> {
    /// It starts with `!`: it removes from what the patterns before it name.
    pub keeps: bool,
    text: &'a str,
    any_depth: bool,
}

impl<'a> Pattern<'a> {
    /// Reads one pattern; `None` for a blank one.
    pub fn read(written: &'a str, list: List) -> Option<Self> {
        let written = written.trim();
        let (keeps, text) = match written.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, written),
        };
        let name = text.trim_end_matches('/');
        let is_name = !name.contains('/') && !matches!(name, "" | "." | "..");
        let any_depth = text.starts_with("**")
            || (is_name && (list == List::Ignore || name.contains(['*', '?', '['])));
        (keeps || !text.is_empty()).then_some(Self {
            keeps,
            text,
            any_depth,
        })
    }

    /// The path that everything it can match is or lies in; `None` when a match may lie anywhere.
    pub fn plain(&self, dir: &HostPath) -> Option<HostPath> {
        if self.any_depth {
            return None;
        }
        let text = self.text.trim_start_matches('/');
        let plain = match text.find(['*', '?', '[', '\\']) {
            Some(special) => text[..special]
                .rfind('/')
                .map_or("", |slash| &text[..slash]),
            None => text,
        };
        Some(dir.join(plain))
    }

    /// The equivalent pattern for paths relative to `base`, for what lies in `root`; `None` when nothing can match.
    fn seen_from(&self, base: &HostPath, dir: &HostPath, root: &HostPath) -> Option<String> {
        let mark = if self.keeps { "!" } else { "" };
        let placed = if self.text.is_empty() {
            // A `!` alone: the pattern compiler reports what is wrong with it.
            String::new()
        } else if self.any_depth {
            // Matches at any depth of the root, but never the directories that lead to it.
            let mut parts = if dir.below(root).is_some() || root.below(dir).is_some() {
                Vec::new()
            } else {
                names_below(root, base)
                    .iter()
                    .map(|name| escape(name))
                    .collect()
            };
            if !self.text.starts_with("**") {
                parts.push("**".to_owned());
            }
            parts.push(self.text.trim_end_matches('/').to_owned());
            parts.join("/")
        } else {
            self.anchored(base, dir)?
        };
        Some(format!("{mark}{placed}"))
    }

    /// Rewrites a path relative to `dir` as one relative to `base`.
    fn anchored(&self, base: &HostPath, dir: &HostPath) -> Option<String> {
        let base_names = names(base);
        // There is no relative path between two drives.
        dir.below(base)?;
        let mut literal = names(dir);
        let mut rest: Vec<&str> = Vec::new();
        for part in self.text.split('/') {
            match part {
                "" | "." => {}
                ".." if rest.is_empty() => {
                    literal.pop();
                }
                ".." => {
                    rest.pop();
                }
                name => rest.push(name),
            }
        }
        // Where `..` led above the base, the pattern has to come back down to it.
        let mut rest = rest.as_slice();
        for name in base_names.iter().skip(literal.len()) {
            match rest.split_first() {
                // It names a directory that holds everything here.
                None => return Some("**".to_owned()),
                Some((&"**", _)) => break,
                Some((part, below)) if matches(part, name) => rest = below,
                Some(_) => return None,
            }
        }
        let parts: Vec<String> = literal
            .iter()
            .skip(base_names.len())
            .map(|name| escape(name))
            .chain(rest.iter().map(|part| (*part).to_owned()))
            .collect();
        Some(if parts.is_empty() {
            "**".to_owned()
        } else {
            parts.join("/")
        })
    }
}

/// `written`, from a compose file in `dir`, rewritten for one in `base`; `None` when it may stay as it is.
pub fn moved(written: &str, list: List, dir: &HostPath, base: &HostPath) -> Option<String> {
    let pattern = Pattern::read(written, list).filter(|pattern| !pattern.any_depth)?;
    let way = dir.way_from(base)?;
    let parts = way.components().map(|part| match part {
        Component::Normal(name) => escape(&name.to_string_lossy()),
        _ => "..".to_owned(),
    });
    let parts: Vec<String> = parts.collect();
    let mark = if pattern.keeps { "!" } else { "" };
    let rest = pattern
        .text
        .trim_start_matches("./")
        .trim_start_matches('/');
    Some(format!("{mark}{}/{rest}", parts.join("/")))
}

fn names(path: &HostPath) -> Vec<String> {
    let normal = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    };
    path.as_path().components().filter_map(normal).collect()
}

fn names_below(path: &HostPath, base: &HostPath) -> Vec<String> {
    names(path).split_off(names(base).len().min(names(path).len()))
}

/// Whether one component of a pattern matches one name.
fn matches(part: &str, name: &str) -> bool {
    part == name
        || DockerIgnore::from_patterns([part]).is_ok_and(|pattern| pattern.ignores(name.as_ref()))
}

/// A directory's name is no pattern: its special characters are escaped.
fn escape(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (index, char) in name.chars().enumerate() {
        let special = "*?[]\\^{}|!".contains(char) || (index == 0 && char == ' ');
        if special {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

#[cfg(test)]
mod tests;
