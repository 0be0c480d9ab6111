//! The dry run: everything that a sync reads and decides, nothing that it writes.

use coportal_core::document::DocumentLine;
use coportal_core::pricing::Totals;
use coportal_core::problem::{Outcome, Problem};
use coportal_core::sync::HoldDraft;
use coportal_core::sync::content::{ContentInputs, build};
use coportal_core::sync::merge::Difference;
use coportal_core::sync::plan::{Step, next_step};
use coportal_core::sync::row::IntentKind;
use serde::Serialize;

use super::run::{Run, contact_link};

/// What would happen to the contact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = DryRunContact))]
pub struct ContactView {
    /// `linked`, `link`, `create`, `update` or `unknown` (a question comes first).
    pub decision: &'static str,
    /// The ledger's id of it, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The name it has, or would get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The tax code of one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = DryRunTax))]
pub struct TaxView {
    /// JSON pointer of the line.
    pub pointer: String,
    /// The invoice's rate in percent.
    pub rate: String,
    /// The ledger's code for it.
    pub code: String,
}

/// Both sides' totals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = DryRunTotals))]
pub struct TotalsView {
    /// As CoPortal shows them.
    pub coportal: Totals,
    /// As the ledger will compute them, where that is known.
    pub ledger: Option<Totals>,
    /// Equal to the cent.
    pub equal: bool,
}

/// What a sync would do.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DryRun {
    /// `create`, `update`, `approve`, `void`, `payment`, `nothing`, `hold` or `settle` (a write that may have been done is settled first).
    pub action: &'static str,
    /// What would happen to the contact.
    pub contact: ContactView,
    /// The fields that would change: for a create, all of them.
    pub fields: Vec<Difference>,
    /// Tax codes by line.
    pub tax: Vec<TaxView>,
    /// Totals on both sides.
    pub totals: TotalsView,
    /// Calls that the real sync would make.
    pub vendor_calls: u32,
    /// The question that would be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldDraft>,
}

/// Most reading steps of a dry run.
const MAX_STEPS: u32 = 12;

impl Run<'_> {
    pub(super) async fn dry_run(mut self) -> Outcome<DryRun> {
        self.dry = true;
        let mut writes = 0;
        let mut contact = ContactView { decision: "unknown", ..ContactView::default() };
        if let Some(link) = &self.contact.value.link {
            contact = ContactView { decision: "linked", external_id: Some(link.external_id.clone()), name: None };
        }
        for _ in 0..MAX_STEPS {
            let step = next_step(self.view());
            match step {
                Step::Refuse(problem) => return Err(problem),
                Step::Busy { .. }
                | Step::WaitOutcome(_)
                | Step::ResendDocument
                | Step::ResendContact
                | Step::LookDocument(_)
                | Step::LookContact(_)
                | Step::DocumentDone(_)
                | Step::ContactDone(_)
                | Step::ContinueDocument(_)
                | Step::ResendPayment
                | Step::LookPayment(_)
                | Step::PaymentNotDone => {
                    return Ok(self.forecast("settle", contact, Vec::new(), None, writes));
                }
                Step::DocumentNotDone => self.row.value.intent = None,
                Step::ContactNotDone => self.contact.value.intent = None,
                Step::Hold(draft) => return Ok(self.forecast("hold", contact, Vec::new(), Some(draft), writes)),
                Step::Nothing | Step::Proved { .. } => return Ok(self.forecast("nothing", contact, Vec::new(), None, writes)),
                Step::ReadFacts
                | Step::SearchContacts
                | Step::ReadContact(_)
                | Step::ReadDocument(_)
                | Step::LookNumber(_)
                | Step::ReadPayments(_) => {
                    self.read_or_refuse(step).await?;
                }
                Step::PaymentDone { link, .. } => {
                    if self.row.value.intent.is_some() {
                        return Ok(self.forecast("settle", contact, Vec::new(), None, writes));
                    }
                    self.row.value.payments.push(link);
                }
                Step::ApproveDocument { there, .. } => {
                    let change = one_field("status", there.native_status.clone(), "approved");
                    return Ok(self.forecast("approve", contact, vec![change], None, writes + 1));
                }
                Step::VoidDocument { there, .. } => {
                    let change = one_field("status", there.native_status.clone(), "void");
                    return Ok(self.forecast("void", contact, vec![change], None, writes + 1));
                }
                Step::WritePayment(plan) => {
                    let change = one_field("payment", String::new(), &format!("{} on {}", plan.write.amount, plan.write.date));
                    return Ok(self.forecast("payment", contact, vec![change], None, writes + 1));
                }
                Step::LinkContact { external_id, .. } => {
                    let name =
                        self.found.contacts.iter().flatten().find(|found| found.external_id == external_id).map(|found| found.name.clone());
                    contact = ContactView { decision: "link", external_id: Some(external_id.clone()), name };
                    self.contact.value.link = Some(contact_link(external_id, self.client.contact_hash(), self.ctx.now()));
                }
                Step::UnlinkContact => self.contact.value.link = None,
                Step::WriteContact(plan) => {
                    writes += 1;
                    let external_id = plan.external_id.clone();
                    contact = ContactView {
                        decision: if plan.kind == IntentKind::CreateContact { "create" } else { "update" },
                        external_id: external_id.clone(),
                        name: plan.content.name.clone(),
                    };
                    self.contact.value.link =
                        Some(contact_link(external_id.unwrap_or_default(), self.client.contact_hash(), self.ctx.now()));
                }
                Step::Adopt(document) => {
                    self.row.value.link = Some(self.document_link(&document, None, true));
                    self.found.document = Some(Some(*document));
                }
                Step::ForgetDocument => {
                    self.row.value.link = None;
                    self.row.value.hash = None;
                }
                Step::WriteDocument(plan) => {
                    let (action, fields) = match plan.kind {
                        IntentKind::Create => ("create", all_fields(&plan.write)),
                        IntentKind::Update
                        | IntentKind::Void
                        | IntentKind::Approve
                        | IntentKind::Payment
                        | IntentKind::CreateContact
                        | IntentKind::UpdateContact => ("update", plan.changes),
                    };
                    return Ok(self.forecast(action, contact, fields, None, writes + 1));
                }
            }
        }
        Err(Problem::internal_error(format_args!("a dry run of {} did not come to an end", self.invoice.id)))
    }

    fn forecast(
        &self,
        action: &'static str,
        contact: ContactView,
        fields: Vec<Difference>,
        hold: Option<HoldDraft>,
        writes: u32,
    ) -> DryRun {
        let coportal = self.invoice.totals(self.workspace.tax_rounding);
        let built = self.facts.as_ref().and_then(|facts| {
            let contact = self.contact.value.link.as_ref().map_or("", |link| link.external_id.as_str());
            build(ContentInputs {
                rules: &self.api.rules,
                workspace: &self.workspace,
                invoice: &self.invoice,
                facts,
                choices: &self.choices,
                options: &self.connection.options,
                row: &self.row.value,
                contact,
                url: &self.url,
            })
            .ok()
        });
        let ledger = built.as_ref().map(|built| built.totals);
        let tax = built
            .iter()
            .flat_map(|built| {
                built.content.lines.iter().enumerate().map(|(index, line): (usize, &DocumentLine)| TaxView {
                    pointer: format!("/lines/{index}"),
                    rate: line.rate.to_string(),
                    code: line.tax_code.clone(),
                })
            })
            .collect();
        let equal = ledger.is_some_and(|ledger| ledger.total == coportal.total);
        DryRun {
            action,
            contact,
            fields,
            tax,
            totals: TotalsView { coportal, ledger, equal },
            vendor_calls: self.meter.calls() + writes,
            hold,
        }
    }
}

fn one_field(field: &str, in_ledger: String, to_send: &str) -> Difference {
    Difference { field: field.to_owned(), in_ledger, to_send: to_send.to_owned() }
}

fn all_fields(write: &coportal_core::document::DocumentWrite) -> Vec<Difference> {
    let field = |field: &str, to_send: String| Difference { field: field.to_owned(), in_ledger: String::new(), to_send };
    let mut fields = vec![
        field("number", write.number.clone().unwrap_or_default()),
        field("reference", write.reference.clone().unwrap_or_default()),
        field("date", write.issue_date.to_string()),
        field("due date", write.due_date.to_string()),
    ];
    fields.extend(write.lines.iter().enumerate().map(|(index, line)| {
        let quantity = line.quantity.map(|quantity| quantity.to_string()).unwrap_or_default();
        let unit_price = line.unit_price.map(|unit_price| unit_price.to_string()).unwrap_or_default();
        field(&format!("line {}", index + 1), format!("{} ({quantity} x {unit_price})", line.description))
    }));
    fields
}
