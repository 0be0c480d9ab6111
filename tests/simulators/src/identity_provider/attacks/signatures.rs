//! Signatures that are none, or cover something else.

use super::{EVIL, List, Stage};
use crate::identity_provider::keys::KeyError;
use crate::identity_provider::response::{
    ASSERTION, ENVELOPED, EXCLUSIVE, How, after_issuer, cut, instant, key_info, sign, signature, transform,
};

/// Signatures that are none, or cover something else.
pub(super) fn signatures(stage: &Stage<'_>, list: &mut List) -> Result<(), KeyError> {
    let says = &stage.says;
    let (assertion, id) = (says.assertion(), says.assertion_id.clone());
    let how = || How::new(stage.key);
    let by = |how: &How<'_>| -> Result<String, KeyError> { Ok(says.response(&sign(&assertion, &id, how)?)) };
    let good = by(&how())?;
    let (shape, unsigned, forged, algorithm) = (&["malformed"], &["not_signed"], &["signature_invalid"], &["algorithm_refused"]);

    list.add("unsigned", says.response(&assertion), unsigned);
    list.add("the signature removed", good.replacen(cut(&good, "<ds:Signature ", "</ds:Signature>"), "", 1), unsigned);
    list.add("another name id", good.replace(stage.name(), EVIL), forged);
    list.add("another address", good.replace(stage.mail(), "boss@evil.example"), forged);
    list.add("a later end", good.replace(&instant(stage.now, 5), &instant(stage.now, 65)), forged);
    list.add(
        "an added attribute",
        good.replace(
            "<saml:AttributeStatement>",
            "<saml:AttributeStatement><saml:Attribute Name=\"role\"><saml:AttributeValue>owner</saml:AttributeValue></saml:Attribute>",
        ),
        forged,
    );
    let attacker = || How::new(stage.attacker);
    list.add("the attacker's key", by(&attacker())?, forged);
    list.add(
        "the attacker's key and certificate",
        by(&How { key_info: key_info(&stage.attacker.certificate_base64()), ..attacker() })?,
        forged,
    );
    list.add(
        "the attacker's key, the provider's certificate",
        by(&How { key_info: key_info(&stage.key.certificate_base64()), ..attacker() })?,
        forged,
    );
    let by_name = "<ds:KeyInfo><ds:KeyName>idp.test</ds:KeyName></ds:KeyInfo>";
    list.add("the attacker's key by name", by(&How { key_info: by_name.to_owned(), ..attacker() })?, forged);
    let retrieved = "<ds:KeyInfo><ds:RetrievalMethod URI=\"https://evil.example/key\"></ds:RetrievalMethod></ds:KeyInfo>";
    list.add("the attacker's key to be fetched", by(&How { key_info: retrieved.to_owned(), ..attacker() })?, forged);
    let value = cut(&good, "<ds:SignatureValue>", "</ds:SignatureValue>");
    for (name, wrong) in [("garbage", "AAAA"), ("empty", ""), ("not base 64", "****")] {
        list.add(
            format!("a signature value that is {name}"),
            good.replace(value, &format!("<ds:SignatureValue>{wrong}</ds:SignatureValue>")),
            &["signature_invalid", "malformed"],
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
    list.add("two references", by(&How { more_references: cut(&good, "<ds:Reference ", "</ds:Reference>").to_owned(), ..how() })?, shape);
    list.add("no reference", by(&How { no_reference: true, ..how() })?, shape);
    list.add("an empty reference", by(&How { uri: Some(String::new()), ..how() })?, shape);
    list.add("an external reference", by(&How { uri: Some("https://evil.example/a".to_owned()), ..how() })?, shape);
    list.add("a reference to a file", by(&How { uri: Some("file:///etc/passwd".to_owned()), ..how() })?, shape);
    list.add("a reference by XPointer", by(&How { uri: Some(format!("#xpointer(id('{id}'))")), ..how() })?, shape);
    let conditions = cut(&assertion, "<saml:Conditions", "</saml:Conditions>").to_owned();
    let marked = conditions.replacen("<saml:Conditions", &format!("<saml:Conditions xmlns:saml=\"{ASSERTION}\" ID=\"_c1\""), 1);
    let over_conditions = signature(&marked, "_c1", &how())?;
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
        list.add(format!("signed with {name}"), by(&How { transforms, ..how() })?, shape);
    }
    for uri in ["http://www.w3.org/2001/10/xml-exc-c14n#WithComments", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315", ""] {
        list.add(format!("signed info in the form {uri:?}"), by(&How { canonicalization: uri.to_owned(), ..how() })?, shape);
    }
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", stage.key.certificate_base64()).into_bytes();
    for (hash, uri) in
        [("SHA-1", "http://www.w3.org/2000/09/xmldsig#hmac-sha1"), ("SHA-256", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")]
    {
        for (what, secret) in [("PEM", pem.clone()), ("DER", stage.key.certificate().to_vec()), ("public key", stage.key.spki().to_vec())] {
            list.add(
                format!("HMAC {hash} with the certificate's {what}"),
                by(&How { algorithm: uri.to_owned(), hmac: Some(secret), ..how() })?,
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
        list.add(format!("signature algorithm {uri}"), by(&How { algorithm: uri.to_owned(), ..how() })?, algorithm);
    }
    list.add("a digest of SHA-1", by(&How { digest: "http://www.w3.org/2000/09/xmldsig#sha1".to_owned(), ..how() })?, algorithm);
    list.add("an object in the signature", by(&How { tail: "<ds:Object>x</ds:Object>".to_owned(), ..how() })?, shape);
    list.add("only the response signed, where the assertion must be", says.response_signed(stage.key)?, unsigned);
    list.add("the response signed by an attacker", sign(&good, &says.response_id, &attacker())?, forged);
    Ok(())
}
