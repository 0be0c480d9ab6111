//! Condition expressions.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{number, string};

/// On what a write depends. In the text `#name` stands for the attribute `name` itself, `:name` for a value given with it.
#[derive(Debug, Clone, Default)]
pub struct Condition {
    text: String,
    values: HashMap<String, AttributeValue>,
    /// The one revision at which the write happens, 0 = absent; `None`: at any.
    rev: Option<u64>,
}

impl Condition {
    /// None: the write always happens.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A condition in DynamoDB's own language.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Nothing is stored under the key.
    #[must_use]
    pub fn absent() -> Self {
        Self { rev: Some(0), ..Self::new("attribute_not_exists(#pk)") }
    }

    /// Something is stored under the key.
    #[must_use]
    pub fn present() -> Self {
        Self::new("attribute_exists(#pk)")
    }

    /// The item is at the revision that was read; 0 = it was absent.
    #[must_use]
    pub fn rev(seen: u64) -> Self {
        if seen == 0 {
            return Self::absent();
        }
        Self { rev: Some(seen), ..Self::new("#rev = :seen").value(":seen", number(seen)) }
    }

    /// Adds a value. Names are shared with those of the update, which all begin with `:set_`.
    #[must_use]
    pub fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    /// Adds a text.
    #[must_use]
    pub fn text(self, name: &str, value: impl Into<String>) -> Self {
        self.value(name, string(value))
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, name: &str, value: impl std::fmt::Display) -> Self {
        self.value(name, number(value))
    }

    /// Both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.text = match (self.text.is_empty(), other.text.is_empty()) {
            (true, _) => other.text,
            (_, true) => self.text,
            (false, false) => format!("({}) AND ({})", self.text, other.text),
        };
        self.values.extend(other.values);
        self.rev = self.rev.or(other.rev);
        self
    }

    /// The one revision at which the write happens, 0 = absent; `None` when it may happen at several.
    pub(super) fn at_rev(&self) -> Option<u64> {
        self.rev
    }

    pub(super) fn is_none(&self) -> bool {
        self.text.is_empty()
    }

    /// Text and values, for the request.
    pub(super) fn into_parts(self) -> (String, HashMap<String, AttributeValue>) {
        (self.text, self.values)
    }
}

/// The map of attribute names that an expression needs: each `#name` in it, to `name`.
pub(super) fn names(expression: &str, into: &mut HashMap<String, String>) {
    for part in expression.split('#').skip(1) {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        let (name, _) = part.split_at(end);
        into.insert(format!("#{name}"), name.to_owned());
    }
}
