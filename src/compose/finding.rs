//! What the readers and checks found, at a spot of the resolved model; places in files come later. Knows no files.

use crate::harmless;

use super::problem::{Severity, Which};

/// One step on the way into a YAML tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seg {
    /// The value of a key.
    Key(String),
    /// An item of a list, from 0.
    Index(usize),
}

/// A spot of the resolved model, and whom it concerns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct YamlPath {
    /// The service it concerns.
    pub service: Option<String>,
    /// The step it concerns.
    pub step: Option<Which>,
    /// The way to it from the model's root.
    pub path: Vec<Seg>,
}

impl YamlPath {
    /// The model's root.
    pub fn root() -> Self {
        Self::default()
    }

    /// `services.<name>`
    pub fn service(name: &str) -> Self {
        let mut spot = Self::root().key("services").key(name);
        spot.service = Some(name.to_owned());
        spot
    }

    /// The value of `key` here.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.down(Seg::Key(key.to_owned()))
    }

    /// The item at `index` here.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.down(Seg::Index(index))
    }

    fn down(&self, seg: Seg) -> Self {
        let mut spot = self.clone();
        spot.path.push(seg);
        spot
    }
}

/// One thing found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Whether it stops the start.
    pub severity: Severity,
    /// Where.
    pub at: YamlPath,
    /// The key is meant, not its value.
    pub on_key: bool,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// All that was found, in the order of reading.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The list.
    pub list: Vec<Finding>,
}

impl Findings {
    /// Something that stops the start.
    pub fn error(&mut self, at: &YamlPath, message: impl Into<String>, hint: Option<String>) {
        self.push(Severity::Error, at, false, &message.into(), hint);
    }

    /// The same about a key.
    pub fn error_on_key(
        &mut self,
        at: &YamlPath,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.push(Severity::Error, at, true, &message.into(), hint);
    }

    /// The same with an example of what to write, line by line.
    pub fn error_with_example(
        &mut self,
        at: &YamlPath,
        message: &str,
        hint: &str,
        example: &[String],
    ) {
        self.push(Severity::Error, at, true, message, None);
        let example: Vec<_> = example.iter().map(|line| harmless::value(line)).collect();
        if let Some(finding) = self.list.last_mut() {
            finding.hint = Some(format!("{hint}\n\n  {}", example.join("\n  ")));
        }
    }

    /// Something that hardly is what was meant.
    pub fn warning(&mut self, at: &YamlPath, message: impl Into<String>, hint: Option<String>) {
        self.push(Severity::Warning, at, false, &message.into(), hint);
    }

    fn push(
        &mut self,
        severity: Severity,
        at: &YamlPath,
        on_key: bool,
        message: &str,
        hint: Option<String>,
    ) {
        self.list.push(Finding {
            severity,
            at: at.clone(),
            on_key,
            // Names and values out of the files stand in both.
            message: harmless::value(message).into_owned(),
            hint: hint.map(|hint| harmless::value(&hint).into_owned()),
        });
    }

    /// Whether anything found stops the start.
    pub fn has_errors(&self) -> bool {
        self.list
            .iter()
            .any(|finding| finding.severity == Severity::Error)
    }
}
