//! Measures the watching: time until ready, watches, memory, delay of a touch, idle CPU. `cargo bench --bench watch`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and ends where it cannot measure"
)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use docker_liveupdate::compose::{Block, Build, Project, Service};
use docker_liveupdate::paths::HostPath;
use docker_liveupdate::watch::{Scope, WatchEvent, Watcher};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// 100,000 directories, of which 2,000 are kept.
const KEPT: usize = 2_000;
const IGNORED: usize = 98_000;
const IGNORE_FILE: &str = "**/node_modules\n.cache\n**/*.log\n**/__pycache__\ndist\n*.md\n!README.md\n**/.env*\ncoverage\ntmp/**\n";

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let context = dir.path().join("context");
    fill(&context);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(measure(&context, dir.path()));
}

fn fill(context: &Path) {
    for index in 0..KEPT / 2 {
        let package = context.join(format!("packages/{:02}/{index}", index % 50));
        fs::create_dir_all(package.join("src")).unwrap();
        for file in 0..5 {
            fs::write(package.join(format!("src/{file}.js")), "x").unwrap();
        }
    }
    for index in 0..IGNORED / 10 {
        let package = context.join(format!(
            "packages/{:02}/{}/node_modules/{index}",
            index % 50,
            index % 1000
        ));
        for part in 0..9 {
            fs::create_dir_all(package.join(part.to_string())).unwrap();
        }
    }
    fs::write(context.join(".dockerignore"), IGNORE_FILE).unwrap();
}

fn scope(context: &HostPath) -> Scope {
    let service = Service {
        name: "web".to_owned(),
        build: Some(Build {
            context: context.clone(),
            dockerfile: Some(context.join("Dockerfile")),
            ignore_file: context.join(".dockerignore"),
            target: None,
            additional_contexts: Vec::new(),
        }),
        block: Some(Block::default()),
        ..Service::default()
    };
    let project = Project {
        name: "p".to_owned(),
        dir: context.clone(),
        sources: Vec::new(),
        services: vec![service.clone()],
    };
    Scope::of(&project, &service, |file| fs::read(file).ok()).unwrap()
}

async fn measure(context: &Path, dir: &Path) {
    let root = HostPath::new(context).unwrap();
    let before = memory();
    let begun = Instant::now();
    let (out, mut events) = unbounded_channel();
    let (watcher, notices) = Watcher::start(vec![Arc::new(scope(&root))], Vec::new(), out).unwrap();
    let ready = begun.elapsed();
    let count = watcher.count().unwrap();
    println!("ready after               {:8.1} ms", millis(ready));
    println!(
        "watches                   {:8} kept, {} leading, {} polled",
        count.watched, count.leading, count.polled
    );
    println!(
        "memory                    {:8} KiB, of which watching {} KiB",
        memory(),
        memory() - before
    );
    for notice in notices {
        println!("{notice}");
    }

    let file = context.join("packages/07/7/src/0.js");
    let mut delays = Vec::new();
    for round in 0..300 {
        delays.push(save(&file, round, &mut events).await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    print_delays("save to touch", &mut delays);

    // The same while the keeper has 2,000 new directories to watch and to read.
    let mut delays = Vec::new();
    for round in 0..5 {
        let outside = dir.join("outside");
        for index in 0..2_000 {
            fs::create_dir_all(outside.join(format!("{}/{index}", index % 40))).unwrap();
        }
        fs::rename(&outside, context.join(format!("moved-in-{round}"))).unwrap();
        for save_number in 0..10 {
            delays.push(save(&file, round * 10 + save_number, &mut events).await);
        }
        watcher.count().unwrap();
        while events.try_recv().is_ok() {}
    }
    print_delays("same, 2,000 moved in", &mut delays);

    let (used, idle_since) = (processor(), Instant::now());
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!(
        "idle CPU                  {:8} ticks in {:.0} s",
        processor() - used,
        idle_since.elapsed().as_secs_f64()
    );
    println!("memory in the end         {:8} KiB", memory());
}

/// From before the file is opened until its touch is heard.
async fn save(file: &Path, round: i32, events: &mut UnboundedReceiver<WatchEvent>) -> Duration {
    let begun = Instant::now();
    fs::write(file, round.to_string()).unwrap();
    loop {
        if let Some(WatchEvent::Touched(touch)) = events.recv().await
            && touch.path.as_path() == file
            && touch.finished()
        {
            return begun.elapsed();
        }
    }
}

fn print_delays(name: &str, delays: &mut [Duration]) {
    delays.sort();
    println!(
        "{name:25} {:8.3} ms median, {:.3} ms at 95 %, {:.3} ms at most",
        millis(delays[delays.len() / 2]),
        millis(delays[delays.len() * 95 / 100]),
        millis(delays[delays.len() - 1])
    );
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Resident memory in KiB.
fn memory() -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}

/// Ticks of processor time that this process has used.
fn processor() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split(' ')
        .collect();
    let field = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok());
    field(11).unwrap_or_default() + field(12).unwrap_or_default()
}
