//! Configuration kept in SSM: client ids and secrets of the ledgers. Read together, decrypted, kept for ten minutes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use coportal_core::ctx::Ctx;
use coportal_core::problem::Problem;
use coportal_core::secret::Secret;
use jiff::{SignedDuration, Timestamp};

use crate::error::StoreError;

/// How long a value is used before it is read again.
pub const FRESH_FOR: SignedDuration = SignedDuration::from_mins(10);
/// Names that one `GetParameters` takes (SSM API Reference).
const BATCH: usize = 10;

/// Why parameters could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// They are not there.
    #[error("SSM parameters are missing: {}", names.join(", "))]
    Missing {
        /// Their names.
        names: Vec<String>,
    },
    /// SSM could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ParameterError> for Problem {
    fn from(error: ParameterError) -> Self {
        match error {
            ParameterError::Missing { .. } => Self::internal_error(error),
            ParameterError::Store(error) => error.into(),
        }
    }
}

struct Kept {
    value: Arc<Secret>,
    until: Timestamp,
}

/// The parameters. Clones share what is kept.
#[derive(Clone)]
pub struct Parameters {
    client: aws_sdk_ssm::Client,
    kept: Arc<Mutex<BTreeMap<String, Kept>>>,
}

impl Parameters {
    /// Parameters through an SDK client.
    #[must_use]
    pub fn new(client: aws_sdk_ssm::Client) -> Self {
        Self { client, kept: Arc::default() }
    }

    /// Values by name, in the order of the names; each at most [`FRESH_FOR`] old.
    ///
    /// # Errors
    /// When SSM does not answer, or a name is not there: the error names it.
    pub async fn get<const N: usize>(&self, ctx: &Ctx, names: [&str; N]) -> Result<[Arc<Secret>; N], ParameterError> {
        let now = ctx.now();
        let mut wanted: Vec<&str> = names.into_iter().filter(|name| self.fresh(name, now).is_none()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        for chunk in wanted.chunks(BATCH) {
            self.read(chunk, now).await?;
        }
        let found = names.map(|name| self.fresh(name, now).ok_or(name));
        let missing: Vec<String> = found.iter().filter_map(|value| value.as_ref().err().map(|name| (*name).to_owned())).collect();
        let values: Vec<Arc<Secret>> = found.into_iter().filter_map(Result::ok).collect();
        <[Arc<Secret>; N]>::try_from(values).map_err(|_| ParameterError::Missing { names: missing })
    }

    fn fresh(&self, name: &str, now: Timestamp) -> Option<Arc<Secret>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(name).filter(|kept| now < kept.until).map(|kept| Arc::clone(&kept.value))
    }

    async fn read(&self, names: &[&str], now: Timestamp) -> Result<(), StoreError> {
        let answer = self
            .client
            .get_parameters()
            .set_names(Some(names.iter().map(|name| (*name).to_owned()).collect()))
            .with_decryption(true)
            .send()
            .await
            .map_err(|error| StoreError::of("GetParameters", &error))?;
        let until = now.saturating_add(FRESH_FOR).unwrap_or(now);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for parameter in answer.parameters.unwrap_or_default() {
            if let (Some(name), Some(value)) = (parameter.name, parameter.value) {
                kept.insert(name, Kept { value: Arc::new(Secret::new(value)), until });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fault, Services};

    #[tokio::test]
    async fn values_are_read_together_kept_ten_minutes_and_shared_by_clones() {
        let services = Services::new();
        let parameters = services.cloud().parameters;
        let ctx = services.ctx();
        services.parameter("/xero/id", "id");
        services.parameter("/xero/secret", "s1");
        let [secret, id] = parameters.get(&ctx, ["/xero/secret", "/xero/id"]).await.unwrap();
        assert_eq!((secret.expose(), id.expose()), ("s1", "id"));
        services.parameter("/xero/secret", "s2");
        services.advance(SignedDuration::from_secs(599));
        let [secret] = parameters.clone().get(&ctx, ["/xero/secret"]).await.unwrap();
        assert_eq!((secret.expose(), services.calls().len()), ("s1", 1));
        services.advance(SignedDuration::from_secs(1));
        let [secret] = parameters.get(&ctx, ["/xero/secret"]).await.unwrap();
        assert_eq!((secret.expose(), services.calls().len()), ("s2", 2));
    }

    #[tokio::test]
    async fn a_missing_parameter_is_named_and_its_users_see_no_name() {
        let services = Services::new();
        let parameters = services.cloud().parameters;
        services.parameter("/xero/id", "id");
        let error = parameters.get(&services.ctx(), ["/xero/id", "/xero/secret"]).await.map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "SSM parameters are missing: /xero/secret");
        let problem = Problem::from(error);
        assert!(!problem.detail.contains("/xero"));
    }

    #[tokio::test]
    async fn parameters_that_cannot_be_read_are_unavailable() {
        let services = Services::new();
        for n in 0..3 {
            services.fault(n, Fault::LoseRequest);
        }
        let error = services.cloud().parameters.get(&services.ctx(), ["/xero/id"]).await.map(|_| ()).unwrap_err();
        assert!(matches!(error, ParameterError::Store(StoreError::Unavailable { .. })));
    }
}
