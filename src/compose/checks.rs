//! Checks.
use super::finding::Findings;
use super::resolve::Draft;
use super::sources::{Files, Sources};
/// Checks.
pub fn check(_drafts: &mut [Draft], _sources: &Sources, _disk: &dyn Files, _found: &mut Findings) {}
