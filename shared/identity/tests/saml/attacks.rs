use aws_lc_rs::rsa::KeySize;
use coportal_identity::Reason;

use super::*;
use crate::forge::{
    ASSERTION, DSIG, EMAIL, ENVELOPED, EXCLUSIVE, How, PROTOCOL, RSA_SHA256, after_issuer, cut, key_info, sign, signature, transform,
};

/// A document, what it is, and the reasons with which it may be refused.
struct Attack {
    name: String,
    document: String,
    reasons: Vec<Reason>,
}

#[derive(Default)]
struct List(Vec<Attack>);

impl List {
    fn add(&mut self, name: impl Into<String>, document: impl Into<String>, reasons: &[Reason]) {
        self.0.push(Attack { name: name.into(), document: document.into(), reasons: reasons.to_vec() });
    }
}

const EVIL: &str = "evil-1";

/// What the attacker would like to be believed: another name and address.
fn evil(says: &Says) -> Says {
    Says {
        assertion_id: "_evil1".to_owned(),
        name_id: Some(EVIL.to_owned()),
        attributes: vec![("email".to_owned(), "boss@acme.example".to_owned())],
        ..says.clone()
    }
}

fn stripped(document: &str) -> String {
    document.replacen(cut(document, "<ds:Signature ", "</ds:Signature>"), "", 1)
}

/// XSW 1 to 8 of "On Breaking SAML" and variants: the signed part is somewhere, the forged one where it is looked for.
fn wrapping(world: &World, list: &mut List) {
    let (says, evil) = (world.says(), evil(&world.says()));
    let shape = &[Reason::Malformed];
    let original = says.signed(&world.key);
    let assertion = cut(&original, "<saml:Assertion ", "</saml:Assertion>").to_owned();
    let seal = cut(&assertion, "<ds:Signature ", "</ds:Signature>").to_owned();
    let bare = assertion.replacen(&seal, "", 1);
    let forged = evil.assertion();
    let whole = says.response_signed(&world.key);
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
        says.response(&format!("{assertion}{}", sign(&forged, "_evil1", &How::new(&world.key)))),
        shape,
    );
    list.add("a signed response with a foreign assertion", whole.replace("user-17", EVIL), &[Reason::NotSigned]);
    list.add(
        "the signature at the response's end",
        format!("{}{seal}</samlp:Response>", says.response(&bare).strip_suffix("</samlp:Response>").unwrap()),
        shape,
    );
    list.add("a response in a response", format!("<samlp:Response xmlns:samlp=\"{PROTOCOL}\" ID=\"_outer\" Version=\"2.0\"><samlp:Status><samlp:StatusCode Value=\"{}\"></samlp:StatusCode></samlp:Status>{original}</samlp:Response>", says.status), shape);
    list.add("the assertion alone", assertion.clone(), shape);
}

/// Signatures that are none, or cover something else.
fn signatures(world: &World, list: &mut List) {
    let says = world.says();
    let (assertion, id) = (says.assertion(), says.assertion_id.clone());
    let how = || How::new(&world.key);
    let by = |how: &How<'_>| says.response(&sign(&assertion, &id, how));
    let good = by(&how());
    let (shape, unsigned, forged, algorithm) =
        (&[Reason::Malformed], &[Reason::NotSigned], &[Reason::SignatureInvalid], &[Reason::AlgorithmRefused]);

    list.add("unsigned", says.response(&assertion), unsigned);
    list.add("the signature removed", stripped(&good), unsigned);
    list.add("another name id", good.replace("user-17", EVIL), forged);
    list.add("another address", good.replace("Ann@ACME", "boss@ACME"), forged);
    list.add(
        "a later end",
        good.replace("NotOnOrAfter=\"2026-11-22T10:05:00Z\" Recipient", "NotOnOrAfter=\"2026-11-22T11:05:00Z\" Recipient"),
        forged,
    );
    list.add(
        "an added attribute",
        good.replace(
            "<saml:AttributeStatement>",
            "<saml:AttributeStatement><saml:Attribute Name=\"role\"><saml:AttributeValue>owner</saml:AttributeValue></saml:Attribute>",
        ),
        forged,
    );
    let attacker = || How::new(&world.attacker);
    list.add("the attacker's key", by(&attacker()), forged);
    list.add(
        "the attacker's key and certificate",
        by(&How { key_info: key_info(&world.attacker.certificate_base64()), ..attacker() }),
        forged,
    );
    list.add(
        "the attacker's key, the provider's certificate",
        by(&How { key_info: key_info(&world.key.certificate_base64()), ..attacker() }),
        forged,
    );
    let by_name = "<ds:KeyInfo><ds:KeyName>idp.test</ds:KeyName></ds:KeyInfo>";
    list.add("the attacker's key by name", by(&How { key_info: by_name.to_owned(), ..attacker() }), forged);
    let retrieved = "<ds:KeyInfo><ds:RetrievalMethod URI=\"https://evil.example/key\"></ds:RetrievalMethod></ds:KeyInfo>";
    list.add("the attacker's key to be fetched", by(&How { key_info: retrieved.to_owned(), ..attacker() }), forged);
    let value = cut(&good, "<ds:SignatureValue>", "</ds:SignatureValue>");
    for (name, wrong) in [("garbage", "AAAA"), ("empty", ""), ("not base 64", "****")] {
        list.add(
            format!("a signature value that is {name}"),
            good.replace(value, &format!("<ds:SignatureValue>{wrong}</ds:SignatureValue>")),
            &[Reason::SignatureInvalid, Reason::Malformed],
        );
    }
    let digest = cut(&good, "<ds:DigestValue>", "</ds:DigestValue>");
    list.add("a comment in the digest (CVE-2025-29775)", good.replace(digest, &digest.replace("</", "<!--AAAA--></")), shape);
    list.add("an element in the digest", good.replace(digest, &digest.replace("</", "<x></x></")), shape);
    let info = cut(&good, "<ds:SignedInfo>", "</ds:SignedInfo>");
    list.add("two signed infos (CVE-2025-29774)", good.replace(info, &format!("{info}{info}")), shape);
    list.add(
        "two signatures on the assertion",
        {
            let seal = cut(&good, "<ds:Signature ", "</ds:Signature>");
            good.replace(seal, &format!("{seal}{seal}"))
        },
        shape,
    );
    list.add("two references", by(&How { more_references: cut(&good, "<ds:Reference ", "</ds:Reference>").to_owned(), ..how() }), shape);
    list.add("no reference", by(&How { no_reference: true, ..how() }), shape);
    list.add("an empty reference", by(&How { uri: Some(String::new()), ..how() }), shape);
    list.add("an external reference", by(&How { uri: Some("https://evil.example/a".to_owned()), ..how() }), shape);
    list.add("a reference to a file", by(&How { uri: Some("file:///etc/passwd".to_owned()), ..how() }), shape);
    list.add("a reference by XPointer", by(&How { uri: Some(format!("#xpointer(id('{id}'))")), ..how() }), shape);
    let conditions = cut(&assertion, "<saml:Conditions", "</saml:Conditions>").to_owned();
    let marked = conditions.replacen("<saml:Conditions", &format!("<saml:Conditions xmlns:saml=\"{ASSERTION}\" ID=\"_c1\""), 1);
    let over_conditions = signature(&marked, "_c1", &how());
    list.add(
        "a signature over the conditions alone",
        says.response(&after_issuer(
            &assertion.replace(&conditions, &marked.replacen(&format!(" xmlns:saml=\"{ASSERTION}\""), "", 1)),
            &over_conditions,
        )),
        shape,
    );
    for (name, transforms) in [
        (
            "an XPath transform",
            format!(
                "{}<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><ds:XPath>1</ds:XPath></ds:Transform>",
                transform(ENVELOPED)
            ),
        ),
        ("an XSLT transform", format!("{}{}", transform(ENVELOPED), transform("http://www.w3.org/TR/1999/REC-xslt-19991116"))),
        ("a base 64 transform", format!("{}{}", transform(ENVELOPED), transform("http://www.w3.org/2000/09/xmldsig#base64"))),
        (
            "a canonical form with comments",
            format!("{}{}", transform(ENVELOPED), transform("http://www.w3.org/2001/10/xml-exc-c14n#WithComments")),
        ),
        (
            "an exclusive transform that carries an XPath",
            format!("{}<ds:Transform Algorithm=\"{EXCLUSIVE}\"><ds:XPath>1</ds:XPath></ds:Transform>", transform(ENVELOPED)),
        ),
        ("no transforms", String::new()),
        ("no enveloped transform", transform(EXCLUSIVE)),
        ("three transforms", format!("{}{}{}", transform(ENVELOPED), transform(EXCLUSIVE), transform(EXCLUSIVE))),
    ] {
        list.add(format!("signed with {name}"), by(&How { transforms, ..how() }), shape);
    }
    for uri in ["http://www.w3.org/2001/10/xml-exc-c14n#WithComments", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315", ""] {
        list.add(format!("signed info in the form {uri:?}"), by(&How { canonicalization: uri.to_owned(), ..how() }), shape);
    }
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", world.key.certificate_base64()).into_bytes();
    for (hash, uri) in
        [("SHA-1", "http://www.w3.org/2000/09/xmldsig#hmac-sha1"), ("SHA-256", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")]
    {
        for (what, secret) in [("PEM", pem.clone()), ("DER", world.key.certificate.clone()), ("public key", world.key.spki.clone())] {
            list.add(
                format!("HMAC {hash} with the certificate's {what}"),
                by(&How { algorithm: uri.to_owned(), hmac: Some(secret), ..how() }),
                algorithm,
            );
        }
    }
    for uri in [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "none",
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    ] {
        list.add(format!("signature algorithm {uri}"), by(&How { algorithm: uri.to_owned(), ..how() }), algorithm);
    }
    list.add("a digest of SHA-1", by(&How { digest: "http://www.w3.org/2000/09/xmldsig#sha1".to_owned(), ..how() }), algorithm);
    // Signed with openssl, so that nothing but the age of the algorithm is wrong.
    list.add("a valid RSA-SHA1 signature", include_str!("fixtures/rsa-sha1.xml"), algorithm);
    list.add("an object in the signature", by(&How { tail: "<ds:Object>x</ds:Object>".to_owned(), ..how() }), shape);
    list.add("only the response signed, where the assertion must be", says.response_signed(&world.key), unsigned);
    list.add("the response signed by an attacker", sign(&good, &says.response_id, &attacker()), forged);
}

/// Documents that are not plain.
fn documents(world: &World, list: &mut List) {
    let good = world.says().signed(&world.key);
    let shape = &[Reason::Malformed];
    let in_name = |what: &str| good.replace("user-17", &format!("user{what}-17"));
    let cut_name = |what: &str| {
        Says { format: EMAIL.to_owned(), name_id: Some("ann@acme.example.evil.example".to_owned()), ..world.says() }
            .signed(&world.key)
            .replace("example.evil", &format!("example{what}.evil"))
    };
    list.add("a comment in the name id", in_name("<!-- -->"), shape);
    list.add("a comment that cuts the address", cut_name("<!-- -->"), shape);
    list.add("an instruction in the name id", in_name("<?x y?>"), shape);
    list.add("CDATA as name id", good.replace("user-17", "<![CDATA[user-17]]>"), shape);
    list.add("an element in the name id", in_name("<x></x>"), &[Reason::NameIdUnusable]);
    list.add("a comment in an attribute's value", good.replace("Ann@ACME", "Ann<!-- -->@ACME"), shape);
    list.add("CDATA in an attribute's value", good.replace("Ann@ACME", "<![CDATA[Ann]]>@ACME"), shape);
    list.add("an entity in the name id", in_name("&x;"), shape);
    list.add("a document type", format!("<!DOCTYPE samlp:Response>{good}"), shape);
    list.add("an entity that is declared", format!("<!DOCTYPE r [<!ENTITY x \"17\">]>{}", good.replace("user-17", "user-&x;")), shape);
    list.add("an external entity", format!("<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{}", in_name("&x;")), shape);
    list.add("an external document type", format!("<!DOCTYPE r SYSTEM \"https://evil.example/a.dtd\">{good}"), shape);
    let laughs: String = (1..20).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    list.add("a billion laughs", format!("<!DOCTYPE r [<!ENTITY l0 \"ha\">{laughs}]>{}", in_name("&l19;")), shape);
    list.add("a million laughs in an attribute", format!("<!DOCTYPE r [<!ATTLIST r a CDATA \"x\">]>{good}"), shape);
    list.add("nested 20,000 deep", format!("{}{}", "<a>".repeat(20_000), "</a>".repeat(20_000)), shape);
    list.add(
        "deep inside an attribute's value",
        good.replace("Ann@ACME", &format!("{}Ann@ACME", "<a>".repeat(5_000) + &"</a>".repeat(5_000))),
        shape,
    );
    let wide: String = (0..20_000).map(|n| format!(" a{n}=\"\"")).collect();
    list.add(
        "20,000 attributes",
        good.replacen("<samlp:Status>", &format!("<samlp:Status{}>", &wide[..150_000]), 1),
        &[Reason::Malformed, Reason::TooLarge],
    );
    list.add("40,000 elements", good.replace("Ann@ACME", &format!("{}Ann@ACME", "<a/>".repeat(40_000))), shape);
    list.add("a megabyte", format!("{good}{}", " ".repeat(1024 * 1024)), &[Reason::TooLarge]);
    list.add("two roots", format!("{good}{good}"), shape);
    list.add("text after the root", format!("{good}x"), shape);
    list.add("a byte-order mark and a second one", format!("\u{feff}\u{feff}{good}"), shape);
    list.add("an instruction before the root", format!("<?xml-stylesheet href=\"https://evil.example/a.xsl\"?>{good}"), shape);
    list.add("XML 1.1", format!("<?xml version=\"1.1\"?>{good}"), shape);
    list.add("another encoding", format!("<?xml version=\"1.0\" encoding=\"UTF-7\"?>{good}"), shape);
    list.add("not XML", "hello", shape);
    list.add("nothing", "", shape);
    list.add("half of it", &good[..good.len() / 2], shape);
    list.add("a prefix without a namespace", good.replacen(&format!(" xmlns:samlp=\"{PROTOCOL}\""), "", 1), shape);
    list.add("a SAML 1.1 response", good.replace(PROTOCOL, "urn:oasis:names:tc:SAML:1.0:protocol"), shape);
    list.add("version 1.1", good.replacen("Version=\"2.0\"", "Version=\"1.1\"", 1), shape);
    list.add("a logout response", good.replace("samlp:Response", "samlp:LogoutResponse"), shape);
    list.add(
        "an encrypted assertion",
        world.says().response(&format!("<saml:EncryptedAssertion xmlns:saml=\"{ASSERTION}\"></saml:EncryptedAssertion>")),
        &[Reason::Encrypted],
    );
    list.add("an encrypted id", good.replace("saml:NameID", "saml:EncryptedID"), &[Reason::Encrypted]);
    list.add(
        "the same namespace by another prefix, unsigned",
        world.says().response(&world.says().assertion().replace("saml:", "x:").replace("xmlns:saml", "xmlns:x")),
        &[Reason::NotSigned, Reason::Malformed],
    );
    list.add(
        "a signature element in no namespace",
        good.replace(&format!("<ds:Signature xmlns:ds=\"{DSIG}\">"), "<ds:Signature xmlns:ds=\"urn:x\">"),
        shape,
    );
}

/// Validly signed, and wrong in what it says.
fn conditions(world: &World, list: &mut List) {
    let says = world.says();
    let at = |text: &str| Some(format!("2026-11-22T{text}:00Z"));
    let some = |text: &str| Some(text.to_owned());
    let other = SsoConnectionId::new(Uuid::from_u128(2));
    let mut add = |name: &str, says: Says, reasons: &[Reason]| list.add(name, says.signed(&world.key), reasons);
    let (audience, confirmation, time) =
        (&[Reason::AudienceMismatch], &[Reason::ConfirmationInvalid], &[Reason::TimeWindow, Reason::ConfirmationInvalid]);
    add("another audience", Says { audience: some("https://other.example"), ..says.clone() }, audience);
    add("no audience", Says { audience: None, ..says.clone() }, audience);
    add(
        "the audience with a slash more",
        Says { audience: Some(format!("{}/", world.sp.entity_id(world.connection))), ..says.clone() },
        audience,
    );
    add("another workspace's connection as audience", Says { audience: Some(world.sp.entity_id(other)), ..says.clone() }, audience);
    add(
        "another workspace's valid response",
        Says {
            audience: Some(world.sp.entity_id(other)),
            recipient: Some(world.sp.acs_url(other)),
            destination: Some(world.sp.acs_url(other)),
            ..says.clone()
        },
        &[Reason::AudienceMismatch, Reason::DestinationMismatch, Reason::ConfirmationInvalid],
    );
    add("another recipient", Says { recipient: some("https://other.example/acs"), ..says.clone() }, confirmation);
    add("another workspace's recipient", Says { recipient: Some(world.sp.acs_url(other)), ..says.clone() }, confirmation);
    add("no destination", Says { destination: None, ..says.clone() }, &[Reason::DestinationMismatch]);
    add("no recipient", Says { recipient: None, ..says.clone() }, confirmation);
    add("another destination", Says { destination: some("https://other.example/acs"), ..says.clone() }, &[Reason::DestinationMismatch]);
    add("another issuer", Says { issuer: some("https://evil.example").unwrap(), ..says.clone() }, &[Reason::IssuerMismatch]);
    add("no issuer on the response", Says { response_issuer: None, ..says.clone() }, &[Reason::Malformed]);
    add(
        "another issuer of the response",
        Says { response_issuer: some("https://evil.example"), ..says.clone() },
        &[Reason::IssuerMismatch],
    );
    add("expired", Says { not_on_or_after: at("09:50"), ..says.clone() }, time);
    add("expired by two minutes", Says { not_on_or_after: at("09:58"), not_before: at("09:50"), ..says.clone() }, time);
    add("not yet valid", Says { not_before: at("10:10"), not_on_or_after: at("10:20"), ..says.clone() }, time);
    add("a confirmation that has expired", Says { confirmed_until: at("09:50"), ..says.clone() }, time);
    add("a confirmation without an end", Says { confirmed_until: None, ..says.clone() }, confirmation);
    add("a session that has ended", Says { session_until: at("09:00"), ..says.clone() }, &[Reason::TimeWindow]);
    add(
        "a time that is none",
        Says { not_on_or_after: some("tomorrow"), ..says.clone() },
        &[Reason::TimeWindow, Reason::Malformed, Reason::ConfirmationInvalid],
    );
    for method in ["holder-of-key", "sender-vouches"] {
        add(method, Says { confirmation: format!("urn:oasis:names:tc:SAML:2.0:cm:{method}"), ..says.clone() }, confirmation);
    }
    add("no name id", Says { name_id: None, ..says.clone() }, &[Reason::NameIdUnusable]);
    add("an empty name id", Says { name_id: some(""), ..says.clone() }, &[Reason::NameIdUnusable, Reason::Malformed]);
    add(
        "a transient name id",
        Says { format: "urn:oasis:names:tc:SAML:2.0:nameid-format:transient".to_owned(), ..says.clone() },
        &[Reason::NameIdUnusable],
    );
    add(
        "a failure with an assertion",
        Says { status: "urn:oasis:names:tc:SAML:2.0:status:Responder".to_owned(), ..says.clone() },
        &[Reason::StatusFailure],
    );
    let mismatch = &[Reason::RequestMismatch, Reason::ConfirmationInvalid];
    add(
        "the answer to another request",
        Says { in_response_to: some("_req2"), confirmed_in_response_to: some("_req2"), ..says.clone() },
        mismatch,
    );
    add("another request in the confirmation", Says { confirmed_in_response_to: some("_req2"), ..says.clone() }, mismatch);
    add("another request in the response", Says { in_response_to: some("_req2"), ..says.clone() }, mismatch);
    add("started by the provider", Says { in_response_to: None, confirmed_in_response_to: None, ..says.clone() }, mismatch);
    add("no request in the response", Says { in_response_to: None, ..says.clone() }, mismatch);
    // SSOReady's lesson: the provider's administrator may write any address.
    let mail = |address: &str| Says { attributes: vec![("email".to_owned(), address.to_owned())], ..says.clone() };
    let outside = &[Reason::EmailOutsideDomains];
    add("an address of another domain", mail("boss@other.example"), outside);
    add("an address of a subdomain", mail("boss@eng.acme.example"), outside);
    add("an address of the parent's", mail("boss@xacme.example"), outside);
    add("an address of a look-alike", mail("boss@аcme.example"), outside);
    add("an address of a consumer domain", mail("boss@gmail.com"), outside);
    add("an address in two domains", mail("boss@acme.example@evil.example"), &[Reason::EmailMissing]);
    add("a quoted address", mail("\"boss@evil.example\"@acme.example"), &[Reason::EmailMissing]);
    add("no address", Says { attributes: vec![], ..says.clone() }, &[Reason::EmailMissing]);
    add(
        "an e-mail name id of another domain",
        Says { format: EMAIL.to_owned(), name_id: some("boss@evil.example"), ..says.clone() },
        outside,
    );
    let unknown =
        "<saml:Condition xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"x\"></saml:Condition></saml:Conditions>";
    let assertion = says.assertion().replace("</saml:Conditions>", unknown);
    list.add(
        "a condition that is not understood",
        says.response(&sign(&assertion, &says.assertion_id, &How::new(&world.key))),
        &[Reason::AudienceMismatch, Reason::Malformed],
    );
    let twice = says.assertion().replace(
        "</saml:Conditions>",
        "<saml:AudienceRestriction><saml:Audience>https://other.example</saml:Audience></saml:AudienceRestriction></saml:Conditions>",
    );
    list.add(
        "a second audience restriction that is not met",
        says.response(&sign(&twice, &says.assertion_id, &How::new(&world.key))),
        audience,
    );
    let no_session = says.assertion().replace(cut(&says.assertion(), "<saml:AuthnStatement", "</saml:AuthnStatement>"), "");
    list.add(
        "no authentication statement",
        says.response(&sign(&no_session, &says.assertion_id, &How::new(&world.key))),
        &[Reason::Malformed],
    );
}

#[tokio::test]
async fn every_attack_is_refused() {
    let world = World::rsa();
    assert!(world.outcome(&world.says().signed(&world.key)).await.is_ok(), "the document that the attacks begin with is good");
    let mut list = List::default();
    wrapping(&world, &mut list);
    signatures(&world, &mut list);
    documents(&world, &mut list);
    conditions(&world, &mut list);
    let mut wrong = Vec::new();
    for attack in &list.0 {
        match world.outcome(&attack.document).await {
            Ok(identity) => wrong.push(format!("{}: ACCEPTED as {}", attack.name, identity.subject)),
            Err(refusal) if !attack.reasons.contains(&refusal.reason) => wrong.push(format!("{}: {refusal:?}", attack.name)),
            Err(_) => {}
        }
    }
    println!("SAML: {} attack documents refused, {} not as expected", list.0.len() - wrong.len(), wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(list.0.len() >= 62);
}

#[tokio::test]
async fn every_attack_is_refused_too_where_a_signed_response_is_enough() {
    let world = World { signed: SignedPart::AssertionOrResponse, ..World::rsa() };
    let mut list = List::default();
    wrapping(&world, &mut list);
    signatures(&world, &mut list);
    documents(&world, &mut list);
    conditions(&world, &mut list);
    let mut refused = 0;
    for attack in &list.0 {
        match world.outcome(&attack.document).await {
            Err(_) => refused += 1,
            Ok(identity) => {
                // The one that is no attack here.
                assert_eq!(attack.name, "only the response signed, where the assertion must be");
                assert!(identity.subject.ends_with(" user-17"));
            }
        }
    }
    assert_eq!(refused, list.0.len() - 1);
    // A signed response whose assertion was exchanged afterwards.
    let whole = world.says().response_signed(&world.key);
    assert!(world.outcome(&whole).await.is_ok());
    let refusal = world.outcome(&whole.replace("user-17", EVIL)).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::SignatureInvalid);
    let evil = whole.replace(cut(&whole, "<saml:Assertion ", "</saml:Assertion>"), &evil(&world.says()).assertion());
    assert_eq!(world.outcome(&evil).await.unwrap_err().reason, Reason::SignatureInvalid);
}

#[tokio::test]
async fn the_same_document_signed_with_sha_256_is_good() {
    // What makes the SHA-1 fixture an attack is its algorithm: its sibling, by the same key, passes.
    let certificate = include_str!("fixtures/certificate.txt").trim();
    let metadata = metadata_of(ISSUER, &Key::rsa(KeySize::Rsa2048));
    let held = cut(&metadata, "<ds:X509Certificate>", "</ds:X509Certificate>").to_owned();
    let metadata = metadata.replace(&held, &format!("<ds:X509Certificate>{certificate}</ds:X509Certificate>"));
    let world = World::rsa();
    let world = World { idp: SamlIdp::from_metadata(&metadata, None, &guard(), now()).unwrap(), ..world };
    assert!(world.outcome(include_str!("fixtures/rsa-sha256.xml")).await.is_ok());
    assert_eq!(world.outcome(include_str!("fixtures/rsa-sha1.xml")).await.unwrap_err().reason, Reason::AlgorithmRefused);
}

#[test]
fn the_form_is_one_response_of_this_sign_in_and_binding() {
    let world = World::rsa();
    let good = World::form(&world.says().signed(&world.key));
    assert!(world.verify_form(&good).is_ok());
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let with = |extra: (String, String)| good.iter().cloned().chain([extra]).collect::<Vec<_>>();
    let relay = |value: &str| vec![good[0].clone(), field("RelayState", value)];
    let (malformed, state) = (Reason::Malformed, Reason::StateUnknown);
    let deflated = "fVFNT8MwDL3zK6Lc261lg9VqK02bkCYBQmziwM1L3DVSm5Q4Rfv5pB1IcIBT/PH8/F6cM3ZtL9eDb8wLfQzEfnXuWsMw";
    for (form, reason) in [
        (vec![], state),
        (vec![good[0].clone()], state),
        (vec![good[1].clone()], malformed),
        (with(good[0].clone()), malformed),
        (with(good[1].clone()), state),
        (relay(""), state),
        (relay("another"), state),
        (relay("https://evil.example/"), state),
        (relay(&format!("{STATE} ")), state),
        (with(field("SAMLRequest", "x")), malformed),
        (with(field("SAMLart", "x")), malformed),
        (with(field("SigAlg", RSA_SHA256)), malformed),
        (with(field("Signature", "x")), malformed),
        (vec![field("SAMLResponse", "%%%"), good[1].clone()], malformed),
        (vec![field("SAMLResponse", "/w=="), good[1].clone()], malformed),
        (vec![field("SAMLResponse", deflated), good[1].clone()], malformed),
        (vec![field("samlresponse", &good[0].1), good[1].clone()], malformed),
        (vec![field("SAMLResponse", &"A".repeat(256 * 1024 + 1)), good[1].clone()], Reason::TooLarge),
    ] {
        let refusal = world.verify_form(&form).unwrap_err();
        assert_eq!(refusal.reason, reason, "{:?}", form.iter().map(|(name, _)| name).collect::<Vec<_>>());
    }
    // Line breaks in the base 64 are how many providers send it.
    let folded: String = good[0].1.as_bytes().chunks(76).map(|line| format!("{}\r\n", String::from_utf8_lossy(line))).collect();
    assert!(world.verify_form(&[field("SAMLResponse", &folded), good[1].clone()]).is_ok());
}

#[test]
fn no_refusal_repeats_the_message() {
    // A detail goes to the log and the admin's page: nothing of the assertion is in it.
    let world = World::rsa();
    for document in [
        "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\"/>".to_owned(),
        world.says().signed(&world.attacker),
        world.says().signed(&world.key).replace("user-17", "x"),
    ] {
        let refusal = world.verify_form(&World::form(&document)).unwrap_err();
        assert!(!format!("{refusal:?}").contains("user-17") && !format!("{refusal:?}").to_lowercase().contains("ann@"), "{refusal:?}");
    }
}
