//! A small program of our own plays the adversary inside a container, as the owner of the sync's target without further
//! rights, and as root against the helper; edits go on meanwhile. Afterwards nothing outside has changed, nothing was run as
//! root, the memory has stayed within bounds, every edit that could arrive arrived, and every other was said.
//! `tests/hostile --help` tells how to make it longer. Knows the plugin as a program only.

#![cfg(target_os = "linux")]

mod container;
mod editor;
mod house;
#[path = "../shared/needs.rs"]
mod needs;
mod program;
#[path = "inside/rng.rs"]
mod rng;
mod settings;
#[path = "../tools/mod.rs"]
mod tools;
mod trial;
mod up;
mod verdict;
mod witness;

use needs::{is_root, needs};
use settings::{Settings, Way, Who};

/// Runs one trial, and fails unless all went well.
macro_rules! goes_well {
    ($settings:expr) => {
        needs!(is_root(), "root, to see the files of containers");
        let verdict = trial::run(&$settings).unwrap_or_else(|error| panic!("{error}"));
        needs!(
            verdict.is_some(),
            "an engine on this machine, to see the files of containers"
        );
        let verdict = verdict.unwrap();
        assert!(verdict.is_good(), "{verdict}");
        println!("{verdict}");
    };
}

#[test]
fn the_targets_owner_gains_nothing_through_the_helper() {
    goes_well!(Settings::new(Who::User, Way::Helper).unwrap());
}

#[test]
fn the_targets_owner_gains_nothing_through_the_engines_api() {
    goes_well!(Settings::new(Who::User, Way::Archive).unwrap());
}

#[test]
fn the_targets_owner_gains_nothing_in_a_hardened_container() {
    goes_well!(Settings::new(Who::User, Way::Helper).unwrap().hardened());
}

#[test]
fn root_in_the_container_cannot_harm_the_host_through_the_helper() {
    goes_well!(Settings::new(Who::Root, Way::Helper).unwrap());
}

#[test]
fn root_in_the_container_cannot_harm_the_host_through_the_engines_api() {
    goes_well!(Settings::new(Who::Root, Way::Archive).unwrap());
}
