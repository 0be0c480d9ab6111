//! What a command says: counts as a table or as JSON, and how far it is while it works.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};

use anyhow::Result;
use serde::Serialize;

/// Counts by name, and the sentence that stands above them.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was done, or would be.
    pub what: String,
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// How often what was found or done.
    pub counts: BTreeMap<String, usize>,
    /// One line each of what wants a person's eye.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Report {
    /// An empty one.
    #[must_use]
    pub fn of(what: &str, dry_run: bool) -> Self {
        Self { what: what.to_owned(), dry_run, ..Self::default() }
    }

    /// One more of a name.
    pub fn count(&mut self, name: &str) {
        *self.counts.entry(name.to_owned()).or_default() += 1;
    }

    /// How many of a name.
    #[must_use]
    pub fn of_name(&self, name: &str) -> usize {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// As a table.
    #[must_use]
    pub fn table(&self) -> String {
        let wide = self.counts.keys().map(String::len).max().unwrap_or_default();
        let dry = if self.dry_run { " (dry run: nothing was changed)" } else { "" };
        let rows: String = self.counts.iter().map(|(name, count)| format!("  {name:<wide$}  {count:>9}\n")).collect();
        let notes: String = self.notes.iter().map(|note| format!("{note}\n")).collect();
        let none = if self.counts.is_empty() { "  nothing\n" } else { "" };
        format!("{}{dry}\n{rows}{none}{notes}", self.what)
    }

    /// Prints it.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn print(&self, json: bool) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            writeln!(out, "{}", serde_json::to_string_pretty(self)?)?
        } else {
            write!(out, "{}", self.table())?
        }
        Ok(())
    }
}

/// A bar on standard error, where a person looks.
pub struct Progress {
    what: &'static str,
    shown: bool,
}

impl Progress {
    /// A bar for this work.
    #[must_use]
    pub fn of(what: &'static str) -> Self {
        Self { what, shown: std::io::stderr().is_terminal() }
    }

    /// `done` of `all`; of an unknown number when `all` is absent.
    pub fn at(&self, done: usize, all: Option<usize>) {
        if !self.shown {
            return;
        }
        // A bar that cannot be drawn is no reason to stop the work.
        let _ = write!(std::io::stderr(), "\r{}\x1b[K", self.line(done, all));
    }

    fn line(&self, done: usize, all: Option<usize>) -> String {
        match all {
            None => format!("{}: {done}", self.what),
            Some(all) => {
                let full = (done * 30).checked_div(all).unwrap_or(30).min(30);
                format!("{}: [{}{}] {done} of {all}", self.what, "#".repeat(full), "-".repeat(30 - full))
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = writeln!(std::io::stderr());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_grows_with_the_work() {
        let bar = Progress { what: "token rows", shown: false };
        assert_eq!(bar.line(0, Some(3)), format!("token rows: [{}] 0 of 3", "-".repeat(30)));
        assert_eq!(bar.line(1, Some(3)), format!("token rows: [{}{}] 1 of 3", "#".repeat(10), "-".repeat(20)));
        assert_eq!(bar.line(3, Some(3)), format!("token rows: [{}] 3 of 3", "#".repeat(30)));
        assert_eq!(bar.line(0, Some(0)), format!("token rows: [{}] 0 of 0", "#".repeat(30)), "nothing to do is done");
        assert_eq!(bar.line(7, None), "token rows: 7");
    }

    #[test]
    fn a_table_says_what_was_counted_and_whether_anything_was_changed() {
        let mut report = Report::of("Tokens", true);
        assert_eq!(report.table(), "Tokens (dry run: nothing was changed)\n  nothing\n");
        report.count("sealed anew");
        report.count("sealed anew");
        report.count("busy");
        report.notes.push("ws_1 xero: no context".to_owned());
        report.dry_run = false;
        assert_eq!(report.table(), "Tokens\n  busy                 1\n  sealed anew          2\nws_1 xero: no context\n");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["counts"], serde_json::json!({"busy": 1, "sealed anew": 2}));
    }
}
