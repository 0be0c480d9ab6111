//! A signed part somewhere, and a forged one where it is looked for.

use super::{EVIL, List, Stage};
use crate::identity_provider::keys::KeyError;
use crate::identity_provider::response::{ASSERTION, How, PROTOCOL, Says, after_issuer, cut, sign};

/// XSW 1 to 8 of "On Breaking SAML" and variants: the signed part is somewhere, the forged one where it is looked for.
pub(super) fn wrapping(stage: &Stage<'_>, list: &mut List) -> Result<(), KeyError> {
    let (says, evil) = (&stage.says, &stage.evil());
    let shape = &["malformed"];
    let original = says.signed(stage.key)?;
    let assertion = cut(&original, "<saml:Assertion ", "</saml:Assertion>").to_owned();
    let seal = cut(&assertion, "<ds:Signature ", "</ds:Signature>").to_owned();
    let bare = assertion.replacen(&seal, "", 1);
    let forged = evil.assertion();
    let whole = says.response_signed(stage.key)?;
    let whole_seal = cut(&whole, "<ds:Signature ", "</ds:Signature>").to_owned();
    let whole_bare = whole.replacen(&whole_seal, "", 1);
    let evil_response = Says { response_id: "_evilresp".to_owned(), ..evil.clone() };

    let inside = whole_seal.replace("</ds:Signature>", &format!("<ds:Object>{whole_bare}</ds:Object></ds:Signature>"));
    list.add("XSW1: forged response, the original in the signature", after_issuer(&evil_response.response(&forged), &inside), shape);
    list.add(
        "XSW2: forged response, the original before the signature",
        after_issuer(&evil_response.response(&forged), &format!("{whole_bare}{whole_seal}")),
        shape,
    );
    list.add(
        "XSW2: the original after the forged assertion",
        after_issuer(&evil_response.response(&format!("{forged}{whole_bare}")), &whole_seal),
        shape,
    );
    list.add("XSW3: forged assertion before the original", says.response(&format!("{forged}{assertion}")), shape);
    list.add("XSW3: forged assertion after the original", says.response(&format!("{assertion}{forged}")), shape);
    let same_id = Says { assertion_id: says.assertion_id.clone(), ..evil.clone() }.assertion();
    list.add("XSW3: the same id, before", says.response(&format!("{same_id}{assertion}")), shape);
    list.add("XSW3: the same id, after", says.response(&format!("{assertion}{same_id}")), shape);
    list.add(
        "XSW4: the original inside the forged",
        says.response(&forged.replace("</saml:Assertion>", &format!("{assertion}</saml:Assertion>"))),
        shape,
    );
    list.add(
        "XSW4: the original in the forged one's advice",
        says.response(&forged.replace("<saml:AuthnStatement", &format!("<saml:Advice>{assertion}</saml:Advice><saml:AuthnStatement"))),
        shape,
    );
    list.add(
        "XSW5: the forged one signed by the original's signature, the original at the end",
        says.response(&format!("{}{bare}", after_issuer(&forged, &seal))),
        shape,
    );
    let around = seal.replace("</ds:Signature>", &format!("{bare}</ds:Signature>"));
    list.add("XSW6: the original inside the forged one's signature", says.response(&after_issuer(&forged, &around)), shape);
    let extended = |place: &str, what: &str| original.replacen(place, &format!("<samlp:Extensions>{what}</samlp:Extensions>{place}"), 1);
    list.add("XSW7: the forged one in extensions", extended("<samlp:Status>", &forged), shape);
    list.add(
        "XSW7: the forged one in extensions at the end",
        original.replace("</samlp:Response>", &format!("<samlp:Extensions>{forged}</samlp:Extensions></samlp:Response>")),
        shape,
    );
    list.add(
        "XSW7: the original in extensions",
        says.response(&forged).replacen("<samlp:Status>", &format!("<samlp:Extensions>{assertion}</samlp:Extensions><samlp:Status>"), 1),
        shape,
    );
    let object = seal.replace("</ds:Signature>", &format!("<ds:Object>{bare}</ds:Object></ds:Signature>"));
    list.add("XSW8: the original as an object of the forged one's signature", says.response(&after_issuer(&forged, &object)), shape);
    list.add(
        "the forged assertion in another namespace",
        says.response(&format!("{assertion}{}", forged.replace(ASSERTION, "urn:oasis:names:tc:SAML:1.0:assertion"))),
        shape,
    );
    list.add(
        "the forged assertion in the status detail",
        original.replacen("</samlp:Status>", &format!("<samlp:StatusDetail>{forged}</samlp:StatusDetail></samlp:Status>"), 1),
        shape,
    );
    list.add(
        "two assertions, both signed",
        says.response(&format!("{assertion}{}", sign(&forged, "_evil1", &How::new(stage.key))?)),
        shape,
    );
    list.add("a signed response with a foreign assertion", whole.replace(stage.name(), EVIL), &["not_signed"]);
    list.add(
        "the signature at the response's end",
        format!("{}{seal}</samlp:Response>", says.response(&bare).trim_end_matches("</samlp:Response>")),
        shape,
    );
    list.add("a response in a response", format!("<samlp:Response xmlns:samlp=\"{PROTOCOL}\" ID=\"_outer\" Version=\"2.0\"><samlp:Status><samlp:StatusCode Value=\"{}\"></samlp:StatusCode></samlp:Status>{original}</samlp:Response>", says.status), shape);
    list.add("the assertion alone", assertion.clone(), shape);
    Ok(())
}
