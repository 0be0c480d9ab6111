//! What is left to do about a document whose content is in the ledger: approve a draft that is to be approved (C7), record payments (C1).

use rust_decimal::Decimal;

use super::{PaymentPlan, Step, View};
use crate::connection::Payments;
use crate::document::{DocumentStatus, PaymentWrite, RemoteDocument};
use crate::facts::{Account, AccountUse, Facts};
use crate::invoice::{Invoice, Payment};
use crate::sync::HoldDraft;
use crate::sync::content::tax_applied;
use crate::sync::questions::{
    DELETED, VOIDED, choose_payment_account, comes_to_other, document_gone, payment_differs, payment_in_doubt, payment_refused,
    totals_differ_from,
};
use crate::sync::row::{Choice, DocumentLink, Intent, Look, PaymentLink};
use crate::sync::settle::{self, Settle};
use crate::text::digest;

/// The next step about a document whose content is proved; `None` where nothing is left to do.
pub(super) fn after_content(view: View<'_>, facts: &Facts, hash: &str) -> Option<Step> {
    let link = view.row.link.as_ref()?;
    let owed = owed_payment(view);
    if !view.row.approve && owed.is_none() {
        return None;
    }
    let there = match &view.found.document {
        // What the link remembers of a draft may be old: a bookkeeper approves drafts, too, and money goes to approved documents only.
        None if link.status == DocumentStatus::Draft => return Some(Step::ReadDocument(link.external_id.clone())),
        None => None,
        Some(None) => return Some(document_gone(view, &link.external_id, DELETED)),
        Some(Some(there)) => Some(there),
    };
    match (there, there.map_or(link.status, |there| there.status)) {
        (_, DocumentStatus::Voided) => Some(document_gone(view, &link.external_id, VOIDED)),
        (_, DocumentStatus::Deleted) => Some(document_gone(view, &link.external_id, DELETED)),
        (Some(there), DocumentStatus::Draft) if view.row.approve => Some(approve_draft(view, facts, there, hash)),
        (_, DocumentStatus::Draft) => None,
        (_, DocumentStatus::Approved | DocumentStatus::Paid) => {
            owed.map(|payment| payment_step(view, facts, &link.external_id, payment, hash))
        }
    }
}

/// The end of a sync that wrote nothing. What was read on the way is remembered where it says something new.
pub(super) fn at_rest(view: View<'_>, hash: String) -> Step {
    let (Some(link), Some(Some(there))) = (&view.row.link, &view.found.document) else { return Step::Nothing };
    let draft = there.status == DocumentStatus::Draft;
    if there.status == link.status && !(draft && owed_payment(view).is_some()) {
        return Step::Nothing;
    }
    let reason = if draft {
        "The document is a draft there: its payments are recorded once it is approved."
    } else {
        "The draft was approved in the ledger."
    };
    left_as_it_is(link, hash, reason)
}

/// The document stands as it is. What was last sent stays the base of the next comparison, and whether the document still is that is
/// judged anew: nothing that a bookkeeper did to it is taken for known.
fn left_as_it_is(link: &DocumentLink, hash: String, reason: &'static str) -> Step {
    Step::Proved { hash, sent: link.sent.clone().map(Box::new), reason }
}

/// The first payment of the invoice that is not settled with the ledger, where payments are pushed.
fn owed_payment(view: View<'_>) -> Option<&Payment> {
    let settled = |id: &str| view.row.payments.iter().any(|known| known.payment_id == id);
    let mut owed = view.invoice.payments.iter().filter(|payment| !settled(&payment.payment_id));
    owed.next().filter(|_| view.connection.options.payments == Payments::Push)
}

/// The totals are checked on the draft before it is approved (C12): an approved document can often not be changed any more.
fn approve_draft(view: View<'_>, facts: &Facts, there: &RemoteDocument, hash: &str) -> Step {
    let label = view.rules.ledger.label();
    let sent = view.row.link.as_ref().and_then(|link| link.sent.as_ref());
    // Where nothing was ever sent to it, what CoPortal shows is what it must come to.
    let wanted = sent.map_or_else(|| view.invoice.totals(view.workspace.tax_rounding), |sent| sent.totals);
    if comes_to_other(wanted, view.invoice.currency, there) {
        return Step::Hold(stays_a_draft(totals_differ_from(label, wanted, view.invoice.currency, there)));
    }
    if let Some(hold) = sent.and_then(|sent| tax_applied(sent, there, facts, label)) {
        // Its content is settled: no code that is chosen now would change the document any more.
        let draft = totals_differ_from(label, wanted, view.invoice.currency, there);
        return Step::Hold(stays_a_draft(HoldDraft { detail: hold.detail, ..draft }));
    }
    Step::ApproveDocument { there: Box::new(there.clone()), hash: hash.to_owned() }
}

/// The question with an answer that ends the wish to approve.
fn stays_a_draft(mut hold: HoldDraft) -> HoldDraft {
    hold.choices.insert(0, Choice::new(LEAVE_DRAFT, "Leave it a draft: I approve it in the ledger"));
    hold
}

/// Our mark on a payment: short enough for every ledger's reference.
#[must_use]
pub fn payment_mark(invoice: &Invoice, payment_id: &str) -> String {
    let digest = digest([invoice.id.to_string().as_bytes(), payment_id.as_bytes()]);
    format!("CP-{}", digest.chars().take(17).collect::<String>().to_uppercase())
}

fn payment_step(view: View<'_>, facts: &Facts, document: &str, payment: &Payment, hash: &str) -> Step {
    let label = view.rules.ledger.label();
    let settled = |external_id: Option<String>, reason| Step::PaymentDone {
        link: PaymentLink { payment_id: payment.payment_id.clone(), external_id, amount: payment.amount },
        reason,
    };
    let not_sent = |hold: &HoldDraft| view.row.answer(hold.question, &hold.inputs_hash) == Some("skip");
    if not_sent(&payment_refused(view.invoice, &payment.payment_id, String::new())) {
        return settled(None, NOT_SENT);
    }
    let accounts: Vec<&Account> = facts.accounts_for(AccountUse::Payment).collect();
    let name = |account: &Account| account.code.clone().unwrap_or_else(|| account.id.clone());
    let chosen = view
        .choices
        .payment_account
        .as_ref()
        .and_then(|chosen| accounts.iter().find(|account| name(account) == *chosen || account.id == *chosen));
    let account = match (chosen, accounts.as_slice()) {
        (Some(account), _) => name(account),
        (None, [only]) => name(only),
        (None, _) if !view.found.facts_read => return Step::ReadFacts,
        (None, several) => return Step::Hold(choose_payment_account(facts, several, label)),
    };
    let Some(paid) = &view.found.paid else { return Step::ReadPayments(document.to_owned()) };
    let mark = payment_mark(view.invoice, &payment.payment_id);
    if let Some(ours) = paid.payments.iter().find(|there| there.mark.as_deref() == Some(mark.as_str())) {
        return settled(Some(ours.external_id.clone()), "The ledger has this payment already.");
    }
    // C1: the balance is read first, and nothing open means nothing sent.
    if paid.balance <= Decimal::ZERO {
        return settled(None, "Nothing is open on the document there, so the payment was not sent.");
    }
    if payment.amount > paid.balance {
        let detail = format!(
            "A payment of {} {} was received, and only {} is open on the document in {label}.",
            payment.amount, view.invoice.currency, paid.balance
        );
        let hold = payment_differs(view.invoice, &payment.payment_id, detail, &paid.balance.normalize().to_string());
        return if not_sent(&hold) { settled(None, NOT_SENT) } else { Step::Hold(hold) };
    }
    let contact = view.contact.link.as_ref().map(|link| link.external_id.clone()).unwrap_or_default();
    let contact = view.row.link.as_ref().and_then(|link| link.sent.as_ref()).map_or(contact, |sent| sent.contact.clone());
    Step::WritePayment(Box::new(PaymentPlan {
        write: PaymentWrite {
            mark: mark.clone(),
            document: document.to_owned(),
            document_number: view.row.link.as_ref().and_then(|link| link.external_number.clone()),
            contact: paid.contact.clone().unwrap_or(contact),
            amount: payment.amount,
            currency: view.invoice.currency,
            date: payment.date,
            account,
            text: format!("Payment of invoice {}", view.invoice.number.trim()),
        },
        look: Look {
            external_id: Some(document.to_owned()),
            mark: Some(mark),
            payment: Some(payment.payment_id.clone()),
            balance: Some(paid.balance),
            ..Look::default()
        },
        hash: hash.to_owned(),
    }))
}

/// The answer that ends the wish to approve a draft.
pub const LEAVE_DRAFT: &str = "leave_draft";

/// What was open before the payment was sent, where less is open now.
fn fallen_balance(view: View<'_>, intent: &Intent) -> Option<Decimal> {
    let now = view.found.payment_look.as_ref()?.balance;
    intent.look.balance.filter(|before| now < *before)
}

/// C1: no payment there carries our mark, and less is open than before ours was sent. A bookkeeper who posts or retypes a payment takes
/// our mark off it: only a person can tell whether it is ours, and a payment is never sent twice on a guess.
fn in_doubt(view: View<'_>, payment_id: &str, before: Decimal, now: Decimal) -> Step {
    let hold = payment_in_doubt(view.invoice, payment_id, view.rules.ledger.label(), before, now);
    let amount =
        view.invoice.payments.iter().find(|payment| payment.payment_id == payment_id).map_or(Decimal::ZERO, |payment| payment.amount);
    match view.row.answer(hold.question, &hold.inputs_hash) {
        Some("skip") => Step::PaymentDone {
            link: PaymentLink { payment_id: payment_id.to_owned(), external_id: None, amount },
            reason: "It is in the ledger already, as a person said.",
        },
        Some("send") => Step::PaymentNotDone,
        _ => Step::Hold(hold),
    }
}

const NOT_SENT: &str = "Not sent, as chosen.";

/// The next step about an open payment intent.
pub(super) fn settle_payment(view: View<'_>, intent: &Intent) -> Step {
    let payment_id = intent.look.payment.clone().unwrap_or_default();
    let recorded = |external_id: &str, amount| Step::PaymentDone {
        link: PaymentLink { payment_id: payment_id.clone(), external_id: Some(external_id.to_owned()), amount },
        reason: "Recorded in the ledger.",
    };
    match settle::payment(intent, view.rules, view.now, view.found.payment_look.as_ref()) {
        Settle::Resend => Step::ResendPayment,
        Settle::Look => Step::LookPayment(intent.look.clone()),
        Settle::Done(payment) | Settle::Unfinished(payment) => recorded(&payment.external_id, payment.amount),
        Settle::NotDone => match (fallen_balance(view, intent), &view.found.payment_look) {
            (Some(before), Some(paid)) => in_doubt(view, &payment_id, before, paid.balance),
            (_, _) => Step::PaymentNotDone,
        },
        Settle::Wait(until) => Step::WaitOutcome(until),
        Settle::Several => {
            let hold = payment_differs(view.invoice, &payment_id, "Two payments there carry our mark.".to_owned(), "twice");
            let ours = view.found.payment_look.iter().flat_map(|paid| &paid.payments).find(|payment| payment.mark == intent.look.mark);
            match (view.row.answer(hold.question, &hold.inputs_hash), ours) {
                // It is there; nothing more is sent, and the bookkeeper removes the one that is too many.
                (Some("skip"), Some(payment)) => recorded(&payment.external_id, payment.amount),
                _ => Step::Hold(hold),
            }
        }
    }
}
