//! The oracle: `docker buildx build` of contexts with ignore files, and the paths that are in the image.

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs::{self, File},
    path::Path,
    process::Command,
    sync::Mutex,
};

use crate::tree;

/// The answers in the order of the questions.
pub fn four_at_a_time<Q: Sync, A: Send>(questions: &[Q], ask: impl Fn(&Q) -> A + Sync) -> Vec<A> {
    let next = Mutex::new(questions.iter().enumerate());
    let answers = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((place, question)) = next.lock().unwrap().next() else {
                        return;
                    };
                    let answer = ask(question);
                    answers.lock().unwrap().push((place, answer));
                }
            });
        }
    });
    let mut answers = answers.into_inner().unwrap();
    answers.sort_by_key(|&(place, _)| place);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// The paths in the image of each ignore file's context: one build with a named context for each.
pub fn build_together(ignore_files: &[String]) -> Vec<BTreeSet<String>> {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let mut dockerfile = String::from("FROM scratch\n");
    let mut build = Command::new("docker");
    build.args(["buildx", "build"]);
    for (number, file) in ignore_files.iter().enumerate() {
        let context = folder.path().join(number.to_string());
        tree::write(&context, file.as_bytes());
        build
            .arg("--build-context")
            .arg(format!("c{number}={}", context.display()));
        writeln!(dockerfile, "COPY --from=c{number} . /{number}/").unwrap();
    }
    let paths = run(build, folder.path(), &dockerfile, &empty)
        .unwrap_or_else(|error| panic!("the builder refuses one of {ignore_files:#?}: {error}"));
    (0..ignore_files.len())
        .map(|number| {
            let top = format!("{number}/");
            paths
                .iter()
                .filter_map(|path| path.strip_prefix(&top))
                .map(str::to_owned)
                .collect()
        })
        .collect()
}

/// The paths in the image of `COPY . /`, or what the builder says against the ignore file.
pub fn build_alone(ignore_file: &[u8]) -> Result<BTreeSet<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    let context = folder.path().join("context");
    tree::write(&context, ignore_file);
    let mut build = Command::new("docker");
    build.args(["buildx", "build"]);
    run(build, folder.path(), "FROM scratch\nCOPY . /\n", &context)
}

fn run(
    mut build: Command,
    folder: &Path,
    dockerfile: &str,
    context: &Path,
) -> Result<BTreeSet<String>, String> {
    let image = folder.join("image.tar");
    let file = folder.join("Dockerfile");
    fs::write(&file, dockerfile).unwrap();
    build
        .arg("--output")
        .arg(format!("type=tar,dest={}", image.display()))
        .arg("-f")
        .arg(file)
        .arg(context);
    let done = build.output().expect("`docker` is on PATH");
    if !done.status.success() {
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        // Only the pattern matcher's own words count as a refusal; anything else is no answer.
        let refused = [
            "syntax error in pattern",
            "illegal exclusion pattern",
            "token too long",
            "error parsing regexp",
        ];
        assert!(
            refused.iter().any(|words| error.contains(words)),
            "the build went wrong: {error}"
        );
        return Err(error);
    }
    let mut archive = tar::Archive::new(File::open(image).unwrap());
    let paths = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        String::from_utf8(entry.path_bytes().into_owned()).unwrap()
    });
    Ok(paths
        .map(|path| {
            path.trim_start_matches("./")
                .trim_end_matches('/')
                .to_owned()
        })
        .filter(|path| !path.is_empty())
        .collect())
}
