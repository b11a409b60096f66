//! What the readers and checks found, located in the resolved model; `trace` finds the place in a file later. Knows no files.

use crate::harmless;

use super::problem::{Severity, Which};

/// One step of a path into a YAML tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seg {
    /// The value of a key.
    Key(String),
    /// An item of a list, from 0.
    Index(usize),
}

/// A path in the resolved model, and which service and step it belongs to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct YamlPath {
    /// The service it belongs to; `None` for what belongs to no service.
    pub service: Option<String>,
    /// The step it belongs to; `None` outside of steps.
    pub step: Option<Which>,
    /// The path from the model's root; empty for the root itself.
    pub path: Vec<Seg>,
}

impl YamlPath {
    /// The root of the model; belongs to no service.
    pub fn root() -> Self {
        Self::default()
    }

    /// The path `services.<name>`.
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

/// One error or warning, not yet located in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Whether it stops the start.
    pub severity: Severity,
    /// The value it is about.
    pub at: YamlPath,
    /// Whether it is about the key at `at` rather than the value.
    pub on_key: bool,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to write instead; may have several lines.
    pub hint: Option<String>,
}

/// All findings, in the order of reading.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// In the order of reading; empty when all is well.
    pub list: Vec<Finding>,
}

impl Findings {
    /// Adds an error: the project is not started.
    pub fn error(&mut self, at: &YamlPath, message: impl Into<String>, hint: Option<String>) {
        self.push(Severity::Error, at, false, &message.into(), hint);
    }

    /// Adds an error about a key rather than its value.
    pub fn error_on_key(
        &mut self,
        at: &YamlPath,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.push(Severity::Error, at, true, &message.into(), hint);
    }

    /// Adds an error with an example of what to write, one item per line.
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

    /// Adds a warning: it works, but was hardly meant.
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
            // Message and hint may quote names and values from the files.
            message: harmless::value(message).into_owned(),
            hint: hint.map(|hint| harmless::value(&hint).into_owned()),
        });
    }

    /// Whether any finding is an error.
    pub fn has_errors(&self) -> bool {
        self.list
            .iter()
            .any(|finding| finding.severity == Severity::Error)
    }
}
