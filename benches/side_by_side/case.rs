//! The cases: what is saved, what each tool is told to do about it, and what is to be seen. Starts nothing.

use std::fs;
use std::path::Path;

use clap::ValueEnum;

use super::effect::Effect;
use super::tools::{Result, Tool};

/// One thing that people do, and wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Case {
    /// One file saved.
    Save,
    /// One file saved, and a command has finished.
    Command,
    /// One file saved, and the container has restarted.
    Restart,
    /// One file saved, and the process has restarted: `restart_process` against the other's restart.
    Process,
    /// 1,000 files of 10 KB rewritten.
    Thousand,
    /// 10,000 files of 1 KB rewritten.
    TenThousand,
    /// One file of 300 MB rewritten.
    Large,
    /// A directory of 1,000 files deleted.
    Delete,
    /// Memory and processor time while nothing happens.
    Idle,
}

/// Files in one directory of a large tree.
const PER_DIRECTORY: usize = 100;

impl Case {
    /// The table's first column.
    pub fn title(self) -> &'static str {
        match self {
            Self::Save => "one file saved, visible in the container",
            Self::Command => "saved, and a command has finished",
            Self::Restart => "saved, and the container has restarted",
            Self::Process => "saved, and the process has restarted",
            Self::Thousand => "1,000 files of 10 KB rewritten",
            Self::TenThousand => "10,000 files of 1 KB rewritten",
            Self::Large => "one file of 300 MB rewritten",
            Self::Delete => "directory of 1,000 files deleted",
            Self::Idle => "resident memory while watching, idle processor time",
        }
    }

    /// A part of project names.
    pub fn slug(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// How many rounds are counted when `runs` are asked for.
    pub fn rounds(self, runs: usize) -> usize {
        match self {
            Self::Thousand | Self::TenThousand | Self::Large | Self::Delete => runs.div_ceil(3),
            Self::Save | Self::Command | Self::Restart | Self::Process => runs,
            Self::Idle => 0,
        }
    }

    /// What `tool` is told, as part of the service in the compose file.
    pub fn block(self, tool: Tool) -> &'static str {
        match (tool.is_ours(), self) {
            (true, Self::Command) => {
                "x-live-update: [{sync: './src:/app/src'}, {run: cp /app/src/app.txt /out/copied}]"
            }
            (true, Self::Restart) => "x-live-update: [{sync: './src:/app/src'}, restart_container]",
            (true, Self::Process) => "x-live-update: [{sync: './src:/app/src'}, restart_process]",
            (true, _) => "x-live-update: [{sync: './src:/app/src'}]",
            (false, Self::Command) => {
                "develop: {watch: [{action: sync+exec, path: ./src, target: /app/src, \
                 exec: {command: cp /app/src/app.txt /out/copied}}]}"
            }
            (false, Self::Restart | Self::Process) => {
                "develop: {watch: [{action: sync+restart, path: ./src, target: /app/src}]}"
            }
            (false, _) => "develop: {watch: [{action: sync, path: ./src, target: /app/src}]}",
        }
    }

    /// The tree before the first build.
    pub fn plant(self, source: &Path) -> Result<()> {
        fs::create_dir_all(source)?;
        fs::write(source.join("app.txt"), "round none\n")?;
        self.rewrite_tree(source, 0)?;
        Ok(())
    }

    /// The user's part of one round; a warm-up is round 0. Returns what is to be seen, `merged` being the container.
    pub fn save(self, source: &Path, merged: &Path, round: usize) -> Result<Effect> {
        let content = one_file(round);
        let seen_at = match self {
            Self::Save | Self::Idle => "app/src/app.txt",
            Self::Command => "out/copied",
            Self::Restart | Self::Process => "out/started",
            Self::Thousand | Self::TenThousand | Self::Large => {
                let files = self.rewrite_tree(source, round + 1)?;
                let size = self.size(round + 1);
                return Ok(Effect::files(source, &merged.join("app/src"), &files, size));
            }
            Self::Delete => {
                fs::remove_dir_all(source.join("tree"))?;
                return Ok(Effect::Gone(merged.join("app/src/tree")));
            }
        };
        fs::write(source.join("app.txt"), &content)?;
        Ok(Effect::Content(merged.join(seen_at), content))
    }

    /// What makes the next round possible, off the clock; what is to be seen before it begins.
    pub fn restore(self, source: &Path, merged: &Path, round: usize) -> Result<Option<Effect>> {
        if self != Self::Delete {
            return Ok(None);
        }
        let files = self.rewrite_tree(source, round + 1)?;
        let size = self.size(round + 1);
        Ok(Some(Effect::files(
            source,
            &merged.join("app/src"),
            &files,
            size,
        )))
    }

    fn tree(self) -> (usize, usize) {
        match self {
            Self::Thousand | Self::Idle => (1_000, 10_240),
            Self::TenThousand => (10_000, 1_024),
            Self::Large => (1, 300_000_000),
            Self::Delete => (1_000, 1_024),
            Self::Save | Self::Command | Self::Restart | Self::Process => (0, 0),
        }
    }

    /// Sizes differ from one round to the next, so that a look at the size tells that a file is whole and new.
    fn size(self, round: usize) -> usize {
        self.tree().1 + round % 50
    }

    fn rewrite_tree(self, source: &Path, round: usize) -> Result<Vec<String>> {
        let (count, _) = self.tree();
        let letter = [b'a' + u8::try_from(round % 26)?];
        let content = letter.repeat(self.size(round));
        let mut files = Vec::with_capacity(count);
        for index in 0..count {
            let directory = format!("tree/{:03}", index / PER_DIRECTORY);
            if index % PER_DIRECTORY == 0 {
                fs::create_dir_all(source.join(&directory))?;
            }
            let file = format!("{directory}/{:02}.txt", index % PER_DIRECTORY);
            fs::write(source.join(&file), &content)?;
            files.push(file);
        }
        Ok(files)
    }
}

fn one_file(round: usize) -> Vec<u8> {
    let mut content = format!("round {round}\n").into_bytes();
    content.resize(2_048, b'.');
    content
}
