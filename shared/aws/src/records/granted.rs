//! The organisations of a consent, kept until one of them is chosen.

use coportal_core::connection::{Generation, Organisation};
use coportal_core::id::WorkspaceId;
use coportal_core::ledger::Ledger;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::keys::{self, Key};
use crate::store::{Change, Fields, Kind, Store};

/// What a consent granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The consent's number: these organisations count while the connection has the same.
    pub grant: u64,
    /// The organisations.
    pub organisations: Vec<Organisation>,
    /// The generation whose options the connection carries while it waits: choosing that organisation again keeps them.
    #[serde(default)]
    pub options_of: Option<Generation>,
}

/// It lies where a generation's facts lie; before a choice the generation is 0.
fn key(ws: WorkspaceId, ledger: Ledger) -> Key {
    keys::facts(ws, ledger, Generation(0), "granted")
}

impl Granted {
    /// The change that keeps the organisations, for the transaction that stores the connection and tokens of the same consent.
    pub(crate) fn change(&self, ws: WorkspaceId, ledger: Ledger) -> Result<Change, StoreError> {
        Ok(Change::put(key(ws, ledger), Fields::of(Kind::Facts, self)?))
    }
}

impl Store {
    /// What the consent `grant` granted; `None` when another consent has come since.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn granted(&self, ws: WorkspaceId, ledger: Ledger, grant: u64) -> Result<Option<Granted>, StoreError> {
        let found = self.get_record::<Granted>(Kind::Facts, &key(ws, ledger)).await?;
        Ok(found.map(|found| found.value).filter(|found| found.grant == grant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Services;
    use uuid::Uuid;

    #[tokio::test]
    async fn organisations_belong_to_one_consent_of_one_workspace() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        let (one, two) = (WorkspaceId::new(Uuid::from_u128(1)), WorkspaceId::new(Uuid::from_u128(2)));
        let organisation = Organisation { id: "o".into(), name: "Org".into(), environment: None, link_id: Some("l".into()) };
        let granted = Granted { grant: 3, organisations: vec![organisation], options_of: Some(Generation(2)) };
        let _done = store.transact(&ctx, vec![granted.change(one, Ledger::Xero).unwrap()]).await.unwrap();
        assert_eq!(store.granted(one, Ledger::Xero, 3).await.unwrap(), Some(granted));
        assert_eq!(store.granted(one, Ledger::Xero, 4).await.unwrap(), None);
        assert_eq!(store.granted(two, Ledger::Xero, 3).await.unwrap(), None);
        let next = Granted { grant: 4, organisations: Vec::new(), options_of: None };
        let _done = store.transact(&ctx, vec![next.change(one, Ledger::Xero).unwrap()]).await.unwrap();
        assert_eq!(store.granted(one, Ledger::Xero, 3).await.unwrap(), None);
    }
}
