//! The keys of `up`, typed into a terminal (`spec.md` section 6, issue 3.5).

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::project::Project;
use crate::session::DEADLINE;

/// `docker liveupdate up` in a terminal of its own; what it shows, and a keyboard.
struct Terminal<'p> {
    project: &'p Project,
    child: Child,
    keyboard: File,
    shown: Arc<Mutex<String>>,
    /// Up to where the last wait has read.
    seen: usize,
}

impl<'p> Terminal<'p> {
    #[track_caller]
    fn of(project: &'p Project) -> Self {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let name = ptsname(&user, Vec::new()).unwrap();
        let side: OwnedFd =
            rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let end = || Stdio::from(side.try_clone().unwrap());
        let child = project
            .tool(&["up"])
            .env("NO_COLOR", "1")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let keyboard = File::from(user);
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut screen, writer) = (keyboard.try_clone().unwrap(), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The read fails when the last process of the terminal has ended.
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
                writer.lock().unwrap().push_str(&text);
            }
        });
        let mut terminal = Self {
            project,
            child,
            keyboard,
            shown,
            seen: 0,
        };
        terminal.shows("keys: r rebuild, u apply what waits");
        terminal
    }

    fn press(&mut self, key: &str) {
        self.keyboard.write_all(key.as_bytes()).unwrap();
    }

    /// Waits until `text` is shown after what was awaited before.
    #[track_caller]
    fn shows(&mut self, text: &str) {
        self.until(&format!("`{text}` is shown"), |terminal| {
            let shown = terminal.shown.lock().unwrap();
            let found = shown[terminal.seen..].find(text);
            if let Some(at) = found {
                terminal.seen += at + text.len();
            }
            found.is_some()
        });
    }

    #[track_caller]
    fn until_file(&mut self, path: &str, text: &str) {
        self.until(&format!("{path} is `{text}`"), |terminal| {
            terminal.project.file("web", path).as_deref() == Some(text)
        });
    }

    #[track_caller]
    fn until(&mut self, what: &str, mut holds: impl FnMut(&mut TerminalView<'_>) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let mut view = TerminalView {
                project: self.project,
                shown: &self.shown,
                seen: self.seen,
            };
            let done = holds(&mut view);
            self.seen = view.seen;
            if done {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "never: {what}\n{}",
                self.shown.lock().unwrap()
            );
            std::thread::sleep(Duration::from_millis(40));
        }
    }

    /// The exit code, once it has ended by itself.
    #[track_caller]
    fn ended(mut self) -> Option<i32> {
        let mut code = None;
        let deadline = Instant::now() + DEADLINE;
        while code.is_none() && Instant::now() < deadline {
            code = self.child.try_wait().unwrap().map(|status| status.code());
            std::thread::sleep(Duration::from_millis(40));
        }
        code.unwrap_or_else(|| panic!("it never ended\n{}", self.shown.lock().unwrap()))
    }
}

/// What a condition may look at.
struct TerminalView<'t> {
    project: &'t Project,
    shown: &'t Mutex<String>,
    seen: usize,
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let pid = rustix::process::Pid::from_child(&self.child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
            let _ = self.child.wait();
        }
    }
}

/// Section 1: "`trigger_mode: manual`"; issue 3.5: "applies them on a key press in `up` (and says how many are waiting)".
#[test]
fn u_applies_what_waits() {
    let project = Project::web("trigger_mode: manual\nsteps: [{sync: ./src:/app}]");
    let mut up = Terminal::of(&project);
    project.write("src/a.txt", "two");
    up.shows("1 change waits for `u`");
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("one"));
    up.press("u");
    up.until_file("/app/a.txt", "two");
}

/// "`r` rebuild".
#[test]
fn r_rebuilds() {
    let project = Project::web("- sync: ./src:/app");
    let mut up = Terminal::of(&project);
    up.press("r");
    up.shows("rebuilding: asked for");
    up.shows("rebuilt: asked for");
}

/// "`p` pause": changes wait, until `p` goes on.
#[test]
fn p_pauses_and_goes_on() {
    let project = Project::web("- sync: ./src:/app");
    let mut up = Terminal::of(&project);
    up.press("p");
    up.shows("paused");
    project.write("src/a.txt", "two");
    up.shows("1 change waits until `p` goes on");
    assert_eq!(project.file("web", "/app/a.txt").as_deref(), Some("one"));
    up.press("p");
    up.shows("going on");
    up.until_file("/app/a.txt", "two");
}

/// "`v` verify": what somebody else did to the container is found and put right.
#[test]
fn v_verifies_and_repairs() {
    let project = Project::web("- sync: ./src:/app");
    let mut up = Terminal::of(&project);
    project.sh("web", "echo drift > /app/a.txt");
    up.press("v");
    up.until_file("/app/a.txt", "one");
    up.press("v");
    up.shows("verified");
}

/// "`q` quit": as Ctrl-C does; and "`?` help", which nothing else is.
#[test]
fn question_mark_helps_and_q_quits_and_stops_the_containers() {
    let project = Project::web("- sync: ./src:/app");
    let mut up = Terminal::of(&project);
    up.press("?");
    up.shows("keys: r rebuild, u apply what waits, p pause, v verify, q quit, ? help");
    up.press("q");
    assert_eq!(up.ended(), Some(130));
    assert_eq!(project.inspect("web", "{{.State.Running}}"), "false");
}
