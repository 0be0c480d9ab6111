//! Denials of a key policy.

use std::collections::BTreeMap;

use crate::template::{Effect, Statement, TemplateError};

/// A denial: these actions, when every one of these context keys is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denial {
    actions: Vec<String>,
    absent: Vec<String>,
}

impl Denial {
    /// Whether it refuses this call. Condition keys of one statement are joined by AND (AWS IAM User Guide, "Multiple context keys
    /// or values").
    pub(super) fn refuses(&self, action: &str, context: &BTreeMap<String, String>) -> bool {
        let meant = self.actions.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => action.starts_with(start),
            None => action == pattern,
        });
        meant && self.absent.iter().all(|name| !context.contains_key(name))
    }
}

/// The denials of a policy. Grants are not looked at: the double does not know who calls.
pub(super) fn denials(key: &str, statements: &[Statement]) -> Result<Vec<Denial>, TemplateError> {
    statements
        .iter()
        .filter(|statement| statement.effect == Effect::Deny)
        .map(|statement| {
            let not_modelled = |what: &str| TemplateError {
                element: format!(
                    "Resources.{key}.Properties.KeyPolicy ({})",
                    statement.sid.as_deref().unwrap_or("a statement without Sid")
                ),
                line: None,
                problem: format!("{what} is not modelled in a denial"),
            };
            let mut absent = Vec::new();
            for (operator, keys) in &statement.conditions {
                if operator != "Null" {
                    return Err(not_modelled(operator));
                }
                for (name, values) in keys {
                    let context_key = name.strip_prefix("kms:EncryptionContext:").ok_or_else(|| not_modelled(name))?;
                    if !matches!(values.as_slice(), [only] if only.literal() == Some("true")) {
                        return Err(not_modelled("Null with another value than true"));
                    }
                    absent.push(context_key.to_owned());
                }
            }
            Ok(Denial { actions: statement.actions.clone(), absent })
        })
        .collect()
}
