//! Records, token vault and parameters: the only crate that names the AWS SDK.
