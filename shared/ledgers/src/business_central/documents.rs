//! Sales invoices: header first, then lines; drafts and posting (docs/vendors/business-central.md, sections 5, 7, 10 and 12; R61).

use bytes::Bytes;
use coportal_core::document::{DocumentStatus, DocumentWrite, RemoteDocument, Removal};
use coportal_core::facts::Facts;
use coportal_core::failure::{Disposition, Failure};
use coportal_core::invoice::TaxMode;
use coportal_core::sync::row::{IntentKind, Look};
use coportal_core::text;
use http::Method;

use super::batch::{self, Inner};
use super::body::{self, Create, NewLine, Update, Void};
use super::fixit::Cause;
use super::place::Place;
use super::profile::BATCH_MAX;
use super::version::Version;
use super::wire::WireInvoice;
use super::{BusinessCentral, Change, ask, document, filter, outcome, stored};
use crate::exec::call::{Reply, nothing};
use crate::exec::{Operation, encoded};
use crate::judge::{Effect, Subject};
use crate::{Access, Answered, Called, Documents, Drafts, Stepwise};

pub(super) const LINES: &str = "salesInvoiceLines";

/// What guards the next part of an update.
#[derive(serde::Deserialize)]
struct VersionOnly {
    id: String,
    #[serde(rename = "@odata.etag")]
    etag: String,
}

/// Candidates of a look on one page.
const CANDIDATES: usize = 100;

/// The address of one invoice, below the company.
pub(super) fn invoice(id: &str) -> String {
    format!("/salesInvoices({})", encoded(id))
}

/// The one invoice that an answer must be about.
fn one(reply: &Reply<'_, Cause>, external_id: Option<&str>) -> Result<RemoteDocument, Failure> {
    let document = document::document(reply.read::<WireInvoice>()?).map_err(|why| reply.unexpected(why))?;
    if external_id.is_some_and(|wanted| !document.external_id.eq_ignore_ascii_case(wanted)) {
        return Err(reply.unexpected("the answer is about another invoice"));
    }
    Ok(document)
}

/// Whether an answer says that nothing was done and nothing will be, so that what was begun may be taken back.
fn is_refusal(failure: &Failure) -> bool {
    matches!(failure.disposition, Disposition::Reject { .. } | Disposition::Hold { .. })
}

impl BusinessCentral {
    async fn document(&self, access: Access<'_>, external_id: &str) -> Result<Answered<Option<RemoteDocument>>, Failure> {
        let call = Self::read(&Self::place(access)?, "read_invoice", "/salesInvoices({id})", &invoice(external_id), Subject::Document);
        let reply = self.caller.exchange(access, call.with("$expand", LINES)).await?;
        if reply.is_success() {
            let document = one(&reply, Some(external_id))?;
            return Ok(reply.answered(Some(document)));
        }
        let failure = reply.failure();
        if outcome::is(&failure, Cause::DocumentMissing) { Ok(reply.answered(None)) } else { Err(failure) }
    }

    /// The document after a write that was done. Whatever goes wrong here, the write must not be taken for undone.
    async fn confirmed(&self, access: Access<'_>, external_id: &str) -> Result<Answered<RemoteDocument>, Failure> {
        let Answered { value, vendor_request_id, limits, at } = self.document(access, external_id).await.map_err(outcome::after_write)?;
        match value {
            Some(value) => Ok(Answered { value, vendor_request_id, limits, at }),
            None => Err(outcome::after_write(outcome::refused(&ask(access, Effect::Write), Cause::DocumentMissing, None))),
        }
    }

    async fn look_for(&self, access: Access<'_>, look: &Look) -> Result<Answered<Vec<RemoteDocument>>, Failure> {
        if let Some(id) = &look.external_id {
            return Ok(self.document(access, id).await?.map(|found| found.into_iter().collect()));
        }
        let place = Self::place(access)?;
        let call = || Self::read(&place, "look_for_invoice", "/salesInvoices", "/salesInvoices", Subject::Place).with("$expand", LINES);
        let is_guid = |id: &&str| uuid::Uuid::try_parse(id).is_ok();
        let call = match (look.reference.as_deref(), look.mark.as_deref(), look.contact.as_deref().filter(is_guid)) {
            // The field is kept in capitals, and drafts and posted documents share it (section 10).
            (Some(reference), _, _) => {
                call().with("$filter", format!("externalDocumentNumber eq {}", filter::quoted(&text::capitals(reference))))
            }
            (None, Some(mark), _) => call().with("$filter", format!("customerPurchaseOrderReference eq {}", filter::quoted(mark))),
            (None, None, Some(contact)) => {
                call().with("$filter", format!("customerId eq {contact}")).with("$orderby", "lastModifiedDateTime desc").with("$top", "100")
            }
            (None, None, None) => return Ok(nothing()),
        };
        let (reply, wires) = self.list::<WireInvoice>(access, call, CANDIDATES).await?;
        let mut found = Vec::new();
        for wire in wires.into_iter().filter(|wire| !document::is_corrective(wire)) {
            let document = document::document(wire).map_err(|why| reply.unexpected(why))?;
            let fits = match (&look.reference, &look.mark, &look.contact) {
                (Some(reference), _, _) => document::has_reference(&document, reference),
                (None, Some(mark), _) => document.url.as_deref() == Some(mark.as_str()),
                (None, None, contact) => contact.as_deref().is_some_and(|contact| contact.eq_ignore_ascii_case(&document.contact)),
            };
            if fits {
                found.push(document);
            }
        }
        Ok(reply.answered(found))
    }

    /// The header alone; its answer is the document, without lines (R61).
    async fn create(&self, access: Access<'_>, body: &[u8]) -> Result<Answered<RemoteDocument>, Failure> {
        let create: Create = stored(access, body)?;
        let change = Change {
            operation: Operation { name: "create_invoice", route: "/salesInvoices" },
            method: Method::POST,
            path: "/salesInvoices".to_owned(),
            if_match: None,
            body: create.header.as_deref().map(|raw| Bytes::copy_from_slice(raw.get().as_bytes())),
            subject: Subject::Place,
        };
        let reply = self.change(access, change).await?;
        let made = one(&reply, None)?;
        if made.tax_mode == Some(TaxMode::Inclusive) {
            return Err(self.refuse_gross(access, &made).await);
        }
        Ok(reply.answered(made))
    }

    /// A draft whose prices contain tax takes no net ones, and whether they do comes from the customer's card (section 6). What was begun is
    /// taken back, so that nothing is left that a person would have to clear away.
    async fn refuse_gross(&self, access: Access<'_>, there: &RemoteDocument) -> Failure {
        let refused = |cause| outcome::refused(&ask(access, Effect::Write), cause, None);
        if !there.lines.is_empty() {
            return refused(Cause::DraftPricesIncludeTax);
        }
        match self.withdraw(access, there).await {
            Ok(()) => refused(Cause::PricesIncludeTax),
            Err(failure) if failure.disposition == Disposition::LookFirst => failure,
            Err(_) => refused(Cause::DraftPricesIncludeTax),
        }
    }

    /// Deletes a draft of ours that has no lines yet, as it was read or made.
    async fn withdraw(&self, access: Access<'_>, there: &RemoteDocument) -> Result<(), Failure> {
        let version = there.version.as_deref().and_then(Version::read);
        let change = Change {
            operation: Operation { name: "withdraw_invoice", route: "/salesInvoices({id})" },
            method: Method::DELETE,
            path: invoice(&there.external_id),
            if_match: version.as_ref().map(|version| version.etag.as_str()),
            body: None,
            subject: Subject::Document,
        };
        match self.change(access, change).await {
            Ok(_) => Ok(()),
            Err(failure) if outcome::is(&failure, Cause::DocumentMissing) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Lines of the create that are not there yet: known by their sequence, so that none is ever written twice (section 10).
    async fn continue_create(&self, access: Access<'_>, there: &RemoteDocument, body: &[u8]) -> Result<Answered<RemoteDocument>, Failure> {
        let create: Create = stored(access, body)?;
        if there.tax_mode == Some(TaxMode::Inclusive) {
            return Err(self.refuse_gross(access, there).await);
        }
        let missing = create.missing(there);
        let outcome = match missing.as_slice() {
            [] => Ok(()),
            [only] => self.write_line(access, there, only).await,
            several => self.write_lines(access, there, several).await,
        };
        match outcome {
            // "Already there": an earlier call of this create came through after all. What stands there now is the answer.
            Err(failure) if outcome::is(&failure, Cause::AlreadyThere) => {}
            // Nothing of the lines was saved, and an empty draft helps nobody.
            Err(failure) if is_refusal(&failure) && there.lines.is_empty() => {
                return match self.withdraw(access, there).await {
                    Err(lost) if lost.disposition == Disposition::LookFirst => Err(lost),
                    Ok(()) | Err(_) => Err(failure),
                };
            }
            Err(failure) => return Err(failure),
            Ok(()) => {}
        }
        self.confirmed(access, &there.external_id).await
    }

    /// One line by a call of its own.
    async fn write_line(&self, access: Access<'_>, there: &RemoteDocument, line: &NewLine) -> Result<(), Failure> {
        let change = Change {
            operation: Operation { name: "create_line", route: "/salesInvoices({id})/salesInvoiceLines" },
            method: Method::POST,
            path: format!("{}/{LINES}", invoice(&there.external_id)),
            if_match: None,
            body: line.line.as_deref().map(|raw| Bytes::copy_from_slice(raw.get().as_bytes())),
            subject: Subject::Document,
        };
        self.change(access, change).await.map(|_| ())
    }

    /// As many lines as a batch takes, all or none; one line where the environment takes no batches.
    async fn write_lines(&self, access: Access<'_>, there: &RemoteDocument, lines: &[&NewLine]) -> Result<(), Failure> {
        let place = Self::place(access)?;
        let url = place.below(&format!("{}/{LINES}", invoice(&there.external_id)));
        let requests: Vec<Inner<'_>> = lines
            .iter()
            .take(BATCH_MAX)
            .enumerate()
            .map(|(index, line)| Inner::new(index, "POST", url.clone(), None, line.line.as_deref()))
            .collect();
        let reply = self.batch(access, "create_lines", &requests, Effect::Write, Subject::Document).await?;
        if outcome::refuses_batch(&reply.answer) {
            return match lines.first() {
                Some(first) => self.write_line(access, there, first).await,
                None => Ok(()),
            };
        }
        if !reply.is_success() {
            return Err(reply.failure());
        }
        batch::answers(&reply, requests.len()).map(|_| ()).map_err(|(_, failure)| failure)
    }

    /// The header's guarded change first; with lines, everything in one transaction (section 7).
    async fn update(&self, access: Access<'_>, external_id: &str, body: &[u8]) -> Result<Answered<RemoteDocument>, Failure> {
        let update: Update = stored(access, body)?;
        if update.is_gross {
            return Err(outcome::refused(&ask(access, Effect::Write), Cause::DraftPricesIncludeTax, None));
        }
        match update.requests.as_slice() {
            [] => {}
            [only] => self.change_header(access, external_id, only).await?,
            several => self.change_all(access, external_id, several).await?,
        }
        self.confirmed(access, external_id).await
    }

    async fn change_header(&self, access: Access<'_>, external_id: &str, change: &body::Change) -> Result<(), Failure> {
        let change = Change {
            operation: Operation { name: "update_invoice", route: "/salesInvoices({id})" },
            method: Method::PATCH,
            path: invoice(external_id),
            if_match: change.if_match.as_deref(),
            body: change.body.as_deref().map(|raw| Bytes::copy_from_slice(raw.get().as_bytes())),
            subject: Subject::Document,
        };
        self.change(access, change).await.map(|_| ())
    }

    /// Batches of at most a hundred requests, in order, and each a transaction that begins with a guarded change of the header: the first by
    /// the version that the update rests on, each later one by the version with which the one before it ended, read inside that same
    /// transaction. Whoever comes in between makes the next part stale, and nothing of theirs is written over (R64, C29).
    async fn change_all(&self, access: Access<'_>, external_id: &str, changes: &[body::Change]) -> Result<(), Failure> {
        let Some((header, lines)) = changes.split_first() else { return Ok(()) };
        let place = Self::place(access)?;
        let url = |path: &str| place.below(&format!("{}{path}", invoice(external_id)));
        let marks = body::marks_of(header);
        // In one part where they fit; else each part has two requests of its own, the guard and the reading of its version.
        let parts: Vec<&[body::Change]> =
            if changes.len() <= BATCH_MAX { vec![lines] } else { lines.chunks(BATCH_MAX.saturating_sub(2)).collect() };
        let mut guard = header.if_match.clone();
        for (number, part) in parts.iter().enumerate() {
            let body = if number == 0 { header.body.as_deref() } else { marks.as_deref() };
            let guarded = std::iter::once(("PATCH", "", guard.as_deref(), body));
            let those = part
                .iter()
                .map(|change| (change.method.as_str(), change.path.as_str(), change.if_match.as_deref(), change.body.as_deref()));
            let is_last = number + 1 == parts.len();
            let reading = (!is_last).then_some(("GET", "", None, None));
            let requests: Vec<Inner<'_>> = guarded
                .chain(those)
                .chain(reading)
                .enumerate()
                .map(|(index, (method, path, if_match, body))| Inner::new(index, method, url(path), if_match, body))
                .collect();
            let outcome = self.change_some(access, external_id, &requests, !is_last).await;
            guard = outcome.map_err(|failure| if number == 0 { failure } else { outcome::after_write(failure) })?;
        }
        Ok(())
    }

    /// One part of an update; answers the header's version after it, where the part ends with reading it.
    async fn change_some(
        &self,
        access: Access<'_>,
        external_id: &str,
        requests: &[Inner<'_>],
        reads_version: bool,
    ) -> Result<Option<String>, Failure> {
        let reply = self.batch(access, "update_invoice", requests, Effect::Write, Subject::Document).await?;
        if outcome::refuses_batch(&reply.answer) {
            // Request by request an update could stay half done, so it is not sent that way.
            return Err(outcome::refused(&reply.asked, Cause::BatchRefused, Some(&reply.answer)));
        }
        if !reply.is_success() {
            return Err(reply.failure());
        }
        match batch::answers(&reply, requests.len()) {
            Ok(answers) if reads_version => {
                let after = answers.last().and_then(|answer| serde_json::from_slice::<VersionOnly>(answer.body()).ok());
                match after.filter(|after| after.id.eq_ignore_ascii_case(external_id)) {
                    Some(after) => Ok(Some(after.etag)),
                    // Done, and no version to guard what follows: it must not be taken for undone, and nothing more is sent on a guess.
                    None => Err(outcome::after_write(reply.unexpected("a part of an update without the version after it"))),
                }
            }
            Ok(_) => Ok(None),
            // The document is there, and a line of it is not as it was known: somebody was faster.
            Err((Some(place), failure))
                if place > 0 && (outcome::is(&failure, Cause::DocumentMissing) || outcome::is(&failure, Cause::AlreadyThere)) =>
            {
                Err(outcome::stale(&reply.asked, &reply.answer, &failure.internal))
            }
            Err((_, failure)) => Err(failure),
        }
    }

    /// A bound action of the document: a POST without a body.
    async fn act(&self, access: Access<'_>, external_id: &str, operation: Operation, action: &str) -> Result<(), Failure> {
        let change = Change {
            operation,
            method: Method::POST,
            path: format!("{}/Microsoft.NAV.{action}", invoice(external_id)),
            if_match: None,
            body: None,
            subject: Subject::Document,
        };
        self.change(access, change).await.map(|_| ())
    }

    /// Posts. An answer of success is no proof: a company may post in the background (section 14, trap 13).
    async fn post(&self, access: Access<'_>, external_id: &str) -> Result<Answered<RemoteDocument>, Failure> {
        let operation = Operation { name: "post_invoice", route: "/salesInvoices({id})/Microsoft.NAV.post" };
        match self.act(access, external_id, operation, "post").await {
            Ok(()) => {
                let there = self.confirmed(access, external_id).await?;
                if there.value.status == DocumentStatus::Draft {
                    return Err(outcome::outstanding(&ask(access, Effect::Write)));
                }
                Ok(there)
            }
            // It is no draft: posted by an earlier call, or by somebody. Only a look tells.
            Err(failure) if outcome::is(&failure, Cause::NotADraft) || outcome::is(&failure, Cause::DocumentPosted) => {
                self.settled(access, external_id, failure, |there| there.status != DocumentStatus::Draft && !there.status.is_gone()).await
            }
            Err(failure) => Err(failure),
        }
    }

    /// Cancels a posted document by a credit memo.
    async fn cancel(&self, access: Access<'_>, external_id: &str) -> Result<Answered<RemoteDocument>, Failure> {
        let operation = Operation { name: "cancel_invoice", route: "/salesInvoices({id})/Microsoft.NAV.cancel" };
        match self.act(access, external_id, operation, "cancel").await {
            Ok(()) => {
                let there = self.confirmed(access, external_id).await?;
                if there.value.status.is_gone() {
                    return Ok(there);
                }
                Err(outcome::after_write(outcome::refused(&ask(access, Effect::Write), Cause::CancelIncomplete, None)))
            }
            // Cancelled before, or begun and not finished: the message alone does not decide (section 12).
            Err(failure) if outcome::is(&failure, Cause::DocumentPosted) || outcome::is(&failure, Cause::CancelIncomplete) => {
                self.settled(access, external_id, failure, |there| there.status.is_gone()).await
            }
            Err(failure) => Err(failure),
        }
    }

    /// The document, if it stands as wanted although the action was refused; else the refusal.
    async fn settled(
        &self,
        access: Access<'_>,
        external_id: &str,
        refused: Failure,
        stands: fn(&RemoteDocument) -> bool,
    ) -> Result<Answered<RemoteDocument>, Failure> {
        let there = self.confirmed(access, external_id).await?;
        if stands(&there.value) { Ok(there) } else { Err(refused) }
    }

    /// A draft is gone when it is deleted, and there is nothing left to read.
    async fn delete(
        &self,
        access: Access<'_>,
        external_id: &str,
        if_match: Option<&str>,
        there: RemoteDocument,
    ) -> Result<Answered<RemoteDocument>, Failure> {
        let deleted = RemoteDocument { status: DocumentStatus::Deleted, ..there };
        // Never `*`: a document that was posted meanwhile must not be deleted (section 12).
        let Some(version) = if_match.filter(|_| deleted.external_id.eq_ignore_ascii_case(external_id)) else {
            return Err(crate::judge::unbuildable::<Cause>(&ask(access, Effect::Write), "a deletion of no version"));
        };
        let change = Change {
            operation: Operation { name: "delete_invoice", route: "/salesInvoices({id})" },
            method: Method::DELETE,
            path: invoice(external_id),
            if_match: Some(version),
            body: None,
            subject: Subject::Document,
        };
        match self.change(access, change).await {
            Ok(reply) => Ok(reply.answered(deleted)),
            Err(failure) if outcome::is(&failure, Cause::DocumentMissing) => Ok(nothing::<()>().map(|_| deleted)),
            Err(failure) => Err(failure),
        }
    }

    async fn void(&self, access: Access<'_>, external_id: &str, body: &[u8]) -> Result<Answered<RemoteDocument>, Failure> {
        match stored(access, body)? {
            Void::Delete { if_match, there } => self.delete(access, external_id, if_match.as_deref(), *there).await,
            Void::Cancel {} => self.cancel(access, external_id).await,
        }
    }
}

impl Documents for BusinessCentral {
    fn document_body(&self, write: &DocumentWrite) -> Vec<u8> {
        body::document_body(write)
    }

    fn void_body(&self, there: &RemoteDocument, _how: Removal) -> Vec<u8> {
        body::void_body(there)
    }

    fn read_document<'a>(&'a self, access: Access<'a>, external_id: &'a str) -> Called<'a, Option<RemoteDocument>> {
        Box::pin(self.document(access, external_id))
    }

    fn look<'a>(&'a self, access: Access<'a>, look: &'a Look) -> Called<'a, Vec<RemoteDocument>> {
        Box::pin(self.look_for(access, look))
    }

    fn write_calls(&self, kind: IntentKind, body: &[u8], begun: Option<&RemoteDocument>) -> u32 {
        let calls = match kind {
            IntentKind::Create => body::create_calls(body, begun),
            IntentKind::Update => body::update_calls(body),
            // The action, and the reading of what came of it.
            IntentKind::Approve | IntentKind::Void => 2,
            IntentKind::Payment | IntentKind::CreateContact | IntentKind::UpdateContact => 1,
        };
        u32::try_from(calls).unwrap_or(u32::MAX)
    }

    fn write_document<'a>(
        &'a self,
        access: Access<'a>,
        external_id: Option<&'a str>,
        body: &'a [u8],
        _key: &'a str,
    ) -> Called<'a, RemoteDocument> {
        match external_id {
            None => Box::pin(self.create(access, body)),
            Some(id) => Box::pin(self.update(access, id, body)),
        }
    }

    fn void_document<'a>(&'a self, access: Access<'a>, external_id: &'a str, body: &'a [u8], _key: &'a str) -> Called<'a, RemoteDocument> {
        Box::pin(self.void(access, external_id, body))
    }

    fn document_url(&self, facts: &Facts, organisation: &str, document: &RemoteDocument) -> Option<String> {
        let place = Place::read(organisation)?;
        let company = facts.short_code.as_deref().filter(|name| !name.is_empty())?;
        let number = document.number.as_deref().filter(|number| !number.is_empty())?;
        // Section 11: a draft's page, or a posted invoice's. A document that is gone has neither.
        let page = match document.status {
            DocumentStatus::Draft => 43,
            DocumentStatus::Approved | DocumentStatus::Paid | DocumentStatus::Voided => 132,
            DocumentStatus::Deleted => return None,
        };
        let filter = encoded(&format!("'No.' IS {}", filter::quoted(number)));
        Some(format!("{WEB}{}?company={}&page={page}&filter={filter}", place.web(), encoded(company)))
    }
}

/// The web client (section 11).
const WEB: &str = "https://businesscentral.dynamics.com/";

impl Drafts for BusinessCentral {
    fn approve_body(&self, _there: &RemoteDocument) -> Vec<u8> {
        // The action takes no parameters; what was stored says what was sent.
        br#"{"action":"Microsoft.NAV.post"}"#.to_vec()
    }

    fn approve_document<'a>(
        &'a self,
        access: Access<'a>,
        external_id: &'a str,
        _body: &'a [u8],
        _key: &'a str,
    ) -> Called<'a, RemoteDocument> {
        Box::pin(self.post(access, external_id))
    }
}

impl Stepwise for BusinessCentral {
    fn continue_document<'a>(
        &'a self,
        access: Access<'a>,
        there: &'a RemoteDocument,
        body: &'a [u8],
        _key: &'a str,
    ) -> Called<'a, RemoteDocument> {
        Box::pin(self.continue_create(access, there, body))
    }
}
