//! Images that are built from images of the same project (D1): which service's image is which other's base, bases first. Reads
//! only Dockerfiles.

use std::collections::BTreeMap;

use super::disk::Files;
use super::dockerfile::{self, same_image};
use super::finding::{Findings, YamlPath};
use super::interpolate::interpolate;
use super::resolve::Draft;
use super::sources::Sources;
use super::yaml::{get, untagged};

/// Fills every service's `bases`.
pub fn fill(
    project: &str,
    drafts: &mut [Draft],
    sources: &Sources,
    disk: &dyn Files,
    found: &mut Findings,
) {
    let search = Search {
        project,
        drafts,
        sources,
        disk,
    };
    let direct: Vec<Bases> = (0..drafts.len())
        .map(|index| search.direct_bases(index, found))
        .collect();
    for index in 0..drafts.len() {
        let mut order = Vec::new();
        let mut way = vec![index];
        let cycle = collect(index, &direct, &mut way, &mut order);
        // Each service of a cycle would report the same cycle: only the first of them does.
        if let Some(cycle) = cycle.filter(|cycle| cycle.iter().min() == Some(&index)) {
            let names: Vec<String> = cycle
                .iter()
                .chain(cycle.first())
                .map(|&index| format!("`{}`", drafts[index].service.name))
                .collect();
            found.error_on_key(
                &drafts[index].at().key("build"),
                format!("its image is built from itself: {}", names.join(" from ")),
                Some("let one of them begin from an image that is not built here".into()),
            );
        }
        drafts[index].service.bases = order
            .into_iter()
            .filter(|&base| base != index)
            .map(|base| drafts[base].service.name.clone())
            .collect();
        let along: Vec<String> = along(index, &direct)
            .into_iter()
            .map(|base| drafts[base].service.name.clone())
            .collect();
        let bases = drafts[index].service.bases.iter();
        drafts[index].service.bases_by_context =
            bases.filter(|base| along.contains(base)).cloned().collect();
    }
}

/// What Compose builds along with `index`: the services its contexts name, and those that theirs name.
fn along(index: usize, direct: &[Bases]) -> Vec<usize> {
    let mut along = Vec::new();
    let mut open = vec![index];
    while let Some(service) = open.pop() {
        for &base in &direct[service].by_context {
            if base != index && !along.contains(&base) {
                along.push(base);
                open.push(base);
            }
        }
    }
    // Compose does not look for services behind a `FROM`: a base named there must be built beforehand.
    along.retain(|base| !direct[index].by_name.contains(base));
    along
}

/// Collects the bases of `index`, direct or not, each after its own bases. Returns the cycle, if `index` is in one.
fn collect(
    index: usize,
    direct: &[Bases],
    way: &mut Vec<usize>,
    order: &mut Vec<usize>,
) -> Option<Vec<usize>> {
    let mut cycle = None;
    for &base in direct[index]
        .by_context
        .iter()
        .chain(&direct[index].by_name)
    {
        if way.first() == Some(&base) {
            cycle = Some(way.clone());
        } else if !way.contains(&base) && !order.contains(&base) {
            way.push(base);
            cycle = collect(base, direct, way, order).or(cycle);
            way.pop();
            order.push(base);
        }
    }
    cycle
}

/// The services whose images one service is built from directly, as indices.
#[derive(Default)]
struct Bases {
    /// Named by `additional_contexts: {x: service:NAME}`.
    by_context: Vec<usize>,
    /// Named by a `FROM` with the name of their image.
    by_name: Vec<usize>,
}

struct Search<'a> {
    project: &'a str,
    drafts: &'a [Draft],
    sources: &'a Sources,
    disk: &'a dyn Files,
}

impl Search<'_> {
    fn direct_bases(&self, index: usize, found: &mut Findings) -> Bases {
        let draft = &self.drafts[index];
        let custom = draft
            .block
            .as_ref()
            .is_some_and(|read| read.block.custom_build.is_some());
        if custom || draft.service.build.is_none() {
            return Bases::default();
        }
        let at = draft.at().key("build");
        let mut bases = Bases::default();
        for (name, source) in &draft.sourcing.contexts {
            let Some(service) = source.strip_prefix("service:") else {
                continue;
            };
            let at = at.key("additional_contexts").key(name);
            match self.position(service) {
                Some(base) => bases.by_context.push(base),
                None => self.not_there(service, &format!("the context `{name}`"), &at, found),
            }
        }
        bases.by_name = self.by_from(index, &at, found);
        bases
    }

    fn by_from(&self, index: usize, at: &YamlPath, found: &mut Findings) -> Vec<usize> {
        let draft = &self.drafts[index];
        let dockerfile = draft
            .service
            .build
            .as_ref()
            .and_then(|build| build.dockerfile.clone());
        let text = match (&draft.sourcing.inline, &dockerfile) {
            (Some(inline), _) => inline.clone(),
            (None, Some(file)) => match self.disk.read(file) {
                Ok(text) => String::from_utf8_lossy(&text).into_owned(),
                Err(_) => return Vec::new(),
            },
            (None, None) => return Vec::new(),
        };
        let file =
            dockerfile.map_or_else(|| "dockerfile_inline".to_owned(), |file| file.to_string());
        let mut bases = Vec::new();
        for from in dockerfile::images(&text, &draft.sourcing.args) {
            let image = match from.image {
                Ok(image) => image,
                Err(missing) => {
                    if draft.block.is_some() {
                        found.warning(
                            &at.key("dockerfile"),
                            format!(
                                "line {} of `{file}`: `FROM {}` cannot be resolved, `{}` has no value",
                                from.line, from.written, missing.join("`, `")
                            ),
                            Some("if it is another service's image, its changes are not seen; give the argument a default, or set it in `build.args`".into()),
                        );
                    }
                    continue;
                }
            };
            let shadowed = draft
                .sourcing
                .contexts
                .iter()
                .any(|(name, _)| same_image(name, &image));
            if shadowed || same_image(&image, &draft.service.image) {
                continue;
            }
            let base = self.drafts.iter().position(|other| {
                let custom = other
                    .block
                    .as_ref()
                    .is_some_and(|read| read.block.custom_build.is_some());
                (other.service.build.is_some() || custom)
                    && same_image(&other.service.image, &image)
            });
            match base {
                Some(base) => bases.push(base),
                None => {
                    if let (Some(service), true) = (self.inactive(&image), draft.block.is_some()) {
                        let what = format!("line {} of `{file}`: `FROM {image}`", from.line);
                        self.not_there(&service, &what, &at.key("dockerfile"), found);
                    }
                }
            }
        }
        bases
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.drafts
            .iter()
            .position(|draft| draft.service.name == name)
    }

    /// The name of a service in an inactive profile that builds `image`.
    fn inactive(&self, image: &str) -> Option<String> {
        self.sources.service_names().into_iter().find(|name| {
            if self.position(name).is_some() {
                return false;
            }
            let mut built = false;
            let mut own = format!("{}-{name}", self.project);
            for part in self.sources.parts(name) {
                let value = self.sources.value(part);
                built |= value.is_some_and(|value| get(value, "build").is_some());
                let text = value
                    .and_then(|value| get(value, "image"))
                    .and_then(|image| untagged(image).as_str());
                if let Some(text) = text.and_then(|text| interpolate(text, &self.sources.variables))
                {
                    own = text;
                }
            }
            built && same_image(&own, image)
        })
    }

    fn not_there(&self, service: &str, what: &str, at: &YamlPath, found: &mut Findings) {
        let names: BTreeMap<String, Vec<String>> = self
            .sources
            .service_names()
            .into_iter()
            .map(|name| (name.clone(), self.sources.profiles(&name)))
            .collect();
        match names.get(service).and_then(|profiles| profiles.first()) {
            Some(profile) => found.error(
                at,
                format!("{what} is the image of service `{service}`, whose profile `{profile}` is not active"),
                Some(format!("add `--profile {profile}`, or take `{service}` out of the profile")),
            ),
            None => found.error(
                at,
                format!("{what} is the image of service `{service}`, which is not there"),
                crate::nearest::nearest(service, names.keys().map(String::as_str))
                    .map(|near| format!("did you mean `{near}`?")),
            ),
        }
    }
}
