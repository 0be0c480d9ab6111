//! The local cloud: the embedded table, the doubles, the gateway over `infra/template.yaml`, the token issuer and the mailbox; and the
//! whole in one process, with every function and the simulators.
//!
//! Nothing here is deployed. Product code reaches it as it reaches AWS: through the SDK and over HTTP.

pub mod assembly;
pub mod aws_endpoint;
pub mod aws_json;
pub mod caller;
mod chance;
pub mod clock;
pub mod demo;
pub mod dns;
pub mod doubles;
pub mod gateway;
pub mod issuer;
mod kept;
pub mod mailbox;
pub mod pattern;
pub mod pumps;
pub mod run;
pub mod sdk;
pub mod studio;
pub mod table;
pub mod template;
