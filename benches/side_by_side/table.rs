//! The table of a run, in Markdown. Pure.

use std::fmt;
use std::time::Duration;

use super::bench::Measured;
use super::case::Case;
use super::tools::Tool;

/// A row for each case, a column for each tool, and how many times faster than the last tool the first one is.
pub struct Table {
    tools: Vec<Tool>,
    rows: Vec<Row>,
}

/// One line.
pub struct Row {
    title: String,
    cells: Vec<String>,
    ratio: String,
}

impl Table {
    /// An empty table of these tools.
    pub fn new(tools: &[Tool]) -> Self {
        Self {
            tools: tools.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds rows at the end.
    pub fn push(&mut self, rows: Vec<Row>) {
        self.rows.extend(rows);
    }
}

impl Row {
    /// What a case gives for the table.
    pub fn of(case: Case, measured: &[Measured]) -> Vec<Self> {
        if case == Case::Idle {
            return Self::of_idle(measured);
        }
        let medians: Vec<_> = measured.iter().map(|one| median(&one.times)).collect();
        let cells = measured.iter().zip(&medians);
        vec![Self {
            title: case.title().into(),
            cells: cells
                .map(|(one, median)| {
                    median.map_or("–".into(), |median| spread(median, &one.times))
                })
                .collect(),
            ratio: ratio(
                &medians
                    .iter()
                    .map(|time| time.map(|t| t.as_secs_f64()))
                    .collect::<Vec<_>>(),
            ),
        }]
    }

    fn of_idle(measured: &[Measured]) -> Vec<Self> {
        let row = |title: &str, number: fn(&super::idle::Idle) -> f64, unit: &str| {
            let numbers: Vec<_> = measured
                .iter()
                .map(|one| one.idle.as_ref().map(number))
                .collect();
            Self {
                title: title.into(),
                cells: numbers
                    .iter()
                    .map(|number| {
                        number.map_or("–".into(), |number| format!("{number:.1} {unit}"))
                    })
                    .collect(),
                ratio: ratio(&numbers),
            }
        };
        vec![
            row(
                "resident memory while watching",
                |idle| idle.resident_mib,
                "MiB",
            ),
            row(
                "idle processor time, of one core",
                |idle| idle.cpu_percent,
                "%",
            ),
        ]
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let names: Vec<_> = self.tools.iter().map(|tool| tool.name()).collect();
        writeln!(
            f,
            "| median (fastest–slowest), ms | {} | ratio |",
            names.join(" | ")
        )?;
        writeln!(f, "|---|{}--:|", "--:|".repeat(names.len()))?;
        for row in &self.rows {
            writeln!(
                f,
                "| {} | {} | {} |",
                row.title,
                row.cells.join(" | "),
                row.ratio
            )?;
        }
        Ok(())
    }
}

/// The middle one; the mean of the two in the middle when there are two.
fn median(times: &[Duration]) -> Option<Duration> {
    let mut sorted = times.to_vec();
    sorted.sort();
    let last = sorted.len().checked_sub(1)?;
    Some((*sorted.get(last / 2)? + *sorted.get(last.div_ceil(2))?) / 2)
}

fn spread(median: Duration, times: &[Duration]) -> String {
    let least = times.iter().min().copied().unwrap_or_default();
    let most = times.iter().max().copied().unwrap_or_default();
    format!("{} ({}–{})", short(median), short(least), short(most))
}

/// Milliseconds with three digits that mean something.
fn short(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1_000.0;
    match ms {
        ..10.0 => format!("{ms:.2}"),
        10.0..100.0 => format!("{ms:.1}"),
        _ => format!("{ms:.0}"),
    }
}

/// The first as a part of the last.
fn ratio(numbers: &[Option<f64>]) -> String {
    match (numbers.first(), numbers.last()) {
        (Some(Some(ours)), Some(Some(theirs))) if numbers.len() > 1 && *ours > 0.0 => {
            format!("1/{:.1}", theirs / ours)
        }
        _ => "–".into(),
    }
}
