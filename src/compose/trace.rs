//! Traces a path of the resolved model back to the file, line and column it was written at. Knows how Compose merges, not what
//! steps are.

use serde_yaml::Value;

use super::finding::{Finding, Findings, Seg, YamlPath};
use super::locate::locate;
use super::problem::{Location, Problem};
use super::sources::Sources;
use super::yaml::{key_text, untagged};

/// One raw value that was merged into a resolved one.
#[derive(Clone)]
struct Origin<'s> {
    part: usize,
    file: usize,
    document: usize,
    path: Vec<Seg>,
    value: &'s Value,
}

/// Where a resolved value was written.
#[derive(Clone, Debug)]
pub struct Written<'s> {
    /// Index of the file in [`Sources::files`].
    pub file: usize,
    /// Index of the merged part of the service, to tell one file's steps from another's (B1).
    pub part: usize,
    /// The value as written, variables not filled in.
    pub value: &'s Value,
    document: usize,
    path: Vec<Seg>,
    /// The whole path was found, not just the beginning of it.
    exact: bool,
}

impl Written<'_> {
    /// Whether the location is that of the whole path, not just of its beginning.
    pub fn is_exact(&self) -> bool {
        self.exact
    }
}

/// Traces paths of one resolved model.
#[derive(Clone, Copy)]
pub struct Trace<'s> {
    sources: &'s Sources,
    resolved: &'s Value,
}

impl<'s> Trace<'s> {
    /// For `resolved`, which was made from `sources`.
    pub fn new(sources: &'s Sources, resolved: &'s Value) -> Self {
        Self { sources, resolved }
    }

    /// The files that the model was made from.
    pub fn sources(&self) -> &'s Sources {
        self.sources
    }

    /// Where the value at `path` was written, as far as that is certain; `None` when not even its beginning is.
    pub fn written(&self, path: &[Seg]) -> Option<Written<'s>> {
        let (mut origins, mut rest) = self.start(path);
        let mut resolved = path[..path.len() - rest.len()]
            .iter()
            .try_fold(self.resolved, |value, seg| Some(child(value, seg)?.1));
        drop_overridden(&mut origins);
        let mut nearest = origins.last().cloned()?;
        while let Some((seg, tail)) = rest.split_first() {
            origins = match seg {
                Seg::Key(_) => origins
                    .iter()
                    .filter_map(|origin| step(origin, seg))
                    .collect(),
                Seg::Index(index) => item(&origins, *index, resolved).into_iter().collect(),
            };
            drop_overridden(&mut origins);
            let Some(last) = origins.last() else {
                break;
            };
            nearest = last.clone();
            resolved = resolved.and_then(|value| Some(child(value, seg)?.1));
            rest = tail;
        }
        Some(Written {
            file: nearest.file,
            part: nearest.part,
            value: nearest.value,
            document: nearest.document,
            path: nearest.path,
            exact: rest.is_empty(),
        })
    }

    /// The directory that relative paths written at `path` are relative to (B5).
    pub fn dir(&self, path: &[Seg]) -> crate::paths::HostPath {
        self.written(path)
            .and_then(|written| self.sources.files.get(written.file))
            .map_or_else(
                || self.sources.project_dir.clone(),
                super::sources::RawFile::dir,
            )
    }

    /// Line and column of a path; those of its service or block when the exact location is not certain.
    pub fn location(&self, spot: &YamlPath, on_key: bool) -> Option<Location> {
        let written = self.written(&spot.path)?;
        let file = self.sources.files.get(written.file)?;
        // A service or key is better shown by its name than by the first line of its value.
        let by_key = matches!(written.path.last(), Some(Seg::Key(_)))
            && (!written.exact || on_key || untagged(written.value).is_mapping());
        let (line, column) = locate(&file.text, written.document, &written.path, by_key)
            .or_else(|| locate(&file.text, written.document, &written.path, false))?;
        let shown = file.path.seen_from(&self.sources.cwd);
        Some(Location {
            file: file.path.clone(),
            shown: shown.to_string_lossy().into_owned(),
            line,
            column,
            text: file
                .text
                .lines()
                .nth(line - 1)
                .unwrap_or_default()
                .trim_start_matches('\u{feff}')
                .to_owned(),
        })
    }

    /// The findings as problems with locations.
    pub fn problems(&self, findings: Findings) -> Vec<Problem> {
        findings
            .list
            .into_iter()
            .map(|finding| {
                let location = self.location(&finding.at, finding.on_key);
                let Finding {
                    severity,
                    at,
                    message,
                    hint,
                    ..
                } = finding;
                Problem {
                    severity,
                    service: at.service,
                    step: at.step,
                    message,
                    hint,
                    location,
                }
            })
            .collect()
    }

    /// The raw values at the beginning of `path`, and the rest of the path.
    fn start<'p>(&self, path: &'p [Seg]) -> (Vec<Origin<'s>>, &'p [Seg]) {
        if let [Seg::Key(services), Seg::Key(name), rest @ ..] = path
            && services == "services"
        {
            let name = self.interned(name);
            let parts = name
                .map(|name| self.sources.parts(name))
                .unwrap_or_default();
            let origins = parts
                .into_iter()
                .enumerate()
                .filter_map(|(number, part)| {
                    Some(Origin {
                        part: number,
                        file: part.file,
                        document: part.document,
                        path: vec![Seg::Key("services".into()), Seg::Key(part.service.into())],
                        value: self.sources.value(part)?,
                    })
                })
                .collect();
            return (origins, rest);
        }
        // Included files come first: for the same key, what the top level says comes last and wins.
        let included = self.sources.included();
        let origins = included
            .iter()
            .chain(&self.sources.main)
            .filter_map(|&file| Some((file, self.sources.files.get(file)?)))
            .flat_map(|(file, raw)| {
                raw.documents
                    .iter()
                    .enumerate()
                    .map(move |(document, value)| Origin {
                        part: file,
                        file,
                        document,
                        path: Vec::new(),
                        value,
                    })
            })
            .collect();
        (origins, path)
    }

    /// `name` as the resolved model holds it, with the trace's lifetime.
    fn interned(&self, name: &str) -> Option<&'s str> {
        let services = untagged(super::yaml::get(self.resolved, "services")?).as_mapping()?;
        services
            .keys()
            .filter_map(Value::as_str)
            .find(|key| *key == name)
    }
}

/// The part that the `index`-th item of the merged list is from; `None` when the parts' lists do not add up to it.
fn item<'s>(origins: &[Origin<'s>], index: usize, resolved: Option<&Value>) -> Option<Origin<'s>> {
    if let [only] = origins {
        return step(only, &Seg::Index(index));
    }
    let lengths: Option<Vec<usize>> = origins
        .iter()
        .map(|origin| untagged(origin.value).as_sequence().map(Vec::len))
        .collect();
    let lengths = lengths?;
    if lengths.iter().sum::<usize>() != untagged(resolved?).as_sequence()?.len() {
        return None;
    }
    let mut left = index;
    for (origin, length) in origins.iter().zip(lengths) {
        if left < length {
            return step(origin, &Seg::Index(left));
        }
        left -= length;
    }
    None
}

fn step<'s>(origin: &Origin<'s>, seg: &Seg) -> Option<Origin<'s>> {
    let (way, value) = child(origin.value, seg)?;
    let mut path = origin.path.clone();
    path.extend(way);
    Some(Origin {
        path,
        value,
        ..origin.clone()
    })
}

/// Drops the parts that `!override` and `!reset` took away (B8).
fn drop_overridden(origins: &mut Vec<Origin<'_>>) {
    let tag = |origin: &Origin<'_>| match origin.value {
        Value::Tagged(tagged) => tagged.tag.to_string(),
        _ => String::new(),
    };
    if let Some(last) = origins
        .iter()
        .rposition(|origin| matches!(tag(origin).as_str(), "!override" | "!reset"))
    {
        let reset = tag(&origins[last]) == "!reset";
        origins.drain(..last + usize::from(reset));
    }
}

/// The value one step down, merge keys included, and the path to it with those keys spelled out.
fn child<'v>(value: &'v Value, seg: &Seg) -> Option<(Vec<Seg>, &'v Value)> {
    match (untagged(value), seg) {
        (Value::Sequence(items), Seg::Index(index)) => {
            Some((vec![seg.clone()], items.get(*index)?))
        }
        (Value::Mapping(map), Seg::Key(name)) => {
            if let Some((_, value)) = map
                .iter()
                .find(|(key, _)| key_text(key).as_deref() == Some(name))
            {
                return Some((vec![seg.clone()], value));
            }
            let merged = map.get("<<")?;
            let through = |mut way: Vec<Seg>, (rest, value): (Vec<Seg>, &'v Value)| {
                way.extend(rest);
                (way, value)
            };
            let merge = Seg::Key("<<".into());
            match untagged(merged) {
                Value::Sequence(items) => items.iter().enumerate().find_map(|(index, item)| {
                    Some(through(
                        vec![merge.clone(), Seg::Index(index)],
                        child(item, seg)?,
                    ))
                }),
                _ => Some(through(vec![merge], child(merged, seg)?)),
            }
        }
        _ => None,
    }
}
