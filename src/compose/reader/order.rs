//! The order of a block's steps, and which steps a list needs (B1, B2). Knows no paths.

use crate::compose::finding::Findings;
use crate::compose::steps::{Kind, LAST, Suffices, Times, before_the_last};
use crate::compose::yaml::quoted;

use super::{Placed, Written};

/// B1: each file's part is in order, with one last step at most and one `initial_sync` at most.
pub(super) fn check(
    steps: &[Placed],
    own_watch: bool,
    written: &dyn Written,
    found: &mut Findings,
) {
    let steps: Vec<(&Placed, &Kind)> = steps
        .iter()
        .filter_map(|placed| Some((placed, placed.kind?)))
        .collect();
    for (index, (placed, kind)) in steps.iter().enumerate() {
        if let Some((message, hint)) = out_of_order(placed, kind, &steps[..index], written) {
            found.error(&placed.at, message, Some(hint));
        }
    }
    // B2': what is watched may also ask for a rebuild, or for a restart with paths of its own; nothing else makes sense alone.
    let has_reason = steps.iter().any(|(placed, kind)| match kind.suffices {
        Suffices::Yes => true,
        Suffices::WithTriggers => own_watch && !placed.read.triggers().is_empty(),
        Suffices::No => false,
    });
    let Some((first, _)) = steps.first() else {
        return;
    };
    if !has_reason && !found.has_errors_beside(first) {
        let mut at = first.at.clone();
        at.step = None;
        at.path.pop();
        found.error_on_key(
            &at,
            "the list has no `sync`",
            Some(
                "add one, such as `sync: ./src:/app/src`, or a `fall_back_on`; an empty list rebuilds on every change"
                    .into(),
            ),
        );
    }
}

/// What is wrong with `placed` after the steps `earlier`, and how to fix it.
fn out_of_order(
    placed: &Placed,
    kind: &Kind,
    earlier: &[(&Placed, &Kind)],
    written: &dyn Written,
) -> Option<(String, String)> {
    let name = kind.name;
    let show = |(other, kind): &(&Placed, &Kind)| format!("{} (`{}`)", other.step, kind.name);
    let twin = earlier
        .iter()
        .find(|(_, other)| other.rank() == kind.rank());
    match (kind.times, twin) {
        (Times::Once, Some(twin)) => {
            return Some((
                format!("`{name}` stands here and in {}", show(twin)),
                "once is enough: take one out".into(),
            ));
        }
        (Times::Last, Some(twin)) => {
            return Some((
                format!("`{name}` is a second last step beside {}", show(twin)),
                format!("an update ends with {LAST} at most: take one out"),
            ));
        }
        _ => {}
    }
    let part = |placed: &Placed| written.part(&placed.at.path);
    let blocker = earlier
        .iter()
        .find(|(other, above)| part(other) == part(placed) && above.rank() > kind.rank())?;
    let must = match blocker.1.times {
        Times::Last => format!("{} must be the last step", show(blocker)),
        Times::Once | Times::Any => format!("move it before {}", show(blocker)),
    };
    let order = quoted(&before_the_last());
    Some((
        format!("`{name}` stands after {}", show(blocker)),
        format!("{must}; the order is {order}, then {LAST}"),
    ))
}

impl Findings {
    /// Whether a step in the list of `first` was reported already: then a missing `sync` may be the misspelt one.
    fn has_errors_beside(&self, first: &Placed) -> bool {
        let service = first.at.service.as_ref();
        self.list.iter().any(|finding| {
            finding.at.service.as_ref() == service && finding.at.step.is_some()
                || finding.at.service.is_none() && finding.at.step.is_some()
        })
    }
}
