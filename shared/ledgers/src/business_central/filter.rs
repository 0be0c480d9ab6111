//! `$filter`: how a value stands in it (docs/vendors/business-central.md, section 3).

/// A text literal: an apostrophe is doubled; control characters cannot be written there.
pub(super) fn quoted(value: &str) -> String {
    let plain: String = value.chars().filter(|c| !c.is_control()).collect();
    format!("'{}'", plain.replace('\'', "''"))
}

/// Customers with this e-mail address, alone or in a list divided by semicolons. `tolower` ignores case and compares whole fields;
/// `contains` finds an address inside a list, with the case that it has (nested functions are not served). `or` stands between conditions
/// of one field only.
pub(super) fn by_email(email: &str) -> String {
    let email = email.trim();
    let lower = email.to_lowercase();
    let mut conditions = vec![format!("tolower(email) eq {}", quoted(&lower)), format!("contains(email,{})", quoted(email))];
    if lower != email {
        conditions.push(format!("contains(email,{})", quoted(&lower)));
    }
    conditions.join(" or ")
}

/// Customers of this name, whatever its case.
pub(super) fn by_name(name: &str) -> String {
    format!("tolower(displayName) eq {}", quoted(&name.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn r60_an_address_is_found_in_any_case_and_in_lists() {
        assert_eq!(by_email("ann@acme.co"), "tolower(email) eq 'ann@acme.co' or contains(email,'ann@acme.co')");
        assert_eq!(
            by_email(" Ann@Acme.co "),
            "tolower(email) eq 'ann@acme.co' or contains(email,'Ann@Acme.co') or contains(email,'ann@acme.co')"
        );
        assert_eq!(by_name("Ann's"), "tolower(displayName) eq 'ann''s'");
    }

    proptest! {
        #[test]
        fn no_value_ends_its_literal(value in ".{0,40}") {
            let literal = quoted(&value);
            let inner = literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap();
            prop_assert!(!inner.replace("''", "").contains('\''));
            prop_assert!(!inner.chars().any(char::is_control));
        }
    }
}
