//! E7: what an edit changes that Compose itself makes no container anew for.

use super::{Situation, compose};
use crate::compose::{Project, edited};

const FILE: &str = "\
services:
  web:
    build: .
    x-live-update: [{sync: './src:/app'}]
    configs: [inline, {source: named, target: /etc/named}]
    secrets: [{source: key}]
    volumes: [{type: volume, source: data, target: /data}]
  other:
    build: .
    configs: [file]
configs:
  inline: {content: one}
  named: {environment: NAMED}
  file: {file: /p/one}
secrets:
  key: {environment: KEY}
volumes:
  data: {name: p_data, labels: {a: b}}
  unused: {name: p_unused}
  theirs: {name: theirs, external: true}
";

fn situation(file: &str, env: &str) -> Situation {
    compose(file).file(".env", env)
}

/// What was edited from the one to the other: of `web`, of `other`, and the volumes.
#[track_caller]
fn edited(edit: (&str, &str), env: &str, web: &[&str], other: &[&str], volumes: &[&str]) {
    const ENV: &str = "NAMED=one\nKEY=one\n";
    let before = situation(FILE, ENV).project();
    assert!(edit.0.is_empty() || FILE.contains(edit.0));
    let after = situation(&FILE.replacen(edit.0, edit.1, 1), env).project();
    let handed = |project: &Project, name: &str| {
        let service = project.service(name).unwrap();
        service.definition.handed.clone()
    };
    for (name, expected) in [("web", web), ("other", other)] {
        let found = handed(&after, name).edited_since(&handed(&before, name));
        assert_eq!(found, expected, "{name}");
    }
    assert_eq!(edited::volumes(&before, &after), volumes);
}

#[test]
fn e7_an_edited_config_or_secret_is_known_of_the_services_that_use_it() {
    const ENV: &str = "NAMED=one\nKEY=one\n";
    let nothing = ("", "");
    edited(nothing, ENV, &[], &[], &[]);
    let content = ("content: one", "content: two");
    edited(content, ENV, &["config `inline`"], &[], &[]);
    let named = "NAMED=two\nKEY=one\n";
    edited(nothing, named, &["config `named`"], &[], &[]);
    let key = "NAMED=one\nKEY=two\n";
    edited(nothing, key, &["secret `key`"], &[], &[]);
    edited(("/p/one", "/p/two"), ENV, &[], &["config `file`"], &[]);
    let unset = "KEY=one\n";
    edited(nothing, unset, &["config `named`"], &[], &[]);
    // What a service uses is its own definition, which Compose compares.
    edited(("configs: [file]", "configs: [inline]"), ENV, &[], &[], &[]);
    edited(("/etc/named", "/etc/other"), ENV, &[], &[], &[]);
}

#[test]
fn e7_an_edited_volume_is_known_where_it_is_used_and_stays_the_same_one() {
    const ENV: &str = "NAMED=one\nKEY=one\n";
    let none: &[&str] = &[];
    edited(("a: b", "a: c"), ENV, none, none, &["data"]);
    edited(("name: p_data", "name: p_more"), ENV, none, none, &[]);
    let unused = ("p_unused}", "p_unused, driver: local}");
    edited(unused, ENV, none, none, &[]);
    let theirs = ("external: true", "external: true, labels: {a: b}");
    edited(theirs, ENV, none, none, &[]);
}

/// A secret is kept by nobody who need not.
#[test]
fn what_a_secret_is_stands_nowhere_in_the_project() {
    let project = situation(FILE, "NAMED=one\nKEY=very-secret\n").project();
    assert!(!format!("{project:?}").contains("very-secret"));
}
