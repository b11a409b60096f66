//! The torture test: thousands of random changes to files while containers and the engine come and go; then every
//! container's synced paths must equal the host's, and nothing ignored may ever have arrived. `tests/torture/run --help`
//! tells how to make it longer. Knows the tools as programs only.

mod compare;
mod engine;
mod faults;
mod history;
mod ignored;
mod names;
mod operations;
mod rng;
mod settings;
#[path = "../tools/mod.rs"]
mod tools;
mod trial;

#[test]
fn once_things_have_settled_every_containers_synced_paths_equal_the_hosts() {
    let settings = settings::Settings::from_environment().unwrap();
    let verdict = trial::run(&settings).unwrap();
    assert!(verdict.is_good(), "{verdict}");
    println!("{verdict}");
}
