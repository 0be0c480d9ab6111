//! Secrets that cannot be printed, compared by accident, cloned or serialised.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret text (token, client secret, authorisation code). It has no `Debug`, `Display`, `Clone` or `Serialize`, and is wiped when
/// dropped. The only way in is [`Secret::expose`], which a reviewer can search for.
///
/// ```compile_fail
/// println!("{:?}", coportal_core::secret::Secret::new("t".into()));
/// ```
/// ```compile_fail
/// println!("{}", coportal_core::secret::Secret::new("t".into()));
/// ```
/// ```compile_fail
/// let secret = coportal_core::secret::Secret::new("t".into());
/// let _copy = secret.clone();
/// ```
/// ```compile_fail
/// let _json = serde_json::to_string(&coportal_core::secret::Secret::new("t".into()));
/// ```
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes ownership of a secret.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself: for a request's header or body, a cipher or a hash, and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}
