//! Customers' identity providers: served, for a sign-in from end to end ([`served`]), and as far as they sign: SAML responses in canonical
//! form, good ones and a list of attacks made of them.
//!
//! Nothing here verifies a signature, and nothing knows the product: a response is put together as text and signed with a key that is made
//! on the spot. Whoever consumes responses is held against [`attacks::all`]: every document of it must be refused.

pub mod attacks;
pub mod keys;
pub mod response;
pub mod served;

pub use self::attacks::{Attack, Stage};
pub use self::keys::{Key, KeyError};
pub use self::response::{Connection, How, Says};
