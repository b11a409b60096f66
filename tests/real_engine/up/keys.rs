//! The keys of `up`, typed into a terminal (`spec.md` section 6, issue 3.5).

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

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
    /// One without colours, ready for edits.
    #[track_caller]
    fn of(project: &'p Project) -> Self {
        let mut terminal = Self::begin(project, &[("NO_COLOR", "1")], |_| ());
        terminal.shows("keys: r rebuild, u apply what waits");
        terminal
    }

    /// One as most are, with what `set` makes of its settings, and an `up` that may still be building.
    #[track_caller]
    fn begin(
        project: &'p Project,
        environment: &[(&str, &str)],
        set: impl FnOnce(&mut Termios),
    ) -> Self {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let name = ptsname(&user, Vec::new()).unwrap();
        let side: OwnedFd =
            rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let mut settings = tcgetattr(&side).unwrap();
        set(&mut settings);
        tcsetattr(&side, OptionalActions::Now, &settings).unwrap();
        let end = || Stdio::from(side.try_clone().unwrap());
        let child = project
            .tool(&["up"])
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .envs(environment.iter().copied())
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
        Self {
            project,
            child,
            keyboard,
            shown,
            seen: 0,
        }
    }

    fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    fn has_shown(&self, text: &str) -> bool {
        self.shown.lock().unwrap().contains(text)
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

/// In a terminal the first build and start are Compose's own to show; what comes after it stands below.
#[test]
fn the_first_build_and_start_show_composes_own_progress() {
    let project = Project::web("- sync: ./src:/app");
    let mut terminal = Terminal::begin(&project, &[], |_| ());
    terminal.shows("[+] Building");
    terminal.shows("[+] Running");
    terminal.shows("Started");
    terminal.shows("ready");
    assert!(!terminal.has_shown("build |"));
    project.write("src/a.txt", "two");
    terminal.shows("src/a.txt");
    terminal.interrupt();
    assert_eq!(terminal.ended(), Some(130));
}

/// Its words stay where they were written, and ours stand below them.
#[test]
fn a_first_build_that_fails_in_a_terminal_can_be_read() {
    let project = Project::web("- sync: ./src:/app");
    let good = project.read("Dockerfile");
    project.write(
        "Dockerfile",
        good.replace("CMD", "RUN echo no luck; false\nCMD"),
    );
    let mut terminal = Terminal::begin(&project, &[], |_| ());
    terminal.shows("no luck");
    terminal.shows("`docker compose build` failed: it says above why");
    terminal.shows("ready");
    project.write("Dockerfile", good);
    terminal.shows("rebuilt");
}

/// Ctrl-C ends it as ever, and leaves the cursor to be seen.
#[test]
fn a_first_build_in_a_terminal_can_be_interrupted() {
    let project = Project::web("- sync: ./src:/app");
    let slow = project
        .read("Dockerfile")
        .replace("CMD", "RUN sleep 600\nCMD");
    project.write("Dockerfile", slow);
    let mut terminal = Terminal::begin(&project, &[], |_| ());
    terminal.shows("RUN sleep 600");
    terminal.interrupt();
    terminal.shows("\u{1b}[?25h");
    terminal.shows("stopping the containers");
    assert_eq!(terminal.ended(), Some(130));
}

/// `stty tostop`: the system would stop Compose at its first word, as it stands in the background.
#[test]
fn a_terminal_that_the_background_may_not_write_to_is_shown_lines() {
    let project = Project::web("- sync: ./src:/app");
    let mut terminal = Terminal::begin(&project, &[], |settings| {
        settings.local_modes |= LocalModes::TOSTOP;
    });
    terminal.shows("build |");
    terminal.shows("ready");
}
