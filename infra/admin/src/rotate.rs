//! Another key for the tokens: each row's tokens are opened, and sealed again under a data key of the new key.
//!
//! It is a refresh that calls no vendor: the same lease keeps refreshes out meanwhile, and the same condition stores the result, so that
//! neither can undo the other. A row under the new key is passed over, which is what makes a run that was stopped resumable.

use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use coportal_aws::keys::{PK, SK};
use coportal_aws::queues::QueueUrls;
use coportal_aws::records::tokens::{Refresh, RefreshOutcome, Refreshed, TokenKey};
use coportal_aws::store::Store;
use coportal_aws::vault::{Field, PENDING, SealContext, Vault};
use coportal_core::connection::Generation;
use coportal_core::id::RunId;
use jiff::SignedDuration;

use crate::access::{Access, ctx};
use crate::report::{Progress, Report};
use crate::rows::{Row, scan, text};

/// The fields of a token envelope.
const FIELDS: [&str; 2] = ["access", "refresh"];
/// How long refreshes are kept out of a row: KMS answers twice within it, or the row is left to the next run.
const LEASE: SignedDuration = SignedDuration::from_secs(30);

/// Seals every token under `to`, the ARN of a KMS key.
///
/// # Errors
/// When the table does not answer, or `to` is no ARN. What a single row meets is counted and noted.
pub async fn rotate(access: &Access, table: &str, to: &str, dry_run: bool) -> Result<Report> {
    // Envelopes carry the key as KMS names it: by any other name no row would ever count as done.
    ensure!(to.starts_with("arn:") && to.contains(":key/"), "--to wants the ARN of a key, arn:aws:kms:…:key/…");
    let cloud = access.cloud(table, to, QueueUrls::default());
    let (store, vault) = (cloud.store(), cloud.vault());
    let mut report = Report::of(&format!("Tokens of {table} under {to}"), dry_run);
    let reading = Progress::of("items read");
    let rows =
        scan(&access.dynamodb(), table, "begins_with(pk, :class)", &[(":class", "TOK#")], &mut |read| reading.at(read, None)).await?;
    drop(reading);
    let progress = Progress::of("token rows");
    for (done, row) in rows.iter().enumerate() {
        progress.at(done, Some(rows.len()));
        match one(access, table, &store, &vault, to, row, dry_run).await {
            Ok(what) => report.count(what),
            Err(error) => {
                report.count("failed");
                report.notes.push(format!("{} {}: {error:#}", text(row, "ws"), text(row, "ledger")));
            }
        }
    }
    progress.at(rows.len(), Some(rows.len()));
    Ok(report)
}

async fn one(access: &Access, table: &str, store: &Store, vault: &Vault, to: &str, row: &Row, dry_run: bool) -> Result<&'static str> {
    let generation = row.get("gen").and_then(|value| value.as_n().ok()).and_then(|value| value.parse().ok()).context("no generation")?;
    let key = TokenKey {
        ws: text(row, "ws").parse().ok().context("no workspace")?,
        ledger: text(row, "ledger").parse().ok().context("no ledger")?,
        generation: Generation(generation),
    };
    let ctx = ctx();
    let Some(read) = store.tokens(key).await? else { return Ok("gone meanwhile") };
    if read.value.envelope.key_id().context("no envelope")? == to {
        return Ok("under the new key already");
    }
    if dry_run {
        return Ok("to be sealed anew");
    }
    let organisation = organisation(access, table, key).await?;
    let context = SealContext::tokens(key.ws, key.ledger, &organisation, key.generation);
    let owner = RunId::new(ctx.uuid());
    let until = ctx.now().checked_add(LEASE)?;
    let Refresh::Mine(held) = store.take_refresh_lease(&ctx, key, &read, owner, until).await? else { return Ok("busy") };
    let sealed = async {
        let opened = vault.open(&ctx, &held.value.envelope, &context, held.value.token_gen).await?;
        let data_key = vault.data_key(&ctx, &context).await?;
        let fields: Vec<Field<'_>> = FIELDS.iter().filter_map(|field| opened.secrets.get(*field).map(|secret| (*field, secret))).collect();
        ensure!(fields.len() == opened.secrets.len(), "a field that this version does not know");
        // The token set counts on, as it does with every set that is stored.
        Ok(vault.seal(&ctx, &data_key, held.value.token_gen.saturating_add(1), &fields)?)
    };
    let envelope = match sealed.await {
        Ok(envelope) => envelope,
        Err(error) => {
            store.release_refresh_lease(&ctx, key, owner, RefreshOutcome::Settled).await?;
            return Err(error);
        }
    };
    let refreshed = Refreshed { envelope, access_exp: held.value.access_exp, refresh_exp: held.value.refresh_exp };
    match store.store_refreshed(&ctx, key, &held.value, &refreshed).await? {
        Refresh::Mine(_) => Ok("sealed anew"),
        Refresh::Other(_) => Ok("busy"),
    }
}

/// The organisation of a generation, which the tokens are bound to.
async fn organisation(access: &Access, table: &str, key: TokenKey) -> Result<String> {
    if key.generation == Generation(0) {
        return Ok(PENDING.to_owned());
    }
    let partition = AttributeValue::S(format!("GEN#{}#{}", key.ws, key.ledger));
    let query = access.dynamodb().query().table_name(table).consistent_read(true).key_condition_expression("#pk = :pk");
    let answer =
        query.expression_attribute_names("#pk", PK).expression_attribute_values(":pk", partition).send().await.context("reading")?;
    let wanted = key.generation.to_string();
    let found = answer.items.unwrap_or_default().into_iter().find(|row| {
        row.get("number").and_then(|number| number.as_n().ok()).is_some_and(|number| *number == wanted) && text(row, SK).starts_with("ORG#")
    });
    let found = found.context("no organisation has its generation")?;
    Ok(text(&found, SK).trim_start_matches("ORG#").to_owned())
}
