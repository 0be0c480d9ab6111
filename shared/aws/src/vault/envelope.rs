//! The bytes of an envelope: version, key id, wrapped key, then each sealed field with its nonce.
//!
//! ```text
//! u8 version = 1 | u16 len, key id | u16 len, wrapped key | u8 fields | per field: u8 len, name | 12 bytes nonce | u32 len, ciphertext and tag
//! ```

use aws_lc_rs::aead::NONCE_LEN;

/// The only version so far.
const VERSION: u8 = 1;

/// Sealed secrets as they are stored. Useless without KMS, and to anybody but the context they were sealed for.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope(Vec<u8>);

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Envelope({} bytes)", self.0.len())
    }
}

pub(super) struct Sealed {
    pub(super) field: String,
    pub(super) nonce: [u8; NONCE_LEN],
    pub(super) text: Vec<u8>,
}

pub(super) struct Parts {
    pub(super) key_id: String,
    pub(super) wrapped: Vec<u8>,
    pub(super) sealed: Vec<Sealed>,
}

/// Version, key id and wrapped key: bound to each seal as associated data.
pub(super) fn header(key_id: &str, wrapped: &[u8]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    push16(&mut bytes, key_id.as_bytes());
    push16(&mut bytes, wrapped);
    bytes
}

/// Key ids have at most 2,048 characters and wrapped keys 6,144 bytes (KMS API Reference): two bytes of length are enough.
fn push16(bytes: &mut Vec<u8>, part: &[u8]) {
    let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend(part.iter().take(usize::from(length)));
}

impl Envelope {
    pub(super) fn new(key_id: &str, wrapped: &[u8], sealed: &[Sealed]) -> Self {
        let mut bytes = header(key_id, wrapped);
        bytes.push(u8::try_from(sealed.len()).unwrap_or(u8::MAX));
        for Sealed { field, nonce, text } in sealed {
            bytes.push(u8::try_from(field.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(field.as_bytes());
            bytes.extend_from_slice(nonce);
            bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(text);
        }
        Self(bytes)
    }

    /// Stored bytes as an envelope; whether they are one shows when it is opened.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The KMS key under which it was sealed, as KMS named it; `None` when the bytes are no envelope.
    #[must_use]
    pub fn key_id(&self) -> Option<String> {
        self.read().map(|parts| parts.key_id)
    }

    /// The parts, when the bytes are exactly an envelope: nothing missing, nothing left over.
    pub(super) fn read(&self) -> Option<Parts> {
        let mut reader = Reader(&self.0);
        if reader.take(1)? != [VERSION] {
            return None;
        }
        let key_id = reader.take16()?;
        let key_id = String::from_utf8(key_id.to_vec()).ok()?;
        let wrapped = reader.take16()?.to_vec();
        let [fields] = *reader.take(1)?.first_chunk::<1>()?;
        let mut sealed = Vec::with_capacity(usize::from(fields));
        for _ in 0..fields {
            let [length] = *reader.take(1)?.first_chunk::<1>()?;
            let field = String::from_utf8(reader.take(usize::from(length))?.to_vec()).ok()?;
            let nonce = *reader.take(NONCE_LEN)?.first_chunk::<NONCE_LEN>()?;
            let length = u32::from_be_bytes(*reader.take(4)?.first_chunk::<4>()?);
            let text = reader.take(usize::try_from(length).ok()?)?.to_vec();
            sealed.push(Sealed { field, nonce, text });
        }
        (reader.0.is_empty() && !sealed.is_empty()).then_some(Parts { key_id, wrapped, sealed })
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (part, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(part)
    }

    fn take16(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(*self.take(2)?.first_chunk::<2>()?);
        self.take(usize::from(length))
    }
}

/// Bytes in the table.
impl serde::Serialize for Envelope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Envelope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the bytes of an envelope")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }
        deserializer.deserialize_byte_buf(Bytes).map(Self)
    }
}
