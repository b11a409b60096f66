//! A path or glob of `fall_back_on` and `trigger` (B6). Pure.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

use crate::dockerignore::DockerIgnore;
use crate::harmless;
use crate::paths::HostPath;

/// A file, a directory (anything below it), or a glob when the text has `*`, `?`, `[` or `{`.
#[derive(Clone, Debug)]
pub struct PathRule {
    text: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Within(HostPath),
    Glob {
        glob: GlobMatcher,
        /// The directory that all matches lie in.
        below: HostPath,
    },
    /// A watch rule of Compose's own, with its lists.
    Filtered {
        root: HostPath,
        lists: [Vec<String>; 2],
        include: Option<DockerIgnore>,
        ignore: DockerIgnore,
    },
}

impl PathRule {
    /// Reads `text`, relative to `dir` (B5). The error is the glob library's.
    pub fn new(text: &str, dir: &HostPath) -> Result<Self, String> {
        let kind = if text.contains(['*', '?', '[', '{']) {
            let text = text.strip_prefix("./").unwrap_or(text);
            let full = if std::path::Path::new(text).is_absolute() {
                text.to_owned()
            } else {
                // The directory is no pattern: its special characters are escaped.
                format!(
                    "{}/{text}",
                    globset::escape(&dir.verbatim().replace('\\', "/"))
                )
            };
            let glob = GlobBuilder::new(&full)
                .literal_separator(true)
                .build()
                .map_err(|error| complaint(error.kind()))?;
            Kind::Glob {
                glob: glob.compile_matcher(),
                below: dir.join(plain_beginning(text)),
            }
        } else {
            Kind::Within(dir.join(text))
        };
        Ok(Self {
            text: text.to_owned(),
            kind,
        })
    }

    /// Matches `path` itself and anything below it, whatever characters its name has.
    pub fn within(path: &HostPath) -> Self {
        Self {
            text: path.to_string(),
            kind: Kind::Within(path.clone()),
        }
    }

    /// As [`within`](Self::within), without what `ignore` names, and with a non-empty `include` only what that names. Both are in
    /// `.dockerignore`'s syntax, relative to `path`. The error is that of the bad pattern.
    pub fn filtered(
        path: &HostPath,
        include: &[String],
        ignore: &[String],
    ) -> Result<Self, String> {
        if include.is_empty() && ignore.is_empty() {
            return Ok(Self::within(path));
        }
        let compile = |list: &[String]| {
            DockerIgnore::from_patterns(list.iter().map(String::as_str)).map_err(|bad| {
                let bad: Vec<String> = bad.iter().map(ToString::to_string).collect();
                bad.join("; ")
            })
        };
        let kind = Kind::Filtered {
            root: path.clone(),
            lists: [include.to_vec(), ignore.to_vec()],
            include: (!include.is_empty())
                .then(|| compile(include))
                .transpose()?,
            ignore: compile(ignore)?,
        };
        Ok(Self {
            text: path.to_string(),
            kind,
        })
    }

    /// Sets the text as it was written, where that differs from the path.
    #[must_use]
    pub fn written_as(mut self, text: String) -> Self {
        self.text = text;
        self
    }

    /// The lists that narrow it, `include` and `ignore`; empty when nothing does.
    pub fn lists(&self) -> [&[String]; 2] {
        match &self.kind {
            Kind::Filtered { lists, .. } => [&lists[0], &lists[1]],
            Kind::Within(_) | Kind::Glob { .. } => [&[], &[]],
        }
    }

    /// The file or directory that all matches lie in: the path itself, or the part of a glob before its first special character.
    pub fn root(&self) -> &HostPath {
        match &self.kind {
            Kind::Within(root) | Kind::Filtered { root, .. } => root,
            Kind::Glob { below, .. } => below,
        }
    }

    /// Whether lists of patterns narrow it.
    pub fn is_filtered(&self) -> bool {
        matches!(self.kind, Kind::Filtered { .. })
    }

    /// Whether `path` is the file, lies in the directory, or matches the glob (or lies in a directory that does).
    pub fn matches(&self, path: &HostPath) -> bool {
        match &self.kind {
            Kind::Within(root) => path.below(root).is_some(),
            Kind::Glob { glob, .. } => path.as_path().ancestors().any(|part| glob.is_match(part)),
            Kind::Filtered {
                root,
                include,
                ignore,
                ..
            } => path.below(root).is_some_and(|below| {
                // A single file is matched by its own name.
                let below = match root.as_path().file_name() {
                    Some(name) if below.as_os_str().is_empty() => name.as_ref(),
                    _ => below,
                };
                include.as_ref().is_none_or(|list| list.ignores(below)) && !ignore.ignores(below)
            }),
        }
    }

    /// The path it names; `None` for a glob.
    pub fn path(&self) -> Option<&HostPath> {
        match &self.kind {
            Kind::Within(root) | Kind::Filtered { root, .. } => Some(root),
            Kind::Glob { .. } => None,
        }
    }
}

/// What is wrong with a glob, in our words.
fn complaint(kind: &globset::ErrorKind) -> String {
    use globset::ErrorKind;
    match kind {
        ErrorKind::UnclosedAlternates => "its `{` is never closed".to_owned(),
        ErrorKind::UnopenedAlternates => "its `}` closes nothing".to_owned(),
        ErrorKind::UnclosedClass => "its `[` is never closed".to_owned(),
        ErrorKind::DanglingEscape => "it ends in a lone `\\`".to_owned(),
        ErrorKind::InvalidRange(from, to) => format!("its range `{from}-{to}` runs backwards"),
        other => other.to_string(),
    }
}

/// The directories of a glob before the first component with a special character.
fn plain_beginning(text: &str) -> &str {
    let special = text.find(['*', '?', '[', '{', '\\']).unwrap_or(text.len());
    let slash = text[..special].rfind('/').map_or(0, |slash| slash + 1);
    &text[..slash]
}

impl PartialEq for PathRule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
            && match (&self.kind, &other.kind) {
                (Kind::Within(one), Kind::Within(two)) => one == two,
                (Kind::Glob { glob: one, .. }, Kind::Glob { glob: two, .. }) => {
                    one.glob() == two.glob()
                }
                (
                    Kind::Filtered {
                        root: one,
                        lists: ones,
                        ..
                    },
                    Kind::Filtered {
                        root: two,
                        lists: twos,
                        ..
                    },
                ) => one == two && ones == twos,
                _ => false,
            }
    }
}

impl fmt::Display for PathRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&harmless::value(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(rule: &str, path: &str) -> bool {
        let dir = HostPath::new("/p").unwrap();
        PathRule::new(rule, &dir).unwrap().matches(&dir.join(path))
    }

    #[test]
    fn a_path_is_a_file_or_a_directory_with_anything_below_it() {
        assert!(matches("package.json", "package.json"));
        assert!(matches("./conf", "conf/a/b.yaml"));
        assert!(matches("/p/conf/", "conf/a"));
        assert!(!matches("conf", "configs/a"));
        assert!(!matches("package.json", "web/package.json"));
    }

    #[test]
    fn a_glob_stays_between_slashes_unless_doubled() {
        assert!(matches("*.lock", "yarn.lock"));
        assert!(!matches("*.lock", "web/yarn.lock"));
        assert!(matches("**/*.lock", "web/yarn.lock"));
        assert!(matches("**/*.lock", "yarn.lock"));
        assert!(matches("./{a,b}/?.txt", "b/x.txt"));
        assert!(matches("gen*", "generated/deep/file"));
    }

    #[test]
    fn a_watch_rule_keeps_to_its_include_and_ignore() {
        let dir = HostPath::new("/p/src").unwrap();
        let list = |pattern: &str| vec![pattern.to_owned()];
        let rule = PathRule::filtered(&dir, &list("**/*.go"), &list("gen/")).unwrap();
        assert!(rule.matches(&dir.join("a/b.go")));
        assert!(!rule.matches(&dir.join("a/b.txt")));
        assert!(!rule.matches(&dir.join("gen/b.go")));
        assert!(!rule.matches(&HostPath::new("/p/b.go").unwrap()));
        assert!(PathRule::filtered(&dir, &[], &list("a[")).is_err());
    }

    #[test]
    fn all_matches_of_a_glob_lie_in_its_plain_beginning() {
        let root = |rule| {
            let dir = HostPath::new("/p").unwrap();
            PathRule::new(rule, &dir).unwrap().root().to_string()
        };
        assert_eq!(root("./src/a/*.lock"), "/p/src/a");
        assert_eq!(root("gen*/x"), "/p");
        assert_eq!(root("/abs/x/**"), "/abs/x");
        assert_eq!(root("src"), "/p/src");
    }

    #[test]
    fn a_glob_that_does_not_parse_says_why() {
        let dir = HostPath::new("/p").unwrap();
        assert!(PathRule::new("a[b", &dir).is_err());
    }
}
