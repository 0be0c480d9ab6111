//! The owner's mark and our number inside an invoice's `PrivateNote`, beside whatever a bookkeeper wrote there (docs/vendors/quickbooks.md,
//! section 3). The field cannot be searched, is kept by every answer, and a void puts "Voided" before it.

/// The word that our line begins with.
const WORD: &str = "CoPortal";

/// What a note says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// The address of the invoice's page in CoPortal.
    pub(super) url: Option<String>,
    /// Our reference.
    pub(super) reference: Option<String>,
    /// Everything else: the bookkeeper's own text.
    pub(super) foreign: Option<String>,
}

/// The note that an invoice is to carry: our line, then the bookkeeper's text.
pub(super) fn write(reference: Option<&str>, url: &str, foreign: Option<&str>) -> String {
    let ours = [Some(WORD), reference.map(str::trim), Some(url)];
    let ours: Vec<&str> = ours.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    let lines = [Some(ours.join(" ")), foreign.map(str::to_owned)];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// Reads a note. The first mark in it counts; text before and after it, on its line or others, is the bookkeeper's.
pub(super) fn read(text: &str) -> Note {
    let Some((before, reference, url, after)) = mark_in(text) else {
        return Note { foreign: some(text.trim()), ..Note::default() };
    };
    let foreign: Vec<&str> = [before.trim(), after.trim()].into_iter().filter(|part| !part.is_empty()).collect();
    Note { url: some(url), reference: some(reference.trim()), foreign: some(&foreign.join("\n")) }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// The first "CoPortal [reference] address" of a text that stands on one line: what is before it, its two parts, what is after it.
fn mark_in(text: &str) -> Option<(&str, &str, &str, &str)> {
    let mut from = 0;
    while let Some(at) = text.get(from..)?.find(WORD).map(|at| at + from) {
        from = at + WORD.len();
        let (before, rest) = (text.get(..at)?, text.get(from..)?);
        let stands_alone = !before.ends_with(char::is_alphanumeric) && rest.starts_with(' ');
        let line = rest.split(['\n', '\r']).next().unwrap_or_default();
        let start = line.match_indices(" http").map(|(at, _)| at + 1).find(|at| line.get(*at..).is_some_and(is_address));
        if let (true, Some(start)) = (stands_alone, start) {
            let (reference, address) = (rest.get(..start)?, rest.get(start..)?);
            let end = address.find(char::is_whitespace).unwrap_or(address.len());
            return Some((before, reference, address.get(..end)?, address.get(end..)?));
        }
    }
    None
}

fn is_address(text: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| rest.starts_with(char::is_alphanumeric)))
}

/// Whether a void has been here.
pub(super) fn says_voided(text: &str) -> bool {
    text.trim_start().get(..6).is_some_and(|start| start.eq_ignore_ascii_case("voided"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const URL: &str = "https://app.coportal.example/invoices/inv_1";

    fn note(reference: Option<&str>, url: Option<&str>, foreign: Option<&str>) -> Note {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Note { url: owned(url), reference: owned(reference), foreign: owned(foreign) }
    }

    #[test]
    fn c6_the_mark_is_read_back_whatever_stands_around_it() {
        let ours = format!("CoPortal INV-1 {URL}");
        for (text, expected) in [
            (ours.clone(), note(Some("INV-1"), Some(URL), None)),
            (format!("Voided - {ours}"), note(Some("INV-1"), Some(URL), Some("Voided -"))),
            (format!("Voided\n{ours}"), note(Some("INV-1"), Some(URL), Some("Voided"))),
            (format!("call Ann\r\n{ours}\r\npaid by card"), note(Some("INV-1"), Some(URL), Some("call Ann\npaid by card"))),
            (format!("{ours} paid by card"), note(Some("INV-1"), Some(URL), Some("paid by card"))),
            (format!("CoPortal {URL}"), note(None, Some(URL), None)),
            (format!("CoPortal INV  1 a {URL}"), note(Some("INV  1 a"), Some(URL), None)),
            (format!("ask CoPortal about it\n{ours}"), note(Some("INV-1"), Some(URL), Some("ask CoPortal about it"))),
            (
                format!("{ours}\nCoPortal INV-2 https://x.example/2"),
                note(Some("INV-1"), Some(URL), Some("CoPortal INV-2 https://x.example/2")),
            ),
            ("MyCoPortal INV-1 https://x.example".to_owned(), note(None, None, Some("MyCoPortal INV-1 https://x.example"))),
            ("CoPortal INV-1\nhttps://x.example".to_owned(), note(None, None, Some("CoPortal INV-1\nhttps://x.example"))),
            ("CoPortal httpx://".to_owned(), note(None, None, Some("CoPortal httpx://"))),
            (String::new(), Note::default()),
        ] {
            assert_eq!(read(&text), expected, "{text}");
        }
    }

    #[test]
    fn c29_what_the_bookkeeper_wrote_is_handed_back() {
        let there = read(&format!("call Ann\nCoPortal INV-1 {URL}\npaid"));
        let next = write(Some("INV-1"), URL, there.foreign.as_deref());
        assert_eq!(next, format!("CoPortal INV-1 {URL}\ncall Ann\npaid"));
        assert_eq!(read(&next).foreign.as_deref(), Some("call Ann\npaid"), "and does not grow");
    }

    #[test]
    fn a_void_is_seen() {
        assert!(says_voided("Voided - x") && says_voided(" voided"));
        assert!(!says_voided("not Voided") && !says_voided("Void") && !says_voided("ééé"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(reference in "[A-Za-z0-9/#._-]{1,20}( [A-Za-z0-9]{1,5})?", foreign in proptest::option::of("[a-z ]{0,20}[a-z]")) {
            let text = write(Some(&reference), URL, foreign.as_deref());
            let foreign = foreign.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
            prop_assert_eq!(read(&text), Note { url: Some(URL.to_owned()), reference: Some(reference), foreign });
        }

        #[test]
        fn no_note_makes_the_reader_panic(text in "(CoPortal| |https?://|é|\n|.){0,30}") {
            let _ = (read(&text), says_voided(&text));
        }
    }
}
