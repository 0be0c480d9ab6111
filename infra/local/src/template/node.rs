//! An element of the YAML document that knows where it stands.

use std::collections::BTreeMap;

use serde_norway::Value;

use super::{Condition, Expression, TemplateError};

/// An element with its path.
#[derive(Clone)]
pub(super) struct Node<'a> {
    text: &'a str,
    value: &'a Value,
    path: Vec<String>,
}

impl<'a> Node<'a> {
    pub(super) fn root(text: &'a str, value: &'a Value) -> Self {
        Self { text, value, path: Vec::new() }
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> TemplateError {
        TemplateError { element: self.path.join("."), line: line_of(self.text, &self.path), problem: problem.into() }
    }

    fn child(&self, key: &str, value: &'a Value) -> Self {
        let mut path = self.path.clone();
        path.push(key.to_owned());
        Self { text: self.text, value, path }
    }

    /// The entries of a mapping.
    pub(super) fn entries(&self) -> Result<Vec<(&'a str, Node<'a>)>, TemplateError> {
        let mapping = self.value.as_mapping().ok_or_else(|| self.error("a mapping is wanted here"))?;
        mapping
            .iter()
            .map(|(key, value)| {
                let key = key.as_str().ok_or_else(|| self.error("has a key that is not text"))?;
                Ok((key, self.child(key, value)))
            })
            .collect()
    }

    /// The entry of this name.
    pub(super) fn get(&self, key: &str) -> Result<Option<Node<'a>>, TemplateError> {
        Ok(self.entries()?.into_iter().find(|(name, _)| *name == key).map(|(_, node)| node))
    }

    /// The entry of this name, which must be there.
    pub(super) fn required(&self, key: &str) -> Result<Node<'a>, TemplateError> {
        self.get(key)?.ok_or_else(|| self.error(format!("lacks `{key}`")))
    }

    /// Refuses entries other than these.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), TemplateError> {
        for (key, node) in self.entries()? {
            if !known.contains(&key) {
                return Err(node.error("is not understood here"));
            }
        }
        Ok(())
    }

    /// The elements of a list; a single value counts as a list of one, as in policies.
    pub(super) fn elements(&self) -> Vec<Node<'a>> {
        match self.value.as_sequence() {
            Some(sequence) => sequence.iter().enumerate().map(|(at, value)| self.child(&at.to_string(), value)).collect(),
            None => vec![self.clone()],
        }
    }

    /// Text, or the text of a number or boolean.
    pub(super) fn scalar(&self) -> Result<String, TemplateError> {
        let value = self.value;
        value
            .as_str()
            .map(str::to_owned)
            .or_else(|| value.as_bool().map(|flag| flag.to_string()))
            .or_else(|| value.as_u64().map(|number| number.to_string()))
            .or_else(|| value.as_i64().map(|number| number.to_string()))
            .ok_or_else(|| self.error("a plain value is wanted here"))
    }

    pub(super) fn flag(&self) -> Result<bool, TemplateError> {
        self.value.as_bool().ok_or_else(|| self.error("true or false is wanted here"))
    }

    pub(super) fn number(&self) -> Result<u64, TemplateError> {
        self.value.as_u64().ok_or_else(|| self.error("a number is wanted here"))
    }

    /// Text elements of a list.
    pub(super) fn scalars(&self) -> Result<Vec<String>, TemplateError> {
        self.elements().iter().map(Node::scalar).collect()
    }

    /// An intrinsic function in short (`!Ref x`) or long (`{Ref: x}`) form.
    fn intrinsic(&self) -> Option<(String, Node<'a>)> {
        if let Value::Tagged(tagged) = self.value {
            let name = tagged.tag.to_string();
            let name = name.trim_start_matches('!').to_owned();
            let mut inner = self.clone();
            inner.value = &tagged.value;
            return Some((name, inner));
        }
        let mapping = self.value.as_mapping()?;
        let (key, value) = mapping.iter().next().filter(|_| mapping.len() == 1)?;
        let name = key.as_str()?;
        let name = name.strip_prefix("Fn::").or((name == "Ref").then_some("Ref"))?;
        Some((name.to_owned(), self.child(key.as_str()?, value)))
    }

    pub(super) fn expression(&self) -> Result<Expression, TemplateError> {
        let Some((name, inner)) = self.intrinsic() else {
            if self.value.is_sequence() {
                let items = self.elements();
                let items = items.iter().map(Node::expression);
                return Ok(Expression::List(items.collect::<Result<_, _>>()?));
            }
            return Ok(Expression::Literal(self.scalar()?));
        };
        match name.as_str() {
            "Ref" => Ok(Expression::Ref(inner.scalar()?)),
            "GetAtt" => {
                let path = inner.scalars()?.join(".");
                let (resource, attribute) = path.split_once('.').ok_or_else(|| inner.error("`resource.attribute` is wanted here"))?;
                Ok(Expression::Attribute { resource: resource.to_owned(), attribute: attribute.to_owned() })
            }
            "Sub" => Ok(Expression::Substitute(inner.scalar()?)),
            "If" => match inner.elements().as_slice() {
                [condition, then, otherwise] => Ok(Expression::If {
                    condition: condition.scalar()?,
                    then: Box::new(then.expression()?),
                    otherwise: Box::new(otherwise.expression()?),
                }),
                _ => Err(inner.error("`If` wants a condition and two values")),
            },
            other => Err(self.error(format!("`{other}` is not a function that is understood here"))),
        }
    }

    pub(super) fn expressions(&self) -> Result<Vec<Expression>, TemplateError> {
        self.elements().iter().map(Node::expression).collect()
    }

    pub(super) fn condition(&self) -> Result<Condition, TemplateError> {
        let (name, inner) = self.intrinsic().ok_or_else(|| self.error("a condition is wanted here"))?;
        match (name.as_str(), inner.elements().as_slice()) {
            ("Equals", [left, right]) => Ok(Condition::Equals(left.expression()?, right.expression()?)),
            ("Not", [negated]) => Ok(Condition::Not(Box::new(negated.condition()?))),
            (other, _) => Err(self.error(format!("`{other}` is not a condition that is understood here"))),
        }
    }

    /// A mapping of names to values.
    pub(super) fn expression_map(&self) -> Result<BTreeMap<String, Expression>, TemplateError> {
        self.entries()?.into_iter().map(|(name, node)| Ok((name.to_owned(), node.expression()?))).collect()
    }
}

/// The line on which the element of this path begins, counted from 1: each key is looked for below and deeper than the one before.
/// List positions have no line of their own; the line is then the list's.
fn line_of(text: &str, path: &[String]) -> Option<usize> {
    let mut found = None;
    let mut from = 0_usize;
    let mut depth: Option<usize> = None;
    for key in path {
        let hit = text.lines().enumerate().skip(from).find(|(_, line)| {
            let indent = line.len() - line.trim_start().len();
            let name = line.trim_start().trim_start_matches("- ").trim_start_matches('"');
            depth.is_none_or(|outer| indent > outer)
                && name.strip_prefix(key.as_str()).is_some_and(|rest| rest.trim_start_matches('"').starts_with(':'))
        });
        if let Some((at, line)) = hit {
            found = Some(at + 1);
            from = at + 1;
            depth = Some(line.len() - line.trim_start().len());
        }
    }
    found
}
