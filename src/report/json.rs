//! Events as one versioned JSON object a line, for programs. Pure.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use crate::engine::{Stream, Via};
use crate::harmless;
use crate::paths::{ContainerPath, HostPath};
use crate::plan::{Because, LiveUpdate, Plan};

use super::event::{Done, Ended, Event, Exit, Outcome, Took};
use super::waits::is_over;

/// The version of the objects: a field may be added in a version, never changed or removed.
pub const VERSION: u32 = 1;

/// One event as one line, with its end.
pub fn line(event: &Event, now: SystemTime) -> String {
    let mut object = Map::new();
    object.insert("v".into(), VERSION.into());
    object.insert("event".into(), kind(event).into());
    object.insert(
        "time".into(),
        humantime::format_rfc3339_millis(now).to_string().into(),
    );
    if let Value::Object(fields) = fields(event) {
        object.extend(fields);
    }
    let object = Value::Object(object).to_string();
    format!("{}\n", harmless::json(&object))
}

fn kind(event: &Event) -> &'static str {
    match event {
        Event::Started { .. } => "started",
        Event::Notice { .. } => "notice",
        Event::Change { .. } => "change",
        Event::Plan { .. } | Event::Rebuild { .. } => "plan",
        Event::Step { .. } | Event::Build { .. } => "step",
        Event::Outcome(_) => "outcome",
        Event::Exit(_) => "exit",
        Event::Problem { .. } => "problem",
        Event::Log { .. } => "log",
    }
}

fn fields(event: &Event) -> Value {
    match event {
        Event::Started {
            project,
            services,
            directories,
        } => json!({
            "project": project,
            "services": services.iter().map(|service| json!({"name": service.name, "containers": service.containers, "addresses": service.addresses})).collect::<Vec<_>>(),
            "directories": directories,
        }),
        Event::Notice { service, notice } => {
            json!({"service": service, "text": notice.to_string()})
        }
        Event::Change { service, paths } => {
            json!({"service": service, "paths": paths.iter().map(HostPath::verbatim).collect::<Vec<_>>()})
        }
        Event::Plan { service, plan } => {
            let mut fields = plan_fields(plan);
            fields["service"] = service.as_str().into();
            fields
        }
        Event::Rebuild {
            service,
            because,
            builds,
        } => {
            let mut fields = rebuild_fields(because);
            fields["service"] = service.as_str().into();
            fields["builds"] = json!(builds);
            fields
        }
        Event::Step {
            container,
            command,
            stream,
            text,
        } => {
            json!({"container": container, "command": command, "stream": name(*stream), "text": text})
        }
        Event::Build { service, text } => json!({"service": service, "build": true, "text": text}),
        Event::Outcome(outcome) => outcome_fields(outcome),
        Event::Exit(exit) => exit_fields(exit),
        Event::Problem { service, problem } => {
            json!({"service": service, "message": problem.to_string(), "hint": problem.hint()})
        }
        Event::Log {
            container,
            stream,
            text,
        } => {
            json!({"container": container, "stream": name(*stream), "text": text})
        }
    }
}

/// A plan's own fields, for `up` and `plan` alike.
pub fn plan_fields(plan: &Plan) -> Value {
    match plan {
        Plan::Nothing(idle) => json!({"action": "nothing", "reason": idle.to_string()}),
        Plan::Rebuild(because) => rebuild_fields(because),
        Plan::LiveUpdate(update) => update_fields(update),
    }
}

fn rebuild_fields(because: &Because) -> Value {
    json!({
        "action": "rebuild", "reason": because.to_string(), "step": because.step().map(|step| step.number),
    })
}

fn update_fields(update: &LiveUpdate) -> Value {
    json!({
        "action": "live-update",
        "copy": update.copies.iter().map(|copy| json!({
            "from": copy.from.verbatim(), "to": copy.to.verbatim(), "step": copy.step.number,
        })).collect::<Vec<_>>(),
        "remove": update.removes.iter().map(|remove| json!({
            "path": remove.path.verbatim(), "to": remove.to.verbatim(), "step": remove.step.number,
        })).collect::<Vec<_>>(),
        "run": update.commands().map(|due| json!({
            "command": due.work.text(), "step": due.work.step.number, "reason": due.because.to_string(),
        })).collect::<Vec<_>>(),
        "restart": update.last().map(|last| json!({
            "kind": last.text(), "step": last.step.number,
        })),
        "left_out": update.left_out.iter().map(|left_out| json!({
            "path": left_out.path.verbatim(), "reason": left_out.why.to_string(),
        })).collect::<Vec<_>>(),
    })
}

fn outcome_fields(outcome: &Outcome) -> Value {
    let (action, detail) = done_fields(&outcome.done);
    let (ok, failure, hint) = match &outcome.result {
        Ended::Well => (true, None, None),
        Ended::Failed(failures) => (false, Some(failures.to_string()), failures.hint()),
    };
    json!({
        "service": outcome.service, "action": action, "detail": detail, "containers": outcome.containers,
        "via": outcome.via.as_ref().map(via), "via_reason": outcome.via.as_ref().and_then(via_reason),
        "ok": ok, "failure": failure, "hint": hint, "ms": took_fields(&outcome.took),
    })
}

fn words(words: Option<impl ToString>) -> Option<String> {
    words.map(|words| words.to_string())
}

fn exit_fields(exit: &Exit) -> Value {
    let after = exit.after.as_ref().map(|after| {
        let (action, detail) = done_fields(&after.done);
        json!({"action": action, "detail": detail, "ms": ms(after.time)})
    });
    json!({
        "service": exit.service, "container": exit.container, "code": exit.code,
        "signal": exit.signal().map(|name| format!("SIG{name}")), "out_of_memory": exit.out_of_memory,
        "requested": exit.requested, "waits": exit.waits, "after": after, "ok": !exit.is_failure(),
    })
}

fn done_fields(done: &Done) -> (&'static str, Value) {
    match done {
        Done::Same => ("same", json!({})),
        Done::Verified => ("verified", json!({})),
        Done::Updated(updated) => (
            "live-update",
            json!({
                "copied": updated.copied, "live": updated.live, "removed": updated.removed, "ran": updated.ran,
                "restarted": words(updated.restarted.as_ref()), "revived": updated.revived, "catching_up": updated.catching_up,
                "later": words(updated.later.as_ref()), "after": updated.after.map(is_over),
                "first": updated.first.as_ref().map(|(from, to)| json!({
                    "from": from.verbatim(), "to": to.as_ref().map(ContainerPath::verbatim),
                })),
            }),
        ),
        Done::Rebuilt(because) => (
            "rebuild",
            json!({"reason": because.to_string(), "image": "new"}),
        ),
        Done::BuiltTheSame(because) => (
            "rebuild",
            json!({"reason": because.to_string(), "image": "same"}),
        ),
        Done::Followed(followed) => (
            "follow",
            json!({
                "of": followed.of, "was": followed.was.to_string(), "how": followed.how.to_string(), "reason": followed.tie,
            }),
        ),
        Done::Waits(why) => ("waits", json!({"reason": why.to_string()})),
    }
}

/// The way of an update, in a word.
pub fn via(via: &Via) -> &'static str {
    match via {
        Via::Helper => "helper",
        Via::EngineApi(_) => "archive",
    }
}

/// Why it is not the helper's.
pub fn via_reason(via: &Via) -> Option<&str> {
    match via {
        Via::Helper => None,
        Via::EngineApi(why) => Some(why),
    }
}

fn took_fields(took: &Took) -> Value {
    let part = |time: Option<Duration>| time.map(ms);
    json!({
        "total": ms(took.total), "wait": ms(took.wait), "copy": part(took.copy), "run": part(took.run),
        "restart": part(took.restart), "build": part(took.build), "start": part(took.start),
    })
}

/// Milliseconds to a hundredth.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

fn name(stream: Stream) -> &'static str {
    match stream {
        Stream::Out => "stdout",
        Stream::Err => "stderr",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_one_object_with_version_event_and_time() {
        let event = Event::Log {
            container: "web-1".into(),
            stream: Stream::Err,
            text: "a\nb".into(),
        };
        assert_eq!(
            line(&event, SystemTime::UNIX_EPOCH),
            "{\"container\":\"web-1\",\"event\":\"log\",\"stream\":\"stderr\",\"text\":\"a\\nb\",\
             \"time\":\"1970-01-01T00:00:00.000Z\",\"v\":1}\n"
        );
    }
}
