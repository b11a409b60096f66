//! The run that stands for all.

use std::time::Duration;

use super::{Result, interrupt};

/// Of so many runs the one in the middle, by its time; with what else was measured of it.
pub fn median<T: Copy>(
    runs: usize,
    mut measure: impl FnMut() -> Result<(Duration, T)>,
) -> Result<(Duration, T)> {
    let mut all = Vec::new();
    for _ in 0..runs {
        interrupt::check()?;
        all.push(measure()?);
    }
    all.sort_by_key(|run| run.0);
    Ok(*all.get(all.len() / 2).ok_or("no runs were asked for")?)
}
