//! Checks what a service's image is built from (B9, D3): context, Dockerfile, ignore file, custom build. Knows no steps.

use std::collections::BTreeSet;

use crate::compose::disk::Files;
use crate::compose::finding::Findings;
use crate::compose::reader::ReadBlock;
use crate::compose::resolve::Draft;
use crate::dockerignore::DockerIgnore;
use crate::paths::HostPath;
use crate::plain_file::Odd;

use super::split_hint;

/// The build context and the Dockerfile: whether they are there, and whether the builder can read them.
pub(super) fn check(draft: &Draft, disk: &dyn Files, found: &mut Findings) {
    let custom = draft
        .block
        .as_ref()
        .is_some_and(|read| read.block.custom_build.is_some());
    if custom {
        return;
    }
    let at = draft.at().key("build");
    if let (Some(remote), Some(read)) = (&draft.sourcing.remote_context, &draft.block) {
        found.error_on_key(
            &read.at,
            format!("the build context `{remote}` is not on this machine, so no file of it can be watched or synced"),
            Some("build from a local checkout, or name what to watch in `custom_build: {command: .., deps: [..]}`".into()),
        );
    }
    let Some(build) = &draft.service.build else {
        return;
    };
    if let Some(dockerfile) = &build.dockerfile
        && let Err(error) = disk.read(dockerfile)
        && let Some(odd) = Odd::of(&error)
    {
        // Checked without a block too: the builder would hang on it.
        found.error(
            &at.key("dockerfile"),
            format!("the Dockerfile `{dockerfile}` {odd}"),
            Some(odd.hint().to_owned()),
        );
        return;
    }
    let complaint = if disk.kind(&build.context).is_none() {
        (
            at.key("context"),
            format!("the build context `{}` does not exist", build.context),
            "check `build.context`; it is relative to the project directory".to_owned(),
        )
    } else if let Some(dockerfile) = build
        .dockerfile
        .as_ref()
        .filter(|dockerfile| disk.kind(dockerfile).is_none())
    {
        (
            at.key("dockerfile"),
            format!("the Dockerfile `{dockerfile}` does not exist"),
            "write it, or name another one in `build.dockerfile`, relative to the context"
                .to_owned(),
        )
    } else {
        return;
    };
    let (at, message, hint) = complaint;
    if draft.block.is_some() {
        found.error(&at, message, Some(hint));
    } else {
        // The image may exist already; if it does not, Compose reports that.
        found.warning(&at, message, Some(hint));
    }
}

/// The ignore file in force, once for all services that share it: `seen` has those that were checked.
pub(super) fn check_ignore_file(
    draft: &Draft,
    disk: &dyn Files,
    seen: &mut BTreeSet<HostPath>,
    found: &mut Findings,
) {
    let Some(build) = &draft.service.build else {
        return;
    };
    let file = &build.ignore_file;
    if !seen.insert(file.clone()) {
        return;
    }
    let text = match disk.read(file) {
        Ok(text) => text,
        Err(error) => {
            if let Some(odd) = Odd::of(&error) {
                found.error(
                    &draft.at().key("build"),
                    format!("the ignore file `{file}` {odd}"),
                    Some(odd.hint().to_owned()),
                );
            }
            return;
        }
    };
    for bad in DockerIgnore::parse(&text).err().into_iter().flatten() {
        let (why, instead) = split_hint(&bad.to_string());
        found.error(
            &draft.at().key("build"),
            format!("line {} of `{file}` cannot be read: {why}", bad.line),
            instead.or_else(|| Some("the builder refuses it as well: put it right there".into())),
        );
    }
}

/// D3: the tag that a custom build makes, and the files it depends on.
pub(super) fn check_custom(
    draft: &Draft,
    read: &ReadBlock,
    disk: &dyn Files,
    found: &mut Findings,
) {
    let Some(custom) = &read.block.custom_build else {
        return;
    };
    let at = read.at.key("custom_build");
    if !custom.tag.is_empty() && custom.tag != draft.service.image {
        found.warning(
            &at.key("tag"),
            format!(
                "the image `{}` is built, but the service runs `{}`",
                custom.tag, draft.service.image
            ),
            Some(format!(
                "write `image: {}` for the service, or take `tag` out",
                custom.tag
            )),
        );
    }
    for (dep, at) in custom.deps.iter().zip(&read.deps) {
        if disk.kind(dep).is_none() {
            found.warning(
                at,
                format!("the dep `{dep}` does not exist"),
                Some("it is watched as soon as it is created".into()),
            );
        }
    }
}
