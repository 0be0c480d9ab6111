//! The local cloud, part by part. One binary, so that the SDK is linked once.

#[cfg(test)]
mod command;
#[cfg(test)]
mod endpoint;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod kms;
#[cfg(test)]
mod pumps;
#[cfg(test)]
mod run;
#[cfg(test)]
mod single_sign_on;
#[cfg(test)]
mod sqs;
#[cfg(test)]
mod support;
#[cfg(test)]
mod table;
#[cfg(test)]
mod template;
