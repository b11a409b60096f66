//! The order of a block's steps, and what a list cannot do without (B1, B2). Knows no paths.

use crate::compose::finding::Findings;
use crate::compose::steps::Read;

use super::{Placed, Written};

/// B1: each file's part in order by itself, one last step at most, `initial_sync` once.
pub(super) fn check(
    steps: &[Placed],
    own_watch: bool,
    written: &dyn Written,
    found: &mut Findings,
) {
    let part = |placed: &Placed| written.part(&placed.at.path);
    for (index, placed) in steps.iter().enumerate() {
        let earlier = &steps[..index];
        let number = |other: &Placed| format!("{} (`{}`)", other.step, other.read.name());
        let name = placed.read.name();
        let twin = earlier
            .iter()
            .find(|other| other.read.rank() == placed.read.rank());
        if let (Read::InitialSync, Some(twin)) = (&placed.read, twin) {
            found.error(
                &placed.at,
                format!("`initial_sync` stands here and in {}", number(twin)),
                Some("once is enough: take one out".into()),
            );
            continue;
        }
        if let (Read::Restart(..), Some(twin)) = (&placed.read, twin) {
            found.error(
                &placed.at,
                format!("`{name}` is a second last step beside {}", number(twin)),
                Some("an update ends with one restart or signal at most: take one out".into()),
            );
            continue;
        }
        let blocker = earlier
            .iter()
            .find(|other| part(other) == part(placed) && other.read.rank() > placed.read.rank());
        if let Some(blocker) = blocker {
            let must = if matches!(blocker.read, Read::Restart(..)) {
                format!("{} must be the last step", number(blocker))
            } else {
                format!("move it before {}", number(blocker))
            };
            found.error(
                &placed.at,
                format!("`{name}` stands after {}", number(blocker)),
                Some(format!(
                    "{must}; the order is `initial_sync`, `fall_back_on`, `sync`, `run`, then one restart or signal"
                )),
            );
        }
    }
    // B2': what is watched may also ask for a rebuild, or with paths of its own for a restart, and for nothing else.
    let has_reason = steps.iter().any(|step| match &step.read {
        Read::Sync(..) | Read::FallBackOn(_) => true,
        Read::Restart(restart, _) => own_watch && !restart.trigger.is_empty(),
        _ => false,
    });
    if let (false, Some(first)) = (has_reason || found.has_errors_below(steps), steps.first()) {
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

impl Findings {
    /// Whether a step of that list was already reported: then a missing `sync` may be the misspelt one.
    fn has_errors_below(&self, steps: &[Placed]) -> bool {
        let service = steps.first().and_then(|step| step.at.service.as_ref());
        self.list.iter().any(|finding| {
            finding.at.service.as_ref() == service && finding.at.step.is_some()
                || finding.at.service.is_none() && finding.at.step.is_some()
        })
    }
}
