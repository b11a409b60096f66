//! The line of an end: who, how, after which update, and what comes next.

use std::fmt::Write as _;

use crate::harmless::{message, value};
use crate::report::event::{Done, Exit};

use super::{BAD, DIM, Text, WAITING, duration};

impl Text {
    pub(super) fn exit(exit: &Exit) -> String {
        let service = value(&exit.service);
        let container = value(&exit.container);
        let mut what = if exit.waits {
            format!("the process in {container}")
        } else {
            container.into_owned()
        };
        if exit.requested {
            what.push_str(" was told to end and");
        }
        let _ = write!(what, " exited with code {}", exit.code);
        if let Some(signal) = exit.signal() {
            let _ = write!(what, " (SIG{signal})");
        }
        if exit.out_of_memory {
            what.push_str(": out of memory");
        }
        if let Some(after) = exit.recent() {
            let name = Self::name_of(&after.done);
            let _ = write!(what, ", {} after {name}", duration(after.time));
        }
        if exit.waits {
            what.push_str("; the container waits for the next save");
        }
        if exit.is_failure() {
            return format!(
                "{BAD}{service}{BAD:#}  failed: {what}\nhint: fix it and save: the next change starts it again\n"
            );
        }
        let style = if exit.code == 0 { DIM } else { WAITING };
        format!("{style}{service}{style:#}  {what}\n")
    }

    /// An update in a few words.
    fn name_of(done: &Done) -> String {
        match done {
            Done::Updated(updated) => Self::files(updated).unwrap_or_else(|| {
                let how = updated.restarted.as_ref();
                how.map_or_else(|| "an update".to_owned(), ToString::to_string)
            }),
            Done::Rebuilt(because) => {
                format!("the rebuild ({})", message(&because.to_string()))
            }
            Done::Same
            | Done::Verified
            | Done::BuiltTheSame(_)
            | Done::Followed(_)
            | Done::Waits(_) => "an update".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::paths::{ContainerPath, HostPath};
    use crate::plan::Because;
    use crate::report::event::{After, Event, Updated};

    fn plain(exit: Exit) -> String {
        let text = Text::default().lines(&Event::Exit(exit));
        anstream::adapter::strip_str(&text).to_string()
    }

    fn exit(code: i64) -> Exit {
        Exit {
            service: "web".into(),
            container: "web-1".into(),
            code,
            out_of_memory: false,
            requested: false,
            waits: false,
            after: None,
        }
    }

    fn after_a_save(ms: u64) -> After {
        let first = HostPath::new("/p/src/a.py").unwrap();
        After {
            done: Done::Updated(Updated {
                first: Some((first, ContainerPath::new("/app/a.py"))),
                copied: 1,
                ..Updated::default()
            }),
            time: Duration::from_millis(ms),
        }
    }

    #[test]
    fn an_end_is_one_line_with_container_code_and_signal() {
        let memory = Exit {
            out_of_memory: true,
            ..exit(137)
        };
        let asked = Exit {
            requested: true,
            after: Some(after_a_save(40)),
            ..exit(143)
        };
        for (exit, line) in [
            (exit(0), "web  web-1 exited with code 0\n"),
            (exit(42), "web  web-1 exited with code 42\n"),
            (exit(137), "web  web-1 exited with code 137 (SIGKILL)\n"),
            (
                memory,
                "web  web-1 exited with code 137 (SIGKILL): out of memory\n",
            ),
            (
                asked,
                "web  web-1 was told to end and exited with code 143 (SIGTERM), 40 ms after /p/src/a.py -> /app/a.py\n",
            ),
        ] {
            assert_eq!(plain(exit), line);
        }
    }

    #[test]
    fn a_process_that_dies_within_seconds_of_an_update_is_the_updates_failure() {
        let soon = Exit {
            after: Some(after_a_save(40)),
            waits: true,
            ..exit(1)
        };
        assert_eq!(
            plain(soon),
            "web  failed: the process in web-1 exited with code 1, 40 ms after /p/src/a.py -> /app/a.py; the container waits \
             for the next save\nhint: fix it and save: the next change starts it again\n"
        );
        let done = Exit {
            after: Some(after_a_save(40)),
            ..exit(0)
        };
        assert_eq!(
            plain(done),
            "web  web-1 exited with code 0, 40 ms after /p/src/a.py -> /app/a.py\n"
        );
        let late = Exit {
            after: Some(after_a_save(10_001)),
            ..exit(1)
        };
        assert_eq!(plain(late), "web  web-1 exited with code 1\n");
        let rebuilt = Exit {
            after: Some(After {
                done: Done::Rebuilt(Because::Asked),
                time: Duration::from_secs(2),
            }),
            ..exit(1)
        };
        assert!(plain(rebuilt).starts_with(&format!(
            "web  failed: web-1 exited with code 1, 2.0 s after the rebuild ({})\n",
            Because::Asked
        )));
    }
}
