use std::collections::HashMap;

use crate::compose::block::{CustomBuild, FallBackOn, Origin, Step, Sync};
use crate::compose::{Block, Build, PathRule, Project, Service};
use crate::paths::ContainerPath;
use crate::plain_file::Odd;

use super::*;
use crate::watch::ignored::BadIgnore;

/// A project in `/p`, with the ignore files that exist there.
#[derive(Default)]
struct Situation {
    services: Vec<Service>,
    ignore_files: HashMap<HostPath, &'static str>,
}

fn path(path: &str) -> HostPath {
    HostPath::new("/p").unwrap().join(path)
}

fn block() -> Block {
    Block {
        dir: Some(path("")),
        ..Block::default()
    }
}

fn sync(local: &str) -> Sync {
    Sync {
        step: Step::new(1),
        local: path(local),
        remote: ContainerPath::new("/app").unwrap(),
        into_directory: false,
        ignore: Vec::new(),
        include: Vec::new(),
        in_place: false,
        initial: false,
    }
}

fn service(name: &str, context: Option<&str>, block: Block) -> Service {
    Service {
        name: name.to_owned(),
        build: context.map(|context| Build {
            context: path(context),
            dockerfile: Some(path(context).join("Dockerfile")),
            ignore_file: path(context).join(".dockerignore"),
            additional_contexts: Vec::new(),
            service_contexts: std::collections::BTreeMap::new(),
        }),
        block: Some(block),
        ..Service::default()
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

impl Situation {
    fn of(services: impl IntoIterator<Item = Service>) -> Self {
        Self {
            services: services.into_iter().collect(),
            ..Self::default()
        }
    }

    fn file(mut self, name: &str, text: &'static str) -> Self {
        self.ignore_files.insert(path(name), text);
        self
    }

    /// The scope of the first service.
    fn scope(&self) -> Result<Scope, Vec<BadIgnore>> {
        let project = Project {
            name: "p".to_owned(),
            dir: path(""),
            sources: Vec::new(),
            services: self.services.clone(),
        };
        Scope::of(&project, &self.services[0], |file| {
            let text = self.ignore_files.get(file);
            Ok(text.map(|text| text.as_bytes().to_vec()))
        })
    }

    #[track_caller]
    fn says(&self, expected: &[(&str, &str)]) -> &Self {
        let scope = self.scope().unwrap();
        for (name, expected) in expected {
            let said = match scope.verdict(&path(name)) {
                Verdict::Watched { root } => format!("watched in {root}"),
                Verdict::Outside => "outside".to_owned(),
                Verdict::Ignored(why) => why.to_string(),
            };
            assert_eq!(&said, expected, "{name}");
        }
        self
    }
}

#[test]
fn the_context_is_watched_and_nothing_beside_it() {
    Situation::of([service("web", Some("web"), block())]).says(&[
        ("web", "watched in /p/web"),
        ("web/src/a", "watched in /p/web"),
        ("website/a", "outside"),
        ("compose.yaml", "outside"),
    ]);
}

#[test]
fn an_ignored_file_is_explained_by_the_line_of_the_ignore_file() {
    Situation::of([service("web", Some("."), block())])
        .file(".dockerignore", "# comment\n**/*.log\ndocs\n!docs/a.md\n")
        .says(&[
            ("x/a.log", "line 2 of `/p/.dockerignore`: `**/*.log`"),
            ("docs/b.md", "line 3 of `/p/.dockerignore`: `docs`"),
            ("docs/a.md", "watched in /p"),
            ("src/a", "watched in /p"),
        ]);
}

#[test]
fn the_dockerfiles_own_ignore_file_wins() {
    let situation = Situation::of([service("web", Some("."), block())])
        .file(".dockerignore", "a\n")
        .file("Dockerfile.dockerignore", "b\n");
    situation.says(&[
        ("a", "watched in /p"),
        ("b", "line 1 of `/p/Dockerfile.dockerignore`: `b`"),
    ]);
}

#[test]
fn dockerfile_and_ignore_files_are_watched_even_when_ignored() {
    Situation::of([service("web", Some("."), block())])
        .file(".dockerignore", "*\n")
        .says(&[
            ("Dockerfile", "watched in /p"),
            (".dockerignore", "watched in /p"),
            ("Dockerfile.dockerignore", "watched in /p"),
            ("a", "line 1 of `/p/.dockerignore`: `*`"),
        ]);
}

#[test]
fn git_and_editors_temporary_files_are_never_watched() {
    Situation::of([service("web", Some("."), block())]).says(&[
        (".git/HEAD", "git's own files are never watched"),
        ("modules/x/.git", "git's own files are never watched"),
        (".gitignore", "watched in /p"),
        ("src/.a.swp", "an editor's temporary file: `.*.sw?`"),
        (".idea/x.xml", "an editor's temporary file: `.idea/**`"),
    ]);
}

#[test]
fn block_filters_come_on_top_of_the_ignore_file() {
    let block = Block {
        ignore: texts(&["docs/**", "*.tmp"]),
        only: texts(&["src", "docs", "assets/**/*.css"]),
        ..block()
    };
    Situation::of([service("web", Some("."), block)])
        .file(".dockerignore", "src/gen\n")
        .says(&[
            ("src/a", "watched in /p"),
            ("src/gen/a", "line 1 of `/p/.dockerignore`: `src/gen`"),
            (
                "docs/a",
                "pattern 1 of `ignore` of service `web`: `docs/**`",
            ),
            ("assets/deep/a.css", "watched in /p"),
            ("assets/a.js", "`only` of service `web` does not name it"),
            ("README.md", "`only` of service `web` does not name it"),
        ]);
}

#[test]
fn block_filters_are_relative_to_the_directory_of_the_block() {
    let block = Block {
        dir: Some(path("web")),
        ignore: texts(&["docs"]),
        only: texts(&["src", "docs"]),
        ..Block::default()
    };
    let situation = Situation::of([service("web", Some("."), block)]);
    situation.says(&[
        ("web/src/a", "watched in /p"),
        ("src/a", "`only` of service `web` does not name it"),
        (
            "web/docs/a",
            "pattern 1 of `ignore` of service `web`: `docs`",
        ),
    ]);
    let scope = situation.scope().unwrap();
    assert!(scope.keeps_directory(&path("")) && scope.keeps_directory(&path("web/src")));
    assert!(!scope.keeps_directory(&path("other")) && !scope.keeps_directory(&path("web/docs")));
}

#[test]
fn block_filters_reach_a_context_above_and_beside_the_compose_file() {
    let block = Block {
        dir: Some(path("deploy")),
        ignore: texts(&["**/*.md", "../api/gen", "*.tmp"]),
        only: texts(&["../api", "./conf"]),
        ..Block::default()
    };
    let mut web = service("web", Some("."), block);
    web.build.as_mut().unwrap().additional_contexts = vec![path("../shared")];
    let situation = Situation::of([web]);
    situation.says(&[
        ("api/a", "watched in /p"),
        (
            "api/a.md",
            "pattern 1 of `ignore` of service `web`: `**/*.md`",
        ),
        (
            "api/gen/a",
            "pattern 2 of `ignore` of service `web`: `../api/gen`",
        ),
        (
            "api/x/a.tmp",
            "pattern 3 of `ignore` of service `web`: `*.tmp`",
        ),
        ("deploy/conf/a", "watched in /p"),
        ("web/a", "`only` of service `web` does not name it"),
        ("../shared/a", "`only` of service `web` does not name it"),
    ]);
    let scope = situation.scope().unwrap();
    assert!(scope.keeps_directory(&path("api/x")) && scope.keeps_directory(&path("deploy")));
    assert!(!scope.keeps_directory(&path("web")) && !scope.keeps_directory(&path("api/gen")));
}

#[test]
fn contexts_of_base_images_are_watched_with_their_own_ignore_files_and_filters() {
    let base = Block {
        ignore: texts(&["base/docs"]),
        ..block()
    };
    let mut web = service("web", Some("web"), block());
    web.bases = vec!["base".to_owned()];
    web.build.as_mut().unwrap().additional_contexts = vec![path("more")];
    Situation::of([web, service("base", Some("base"), base)])
        .file("base/.dockerignore", "cache\n")
        .file("more/.dockerignore", "drafts\n")
        .says(&[
            ("web/cache", "watched in /p/web"),
            ("base/src/a", "watched in /p/base"),
            ("base/cache/a", "line 1 of `/p/base/.dockerignore`: `cache`"),
            (
                "base/docs/a",
                "pattern 1 of `ignore` of service `base`: `base/docs`",
            ),
            ("base/Dockerfile", "watched in /p/base"),
            ("more/a", "watched in /p/more"),
            (
                "more/drafts/a",
                "line 1 of `/p/more/.dockerignore`: `drafts`",
            ),
        ]);
}

#[test]
fn a_file_that_one_of_two_contexts_keeps_is_watched() {
    let mut web = service("web", Some("."), block());
    web.bases = vec!["base".to_owned()];
    let situation = Situation::of([web, service("base", Some("base"), block())])
        .file(".dockerignore", "base\n");
    situation.says(&[("base/a", "watched in /p/base")]);
    let scope = situation.scope().unwrap();
    assert!(scope.keeps_directory(&path("base")));
}

#[test]
fn deps_of_a_custom_build_are_watched_in_place_of_the_context() {
    let custom = Block {
        custom_build: Some(CustomBuild {
            command: "make".to_owned(),
            deps: vec![path("lib"), path("go.mod")],
            tag: "x".to_owned(),
        }),
        syncs: vec![sync("lib")],
        ..block()
    };
    Situation::of([service("web", Some("."), custom)])
        .file("lib/.dockerignore", "out\n")
        .says(&[
            ("lib/a", "watched in /p/lib"),
            ("lib/out/a", "line 1 of `/p/lib/.dockerignore`: `out`"),
            ("go.mod", "watched in /p/go.mod"),
            ("src/a", "outside"),
        ]);
}

#[test]
fn sources_of_an_image_only_service_are_what_is_watched() {
    let block = Block {
        syncs: vec![sync("conf"), sync("one.file")],
        ..block()
    };
    Situation::of([service("web", None, block)]).says(&[
        ("conf/a", "watched in /p/conf"),
        ("one.file", "watched in /p/one.file"),
        ("other", "outside"),
    ]);
}

#[test]
fn paths_of_composes_own_rules_are_watched_under_the_contexts_ignore_file() {
    let rule = |name| FallBackOn {
        step: Step::new(1),
        rule: PathRule::new(name, &path("")).unwrap(),
    };
    let block = Block {
        origin: Origin::DevelopWatch,
        syncs: vec![sync("web/src"), sync("shared")],
        fall_back_on: vec![rule("web/package.json")],
        watch_only: vec![rule("web/conf")],
        watch: ["web/src", "shared", "web/package.json", "web/conf"]
            .map(path)
            .into(),
        ..block()
    };
    Situation::of([service("web", Some("web"), block)])
        .file("web/.dockerignore", "src/gen\n")
        .says(&[
            ("web/src/a", "watched in /p/web/src"),
            (
                "web/src/gen/a",
                "line 1 of `/p/web/.dockerignore`: `src/gen`",
            ),
            ("shared/a", "watched in /p/shared"),
            ("web/package.json", "watched in /p/web/package.json"),
            ("web/conf/a", "watched in /p/web/conf"),
            ("web/README.md", "outside"),
        ]);
}

#[test]
fn a_service_without_a_block_watches_nothing() {
    let mut web = service("web", Some("."), block());
    web.block = None;
    Situation::of([web]).says(&[("a", "outside")]);
}

#[test]
fn a_walk_enters_an_ignored_directory_only_for_an_exception_below_it() {
    let situation = Situation::of([service("web", Some("."), block())])
        .file(".dockerignore", "vendor\n!vendor/ours\nnode_modules\n");
    let scope = situation.scope().unwrap();
    for (name, kept) in [
        ("", true),
        ("src", true),
        ("vendor", true),
        ("vendor/ours/deep", true),
        ("node_modules", false),
        ("node_modules/a/b", false),
        (".git", false),
        (".idea", false),
        ("../elsewhere", false),
    ] {
        assert_eq!(scope.keeps_directory(&path(name)), kept, "{name}");
    }
}

#[test]
fn every_bad_pattern_is_reported_with_its_place() {
    let block = Block {
        ignore: texts(&["ok", "a["]),
        only: texts(&["b["]),
        ..block()
    };
    let bad = Situation::of([service("web", Some("."), block)])
        .file(".dockerignore", "fine\nc[\n")
        .scope()
        .unwrap_err();
    let places: Vec<String> = bad
        .iter()
        .map(|bad| match bad {
            BadIgnore::Pattern { list, bad } => format!("{list} {} {}", bad.line, bad.pattern),
            file @ BadIgnore::File { .. } => file.to_string(),
        })
        .collect();
    assert_eq!(
        places,
        [
            "`/p/.dockerignore` 2 c[",
            "`ignore` of service `web` 2 a[",
            "`only` of service `web` 1 b[",
        ]
    );
}

#[test]
fn an_ignore_file_that_is_no_file_is_reported_once_and_never_taken_for_none() {
    let services = [service("web", Some("."), block())];
    let project = Project {
        name: "p".to_owned(),
        dir: path(""),
        sources: Vec::new(),
        services: services.to_vec(),
    };
    let bad = Scope::of(&project, &services[0], |_| Err(Odd::Fifo)).unwrap_err();
    let said: Vec<String> = bad.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "the ignore file `/p/Dockerfile.dockerignore` is a FIFO, not a file\n\
             hint: put a file in its place, or name another one"
        ]
    );
}

/// E8.
#[test]
fn services_that_watch_the_same_have_one_key_whoever_they_are() {
    let key = |name: &str, ignore: &[&str]| {
        let block = Block {
            ignore: texts(ignore),
            ..block()
        };
        let situation = Situation::of([service(name, Some("."), block)]);
        situation.scope().unwrap().key()
    };
    assert_eq!(key("web", &["docs"]), key("api", &["docs"]));
    assert_ne!(key("web", &["docs"]), key("web", &["doc"]));
}
