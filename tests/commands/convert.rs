//! The block in place of `develop.watch`, and the schema that editors check it with.

use crate::project::{Project, project};

fn watched() -> Project {
    project(
        "\
services:
  web:
    build: .
    develop:
      watch:
        - {action: sync+restart, path: ./src, target: /app, ignore: [node_modules/]}
        - {action: rebuild, path: package.json}
  api:
    build: ./api
    develop:
      watch:
        - {action: sync, path: ./api, target: /srv}
  own:
    build: ./own
    x-live-update: [{sync: './own:/own'}]
  db:
    image: postgres
",
    )
    .files([
        "Dockerfile",
        "package.json",
        "src/a.js",
        "api/Dockerfile",
        "own/Dockerfile",
    ])
}

#[test]
fn what_convert_prints_is_a_compose_file_s_part_that_does_the_same() {
    let watched = watched();
    let before =
        watched.call("explain --format json src/a.js src/node_modules/x package.json api/a README");
    let said = watched.call("convert");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(said.out.matches("services:").count(), 1, "{}", said.out);
    // Pasted over the rules, it is what holds.
    watched.write("converted.yaml", &said.out);
    watched.write(
        "compose.yaml",
        "services: {web: {build: .}, api: {build: ./api}, own: {build: ./own, x-live-update: [{sync: './own:/own'}]}, db: {image: postgres}}",
    );
    watched
        .call("-f compose.yaml -f converted.yaml check")
        .is("ok: api (1 step), own (1 step) and web (3 steps); db is left alone");
    let after = watched.call(
        "-f compose.yaml -f converted.yaml explain --format json src/a.js src/node_modules/x package.json api/a README",
    );
    let actions = |said: crate::project::Said| -> Vec<(String, String, String)> {
        let text = |object: &serde_json::Value, key: &str| {
            object[key].as_str().unwrap_or_default().to_owned()
        };
        let objects = said.objects();
        let all = objects
            .iter()
            .map(|it| (text(it, "path"), text(it, "service"), text(it, "action")));
        all.filter(|(_, service, _)| service != "own").collect()
    };
    assert_eq!(actions(before), actions(after));
}

#[test]
fn a_service_without_rules_is_refused_by_name() {
    watched().call("convert weeb own db").fails(
        1,
        "\
error: there is no service `weeb`
hint: did you mean `web`?
error: service `own` has an `x-live-update` block already
hint: leave it out here; `docker liveupdate check` says whether it is right
error: service `db` has no `develop.watch` rules
hint: leave it out here, or write an `x-live-update` block by hand",
    );
}

#[test]
fn the_schema_is_printed_as_json_without_a_project() {
    let project = project("");
    project.remove("compose.yaml");
    let said = project.call("schema");
    let schema: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(schema["title"], "x-live-update");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}
