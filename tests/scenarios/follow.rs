//! Whoever depends on a service follows it: what the follower asks of the engine, with the clock in our hands.

use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime};

use docker_liveupdate::compose::{Tie, TieKind};
use docker_liveupdate::engine::{ContainerId, State};
use docker_liveupdate::life::{Doing, Life};
use docker_liveupdate::report::{Event, Reporter};
use docker_liveupdate::session::follow::{Follower, Heard};
use docker_liveupdate::session::stops::{Said, Stops};
use tokio::sync::mpsc as tokio_mpsc;

use crate::recorder::Recorder;

/// `proxy` is to be restarted with `web`.
struct Tied {
    engine: Arc<Recorder>,
    tell: tokio_mpsc::UnboundedSender<Heard>,
    events: mpsc::Receiver<Event>,
}

/// A container that began so many seconds after the epoch.
fn life(id: &str, began: u64) -> Life {
    Life {
        id: id.into(),
        number: 1,
        doing: Doing::Runs,
        began: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(began)),
        by_policy: false,
        joins: Vec::new(),
    }
}

async fn tied() -> Tied {
    let engine = Arc::new(Recorder::default());
    engine.image("image");
    engine.container_of("web", "web-1", State::Running);
    engine.container_of("proxy", "proxy-1", State::Running);
    engine.whole.lives("web", vec![life("web", 1)]);
    engine.whole.lives("proxy", vec![life("proxy", 2)]);
    let (said, events) = mpsc::channel();
    let stops = Arc::<Stops>::default();
    let (follower, tell) = Follower::new(Arc::clone(&engine), Reporter::to(said), stops);
    let tie = Tie {
        service: "proxy".into(),
        on: "web".into(),
        kind: TieKind::Restart,
        text: "depends_on: web".into(),
    };
    tokio::spawn(follower.knowing(vec![tie]).await.work());
    settle().await;
    Tied {
        engine,
        tell,
        events,
    }
}

/// Long after everything: the clock jumps.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

impl Tied {
    fn hear(&self, service: &str, said: Said) {
        let container = Heard::Container {
            service: service.into(),
            id: ContainerId(service.into()),
            said,
        };
        self.tell.send(container).unwrap();
    }
}

/// C10'.
#[tokio::test(start_paused = true)]
async fn who_depends_on_a_service_is_restarted_after_it_once() {
    let tied = tied().await;
    tied.engine.whole.lives("web", vec![life("web", 10)]);
    tied.hear("web", Said::Over);
    settle().await;
    assert_eq!(tied.engine.asked(), ["proxy-1: restart"]);
    let Ok(Event::Outcome(outcome)) = tied.events.try_recv() else {
        panic!("nothing was said");
    };
    assert_eq!(outcome.service, "proxy");
    tied.engine.whole.lives("proxy", vec![life("proxy", 11)]);
    tied.hear("proxy", Said::Over);
    settle().await;
    assert_eq!(tied.engine.asked(), Vec::<String>::new());
}

/// C10': Compose restarts the dependent itself, some time after the service.
#[tokio::test(start_paused = true)]
async fn who_was_restarted_by_another_hand_meanwhile_is_not_restarted_twice() {
    let tied = tied().await;
    tied.engine.whole.lives("web", vec![life("web", 10)]);
    tied.hear("web", Said::Over);
    tokio::time::sleep(Duration::from_millis(400)).await;
    tied.hear("proxy", Said::Stopping);
    tokio::time::sleep(Duration::from_secs(8)).await;
    tied.engine.whole.lives("proxy", vec![life("proxy", 12)]);
    tied.hear("proxy", Said::Over);
    settle().await;
    assert_eq!(tied.engine.asked(), Vec::<String>::new());
}

/// C10': what comes between the decision and the act.
#[tokio::test(start_paused = true)]
async fn who_has_begun_anew_right_before_is_left_alone() {
    let tied = tied().await;
    tied.engine.whole.lives("web", vec![life("web", 10)]);
    let mut looks = 0;
    tied.engine.whole.before_each_look("proxy", move |lives| {
        looks += 1;
        if looks == 2 {
            *lives = vec![life("proxy", 12)];
        }
    });
    tied.hear("web", Said::Over);
    settle().await;
    assert_eq!(tied.engine.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_nobody_is_tied_to_is_nobodys_business() {
    let tied = tied().await;
    tied.hear("other", Said::Over);
    settle().await;
    assert_eq!(tied.engine.asked(), Vec::<String>::new());
}
