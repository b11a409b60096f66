//! README's tables of steps and of options say what the reader reads.

use std::collections::BTreeSet;

use crate::compose::schema;
use crate::compose::steps::KINDS;

/// The rows of the table whose head is `head`, each as its cells.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    const README: &str = include_str!("../../../README.md");
    let (_, below) = README.split_once(head).unwrap();
    let rows = below
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" |").map(str::trim).collect())
        .collect()
}

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_readme_has_each_kind_of_step_in_order_with_the_keys_of_its_long_form() {
    let rows = table("| step | does | long form's keys |");
    let steps: Vec<_> = rows.iter().filter(|row| row[0] != "a name").collect();
    assert_eq!(steps.len(), KINDS.len(), "{rows:#?}");
    for (row, kind) in steps.iter().zip(&KINDS) {
        let form = quoted(row[0])[0];
        let (name, value) = form.split_once(": ").unwrap_or((form, ""));
        assert_eq!(name, kind.name);
        assert_eq!(value.is_empty(), kind.lacks.is_none(), "{form}");
        let keys: Vec<&str> = kind.keys.iter().map(|key| key.name).collect();
        assert_eq!(quoted(row.get(2).unwrap_or(&"")), keys, "{name}");
    }
}

#[test]
fn the_readme_and_the_schema_have_every_option_that_is_read() {
    let named = |cell: &&'static str| {
        let name = |form: &&'static str| form.split(':').next().unwrap();
        quoted(cell).iter().map(name).collect::<Vec<&str>>()
    };
    let rows = table("| option | means |");
    let mut readme: BTreeSet<&str> = rows.iter().flat_map(|row| named(&row[0])).collect();
    readme.insert("steps");
    let read = BTreeSet::from(crate::compose::reader::options::KEYS);
    assert_eq!(readme, read);
    let schema = schema();
    let options = schema["$defs"]["options"]["properties"].as_object();
    let options: BTreeSet<&str> = options.unwrap().keys().map(String::as_str).collect();
    assert_eq!(options, read);
}
