//! The local cloud: the embedded table, the doubles, the gateway over `infra/template.yaml`, the token issuer and the mailbox.
//!
//! Nothing here is deployed. Product code reaches it as it reaches AWS: through the SDK and over HTTP.

pub mod assembly;
pub mod aws_endpoint;
pub mod aws_json;
mod chance;
pub mod clock;
pub mod doubles;
pub mod gateway;
pub mod issuer;
mod kept;
pub mod mailbox;
pub mod sdk;
pub mod table;
pub mod template;
