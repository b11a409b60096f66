//! One trial: files and containers are changed at the same time, then everything comes to rest, then trees are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::compare::{Difference, Tree, Way, differences};
use super::engine::PrivateEngine;
use super::faults::{Fault, Faults};
use super::history::{History, show};
use super::operations::{Files, SYNCED};
use super::parts::{self, Place, WEB};
use super::rng::Rng;
use super::settings::Settings;
use super::{ignored, tools};
use tools::Result;
use tools::docker::Docker;
use tools::project::ComposeProject;
use tools::running::Running;

const TIME_TO_START: Duration = Duration::from_secs(180);
/// Trees that are equal must stay equal: so long without a difference is settled.
const CALM: Duration = Duration::from_secs(2);
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

const DOCKERFILE: &str = "\
FROM busybox:1.37
COPY src /app/src
COPY static /app/static
";

/// What came of a trial.
pub struct Verdict {
    settings: Settings,
    /// The differences that were left, by container.
    differences: Vec<(String, Difference)>,
    /// Ignored paths that were in a container at any look.
    ignored_seen: BTreeSet<PathBuf>,
    containers: usize,
    compared: usize,
    settled_after: Duration,
    took: Duration,
    /// What else is wrong.
    wrongs: Vec<String>,
    /// The tool ended before it was asked to.
    tool_ended: bool,
    /// The first differing path's history.
    trace: String,
    /// The end of what the tool printed.
    said: String,
}

impl Verdict {
    /// Whether nothing was wrong.
    pub fn is_good(&self) -> bool {
        self.differences.is_empty()
            && self.ignored_seen.is_empty()
            && self.wrongs.is_empty()
            && !self.tool_ended
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Settings {
            tool,
            seed,
            operations,
            faults,
            ..
        } = &self.settings;
        writeln!(
            f,
            "{}: seed {seed}, {operations} operations, {faults} faults, {:.0} s: {} differences in {} entries of {} containers, \
             {} ignored files copied, {}",
            tool.name(),
            self.took.as_secs_f64(),
            self.differences.len(),
            self.compared,
            self.containers,
            self.ignored_seen.len(),
            if self.tool_ended {
                "the tool had ended"
            } else {
                "the tool runs"
            },
        )?;
        if self.differences.is_empty() {
            writeln!(
                f,
                "  settled {:.1} s after the last operation",
                self.settled_after.as_secs_f64()
            )?;
        }
        let mut ways: BTreeMap<Way, usize> = BTreeMap::new();
        for (_, difference) in &self.differences {
            *ways.entry(difference.way).or_default() += 1;
        }
        for (way, count) in ways {
            writeln!(f, "  {count} {way}")?;
        }
        for wrong in self.wrongs.iter().take(12) {
            writeln!(f, "  {wrong}")?;
        }
        for path in self.ignored_seen.iter().take(12) {
            writeln!(
                f,
                "  ignored, but seen in a container: {}",
                show(path.as_os_str())
            )?;
        }
        if !self.is_good() {
            for (container, difference) in self.differences.iter().take(12) {
                let Difference { path, way, detail } = difference;
                writeln!(
                    f,
                    "  {container:.12} {way}: {} {detail}",
                    show(path.as_os_str())
                )?;
            }
            writeln!(
                f,
                "{}\nthe end of what the tool said:\n{}",
                self.trace, self.said
            )?;
        }
        Ok(())
    }
}

/// Runs it; `None` when the containers' files cannot be seen from here.
pub fn run(settings: &Settings) -> Result<Option<Verdict>> {
    let engine = if settings.kinds.contains(&Fault::Engine) {
        Some(PrivateEngine::start()?)
    } else {
        None
    };
    let environment = engine
        .as_ref()
        .map(|engine| engine.environment.clone())
        .unwrap_or_default();
    let docker = Docker::with_plugin(&settings.plugin, environment)?;
    let name = format!("lutest-{}-{}", std::process::id(), settings.seed);
    let project = ComposeProject::create(&docker, name, &compose_file(settings))?;
    let end = "CMD [\"sleep\", \"86400\"]\n";
    let more = parts::instructions(&settings.parts);
    project.write("Dockerfile", format!("{DOCKERFILE}{more}{end}"))?;
    parts::plant(&settings.parts, &project)?;
    project.write(".dockerignore", ignored::DOCKERIGNORE)?;
    let rng = Rng::new(settings.seed, 1);
    let files = Files::plant(&project.home(), &project.beside("outside"), rng, settings)?;
    project.compose(&["build", "--quiet"])?;
    project.compose(&["up", "--detach", "--no-build"])?;
    for container in docker.containers(&project.name, "web")? {
        if docker.root_dir(&container).is_err() {
            return Ok(None);
        }
    }
    let output = project.beside("output");
    let mut running = Running::start(
        settings.tool,
        &docker,
        &project.file,
        &project.name,
        &output,
    )?;
    running.ready(TIME_TO_START)?;
    let faults = Faults::new(
        &docker,
        &project,
        engine.as_ref(),
        settings.kinds.clone(),
        Rng::new(settings.seed, 2),
    );
    let mut trial = Trial {
        settings,
        docker: &docker,
        project: &project,
        history: History::new(),
        ignored_seen: BTreeSet::new(),
    };
    let began = Instant::now();
    let faults = trial.storm(files, faults)?;
    let verdict = trial.judge(&faults, &mut running, began);
    drop(running);
    verdict.map(Some)
}

fn compose_file(settings: &Settings) -> String {
    let block = if settings.tool.is_ours() {
        "x-live-update: [{sync: './src:/app/src'}, {sync: './static:/app/static'}]".to_owned()
    } else {
        let patterns = ignored::PATTERNS;
        let rules = SYNCED.map(|folder| {
            format!("{{action: sync, path: ./{folder}, target: /app/{folder}, ignore: {patterns}}}")
        });
        format!("develop: {{watch: [{}]}}", rules.join(", "))
    };
    // `restart` brings the containers back after the engine.
    let more = parts::services(&settings.parts);
    format!(
        "services:\n  web:\n    build: .\n    init: true\n    restart: always\n    {block}\n{more}"
    )
}

struct Trial<'a> {
    settings: &'a Settings,
    docker: &'a Docker,
    project: &'a ComposeProject<'a>,
    history: History,
    ignored_seen: BTreeSet<PathBuf>,
}

impl<'a> Trial<'a> {
    /// Files and containers at the same time; neither runs further ahead of the other than from one fault to the next.
    fn storm(&mut self, mut files: Files, mut faults: Faults<'a>) -> Result<Faults<'a>> {
        let (operations, count) = (self.settings.operations, self.settings.faults);
        let operated = AtomicUsize::new(0);
        let struck = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let history = &self.history;
        let mut pauses = Rng::new(self.settings.seed, 3);
        let (outcome, seen) = std::thread::scope(|scope| {
            let hand = scope.spawn(|| {
                for number in 0..operations {
                    // As many faults as belong before this operation have begun, all but the last have ended.
                    while struck.load(Ordering::Acquire)
                        < (number * count / operations).saturating_sub(1)
                    {
                        sleep(Duration::from_millis(1));
                    }
                    if let Err(error) = files.operate(number, history) {
                        failed.store(true, Ordering::Release);
                        operated.store(operations, Ordering::Release);
                        return Err(error);
                    }
                    operated.store(number + 1, Ordering::Release);
                    // Mostly one on the heels of the other, now and then a breath or a rest: bursts and single saves.
                    match pauses.below(100) {
                        0 => sleep(Duration::from_millis(pauses.below(1_000) as u64)),
                        1..20 => sleep(Duration::from_millis(pauses.below(15) as u64)),
                        _ => {}
                    }
                }
                Ok(())
            });
            let mut seen = BTreeSet::new();
            for number in 0..count {
                let when = (number * operations / count).min(operations);
                while operated.load(Ordering::Acquire) < when {
                    sleep(Duration::from_millis(1));
                }
                if failed.load(Ordering::Acquire) {
                    break;
                }
                let done = faults.strike();
                history.note(operated.load(Ordering::Acquire), done, &[]);
                self.look_for_ignored(&mut seen);
                struck.store(number + 1, Ordering::Release);
            }
            struck.store(usize::MAX, Ordering::Release);
            (hand.join(), seen)
        });
        files.calm()?;
        self.ignored_seen.extend(seen);
        outcome.map_err(|_| "the hand on files panicked")??;
        Ok(faults)
    }

    /// A copied secret is a leak though it may be deleted later.
    fn look_for_ignored(&self, seen: &mut BTreeSet<PathBuf>) {
        for container in self.containers().unwrap_or_default() {
            // Files come and go while this looks: the next look sees what this one could not.
            if let Ok(tree) = self.tree_of(&container, &WEB) {
                seen.extend(tree.ignored().cloned());
            }
        }
    }

    fn containers(&self) -> Result<Vec<String>> {
        self.docker.containers(&self.project.name, "web")
    }

    fn tree_of(&self, container: &str, place: &Place) -> Result<Tree> {
        let root = self.docker.root_dir(container)?;
        let link = parts::redirection(&self.settings.parts, &root)
            .filter(|_| place.service == WEB.service);
        Ok(Tree::read_through(
            &root.join(place.below),
            place.folders,
            link,
        )?)
    }

    /// Waits until nothing differs and stays so, or until the limit; then says what there is.
    fn judge(mut self, faults: &Faults, running: &mut Running, began: Instant) -> Result<Verdict> {
        faults.calm()?;
        let mut places = Vec::new();
        for place in parts::places(&self.settings.parts) {
            let host = Tree::read(&self.project.home(), place.folders)?;
            places.push((place, host));
        }
        let quiet = Instant::now();
        let mut equal_since: Option<Instant> = None;
        let (found, containers) = loop {
            let containers = self.containers()?;
            let found = self.differing(&places, faults);
            match (&found, equal_since) {
                (Ok(found), Some(since)) if found.is_empty() => {
                    if since.elapsed() >= CALM {
                        break (Vec::new(), containers);
                    }
                }
                (Ok(found), None) if found.is_empty() && !containers.is_empty() => {
                    equal_since = Some(Instant::now());
                }
                _ => equal_since = None,
            }
            if quiet.elapsed() > self.settings.limit {
                break (found?, containers);
            }
            sleep(BETWEEN_LOOKS);
        };
        let settled_after = equal_since
            .unwrap_or_else(Instant::now)
            .duration_since(quiet);
        let mut seen = BTreeSet::new();
        self.look_for_ignored(&mut seen);
        self.ignored_seen.extend(seen);
        let first = found
            .first()
            .map(|(_, difference)| difference.path.as_path());
        let first = first.or(self.ignored_seen.first().map(PathBuf::as_path));
        let trace = first.map(|path| self.trace(path)).unwrap_or_default();
        Ok(Verdict {
            settings: self.settings.clone(),
            containers: containers.len(),
            compared: places.iter().map(|(_, tree)| tree.len()).sum(),
            differences: found,
            ignored_seen: self.ignored_seen,
            settled_after,
            took: began.elapsed(),
            wrongs: parts::wrongs(
                &self.settings.parts,
                self.docker,
                &self.project.name,
                &running.output(),
            )?,
            tool_ended: !running.is_alive(),
            trace,
            said: kept(&running.output(), self.settings.seed),
        })
    }

    fn differing(
        &self,
        places: &[(Place, Tree)],
        faults: &Faults,
    ) -> Result<Vec<(String, Difference)>> {
        let mut found = Vec::new();
        for (place, host) in places {
            let containers = self.docker.containers(&self.project.name, place.service)?;
            if containers.is_empty() {
                return Err(format!("no container of `{}` runs", place.service).into());
            }
            for container in &containers {
                found.extend(self.differing_in(container, place, host, faults)?);
            }
        }
        Ok(found)
    }

    fn differing_in(
        &self,
        container: &str,
        place: &Place,
        host: &Tree,
        faults: &Faults,
    ) -> Result<Vec<(String, Difference)>> {
        let own: Vec<_> = faults
            .own
            .iter()
            .filter(|(owner, _)| owner == container && place.service == WEB.service)
            .map(|(_, path)| path.clone())
            .collect();
        let tree = self.tree_of(container, place)?;
        let differences = differences(host, &tree, &own);
        Ok(differences
            .into_iter()
            .map(|difference| (container.to_owned(), difference))
            .collect())
    }

    fn trace(&self, path: &Path) -> String {
        format!(
            "seed {}: the history of {} (number of the operation, time, what; faults stand where they ended):\n{}",
            self.settings.seed,
            show(path.as_os_str()),
            self.history.of(path)
        )
    }
}

/// The end of it; the whole is put into a file that outlives the project.
fn kept(output: &str, seed: u64) -> String {
    let lines: Vec<_> = output.lines().collect();
    let end = &lines[lines.len().saturating_sub(15)..];
    let cut = end
        .iter()
        .map(|line| line.chars().take(400).collect::<String>());
    let mut said: Vec<_> = cut.collect();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("torture-{seed}.log"));
    if std::fs::write(&file, output).is_ok() {
        said.push(format!("(all of it: {})", file.display()));
    }
    said.join("\n")
}
