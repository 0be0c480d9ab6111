//! Every key of the table, in one place (docs/records.md, sections 1 and 2).
//!
//! The class comes first, so that an IAM condition on the leading key can keep a whole class away from a function; the workspace comes
//! second, taken from the principal. What a stranger presents (state, cookie, code, API key) is keyed by the SHA-256 of the secret,
//! and e-mail addresses appear only as [`email_hash`]: keys reach audit logs.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use coportal_core::connection::Generation;
use coportal_core::id::{
    ApprovalId, BackfillId, ClientId, ContactPersonId, EventId, InvoiceId, PreviewId, SsoConnectionId, UserId, WorkspaceId,
};
use coportal_core::job::JobId;
use coportal_core::ledger::Ledger;
use coportal_core::money::{Currency, Rate};
use coportal_core::text;
use jiff::Timestamp;

/// Attribute of the partition key.
pub const PK: &str = "pk";
/// Attribute of the sort key.
pub const SK: &str = "sk";
/// An index of the table. DynamoDB wants names of at least three characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// What is not at rest: sweep, waiting room, keep-alive.
    Due,
    /// Lists that a person reads.
    List,
}

impl Index {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::List => "list",
        }
    }

    /// Attribute of its partition key.
    #[must_use]
    pub fn pk(self) -> &'static str {
        match self {
            Self::Due => "due_pk",
            Self::List => "ix_pk",
        }
    }

    /// Attribute of its sort key.
    #[must_use]
    pub fn sk(self) -> &'static str {
        match self {
            Self::Due => "due_sk",
            Self::List => "ix_sk",
        }
    }
}

/// Number of partitions of the `due` index.
pub const SHARDS: u8 = 16;

/// The primary key of an item. It has no `Display`: keys belong into requests, not into texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl Key {
    fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }
}

/// An instant in a sort key: fixed width (milliseconds, UTC), so that order as text is order in time.
#[must_use]
pub fn instant(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// SHA-256 of a secret that a stranger presents, in hexadecimal.
#[must_use]
pub fn secret_hash(secret: &str) -> String {
    text::digest([b"secret".as_slice(), secret.as_bytes()])
}

/// Whether a secret that a stranger presents is the one whose [`secret_hash`] is stored; the time it takes tells nothing about either.
#[must_use]
pub fn is_secret_of(presented: &str, hash: &str) -> bool {
    verify_slices_are_equal(secret_hash(presented).as_bytes(), hash.as_bytes()).is_ok()
}

/// `h(email)`: SHA-256 of workspace and normalised address, so that one address has another key in each workspace.
#[must_use]
pub fn email_hash(workspace: WorkspaceId, email: &str) -> String {
    text::digest([workspace.to_string().as_bytes(), text::email_key(email).as_bytes()])
}

/// The shard of the `due` index in which all rows of one connection lie: a hash of (workspace, ledger) modulo [`SHARDS`].
#[must_use]
pub fn shard(workspace: WorkspaceId, ledger: Ledger) -> u8 {
    let digest = text::digest([workspace.to_string().as_bytes(), ledger.slug().as_bytes()]);
    let first = digest.get(..2).and_then(|two| u8::from_str_radix(two, 16).ok()).unwrap_or_default();
    first % SHARDS
}

// --- workspaces and people ---

/// A workspace.
#[must_use]
pub fn workspace(ws: WorkspaceId) -> Key {
    Key::new(format!("WS#{ws}"), "META")
}

/// A member of a workspace.
#[must_use]
pub fn member(ws: WorkspaceId, user: &UserId) -> Key {
    Key::new(format!("WS#{ws}"), format!("{MEMBER_PREFIX}{user}"))
}

/// Prefix of the sort keys of members.
pub const MEMBER_PREFIX: &str = "MEMBER#";

/// The mirror of a membership, on the person's side.
#[must_use]
pub fn membership(user: &UserId, ws: WorkspaceId) -> Key {
    Key::new(format!("USER#{user}"), format!("WS#{ws}"))
}

/// A person.
#[must_use]
pub fn user(user: &UserId) -> Key {
    Key::new(format!("USER#{user}"), "SELF")
}

/// A break-glass code of a person.
#[must_use]
pub fn break_glass(user: &UserId, number: u8) -> Key {
    Key::new(format!("USER#{user}"), format!("{BREAK_GLASS_PREFIX}{number}"))
}

/// An identity at an issuer, by the SHA-256 of issuer and subject.
#[must_use]
pub fn identity(hash: &str) -> Key {
    Key::new(format!("IDENT#{hash}"), "USER")
}

/// A person's identity at one connection: at most one.
#[must_use]
pub fn identity_here(user: &UserId, connection: SsoConnectionId) -> Key {
    Key::new(format!("USER#{user}"), format!("IDENT#{connection}"))
}

/// Who has an e-mail address, whatever workspaces they are in.
#[must_use]
pub fn address(email: &str) -> Key {
    Key::new(format!("ADDR#{}", text::digest([b"address".as_slice(), text::email_key(email).as_bytes()])), "USER")
}

/// Prefix of the sort keys of a person's break-glass codes.
pub const BREAK_GLASS_PREFIX: &str = "BREAK#";

/// A line of the audit list.
#[must_use]
pub fn audit(ws: WorkspaceId, at: Timestamp, id: EventId) -> Key {
    Key::new(audit_pk(ws), format!("{}#{id}", instant(at)))
}

/// The partition of a workspace's audit list.
#[must_use]
pub fn audit_pk(ws: WorkspaceId) -> String {
    format!("AUDIT#{ws}")
}

// --- clients ---

/// A client.
#[must_use]
pub fn client(ws: WorkspaceId, cl: ClientId) -> Key {
    Key::new(clients_pk(ws), cl.to_string())
}

/// The partition of a workspace's clients.
#[must_use]
pub fn clients_pk(ws: WorkspaceId) -> String {
    format!("CLIENT#{ws}")
}

/// A contact person of a client.
#[must_use]
pub fn person(ws: WorkspaceId, cl: ClientId, ct: ContactPersonId) -> Key {
    Key::new(people_pk(ws, cl), ct.to_string())
}

/// The partition of a client's contact persons.
#[must_use]
pub fn people_pk(ws: WorkspaceId, cl: ClientId) -> String {
    format!("PERSON#{ws}#{cl}")
}

/// The owners of an e-mail address.
#[must_use]
pub fn email_owners(ws: WorkspaceId, email: &str) -> Key {
    Key::new(email_owners_pk(ws), email_hash(ws, email))
}

/// The partition of a workspace's e-mail owners.
#[must_use]
pub fn email_owners_pk(ws: WorkspaceId) -> String {
    format!("EMAIL#{ws}")
}

// --- invoices ---

/// An invoice.
#[must_use]
pub fn invoice(ws: WorkspaceId, inv: InvoiceId) -> Key {
    Key::new(invoices_pk(ws), inv.to_string())
}

/// The invoice that a key of the table is the key of; `None` where it is something else's.
#[must_use]
pub fn invoice_of_key(pk: &str, sk: &str) -> Option<(WorkspaceId, InvoiceId)> {
    Some((pk.strip_prefix("INVOICE#")?.parse().ok()?, sk.parse().ok()?))
}

/// The partition of a workspace's invoices.
#[must_use]
pub fn invoices_pk(ws: WorkspaceId) -> String {
    format!("INVOICE#{ws}")
}

/// Keys of an invoice in the `list` index: the invoices of a client by date of issue.
#[must_use]
pub fn invoice_of_client(ws: WorkspaceId, cl: ClientId, issued: jiff::civil::Date, inv: InvoiceId) -> (String, String) {
    (invoices_of_client_pk(ws, cl), format!("{issued}#{inv}"))
}

/// The partition of a client's invoices in the `list` index.
#[must_use]
pub fn invoices_of_client_pk(ws: WorkspaceId, cl: ClientId) -> String {
    format!("CLI#{ws}#{cl}")
}

/// The claim of an invoice number; numbers that differ in case only are one number.
#[must_use]
pub fn number(ws: WorkspaceId, number: &str) -> Key {
    Key::new(format!("NUM#{ws}"), text::tidy(number).to_lowercase())
}

/// A line of an invoice's timeline.
#[must_use]
pub fn timeline(ws: WorkspaceId, inv: InvoiceId, at: Timestamp, id: EventId) -> Key {
    Key::new(timeline_pk(ws, inv), format!("{}#{id}", instant(at)))
}

/// The partition of an invoice's timeline.
#[must_use]
pub fn timeline_pk(ws: WorkspaceId, inv: InvoiceId) -> String {
    format!("TL#{ws}#{inv}")
}

/// An event for hooks.
#[must_use]
pub fn event(ws: WorkspaceId, name: &str, at: Timestamp, event: &str) -> Key {
    Key::new(format!("EVT#{ws}"), format!("{name}#{}#{event}", instant(at)))
}

// --- calls ---

/// The calls of one organisation.
#[must_use]
pub fn bucket(ledger: Ledger, organisation: &str) -> Key {
    Key::new(format!("RATE#{ledger}#{organisation}"), "BUCKET")
}

/// The calls of our app over all organisations of a ledger.
#[must_use]
pub fn app_bucket(ledger: Ledger) -> Key {
    Key::new(format!("RATE#{ledger}"), "APP")
}

// --- connections, tokens, facts ---

/// A connection.
#[must_use]
pub fn connection(ws: WorkspaceId, ledger: Ledger) -> Key {
    Key::new(format!("CONN#{ws}"), ledger.slug())
}

/// What a connection's card shows beside the connection itself. No decision rests on it.
#[must_use]
pub fn note(ws: WorkspaceId, ledger: Ledger) -> Key {
    Key::new(format!("NOTE#{ws}"), ledger.slug())
}

/// The generation of an organisation.
#[must_use]
pub fn generation(ws: WorkspaceId, ledger: Ledger, organisation: &str) -> Key {
    Key::new(format!("GEN#{ws}#{ledger}"), format!("ORG#{organisation}"))
}

/// The counter of generations.
#[must_use]
pub fn generation_counter(ws: WorkspaceId, ledger: Ledger) -> Key {
    Key::new(format!("GEN#{ws}#{ledger}"), "NEXT")
}

/// A workspace's use of an organisation.
#[must_use]
pub fn organisation_use(ledger: Ledger, organisation: &str, ws: WorkspaceId) -> Key {
    Key::new(organisation_uses_pk(ledger, organisation), ws.to_string())
}

/// The partition of the workspaces that use an organisation.
#[must_use]
pub fn organisation_uses_pk(ledger: Ledger, organisation: &str) -> String {
    format!("ORG#{ledger}#{organisation}")
}

/// The tokens of a connection.
#[must_use]
pub fn tokens(ws: WorkspaceId, ledger: Ledger, generation: Generation) -> Key {
    Key::new(format!("TOK#{ws}#{ledger}"), format!("G{generation}"))
}

/// Facts of an organisation, by topic.
#[must_use]
pub fn facts(ws: WorkspaceId, ledger: Ledger, generation: Generation, topic: &str) -> Key {
    Key::new(format!("FACTS#{ws}#{ledger}#{generation}"), topic)
}

/// The partition of a generation's choices.
#[must_use]
pub fn choices_pk(ws: WorkspaceId, ledger: Ledger, generation: Generation) -> String {
    format!("MAP#{ws}#{ledger}#{generation}")
}

/// One choice of a generation.
#[must_use]
pub fn choice(ws: WorkspaceId, ledger: Ledger, generation: Generation, choice: Choice) -> Key {
    Key::new(choices_pk(ws, ledger, generation), choice.sort_key())
}

/// Which choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Account of sales lines.
    SalesAccount,
    /// Item of sales lines.
    SalesItem,
    /// Account that payments go to.
    PaymentAccount,
    /// Tax code of a rate.
    Tax(Rate),
    /// Item of a product, by the sixteen hexadecimal digits of [`coportal_core::choices::product_key`].
    Product([u8; 16]),
}

impl Choice {
    /// The choice of a product; `None` when the text is no [`coportal_core::choices::product_key`].
    #[must_use]
    pub fn product(key: &str) -> Option<Self> {
        key.as_bytes().try_into().ok().filter(|bytes: &[u8; 16]| bytes.iter().all(u8::is_ascii_hexdigit)).map(Self::Product)
    }

    /// The sort key.
    #[must_use]
    pub fn sort_key(self) -> String {
        match self {
            Self::SalesAccount => "ACCOUNT".to_owned(),
            Self::SalesItem => "ITEM".to_owned(),
            Self::PaymentAccount => "PAY_ACCOUNT".to_owned(),
            Self::Tax(rate) => format!("TAX#{rate}"),
            Self::Product(key) => format!("PRODUCT#{}", String::from_utf8_lossy(&key)),
        }
    }
}

/// The link of a client to a contact. Ledgers whose contacts have one currency state it; `None` is written `-`.
#[must_use]
pub fn contact_link(ws: WorkspaceId, ledger: Ledger, generation: Generation, cl: ClientId, currency: Option<Currency>) -> Key {
    let currency = currency.as_ref().map_or("-", Currency::as_str);
    Key::new(contact_links_pk(ws, ledger, generation), format!("{cl}#{currency}"))
}

/// The partition of a generation's contact links.
#[must_use]
pub fn contact_links_pk(ws: WorkspaceId, ledger: Ledger, generation: Generation) -> String {
    format!("CLINK#{ws}#{ledger}#{generation}")
}

/// The owner of a contact in one workspace.
#[must_use]
pub fn contact_owner(ledger: Ledger, organisation: &str, external: &str, ws: WorkspaceId) -> Key {
    Key::new(format!("XC#{ledger}#{organisation}#{external}"), ws.to_string())
}

/// The owner of a document.
#[must_use]
pub fn document_owner(ledger: Ledger, organisation: &str, external: &str) -> Key {
    Key::new(format!("DOC#{ledger}#{organisation}#{external}"), "OWNER")
}

// --- sync ---

/// The sync row of an invoice in one generation.
#[must_use]
pub fn sync_row(ws: WorkspaceId, inv: InvoiceId, ledger: Ledger, generation: Generation) -> Key {
    Key::new(sync_rows_pk(ws, inv), format!("{ledger}#{generation}"))
}

/// The body of an intent that is too large for its row.
#[must_use]
pub fn sync_body(ws: WorkspaceId, inv: InvoiceId, ledger: Ledger, generation: Generation) -> Key {
    Key::new(sync_rows_pk(ws, inv), format!("{ledger}#{generation}#BODY"))
}

/// The partition of an invoice's sync rows.
#[must_use]
pub fn sync_rows_pk(ws: WorkspaceId, inv: InvoiceId) -> String {
    format!("SYNC#{ws}#{inv}")
}

/// The partition of the `due` index that the sweep reads.
#[must_use]
pub fn due_pk(shard: u8) -> String {
    format!("DUE#{shard}")
}

/// The partition of the `due` index in which rows wait for a person's act (grant, plan).
#[must_use]
pub fn park_pk(ws: WorkspaceId, ledger: Ledger) -> String {
    format!("PARK#{ws}#{ledger}")
}

/// The sort key of a sync row in the `due` index.
#[must_use]
pub fn due_sk(due_at: Timestamp, ws: WorkspaceId, ledger: Ledger, inv: InvoiceId) -> String {
    format!("{}#{ws}#{ledger}#{inv}", instant(due_at))
}

/// Keys of an invoice in the `due` index until the fan-out has confirmed its newest version.
#[must_use]
pub fn due_invoice(at: Timestamp, ws: WorkspaceId, inv: InvoiceId) -> (String, String) {
    let digest = text::digest([ws.to_string().as_bytes(), b"invoices"]);
    let first = digest.get(..2).and_then(|two| u8::from_str_radix(two, 16).ok()).unwrap_or_default();
    (due_pk(first % SHARDS), format!("{}#{ws}#invoice#{inv}", instant(at)))
}

/// The partition of the `due` index from which tokens are kept alive.
#[must_use]
pub fn keep_alive_pk(shard: u8) -> String {
    format!("KEEP#{shard}")
}

/// Partition of the `list` index with what the cards of a workspace show: its synced rows by the time of their newest sync, and the
/// grants parked for its people, which sort behind all times and so are read first.
#[must_use]
pub fn cards_pk(ws: WorkspaceId) -> String {
    format!("CARDS#{ws}")
}

/// Sort key of a synced row there.
#[must_use]
pub fn synced_sk(at: Timestamp, ledger: Ledger, generation: Generation, inv: InvoiceId) -> String {
    format!("{}#{ledger}#{generation}#{inv}", instant(at))
}

/// Beginning of the sort keys there of the grants parked for a person. No id of a user has a `#`.
#[must_use]
pub fn parked_prefix(user: &UserId) -> String {
    format!("{PARKED_PREFIX}{user}#")
}

/// Prefix of the sort keys there of all parked grants.
pub const PARKED_PREFIX: &str = "PARKED#";

/// Sort key there of a grant that was parked at `at`, whose sign-in began at `begun_at` and whose state has the hash `reference`.
#[must_use]
pub fn parked_sk(user: &UserId, at: Timestamp, ledger: Ledger, begun_at: Timestamp, reference: &str) -> String {
    format!("{}{}#{ledger}#{}#{reference}", parked_prefix(user), instant(at), instant(begun_at))
}

/// The partition of the `list` index with what a person should look at.
#[must_use]
pub fn attention_pk(ws: WorkspaceId) -> String {
    format!("ATT#{ws}")
}

/// The sort key of what a person should look at.
#[must_use]
pub fn attention_sk(state: &str, since: Timestamp, ledger: Ledger, inv: InvoiceId) -> String {
    format!("{state}#{}#{ledger}#{inv}", instant(since))
}

// --- jobs ---

/// The head of a job.
#[must_use]
pub fn job(ws: WorkspaceId, job: JobId) -> Key {
    Key::new(job_pk(ws, job), JOB_HEAD)
}

/// Sort key of the head of a job.
pub const JOB_HEAD: &str = "HEAD";

/// The partition of a job: its head, and what it keeps beside it.
#[must_use]
pub fn job_pk(ws: WorkspaceId, job: JobId) -> String {
    match job {
        JobId::Backfill(id) => format!("BKF#{ws}#{id}"),
        JobId::Preview(id) => format!("PRV#{ws}#{id}"),
        JobId::Drift { ledger, generation } => drift_pk(ws, ledger, generation),
    }
}

/// A page that an import preview keeps beside its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviewPart<'a> {
    /// Contacts as they were read.
    Read(u32),
    /// Rows, classified.
    Rows(u32),
    /// What was ticked of a page of rows, in the commit with this digest.
    Picked(&'a str, u32),
    /// What became of a page of rows.
    Done(u32),
}

/// A page of an import preview.
#[must_use]
pub fn preview_part(ws: WorkspaceId, preview: PreviewId, part: PreviewPart<'_>) -> Key {
    let sk = match part {
        PreviewPart::Read(page) => format!("READ#{page:06}"),
        PreviewPart::Rows(page) => format!("ROWS#{page:06}"),
        PreviewPart::Picked(commit, page) => format!("PICK#{commit}#{page:06}"),
        PreviewPart::Done(page) => format!("DONE#{page:06}"),
    };
    Key::new(job_pk(ws, JobId::Preview(preview)), sk)
}

/// A chunk of a backfill.
#[must_use]
pub fn backfill_chunk(ws: WorkspaceId, backfill: BackfillId, number: u32) -> Key {
    Key::new(job_pk(ws, JobId::Backfill(backfill)), format!("{CHUNK_PREFIX}{number:06}"))
}

/// The partition of the `list` index with a workspace's backfills, by when they were asked for.
#[must_use]
pub fn backfills_pk(ws: WorkspaceId) -> String {
    format!("BKFS#{ws}")
}

/// Sort key there.
#[must_use]
pub fn backfills_sk(at: Timestamp, backfill: BackfillId) -> String {
    format!("{}#{backfill}", instant(at))
}

/// Prefix of the sort keys of chunks.
pub const CHUNK_PREFIX: &str = "CHUNK#";

/// Keys of a job in the `due` index.
#[must_use]
pub fn due_job(at: Timestamp, ws: WorkspaceId, job: JobId) -> (String, String) {
    let digest = text::digest([ws.to_string().as_bytes(), b"jobs"]);
    let first = digest.get(..2).and_then(|two| u8::from_str_radix(two, 16).ok()).unwrap_or_default();
    (due_pk(first % SHARDS), format!("{}#{ws}#job#{job}", instant(at)))
}

/// The job that a sort key of the `due` index is about; `None` where it is about something else.
#[must_use]
pub fn job_of_due_sk(sk: &str) -> Option<(WorkspaceId, JobId)> {
    let mut parts = sk.splitn(4, '#').skip(1);
    let ws = parts.next()?.parse().ok()?;
    (parts.next()? == "job").then_some(())?;
    Some((ws, parts.next()?.parse().ok()?))
}

/// What somebody changed in the ledger of one invoice's document.
#[must_use]
pub fn drift(ws: WorkspaceId, ledger: Ledger, generation: Generation, inv: InvoiceId) -> Key {
    Key::new(drift_pk(ws, ledger, generation), inv.to_string())
}

/// The partition of what somebody changed in the books of a connection.
#[must_use]
pub fn drift_pk(ws: WorkspaceId, ledger: Ledger, generation: Generation) -> String {
    format!("DRIFT#{ws}#{ledger}#{generation}")
}

// --- doors ---

/// An OAuth sign-in, by the SHA-256 of its state.
#[must_use]
pub fn oauth_state(state: &str) -> Key {
    oauth_state_of_hash(&secret_hash(state))
}

/// The same, from the hash.
#[must_use]
pub fn oauth_state_of_hash(hash: &str) -> Key {
    Key::new(format!("OAUTH#{hash}"), "STATE")
}

/// A signed-in browser, by the SHA-256 of its cookie.
#[must_use]
pub fn session(cookie: &str) -> Key {
    Key::new(format!("SESSION#{}", secret_hash(cookie)), "SESSION")
}

/// A sign-in at an identity provider, by the SHA-256 of its state.
#[must_use]
pub fn login(state: &str) -> Key {
    Key::new(format!("LOGIN#{}", secret_hash(state)), "STATE")
}

/// A hand-off code, by its SHA-256.
#[must_use]
pub fn hand_off_code(code: &str) -> Key {
    Key::new(format!("CODE#{}", secret_hash(code)), "CODE")
}

/// The id of a response or assertion that a connection has used, by its SHA-256.
#[must_use]
pub fn assertion_seen(connection: SsoConnectionId, hash: &str) -> Key {
    Key::new(format!("ASSERT#{connection}#{hash}"), "SEEN")
}

/// A single sign-on connection.
#[must_use]
pub fn sso_connection(id: SsoConnectionId) -> Key {
    Key::new(format!("SSO#{id}"), "META")
}

/// What of single sign-on a workspace has: the ids of its connections and domains.
#[must_use]
pub fn sso_directory(ws: WorkspaceId) -> Key {
    Key::new(format!("WS#{ws}"), "SSO")
}

/// A sign-in that waits for an admin.
#[must_use]
pub fn waiting_sign_in(ws: WorkspaceId, id: ApprovalId) -> Key {
    Key::new(format!("WS#{ws}"), format!("{WAITING_SIGN_IN_PREFIX}{id}"))
}

/// Prefix of the sort keys of a workspace's waiting sign-ins.
pub const WAITING_SIGN_IN_PREFIX: &str = "SSOWAIT#";

/// A domain that a workspace has proved; at most one has.
#[must_use]
pub fn domain(domain: &str) -> Key {
    Key::new(format!("DOMAIN#{domain}"), "OWNER")
}

/// A domain that a workspace has asked for.
#[must_use]
pub fn domain_asked(domain: &str, ws: WorkspaceId) -> Key {
    Key::new(format!("DOMAIN#{domain}"), format!("ASKED#{ws}"))
}

/// The partition of the `due` index with the proofs and the metadata of single sign-on, by when they are looked at again.
pub const SSO_DUE_PK: &str = "SSODUE";

/// A limit that strangers of one network share.
#[must_use]
pub fn network_bucket(what: &str, network: &str) -> Key {
    Key::new(format!("RATE#{what}#{network}"), "BUCKET")
}

/// An API key, by the part of it that is no secret.
#[must_use]
pub fn api_key(public_id: &str) -> Key {
    Key::new(format!("KEY#{public_id}"), "KEY")
}

/// A portal link, by the SHA-256 of its secret.
#[must_use]
pub fn portal_link(secret: &str) -> Key {
    Key::new(format!("PLINK#{}", secret_hash(secret)), "LINK")
}

/// An idempotency record: SHA-256 of workspace, principal, route and the caller's key.
#[must_use]
pub fn idempotency(ws: WorkspaceId, principal: &str, route: &str, key: &str) -> Key {
    let hash = text::digest([ws.to_string().as_bytes(), principal.as_bytes(), route.as_bytes(), key.as_bytes()]);
    Key::new(format!("IDEM#{hash}"), "IDEM")
}

#[cfg(test)]
mod tests {
    use super::*;
    use coportal_core::id::InvoiceId;
    use uuid::Uuid;

    #[test]
    fn a_secret_is_known_by_its_hash() {
        let hash = secret_hash("s");
        assert!(is_secret_of("s", &hash));
        for (presented, stored) in [("t", hash.as_str()), ("", hash.as_str()), ("s", ""), (hash.as_str(), hash.as_str())] {
            assert!(!is_secret_of(presented, stored));
        }
    }

    #[test]
    fn instants_sort_as_text() {
        let at = |text: &str| instant(text.parse().unwrap());
        assert_eq!(at("2026-03-01T00:00:00Z"), "2026-03-01T00:00:00.000Z");
        assert!(at("2026-03-01T00:00:00Z") < at("2026-03-01T00:00:00.5Z"));
        assert!(at("2026-03-01T00:00:00.999999Z") < at("2026-03-01T00:00:01Z"));
    }

    #[test]
    fn an_address_has_one_key_per_workspace_and_never_stands_in_it() {
        let one = WorkspaceId::new(Uuid::from_u128(1));
        let two = WorkspaceId::new(Uuid::from_u128(2));
        assert_eq!(email_owners(one, " Ann@Example.com "), email_owners(one, "ann@example.com"));
        assert_ne!(email_owners(one, "ann@example.com").sk, email_owners(two, "ann@example.com").sk);
        assert!(!email_owners(one, "ann@example.com").sk.contains("ann"));
    }

    #[test]
    fn numbers_that_differ_in_case_or_blanks_are_one_claim() {
        let ws = WorkspaceId::new(Uuid::from_u128(1));
        assert_eq!(number(ws, "inv-7 A"), number(ws, " INV-7  a"));
    }

    #[test]
    fn an_organisation_cannot_be_mistaken_for_the_counter_of_generations() {
        let ws = WorkspaceId::new(Uuid::from_u128(1));
        assert_ne!(generation(ws, Ledger::Xero, "NEXT"), generation_counter(ws, Ledger::Xero));
    }

    #[test]
    fn rows_of_one_connection_share_a_shard() {
        let mut used = std::collections::BTreeSet::new();
        for n in 0..200_u128 {
            let ws = WorkspaceId::new(Uuid::from_u128(n));
            assert!(shard(ws, Ledger::Xero) < SHARDS);
            assert_eq!(shard(ws, Ledger::Xero), shard(ws, Ledger::Xero));
            used.insert(shard(ws, Ledger::Xero));
        }
        assert_eq!(used.len(), usize::from(SHARDS));
    }

    #[test]
    fn a_due_job_is_told_from_a_due_row_and_a_due_invoice() {
        let ws = WorkspaceId::new(Uuid::from_u128(1));
        let inv = InvoiceId::new(Uuid::from_u128(2));
        let at: Timestamp = "2026-03-01T09:00:00Z".parse().unwrap();
        for job in ["bkf_00000000000000000000000000000007", "prv_00000000000000000000000000000007", "drift_business-central_3"] {
            let job: JobId = job.parse().unwrap();
            assert_eq!(job_of_due_sk(&due_job(at, ws, job).1), Some((ws, job)));
        }
        assert_eq!(job_of_due_sk(&due_invoice(at, ws, inv).1), None);
        assert_eq!(job_of_due_sk(&due_sk(at, ws, Ledger::Xero, inv)), None);
        assert_eq!(job_of_due_sk(""), None);
    }

    #[test]
    fn an_invoice_is_known_by_its_key_and_nothing_else_is() {
        let (ws, inv) = (WorkspaceId::new(Uuid::from_u128(1)), InvoiceId::new(Uuid::from_u128(2)));
        let key = invoice(ws, inv);
        assert_eq!(invoice_of_key(&key.pk, &key.sk), Some((ws, inv)));
        let row = sync_row(ws, inv, Ledger::Xero, Generation(1));
        for other in [number(ws, "1"), row, client(ws, ClientId::new(Uuid::from_u128(3)))] {
            assert_eq!(invoice_of_key(&other.pk, &other.sk), None);
        }
    }

    #[test]
    fn the_key_of_a_body_is_not_the_key_of_a_row() {
        let ws = WorkspaceId::new(Uuid::from_u128(1));
        let inv = InvoiceId::new(Uuid::from_u128(2));
        let row = sync_row(ws, inv, Ledger::Xero, Generation(3));
        assert_eq!(row.sk, "xero#3");
        assert_eq!(sync_body(ws, inv, Ledger::Xero, Generation(3)).sk, "xero#3#BODY");
    }
}
