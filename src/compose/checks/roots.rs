//! What is watched for a service (B7, C2, D1, D3), and what ignore rules leave out of it entirely.

use std::fmt;
use std::path::Path;

use crate::compose::block::Block;
use crate::compose::disk::Files;
use crate::compose::filter::{Filter, LeftOut, List, Pattern};
use crate::compose::finding::Findings;
use crate::compose::reader::ReadBlock;
use crate::compose::resolve::Draft;
use crate::dockerignore::DockerIgnore;
use crate::paths::HostPath;

/// One watched directory or file.
pub struct Root {
    /// Absolute; the file itself when a single file is watched.
    pub path: HostPath,
    what: String,
    ignore: Option<(HostPath, DockerIgnore)>,
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.what, self.path)
    }
}

impl Root {
    /// Whether `path` lies in it.
    pub fn holds(&self, path: &HostPath) -> bool {
        path.below(&self.path).is_some()
    }

    /// Whether one of the two lies in the other.
    pub fn meets(&self, path: &HostPath) -> bool {
        self.holds(path) || self.path.below(path).is_some()
    }

    /// The rule that leaves out `path` and all below it, if one does.
    pub fn excludes(&self, path: &HostPath) -> Option<String> {
        let below = path.below(&self.path)?;
        if below.components().any(|part| part.as_os_str() == ".git") {
            return Some("the rule that `.git` is never watched".into());
        }
        let (file, rules) = self.ignore.as_ref()?;
        let decision = excluding(rules, below)?;
        Some(format!(
            "line {} (`{}`) of `{file}`",
            decision.0, decision.1
        ))
    }
}

fn excluding(rules: &DockerIgnore, below: &Path) -> Option<(usize, String)> {
    if below.as_os_str().is_empty() || !rules.can_skip_directory(below) {
        return None;
    }
    let decision = rules.verdict(below)?;
    Some((decision.line, decision.pattern.to_owned()))
}

/// Which list of the block leaves out `path`, a source in `root`, and everything below it.
pub fn left_out_by_lists(block: &Block, root: &HostPath, path: &HostPath) -> Option<LeftOutBy> {
    let filter = Filter::new(block, root).ok()??;
    // With a `!` pattern that reaches below it, a part of it may still be watched.
    if filter.can_skip_directory(path)
        && let Some(LeftOut::Ignored { pattern, .. }) = filter.verdict(path)
    {
        return Some(LeftOutBy::Ignore(format!(
            "`{pattern}` of the block's `ignore`"
        )));
    }
    missed_by_only(block, path).then_some(LeftOutBy::Only)
}

/// Which of the block's own lists leaves out a sync's source.
pub enum LeftOutBy {
    /// `ignore`, by this pattern.
    Ignore(String),
    /// `only` does not name it.
    Only,
}

/// Whether `only` names nothing in `path`. What a pattern with wildcards can match lies below the part before the first wildcard.
fn missed_by_only(block: &Block, path: &HostPath) -> bool {
    let Some(dir) = &block.dir else {
        return false;
    };
    // A `!` pattern does not name anything; it removes from what the others name.
    let mut naming = block
        .only
        .iter()
        .filter_map(|written| Pattern::read(written, List::Only))
        .filter(|pattern| !pattern.keeps);
    let named = naming.any(|pattern| {
        pattern
            .plain(dir)
            .is_none_or(|kept| kept.below(path).is_some() || path.below(&kept).is_some())
    });
    !block.only.is_empty() && !named
}

/// Warns of patterns of `ignore` and `only` that can match nothing, because nothing is watched where they point.
pub fn check_lists(read: &ReadBlock, roots: &[Root], disk: &dyn Files, found: &mut Findings) {
    let Some(dir) = &read.block.dir else {
        return;
    };
    for (key, list, patterns) in [
        ("ignore", List::Ignore, &read.block.ignore),
        ("only", List::Only, &read.block.only),
    ] {
        for (index, written) in patterns.iter().enumerate() {
            let Some(place) = Pattern::read(written, list).and_then(|it| it.plain(dir)) else {
                continue;
            };
            let outside = !roots.iter().any(|root| root.meets(&place));
            let missing = list == List::Only && !outside && disk.kind(&place).is_none();
            let why = match (outside, missing) {
                (true, _) => "nothing is watched there",
                (_, true) => "there is nothing of that name",
                _ => continue,
            };
            found.warning(
                &read.at.key(key).index(index),
                format!("the pattern `{written}` of `{key}` can match nothing: {why} (`{place}`)"),
                Some(
                    "it is relative to the compose file's directory: write `../` to leave it, or `**/` in front for any depth"
                        .into(),
                ),
            );
        }
    }
}

/// The roots of the image that `draft` builds: the deps of a custom build, or the contexts.
pub fn roots(draft: &Draft, base: bool, disk: &dyn Files) -> Vec<Root> {
    let of_base = if base {
        format!(" of the base `{}`", draft.service.name)
    } else {
        String::new()
    };
    let root = |path: &HostPath, what: &str, ignore_file: &HostPath| Root {
        path: path.clone(),
        what: format!("the {what}{of_base}"),
        ignore: disk
            .read(ignore_file)
            .ok()
            .and_then(|text| DockerIgnore::parse(&text).ok())
            .map(|rules| (ignore_file.clone(), rules)),
    };
    let custom = draft
        .block
        .as_ref()
        .and_then(|read| read.block.custom_build.as_ref());
    if let Some(custom) = custom {
        return custom
            .deps
            .iter()
            .map(|dep| root(dep, "custom build's dep", &dep.join(".dockerignore")))
            .collect();
    }
    let Some(build) = &draft.service.build else {
        return Vec::new();
    };
    let additional = build
        .additional_contexts
        .iter()
        .map(|path| root(path, "additional context", &path.join(".dockerignore")));
    [root(&build.context, "build context", &build.ignore_file)]
        .into_iter()
        .chain(additional)
        .collect()
}

/// Everything watched for the service at `index`: its own roots and those of its bases (D1), or the paths of its block.
pub fn watched(drafts: &[Draft], index: usize, disk: &dyn Files) -> Vec<Root> {
    let draft = &drafts[index];
    let own = draft.block.iter().flat_map(|read| &read.block.watch);
    let own: Vec<Root> = own
        .map(|path| Root {
            path: path.clone(),
            what: "the watched path".to_owned(),
            ignore: None,
        })
        .collect();
    if !own.is_empty() {
        return own;
    }
    let mut all = roots(draft, false, disk);
    for base in &draft.service.bases {
        if let Some(base) = drafts.iter().find(|other| other.service.name == *base) {
            all.extend(roots(base, true, disk));
        }
    }
    all
}
