//! The calls on the engine for one live update: files everywhere, then commands, then the last step.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::compose::block::{OnFailure, Restart, RestartKind, Run};
use crate::compose::{Mount, MountKind};
use crate::engine::{
    Applied, Container, Delta, Ended, Engine, EngineError, Exec, Outgoing, State, Stream,
};
use crate::paths::ContainerPath;
use crate::plan::Due;
use crate::report::{Event, Reporter, RunEnd, RunFailed, Slow};

use super::slow::{SLOW, said_if_slow};

/// What one container is to be brought.
#[derive(Debug)]
pub struct Job {
    /// The container, as last seen.
    pub container: Container,
    /// Files.
    pub delta: Delta,
    /// Commands and the last step wait for files that changed while they were read.
    pub awaits_whole_files: bool,
    /// Commands, in order.
    pub runs: Vec<Due>,
    /// The last step.
    pub restart: Option<Restart>,
}

/// The steps that are left of a job where these of its files stood in the container already; `None` where nothing is.
pub type Left<'a> =
    &'a (dyn Fn(usize, &[ContainerPath]) -> Option<(Vec<Due>, Option<Restart>)> + Sync);

impl Job {
    /// Takes the steps out that only files asked for which stood there already; the answer is whether anything is left.
    fn take_out(
        &mut self,
        files: &Result<Option<Applied>, EngineError>,
        left: impl Fn(&[ContainerPath]) -> Option<(Vec<Due>, Option<Restart>)>,
    ) -> bool {
        let Ok(Some(applied)) = files else {
            return true;
        };
        if applied.same.is_empty() {
            return true;
        }
        let steps = left(&applied.same);
        let some = steps.is_some();
        (self.runs, self.restart) = steps.unwrap_or_default();
        some
    }
}

/// How far one container came. What is not in here was not done and stays owed.
#[derive(Debug)]
pub struct Landed {
    /// The files; `Ok(None)` when there were none to bring.
    pub files: Result<Option<Applied>, EngineError>,
    /// Deletes wait until the container runs: tar cannot delete (trap 8). One that was revived may have ended again.
    pub deletes_wait: bool,
    /// It had exited and was started again (E2).
    pub revived: bool,
    /// Indexes of the commands that ended well.
    pub ran: Vec<usize>,
    /// The command that did not, and all after it are owed.
    pub run_failure: Option<RunFailure>,
    /// The last step: done, failed, or not reached.
    pub restarted: Option<Result<crate::engine::Restarted, EngineError>>,
    /// Time for files.
    pub copy: Option<Duration>,
    /// Time for commands.
    pub run: Option<Duration>,
    /// Time for the last step.
    pub restart: Option<Duration>,
}

impl Landed {
    /// Files that were not there, or changed while they were read.
    pub fn unread(&self) -> &[ContainerPath] {
        let applied = self.files.as_ref().ok().and_then(Option::as_ref);
        applied.map_or(&[], |applied| &applied.unread)
    }
}

/// A command that failed (C7).
#[derive(Clone, Debug, PartialEq)]
pub struct RunFailure {
    /// Its index among the block's runs.
    pub index: usize,
    /// What happened.
    pub what: RunFailed,
    /// What it asks for.
    pub on_failure: OnFailure,
}

/// C10: all containers in parallel; commands start when every one has its files.
pub async fn apply<E: Engine>(
    engine: &E,
    jobs: &mut [Job],
    left: Left<'_>,
    reporter: &Reporter,
) -> Vec<Landed> {
    let mut landed = join_all(jobs.iter_mut().enumerate().map(|(index, job)| {
        let container = job.container.clone();
        let left = move |same: &[ContainerPath]| left(index, same);
        async move {
            let name = &container.name;
            let so_far = move || Slow::Files(name.clone());
            said_if_slow(put(engine, job, left), SLOW, &container, so_far, reporter).await
        }
    }))
    .await;
    let jobs = &*jobs;
    // C8: where files were refused, the answer is a rebuild, not commands on half of the files.
    let refused = landed.iter().any(|landed| {
        matches!(
            landed.files,
            Err(EngineError::Refused(_) | EngineError::InVain(_))
        )
    });
    join_all(
        jobs.iter()
            .zip(&mut landed)
            .map(|(job, landed)| async move {
                let half = job.awaits_whole_files && !landed.unread().is_empty();
                if landed.files.is_ok() && !landed.deletes_wait && !refused && !half {
                    run(engine, job, landed, reporter).await;
                }
                let name = &job.container.name;
                let so_far = move || Slow::Helper(name.clone());
                let release = engine.release(&job.container);
                said_if_slow(release, SLOW, &job.container, so_far, reporter).await;
            }),
    )
    .await;
    landed
}

async fn put<E: Engine>(
    engine: &E,
    job: &mut Job,
    left: impl Fn(&[ContainerPath]) -> Option<(Vec<Due>, Option<Restart>)>,
) -> Landed {
    let begun = Instant::now();
    let mut landed = Landed {
        files: Ok(None),
        deletes_wait: false,
        revived: false,
        ran: Vec::new(),
        run_failure: None,
        restarted: None,
        copy: None,
        run: None,
        restart: None,
    };
    landed.files = match job.container.state {
        State::Running => bring(engine, &job.container, &job.delta).await,
        State::Created | State::Paused | State::Stopped => {
            landed.deletes_wait = true;
            bring(engine, &job.container, &puts(job)).await
        }
        State::Exited { .. } | State::Restarting => {
            let files = bring(engine, &job.container, &puts(job)).await;
            // For nothing it is not started.
            if job.take_out(&files, &left) {
                revive(engine, job, files, &mut landed).await
            } else {
                files
            }
        }
        State::Gone => Err(EngineError::Gone(job.container.id.clone())),
    };
    if !landed.revived {
        job.take_out(&landed.files, &left);
    }
    if !job.delta.is_empty() {
        landed.copy = Some(begun.elapsed());
    }
    landed
}

/// E2: files are put into the stopped container, then it is started; deletes follow, as they need a running one.
async fn revive<E: Engine>(
    engine: &E,
    job: &Job,
    files: Result<Option<Applied>, EngineError>,
    landed: &mut Landed,
) -> Result<Option<Applied>, EngineError> {
    let applied = files?;
    engine.start(&job.container).await?;
    landed.revived = true;
    match bring(engine, &as_it_is_now(job, landed), &the_rest(job)).await {
        Ok(gone) => Ok(applied.or(gone)),
        // It ended again at once. The next change starts it once more, and only that: the deletes wait for it.
        Err(EngineError::NotRunning(_)) => {
            landed.deletes_wait = true;
            Ok(applied)
        }
        Err(error) => Err(error),
    }
}

/// The container as it was last seen, or running, where it was started since.
fn as_it_is_now<'a>(job: &'a Job, landed: &Landed) -> Cow<'a, Container> {
    if !landed.revived {
        return Cow::Borrowed(&job.container);
    }
    Cow::Owned(Container {
        state: State::Running,
        ..job.container.clone()
    })
}

/// What is written while the container does not run, and what makes room for it. Its memory is there only when it runs.
fn puts(job: &Job) -> Delta {
    let (remove, remove_dirs) = removes(&job.delta, true);
    let put = job.delta.put.iter();
    Delta {
        put: put.filter(|put| !is_in_memory(job, put)).cloned().collect(),
        remove,
        remove_dirs,
    }
}

fn is_in_memory(job: &Job, put: &Outgoing) -> bool {
    job.container.state != State::Paused
        && Mount::over(&job.container.mounts, &put.to)
            .is_some_and(|mount| mount.kind == MountKind::Tmpfs)
}

/// The rest: what stands where something was written is that, and so is what a link leads to.
fn the_rest(job: &Job) -> Delta {
    let delta = &job.delta;
    let (remove, remove_dirs) = removes(delta, false);
    let put = delta.put.iter();
    Delta {
        put: put.filter(|put| is_in_memory(job, put)).cloned().collect(),
        remove,
        remove_dirs,
    }
}

fn removes(delta: &Delta, written: bool) -> (Vec<ContainerPath>, Vec<ContainerPath>) {
    let put: HashSet<&ContainerPath> = delta.put.iter().map(|put| &put.to).collect();
    let goes_with_them = delta.goes_with_what_is_put();
    let some = |paths: &[ContainerPath]| {
        let some = paths
            .iter()
            .filter(|path| (put.contains(path) || goes_with_them(path)) == written);
        some.cloned().collect()
    };
    (some(&delta.remove), some(&delta.remove_dirs))
}

async fn bring<E: Engine>(
    engine: &E,
    container: &Container,
    delta: &Delta,
) -> Result<Option<Applied>, EngineError> {
    if delta.is_empty() {
        return Ok(None);
    }
    engine.apply(container, delta).await.map(Some)
}

async fn run<E: Engine>(engine: &E, job: &Job, landed: &mut Landed, reporter: &Reporter) {
    let container = as_it_is_now(job, landed);
    let begun = Instant::now();
    for due in &job.runs {
        if let Err(failure) = run_one(engine, &container, due, reporter).await {
            landed.run_failure = Some(failure);
            break;
        }
        landed.ran.push(due.index);
    }
    if !job.runs.is_empty() {
        landed.run = Some(begun.elapsed());
    }
    if landed.run_failure.is_some() {
        return;
    }
    // A container that was just started has begun with its files; only commands change that.
    let Some(restart) = job
        .restart
        .as_ref()
        .filter(|_| !landed.revived || !landed.ran.is_empty())
    else {
        return;
    };
    let begun = Instant::now();
    let name = &container.name;
    let so_far = move || Slow::Restart(name.clone());
    // A process that takes its grace is not stuck.
    let slow = SLOW + grace(restart);
    let step = last_step(engine, &container, restart);
    landed.restarted = Some(said_if_slow(step, slow, &container, so_far, reporter).await);
    landed.restart = Some(begun.elapsed());
}

/// How long the process may take to stop: the step's word, or more than most services say.
fn grace(restart: &Restart) -> Duration {
    const USUAL: Duration = Duration::from_secs(10);
    match &restart.kind {
        RestartKind::Container { timeout } | RestartKind::Process { timeout, .. } => {
            timeout.unwrap_or(USUAL)
        }
        RestartKind::Signal { .. } => Duration::ZERO,
    }
}

async fn last_step<E: Engine>(
    engine: &E,
    container: &Container,
    restart: &Restart,
) -> Result<crate::engine::Restarted, EngineError> {
    match &restart.kind {
        RestartKind::Container { timeout } => engine.restart(container, *timeout).await,
        RestartKind::Process { signal, timeout } => {
            engine
                .restart_process(container, signal.as_deref(), *timeout)
                .await
        }
        RestartKind::Signal { name } => {
            engine.signal(container, name).await?;
            Ok(crate::engine::Restarted {
                killed: false,
                whole_container: false,
            })
        }
    }
}

async fn run_one<E: Engine>(
    engine: &E,
    container: &Container,
    due: &Due,
    reporter: &Reporter,
) -> Result<(), RunFailure> {
    let run = &due.run;
    let exec = Exec {
        argv: run.command.argv(),
        workdir: directory(run, container),
        user: run.user.clone(),
        privileged: run.privileged,
        environment: run.environment.clone(),
        timeout: run.timeout,
    };
    let command = run.command.text();
    let mut lines = Lines::new(container, &command, reporter);
    let ended = engine
        .run(container, &exec, &mut |stream, bytes| {
            lines.hear(stream, bytes);
        })
        .await;
    lines.finish();
    let end = match ended {
        Ok(Ended::Exit(0)) => return Ok(()),
        Ok(Ended::Exit(code)) => RunEnd::Exit(code),
        Ok(Ended::TimedOut) => RunEnd::TimedOut(run.timeout.unwrap_or_default()),
        Err(error) => RunEnd::NotRun(error),
    };
    Err(RunFailure {
        index: due.index,
        what: RunFailed {
            step: run.step.clone(),
            command: run.command.clone(),
            container: container.name.clone(),
            end,
        },
        on_failure: run.on_failure,
    })
}

/// C7: "all commands are executed from /", says the reference; a relative directory is one of the container's own.
fn directory(run: &Run, container: &Container) -> String {
    match run.workdir.as_deref() {
        None => "/".to_owned(),
        Some(dir) if dir.is_empty() || dir.starts_with('/') => dir.to_owned(),
        Some(dir) => {
            let whole = ContainerPath::new(format!("/{}/{dir}", container.workdir));
            whole.map_or_else(String::new, |whole| whole.verbatim().into_owned())
        }
    }
}

/// Cuts a command's output into lines as it comes.
struct Lines<'a> {
    container: &'a Container,
    command: &'a str,
    reporter: &'a Reporter,
    rest: Vec<u8>,
    stream: Stream,
}

/// A line that never ends is shown in pieces of this size, in bytes.
const LONGEST: usize = 16 << 10;

impl<'a> Lines<'a> {
    fn new(container: &'a Container, command: &'a str, reporter: &'a Reporter) -> Self {
        Self {
            container,
            command,
            reporter,
            rest: Vec::new(),
            stream: Stream::Out,
        }
    }

    fn hear(&mut self, stream: Stream, bytes: &[u8]) {
        if stream != self.stream {
            self.finish();
            self.stream = stream;
        }
        for byte in bytes {
            if *byte == b'\n' || self.rest.len() >= LONGEST {
                self.say();
            }
            if *byte != b'\n' {
                self.rest.push(*byte);
            }
        }
    }

    fn finish(&mut self) {
        if !self.rest.is_empty() {
            self.say();
        }
    }

    fn say(&mut self) {
        let line = std::mem::take(&mut self.rest);
        let text = String::from_utf8_lossy(&line);
        self.reporter.say(Event::Step {
            container: self.container.name.clone(),
            command: self.command.to_owned(),
            stream: self.stream,
            text: text.trim_end_matches('\r').to_owned(),
        });
    }
}
