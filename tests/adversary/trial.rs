//! One trial: edits on the host while the adversary is at work in the container; then it ends, and there is a judgement.

use std::cell::RefCell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::container::{Container, There, on_host};
use crate::editor::Editor;
use crate::house::House;
use crate::program;
use crate::settings::{Settings, Way, Who};
use crate::tools::Result;
use crate::tools::docker::Docker;
use crate::up::Up;
use crate::verdict::{Verdict, unsaid};
use crate::witness::{Snapshot, programs_of_roots, proofs};

const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Runs it; `None` when the container's files cannot be seen from here.
pub fn run(settings: &Settings) -> Result<Option<Verdict>> {
    let adversary = program::compiled()?;
    let docker = Docker::with_plugin(&Settings::plugin(), Vec::new())?;
    let house = House::build(&docker, settings, &adversary)?;
    let up = Up::start(&docker, &house, settings.way)?;
    let Ok(container) = Container::of(&docker, &house.project.name) else {
        return Ok(None);
    };
    // Known by this wherever it is moved to.
    let volume = container.root.join(house.app.trim_start_matches('/'));
    if !settings.hardened {
        fs::write(volume.join("x/vol/is-the-volume"), "")?;
        // What is mounted below a user's directory is entered with that user's rights.
        std::os::unix::fs::chown(volume.join("x/vol"), Some(1000), Some(1000))?;
    }
    let trial = Trial {
        settings,
        docker: &docker,
        house: &house,
        adversary: &adversary,
        before: (
            Snapshot::outside(&house, &container),
            Snapshot::image(&container),
        ),
        container: RefCell::new(None),
        up,
        begun: Instant::now(),
        verdict: Verdict::of(settings),
    };
    trial.run().map(Some)
}

struct Trial<'a> {
    settings: &'a Settings,
    docker: &'a Docker,
    house: &'a House<'a>,
    adversary: &'a Path,
    before: (Snapshot, Snapshot),
    container: RefCell<Option<Rc<Container>>>,
    up: Up,
    begun: Instant,
    verdict: Verdict,
}

impl Trial<'_> {
    fn run(mut self) -> Result<Verdict> {
        let mut editor = Editor::new(
            self.house.project.home(),
            &self.folders(),
            self.settings.seed,
        );
        self.attack(&mut editor)?;
        self.be_still(&editor)?;
        self.tidy()?;
        self.verdict.edits = editor.count();
        self.come_into_step(&mut editor)?;
        self.look();
        self.hear_of_all(&editor)?;
        self.verdict.count_said(self.up.said()?);
        self.verdict.moves = moves(&self.moves());
        self.end();
        if !self.verdict.is_good() {
            self.verdict.end_of_output = self.up.end_of_output();
        }
        self.keep();
        Ok(self.verdict)
    }

    /// The one that runs. Asking the engine is slow, so it is asked only when that one has ended.
    fn container(&self) -> Result<Rc<Container>> {
        let mut known = self.container.borrow_mut();
        if let Some(container) = known.as_ref().filter(|container| container.is_running()) {
            return Ok(Rc::clone(container));
        }
        let found = Rc::new(Container::of(self.docker, &self.house.project.name)?);
        *known = Some(Rc::clone(&found));
        Ok(found)
    }

    /// The folders of the project that are synced.
    fn folders(&self) -> Vec<&'static str> {
        self.house.syncs.iter().map(|(from, _)| *from).collect()
    }

    /// Edits, as long as the adversary has time. A rebuild ends it with its container: then it begins anew in the next.
    fn attack(&mut self, editor: &mut Editor) -> Result<()> {
        let mut hostile: Option<Child> = None;
        let mut looked = Instant::now();
        while self.verdict.rounds < self.settings.rounds
            && self.begun.elapsed() < self.settings.time
        {
            let is_there = hostile
                .as_mut()
                .is_some_and(|child| matches!(child.try_wait(), Ok(None)));
            if !is_there {
                // Where the container is being recreated, there will be another one in a moment.
                hostile = self.hostile().ok();
                self.verdict.begun += usize::from(hostile.is_some());
            }
            if self.settings.takes_turns {
                self.take_turns(editor)?;
            } else {
                editor.round()?;
            }
            self.verdict.rounds += 1;
            if looked.elapsed() > BETWEEN_LOOKS {
                self.look();
                looked = Instant::now();
            }
            if !self.up.is_alive() {
                self.verdict.wrong("`up`", "ended during the attack");
                break;
            }
        }
        if let Some(mut hostile) = hostile {
            let _ = hostile.kill();
            hostile.wait()?;
        }
        self.end_adversary()
    }

    /// Ends it for good: one may be on its way into a container that is new, though whoever started it is gone.
    fn end_adversary(&self) -> Result<()> {
        const CALM: Duration = Duration::from_millis(700);
        const LONG: Duration = Duration::from_secs(20);
        let begun = Instant::now();
        let mut last_seen = Instant::now();
        while last_seen.elapsed() < CALM && begun.elapsed() < LONG {
            let ended = match self.container() {
                Ok(container) => container.signal_all(self.adversary, Signal::KILL)?,
                // In a moment there will be another one.
                Err(_) => 1,
            };
            if ended > 0 {
                last_seen = Instant::now();
            }
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The adversary stands still from an edit until it is known what came of it.
    fn take_turns(&mut self, editor: &mut Editor) -> Result<()> {
        const A_TURN: Duration = Duration::from_millis(200);
        const LONG: Duration = Duration::from_secs(5);
        if let Ok(container) = self.container() {
            container.signal_all(self.adversary, Signal::STOP)?;
        }
        editor.round()?;
        let begun = Instant::now();
        while !unsaid(self.up.said()?, &editor.written).is_empty() && begun.elapsed() < LONG {
            sleep(Duration::from_millis(10));
        }
        if let Ok(container) = self.container() {
            container.signal_all(self.adversary, Signal::CONT)?;
        }
        sleep(A_TURN);
        Ok(())
    }

    /// Of every edit it is said what came of it, sooner or later.
    fn hear_of_all(&mut self, editor: &Editor) -> Result<()> {
        let begun = Instant::now();
        let mut left = unsaid(self.up.said()?, &editor.written);
        while !left.is_empty() && begun.elapsed() < self.settings.limit {
            sleep(BETWEEN_LOOKS);
            left = unsaid(self.up.said()?, &editor.written);
        }
        for path in left {
            let path = path.display().to_string();
            self.verdict.wrong("never spoken of:", &path);
        }
        Ok(())
    }

    fn hostile(&self) -> Result<Child> {
        let (user, role) = match self.settings.who {
            Who::User => ("1000", "user"),
            Who::Root => ("0", "root"),
        };
        let moves = File::options()
            .create(true)
            .append(true)
            .open(self.moves())?;
        let container = self.container()?;
        let seed = (self.settings.seed + self.verdict.begun as u64).to_string();
        let mut command = self.docker.command();
        command
            .args(["exec", "--user", user, &container.id])
            .args(["/adversary/adversary", role, &seed])
            .args([self.house.app, self.house.in_place])
            .stdout(Stdio::from(moves.try_clone()?))
            .stderr(Stdio::from(moves));
        Ok(command.spawn()?)
    }

    fn moves(&self) -> PathBuf {
        self.house.project.beside("moves")
    }

    /// Whether everything that is not the adversary's is as it was.
    fn look(&mut self) {
        let Ok(container) = self.container() else {
            // It is being recreated.
            return;
        };
        let outside = Snapshot::outside(self.house, &container);
        let mut found = outside.differences(&self.before.0);
        self.verdict.protected = outside.len();
        // Root may do to the image's files what it likes, and run what it likes.
        if self.settings.who == Who::User {
            let image = Snapshot::image(&container);
            self.verdict.protected += image.len();
            found.extend(image.differences(&self.before.1));
            found.extend(proofs(&container));
            found.extend(programs_of_roots(self.house, &container));
        }
        // Of one that ended meanwhile, some was seen and some not.
        if !container.is_running() {
            return;
        }
        let at = self.begun.elapsed().as_secs_f64();
        for (what, how) in found {
            self.verdict
                .wrong(&what, &format!("{how} (after {at:.1} s)"));
        }
    }

    /// The adversary rests, its traps are still there: what they do not touch is in step, or it was said that it is not.
    fn be_still(&mut self, editor: &Editor) -> Result<()> {
        if self.settings.who == Who::Root {
            return Ok(());
        }
        let calm = || editor.files(&["src/calm"]);
        let begun = Instant::now();
        let mut left = self.differing(&calm());
        let mut is_said = false;
        while !left.is_empty() && !is_said && begun.elapsed() < self.settings.limit {
            sleep(BETWEEN_LOOKS);
            // What failed and was said is brought with the next change.
            let is_over = begun.elapsed() > Duration::from_secs(5) && self.container().is_ok();
            is_said = is_over && self.has_failed()?;
            left = self.differing(&calm());
        }
        if !is_said {
            for (path, detail) in &left {
                let what = format!("did not arrive, unsaid: {}:", path.display());
                self.verdict.wrong(&what, detail);
            }
        }
        self.verdict.held_up = left.len();
        Ok(())
    }

    /// Whether the last that was said of the service is that something failed.
    fn has_failed(&mut self) -> Result<bool> {
        let said = self.up.said()?;
        let last = said.iter().rev().find(|said| {
            said.event["event"] == "problem"
                || said.event["event"] == "outcome" && said.event["action"] != "same"
        });
        Ok(last.is_some_and(|said| said.event["event"] == "problem" || said.event["ok"] == false))
    }

    /// A rebuild may be about to replace the container: then the one that comes after it is tidied.
    fn tidy(&self) -> Result<()> {
        let tidy = |container: &Container| {
            self.docker.ask(&[
                "exec",
                "--user",
                "0",
                &container.id,
                "/adversary/adversary",
                "tidy",
                self.house.app,
                self.house.in_place,
            ])
        };
        let begun = Instant::now();
        loop {
            match self.container().and_then(|container| tidy(&container)) {
                Err(_) if begun.elapsed() < self.settings.limit => sleep(BETWEEN_LOOKS),
                done => return done.map(|_| ()),
            }
        }
    }

    /// One more edit to every file, and all of them arrive.
    fn come_into_step(&mut self, editor: &mut Editor) -> Result<()> {
        let folders = self.folders();
        editor.rewrite_all(&folders)?;
        let files = editor.files(&folders);
        self.verdict.compared = files.len();
        let begun = Instant::now();
        let mut left = self.differing(&files);
        while !left.is_empty() && begun.elapsed() < self.settings.limit {
            sleep(BETWEEN_LOOKS);
            left = self.differing(&files);
        }
        self.verdict.settled_after = begun.elapsed();
        for (path, detail) in left.into_iter().take(12) {
            let what = format!("not in step: {}:", path.display());
            self.verdict.wrong(&what, &detail);
        }
        Ok(())
    }

    /// Files of the host that the container has not, or has otherwise.
    fn differing(&self, files: &[PathBuf]) -> Vec<(PathBuf, String)> {
        let Ok(container) = self.container() else {
            let gone = |path: &PathBuf| (path.clone(), "no container runs".to_owned());
            return files.iter().map(gone).collect();
        };
        let differs = |path: &PathBuf| {
            let there = container.look(&self.target(path)?);
            let here = on_host(path);
            (there != here).then(|| (path.clone(), difference(&here, &there)))
        };
        files.iter().filter_map(differs).collect()
    }

    /// Where a file of the host is to be; `None` for what is hidden by what is mounted there.
    fn target(&self, path: &Path) -> Option<PathBuf> {
        let below = path.strip_prefix(self.house.project.home()).ok()?;
        if below.starts_with("src/y/vol") {
            return None;
        }
        // Root's link in a directory of the user's, who could change it in the moment when the engine follows it.
        // When root has ended the helper often enough, that is the way.
        let through_engine = self.settings.way == Way::Archive || self.settings.who == Who::Root;
        if below.starts_with("conf") && through_engine {
            return None;
        }
        self.house.syncs.iter().find_map(|(from, to)| {
            let rest = below.strip_prefix(from).ok()?;
            Some(Path::new(to).join(rest))
        })
    }

    /// Ctrl-C, as usual.
    fn end(&mut self) {
        const SOON: Duration = Duration::from_secs(10);
        const ENOUGH_MIB: f64 = 64.0;
        self.verdict.peak_mib = self.up.peak_mib();
        if self.verdict.peak_mib > ENOUGH_MIB {
            let peak = self.verdict.peak_mib;
            self.verdict
                .wrong("`up`", &format!("had {peak:.0} MiB of memory at its peak"));
        }
        if !self.up.is_alive() {
            self.verdict.wrong("`up`", "had ended by itself");
            return;
        }
        match self.up.interrupt() {
            Ok((Some(130), took)) if took < SOON => self.verdict.ended_after = took,
            Ok((code, took)) => {
                let took = took.as_secs_f64();
                self.verdict.wrong(
                    "`up`",
                    &format!("ended with {code:?} in {took:.1} s after Ctrl-C"),
                );
            }
            Err(error) => self.verdict.wrong("`up`:", &error.to_string()),
        }
    }

    /// What tells how it came about outlives the project.
    fn keep(&mut self) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let name = format!("{}-{}", self.settings.label(), self.settings.seed);
        for (from, kind) in [
            (self.up.output().to_owned(), "said"),
            (self.moves(), "moves"),
        ] {
            let to = folder.join(format!("hostile-{name}.{kind}"));
            if fs::copy(from, &to).is_ok() {
                self.verdict.kept.push(to);
            }
        }
    }
}

/// How many moves the adversary made, by its own account.
fn moves(path: &Path) -> usize {
    let text = fs::read(path).unwrap_or_default();
    text.split(|byte| *byte == b'\n').count().saturating_sub(1)
}

fn difference(here: &There, there: &There) -> String {
    let words = |it: &There| match it {
        There::File { mode, content } => {
            let text = String::from_utf8_lossy(content);
            let line: String = text
                .lines()
                .next()
                .unwrap_or_default()
                .chars()
                .take(60)
                .collect();
            format!("a file of {} bytes, mode {mode:o}, `{line}`", content.len())
        }
        There::Link(target) => format!("a link to {}", target.display()),
        There::Nothing => "nothing".to_owned(),
        There::Odd => "something odd".to_owned(),
    };
    format!("{} here, {} there", words(here), words(there))
}
