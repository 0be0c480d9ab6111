//! A write as sent: what it changes depends on whether it is sparse (section 3, Calls).

use jiff::civil::Date;

use super::fault::Refusal;
use crate::skeleton::fields::Fields;

/// The fields of a write.
#[derive(Clone, Copy)]
pub(crate) struct Patch<'body> {
    pub(crate) fields: &'body Fields,
    /// Without `sparse`, omitted writable fields become null.
    pub(crate) full: bool,
}

/// A text with its longest length in characters; empty counts as null.
pub(crate) fn limited(fields: &Fields, name: &str, most: usize) -> Result<Option<String>, Refusal> {
    let text = fields.text(name)?.filter(|text| !text.is_empty());
    match text.as_ref().map(|text| text.chars().count()).filter(|length| *length > most) {
        Some(length) => Err(Refusal::too_long(name, most, length)),
        None => Ok(text),
    }
}

/// `{"value": …}`; its name is not read.
pub(crate) fn reference(fields: &Fields, name: &str) -> Result<Option<String>, Refusal> {
    let Some(object) = fields.object(name)? else { return Ok(None) };
    if let Some(other) = object.unknown(&["value", "name"]) {
        return Err(Refusal::NotModelled(format!("the member {other} of {name}")));
    }
    Ok(object.text("value")?.filter(|value| !value.is_empty()))
}

/// Refuses fields that are not in `known`.
pub(crate) fn only(fields: &Fields, known: &[&str], what: &str) -> Result<(), Refusal> {
    match fields.unknown(known) {
        None => Ok(()),
        Some(field) => Err(Refusal::NotModelled(format!("writing the {what} field {field}"))),
    }
}

impl Patch<'_> {
    /// Whether the field has a say: it was sent, or its absence nulls it.
    pub(crate) fn speaks(self, name: &str) -> bool {
        self.full || self.fields.has(name)
    }

    pub(crate) fn text(self, name: &str, most: usize, place: &mut Option<String>) -> Result<(), Refusal> {
        if self.speaks(name) {
            *place = limited(self.fields, name, most)?;
        }
        Ok(())
    }

    /// A text inside an object: `PrimaryEmailAddr.Address` and its like.
    pub(crate) fn inner(self, name: &str, member: &str, most: usize, place: &mut Option<String>) -> Result<(), Refusal> {
        if self.speaks(name) {
            *place = match self.fields.object(name)? {
                None => None,
                Some(object) => {
                    only(&object, &[member], name)?;
                    limited(&object, member, most)?
                }
            };
        }
        Ok(())
    }

    pub(crate) fn date(self, name: &str, place: &mut Option<Date>) -> Result<(), Refusal> {
        if self.speaks(name) {
            *place = self.fields.date(name)?;
        }
        Ok(())
    }

    pub(crate) fn boolean(self, name: &str, place: &mut Option<bool>) -> Result<(), Refusal> {
        if self.speaks(name) {
            *place = self.fields.boolean(name)?;
        }
        Ok(())
    }
}
