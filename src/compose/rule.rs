//! A path or glob of `fall_back_on` and `trigger` (B6). Pure.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

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
    Glob(GlobMatcher),
}

impl PathRule {
    /// Reads `text`, relative to `dir` (B5). The error is the glob's own complaint.
    pub fn new(text: &str, dir: &HostPath) -> Result<Self, String> {
        let kind = if text.contains(['*', '?', '[', '{']) {
            let text = text.strip_prefix("./").unwrap_or(text);
            let full = if std::path::Path::new(text).is_absolute() {
                text.to_owned()
            } else {
                // The directory is no pattern: its own `[` and `*` stand for themselves.
                format!(
                    "{}/{text}",
                    globset::escape(&dir.to_string().replace('\\', "/"))
                )
            };
            let glob = GlobBuilder::new(&full)
                .literal_separator(true)
                .build()
                .map_err(|error| error.kind().to_string())?;
            Kind::Glob(glob.compile_matcher())
        } else {
            Kind::Within(dir.join(text))
        };
        Ok(Self {
            text: text.to_owned(),
            kind,
        })
    }

    /// Whether `path` is the file, lies in the directory, or matches the glob (or lies in a directory that does).
    pub fn matches(&self, path: &HostPath) -> bool {
        match &self.kind {
            Kind::Within(root) => path.below(root).is_some(),
            Kind::Glob(glob) => path.as_path().ancestors().any(|part| glob.is_match(part)),
        }
    }

    /// The path it names when it is no glob.
    pub fn path(&self) -> Option<&HostPath> {
        match &self.kind {
            Kind::Within(root) => Some(root),
            Kind::Glob(_) => None,
        }
    }
}

impl PartialEq for PathRule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
            && match (&self.kind, &other.kind) {
                (Kind::Within(one), Kind::Within(two)) => one == two,
                (Kind::Glob(one), Kind::Glob(two)) => one.glob() == two.glob(),
                _ => false,
            }
    }
}

impl fmt::Display for PathRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
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
    fn a_glob_that_does_not_parse_says_why() {
        let dir = HostPath::new("/p").unwrap();
        assert!(PathRule::new("a[b", &dir).is_err());
    }
}
