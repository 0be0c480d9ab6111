//! The query language (section 2): one entity, `*` or `count(*)`, conditions joined by AND alone.

use super::fault::Refusal;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equals,
    In,
    Less,
    Greater,
    AtMost,
    AtLeast,
    Like,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) field: String,
    pub(crate) operator: Operator,
    pub(crate) values: Vec<String>,
}

/// A query as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) entity: String,
    pub(crate) count: bool,
    pub(crate) conditions: Vec<Condition>,
    /// Fields, with whether each is descending.
    pub(crate) order: Vec<(String, bool)>,
    /// From 1.
    pub(crate) start: usize,
    pub(crate) most: usize,
}

/// Records of a page when nothing is said, and at most.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    let mut found = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(one) = rest.next() {
        match one {
            space if space.is_whitespace() => {}
            '\'' => {
                let mut value = String::new();
                loop {
                    match rest.next() {
                        None => return Err(Refusal::query("QueryParserError: a text does not end")),
                        Some('\'') => break,
                        Some('\\') => match rest.next() {
                            Some(escaped @ ('\'' | '\\')) => value.push(escaped),
                            _ => {
                                return Err(Refusal::query("QueryParserError: a backslash stands before neither an apostrophe nor itself"));
                            }
                        },
                        Some(other) => value.push(other),
                    }
                }
                found.push(Token::Quoted(value));
            }
            '<' | '>' => {
                let sign = if rest.next_if_eq(&'=').is_some() { format!("{one}=") } else { one.to_string() };
                found.push(Token::Sign(sign));
            }
            '=' | '(' | ')' | ',' | '*' => found.push(Token::Sign(one.to_string())),
            letter if letter.is_alphanumeric() || letter == '-' => {
                let mut word = String::from(letter);
                while let Some(next) = rest.next_if(|next| next.is_alphanumeric() || matches!(next, '.' | '_' | '-' | ':')) {
                    word.push(next);
                }
                found.push(Token::Word(word));
            }
            other => return Err(Refusal::query(format!("QueryParserError: Encountered \"{other}\""))),
        }
    }
    Ok(found)
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Parser {
    fn wrong<T>(found: Option<Token>, wanted: &str) -> Result<T, Refusal> {
        let found = match found {
            Some(Token::Word(text) | Token::Sign(text)) => text,
            Some(Token::Quoted(text)) => format!("'{text}'"),
            None => "<EOF>".to_owned(),
        };
        Err(Refusal::query(format!("QueryParserError: Encountered \" {found}\"; was expecting {wanted}")))
    }

    /// Takes this keyword if it comes next.
    fn keyword(&mut self, word: &str) -> bool {
        self.tokens.next_if(|token| matches!(token, Token::Word(found) if found.eq_ignore_ascii_case(word))).is_some()
    }

    fn sign(&mut self, sign: &str) -> bool {
        self.tokens.next_if(|token| matches!(token, Token::Sign(found) if found == sign)).is_some()
    }

    fn expect(&mut self, ok: bool, wanted: &str) -> Result<(), Refusal> {
        if ok { Ok(()) } else { Self::wrong(self.tokens.next(), wanted) }
    }

    fn word(&mut self, wanted: &str) -> Result<String, Refusal> {
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            other => Self::wrong(other, wanted),
        }
    }

    fn value(&mut self) -> Result<String, Refusal> {
        match self.tokens.next() {
            Some(Token::Quoted(text) | Token::Word(text)) => Ok(text),
            other => Self::wrong(other, "a value"),
        }
    }

    fn number(&mut self, wanted: &str) -> Result<usize, Refusal> {
        let word = self.word(wanted)?;
        word.parse().or_else(|_| Self::wrong(Some(Token::Word(word)), wanted))
    }

    fn condition(&mut self) -> Result<Condition, Refusal> {
        let field = self.word("a field")?;
        let operator = match self.tokens.next() {
            Some(Token::Sign(sign)) if sign == "=" => Operator::Equals,
            Some(Token::Sign(sign)) if sign == "<" => Operator::Less,
            Some(Token::Sign(sign)) if sign == ">" => Operator::Greater,
            Some(Token::Sign(sign)) if sign == "<=" => Operator::AtMost,
            Some(Token::Sign(sign)) if sign == ">=" => Operator::AtLeast,
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("like") => Operator::Like,
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("in") => Operator::In,
            other => return Self::wrong(other, "one of =, <, >, <=, >=, LIKE, IN"),
        };
        let mut values = Vec::new();
        if operator == Operator::In {
            let opened = self.sign("(");
            self.expect(opened, "(")?;
            loop {
                values.push(self.value()?);
                if !self.sign(",") {
                    break;
                }
            }
            let closed = self.sign(")");
            self.expect(closed, ")")?;
        } else {
            values.push(self.value()?);
        }
        Ok(Condition { field, operator, values })
    }
}

/// Reads a query.
pub(crate) fn parse(text: &str) -> Result<Query, Refusal> {
    let mut parser = Parser { tokens: tokens(text)?.into_iter().peekable() };
    let select = parser.keyword("select");
    parser.expect(select, "select")?;
    let count = parser.keyword("count");
    if count {
        let whole = parser.sign("(") && parser.sign("*") && parser.sign(")");
        parser.expect(whole, "count(*)")?;
    } else {
        // A list of fields is not offered (section 2).
        let star = parser.sign("*");
        parser.expect(star, "*")?;
    }
    let from = parser.keyword("from");
    parser.expect(from, "from")?;
    let mut query = Query { entity: parser.word("an entity")?, count, conditions: Vec::new(), order: Vec::new(), start: 1, most: PAGE };
    if parser.keyword("where") {
        query.conditions.push(parser.condition()?);
        while parser.keyword("and") {
            query.conditions.push(parser.condition()?);
        }
    }
    if parser.keyword("orderby") {
        loop {
            let field = parser.word("a field")?;
            let descending = parser.keyword("desc");
            if !descending {
                parser.keyword("asc");
            }
            query.order.push((field, descending));
            if !parser.sign(",") {
                break;
            }
        }
    }
    if parser.keyword("startposition") {
        query.start = parser.number("a position from 1")?;
    }
    if parser.keyword("maxresults") {
        query.most = parser.number("a number of results")?;
    }
    if query.start == 0 || query.most == 0 || query.most > LARGEST_PAGE {
        return Err(Refusal::query(format!("QueryValidationError: STARTPOSITION begins at 1 and MAXRESULTS ends at {LARGEST_PAGE}")));
    }
    match parser.tokens.next() {
        None => Ok(query),
        found => Parser::wrong(found, "<EOF>"),
    }
}

impl Query {
    /// The text that this field must equal, if a condition says so.
    pub(crate) fn equals(&self, field: &str) -> Option<&str> {
        let exact = |condition: &&Condition| condition.field == field && condition.operator == Operator::Equals;
        self.conditions.iter().find(exact).and_then(|condition| condition.values.first()).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(field: &str, operator: Operator, values: &[&str]) -> Condition {
        Condition { field: field.into(), operator, values: values.iter().map(|value| (*value).to_owned()).collect() }
    }

    #[test]
    fn a_query_is_read_with_its_escapes_and_pages() {
        let text = r"Select * FROM Customer where DisplayName = 'O\'Neil \\ Sons' AND Active IN (true, false) ORDERBY DisplayName DESC, Id STARTPOSITION 101 MAXRESULTS 1000";
        let query = parse(text).unwrap();
        assert_eq!(query.entity, "Customer");
        assert_eq!(
            query.conditions,
            [one("DisplayName", Operator::Equals, &[r"O'Neil \ Sons"]), one("Active", Operator::In, &["true", "false"])]
        );
        assert_eq!(query.order, [("DisplayName".to_owned(), true), ("Id".to_owned(), false)]);
        assert_eq!((query.start, query.most, query.count), (101, 1000, false));
        assert_eq!(parse("select count(*) from Invoice").unwrap().most, 100);
        let since = parse("select * from Invoice where MetaData.LastUpdatedTime >= '2026-01-01T00:00:00-08:00' and Balance > 0").unwrap();
        assert_eq!(since.conditions[1], one("Balance", Operator::Greater, &["0"]));
    }

    /// Section 2: AND only, no OR, join, group or projection; 4001.
    #[test]
    fn what_the_language_does_not_have_is_a_syntax_error() {
        for text in [
            "",
            "select Id from Customer",
            "select * from",
            "select * from Customer where",
            "select * from Customer where DisplayName = 'a' or DisplayName = 'b'",
            "select * from Customer where DisplayName != 'a'",
            "select * from Customer where DisplayName = 'O'Neil'",
            "select * from Customer where DisplayName = 'open",
            r"select * from Customer where DisplayName = 'a\n'",
            "select * from Customer where Id IN '1'",
            "select * from Customer group by Id",
            "select * from Customer startposition 0",
            "select * from Customer maxresults 1001",
            "select * from Customer; drop",
            "delete from Customer",
        ] {
            let Err(Refusal::Fault(error)) = parse(text) else { panic!("{text}") };
            assert_eq!(error.code, "4001", "{text}");
        }
    }
}
