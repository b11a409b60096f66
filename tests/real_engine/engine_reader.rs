//! What a program in the container sees of a file that is being updated (issue 5: "sees no missing and no short file").

use docker_liveupdate::engine::{Container, Engine, Via};

use crate::fixture::{Project, file, put};

const LENGTH: usize = 20_000;

/// So many files are overwritten by one update: the reader takes a whole processor for as long as this takes.
const PAGES: usize = 10;

/// Reads one target after the other; when it is told to end, it says how often, and what was wrong.
const READER: &str = "
import os, signal, sys
reads = missing = short = mixed = 0
going = True
def end(*_):
    global going
    going = False
signal.signal(signal.SIGTERM, end)
while going:
    try:
        with open(f'/app/page{reads % 10}', 'rb') as page:
            seen = page.read()
    except FileNotFoundError:
        missing += 1
    else:
        if len(seen) != 20000:
            short += 1
        elif seen.count(seen[:1]) != 20000:
            mixed += 1
    reads += 1
    if reads == 1:
        open('/ready', 'w').close()
with open('/told', 'w') as told:
    print(reads, missing, short, mixed, file=told)
";

/// What the reader saw.
#[derive(Debug)]
struct Seen {
    reads: u64,
    missing: u64,
    short: u64,
    mixed: u64,
}

async fn overwrites(project: &Project, web: &Container, count: usize, way: &Via) -> Seen {
    let contents = ["a", "b"].map(|letter| {
        let page = |number| file(format!("/app/page{number}"), letter.repeat(LENGTH));
        put((0..PAGES).map(page))
    });
    project.engine.apply(web, &contents[0]).await.unwrap();
    project
        .sh(web, &format!("cat > /reader.py <<'END'{READER}END\nrm -f /ready /told; python3 /reader.py & echo $! > /reader.pid; until [ -e /ready ]; do sleep 0.05; done"))
        .await;
    for round in 0..count / PAGES {
        let applied = project.engine.apply(web, &contents[round % 2]).await;
        assert_eq!(applied.unwrap().via, *way);
    }
    let told = project
        .sh(
            web,
            "kill $(cat /reader.pid); until [ -s /told ]; do sleep 0.05; done; cat /told",
        )
        .await;
    let numbers: Vec<u64> = told
        .split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect();
    let [reads, missing, short, mixed] = numbers[..] else {
        panic!("{told}");
    };
    Seen {
        reads,
        missing,
        short,
        mixed,
    }
}

/// The plain Engine API's figures are printed beside it: it removes and creates (facts, trap 1).
#[tokio::test]
async fn a_reader_sees_no_missing_and_no_short_file_over_10_000_overwrites_through_the_helper() {
    let project = Project::connect().await;
    let command = ["python3", "-c", "import signal; signal.pause()"];
    let web = project.run_image("python:3.13-slim", &command).await;
    let seen = overwrites(&project, &web, 10_000, &Via::Helper).await;
    println!("10,000 overwrites through the helper: {seen:?}");
    assert_eq!(
        (seen.missing, seen.short, seen.mixed),
        (0, 0, 0),
        "{seen:?}"
    );
    assert!(seen.reads > 1000, "{seen:?}");
    project.engine.close().await;
    project.engine.forbid_helper(["web".to_owned()].into());
    let plain = Via::EngineApi("the block says `helper: off`".to_owned());
    let seen = overwrites(&project, &web, 300, &plain).await;
    println!("300 overwrites through the plain Engine API: {seen:?}");
}
