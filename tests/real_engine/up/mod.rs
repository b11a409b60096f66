//! What `docker liveupdate up` promises, one room per chapter of the specification.

mod atomic;
mod bases;
mod build;
mod changes;
mod containers;
mod engine_faults;
mod files;
mod follow;
mod helper;
mod hostile;
mod images;
mod keys;
mod leaving;
mod mounts;
mod names;
mod options;
mod owners;
mod process;
mod reference;
mod reload;
mod restart;
mod runs;
mod secrets;
mod services;
mod verify;
mod watch_rules;
