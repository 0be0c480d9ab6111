//! Queries: what a value may look like inside them.
//!
//! The vendor documents no escape for a quote or backslash inside the text of a `where` clause, so a value that holds one is never put
//! there: it is looked for by another field, or by a parameter that needs no quotes, and compared on our side.

/// `Field=="value"`, where the value can be written so.
pub(super) fn equals(field: &str, value: &str) -> Option<String> {
    let plain = !value.trim().is_empty() && !value.contains(['"', '\\']) && !value.chars().any(char::is_control);
    plain.then(|| format!("{field}==\"{value}\""))
}

/// What stands between clauses of which one suffices.
pub(super) const OR: &str = " OR ";

/// The clause for a number or a reference, both where both are wanted; `None` where one of the wanted values cannot be written in a clause,
/// or none is wanted.
pub(super) fn all_of(number: Option<&str>, reference: Option<&str>) -> Option<String> {
    let wanted = [("InvoiceNumber", number), ("Reference", reference)];
    let clauses = wanted.into_iter().filter_map(|(field, value)| value.map(|value| equals(field, value))).collect::<Option<Vec<_>>>()?;
    (!clauses.is_empty()).then(|| clauses.join(OR))
}

/// The parameters of a look-up by either of two fields, in one call; empty when there is nothing to look for.
///
/// If one of the values cannot be written in a clause, the other alone is asked for; if neither can, the text search takes the longest
/// piece of the first that can stand there.
pub(super) fn either(fields: [(&'static str, Option<&str>); 2]) -> Option<(&'static str, String)> {
    let clauses: Vec<String> = fields.iter().filter_map(|(field, value)| value.and_then(|value| equals(field, value))).collect();
    if !clauses.is_empty() {
        return Some(("where", clauses.join(" OR ")));
    }
    let values = fields.into_iter().filter_map(|(_, value)| value);
    let pieces = values.flat_map(|value| value.split(|c: char| "\"\\".contains(c) || c.is_control()));
    let longest = pieces.map(str::trim).max_by_key(|piece| piece.chars().count()).filter(|piece| !piece.is_empty())?;
    Some(("searchTerm", longest.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_values_travel_in_one_clause() {
        let asked = either([("EmailAddress", Some("ann@example.com")), ("Name", Some("Ann's & Söhne"))]);
        assert_eq!(asked, Some(("where", r#"EmailAddress=="ann@example.com" OR Name=="Ann's & Söhne""#.to_owned())));
    }

    #[test]
    fn a_quote_neither_breaks_the_query_nor_injects() {
        let hostile = r#"x" OR 1==1 OR Name=="y"#;
        let asked = either([("EmailAddress", Some("ann@example.com")), ("Name", Some(hostile))]);
        assert_eq!(asked, Some(("where", r#"EmailAddress=="ann@example.com""#.to_owned())));
        assert_eq!(either([("EmailAddress", None), ("Name", Some(r#"The "Best" Bakery"#))]), Some(("searchTerm", "Bakery".to_owned())));
        assert_eq!(either([("EmailAddress", None), ("Name", Some(r"Back\slash"))]), Some(("searchTerm", "slash".to_owned())));
        assert_eq!(either([("EmailAddress", None), ("Name", Some(r#""\"#))]), None);
        assert_eq!(either([("EmailAddress", Some(" ")), ("Name", None)]), None);
    }

    proptest! {
        #[test]
        fn no_value_adds_a_quote_to_a_clause(a in ".{0,30}", b in ".{0,30}") {
            if let Some(("where", clause)) = either([("A", Some(&a)), ("B", Some(&b))]) {
                let quotes = clause.matches('"').count();
                prop_assert!(quotes == 2 || quotes == 4, "{}", clause);
                prop_assert!(!clause.contains('\\'));
            }
        }
    }
}
