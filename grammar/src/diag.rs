//! What was wrong with an input and what was expected: plain data with a span, drawn by the caller in rustc's manner.
//!
//! Left out: drawing, colours, and the decision whether a diagnostic ends the run.

use crate::source::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The construct was understood in part; the answer says where that matters.
    Warning,
    /// The construct (a line, a rule) was lost.
    Error,
}

/// A message about one place in an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, `NT001`…; `docs/` has a paragraph for each.
    pub code: &'static str,
    /// Warning or error.
    pub severity: Severity,
    /// The place.
    pub span: Span,
    /// One sentence: what is wrong.
    pub message: String,
    /// The few words under the marked place, may be empty.
    pub label: String,
    /// What would have been accepted here, may be empty.
    pub expected: Vec<String>,
    /// A hint such as ``did you mean `--dport`?``.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without label, expectation or help.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            span,
            message: message.into(),
            label: String::new(),
            expected: Vec::new(),
            help: None,
        }
    }

    /// A warning without label, expectation or help.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// The same with the words under the marked place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The same with a hint.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
