//! Pieces that many messages have: counts and lists. Pure.

use crate::harmless::value;

/// `1 file`, `3 files`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {many}")
    }
}

/// `web-1, web-2`.
pub(super) fn listed(names: &[String]) -> String {
    names
        .iter()
        .map(|name| value(name))
        .collect::<Vec<_>>()
        .join(", ")
}
