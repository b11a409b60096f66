//! Any ignore file and any path: no panic, and every way to ask gives the same answer.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

// The path stands before the first zero byte, the ignore file after it.
fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |&byte| byte == 0);
    let path = String::from_utf8_lossy(parts.next().unwrap_or_default());
    docker_liveupdate::dockerignore::fuzz(parts.next().unwrap_or_default(), Path::new(&*path));
});
