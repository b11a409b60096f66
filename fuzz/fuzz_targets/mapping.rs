//! Any block and any path: each path has one place, and none lies outside its sync's target.
#![no_main]

use std::path::Path;

use docker_liveupdate::compose::{Project, Service, read_block};
use docker_liveupdate::paths::{ContainerPath, HostPath};
use docker_liveupdate::plan::Rules;
use docker_liveupdate::plan::rules::Mapping;
use libfuzzer_sys::fuzz_target;

// The path stands before the first zero byte, the container's path before the second, the block after it.
fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |&byte| byte == 0);
    let path = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let remote = parts.next().unwrap_or_default();
    let Some(dir) = HostPath::new("/project") else {
        return;
    };
    if let Some(remote) = ContainerPath::new(remote) {
        assert!(remote.join(Path::new(&*path)).is_within(&remote));
        assert_eq!(ContainerPath::new(remote.as_bytes()), Some(remote));
    }
    let Ok(text) = std::str::from_utf8(parts.next().unwrap_or_default()) else {
        return;
    };
    let (block, _) = read_block(text, &dir);
    let service = Service {
        name: "web".into(),
        block: Some(block),
        ..Service::default()
    };
    let project = Project {
        name: "p".into(),
        dir: dir.clone(),
        sources: Vec::new(),
        services: vec![service.clone()],
    };
    let Some(rules) = Rules::of(&project, &service) else {
        return;
    };
    let path = dir.join(&*path);
    if let Mapping::To { to, sync } = rules.mapping(&path) {
        assert!(path.below(&sync.local).is_some());
        assert!(to.is_within(&sync.remote));
    }
    let _ = rules.asks_for_rebuild(&path);
});
