//! What is stored packed: zlib (RFC 1950), whose checksum finds damage.

use std::cell::RefCell;
use std::io::{self, Read as _, Write as _};

use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;

thread_local! {
    // Its tables take a third of a megabyte, which would be made and cleared for each body of a few hundred bytes.
    static ENCODER: RefCell<ZlibEncoder<Vec<u8>>> = RefCell::new(fresh());
}

fn fresh() -> ZlibEncoder<Vec<u8>> {
    ZlibEncoder::new(Vec::new(), Compression::default())
}

/// Packs bytes; the same bytes are always packed alike.
///
/// # Errors
/// When the encoder fails.
pub(super) fn pack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    ENCODER.with_borrow_mut(|encoder| {
        let packed = encoder.write_all(bytes).and_then(|()| encoder.reset(Vec::new()));
        if packed.is_err() {
            *encoder = fresh();
        }
        packed
    })
}

/// What was packed.
///
/// # Errors
/// When it is damaged or cut off, or when there are more than `most` bytes in it: it was not packed by us then.
pub(super) fn unpack(packed: &[u8], most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(packed).take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= most) {
        Ok(bytes)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it unpacks to more than is ever packed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_does_not_depend_on_what_was_packed_before() {
        let one = br#"{"Invoices":[{"InvoiceNumber":"INV-0001"}]}"#.repeat(20);
        let other = br#"{"Contacts":[{"Name":"Rosewood & Vale"}]}"#.repeat(3);
        let first = pack(&one).unwrap();
        assert_eq!(unpack(&pack(&other).unwrap(), 1_000).unwrap(), other);
        assert_eq!(pack(&one).unwrap(), first);
        assert_eq!(unpack(&first, 1_000).unwrap(), one);
        assert!(first.len() < one.len() / 4, "{} of {}", first.len(), one.len());
        assert_eq!(unpack(&pack(b"").unwrap(), 0).unwrap(), b"");
    }

    #[test]
    fn damage_a_cut_and_too_much_are_refused() {
        let packed = pack(&[b'a'; 100]).unwrap();
        assert_eq!(unpack(&packed, 100).unwrap().len(), 100);
        assert_eq!(unpack(&packed, 99).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let (cut, checksum) = packed.split_at(packed.len() - 1);
        assert!(unpack(cut, 100).is_err());
        let damaged = [cut, &[checksum[0] ^ 1]].concat();
        assert!(unpack(&damaged, 100).is_err());
    }
}
