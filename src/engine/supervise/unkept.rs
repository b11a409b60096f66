//! Processes that cannot run under the helper: recognised by their command line, or by how their start failed. Pure.

use std::time::Duration;

use super::init;
use crate::harmless;

/// A start that fails because of the helper fails within this time.
pub(super) const AT_ONCE: Duration = Duration::from_secs(5);

/// Programs that work only as process 1, in whatever directory they are.
const INITS: [&str; 5] = [
    "systemd",
    "runit",
    "runit-init",
    "openrc-init",
    "s6-linux-init",
];
/// The directories in which a program called `init` is one too; elsewhere it may be anything. A bare name is looked for in them.
const HOMES_OF_INIT: [&str; 6] = [
    "",
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/sbin",
];
const SHELLS: [&str; 4] = ["sh", "ash", "bash", "dash"];

/// The init system in `argv` that has to be process 1; `None` when there is none.
pub(super) fn own_init(argv: &[String]) -> Option<&str> {
    let mut words = argv.iter().map(String::as_str);
    let program = words.next()?;
    if is_init(program) {
        return Some(program);
    }
    match name_of(program) {
        "busybox" => words.next().filter(|applet| *applet == "init"),
        shell if SHELLS.contains(&shell) => {
            let mut script = words
                .skip_while(|word| *word != "-c")
                .nth(1)?
                .split_whitespace();
            let first = script.next()?;
            let program = if first == "exec" {
                script.next()?
            } else {
                first
            };
            is_init(program).then_some(program)
        }
        // A wrapper that runs its arguments in the end.
        wrapper if is_script(wrapper) || wrapper.contains("entrypoint") => words
            .next()
            .filter(|next| next.starts_with('/') && is_init(next)),
        _ => None,
    }
}

fn is_init(program: &str) -> bool {
    let (folder, name) = program.rsplit_once('/').unwrap_or(("", program));
    INITS.contains(&name) || (name == "init" && HOMES_OF_INIT.contains(&folder))
}

fn is_script(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, kind)| kind == "sh")
}

fn name_of(program: &str) -> &str {
    program.rsplit_once('/').map_or(program, |(_, name)| name)
}

/// Why a supervised container that ended at once with `code` did so because of the helper; `said` is the end of its log. `None`
/// when the process itself may be the cause.
pub(super) fn failed_start(code: i64, said: &str) -> Option<String> {
    const SYS: i64 = 31;
    /// Signals for errors in a program's own code: `ILL`, `TRAP`, `ABRT`, `BUS`, `SEGV`.
    const MISTAKES: [i64; 5] = [4, 5, 6, 7, 11];
    if code == 0 {
        return None;
    }
    let words = said.to_lowercase();
    if let Some(line) = line_with(said, wants_to_be_first) {
        return Some(format!(
            "its process has to be process 1 (`{}`)",
            harmless::value(line)
        ));
    }
    if let Some(line) = line_with(said, is_about_the_helper) {
        return Some(format!(
            "the helper could not start its process (`{}`)",
            harmless::value(line)
        ));
    }
    if code == 128 + SYS {
        return Some(
            "its seccomp profile kills the helper, or what it does for the process".to_owned(),
        );
    }
    // Whatever the cause, the process had not written anything yet.
    (words.trim().is_empty() && MISTAKES.contains(&(code - 128)))
        .then(|| format!("the helper crashed with code {code}"))
}

/// Why the engine refused to start a container because of the helper; `None` for other reasons.
pub(super) fn refused_start(error: &str) -> Option<String> {
    error.contains(&init()).then(|| {
        format!(
            "the engine cannot start the helper there (`{}`)",
            harmless::value(error.trim())
        )
    })
}

fn line_with(said: &str, is_it: impl Fn(&str) -> bool) -> Option<&str> {
    said.lines()
        .map(str::trim)
        .find(|line| is_it(&line.to_lowercase()))
}

/// Whether it says that the program must be process 1: `must be run as PID 1`, `can only run as pid 1`, `runit must be run as
/// process no 1` .. and systemd's words.
fn wants_to_be_first(line: &str) -> bool {
    const ONES: [&str; 6] = [
        "pid 1",
        "pid1",
        "pid=1",
        "process 1",
        "process no 1",
        "process number 1",
    ];
    let ends_there = |one: &str| {
        line.match_indices(one).any(|(at, _)| {
            let next = line[at + one.len()..].chars().next();
            !next.is_some_and(|next| next.is_ascii_digit())
        })
    };
    ONES.iter().any(|one| ends_there(one)) || line.contains("trying to run as user instance")
}

/// Whether it is the runtime's error that the helper cannot be executed, or the helper's own that it cannot start the program.
fn is_about_the_helper(line: &str) -> bool {
    let forbidden = ["operation not permitted", "function not implemented"];
    (line.contains(&init()) && line.contains("exec"))
        || (line.starts_with("cannot start `")
            && forbidden.iter().any(|reason| line.ends_with(reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init_of(argv: &str) -> Option<String> {
        let argv: Vec<String> = argv.split('|').map(str::to_owned).collect();
        own_init(&argv).map(str::to_owned)
    }

    #[test]
    fn an_init_that_has_to_be_process_1_is_known_by_what_it_is() {
        for (argv, init) in [
            ("/init", "/init"),
            ("/init|nginx", "/init"),
            ("/sbin/init", "/sbin/init"),
            ("init", "init"),
            ("busybox|init", "init"),
            ("/bin/busybox|init", "init"),
            ("/lib/systemd/systemd", "/lib/systemd/systemd"),
            (
                "/usr/lib/systemd/systemd|--unit=x",
                "/usr/lib/systemd/systemd",
            ),
            ("runit-init", "runit-init"),
            ("/bin/sh|-c|exec /sbin/init", "/sbin/init"),
            ("sh|-ec|x", ""),
            ("bash|-c|/init", "/init"),
            ("/docker-entrypoint.sh|/sbin/init", "/sbin/init"),
            ("/entrypoint|/init", "/init"),
            // These work under others, or are something else.
            ("tini|--|python", ""),
            ("/usr/bin/dumb-init|node", ""),
            ("/app/init", ""),
            ("/app/bin/init|/init", ""),
            ("python|init", ""),
            ("/docker-entrypoint.sh|init", ""),
            ("sh|-c|make && /init", ""),
            ("sh|-c|", ""),
            ("sh|-c", ""),
            ("", ""),
        ] {
            assert_eq!(init_of(argv).unwrap_or_default(), init, "{argv}");
        }
        assert_eq!(own_init(&[]), None);
    }

    #[test]
    fn a_start_that_failed_for_the_helpers_sake_is_told_from_a_process_of_no_use() {
        for (code, said, known) in [
            (1, "init: must be run as PID 1", true),
            (
                100,
                "s6-overlay-suexec: fatal: can only run as pid 1\n",
                true,
            ),
            (111, "x\nrunit: fatal: must be run as process no 1.\n", true),
            (
                1,
                "Trying to run as user instance, but the system has not been booted with systemd.",
                true,
            ),
            (255, "exec /.liveupdate/init: exec format error", true),
            (
                1,
                "exec /.liveupdate/init: no such file or directory\n",
                true,
            ),
            (
                126,
                "cannot start `/app/run`: operation not permitted",
                true,
            ),
            (159, "", true),
            (159, "Bad system call", true),
            (139, " \n", true),
            // Its own matter.
            (139, "starting\n", false),
            (1, "", false),
            (1, "worker with pid 12 died", false),
            (
                127,
                "cannot start `/app/run`: no such file or directory",
                false,
            ),
            (126, "cannot start `/app/run`: permission denied", false),
            (0, "must be run as PID 1", false),
            (137, "", false),
        ] {
            assert_eq!(failed_start(code, said).is_some(), known, "{code} {said}");
        }
    }

    #[test]
    fn a_refusal_to_start_the_helper_is_known_by_its_name() {
        let refusal = "OCI runtime create failed: exec: \"/.liveupdate/init\": permission denied";
        assert!(refused_start(refusal).is_some());
        assert_eq!(refused_start("port is already allocated"), None);
    }
}
