//! Documents that are not plain.

use super::{List, Stage};
use crate::identity_provider::keys::KeyError;
use crate::identity_provider::response::{ASSERTION, DSIG, EMAIL, PROTOCOL, Says};

/// Documents that are not plain.
pub(super) fn documents(stage: &Stage<'_>, list: &mut List) -> Result<(), KeyError> {
    let good = stage.says.signed(stage.key)?;
    let shape = &["malformed"];
    let (head, tail) = stage.name().split_at_checked(1).unwrap_or((stage.name(), ""));
    let in_name = |what: &str| good.replace(stage.name(), &format!("{head}{what}{tail}"));
    // Signed is an address of the attacker's own domain; read up to the comment it would be one of the victim's.
    let longer = Says { format: EMAIL.to_owned(), name_id: Some(format!("{}.evil.example", stage.mail())), ..stage.says.clone() };
    let longer = longer.signed(stage.key)?;
    let cut_name = |what: &str| longer.replace(".evil.example</saml:NameID>", &format!("{what}.evil.example</saml:NameID>"));
    let (mail, name) = (stage.mail(), stage.name());
    list.add("a comment in the name id", in_name("<!-- -->"), shape);
    list.add("a comment that cuts the address", cut_name("<!-- -->"), shape);
    list.add("an instruction in the name id", in_name("<?x y?>"), shape);
    list.add("CDATA as name id", good.replace(name, &format!("<![CDATA[{name}]]>")), shape);
    list.add("an element in the name id", in_name("<x></x>"), &["name_id_unusable"]);
    list.add("a comment in an attribute's value", good.replace(mail, &mail.replace('@', "<!-- -->@")), shape);
    list.add("CDATA in an attribute's value", good.replace(mail, &format!("<![CDATA[{mail}]]>")), shape);
    list.add("an entity in the name id", in_name("&x;"), shape);
    list.add("a document type", format!("<!DOCTYPE samlp:Response>{good}"), shape);
    list.add("an entity that is declared", format!("<!DOCTYPE r [<!ENTITY x \"\">]>{}", in_name("&x;")), shape);
    list.add("an external entity", format!("<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{}", in_name("&x;")), shape);
    list.add("an external document type", format!("<!DOCTYPE r SYSTEM \"https://evil.example/a.dtd\">{good}"), shape);
    let laughs: String = (1..20).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    list.add("a billion laughs", format!("<!DOCTYPE r [<!ENTITY l0 \"ha\">{laughs}]>{}", in_name("&l19;")), shape);
    list.add("a million laughs in an attribute", format!("<!DOCTYPE r [<!ATTLIST r a CDATA \"x\">]>{good}"), shape);
    list.add("nested 20,000 deep", format!("{}{}", "<a>".repeat(20_000), "</a>".repeat(20_000)), shape);
    list.add(
        "deep inside an attribute's value",
        good.replace(mail, &format!("{}{mail}", "<a>".repeat(5_000) + &"</a>".repeat(5_000))),
        shape,
    );
    let wide: String = (0..15_000).map(|n| format!(" a{n}=\"\"")).collect();
    list.add("15,000 attributes", good.replacen("<samlp:Status>", &format!("<samlp:Status{}>", wide), 1), &["malformed", "too_large"]);
    list.add("40,000 elements", good.replace(mail, &format!("{}{mail}", "<a/>".repeat(40_000))), shape);
    list.add("a megabyte", format!("{good}{}", " ".repeat(1024 * 1024)), &["too_large"]);
    list.add("two roots", format!("{good}{good}"), shape);
    list.add("text after the root", format!("{good}x"), shape);
    list.add("a byte-order mark and a second one", format!("\u{feff}\u{feff}{good}"), shape);
    list.add("an instruction before the root", format!("<?xml-stylesheet href=\"https://evil.example/a.xsl\"?>{good}"), shape);
    list.add("XML 1.1", format!("<?xml version=\"1.1\"?>{good}"), shape);
    list.add("another encoding", format!("<?xml version=\"1.0\" encoding=\"UTF-7\"?>{good}"), shape);
    list.add("not XML", "hello", shape);
    list.add("nothing", "", shape);
    list.add("half of it", good.get(..good.len() / 2).unwrap_or_default(), shape);
    list.add("a prefix without a namespace", good.replacen(&format!(" xmlns:samlp=\"{PROTOCOL}\""), "", 1), shape);
    list.add("a SAML 1.1 response", good.replace(PROTOCOL, "urn:oasis:names:tc:SAML:1.0:protocol"), shape);
    list.add("version 1.1", good.replacen("Version=\"2.0\"", "Version=\"1.1\"", 1), shape);
    list.add("a logout response", good.replace("samlp:Response", "samlp:LogoutResponse"), shape);
    list.add(
        "an encrypted assertion",
        stage.says.response(&format!("<saml:EncryptedAssertion xmlns:saml=\"{ASSERTION}\"></saml:EncryptedAssertion>")),
        &["encrypted"],
    );
    list.add("an encrypted id", good.replace("saml:NameID", "saml:EncryptedID"), &["encrypted"]);
    list.add(
        "the same namespace by another prefix, unsigned",
        stage.says.response(&stage.says.assertion().replace("saml:", "x:").replace("xmlns:saml", "xmlns:x")),
        &["not_signed", "malformed"],
    );
    list.add(
        "a signature element in no namespace",
        good.replace(&format!("<ds:Signature xmlns:ds=\"{DSIG}\">"), "<ds:Signature xmlns:ds=\"urn:x\">"),
        shape,
    );
    Ok(())
}
