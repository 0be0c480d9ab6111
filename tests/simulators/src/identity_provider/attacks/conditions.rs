//! Validly signed, and wrong in what it says.

use super::{List, Stage};
use crate::identity_provider::keys::KeyError;
use crate::identity_provider::response::{EMAIL, How, Says, cut, instant, sign};

/// Validly signed, and wrong in what it says.
pub(super) fn conditions(stage: &Stage<'_>, list: &mut List) -> Result<(), KeyError> {
    let says = &stage.says;
    let at = |minutes: i64| Some(instant(stage.now, minutes));
    let some = |text: &str| Some(text.to_owned());
    let other = &stage.other;
    let mut add = |name: &str, says: Says, reasons: &[&'static str]| -> Result<(), KeyError> {
        list.add(name, says.signed(stage.key)?, reasons);
        Ok(())
    };
    let (audience, confirmation, time) = (&["audience_mismatch"], &["confirmation_invalid"], &["time_window", "confirmation_invalid"]);
    add("another audience", Says { audience: some("https://other.example"), ..says.clone() }, audience)?;
    add("no audience", Says { audience: None, ..says.clone() }, audience)?;
    add("the audience with a slash more", Says { audience: Some(format!("{}/", stage.own.entity_id)), ..says.clone() }, audience)?;
    add("another workspace's connection as audience", Says { audience: Some(other.entity_id.clone()), ..says.clone() }, audience)?;
    add(
        "another workspace's valid response",
        Says {
            audience: Some(other.entity_id.clone()),
            recipient: Some(other.acs_url.clone()),
            destination: Some(other.acs_url.clone()),
            ..says.clone()
        },
        &["audience_mismatch", "destination_mismatch", "confirmation_invalid"],
    )?;
    add("another recipient", Says { recipient: some("https://other.example/acs"), ..says.clone() }, confirmation)?;
    add("another workspace's recipient", Says { recipient: Some(other.acs_url.clone()), ..says.clone() }, confirmation)?;
    add("no destination", Says { destination: None, ..says.clone() }, &["destination_mismatch"])?;
    add("no recipient", Says { recipient: None, ..says.clone() }, confirmation)?;
    add("another destination", Says { destination: some("https://other.example/acs"), ..says.clone() }, &["destination_mismatch"])?;
    add("another issuer", Says { issuer: "https://evil.example".to_owned(), ..says.clone() }, &["issuer_mismatch"])?;
    add("no issuer on the response", Says { response_issuer: None, ..says.clone() }, &["malformed"])?;
    add("another issuer of the response", Says { response_issuer: some("https://evil.example"), ..says.clone() }, &["issuer_mismatch"])?;
    add("expired", Says { not_on_or_after: at(-10), ..says.clone() }, time)?;
    add("expired by two minutes", Says { not_on_or_after: at(-2), not_before: at(-10), ..says.clone() }, time)?;
    add("not yet valid", Says { not_before: at(10), not_on_or_after: at(20), ..says.clone() }, time)?;
    add("a confirmation that has expired", Says { confirmed_until: at(-10), ..says.clone() }, time)?;
    add("a confirmation without an end", Says { confirmed_until: None, ..says.clone() }, confirmation)?;
    add("a session that has ended", Says { session_until: at(-60), ..says.clone() }, &["time_window"])?;
    add(
        "a time that is none",
        Says { not_on_or_after: some("tomorrow"), ..says.clone() },
        &["time_window", "malformed", "confirmation_invalid"],
    )?;
    for method in ["holder-of-key", "sender-vouches"] {
        add(method, Says { confirmation: format!("urn:oasis:names:tc:SAML:2.0:cm:{method}"), ..says.clone() }, confirmation)?;
    }
    add("no name id", Says { name_id: None, ..says.clone() }, &["name_id_unusable"])?;
    add("an empty name id", Says { name_id: some(""), ..says.clone() }, &["name_id_unusable", "malformed"])?;
    add(
        "a transient name id",
        Says { format: "urn:oasis:names:tc:SAML:2.0:nameid-format:transient".to_owned(), ..says.clone() },
        &["name_id_unusable"],
    )?;
    add(
        "a failure with an assertion",
        Says { status: "urn:oasis:names:tc:SAML:2.0:status:Responder".to_owned(), ..says.clone() },
        &["status_failure"],
    )?;
    let mismatch = &["request_mismatch", "confirmation_invalid"];
    add(
        "the answer to another request",
        Says { in_response_to: some("_req2"), confirmed_in_response_to: some("_req2"), ..says.clone() },
        mismatch,
    )?;
    add("another request in the confirmation", Says { confirmed_in_response_to: some("_req2"), ..says.clone() }, mismatch)?;
    add("another request in the response", Says { in_response_to: some("_req2"), ..says.clone() }, mismatch)?;
    add("started by the provider", Says { in_response_to: None, confirmed_in_response_to: None, ..says.clone() }, mismatch)?;
    add("no request in the response", Says { in_response_to: None, ..says.clone() }, mismatch)?;
    // SSOReady's lesson: the provider's administrator may write any address.
    let domain = stage.domain();
    let mail = |address: &str| Says { attributes: vec![("email".to_owned(), address.replace("{0}", domain))], ..says.clone() };
    let outside = &["email_outside_domains"];
    add("an address of another domain", mail("boss@other.example"), outside)?;
    add("an address of a subdomain", mail("boss@eng.{0}"), outside)?;
    add("an address of the parent's", mail("boss@x{0}"), outside)?;
    add("an address of a look-alike", mail("boss@а{0}"), outside)?;
    add("an address of a consumer domain", mail("boss@gmail.com"), outside)?;
    add("an address in two domains", mail("boss@{0}@evil.example"), &["email_missing"])?;
    add("a quoted address", mail("\"boss@evil.example\"@{0}"), &["email_missing"])?;
    add("no address", Says { attributes: vec![], ..says.clone() }, &["email_missing"])?;
    add(
        "an e-mail name id of another domain",
        Says { format: EMAIL.to_owned(), name_id: some("boss@evil.example"), ..says.clone() },
        outside,
    )?;
    let unknown =
        "<saml:Condition xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"x\"></saml:Condition></saml:Conditions>";
    let assertion = says.assertion().replace("</saml:Conditions>", unknown);
    list.add(
        "a condition that is not understood",
        says.response(&sign(&assertion, &says.assertion_id, &How::new(stage.key))?),
        &["audience_mismatch", "malformed"],
    );
    let twice = says.assertion().replace(
        "</saml:Conditions>",
        "<saml:AudienceRestriction><saml:Audience>https://other.example</saml:Audience></saml:AudienceRestriction></saml:Conditions>",
    );
    list.add(
        "a second audience restriction that is not met",
        says.response(&sign(&twice, &says.assertion_id, &How::new(stage.key))?),
        audience,
    );
    let no_session = says.assertion().replace(cut(&says.assertion(), "<saml:AuthnStatement", "</saml:AuthnStatement>"), "");
    list.add("no authentication statement", says.response(&sign(&no_session, &says.assertion_id, &How::new(stage.key))?), &["malformed"]);
    Ok(())
}
