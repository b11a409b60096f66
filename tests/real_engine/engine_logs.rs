//! Logs: every line once, through restarts, with and without a terminal.

use docker_liveupdate::engine::{Engine, LogLine, LogsFrom, Output, Stream};
use futures_util::StreamExt;

use crate::fixture::{self, Project, docker};

async fn take(
    lines: &mut (impl futures_util::Stream<Item = LogLine> + Unpin),
    count: usize,
) -> Vec<String> {
    let mut got = Vec::new();
    while got.len() < count {
        let line = lines.next().await.expect("the log goes on");
        got.push(String::from_utf8_lossy(&line.text).into_owned());
    }
    got
}

fn numbered(from: usize, to: usize) -> Vec<String> {
    (from..=to).map(|number| number.to_string()).collect()
}

/// Counts on where it stopped the last time, 500 lines as fast as it can, and waits.
const COUNTS: &[&str] = &[
    "sh",
    "-c",
    "touch /n; n=$(cat /n); n=${n:-0}; end=$((n+500)); while [ $n -lt $end ]; do n=$((n+1)); echo $n; done; echo $n > /n; trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done",
];

#[tokio::test]
async fn no_line_is_lost_or_doubled_over_restarts() {
    for flags in [&[][..], &["-t"]] {
        let project = Project::connect().await;
        let web = project.run(flags, COUNTS).await;
        let mut lines = project.logs(&web, LogsFrom::Beginning);
        assert_eq!(take(&mut lines, 500).await, numbered(1, 500));
        project.engine.restart(&web, None).await.unwrap();
        assert_eq!(take(&mut lines, 500).await, numbered(501, 1000));
        docker(&["kill", &web.id.0]);
        project.engine.start(&web).await.unwrap();
        assert_eq!(take(&mut lines, 500).await, numbered(1001, 1500));
        docker(&["rm", "-f", &web.id.0]);
        assert_eq!(lines.next().await, None, "a removed container's log ends");
    }
}

#[tokio::test]
async fn both_streams_are_told_apart_and_the_last_line_needs_no_end() {
    let project = Project::connect().await;
    let web = project
        .run_script(
            &[],
            "echo out; sleep 2; echo err >&2; sleep 2; printf 'no end'",
        )
        .await;
    let mut lines = project.logs(&web, LogsFrom::Beginning);
    let line = |stream, text: &str| LogLine {
        stream,
        text: text.into(),
    };
    assert_eq!(lines.next().await.unwrap(), line(Stream::Out, "out"));
    assert_eq!(lines.next().await.unwrap(), line(Stream::Err, "err"));
    assert_eq!(lines.next().await.unwrap(), line(Stream::Out, "no end"));
}

#[tokio::test]
async fn a_long_line_is_whole_and_an_endless_one_comes_in_pieces() {
    for flags in [&[][..], &["-t"]] {
        let project = Project::connect().await;
        let script = "while [ ! -e /go ]; do usleep 10000; done; head -c 50000 /dev/zero | tr '\\0' a; echo; head -c 200000 /dev/zero | tr '\\0' b; echo; echo end";
        let web = project.run_script(flags, script).await;
        let mut lines = project.logs(&web, LogsFrom::Beginning);
        // What is the same again and again is counted once it is attached to.
        project.sh(&web, "usleep 300000; touch /go").await;
        let first = take(&mut lines, 1).await.remove(0);
        assert!(
            first == "a".repeat(50_000),
            "{flags:?}: {} bytes",
            first.len()
        );
        let mut endless = String::new();
        loop {
            let line = take(&mut lines, 1).await.remove(0);
            if line == "end" {
                break;
            }
            assert!(line.len() <= 64 * 1024);
            endless.push_str(&line);
        }
        assert!(
            endless == "b".repeat(200_000),
            "{flags:?}: {} bytes",
            endless.len()
        );
    }
}

#[tokio::test]
async fn a_log_can_begin_at_its_end() {
    let project = Project::connect().await;
    let web = project.run(&[], COUNTS).await;
    take(&mut project.logs(&web, LogsFrom::Beginning), 500).await;
    let mut lines = project.logs(&web, LogsFrom::Last(2));
    assert_eq!(take(&mut lines, 2).await, numbered(499, 500));
    project.engine.restart(&web, None).await.unwrap();
    assert_eq!(take(&mut lines, 1).await, numbered(501, 501));
}

#[tokio::test]
async fn a_container_whose_log_cannot_be_read_is_followed_from_then_on_and_that_is_said() {
    let project = Project::connect().await;
    let web = project.run(&["--log-driver", "none"], COUNTS).await;
    let mut output = project.engine.logs(&web.id, LogsFrom::Beginning);
    let Some(Output::Gap(why)) = output.next().await else {
        panic!("nothing is said of what cannot be read");
    };
    assert!(why.contains("its log cannot be read"), "{why}");
    let mut lines = fixture::lines(output);
    project.engine.restart(&web, None).await.unwrap();
    let mut last = take(&mut lines, 1).await.remove(0);
    while last != "1000" {
        let next = take(&mut lines, 1).await.remove(0);
        let number = |text: &str| text.parse::<usize>().unwrap();
        assert_eq!(number(&next), number(&last) + 1);
        last = next;
    }
}

/// Writes many more lines than its log keeps, as fast as it can, once `/go` is there.
const FLOODS: &str =
    "while [ ! -e /go ]; do usleep 10000; done; seq 1 200000; echo done >&2; sleep 3600";

#[tokio::test]
async fn no_line_is_lost_when_the_engine_rotates_the_log() {
    let project = Project::connect().await;
    let small = ["--log-opt", "max-size=20k", "--log-opt", "max-file=2"];
    let web = project.run_script(&small, FLOODS).await;
    let mut lines = project.logs(&web, LogsFrom::Beginning);
    project.sh(&web, "usleep 300000; touch /go").await;
    for number in 1..=200_000 {
        let line = lines.next().await.unwrap();
        assert_eq!(String::from_utf8_lossy(&line.text), number.to_string());
    }
    let last = lines.next().await.unwrap();
    assert_eq!(
        (last.stream, last.text.as_slice()),
        (Stream::Err, &b"done"[..])
    );
}
