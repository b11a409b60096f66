//! What stands where a file should and is none, or far too large: an error at once, that names it.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::project::{Project, project};

/// Something that is no file one could read, and what is said of it.
type Odd = (fn(&Path), &'static str);

const ODD: [Odd; 4] = [
    (fifo, "is a FIFO, not a file"),
    (device, "is a device, not a file"),
    (socket, "is a socket, not a file"),
    (large, "has more than 16 MiB"),
];

const DIRECTORY: Odd = (directory, "is a directory, not a file");

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

fn device(path: &Path) {
    symlink("/dev/zero", path).unwrap();
}

fn socket(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
}

fn large(path: &Path) {
    File::create(path).unwrap().set_len(17 << 20).unwrap();
}

fn directory(path: &Path) {
    fs::create_dir(path).unwrap();
}

const WEB: &str = "\
include: [more/included.yaml]
services:
  base:
    image: busybox
  web:
    extends: {file: extended.yaml, service: app}
    build: .
    env_file: [web.env, {path: maybe.env, required: false}]
    label_file: web.labels
    x-live-update: [{sync: './src:/app'}]
";

fn shop() -> Project {
    project(WEB)
        .file("more/included.yaml", "services: {db: {image: busybox}}")
        .file("extended.yaml", "services: {app: {image: shop}}")
        .file("Dockerfile", "FROM busybox\n")
        .files([
            ".env",
            "more/.env",
            "other.env",
            "web.env",
            "maybe.env",
            "web.labels",
        ])
        .files([".dockerignore", "compose.override.yaml", "src/a"])
        .file("compose.override.yaml", "services: {}\n")
        .file("more.yaml", "services: {}\n")
}

/// With something odd in the place of `name`, `call` ends with exit code 1 and an error that begins so.
#[track_caller]
fn refused(name: &str, call: &str, before: &str, kinds: &[Odd]) {
    let shop = shop();
    shop.call(call)
        .is("ok: web (1 step); base and db are left alone");
    for (make, what) in kinds {
        let path = shop.path().join(name);
        fs::remove_file(&path)
            .or_else(|_| fs::remove_dir(&path))
            .unwrap();
        make(&path);
        let said = shop.call(call);
        let expected = format!("error: {before}`{name}` {what}\n");
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{name}");
        assert!(said.err.starts_with(&expected), "{name}: {}", said.err);
        assert!(said.err.contains("\nhint: "), "{name}: {}", said.err);
        assert!(said.err.ends_with("\n1 error\n"), "{name}: {}", said.err);
    }
}

#[test]
fn a_compose_file() {
    for name in ["compose.yaml", "compose.override.yaml"] {
        refused(name, "check", "", &ODD);
        refused(name, "check", "", &[DIRECTORY]);
    }
}

#[test]
fn a_compose_file_that_a_flag_names() {
    refused("more.yaml", "-f compose.yaml -f more.yaml check", "", &ODD);
}

#[test]
fn an_included_and_an_extended_file() {
    for name in ["more/included.yaml", "extended.yaml"] {
        refused(name, "check", "", &ODD);
        refused(name, "check", "", &[DIRECTORY]);
    }
}

#[test]
fn an_env_file_of_the_project() {
    refused(".env", "check", "", &ODD);
    refused("more/.env", "check", "", &ODD);
    refused("other.env", "--env-file other.env check", "", &ODD);
}

#[test]
fn an_env_file_of_the_current_directory_when_the_project_is_elsewhere() {
    let project = project("services: {}").file(
        "sub/compose.yaml",
        "services: {web: {image: busybox, x-live-update: [{sync: './src:/app'}]}}",
    );
    let project = project.files(["sub/src/a"]);
    project
        .call("-f sub/compose.yaml check")
        .is("ok: web (1 step)");
    fifo(&project.path().join(".env"));
    project.call("-f sub/compose.yaml check").fails(
        1,
        "\
error: `.env` is a FIFO, not a file
hint: put a file in its place, or name another one

1 error",
    );
}

#[test]
fn an_env_file_of_a_service() {
    for name in ["web.env", "maybe.env", "web.labels"] {
        refused(name, "check", "", &ODD);
    }
}

#[test]
fn an_env_directory_is_passed_over_as_compose_does() {
    let shop = shop();
    shop.remove(".env");
    directory(&shop.path().join(".env"));
    shop.call("check")
        .is("ok: web (1 step); base and db are left alone");
}

#[test]
fn a_dockerfile() {
    let before = "service `web`: the Dockerfile ";
    refused("Dockerfile", "check", before, &ODD);
    refused("Dockerfile", "check", before, &[DIRECTORY]);
}

#[test]
fn an_ignore_file() {
    let before = "service `web`: the ignore file ";
    refused(".dockerignore", "check", before, &ODD);
    refused(".dockerignore", "check", before, &[DIRECTORY]);
}

#[test]
fn an_ignore_file_of_another_context() {
    let project = project(
        "services: {web: {build: {context: ., additional_contexts: {lib: ./lib}}, x-live-update: [{sync: './src:/app'}]}}",
    )
    .file("Dockerfile", "FROM busybox\n")
    .files(["src/a", "lib/a"]);
    fifo(&project.path().join("lib/.dockerignore"));
    let expected = "\
error: the ignore file `lib/.dockerignore` is a FIFO, not a file
hint: put a file in its place, or name another one";
    project
        .call("check")
        .fails(1, &format!("{expected}\n\n1 error"));
    for line in ["explain src/a", "plan src/a"] {
        project.call(line).fails(1, expected);
    }
}

#[test]
fn completion_does_not_wait_for_one_either() {
    let shop = shop();
    shop.remove("compose.yaml");
    fifo(&shop.path().join("compose.yaml"));
    let output = Project::completion_in(&shop.path(), "up ").output();
    let said = shop.said(&output.unwrap());
    assert_eq!((said.code, said.out.as_str()), (0, ":4\n"));
}
