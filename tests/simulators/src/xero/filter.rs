//! The part of the `where` grammar that is modelled: `Field=="text"` and `Field==Guid("…")`, joined by `AND`, `OR` and brackets.
//!
//! The vendor documents neither escapes inside a string nor the single `=` (vendor notes, section 13): both are refused.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use uuid::Uuid;

use super::reply::Refusal;

/// A value that a field is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    Text(String),
    Guid(Uuid),
}

/// A parsed filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Clause {
    Equal(String, Literal),
    All(Vec<Clause>),
    Any(Vec<Clause>),
}

impl Clause {
    /// Whether a record is selected; `equal` compares one of its fields.
    pub(crate) fn selects(&self, equal: &dyn Fn(&str, &Literal) -> bool) -> bool {
        match self {
            Self::Equal(field, literal) => equal(field, literal),
            Self::All(clauses) => clauses.iter().all(|clause| clause.selects(equal)),
            Self::Any(clauses) => clauses.iter().any(|clause| clause.selects(equal)),
        }
    }
}

impl Literal {
    /// Equality of text as the vendor's database compares it: case does not count.
    pub(crate) fn is_text(&self, value: Option<&str>) -> bool {
        matches!((self, value), (Self::Text(text), Some(value)) if same_text(text, value))
    }

    /// The same, and accents do not count either (names; vendor notes, section 2).
    pub(crate) fn is_name(&self, value: &str) -> bool {
        matches!(self, Self::Text(text) if same_name(text, value))
    }

    pub(crate) fn is_guid(&self, value: Uuid) -> bool {
        *self == Self::Guid(value)
    }
}

fn same_text(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() { a.eq_ignore_ascii_case(b) } else { a.to_lowercase() == b.to_lowercase() }
}

fn same_name(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() { a.eq_ignore_ascii_case(b) } else { folded(a) == folded(b) }
}

fn folded(text: &str) -> String {
    text.nfd().filter(|letter| !is_combining_mark(*letter)).collect::<String>().to_lowercase()
}

/// Parses a filter whose fields are all in `modelled`.
///
/// # Errors
/// 400 when it is no filter at all; 501 when it uses what is not modelled.
pub(crate) fn parse(text: &str, modelled: &[&str]) -> Result<Clause, Refusal> {
    let mut parser = Parser { rest: text, modelled, whole: text };
    let clause = parser.any()?;
    if parser.rest.trim_start().is_empty() { Ok(clause) } else { Err(parser.unknown()) }
}

struct Parser<'text> {
    rest: &'text str,
    modelled: &'text [&'text str],
    whole: &'text str,
}

impl<'text> Parser<'text> {
    fn unknown(&self) -> Refusal {
        let rest = self.rest.trim_start();
        if rest.is_empty() {
            return Refusal::Query(format!("the where clause ends too early: {}", self.whole));
        }
        Refusal::NotModelled(format!("this where clause (at `{rest}`)"))
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

    /// A keyword is a whole word: `ORder` is none.
    fn keyword(&mut self, word: &str) -> bool {
        let before = self.rest;
        if self.eat(word) && self.rest.starts_with([' ', '(']) {
            return true;
        }
        self.rest = before;
        false
    }

    fn any(&mut self) -> Result<Clause, Refusal> {
        let first = self.all()?;
        let mut clauses = vec![first];
        while self.keyword("OR") {
            clauses.push(self.all()?);
        }
        Ok(single(clauses, Clause::Any))
    }

    fn all(&mut self) -> Result<Clause, Refusal> {
        let first = self.one()?;
        let mut clauses = vec![first];
        while self.keyword("AND") {
            clauses.push(self.one()?);
        }
        Ok(single(clauses, Clause::All))
    }

    fn one(&mut self) -> Result<Clause, Refusal> {
        if self.eat("(") {
            let inner = self.any()?;
            return if self.eat(")") { Ok(inner) } else { Err(self.unknown()) };
        }
        let field = self.take_while(|letter| letter.is_ascii_alphanumeric() || letter == '.');
        if field.is_empty() {
            return Err(self.unknown());
        }
        if !self.modelled.contains(&field) {
            return Err(Refusal::NotModelled(format!("a where clause on {field}")));
        }
        if !self.eat("==") {
            return Err(self.unknown());
        }
        let literal = if self.eat("Guid(") {
            let text = self.string()?;
            if !self.eat(")") {
                return Err(self.unknown());
            }
            Literal::Guid(Uuid::parse_str(&text).map_err(|_| Refusal::Query(format!("{text} is not a GUID")))?)
        } else {
            Literal::Text(self.string()?)
        };
        Ok(Clause::Equal(field.to_owned(), literal))
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'text str {
        let rest = self.rest.trim_start();
        let end = rest.find(|letter| !accept(letter)).unwrap_or(rest.len());
        let (taken, left) = rest.split_at(end);
        self.rest = left;
        taken
    }

    fn string(&mut self) -> Result<String, Refusal> {
        if !self.eat("\"") {
            return Err(self.unknown());
        }
        let Some((text, left)) = self.rest.split_once('"') else {
            return Err(Refusal::Query(format!("a string is not closed: {}", self.whole)));
        };
        if text.contains('\\') || left.starts_with('"') {
            return Err(Refusal::not_modelled("quotes and backslashes inside a where clause's string"));
        }
        self.rest = left;
        Ok(text.to_owned())
    }
}

fn single(mut clauses: Vec<Clause>, join: fn(Vec<Clause>) -> Clause) -> Clause {
    match clauses.pop() {
        Some(only) if clauses.is_empty() => only,
        Some(last) => {
            clauses.push(last);
            join(clauses)
        }
        None => join(clauses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [&str; 3] = ["Name", "EmailAddress", "ContactNumber"];

    fn selects(filter: &str, name: &str, email: &str) -> bool {
        parse(filter, &FIELDS).unwrap().selects(&|field, literal| match field {
            "Name" => literal.is_name(name),
            "EmailAddress" => literal.is_text(Some(email)),
            _ => false,
        })
    }

    #[test]
    fn and_binds_tighter_than_or_and_brackets_group() {
        let filter = r#"Name=="a" OR Name=="b" AND EmailAddress=="x@y.z""#;
        assert!(selects(filter, "a", ""));
        assert!(!selects(filter, "b", ""));
        assert!(selects(filter, "b", "X@y.z"));
        assert!(!selects(r#"(Name=="a" OR Name=="b") AND EmailAddress=="x@y.z""#, "a", ""));
    }

    #[test]
    fn names_compare_without_case_and_accents() {
        assert!(selects(r#"Name=="CAFE noir""#, "Café Noir", ""));
        assert!(!selects(r#"EmailAddress=="rene@x.fr""#, "", "rené@x.fr"));
    }

    #[test]
    fn what_is_not_modelled_is_refused_and_what_is_no_filter_is_a_query_error() {
        for filter in [
            r#"Name="a""#,
            r#"Name.ToLower()=="a""#,
            r#"Name.Contains("a")"#,
            r#"Phone=="a""#,
            r#"Name=="a" && Name=="b""#,
            r#"Name=="a\"b""#,
            r#"Name!="a""#,
        ] {
            assert!(matches!(parse(filter, &FIELDS), Err(Refusal::NotModelled(_))), "{filter}");
        }
        for filter in ["", r#"Name=="a"#, r#"Name=="a" AND "#] {
            assert!(matches!(parse(filter, &FIELDS), Err(Refusal::Query(_))), "{filter}");
        }
    }
}
