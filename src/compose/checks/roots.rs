//! What is watched for a service (B7, C2, D1, D3), and what ignore rules leave out of it entirely.

use std::fmt;
use std::path::Path;

use crate::compose::disk::Files;
use crate::compose::resolve::Draft;
use crate::dockerignore::DockerIgnore;
use crate::paths::HostPath;

/// One watched directory or file.
pub struct Root {
    /// Where.
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

    /// Whether `path` lies in it or around it.
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

/// The pattern of the block's `ignore` that leaves out `path` and all below it.
pub fn excluded_by_list(list: &[String], dir: &HostPath, path: &HostPath) -> Option<String> {
    let rules = DockerIgnore::from_patterns(list.iter().map(String::as_str)).ok()?;
    let (_, pattern) = excluding(&rules, path.below(dir)?)?;
    Some(format!("`{pattern}` of the block's `ignore`"))
}

/// Whether `only` names nothing of `path`. What a pattern with wildcards names lies below its plain beginning.
pub fn missed_by_only(only: &[String], dir: &HostPath, path: &HostPath) -> Option<String> {
    // A `!` pattern takes out of what the others name.
    let naming = only.iter().filter(|pattern| !pattern.starts_with('!'));
    let named = naming.into_iter().any(|pattern| {
        let pattern = pattern.trim_start_matches('/');
        let plain = match pattern.find(['*', '?', '[', '\\']) {
            Some(special) => pattern[..special]
                .rfind('/')
                .map_or("", |slash| &pattern[..slash]),
            None => pattern,
        };
        let kept = dir.join(plain);
        kept.below(path).is_some() || path.below(&kept).is_some()
    });
    (!only.is_empty() && !named).then(|| "the block's `only`".to_owned())
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

/// Everything watched for the service at `index`: its own roots and those of its bases (D1).
pub fn watched(drafts: &[Draft], index: usize, disk: &dyn Files) -> Vec<Root> {
    let draft = &drafts[index];
    let mut all = roots(draft, false, disk);
    for base in &draft.service.bases {
        if let Some(base) = drafts.iter().find(|other| other.service.name == *base) {
            all.extend(roots(base, true, disk));
        }
    }
    all
}
