//! What is said, and what each listener hears.

use super::*;
use crate::engine::Stream;
use crate::report::{Done, Outcome};

fn outcome(service: &str, done: Done) -> Event {
    Event::Outcome(Outcome {
        service: service.into(),
        done,
        ..Outcome::default()
    })
}

fn notice(notice: Notice) -> Event {
    Event::Notice {
        service: None,
        notice,
    }
}

fn line(text: &str) -> Event {
    Event::Log {
        container: "web-1".into(),
        stream: Stream::Out,
        text: text.into(),
    }
}

async fn all(mut listening: Listening, hub: Hub) -> Vec<Event> {
    drop(hub);
    let mut heard = Vec::new();
    while let Some(event) = listening.next().await {
        heard.push((*event).clone());
    }
    heard
}

#[tokio::test]
async fn everybody_hears_the_same_in_the_same_order() {
    let hub = Hub::default();
    let (one, other) = (hub.listen(), hub.listen());
    let said = [
        notice(Notice::Keys),
        line("hello"),
        outcome("web", Done::Same),
    ];
    for event in &said {
        hub.say(event.clone());
    }
    let mut other = other;
    for event in &said {
        assert_eq!(*other.next().await.unwrap(), *event);
    }
    assert_eq!(all(one, hub).await, said);
}

#[tokio::test]
async fn whoever_comes_late_hears_what_holds_now_and_then_what_is_news() {
    let hub = Hub::default();
    let started = Event::Started {
        project: "shop".into(),
        services: Vec::new(),
        directories: 1,
    };
    let away = |why: &str| Event::Problem {
        service: None,
        problem: Problem::EngineAway { why: why.into() },
    };
    for event in [
        started.clone(),
        outcome("web", Done::Same),
        line("of long ago"),
        notice(Notice::Paused),
        away("one"),
        notice(Notice::EngineIsBack),
        outcome("web", Done::Verified),
        outcome("api", Done::Same),
    ] {
        hub.say(event);
    }
    let late = hub.listen();
    hub.say(line("news"));
    let expected = [
        started.clone(),
        notice(Notice::Paused),
        outcome("api", Done::Same),
        outcome("web", Done::Verified),
        line("news"),
    ];
    assert_eq!(all(late, hub).await, expected);
}

#[tokio::test]
async fn a_listener_that_stalls_loses_output_with_a_count_and_nobody_else_does() {
    let hub = Hub::default();
    let stalled = hub.listen();
    let mut other = hub.listen();
    for _ in 0..100_000 {
        hub.say(line("y"));
        assert!(other.next().await.is_some());
    }
    let heard = all(stalled, hub).await;
    let lines = heard.iter().filter(|event| **event == line("y")).count();
    let Some(Event::Notice { notice, .. }) = heard.last() else {
        panic!("no count");
    };
    assert!(lines < 100_000, "{lines}");
    assert_eq!(
        notice.to_string(),
        format!(
            "{} lines of the output of web-1 were dropped here: nobody read what came before",
            100_000 - lines
        )
    );
}

#[tokio::test]
async fn one_that_never_listens_loses_its_place() {
    let hub = Hub::default();
    let stalled = hub.listen();
    for _ in 0..=MOST {
        hub.say(notice(Notice::Keys));
    }
    hub.say(outcome("web", Done::Same));
    assert!(hub.read().listeners.is_empty());
    assert_eq!(all(stalled, hub).await.len(), MOST);
}

#[test]
fn whoever_has_left_is_forgotten() {
    let hub = Hub::default();
    drop(hub.listen());
    hub.say(notice(Notice::Keys));
    drop(hub.listen());
    assert_eq!(hub.read().listeners.len(), 1);
}
