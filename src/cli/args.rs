//! The command line as clap reads it: names, help and shapes. What it means is in [`super::invocation`].

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueHint};

use super::invocation::{Ansi, Format, Scale};

/// Docker's own layout of a help text.
const ROOT_TEMPLATE: &str = "Usage:  {usage}\n\n{about-with-newline}\nOptions:\n{options}\n\nCommands:\n{subcommands}{after-help}";
const TEMPLATE: &str = "Usage:  {usage}\n\n{about-with-newline}\n{all-args}{after-help}";

#[derive(Debug, Parser)]
#[command(
    name = "docker liveupdate",
    bin_name = "docker liveupdate",
    version = concat!("v", env!("CARGO_PKG_VERSION")),
    about = "Live Update for Docker Compose: edits reach the running containers at once",
    override_usage = "docker liveupdate [OPTIONS] COMMAND",
    help_template = ROOT_TEMPLATE,
    subcommand_value_name = "COMMAND",
    disable_help_subcommand = true,
    disable_version_flag = true,
    after_help = super::usage::ROOT_EXAMPLES,
    // As in Docker's own commands, the last one wins: an alias with `--keep` can be followed by another `--keep`.
    args_override_self = true,
    max_term_width = 100,
)]
pub struct CommandLine {
    #[command(flatten)]
    pub compose: ComposeFlags,
    /// Show the version
    #[arg(short = 'v', long)]
    pub version: bool,
    #[command(subcommand)]
    pub command: Option<CommandArgs>,
}

/// Compose's own flags, as after `docker compose`.
#[derive(Debug, Args)]
pub struct ComposeFlags {
    /// Compose configuration files
    #[arg(short, long = "file", value_name = "FILE", value_hint = ValueHint::FilePath,
        value_parser = OsStringValueParser::new().try_map(compose_file))]
    pub file: Vec<PathBuf>,
    /// Project name
    #[arg(short, long, value_name = "NAME")]
    pub project_name: Option<String>,
    /// Specify a profile to enable
    #[arg(long, value_name = "PROFILE")]
    pub profile: Vec<String>,
    /// Specify an alternate environment file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub env_file: Vec<PathBuf>,
    /// Specify an alternate working directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub project_directory: Option<PathBuf>,
    /// Control when to print ANSI control characters ("never"|"always"|"auto")
    #[arg(long, value_name = "WHEN", value_enum, hide_possible_values = true)]
    pub ansi: Option<Ansi>,
    /// Set type of progress output ("auto"|"tty"|"plain"|"json"|"quiet")
    #[arg(long, value_name = "TYPE", hide_possible_values = true, value_parser = ["auto", "tty", "plain", "json", "quiet"])]
    pub progress: Option<String>,
    /// Control max parallelism of Compose, -1 for unlimited
    #[arg(long, value_name = "NUMBER", value_parser = number, allow_negative_numbers = true)]
    pub parallel: Option<i32>,
    /// Run Compose in backward compatibility mode
    #[arg(long)]
    pub compatibility: bool,
}

fn compose_file(value: std::ffi::OsString) -> Result<PathBuf, &'static str> {
    if value == "-" {
        return Err(
            "standard input can be read only once, and the files are read again when they change",
        );
    }
    Ok(value.into())
}

fn seconds(text: &str) -> Result<u32, &'static str> {
    text.parse()
        .map_err(|_| "write a number of seconds, such as 10")
}

fn number(text: &str) -> Result<i32, &'static str> {
    text.parse().map_err(|_| "write a number, such as 4")
}

#[derive(Debug, Subcommand)]
pub enum CommandArgs {
    /// Build, start, follow the logs and live-update, until Ctrl-C
    #[command(override_usage = "docker liveupdate up [OPTIONS] [SERVICE...]", help_template = TEMPLATE,
        after_help = super::usage::UP_EXAMPLES)]
    Up(UpArgs),
    /// Check the configuration and show all of its problems
    #[command(override_usage = "docker liveupdate check [OPTIONS]", help_template = TEMPLATE)]
    Check(FormatArgs),
    /// Explain what a change of a file does: which rule, which step, where to, and why
    #[command(override_usage = "docker liveupdate explain [OPTIONS] FILE...", help_template = TEMPLATE,
        after_help = super::usage::EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// Show the plan for some changes as one batch, and touch nothing
    #[command(override_usage = "docker liveupdate plan [OPTIONS] [FILE...]", help_template = TEMPLATE,
        after_help = super::usage::PLAN_EXAMPLES)]
    Plan(PlanArgs),
    /// Compare the containers' synced paths with the host by content
    #[command(override_usage = "docker liveupdate verify [OPTIONS] [SERVICE...]", help_template = TEMPLATE,
        after_help = super::usage::VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Print the JSON Schema of x-live-update, for editors
    #[command(override_usage = "docker liveupdate schema", help_template = TEMPLATE)]
    Schema,
    /// Print the x-live-update block that does what develop.watch does
    #[command(override_usage = "docker liveupdate convert [SERVICE...]", help_template = TEMPLATE)]
    Convert(ServicesArgs),
    /// Stop and remove containers and networks, as `docker compose down` does; nothing of `up` is left
    #[command(override_usage = "docker liveupdate down [OPTIONS] [SERVICE...]", help_template = TEMPLATE)]
    Down(DownArgs),
    /// Show the version
    #[command(override_usage = "docker liveupdate version [OPTIONS]", help_template = TEMPLATE)]
    Version(VersionArgs),
}

#[derive(Debug, Args)]
pub struct ServicesArgs {
    /// Services; all of the project's when none is named
    #[arg(value_name = "SERVICE", hide = true)]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct FormatArgs {
    /// Format of the output: "text" for people, "json" for programs, one object a line
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub format: Format,
}

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one per flag of the command line"
)]
pub struct UpArgs {
    /// Start what there is, without a first build
    #[arg(long, overrides_with = "build")]
    pub no_build: bool,
    /// Build images before starting containers (the default)
    #[arg(long, hide = true)]
    pub build: bool,
    /// Don't show the containers' logs
    #[arg(long)]
    pub no_logs: bool,
    /// Leave the containers running at the end
    #[arg(long)]
    pub keep: bool,
    #[command(flatten)]
    pub format: FormatArgs,
    /// Recreate containers even if their configuration and image haven't changed
    #[arg(long)]
    pub force_recreate: bool,
    /// Don't start linked services
    #[arg(long)]
    pub no_deps: bool,
    /// Pull images before the first build and start ("always"|"missing"|"never")
    #[arg(long, value_name = "POLICY", hide_possible_values = true, value_parser = ["always", "missing", "never"])]
    pub pull: Option<String>,
    /// Pull without printing progress information
    #[arg(long)]
    pub quiet_pull: bool,
    /// Remove containers for services not defined in the Compose file
    #[arg(long)]
    pub remove_orphans: bool,
    /// Recreate anonymous volumes instead of retrieving data from the previous containers
    #[arg(short = 'V', long)]
    pub renew_anon_volumes: bool,
    /// Scale SERVICE to NUM instances
    #[arg(long, value_name = "SERVICE=NUM")]
    pub scale: Vec<Scale>,
    /// Seconds that containers get to stop at the end
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<u32>,
    /// Accepted as `docker compose up` does; it is what this command is for
    #[arg(short, long, hide = true)]
    pub watch: bool,
    /// Produce monochrome output
    #[arg(long, hide = true)]
    pub no_color: bool,
    #[command(flatten)]
    pub services: ServicesArgs,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    pub format: FormatArgs,
    /// Files on the host; they need not exist
    #[arg(value_name = "FILE", required = true, hide = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Plan for the files that git sees as changed since this revision (without files: HEAD)
    #[arg(long, value_name = "REV", conflicts_with = "files")]
    pub since: Option<String>,
    #[command(flatten)]
    pub format: FormatArgs,
    /// Files on the host; a file that does not exist counts as deleted
    #[arg(value_name = "FILE", hide = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Repair what differs
    #[arg(long)]
    pub fix: bool,
    #[command(flatten)]
    pub format: FormatArgs,
    #[command(flatten)]
    pub services: ServicesArgs,
}

#[derive(Debug, Args)]
pub struct DownArgs {
    /// Remove containers for services not defined in the Compose file
    #[arg(long)]
    pub remove_orphans: bool,
    /// Remove images used by services ("local"|"all"); "local" only those without a custom tag
    #[arg(long, value_name = "WHICH", hide_possible_values = true, value_parser = ["local", "all"])]
    pub rmi: Option<String>,
    /// Seconds that containers get to stop
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<u32>,
    /// Remove named and anonymous volumes
    #[arg(short, long)]
    pub volumes: bool,
    #[command(flatten)]
    pub services: ServicesArgs,
}

#[derive(Debug, Args)]
pub struct VersionArgs {
    #[command(flatten)]
    pub format: FormatArgs,
    /// Print the number alone
    #[arg(long)]
    pub short: bool,
}

impl CommandArgs {
    /// The command that `--version` stands for.
    pub fn version() -> Self {
        Self::Version(VersionArgs {
            format: FormatArgs {
                format: Format::Text,
            },
            short: false,
        })
    }
}
