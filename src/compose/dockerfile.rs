//! The images that a Dockerfile is built from: its `FROM` lines with arguments filled in. Knows no services. Pure.

use std::collections::BTreeMap;

use super::interpolate::interpolate;

/// One image that a stage starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    /// The line in the Dockerfile, from 1.
    pub line: usize,
    /// The `FROM` argument as written, variables not filled in.
    pub written: String,
    /// The image's name; when it depends on arguments without a value, the names of those.
    pub image: Result<String, Vec<String>>,
}

/// Arguments that the builder sets itself. They choose a platform, never another service's image.
const OF_THE_BUILDER: [&str; 8] = [
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
];

/// The images that `text` is built from, earlier stages and `scratch` left out. `args` are those of the build.
pub fn images(text: &str, args: &[(String, Option<String>)]) -> Vec<From> {
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    let mut stages: Vec<String> = Vec::new();
    let mut images = Vec::new();
    let mut in_stage = false;
    for (line, instruction) in instructions(text) {
        let mut words = instruction.split_whitespace();
        match words
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase()
            .as_str()
        {
            // Only an `ARG` before the first `FROM` is valid in a `FROM`.
            "ARG" if !in_stage => {
                for argument in words {
                    declare(argument, args, &mut variables);
                }
            }
            "FROM" => {
                in_stage = true;
                let words: Vec<&str> = words.filter(|word| !word.starts_with("--")).collect();
                let Some(&written) = words.first() else {
                    continue;
                };
                let stage = stages
                    .iter()
                    .any(|stage| stage.eq_ignore_ascii_case(written));
                if !stage && written != "scratch" {
                    let missing = unresolved(written, &variables);
                    let of_the_builder = missing
                        .iter()
                        .any(|name| OF_THE_BUILDER.contains(&name.as_str()));
                    let image = match interpolate(written, &variables) {
                        Some(image) if missing.is_empty() => Ok(image),
                        _ => Err(missing),
                    };
                    if !of_the_builder {
                        images.push(From {
                            line,
                            written: written.to_owned(),
                            image,
                        });
                    }
                }
                if let [_, keyword, name, ..] = words.as_slice()
                    && keyword.eq_ignore_ascii_case("as")
                {
                    stages.push((*name).to_owned());
                }
            }
            _ => {}
        }
    }
    // `FROM ${STAGE}` may name an earlier stage too.
    images.retain(|from| {
        from.image.as_ref().map_or(true, |image| {
            !stages.iter().any(|stage| stage.eq_ignore_ascii_case(image))
        })
    });
    images
}

fn declare(
    argument: &str,
    args: &[(String, Option<String>)],
    variables: &mut BTreeMap<String, String>,
) {
    let (name, default) = match argument.split_once('=') {
        Some((name, default)) => (name, Some(default.trim_matches(['"', '\'']))),
        None => (argument, None),
    };
    let given = args
        .iter()
        .find(|(arg, _)| arg == name)
        .and_then(|(_, value)| value.clone());
    let value = given.or_else(|| interpolate(default?, variables));
    if let Some(value) = value {
        variables.insert(name.to_owned(), value);
    }
}

/// The arguments used in `text` that have neither a value nor a default.
fn unresolved(text: &str, variables: &BTreeMap<String, String>) -> Vec<String> {
    let mut names = Vec::new();
    for part in text.split('$').skip(1) {
        let part = part.strip_prefix('{').unwrap_or(part);
        let end = part
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        let has_default = rest.starts_with([':', '-', '+']);
        let known = variables.get(name).is_some_and(|value| !value.is_empty());
        if !name.is_empty() && !known && !has_default {
            names.push(name.to_owned());
        }
    }
    names
}

/// The instructions, each with its first line's number (from 1); comments, continuations and here-documents removed.
fn instructions(text: &str) -> Vec<(usize, String)> {
    let escape = escape_character(text);
    let mut out = Vec::new();
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let mut instruction = line.trim().to_owned();
        while let Some(start) = instruction.strip_suffix(escape) {
            instruction.truncate(start.len());
            // Comments and empty lines are allowed inside a continued instruction.
            let Some((_, next)) = lines
                .find(|(_, next)| !next.trim().is_empty() && !next.trim_start().starts_with('#'))
            else {
                break;
            };
            instruction.push(' ');
            instruction.push_str(next.trim());
        }
        for end in here_documents(&instruction) {
            let _ = lines.find(|(_, line)| line.trim_start_matches('\t') == end);
        }
        out.push((index + 1, instruction));
    }
    out
}

/// The character set by an `# escape=` directive, which is valid only among the first comments; `\` by default.
fn escape_character(text: &str) -> char {
    for line in text.trim_start_matches('\u{feff}').lines() {
        let Some(comment) = line.trim().strip_prefix('#') else {
            break;
        };
        let Some((name, value)) = comment.split_once('=') else {
            break;
        };
        if name.trim().eq_ignore_ascii_case("escape") {
            return value.trim().chars().next().unwrap_or('\\');
        }
    }
    '\\'
}

/// The end markers of an instruction's here-documents.
fn here_documents(instruction: &str) -> Vec<String> {
    let takes_one = ["RUN", "COPY", "ADD"].iter().any(|name| {
        instruction
            .get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
    });
    if !takes_one {
        return Vec::new();
    }
    instruction
        .split_whitespace()
        .filter_map(|word| word.split_once("<<").map(|(_, rest)| rest))
        .map(|word| word.trim_start_matches('-').trim_matches(['"', '\'']))
        .map(|word| {
            let end = word
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
                .unwrap_or(word.len());
            word[..end].to_owned()
        })
        .filter(|word| !word.is_empty())
        .collect()
}

/// Whether two names mean one image: the default registry, `library/` and `latest` may be left out.
pub fn same_image(one: &str, other: &str) -> bool {
    full_name(one) == full_name(other)
}

fn full_name(name: &str) -> String {
    let name = name.split('@').next().unwrap_or_default();
    let name = name.strip_prefix("index.").unwrap_or(name);
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    let last = name.rsplit('/').next().unwrap_or_default();
    if last.contains(':') {
        name.to_owned()
    } else {
        format!("{name}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str, args: &[(&str, &str)]) -> Vec<String> {
        let args: Vec<(String, Option<String>)> = args
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
            .collect();
        images(text, &args)
            .into_iter()
            .map(|from| match from.image {
                Ok(image) => format!("{}: {image}", from.line),
                Err(missing) => format!(
                    "{}: {} without {}",
                    from.line,
                    from.written,
                    missing.join(", ")
                ),
            })
            .collect()
    }

    #[test]
    fn all_stages_count_and_earlier_stages_are_no_images() {
        let text = "# syntax=x\nFROM --platform=$BUILDPLATFORM golang AS build\nRUN x\nfrom build as test\nFROM scratch\nFROM me/base:1\n";
        assert_eq!(found(text, &[]), ["2: golang", "6: me/base:1"]);
    }

    #[test]
    fn arguments_are_put_in_as_the_builder_does() {
        let text = "ARG TAG=1\nARG BASE=me/base:${TAG}\nARG NONE\nFROM ${BASE}\nARG LATE=x\nFROM ${LATE}\nFROM a:${NONE:-2}\nFROM a-$NONE\nFROM x:$TARGETARCH\n";
        assert_eq!(
            found(text, &[("TAG", "7")]),
            [
                "4: me/base:7",
                "6: ${LATE} without LATE",
                "7: a:2",
                "8: a-$NONE without NONE"
            ]
        );
        assert_eq!(found(text, &[("BASE", "b")])[0], "4: b");
    }

    #[test]
    fn continued_lines_comments_and_here_documents_hide_nothing() {
        let text = "FROM \\\n# why\n  a \\\n  AS x\nRUN <<EOF cat\nFROM b\nEOF\nCOPY <<-\"END\" /x\nFROM c\n\tEND\nFROM d\n";
        assert_eq!(found(text, &[]), ["1: a", "11: d"]);
        assert_eq!(
            found("# escape=`\nFROM `\n a\nRUN x\\\nFROM b\n", &[]),
            ["2: a", "5: b"]
        );
    }

    #[test]
    fn one_image_has_many_names() {
        assert!(same_image("busybox", "docker.io/library/busybox:latest"));
        assert!(same_image("me/base@sha256:00", "me/base"));
        assert!(!same_image("localhost:5000/x", "x"));
        assert!(!same_image("me/base:1", "me/base"));
    }

    proptest! {
        #[test]
        fn no_dockerfile_panics(text in "[FROMARGUNas $\\{}:<\\\\\"\n#=é-]{0,60}") {
            let _ = images(&text, &[]);
        }
    }
}
