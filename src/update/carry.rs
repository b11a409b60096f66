//! The calls on the engine for one update: files everywhere, then commands, then the last step. Decides nothing: what is
//! brought, started and run stands in the update.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::compose::block::{Does, LastStep, OnFailure, Run, Work};
use crate::engine::{
    Applied, Container, Delta, Ended, Engine, EngineError, Exec, Restarted, State, Stream,
};
use crate::paths::ContainerPath;
use crate::report::{Event, Failure, Reporter, RunEnd, RunFailed, Slow};
use crate::service::update::{Part, StepFailure, Turn, Update};

use super::slow::{SLOW, said_if_slow};

/// C10: brings all containers their files, side by side.
pub async fn copy<E: Engine>(engine: &E, update: &mut Update, reporter: &Reporter) {
    join_all(update.parts.iter_mut().map(|part| async move {
        let begun = Instant::now();
        let bringing = bring(engine, &part.container, &part.delta);
        part.landed.files = said_if_slow(
            bringing,
            SLOW,
            &part.container,
            || Slow::Files(part.container.name.clone()),
            reporter,
        )
        .await;
        part.landed.copy = (!part.delta.is_empty()).then(|| begun.elapsed());
    }))
    .await;
}

/// E2: starts those that had exited; deletes follow, as they need a running one.
pub async fn start<E: Engine>(engine: &E, update: &mut Update, reporter: &Reporter) {
    let starting = update.parts.iter_mut().filter(|part| part.landed.starts);
    join_all(starting.map(|part| async move {
        let begun = Instant::now();
        let started = said_if_slow(
            start_one(engine, part),
            SLOW,
            &part.container,
            || Slow::Files(part.container.name.clone()),
            reporter,
        );
        part.landed.started = Some(started.await);
        let took = begun.elapsed();
        part.landed.copy = Some(part.landed.copy.unwrap_or_default() + took);
    }))
    .await;
}

async fn start_one<E: Engine>(
    engine: &E,
    part: &Part,
) -> Result<Result<Option<Applied>, EngineError>, EngineError> {
    engine.start(&part.container).await?;
    let running = Container {
        state: State::Running,
        ..part.container.clone()
    };
    Ok(bring(engine, &running, &part.rest).await)
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

/// Runs what is due in each container, and lets go of them all.
pub async fn finish<E: Engine>(engine: &E, update: &mut Update, reporter: &Reporter) {
    join_all(update.parts.iter_mut().map(|part| async move {
        run(engine, part, reporter).await;
        release(engine, &part.container, reporter).await;
    }))
    .await;
}

/// An update of the container is over.
pub async fn release<E: Engine>(engine: &E, container: &Container, reporter: &Reporter) {
    let name = &container.name;
    let so_far = move || Slow::Helper(name.clone());
    said_if_slow(engine.release(container), SLOW, container, so_far, reporter).await;
}

/// Step by step, until one fails.
async fn run<E: Engine>(engine: &E, part: &mut Part, reporter: &Reporter) {
    for due in &part.steps {
        let begun = Instant::now();
        let came = step(engine, &part.container, &due.work, reporter).await;
        let fails = came.is_err();
        part.landed.turns.push(Turn {
            due: due.clone(),
            took: begun.elapsed(),
            came,
        });
        if fails {
            return;
        }
    }
}

async fn step<E: Engine>(
    engine: &E,
    container: &Container,
    work: &Work,
    reporter: &Reporter,
) -> Result<Option<Restarted>, StepFailure> {
    match &work.does {
        Does::Run(run) => {
            let failed = |end| StepFailure {
                what: Failure::Run(RunFailed {
                    step: work.step.clone(),
                    command: run.command.clone(),
                    container: container.name.clone(),
                    end,
                }),
                on_failure: run.on_failure,
            };
            let ended = command(engine, container, run, reporter).await;
            ended.map_err(failed).map(|()| None)
        }
        Does::Last(last) => {
            let failed = |error| StepFailure {
                what: Failure::LastStep(error),
                on_failure: OnFailure::Keep,
            };
            last_step(engine, container, last, reporter)
                .await
                .map_err(failed)
        }
    }
}

/// How long the process may take to stop: the step's word, or more than most services say.
fn grace(last: &LastStep) -> Duration {
    const USUAL: Duration = Duration::from_secs(10);
    match last {
        LastStep::RestartContainer { timeout } | LastStep::RestartProcess { timeout, .. } => {
            timeout.unwrap_or(USUAL)
        }
        LastStep::Signal { .. } => Duration::ZERO,
    }
}

/// The answer is how a restart went.
async fn last_step<E: Engine>(
    engine: &E,
    container: &Container,
    last: &LastStep,
    reporter: &Reporter,
) -> Result<Option<Restarted>, EngineError> {
    let name = &container.name;
    let so_far = move || Slow::Restart(name.clone());
    // A process that takes its grace is not stuck.
    let slow = SLOW + grace(last);
    let step = async {
        match last {
            LastStep::RestartContainer { timeout } => {
                engine.restart(container, *timeout).await.map(Some)
            }
            LastStep::RestartProcess { signal, timeout } => {
                let signal = signal.as_deref();
                let restarted = engine.restart_process(container, signal, *timeout);
                restarted.await.map(Some)
            }
            LastStep::Signal { name } => engine.signal(container, name).await.map(|()| None),
        }
    };
    said_if_slow(step, slow, container, so_far, reporter).await
}

/// Runs a command to its end; the error is one that is not good.
async fn command<E: Engine>(
    engine: &E,
    container: &Container,
    run: &Run,
    reporter: &Reporter,
) -> Result<(), RunEnd> {
    let exec = Exec {
        workdir: directory(&run.exec.workdir, container),
        ..run.exec.clone()
    };
    let command = run.command.text();
    let mut lines = Lines::new(container, &command, reporter);
    let ended = engine
        .run(container, &exec, &mut |stream, bytes| {
            lines.hear(stream, bytes);
        })
        .await;
    lines.finish();
    match ended {
        Ok(Ended::Exit(0)) => Ok(()),
        Ok(Ended::Exit(code)) => Err(RunEnd::Exit(code)),
        Ok(Ended::TimedOut) => Err(RunEnd::TimedOut(exec.timeout.unwrap_or_default())),
        Err(error) => Err(RunEnd::NotRun(error)),
    }
}

/// A relative directory is one of the container's own.
fn directory(dir: &str, container: &Container) -> String {
    if dir.is_empty() || dir.starts_with('/') {
        return dir.to_owned();
    }
    let whole = ContainerPath::new(format!("/{}/{dir}", container.workdir));
    whole.map_or_else(String::new, |whole| whole.verbatim().into_owned())
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
