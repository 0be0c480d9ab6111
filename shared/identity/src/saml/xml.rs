//! XML read with bounds into a small tree: no document type, no entity but the five of XML itself, no duplicate id.

use std::collections::BTreeSet;

use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;

/// Deepest nesting.
const DEPTH: usize = 40;
/// Most elements.
const ELEMENTS: usize = 20_000;
/// Most attributes of an element.
const ATTRIBUTES: usize = 40;

/// Why a text is not a document that is read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Not well-formed XML 1.0 in UTF-8, with one root.
    #[error("it is not well-formed XML")]
    Malformed,
    /// A document type declaration, or an entity that needs one.
    #[error("it has a document type declaration")]
    Doctype,
    /// A comment, CDATA section or processing instruction where none is taken.
    #[error("it holds a comment, a CDATA section or an instruction")]
    Markup,
    /// Deeper, longer or wider than is read.
    #[error("it is nested too deep or has too many parts")]
    Limits,
    /// Two elements have one id.
    #[error("an id is used twice")]
    DuplicateId,
}

/// Whether comments and CDATA sections are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Markup {
    /// Refused: a signed message, in which two readers may see two texts around a comment.
    Refused,
    /// Left out (comments) or taken as text (CDATA): metadata, which people write.
    Allowed,
}

/// An element.
#[derive(Debug, Clone, Default)]
pub(super) struct Element {
    /// Its namespace; empty for none.
    pub(super) namespace: String,
    /// Its local name.
    pub(super) name: String,
    /// Attributes without a namespace; those with one are of no use here.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    /// The text directly inside it.
    pub(super) text: String,
}

impl Element {
    pub(super) fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn all<'e>(&'e self, namespace: &'e str, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |child| child.is(namespace, name))
    }

    /// The child of this name, if there is exactly one.
    pub(super) fn only(&self, namespace: &str, name: &str) -> Option<&Element> {
        let mut all = self.children.iter().filter(|child| child.is(namespace, name));
        all.next().filter(|_| all.next().is_none())
    }

    /// This element and everything below it.
    pub(super) fn descendants(&self) -> Vec<&Element> {
        let mut found = vec![self];
        let mut next = 0;
        while let Some(element) = found.get(next).copied() {
            found.extend(&element.children);
            next += 1;
        }
        found
    }
}

/// Reads a document.
pub(super) fn read(text: &str, markup: Markup) -> Result<Element, XmlError> {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_comments = true;
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut ids = BTreeSet::new();
    let mut elements = 0;
    let mut begun = false;
    loop {
        let event = reader.read_event().map_err(|_| XmlError::Malformed)?;
        match event {
            Event::Start(start) => {
                elements += 1;
                if elements > ELEMENTS || open.len() >= DEPTH {
                    return Err(XmlError::Limits);
                }
                if root.is_some() {
                    return Err(XmlError::Malformed);
                }
                open.push(element(&reader, &start, &mut ids)?);
            }
            Event::End(_) => {
                let done = open.pop().ok_or(XmlError::Malformed)?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => root = Some(done),
                }
            }
            Event::Text(text) => append(&mut open, &text.xml10_content())?,
            Event::CData(text) if markup == Markup::Allowed => append(&mut open, &text.xml10_content())?,
            Event::GeneralRef(reference) => append(&mut open, &resolved(&reference)?)?,
            Event::Comment(_) if markup == Markup::Allowed => {}
            Event::Decl(declaration) if !begun => {
                let version = declaration.version().map_err(|_| XmlError::Malformed)?;
                let encoding = declaration.encoding().transpose().map_err(|_| XmlError::Malformed)?;
                if version != "1.0" || encoding.is_some_and(|name| !name.eq_ignore_ascii_case("utf-8")) {
                    return Err(XmlError::Malformed);
                }
            }
            Event::Decl(_) => return Err(XmlError::Malformed),
            Event::CData(_) | Event::Comment(_) | Event::PI(_) => return Err(XmlError::Markup),
            Event::DocType(_) => return Err(XmlError::Doctype),
            // The reader expands these into a start and an end.
            Event::Empty(_) => return Err(XmlError::Malformed),
            Event::Eof => break,
        }
        begun = true;
    }
    root.filter(|_| open.is_empty()).ok_or(XmlError::Malformed)
}

fn append(open: &mut [Element], text: &str) -> Result<(), XmlError> {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if !text.chars().all(allowed) {
        return Err(XmlError::Malformed);
    }
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        // Around the root only white space; a byte-order mark is none.
        None if text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' ')) => {}
        None => return Err(XmlError::Malformed),
    }
    Ok(())
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, XmlError> {
    if reference.is_char_ref() {
        let c = reference.resolve_char_ref().map_err(|_| XmlError::Malformed)?.ok_or(XmlError::Malformed)?;
        return Ok(c.to_string());
    }
    resolve_predefined_entity(&reference.xml10_content()).map(str::to_owned).ok_or(XmlError::Doctype)
}

fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>, ids: &mut BTreeSet<String>) -> Result<Element, XmlError> {
    let (namespace, name) = reader.resolver().resolve_element(start.name());
    let mut read = Element { namespace: text_of(namespace)?, name: name.into_inner().to_owned(), ..Element::default() };
    for attribute in start.attributes().with_checks(true) {
        let attribute = attribute.map_err(|_| XmlError::Malformed)?;
        if read.attributes.len() >= ATTRIBUTES {
            return Err(XmlError::Limits);
        }
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| XmlError::Doctype)?.into_owned();
        let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
        let (namespace, name) = (text_of(namespace)?, name.into_inner().to_owned());
        let declares = attribute.key.as_namespace_binding().is_some();
        // Whatever some reader may take for an id (`ID` of SAML, `Id` of XML signature, `xml:id`) names one element.
        if !declares && name.eq_ignore_ascii_case("id") && !ids.insert(value.clone()) {
            return Err(XmlError::DuplicateId);
        }
        if !declares && namespace.is_empty() {
            read.attributes.push((name, value));
        }
    }
    Ok(read)
}

fn text_of(namespace: ResolveResult<'_>) -> Result<String, XmlError> {
    match namespace {
        ResolveResult::Unbound => Ok(String::new()),
        ResolveResult::Bound(namespace) => Ok(namespace.into_inner().to_owned()),
        ResolveResult::Unknown(_) => Err(XmlError::Malformed),
    }
}

/// Text for an attribute or an element.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_plain_is_refused() {
        let deep = format!("{}{}", "<a>".repeat(DEPTH + 1), "</a>".repeat(DEPTH + 1));
        let wide = format!("<a {}/>", (0..=ATTRIBUTES).map(|n| format!("a{n}=\"\"")).collect::<Vec<_>>().join(" "));
        let many = format!("<a>{}</a>", "<b/>".repeat(ELEMENTS));
        for (text, error) in [
            ("", XmlError::Malformed),
            ("plain", XmlError::Malformed),
            ("<a>", XmlError::Malformed),
            ("<a></b>", XmlError::Malformed),
            ("<a/><b/>", XmlError::Malformed),
            ("<a/>x", XmlError::Malformed),
            ("\u{feff}x<a/>", XmlError::Malformed),
            ("<a b=\"1\" b=\"2\"/>", XmlError::Malformed),
            ("<x:a/>", XmlError::Malformed),
            ("<a>&#0;</a>", XmlError::Malformed),
            ("<?xml version=\"1.1\"?><a/>", XmlError::Malformed),
            ("<?xml version=\"1.0\" encoding=\"utf-16\"?><a/>", XmlError::Malformed),
            ("<a><?xml version=\"1.0\"?></a>", XmlError::Malformed),
            ("<!DOCTYPE a><a/>", XmlError::Doctype),
            ("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", XmlError::Doctype),
            ("<a>&b;</a>", XmlError::Doctype),
            ("<a b=\"&c;\"/>", XmlError::Doctype),
            ("<a><!-- --></a>", XmlError::Markup),
            ("<a><![CDATA[x]]></a>", XmlError::Markup),
            ("<a><?b c?></a>", XmlError::Markup),
            ("<a ID=\"x\"><b Id=\"x\"/></a>", XmlError::DuplicateId),
            ("<a ID=\"x\"><b xml:id=\"x\"/></a>", XmlError::DuplicateId),
            (deep.as_str(), XmlError::Limits),
            (wide.as_str(), XmlError::Limits),
            (many.as_str(), XmlError::Limits),
        ] {
            assert_eq!(read(text, Markup::Refused).unwrap_err(), error, "{}", &text[..text.len().min(80)]);
        }
    }

    #[test]
    fn text_and_names_come_out_whole() {
        let read = read(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<n:a xmlns:n=\"urn:x\" b='&lt;1&#62;'>x&amp;<c xmlns=\"urn:y\"/>y</n:a> ",
            Markup::Refused,
        );
        let read = read.unwrap();
        assert!(read.is("urn:x", "a") && read.only("urn:y", "c").is_some());
        assert_eq!((read.text.as_str(), read.attribute("b")), ("x&y", Some("<1>")));
    }

    proptest! {
        #[test]
        fn what_is_escaped_reads_back(text in "[ -~äöü€\u{1f600}]{0,60}") {
            let read = read(&format!("<a b=\"{0}\">{0}</a>", escape(&text)), Markup::Refused).unwrap();
            prop_assert_eq!(read.attribute("b"), Some(text.as_str()));
            prop_assert_eq!(read.text, text);
        }

        #[test]
        fn nothing_panics(text in "[<>/a-c!\\[\\]&;#?\"'= x:-]{0,80}") {
            let _ = read(&text, Markup::Refused);
            let _ = read(&text, Markup::Allowed);
        }
    }
}
