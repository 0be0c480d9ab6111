//! The part of `$filter` that is modelled (vendor notes, section 3): comparisons, `and`, `or` over one field, brackets, `tolower`, `toupper`,
//! `contains`, `startswith`, `endswith`.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::cell::{Cell, Entity, Kind, Schema, date_or_undefined, decoded};
use super::reply::Refusal;

#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Text(String),
    Number(Decimal),
    Flag(bool),
    Guid(Uuid),
    Date(Date),
    Instant(Timestamp),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    Contains,
    StartsWith,
    EndsWith,
}

/// What is done to a text field before it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Kept,
    Lower,
    Upper,
}

/// A parsed filter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    #[doc(hidden)]
    One(One),
    All(Vec<Filter>),
    Any(Vec<Filter>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct One {
    position: usize,
    case: Case,
    compare: Compare,
    literal: Literal,
}

impl Filter {
    /// Whether an entity is selected.
    pub(crate) fn selects(&self, entity: &Entity) -> bool {
        match self {
            Self::One(one) => entity.cell(one.position).is_some_and(|cell| one.holds(cell)),
            Self::All(filters) => filters.iter().all(|filter| filter.selects(entity)),
            Self::Any(filters) => filters.iter().any(|filter| filter.selects(entity)),
        }
    }

    /// The value that a field must equal, when the filter says so at its top.
    pub(crate) fn guid(&self, position: usize) -> Option<Uuid> {
        match self {
            Self::One(One { position: at, compare: Compare::Eq, literal: Literal::Guid(id), .. }) if *at == position => Some(*id),
            Self::All(filters) => filters.iter().find_map(|filter| filter.guid(position)),
            Self::One(_) | Self::Any(_) => None,
        }
    }

    /// The text that a field must equal, case included, when the filter says so at its top.
    pub(crate) fn text(&self, position: usize) -> Option<&str> {
        match self {
            Self::One(One { position: at, case: Case::Kept, compare: Compare::Eq, literal: Literal::Text(text) }) if *at == position => {
                Some(text)
            }
            Self::All(filters) => filters.iter().find_map(|filter| filter.text(position)),
            Self::One(_) | Self::Any(_) => None,
        }
    }

    fn fields(&self, into: &mut Vec<usize>) {
        match self {
            Self::One(one) => into.push(one.position),
            Self::All(filters) | Self::Any(filters) => filters.iter().for_each(|filter| filter.fields(into)),
        }
    }
}

impl One {
    fn holds(&self, cell: &Cell) -> bool {
        let ordering = match (cell, &self.literal) {
            (Cell::Text(value), Literal::Text(literal)) => {
                let value = match self.case {
                    Case::Kept => value.clone(),
                    Case::Lower => value.to_lowercase(),
                    Case::Upper => super::customer::capitals(value),
                };
                match self.compare {
                    Compare::Contains => return value.contains(literal.as_str()),
                    Compare::StartsWith => return value.starts_with(literal.as_str()),
                    Compare::EndsWith => return value.ends_with(literal.as_str()),
                    Compare::Eq | Compare::Ne | Compare::Gt | Compare::Ge | Compare::Lt | Compare::Le => {
                        value.as_str().cmp(literal.as_str())
                    }
                }
            }
            (Cell::Choice(word), Literal::Text(literal)) => (*word).cmp(decoded(literal).as_str()),
            (Cell::Number(value), Literal::Number(literal)) => value.cmp(literal),
            (Cell::Flag(value), Literal::Flag(literal)) => value.cmp(literal),
            (Cell::Guid(value), Literal::Guid(literal)) => value.cmp(literal),
            (Cell::Date(value), Literal::Date(literal)) => date_or_undefined(*value).cmp(literal),
            (Cell::Instant(value), Literal::Instant(literal)) => value.cmp(literal),
            _ => return false,
        };
        match self.compare {
            Compare::Eq => ordering == Ordering::Equal,
            Compare::Ne => ordering != Ordering::Equal,
            Compare::Gt => ordering == Ordering::Greater,
            Compare::Ge => ordering != Ordering::Less,
            Compare::Lt => ordering == Ordering::Less,
            Compare::Le => ordering != Ordering::Greater,
            Compare::Contains | Compare::StartsWith | Compare::EndsWith => false,
        }
    }
}

/// Parses a filter on a type.
///
/// # Errors
/// 400 when it is no filter, or one that the service refuses; 501 when it uses what is not modelled.
pub(crate) fn parse(text: &str, schema: &Schema) -> Result<Filter, Refusal> {
    let mut parser = Parser { rest: text, schema, whole: text };
    let filter = parser.any()?;
    if parser.rest.trim_start().is_empty() { Ok(filter) } else { Err(parser.syntax()) }
}

struct Parser<'text> {
    rest: &'text str,
    schema: &'text Schema,
    whole: &'text str,
}

impl<'text> Parser<'text> {
    fn syntax(&self) -> Refusal {
        let at = self.whole.len().saturating_sub(self.rest.trim_start().len());
        Refusal::bad_request(format!("Syntax error at position {at} in '{}'.", self.whole))
    }

    fn eat(&mut self, token: &str) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn keyword(&mut self, word: &str) -> bool {
        let before = self.rest;
        if self.eat(word) && self.rest.starts_with([' ', '(']) {
            return true;
        }
        self.rest = before;
        false
    }

    fn any(&mut self) -> Result<Filter, Refusal> {
        let mut filters = vec![self.all()?];
        while self.keyword("or") {
            filters.push(self.all()?);
        }
        if filters.len() > 1 {
            let mut fields = Vec::new();
            filters.iter().for_each(|filter| filter.fields(&mut fields));
            fields.sort_unstable();
            fields.dedup();
            if fields.len() > 1 {
                // Section 3: refused by the service.
                let message = "The 'OR' operator isn't supported on distinct fields on an OData filter.";
                return Err(Refusal::error(400, "Application_FilterErrorException", message));
            }
        }
        Ok(single(filters, Filter::Any))
    }

    fn all(&mut self) -> Result<Filter, Refusal> {
        let mut filters = vec![self.one()?];
        while self.keyword("and") {
            filters.push(self.one()?);
        }
        Ok(single(filters, Filter::All))
    }

    fn one(&mut self) -> Result<Filter, Refusal> {
        if self.eat("(") {
            let inner = self.any()?;
            return if self.eat(")") { Ok(inner) } else { Err(self.syntax()) };
        }
        let word = self.word();
        match word {
            "" => Err(self.syntax()),
            "contains" | "startswith" | "endswith" => {
                let compare = match word {
                    "contains" => Compare::Contains,
                    "startswith" => Compare::StartsWith,
                    _ => Compare::EndsWith,
                };
                if !self.eat("(") {
                    return Err(self.syntax());
                }
                let (position, case) = self.operand()?;
                if !self.eat(",") {
                    return Err(self.syntax());
                }
                let literal = self.literal()?;
                if !self.eat(")") {
                    return Err(self.syntax());
                }
                self.checked(position, case, compare, literal)
            }
            "tolower" | "toupper" => {
                if !self.eat("(") {
                    return Err(self.syntax());
                }
                let inner = self.word();
                if inner == "trim" || inner == "tolower" || inner == "toupper" {
                    return Err(Refusal::not_modelled("nested functions, which need $schemaversion=2.1"));
                }
                let position = self.field(inner)?;
                if !self.eat(")") {
                    return Err(self.syntax());
                }
                let case = if word == "tolower" { Case::Lower } else { Case::Upper };
                self.comparison(position, case)
            }
            "not" | "length" | "trim" | "concat" | "substring" | "indexof" | "year" | "month" | "day" => {
                Err(Refusal::NotModelled(format!("{word} in $filter")))
            }
            name => {
                let position = self.field(name)?;
                self.comparison(position, Case::Kept)
            }
        }
    }

    /// A field, or `tolower(field)` inside `contains`.
    fn operand(&mut self) -> Result<(usize, Case), Refusal> {
        let word = self.word();
        if word == "tolower" || word == "toupper" {
            return Err(Refusal::not_modelled("nested functions, which need $schemaversion=2.1"));
        }
        Ok((self.field(word)?, Case::Kept))
    }

    fn comparison(&mut self, position: usize, case: Case) -> Result<Filter, Refusal> {
        let compare = match self.word() {
            "eq" => Compare::Eq,
            "ne" => Compare::Ne,
            "gt" => Compare::Gt,
            "ge" => Compare::Ge,
            "lt" => Compare::Lt,
            "le" => Compare::Le,
            "in" | "has" => return Err(Refusal::bad_request("The operator needs $schemaversion=2.1.")),
            _ => return Err(self.syntax()),
        };
        let literal = self.literal()?;
        self.checked(position, case, compare, literal)
    }

    /// A comparison whose types agree.
    fn checked(&self, position: usize, case: Case, compare: Compare, literal: Literal) -> Result<Filter, Refusal> {
        let Some(field) = self.schema.fields.get(position) else { return Err(self.syntax()) };
        if field.computed {
            return Err(Refusal::NotModelled(format!("$filter on {}, which the page computes", field.name)));
        }
        let text_only = case != Case::Kept || matches!(compare, Compare::Contains | Compare::StartsWith | Compare::EndsWith);
        let fits = match (field.kind, &literal) {
            (Kind::Text | Kind::Code(_), Literal::Text(_)) => true,
            (Kind::Choice, Literal::Text(_))
            | (Kind::Number, Literal::Number(_))
            | (Kind::Flag, Literal::Flag(_))
            | (Kind::Guid, Literal::Guid(_))
            | (Kind::Date, Literal::Date(_))
            | (Kind::Instant, Literal::Instant(_)) => !text_only,
            (Kind::Text | Kind::Code(_) | Kind::Choice | Kind::Number | Kind::Flag | Kind::Guid | Kind::Date | Kind::Instant, _) => false,
        };
        if !fits {
            let message = format!("A binary operator with incompatible types was detected on the property '{}'.", field.name);
            return Err(Refusal::bad_request(message));
        }
        if let (Kind::Code(most), Literal::Text(text)) = (field.kind, &literal)
            && text.chars().count() > most
        {
            let length = text.chars().count();
            let message = format!(
                "The filter \"='{text}'\" is not valid for the {} field. The length of the string is {length}, but it must be less than \
                 or equal to {most} characters. Value: {text}",
                field.name
            );
            return Err(Refusal::error(400, "Application_FilterErrorException", message));
        }
        Ok(Filter::One(One { position, case, compare, literal }))
    }

    fn field(&self, name: &str) -> Result<usize, Refusal> {
        self.schema.position(name).ok_or_else(|| {
            let message = format!("Could not find a property named '{name}' on type 'Microsoft.NAV.{}'.", self.schema.name);
            Refusal::bad_request(message)
        })
    }

    fn word(&mut self) -> &'text str {
        let rest = self.rest.trim_start();
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
        let (taken, left) = rest.split_at(end);
        self.rest = left;
        taken
    }

    fn literal(&mut self) -> Result<Literal, Refusal> {
        let rest = self.rest.trim_start();
        if let Some(quoted) = rest.strip_prefix('\'') {
            return self.string(quoted);
        }
        let end = rest.find([' ', ')', ',']).unwrap_or(rest.len());
        let (text, left) = rest.split_at(end);
        self.rest = left;
        match text {
            "" => Err(self.syntax()),
            "true" => Ok(Literal::Flag(true)),
            "false" => Ok(Literal::Flag(false)),
            "null" => Err(Refusal::not_modelled("null in $filter")),
            text => scalar(text).ok_or_else(|| self.syntax()),
        }
    }

    /// A string; a quote in it is doubled.
    fn string(&mut self, mut rest: &'text str) -> Result<Literal, Refusal> {
        let mut text = String::new();
        loop {
            let Some((part, after)) = rest.split_once('\'') else {
                return Err(Refusal::bad_request(format!("There is an unterminated string literal in '{}'.", self.whole)));
            };
            text.push_str(part);
            match after.strip_prefix('\'') {
                Some(more) => {
                    text.push('\'');
                    rest = more;
                }
                None => {
                    self.rest = after;
                    return Ok(Literal::Text(text));
                }
            }
        }
    }
}

fn scalar(text: &str) -> Option<Literal> {
    if text.len() == 36
        && let Ok(id) = Uuid::parse_str(text)
    {
        return Some(Literal::Guid(id));
    }
    if text.len() == 10
        && let Ok(date) = text.parse::<Date>()
    {
        return Some(Literal::Date(date));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(Literal::Instant(at));
    }
    Decimal::from_str_exact(text).ok().map(Literal::Number)
}

fn single(mut filters: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    match filters.pop() {
        Some(only) if filters.is_empty() => only,
        Some(last) => {
            filters.push(last);
            join(filters)
        }
        None => join(filters),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::business_central::cell::{computed, field};

    static SCHEMA: Schema = Schema {
        set: "things",
        name: "thing",
        fields: &[
            field("id", Kind::Guid),
            field("number", Kind::Code(5)),
            field("name", Kind::Text),
            field("kind", Kind::Choice),
            field("amount", Kind::Number),
            field("blocked", Kind::Flag),
            field("due", Kind::Date),
            computed("left", Kind::Number),
        ],
        parts: &[],
    };

    fn thing() -> Entity {
        let cells = vec![
            Cell::Guid(Uuid::from_u128(7)),
            Cell::from("A1"),
            Cell::from("O'Brien Ltd"),
            Cell::Choice("In Review"),
            Cell::Number(Decimal::new(125, 1)),
            Cell::Flag(false),
            Cell::Date(None),
            Cell::Number(Decimal::ONE),
        ];
        Entity { schema: &SCHEMA, etag: String::new(), cells, parts: Vec::new() }
    }

    #[test]
    fn what_is_modelled_selects() {
        for filter in [
            "name eq 'O''Brien Ltd'",
            "tolower(name) eq 'o''brien ltd'",
            "contains(name,'Brien') and blocked eq false",
            "kind eq 'In_x0020_Review' and kind eq 'In Review'",
            "amount ge 12.5 and amount le 12.5",
            "due eq 0001-01-01",
            "id eq 00000000-0000-0000-0000-000000000007",
            "(number eq 'B' or number eq 'A1') and startswith(name,'O')",
        ] {
            assert!(parse(filter, &SCHEMA).unwrap().selects(&thing()), "{filter}");
        }
        for filter in ["name eq 'o''brien ltd'", "tolower(name) eq 'O''Brien Ltd'", "number eq 'a1'", "blocked ne false", "amount lt 12"] {
            assert!(!parse(filter, &SCHEMA).unwrap().selects(&thing()), "{filter}");
        }
    }

    #[test]
    fn what_the_service_refuses_is_refused_and_the_rest_is_not_modelled() {
        for filter in [
            "",
            "name",
            "name eq",
            "name eq 'a",
            "name eq 'a' and",
            "nope eq 'a'",
            "id eq 'a'",
            "name eq 5",
            "tolower(amount) eq '1'",
            "name eq 'a' or number eq 'b'",
            "number eq '123456'",
            "number in ('a')",
        ] {
            let refusal = parse(filter, &SCHEMA).unwrap_err();
            assert_eq!(refusal.status(), 400, "{filter}: {refusal:?}");
        }
        for filter in ["not (name eq 'a')", "left eq 1", "name eq null", "contains(tolower(name),'a')"] {
            assert_eq!(parse(filter, &SCHEMA).unwrap_err().status(), 501, "{filter}");
        }
    }
}
