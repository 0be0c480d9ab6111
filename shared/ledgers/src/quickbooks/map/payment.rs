//! Payments (docs/vendors/quickbooks.md, section 9).

use coportal_core::document::{PaymentWrite, RemotePayment};
use rust_decimal::Decimal;

use super::INVOICE;
use crate::json::{self, WireDecimal};
use crate::quickbooks::body::{LinkedBody, PaymentBody, PaymentLineBody, RefBody};
use crate::quickbooks::wire::{WireLinked, WirePayment, day};

/// What a mark of ours begins with.
const MARK: &str = "CP-";

/// The body of a payment.
pub(in crate::quickbooks) fn body(write: &PaymentWrite) -> Vec<u8> {
    json::bytes(&PaymentBody {
        customer_ref: RefBody { value: &write.contact },
        total_amt: WireDecimal(write.amount),
        txn_date: write.date,
        currency_ref: RefBody { value: write.currency.as_str() },
        payment_ref_num: &write.mark,
        private_note: &write.text,
        // Without it the money lands on Undeposited Funds, which nobody chose.
        deposit_to_account_ref: RefBody { value: &write.account },
        line: [PaymentLineBody {
            amount: WireDecimal(write.amount),
            linked_txn: [LinkedBody { txn_id: &write.document, txn_type: INVOICE }],
        }],
    })
}

/// How much of a payment is applied to an invoice; `None` where it is not tied to it at all.
fn applied(wire: &WirePayment, document: &str) -> Option<Decimal> {
    let tied = |linked: &WireLinked| linked.txn_type.as_deref() == Some(INVOICE) && linked.txn_id.as_deref() == Some(document);
    let mut lines = wire.line.iter().filter(|line| line.linked_txn.iter().any(tied)).peekable();
    lines.peek()?;
    lines.try_fold(Decimal::ZERO, |sum, line| sum.checked_add(line.amount.unwrap_or_default()))
}

/// A payment as it stands for an invoice: one that is applied to it, or one of ours that is applied to nothing any more, which a repeat
/// would double.
pub(in crate::quickbooks) fn payment(wire: WirePayment, document: &str) -> Option<RemotePayment> {
    let mark = wire.payment_ref_num.clone().filter(|text| text.starts_with(MARK));
    let amount = match applied(&wire, document) {
        Some(amount) => amount,
        None if wire.line.is_empty() && mark.is_some() => wire.total_amt.unwrap_or_default(),
        None => return None,
    };
    Some(RemotePayment { date: wire.txn_date.as_deref().and_then(day), external_id: wire.id, mark, amount })
}

/// The invoice and mark of a body.
pub(in crate::quickbooks) fn named(body: &[u8]) -> Option<(String, String)> {
    let wire: WirePayment = serde_json::from_slice(body).ok()?;
    let document = wire.line.into_iter().flat_map(|line| line.linked_txn).find_map(|linked| linked.txn_id)?;
    Some((document, wire.payment_ref_num?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_is_written_with_its_mark_and_its_account() {
        let write = PaymentWrite {
            mark: "CP-0123456789ABCDEF0".to_owned(),
            document: "145".to_owned(),
            document_number: Some("INV-1".to_owned()),
            contact: "12".to_owned(),
            amount: "60.00".parse().unwrap(),
            currency: "GBP".parse().unwrap(),
            date: "2026-11-20".parse().unwrap(),
            account: "35".to_owned(),
            text: "Payment of invoice INV-1".to_owned(),
        };
        let body = body(&write);
        insta::assert_snapshot!(String::from_utf8(body.clone()).unwrap(), @r#"{"CustomerRef":{"value":"12"},"TotalAmt":60,"TxnDate":"2026-11-20","CurrencyRef":{"value":"GBP"},"PaymentRefNum":"CP-0123456789ABCDEF0","PrivateNote":"Payment of invoice INV-1","DepositToAccountRef":{"value":"35"},"Line":[{"Amount":60,"LinkedTxn":[{"TxnId":"145","TxnType":"Invoice"}]}]}"#);
        assert_eq!(named(&body), Some(("145".to_owned(), write.mark)));
        assert_eq!(named(b"{}"), None);
    }

    #[test]
    fn what_is_applied_counts_and_ours_is_seen_when_it_was_taken_off() {
        let read = |json: &str| payment(serde_json::from_str(json).unwrap(), "145").map(|one| (one.mark, one.amount.to_string()));
        let line = |id: &str, amount: &str| format!(r#"{{"Amount":{amount},"LinkedTxn":[{{"TxnId":"{id}","TxnType":"Invoice"}}]}}"#);
        let with =
            |mark: &str, lines: &[String]| format!(r#"{{"Id":"9","TotalAmt":60.0,"PaymentRefNum":"{mark}","Line":[{}]}}"#, lines.join(","));
        assert_eq!(read(&with("CP-1", &[line("145", "40"), line("146", "20")])), Some((Some("CP-1".to_owned()), "40".to_owned())));
        assert_eq!(read(&with("cheque 7", &[line("145", "60")])), Some((None, "60".to_owned())));
        assert_eq!(read(&with("CP-1", &[])), Some((Some("CP-1".to_owned()), "60.0".to_owned())));
        assert_eq!(read(&with("CP-1", &[line("146", "60")])), None);
        assert_eq!(read(&with("cheque 7", &[])), None);
    }
}
