//! What the helper costs a container that nothing happens in, and one that a lot happens in.

use crate::place::{Bring as _, Place, put, remove, until};
use docker_liveupdate::transfer::{Sought, Wanted};
use std::fs;
use tokio::process::Child;

/// Issue 5: "Memory of the helper at most 2 MiB".
const MOST: u64 = 2048;

/// A line of `/proc/PID/status`, in KiB.
fn memory(helper: &Child, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", helper.id().unwrap())).unwrap();
    let found = status.lines().find_map(|text| text.strip_prefix(line));
    let number = found.unwrap().trim_start_matches(':').trim();
    number.trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn its_memory_stays_below_2_mib_whatever_it_does() {
    const FILES: usize = 10_000;
    let place = Place::new();
    let (mut link, helper) = place.serve().await;
    let told = |what: &str| {
        let peak = memory(&helper, "VmHWM");
        println!("peak after {what}: {peak} KiB");
        assert!(peak <= MOST, "{peak} KiB after {what}");
    };
    told("its start");
    let source = place.host("new", "x".repeat(1000));
    let names: Vec<String> = (0..FILES)
        .map(|number| {
            format!(
                "components/feature-{}/deeply/nested/file-{number}.ts",
                number % 100
            )
        })
        .collect();
    let all = put(names.iter().map(|name| place.file(&source, name)));
    for _ in 0..2 {
        link.bring(&all).await.unwrap();
    }
    told("10,000 files twice");
    let big = place.host("big", vec![b'x'; 50_000_000]);
    link.bring(&put([place.file(&big, "big")])).await.unwrap();
    told("a file of 50 MB");
    let file = Sought::File { most: 1000 };
    let wanted: Wanted = names
        .iter()
        .map(|name| (place.target(name), file))
        .collect();
    let mut found = 0;
    let hear = |_: &_, print: Result<_, _>| found += usize::from(print.is_ok());
    link.inventory(&wanted, hear).await.unwrap();
    assert_eq!(found, FILES);
    told("hashes of 10,000 files");
    let gone = remove(names.iter().map(|name| place.target(name)));
    link.bring(&gone).await.unwrap();
    let left = names
        .iter()
        .filter(|name| place.path("app").join(name).exists());
    assert_eq!(left.count(), 0);
    told("10,000 deletes");
}

#[tokio::test]
async fn it_takes_no_time_while_nothing_happens() {
    let place = Place::new();
    let (mut link, helper) = place.serve().await;
    let source = place.host("new", "new");
    link.bring(&put([place.file(&source, "new")]))
        .await
        .unwrap();
    // The kernel's own word for where it is: in poll, with two descriptors and no time at which to wake by itself.
    let path = format!("/proc/{}/syscall", helper.id().unwrap());
    let Ok(_) = fs::read_to_string(&path) else {
        // Some kernels do not tell; then there is nothing to look at.
        return;
    };
    // `poll` with a time in milliseconds, or `ppoll` with a pointer to one: x86_64 has both, aarch64 the second alone.
    until("it has tidied up, and waits for ever", || {
        let said = fs::read_to_string(&path).unwrap_or_default();
        match said.split(' ').collect::<Vec<&str>>()[..] {
            ["7", _, "0x2", time, ..] if cfg!(target_arch = "x86_64") => time.ends_with("ffffffff"),
            ["271" | "73", _, "0x2", time, ..] => time == "0x0",
            _ => false,
        }
    })
    .await;
}
