//! The vendor's query language (docs/vendors/quickbooks.md, section 2): what a value may look like inside it.

/// A value in apostrophes: an apostrophe or backslash in it is escaped, so that no value ends its own text.
pub(super) fn quoted(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('\'');
    for c in value.chars() {
        if matches!(c, '\'' | '\\') {
            out.push('\\');
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out.push('\'');
    out
}

/// Customers with one of these names, inactive ones included. An inactive customer's name ends in a word of the vendor's.
pub(super) fn customers_named(name: &str) -> String {
    let names = [name.to_owned(), format!("{name}{DELETED}")].map(|name| quoted(&name)).join(", ");
    format!("select * from Customer where DisplayName in ({names}) and Active in (true, false) maxresults 1000")
}

/// Customers whose address is this one, or has it in a list of several; inactive ones included.
pub(super) fn customers_mailed(email: &str) -> String {
    // `%` stands for any text and has no escape.
    let wanted = if email.contains('%') { format!("= {}", quoted(email)) } else { format!("like {}", quoted(&format!("%{email}%"))) };
    format!("select * from Customer where PrimaryEmailAddr {wanted} and Active in (true, false) maxresults 1000")
}

/// A page of all customers, inactive ones included, in the order of their making: none is passed over when one is made meanwhile.
pub(super) fn customers_from(start: usize, most: usize) -> String {
    format!("select * from Customer where Active in (true, false) orderby Id startposition {start} maxresults {most}")
}

/// Invoices with this number: it may be on several.
pub(super) fn invoices_numbered(number: &str) -> String {
    format!("select * from Invoice where DocNumber = {} maxresults 1000", quoted(number))
}

/// Invoices with one of these numbers.
pub(super) fn invoices_with_numbers(numbers: &[&str]) -> String {
    let numbers: Vec<String> = numbers.iter().map(|number| quoted(number)).collect();
    format!("select * from Invoice where DocNumber in ({}) maxresults 1000", numbers.join(", "))
}

/// Invoices by their ids.
pub(super) fn invoices_by_id(ids: &[&str]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| quoted(id)).collect();
    format!("select * from Invoice where Id in ({}) maxresults 1000", ids.join(", "))
}

/// A customer's invoices of one day, or the newest of all days.
pub(super) fn invoices_of(customer: &str, day: Option<jiff::civil::Date>) -> String {
    let customer = quoted(customer);
    match day {
        Some(day) => format!("select * from Invoice where CustomerRef = {customer} and TxnDate = '{day}' maxresults 1000"),
        None => format!("select * from Invoice where CustomerRef = {customer} orderby MetaData.CreateTime desc maxresults 100"),
    }
}

/// A page of the invoices that changed at or after an instant, oldest change first.
pub(super) fn invoices_changed(since: jiff::Timestamp, start: usize, most: usize) -> String {
    format!(
        "select * from Invoice where MetaData.LastUpdatedTime >= '{since:.0}' orderby MetaData.LastUpdatedTime startposition {start} maxresults {most}"
    )
}

/// A customer's newest payments.
pub(super) fn payments_of(customer: &str) -> String {
    format!("select * from Payment where CustomerRef = {} orderby MetaData.LastUpdatedTime desc maxresults 1000", quoted(customer))
}

/// What the name of an inactive record ends in (section 2).
pub(super) const DELETED: &str = " (deleted)";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_apostrophe_is_escaped_and_a_backslash_too() {
        assert_eq!(quoted("O'Brien"), r"'O\'Brien'");
        assert_eq!(quoted(r"back\slash"), r"'back\\slash'");
        assert_eq!(quoted("a\tb"), "'a b'");
        assert_eq!(
            customers_named("O'Brien"),
            r"select * from Customer where DisplayName in ('O\'Brien', 'O\'Brien (deleted)') and Active in (true, false) maxresults 1000"
        );
    }

    #[test]
    fn a_wildcard_is_never_a_value_of_somebody_else() {
        assert!(customers_mailed("a@b.co").contains("PrimaryEmailAddr like '%a@b.co%'"));
        assert!(customers_mailed("a%@b.co").contains("PrimaryEmailAddr = 'a%@b.co'"));
    }

    proptest! {
        #[test]
        fn no_value_ends_its_own_text(value in ".{0,40}") {
            let quoted = quoted(&value);
            let inner = &quoted[1..quoted.len() - 1];
            let mut escaped = false;
            for c in inner.chars() {
                prop_assert!(escaped || c != '\'', "{}", quoted);
                escaped = !escaped && c == '\\';
            }
            prop_assert!(!escaped, "{}", quoted);
        }
    }
}
