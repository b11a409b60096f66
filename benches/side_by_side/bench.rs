//! The rounds of one case: the tools take turns, each on its own copy of the tree.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::case::Case;
use super::project::{Project, SharedImage};
use super::tools::docker::Docker;
use super::tools::{Result, Tool, interrupt};
use super::{Options, idle};

/// An effect that has not come by then never will.
const LIMIT: Duration = Duration::from_secs(60);
/// Between rounds: longer than any tool's quiet time, so that each round starts from rest.
const REST: Duration = Duration::from_millis(700);

/// What one tool did in one case.
pub struct Measured {
    /// Who.
    pub tool: Tool,
    /// The counted rounds.
    pub times: Vec<Duration>,
    /// The round before them, with everything that happens only once.
    pub first: Option<Duration>,
    /// Memory and processor time, where that was the case.
    pub idle: Option<idle::Idle>,
    /// Why there is nothing, or no more of it.
    pub trouble: Option<String>,
    /// The tool's own account of where the time went: medians by part.
    parts: Vec<(String, f64)>,
}

impl Measured {
    fn new(tool: Tool) -> Self {
        Self {
            tool,
            times: Vec::new(),
            first: None,
            idle: None,
            trouble: None,
            parts: Vec::new(),
        }
    }

    /// Every time in milliseconds, and the tool's own account.
    pub fn details(&self) -> String {
        let times: Vec<_> = self.times.iter().map(|time| ms(*time)).collect();
        let mut lines = vec![format!("{}: {}", self.tool.name(), times.join(" "))];
        lines.extend(self.first.map(|first| format!("  first: {}", ms(first))));
        if !self.parts.is_empty() {
            let parts = self.parts.iter();
            let parts: Vec<_> = parts
                .map(|(name, time)| format!("{name} {time:.2}"))
                .collect();
            lines.push(format!(
                "  a batch, by its own account: {}",
                parts.join(", ")
            ));
        }
        lines.extend(self.idle.as_ref().map(|idle| format!("  {idle}")));
        lines.extend(self.trouble.clone());
        lines.join("\n")
    }
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1_000.0)
}

/// All rounds of `case` for all `tools`. A tool that cannot do it, or never finishes, is left out from there on.
pub fn measure<'a>(
    dockers: impl Fn(Tool) -> &'a Docker,
    case: Case,
    tools: &[Tool],
    options: &Options,
) -> Result<Vec<Measured>> {
    let mut measured: Vec<_> = tools.iter().map(|tool| Measured::new(*tool)).collect();
    let _image = tools.first().map(|tool| SharedImage(dockers(*tool), case));
    let mut projects = Vec::new();
    for one in &mut measured {
        interrupt::check()?;
        match Project::start(dockers(one.tool), case, one.tool) {
            Ok(project) => projects.push(Some(project)),
            Err(error) => {
                interrupt::check()?;
                eprintln!("  left out: {error}");
                one.trouble = Some(error.to_string());
                projects.push(None);
            }
        }
    }
    rounds(case, options, &mut measured, &mut projects)?;
    Ok(measured)
}

fn rounds(
    case: Case,
    options: &Options,
    measured: &mut [Measured],
    projects: &mut [Option<Project>],
) -> Result<()> {
    for round in 0..=case.rounds(options.runs) {
        for (one, project) in measured.iter_mut().zip(&mut *projects) {
            let Some(ready) = project else { continue };
            sleep(REST);
            interrupt::check()?;
            match turn(case, ready, round) {
                Ok(Some(time)) if round == 0 => one.first = Some(time),
                Ok(Some(time)) => one.times.push(time),
                Ok(None) => {
                    let error = ready.running.complaint("never did it");
                    eprintln!("  {error}");
                    one.trouble = Some(error.to_string());
                    *project = None;
                }
                Err(error) => {
                    interrupt::check()?;
                    let error = ready.running.complaint(&error.to_string());
                    eprintln!("  {error}");
                    one.trouble = Some(error.to_string());
                    *project = None;
                }
            }
        }
    }
    for (one, project) in measured.iter_mut().zip(projects) {
        let Some(project) = project else { continue };
        one.parts = own_account(&project.running.output());
        if case == Case::Idle {
            one.idle = Some(idle::measure(project, Duration::from_secs(options.idle))?);
        }
    }
    Ok(())
}

/// One round of one tool: `None` when the effect did not come.
fn turn(case: Case, project: &Project, round: usize) -> Result<Option<Duration>> {
    let effect = case.save(&project.source, &project.merged, round)?;
    let Some(took) = effect.awaited(Instant::now(), LIMIT)? else {
        return Ok(None);
    };
    if let Some(ready) = case.restore(&project.source, &project.merged, round)? {
        sleep(REST);
        if ready.awaited(Instant::now(), LIMIT)?.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(took))
}

/// The medians of the parts in our `outcome` events, the first one left out.
fn own_account(output: &str) -> Vec<(String, f64)> {
    let outcomes: Vec<serde_json::Value> = output
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|event: &serde_json::Value| event["event"] == "outcome")
        .skip(1)
        .collect();
    ["total", "wait", "copy", "run", "restart"]
        .iter()
        .filter_map(|part| {
            let mut times: Vec<f64> = outcomes
                .iter()
                .filter_map(|outcome| outcome["ms"][part].as_f64())
                .collect();
            times.sort_by(f64::total_cmp);
            let median = times.get(times.len() / 2)?;
            Some(((*part).to_owned(), *median))
        })
        .collect()
}
