//! Texts of lines as Sage takes them.
//!
//! Sage refuses a description that holds an HTML entity, with a message about totals (docs/vendors/sage.md, section 7), and is not to be
//! trusted with tags. Nothing is taken out of a text: what looks like an entity or a tag gets one blank more behind its first character,
//! and a text that comes back loses it again. So what a person wrote stays readable there, and compares equal here.

/// Longest name of an entity that is looked for: the longest one of HTML has 31 letters.
const NAME_MAX: usize = 32;

/// A text as it is written to Sage.
pub(super) fn written(text: &str) -> String {
    spaced(text, |blanks| blanks + 1)
}

/// A text as it was before [`written`].
pub(super) fn read(text: &str) -> String {
    spaced(text, |blanks| blanks.saturating_sub(1))
}

/// Replaces the number of blanks behind each character that opens an entity or a tag.
fn spaced(text: &str, blanks: impl Fn(usize) -> usize) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let mut chars = from.chars();
        let Some(opener) = chars.next() else { break };
        out.push(opener);
        let behind = chars.as_str();
        let inner = behind.trim_start_matches(' ');
        let opens = if opener == '&' { is_entity(inner) } else { is_tag(inner) };
        if opens {
            out.extend(std::iter::repeat_n(' ', blanks(behind.len() - inner.len())));
            rest = inner;
        } else {
            rest = behind;
        }
    }
    out.push_str(rest);
    out
}

/// `amp;`, `#39;`, `#x27;`: what stands behind the ampersand of an entity.
fn is_entity(behind: &str) -> bool {
    let name = behind.strip_prefix('#').unwrap_or(behind);
    let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
    (1..=NAME_MAX).contains(&end) && name.get(end..).is_some_and(|rest| rest.starts_with(';'))
}

/// `b>`, `/p>`, `!--`, `?xml`: what stands behind the bracket of a tag.
fn is_tag(behind: &str) -> bool {
    behind.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entities_and_tags_are_opened_up_and_other_text_is_left_alone() {
        for (plain, sent) in [
            ("R&amp;D", "R& amp;D"),
            ("it&#39;s &#x27;so&#x27;", "it& #39;s & #x27;so& #x27;"),
            ("<b>Design</b>", "< b>Design< /b>"),
            ("<!-- a --><?xml?>", "< !-- a -->< ?xml?>"),
            ("&amp;amp;", "& amp;amp;"),
            ("&&lt;<i>", "&& lt;< i>"),
            ("< b>", "<  b>"),
            ("& amp;", "&  amp;"),
            ("R & D; more", "R &  D; more"),
            ("a < b", "a <  b"),
        ] {
            assert_eq!(written(plain), sent, "{plain}");
            assert_eq!(read(sent), plain, "{sent}");
        }
        for same in ["", "R&D", "R & D", "a; b", "&;", "1 < 2 > 0", "x <3", "Q&A: why?", "Zoë & Søn", "&é;"] {
            assert_eq!((written(same).as_str(), read(same).as_str()), (same, same));
        }
    }

    proptest! {
        #[test]
        fn a_text_comes_back_as_it_was_sent(text in "[ a-c&<>;#/!é]{0,40}") {
            prop_assert_eq!(read(&written(&text)), text);
        }

        /// Whatever stands there raw can be handed back: it is never changed twice.
        #[test]
        fn what_is_sent_holds_no_entity_and_no_tag(text in "[ a-c&<>;#/!é]{0,40}") {
            let sent = written(&text);
            for (at, _) in sent.match_indices('&') {
                prop_assert!(!is_entity(&sent[at + 1..]), "{}", sent);
            }
            for (at, _) in sent.match_indices('<') {
                prop_assert!(!is_tag(&sent[at + 1..]), "{}", sent);
            }
            prop_assert_eq!(written(&read(&sent)), sent);
        }
    }
}
