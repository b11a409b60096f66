//! The torture test: thousands of random changes to files while containers and the engine come and go; then every
//! container's synced paths must equal the host's, and nothing ignored may ever have arrived. `tests/torture/run --help`
//! tells how to make it longer. Knows the tools as programs only.

mod compare;
mod engine;
mod faults;
mod history;
mod ignored;
mod names;
#[path = "../shared/needs.rs"]
mod needs;
mod operations;
mod parts;
mod rng;
mod settings;
#[path = "../tools/mod.rs"]
mod tools;
mod trial;

use needs::{has, is_root, needs};

#[test]
fn once_things_have_settled_every_containers_synced_paths_equal_the_hosts() {
    needs!(is_root(), "root, to see the files of containers");
    needs!(has("git"), "git");
    let settings = settings::Settings::from_environment().unwrap();
    let verdict = trial::run(&settings).unwrap();
    needs!(
        verdict.is_some(),
        "an engine on this machine, to see the files of containers"
    );
    let verdict = verdict.unwrap();
    assert!(verdict.is_good(), "{verdict}");
    println!("{verdict}");
}
