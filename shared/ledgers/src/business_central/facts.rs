//! What a company looks like (docs/vendors/business-central.md, sections 2, 5, 6 and 12).

use coportal_core::facts::Facts;
use coportal_core::failure::Failure;
use futures_util::future;
use serde::de::DeserializeOwned;

use super::fixit::Cause;
use super::map::{self, Parts};
use super::profile::PAGE;
use super::wire::{WireInformation, WireSetup};
use super::{BusinessCentral, outcome};
use crate::exec::call::{Call, Reply};
use crate::exec::headers;
use crate::judge::{self, Subject};
use crate::{Access, Answered, Called, ReadFacts};

impl BusinessCentral {
    /// A list of which there is one entity, or none where this version of Business Central, or this user, does not have it.
    async fn single<T: DeserializeOwned + Default>(&self, access: Access<'_>, call: Call<'_>) -> Result<T, Failure> {
        match self.list::<T>(access, call, 1).await {
            Ok((_, found)) => Ok(found.into_iter().next().unwrap_or_default()),
            Err(failure) if is_absent(&failure) => Ok(T::default()),
            Err(failure) => Err(failure),
        }
    }

    async fn read_facts(&self, access: Access<'_>) -> Result<Answered<Facts>, Failure> {
        let place = Self::place(access)?;
        let read = |name, route, path: &str| Self::read(&place, name, route, path, Subject::Place);
        let list = |name, route, path: &str, fields: &str| read(name, route, path).with("$select", fields);
        // Two in flight, so that a sync goes on beside them within the three that are ours; every answer is awaited, so that a failure leaves
        // nothing running.
        let (company, setup) = future::join(
            self.caller.list(access, read("read_company", "/companies({id})", "")),
            self.single::<WireSetup>(access, read("read_ledger_setup", "/generalLedgerSetup", "/generalLedgerSetup")),
        )
        .await;
        let ((reply, company), setup) = (company?, setup?);
        let company: super::wire::WireCompany = company;
        if company.id != place.company() {
            return Err(reply.unexpected("the answer is about another company"));
        }
        let (accounts, tax_groups) = future::join(
            self.list(
                access,
                list("list_accounts", "/accounts", "/accounts", "id,number,displayName,category,accountType,directPosting,blocked")
                    .with("$filter", "accountType eq 'Posting' and directPosting eq true and blocked eq false"),
                PAGE,
            ),
            self.list(access, list("list_tax_groups", "/taxGroups", "/taxGroups", "id,code,displayName,taxType"), PAGE),
        )
        .await;
        let ((_, accounts), (tax_reply, tax_groups)) = (accounts?, tax_groups?);
        let (currencies, journals) = future::join(
            self.list(access, list("list_currencies", "/currencies", "/currencies", "id,code"), PAGE),
            self.list(
                access,
                list("list_payment_journals", "/customerPaymentJournals", "/customerPaymentJournals", "id,code,displayName"),
                PAGE,
            ),
        )
        .await;
        let (currencies_reply, currencies) = currencies?;
        let journals = match journals {
            Ok((_, journals)) => journals,
            // Payments are an option: a user without them can still push invoices.
            Err(failure) if is_absent(&failure) => Vec::new(),
            Err(failure) => return Err(failure),
        };
        let information = if setup.local_currency_code.is_some() {
            WireInformation::default()
        } else {
            self.single(access, read("read_company_information", "/companyInformation", "/companyInformation")).await?
        };
        let parts = Parts { company, setup, information, accounts, tax_groups, currencies, journals };
        let facts = map::facts(parts, access.now).map_err(|cause| judge::unusable(&reply.asked, cause, &reply.answer))?;
        let mut answered = reply.answered(facts);
        for other in [&tax_reply, &currencies_reply] as [&Reply<'_, Cause>; 2] {
            answered.limits = answered.limits.tighter(headers::limits(other.answer.headers()));
        }
        Ok(answered)
    }
}

/// Whether a failure says that this part of the API is not there, or not for this user.
fn is_absent(failure: &Failure) -> bool {
    let is_unknown = outcome::is(failure, Cause::RequestMalformed) && matches!(failure.status, Some(400 | 404));
    is_unknown || outcome::is(failure, Cause::PermissionMissing)
}

impl ReadFacts for BusinessCentral {
    fn facts<'a>(&'a self, access: Access<'a>) -> Called<'a, Facts> {
        Box::pin(self.read_facts(access))
    }
}
