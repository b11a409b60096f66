//! `docker liveupdate up` on a test's project, ended when it is dropped. Knows the tool's JSON lines, and nothing else of it.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::ops::Deref;
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;

use crate::project::Project;

/// How long anything may take before it counts as never. Only a failing test waits that long.
pub const DEADLINE: Duration = Duration::from_secs(180);

/// Between two looks at a state that is awaited.
const PAUSE: Duration = Duration::from_millis(40);

/// A running `docker liveupdate up`. Events are heard in order: each wait begins after the event that ended the one before.
pub struct Session<'project> {
    project: &'project Project,
    child: Child,
    heard: Arc<Heard>,
    next: usize,
}

#[derive(Default)]
struct Heard {
    state: Mutex<Lines>,
    news: Condvar,
}

#[derive(Default)]
struct Lines {
    events: Vec<Value>,
    errors: String,
    /// Standard output is at its end.
    ended: bool,
    /// Standard error is.
    errors_ended: bool,
}

impl Deref for Session<'_> {
    type Target = Project;

    fn deref(&self) -> &Project {
        self.project
    }
}

impl<'project> Session<'project> {
    /// Follows what was spawned with its output piped.
    pub fn of(project: &'project Project, mut child: Child) -> Self {
        let heard = Arc::new(Heard::default());
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = child.stderr.take().unwrap();
        let hearer = Arc::clone(&heard);
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line)
                    .unwrap_or_else(|_| serde_json::json!({"event": "not JSON", "text": line}));
                hearer.state.lock().unwrap().events.push(event);
                hearer.news.notify_all();
            }
            hearer.state.lock().unwrap().ended = true;
            hearer.news.notify_all();
        });
        let hearer = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut stderr = stderr;
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
                hearer.state.lock().unwrap().errors.push_str(&text);
            }
            hearer.state.lock().unwrap().errors_ended = true;
            hearer.news.notify_all();
        });
        Self {
            project,
            child,
            heard,
            next: 0,
        }
    }

    /// The next event for which `matches` holds.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, matches: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        let heard = Arc::clone(&self.heard);
        let mut lines = heard.state.lock().unwrap();
        loop {
            while self.next < lines.events.len() {
                let event = &lines.events[self.next];
                self.next += 1;
                if matches(event) {
                    return event.clone();
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if lines.ended || left.is_zero() {
                drop(lines);
                self.fail(&format!("waited for: {what}"));
            }
            lines = heard.news.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// The next outcome of `service` that did something, and all of it: what a burst's end has to be waited for is not done.
    #[track_caller]
    pub fn outcome(&mut self, service: &str) -> Value {
        self.wait_for(&format!("an outcome of {service}"), |event| {
            event["event"] == "outcome"
                && event["service"] == service
                && event["action"] != "same"
                && event["action"] != "waits"
                && event["detail"]["later"].is_null()
        })
    }

    /// The next outcome of `service` is a live update without a failure.
    #[track_caller]
    pub fn live_updated(&mut self, service: &str) -> Value {
        self.expect(service, "live-update", true)
    }

    /// The next outcome of `service` is a live update with a failure.
    #[track_caller]
    pub fn update_failed(&mut self, service: &str) -> Value {
        self.expect(service, "live-update", false)
    }

    /// The next outcome of `service` is a rebuild without a failure.
    #[track_caller]
    pub fn rebuilt(&mut self, service: &str) -> Value {
        self.expect(service, "rebuild", true)
    }

    /// The next outcome of `service` is a rebuild that failed.
    #[track_caller]
    pub fn rebuild_failed(&mut self, service: &str) -> Value {
        self.expect(service, "rebuild", false)
    }

    #[track_caller]
    fn expect(&mut self, service: &str, action: &str, ok: bool) -> Value {
        let outcome = self.outcome(service);
        if outcome["action"] != action || outcome["ok"] != ok {
            self.fail(&format!(
                "expected of {service}: {action}, ok: {ok}; came: {outcome}"
            ));
        }
        outcome
    }

    /// Waits until `look` is what is expected.
    #[track_caller]
    pub fn until<T: PartialEq + std::fmt::Debug>(
        &self,
        what: &str,
        expected: &T,
        mut look: impl FnMut() -> T,
    ) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let seen = look();
            if seen == *expected {
                return;
            }
            if Instant::now() > deadline {
                self.fail(&format!(
                    "waited for: {what}\nexpected: {expected:?}\nseen:     {seen:?}"
                ));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until `look` holds.
    #[track_caller]
    pub fn eventually(&self, what: &str, look: impl FnMut() -> bool) {
        self.until(what, &true, look);
    }

    /// Waits until a file of the container has this text.
    #[track_caller]
    pub fn until_file(&self, container: &str, path: &str, text: &str) {
        self.until(
            &format!("{container}:{path}"),
            &Some(text.to_owned()),
            || self.file(container, path),
        );
    }

    /// Waits until there is nothing at a path of the container.
    #[track_caller]
    pub fn until_gone(&self, container: &str, path: &str) {
        self.until(&format!("{container}:{path} is gone"), &true, || {
            !self.id(container).is_empty() && self.tree(container, path).is_none()
        });
    }

    /// Waits until what stands at `remote` in the container equals what stands at `local`: content, modes, links, nothing more,
    /// nothing less.
    #[track_caller]
    pub fn until_in_step(&self, local: &str, container: &str, remote: &str) {
        let expected = Some(self.host_tree(local));
        self.until(
            &format!("{container}:{remote} equals {local}"),
            &expected,
            || self.tree(container, remote),
        );
    }

    /// Everything that was heard so far.
    pub fn events(&self) -> Vec<Value> {
        self.heard.state.lock().unwrap().events.clone()
    }

    /// How many events so far `matches` holds for.
    pub fn count(&self, matches: impl Fn(&Value) -> bool) -> usize {
        self.events().iter().filter(|event| matches(event)).count()
    }

    /// How often `service` was rebuilt, well or not.
    pub fn rebuilds(&self, service: &str) -> usize {
        self.count(|event| {
            event["event"] == "outcome"
                && event["action"] == "rebuild"
                && event["service"] == service
        })
    }

    /// Whether anything that was said so far, warnings before the start among it, has `text` in it.
    pub fn said(&self, text: &str) -> bool {
        self.count(|event| event.to_string().contains(text)) > 0
            || self.heard.state.lock().unwrap().errors.contains(text)
    }

    /// Waits for an event that has `text` in it.
    #[track_caller]
    pub fn says(&mut self, text: &str) -> Value {
        self.wait_for(text, |event| event.to_string().contains(text))
    }

    /// Sends the tool a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, signal);
    }

    /// The tool's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ctrl-C, and the exit code; `None` when a signal ended it.
    #[track_caller]
    pub fn interrupt(mut self) -> Option<i32> {
        self.signal(Signal::INT);
        self.ended()
    }

    /// The exit code, when it ends by itself.
    #[track_caller]
    pub fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.hear_the_rest();
                return status.code();
            }
            if Instant::now() > deadline {
                self.fail("waited for the tool's end");
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// What it said last may still be on its way to us; a process that it left behind may hold the pipes open.
    fn hear_the_rest(&self) {
        let lines = self.heard.state.lock().unwrap();
        let patience = Duration::from_secs(10);
        let more = |lines: &mut Lines| !(lines.ended && lines.errors_ended);
        let _ = self.heard.news.wait_timeout_while(lines, patience, more);
    }

    /// Ends the test, with all that was heard.
    #[track_caller]
    pub fn fail(&self, why: &str) -> ! {
        let lines = self.heard.state.lock().unwrap();
        let mut events = String::new();
        for event in &lines.events {
            let _ = writeln!(events, "  {event}");
        }
        let (errors, ended) = (lines.errors.clone(), lines.ended);
        drop(lines);
        panic!(
            "{why}\nevents so far{}:\n{events}standard error:\n{errors}",
            if ended { " (it has ended)" } else { "" }
        );
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.signal(Signal::INT);
        let deadline = Instant::now() + Duration::from_secs(20);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}
