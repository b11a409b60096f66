//! Any text as an `x-live-update` block: read or refused, no panic.
#![no_main]

use docker_liveupdate::paths::HostPath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let (Ok(text), Some(dir)) = (std::str::from_utf8(data), HostPath::new("/project")) {
        let _ = docker_liveupdate::compose::read_block(text, &dir);
    }
});
