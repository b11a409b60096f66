//! `ignore` together with `only`: two lists in the ignore file's syntax over one directory. Pure.

use std::path::Path;

use crate::dockerignore::{BadPattern, DockerIgnore};

/// A compiled pair of lists.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    ignore: DockerIgnore,
    /// Everything but what `only` names; empty when `only` is.
    all_but: DockerIgnore,
}

/// Which of the two lists left a path out.
pub(super) enum LeftOut {
    /// The pattern at this place, from 1.
    Ignored { place: usize, pattern: String },
    /// It is not among those that alone are in.
    NotAmong,
}

/// The patterns of each list that cannot be read.
pub(super) struct Bad {
    pub(super) ignore: Vec<BadPattern>,
    pub(super) only: Vec<BadPattern>,
}

impl Lists {
    pub(super) fn new(ignore: &[String], only: &[String]) -> Result<Self, Bad> {
        let ignore = DockerIgnore::from_patterns(ignore.iter().map(String::as_str));
        let all_but = if only.is_empty() {
            Ok(DockerIgnore::empty())
        } else {
            // "Only these" is "everything is ignored, but these": the same rules, and the same short cuts for walks.
            let inverted = only.iter().map(|pattern| match pattern.strip_prefix('!') {
                Some(out) => out.to_owned(),
                None => format!("!{pattern}"),
            });
            let patterns: Vec<String> = std::iter::once("*".to_owned()).chain(inverted).collect();
            DockerIgnore::from_patterns(patterns.iter().map(String::as_str)).map_err(|bad| {
                let as_written = |mut bad: BadPattern| {
                    bad.line = bad.line.saturating_sub(1);
                    if let Some(written) = only.get(bad.line.saturating_sub(1)) {
                        bad.pattern.clone_from(written);
                    }
                    bad
                };
                bad.into_iter().map(as_written).collect()
            })
        };
        match (ignore, all_but) {
            (Ok(ignore), Ok(all_but)) => Ok(Self { ignore, all_but }),
            (ignore, all_but) => Err(Bad {
                ignore: ignore.err().unwrap_or_default(),
                only: all_but.err().unwrap_or_default(),
            }),
        }
    }

    /// Whether there is an `only`.
    pub(super) fn has_only(&self) -> bool {
        !self.all_but.is_empty()
    }

    pub(super) fn verdict(&self, relative: &Path) -> Option<LeftOut> {
        if let Some(decision) = self.ignore.verdict(relative).filter(|it| it.ignored) {
            return Some(LeftOut::Ignored {
                place: decision.line,
                pattern: decision.pattern.to_owned(),
            });
        }
        self.all_but.ignores(relative).then_some(LeftOut::NotAmong)
    }

    pub(super) fn can_skip_directory(&self, relative: &Path) -> bool {
        self.ignore.can_skip_directory(relative) || self.all_but.can_skip_directory(relative)
    }
}
