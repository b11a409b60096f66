//! All exit codes.

/// How the tool ends. The numbers are part of the interface: scripts and CI rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// 0: done; `check` found no problem, `verify` found no difference.
    Ok,
    /// 1: the configuration has problems, `verify` found that a container differs from the host, or the project has an `up` already.
    Problems,
    /// 2: Docker could not do it: no engine, no permission on its socket, no Compose plugin or one too old, a failed `docker compose`.
    Docker,
    /// 125: the command line is wrong, as in Docker's own commands.
    Usage,
    /// 130: ended from outside (Ctrl-C, SIGTERM, closed terminal), as with `docker compose up`.
    Interrupted,
}

impl ExitCode {
    /// Every code, in ascending order.
    pub const ALL: [Self; 5] = [
        Self::Ok,
        Self::Problems,
        Self::Docker,
        Self::Usage,
        Self::Interrupted,
    ];

    /// The code as a number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Problems => 1,
            Self::Docker => 2,
            Self::Usage => 125,
            Self::Interrupted => 130,
        }
    }

    /// What the code means, in the words of help and README.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done, nothing wrong",
            Self::Problems => {
                "the configuration has problems, `verify` found a difference, or `up` runs already"
            }
            Self::Docker => {
                "Docker could not do it: no engine, no Compose, a failed build or start"
            }
            Self::Usage => "the command line is wrong",
            Self::Interrupted => "ended by Ctrl-C, SIGTERM or a closed terminal",
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}

#[cfg(test)]
mod tests {
    use super::ExitCode;

    #[test]
    fn every_exit_code_has_its_own_number() {
        let codes: Vec<u8> = ExitCode::ALL.iter().map(|code| code.code()).collect();
        assert_eq!(codes, [0, 1, 2, 125, 130]);
    }
}
