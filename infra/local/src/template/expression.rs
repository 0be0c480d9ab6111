//! The intrinsic functions of CloudFormation that the template uses.

use std::collections::BTreeMap;

use super::{Template, TemplateError};

/// A value of the template, before it is worked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Written as it is; numbers and booleans as their text.
    Literal(String),
    /// `!Ref`: a parameter, a pseudo parameter such as `AWS::Region`, or a resource.
    Ref(String),
    /// `!GetAtt resource.attribute`.
    Attribute {
        /// Logical id.
        resource: String,
        /// Attribute, for example `Arn`.
        attribute: String,
    },
    /// `!Sub`: text with `${…}`.
    Substitute(String),
    /// `!If`.
    If {
        /// Name of a condition.
        condition: String,
        /// Value when it holds.
        then: Box<Expression>,
        /// Value when it does not.
        otherwise: Box<Expression>,
    },
    /// A list, where an element may be one.
    List(Vec<Expression>),
}

/// A condition of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `!Equals`.
    Equals(Expression, Expression),
    /// `!Not`.
    Not(Box<Condition>),
}

/// What `!Ref` and `!GetAtt` answer in the cloud that is being built.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    /// Parameters (before their defaults), pseudo parameters and resources.
    pub references: BTreeMap<String, String>,
    /// Attributes by `resource.attribute`.
    pub attributes: BTreeMap<String, String>,
}

impl Bindings {
    /// Binds `!Ref name`.
    #[must_use]
    pub fn reference(mut self, name: &str, value: &str) -> Self {
        self.references.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Binds `!GetAtt resource.attribute`.
    #[must_use]
    pub fn attribute(mut self, resource: &str, attribute: &str, value: &str) -> Self {
        self.attributes.insert(format!("{resource}.{attribute}"), value.to_owned());
        self
    }
}

impl Expression {
    /// The literal text, when it is one.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        if let Self::Literal(text) = self { Some(text) } else { None }
    }

    /// Whether the text, or a part of it, is this literal.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        match self {
            Self::Literal(own) | Self::Substitute(own) | Self::Ref(own) => own.contains(text),
            Self::Attribute { resource, attribute } => format!("{resource}.{attribute}").contains(text),
            Self::If { then, otherwise, .. } => then.mentions(text) || otherwise.mentions(text),
            Self::List(items) => items.iter().any(|item| item.mentions(text)),
        }
    }
}

fn unresolved(element: &str, problem: &str) -> TemplateError {
    TemplateError { element: element.to_owned(), line: None, problem: problem.to_owned() }
}

fn reference(template: &Template, name: &str, bindings: &Bindings) -> Result<String, TemplateError> {
    if let Some(bound) = bindings.references.get(name) {
        return Ok(bound.clone());
    }
    template
        .parameters
        .get(name)
        .and_then(|parameter| parameter.default.clone())
        .ok_or_else(|| unresolved(name, "is neither bound nor a parameter with a default"))
}

fn attribute(name: &str, bindings: &Bindings) -> Result<String, TemplateError> {
    bindings.attributes.get(name).cloned().ok_or_else(|| unresolved(name, "is an attribute that is not bound"))
}

fn holds(template: &Template, condition: &Condition, bindings: &Bindings) -> Result<bool, TemplateError> {
    match condition {
        Condition::Equals(left, right) => Ok(evaluate(template, left, bindings)? == evaluate(template, right, bindings)?),
        Condition::Not(inner) => Ok(!holds(template, inner, bindings)?),
    }
}

/// Works a value out.
pub(super) fn evaluate(template: &Template, expression: &Expression, bindings: &Bindings) -> Result<String, TemplateError> {
    match expression {
        Expression::Literal(text) => Ok(text.clone()),
        Expression::Ref(name) => reference(template, name, bindings),
        Expression::Attribute { resource, attribute: name } => attribute(&format!("{resource}.{name}"), bindings),
        Expression::Substitute(text) => {
            let mut out = String::new();
            let mut rest = text.as_str();
            while let Some((before, after)) = rest.split_once("${") {
                let (name, tail) = after.split_once('}').ok_or_else(|| unresolved(text, "has `${` without `}`"))?;
                out.push_str(before);
                if let Some(literal) = name.strip_prefix('!') {
                    out.push_str("${");
                    out.push_str(literal);
                    out.push('}');
                } else if name.contains('.') {
                    out.push_str(&attribute(name, bindings)?);
                } else {
                    out.push_str(&reference(template, name, bindings)?);
                }
                rest = tail;
            }
            out.push_str(rest);
            Ok(out)
        }
        Expression::If { condition, then, otherwise } => {
            let named = template.conditions.get(condition).ok_or_else(|| unresolved(condition, "is not a condition of the template"))?;
            let branch = if holds(template, named, bindings)? { then } else { otherwise };
            evaluate(template, branch, bindings)
        }
        Expression::List(_) => Err(unresolved("list", "is a list where one value is wanted")),
    }
}
