//! Decides who follows whom when containers were restarted or recreated, how, and in which order. Knows no engine.

use std::collections::BTreeSet;
use std::time::SystemTime;

use crate::compose::{Tie, TieKind};
use crate::life::{Doing, Life, Lives};

/// What happened to a container, or is to happen; the stronger is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Move {
    /// The same container began anew.
    Restarted,
    /// Another container is in its place.
    Recreated,
}

impl std::fmt::Display for Move {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Restarted => "restarted",
            Self::Recreated => "recreated",
        })
    }
}

/// One service that follows another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follow {
    /// Why: who follows whom.
    pub tie: Tie,
    /// What happened to the one that is followed.
    pub was: Move,
    /// What the follower needs.
    pub needs: Move,
    /// Those of one wave can go side by side, after those of the waves before.
    pub wave: usize,
}

/// Who has to follow, in order. `before` is what was seen last, when everybody had followed; whoever has followed since, by
/// whatever hand, is not asked again.
pub fn follow(ties: &[Tie], before: &Lives, now: &Lives) -> Vec<Follow> {
    let mut follows: Vec<Follow> = Vec::new();
    for service in in_order(ties) {
        if !alive(service, before, now).any(|_| true) {
            continue;
        }
        let mut best: Option<Follow> = None;
        for tie in ties.iter().filter(|tie| tie.service == service) {
            let Some((was, needs, wave)) = asks(tie, before, now, &follows) else {
                continue;
            };
            // The strongest need, of these the tightest tie; and nobody goes before one that he depends on.
            let wave = best.as_ref().map_or(wave, |best| best.wave.max(wave));
            let key = |needs, kind| (needs, std::cmp::Reverse(kind));
            match &mut best {
                Some(best) if key(best.needs, best.tie.kind) >= key(needs, tie.kind) => {
                    best.wave = wave;
                }
                _ => {
                    best = Some(Follow {
                        tie: tie.clone(),
                        was,
                        needs,
                        wave,
                    });
                }
            }
        }
        follows.extend(best);
    }
    follows.sort_by_key(|follow| follow.wave);
    follows
}

/// What is to be remembered after a look. Where one is gone or down for now, what was before it is what the next look is held
/// against.
pub fn remember(ties: &[Tie], before: &mut Lives, now: &Lives) {
    for (service, lives) in now {
        let waits = ties.iter().any(|tie| {
            tie.service == *service
                && tie.kind.is_namespace()
                && running(now.get(&tie.on)).next().is_none()
        });
        let begun: Vec<Life> = lives
            .iter()
            .filter(|life| life.began.is_some())
            .cloned()
            .collect();
        let known = before.get(service).is_some_and(|lives| !lives.is_empty());
        if known && (waits || begun.is_empty()) {
            continue;
        }
        before.insert(service.clone(), begun);
    }
    before.retain(|service, _| now.contains_key(service));
}

/// What happened to the one, what the other needs after it, and in which wave.
fn asks(tie: &Tie, before: &Lives, now: &Lives, follows: &[Follow]) -> Option<(Move, Move, usize)> {
    let needs = |was| match tie.kind {
        TieKind::Link | TieKind::Restart => Move::Restarted,
        _ => was,
    };
    if let Some(first) = follows.iter().find(|first| first.tie.service == tie.on) {
        if comes_from(&tie.service, first, follows) {
            return None;
        }
        return Some((first.needs, needs(first.needs), first.wave + 1));
    }
    let on = now.get(&tie.on);
    running(on).next()?;
    let was = moved(tie, before, now)?;
    Some((was, needs(was), 0))
}

/// Whether `follow` goes back to `service` itself: whoever began a circle does not follow it round.
fn comes_from(service: &str, follow: &Follow, follows: &[Follow]) -> bool {
    let earlier = |follow: &&Follow| {
        let mut follows = follows.iter();
        follows.find(|earlier| earlier.tie.service == follow.tie.on)
    };
    let mut chain = std::iter::successors(Some(follow), earlier);
    chain.any(|follow| follow.tie.on == service)
}

fn moved(tie: &Tie, before: &Lives, now: &Lives) -> Option<Move> {
    let on = now.get(&tie.on)?;
    let older = |than: SystemTime| {
        let mut lives = alive(&tie.service, before, now);
        lives.any(|life| life.began.is_some_and(|began| began < than))
    };
    // A tie to a container that is gone needs no memory to be seen.
    let lost = alive(&tie.service, before, now).any(|life| {
        let mut joined = life.joins.iter().filter(|(kind, _)| *kind == tie.kind);
        let there = |(_, id): &(TieKind, String)| on.iter().any(|life| life.id == *id);
        life.joins.iter().any(|(kind, _)| *kind == tie.kind) && !joined.any(there)
    });
    if lost {
        return Some(Move::Recreated);
    }
    if tie.kind.is_namespace() {
        let joined = |life: &&Life| {
            alive(&tie.service, before, now).any(|other| {
                let mut joins = other.joins.iter();
                joins.any(|(kind, id)| *kind == tie.kind && *id == life.id)
                    && other.began < life.began
            })
        };
        return running(Some(on))
            .any(|life| joined(&life))
            .then_some(Move::Restarted);
    }
    let mut was = None;
    for life in running(Some(on)).filter(|life| !life.by_policy) {
        let mut known = before.get(&tie.on).into_iter().flatten();
        let known = known.find(|known| known.number == life.number);
        let (Some(known), Some(began)) = (known, life.began) else {
            continue;
        };
        let this = if known.id != life.id {
            Move::Recreated
        } else if known.began != life.began {
            Move::Restarted
        } else {
            continue;
        };
        if older(began) {
            was = was.max(Some(this));
        }
    }
    was
}

fn running(lives: Option<&Vec<Life>>) -> impl Iterator<Item = &Life> {
    let lives = lives.into_iter().flatten();
    lives.filter(|life| life.doing == Doing::Runs && life.began.is_some())
}

/// The containers of a service that run, or ran until what they depend on took them along.
fn alive<'a>(service: &str, before: &'a Lives, now: &'a Lives) -> impl Iterator<Item = &'a Life> {
    let ran: BTreeSet<&str> = running(before.get(service))
        .map(|life| life.id.as_str())
        .collect();
    let lives = now.get(service).into_iter().flatten();
    lives.filter(move |life| match life.doing {
        Doing::Runs => true,
        Doing::Ended => ran.contains(life.id.as_str()),
        Doing::Rests => false,
    })
}

/// The dependent services, each after those that it depends on; whoever closes a circle comes where it was met first.
fn in_order(ties: &[Tie]) -> Vec<&str> {
    fn visit<'a>(
        service: &'a str,
        ties: &'a [Tie],
        met: &mut BTreeSet<&'a str>,
        order: &mut Vec<&'a str>,
    ) {
        if !met.insert(service) {
            return;
        }
        for tie in ties.iter().filter(|tie| tie.service == service) {
            visit(&tie.on, ties, met, order);
        }
        order.push(service);
    }
    let (mut met, mut order) = (BTreeSet::new(), Vec::new());
    for tie in ties {
        visit(&tie.service, ties, &mut met, &mut order);
    }
    order
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// `web network db`, and so on: who is tied to whom, and how.
    fn ties(text: &str) -> Vec<Tie> {
        let tie = |line: &str| {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap().to_owned();
            let (service, kind, on) = (word(), word(), word());
            let kind = match kind.as_str() {
                "network" => TieKind::Network,
                "volumes" => TieKind::Volumes,
                "links" => TieKind::Link,
                _ => TieKind::Restart,
            };
            Tie {
                service,
                on,
                kind,
                text: line.to_owned(),
            }
        };
        text.split(", ").map(tie).collect()
    }

    /// `db=a@1, web=b@2>a`: container `a` of `db` began at 1; that of `web` has what is `a`'s. `!` was started by its policy, `-`
    /// has ended, `x` was stopped.
    fn lives(text: &str) -> Lives {
        let mut lives = Lives::new();
        for part in text.split(", ") {
            let (service, rest) = part.split_once('=').unwrap();
            let (rest, joins) = match rest.split_once('>') {
                Some((rest, id)) => (
                    rest,
                    vec![
                        (TieKind::Network, id.to_owned()),
                        (TieKind::Volumes, id.to_owned()),
                    ],
                ),
                None => (rest, Vec::new()),
            };
            let (id, rest) = rest.split_once('@').unwrap();
            let doing = match rest {
                rest if rest.contains('-') => Doing::Ended,
                rest if rest.contains('x') => Doing::Rests,
                _ => Doing::Runs,
            };
            let began = rest.trim_end_matches(['!', '-', 'x']).parse().unwrap();
            let of_service = lives.entry(service.to_owned()).or_default();
            of_service.push(Life {
                id: id.into(),
                number: u32::try_from(of_service.len()).unwrap() + 1,
                doing,
                began: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(began)),
                by_policy: rest.contains('!'),
                joins,
            });
        }
        lives
    }

    /// `web restarted after db recreated`, in waves.
    #[track_caller]
    fn follows(said: &str, before: &str, now: &str, expected: &[&str]) {
        let follows = follow(&ties(said), &lives(before), &lives(now));
        let seen: Vec<String> = follows
            .iter()
            .map(|follow| {
                let Follow {
                    tie,
                    was,
                    needs,
                    wave,
                } = follow;
                format!("{wave}: {} {needs}, {} was {was}", tie.service, tie.on)
            })
            .collect();
        assert_eq!(seen, expected, "{said}: {before} -> {now}");
    }

    #[test]
    fn a_shared_namespace_is_followed_by_restart_and_by_recreation() {
        let said = "web network db";
        let before = "db=a@1, web=w@2>a";
        for (now, expected) in [
            (before, &[][..]),
            ("db=a@3, web=w@2>a", &["0: web restarted, db was restarted"]),
            ("db=b@3, web=w@2>a", &["0: web recreated, db was recreated"]),
            // A restart policy takes the namespace away as well.
            (
                "db=a@3!, web=w@2>a",
                &["0: web restarted, db was restarted"],
            ),
            // Compose, or somebody, did it already.
            ("db=a@3, web=w@4>a", &[]),
            ("db=b@3, web=v@4>b", &[]),
            // There is nothing to join yet.
            ("db=b@1-, web=w@2>a", &[]),
            // Ended with it, ended long before, stopped on purpose.
            (
                "db=a@3, web=w@2->a",
                &["0: web restarted, db was restarted"],
            ),
            ("db=a@3, web=w@2x>a", &[]),
        ] {
            follows(said, before, now, expected);
        }
        follows(said, "db=a@1, web=w@2->a", "db=a@3, web=w@2->a", &[]);
        // Lost before anybody looked.
        follows(
            said,
            "db=b@3, web=w@2>a",
            "db=b@3, web=w@2>a",
            &["0: web recreated, db was recreated"],
        );
    }

    #[test]
    fn volumes_links_and_restart_true_follow_what_somebody_did() {
        for (said, recreated) in [
            ("web volumes db", "0: web recreated, db was recreated"),
            ("web links db", "0: web restarted, db was recreated"),
            ("web restart db", "0: web restarted, db was recreated"),
        ] {
            let before = "db=a@1, web=w@2>a";
            let restarted = ["0: web restarted, db was restarted"];
            follows(said, before, before, &[]);
            follows(said, before, "db=a@3, web=w@2>a", &restarted);
            follows(said, before, "db=b@3, web=w@2>a", &[recreated]);
            follows(said, before, "db=a@3, web=w@4>a", &[]);
            // "excludes automated restart by the container runtime"
            follows(said, before, "db=a@3!, web=w@2>a", &[]);
            follows(said, before, "db=a@3, web=w@2x>a", &[]);
        }
        // One more container of it is no restart.
        follows(
            "web restart db",
            "db=a@1, web=w@2",
            "db=a@1, db=b@3, web=w@2",
            &[],
        );
    }

    #[test]
    fn who_follows_is_followed_in_order_and_in_one_go() {
        let said = "tail restart web, web network db, both restart db, both restart web, other restart apart";
        let before = "db=a@1, web=w@2>a, tail=t@3, both=c@3, apart=d@1, other=o@3";
        let now = "db=b@4, web=w@2>a, tail=t@3, both=c@3, apart=d@1, other=o@3";
        follows(
            said,
            before,
            now,
            &[
                "0: web recreated, db was recreated",
                "1: tail restarted, web was recreated",
                "1: both restarted, db was recreated",
            ],
        );
        // Several at once: nobody twice.
        let now = "db=a@4, web=w@5>a, tail=t@3, both=c@3, apart=d@4, other=o@3";
        follows(
            said,
            before,
            now,
            &[
                "0: tail restarted, web was restarted",
                "0: both restarted, db was restarted",
                "0: other restarted, apart was restarted",
            ],
        );
    }

    #[test]
    fn a_circle_has_an_end() {
        let said = "one restart two, two restart one";
        let before = "one=a@1, two=b@2";
        follows(
            said,
            before,
            "one=a@3, two=b@2",
            &["0: two restarted, one was restarted"],
        );
        follows(said, before, before, &[]);
    }

    #[test]
    fn what_is_down_for_now_is_held_against_what_was_before() {
        let ties = ties("web network db, late restart db");
        let mut before = lives("db=a@1, web=w@2>a, late=l@2");
        // `docker rm -f`, and what shared its process has ended with it.
        let mut gone = lives("web=w@2->a, late=l@2");
        gone.insert("db".into(), Vec::new());
        assert_eq!(follow(&ties, &before, &gone), []);
        remember(&ties, &mut before, &gone);
        let back = lives("db=b@9, web=w@2->a, late=l@2");
        let follows = follow(&ties, &before, &back);
        let needs: Vec<Move> = follows.iter().map(|follow| follow.needs).collect();
        assert_eq!(needs, [Move::Recreated, Move::Restarted]);
        remember(&ties, &mut before, &back);
        assert_eq!(before, back);
    }
}
