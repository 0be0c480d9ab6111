//! The ledgers: requests built and answers interpreted without I/O, one executor that sends.
//!
//! A ledger is a folder: `profile` (constants with their source), `wire` (the vendor's JSON), `map` (domain to wire and back, pure),
//! `outcome` (status, headers and body to a [`Failure`]), `fixit` (what a user reads), `sign_in`, and the calls. What every ledger offers
//! are the traits below; they have no default bodies, so that a ledger which cannot do a thing has no way to pretend.

pub mod batches;
mod business_central;
pub mod changes;
mod country;
#[cfg(test)]
mod error_table;
pub mod exec;
mod fixit;
mod json;
mod judge;
mod listing;
mod oauth;
pub mod profile;
mod quickbooks;
mod sage;
mod xero;

use std::sync::Arc;
use std::time::Duration;

use coportal_core::connection::Organisation;
use coportal_core::contact::{Contact, ContactContent};
use coportal_core::document::{DocumentWrite, Paid, PaymentWrite, RemoteDocument, RemotePayment, Removal};
use coportal_core::facts::Facts;
use coportal_core::failure::Failure;
use coportal_core::ledger::{Ledger, LedgerRules};
use coportal_core::oauth::TokenSet;
use coportal_core::secret::Secret;
use coportal_core::sync::row::{IntentKind, Look};
use coportal_core::workspace::Workspace;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use url::Url;

use crate::batches::Batches;
pub use crate::business_central::BusinessCentralEndpoints;
use crate::exec::{Executor, Transport};
pub use crate::judge::withheld;
pub use crate::listing::{ContactList, ContactPage, ListedContact};
use crate::profile::{Lane, Profile};
pub use crate::quickbooks::QuickBooksEndpoints;
pub use crate::sage::SageEndpoints;
pub use crate::xero::XeroEndpoints;

/// What one call to a ledger's API needs besides its own arguments.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// The ledger's id of the organisation: it is in the header or URL of every call, so that no call can reach other books.
    pub organisation: &'a str,
    /// The access token.
    pub token: &'a Secret,
    /// Counts the calls of this run.
    pub meter: &'a exec::Meter,
    /// How long one call may take, answer included.
    pub timeout: Duration,
    /// The present instant, against which a vendor's "retry after so many seconds" is reckoned.
    pub now: Timestamp,
}

/// What the vendor said is left of its limits; `None` where it said nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitsSeen {
    /// Calls left this minute for this organisation.
    pub minute: Option<u32>,
    /// Calls left today for this organisation.
    pub day: Option<u32>,
    /// Calls left this minute for our app over all organisations.
    pub app: Option<u32>,
}

impl LimitsSeen {
    /// The tighter of two sightings, limit by limit.
    #[must_use]
    pub fn tighter(self, other: Self) -> Self {
        let least = |a: Option<u32>, b: Option<u32>| a.into_iter().chain(b).min();
        Self { minute: least(self.minute, other.minute), day: least(self.day, other.day), app: least(self.app, other.app) }
    }
}

/// A successful answer, with what its headers told.
#[derive(Debug, Clone)]
pub struct Answered<T> {
    /// What was asked for.
    pub value: T,
    /// The vendor's id of the request, for their support.
    pub vendor_request_id: Option<String>,
    /// What is left of the vendor's limits.
    pub limits: LimitsSeen,
    /// The vendor's clock at the answer.
    pub at: Option<Timestamp>,
}

impl<T> Answered<T> {
    /// The same answer with another reading of its value.
    pub fn map<U>(self, read: impl FnOnce(T) -> U) -> Answered<U> {
        Answered { value: read(self.value), vendor_request_id: self.vendor_request_id, limits: self.limits, at: self.at }
    }
}

/// What a vendor call comes to.
pub type Called<'a, T> = BoxFuture<'a, Result<Answered<T>, Failure>>;

/// Our app's registration at a ledger.
pub struct ClientCredentials {
    /// The app's id.
    pub client_id: String,
    /// The app's secret.
    pub client_secret: Secret,
}

/// What the consent page is opened with.
#[derive(Clone, Copy)]
pub struct AuthorizeRequest<'a> {
    /// The app's id.
    pub client_id: &'a str,
    /// Where the ledger sends the user back to: exactly as registered there.
    pub redirect_uri: &'a str,
    /// The unguessable text that ties the callback to this request.
    pub state: &'a str,
    /// PKCE S256 challenge, from [`pkce_challenge`].
    pub pkce_challenge: &'a str,
    /// What the connection is for; the scopes asked for are the union of theirs, and no more.
    pub lanes: &'a [Lane],
}

/// The PKCE S256 challenge of a verifier (RFC 7636, 4.2). The verifier is drawn by the caller: 43 to 128 unreserved characters.
#[must_use]
pub fn pkce_challenge(verifier: &Secret) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(verifier.expose().as_bytes()))
}

/// Why a refresh gave no token set.
#[derive(Debug, Clone)]
pub enum RefreshFailure {
    /// The vendor says that the refresh token is dead (`invalid_grant`).
    Dead,
    /// It may have been done: the token may or may not have rotated. The caller tries again with the same token where the ledger grants
    /// a grace time, and must not call the connection dead on the strength of this.
    Unsettled {
        /// What the log keeps.
        internal: String,
    },
    /// Certainly not done; the token is as it was.
    NotDone(Failure),
}

/// Sign-in at a ledger (OAuth 2.0, authorisation code).
pub trait SignIn: Send + Sync {
    /// The consent page to send the user to.
    fn authorize_url(&self, request: &AuthorizeRequest<'_>) -> Url;

    /// Turns the code of a callback into tokens. A code counts once: whatever fails here, the user starts again. `realm` is the
    /// organisation that the callback's query names, where the ledger names it there (QuickBooks `realmId`): a claim of the browser's,
    /// kept in [`TokenSet::auth_event`] until [`SignIn::organisations`] has verified it with the token.
    fn exchange_code<'a>(
        &'a self,
        credentials: &'a ClientCredentials,
        code: &'a Secret,
        verifier: &'a Secret,
        redirect_uri: &'a str,
        realm: Option<&'a str>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<TokenSet, Failure>>;

    /// Gets the next token set. `organisation` is the connection's, where one is chosen: a ledger whose token endpoint is a tenant's own
    /// finds the tenant in it.
    fn refresh<'a>(
        &'a self,
        credentials: &'a ClientCredentials,
        refresh_token: &'a Secret,
        organisation: Option<&'a str>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<TokenSet, RefreshFailure>>;

    /// The organisations that the token reaches; with `auth_event` those of that consent alone. An organisation that was linked before may
    /// keep its first consent's id: a caller that finds none looks for the one it knows in the whole list, and takes no other, since the
    /// same user may have linked those for other workspaces.
    fn organisations<'a>(&'a self, token: &'a Secret, auth_event: Option<&'a str>) -> BoxFuture<'a, Result<Vec<Organisation>, Failure>>;

    /// Cuts the link between our app and one organisation ([`Organisation::link_id`]); a link that is gone already counts as cut.
    fn unlink<'a>(&'a self, credentials: &'a ClientCredentials, held: Held<'a>, link_id: &'a str) -> BoxFuture<'a, Result<(), Failure>>;
}

/// The tokens of a grant, to take it back with.
#[derive(Clone, Copy)]
pub struct Held<'a> {
    /// The access token.
    pub access: &'a Secret,
    /// The refresh token, where the whole grant is to be taken back; `None` while the grant stays in use and only a link of it is cut.
    pub refresh: Option<&'a Secret>,
}

/// Reads what an organisation looks like.
pub trait ReadFacts: Send + Sync {
    /// Organisation, tax rates, accounts and currencies.
    fn facts<'a>(&'a self, access: Access<'a>) -> Called<'a, Facts>;
}

/// Contacts of a ledger.
pub trait Contacts: Send + Sync {
    /// The body of a create, or of an update of `there`: pure, and the same bytes for the same content.
    fn contact_body(&self, content: &ContactContent, there: Option<&Contact>) -> Vec<u8>;

    /// Contacts with this e-mail address or this name, archived ones included, in one call. The comparison is repeated on our side
    /// ([`coportal_core::text::email_key`], [`coportal_core::text::name_key`]).
    fn search<'a>(&'a self, access: Access<'a>, email: Option<&'a str>, name: Option<&'a str>) -> Called<'a, Vec<Contact>>;

    /// Contacts that a lost create may have made: those that carry the look's mark, or, where contacts have none, its name or e-mail
    /// address; archived ones included.
    fn look_contact<'a>(&'a self, access: Access<'a>, look: &'a Look) -> Called<'a, Vec<Contact>>;

    /// One contact; `None` when there is none of this id.
    fn read_contact<'a>(&'a self, access: Access<'a>, external_id: &'a str) -> Called<'a, Option<Contact>>;

    /// Sends a create or update with a body from [`Contacts::contact_body`], byte for byte, under this idempotency key.
    fn write_contact<'a>(&'a self, access: Access<'a>, external_id: Option<&'a str>, body: &'a [u8], key: &'a str) -> Called<'a, Contact>;
}

/// Sales documents of a ledger.
pub trait Documents: Send + Sync {
    /// The body of a create (no `external_id` in `write`) or update: pure, and the same bytes for the same write.
    fn document_body(&self, write: &DocumentWrite) -> Vec<u8>;

    /// The body that takes a document out of the books.
    fn void_body(&self, there: &RemoteDocument, how: Removal) -> Vec<u8>;

    /// One sales document with its lines; `None` when there is none of this id.
    fn read_document<'a>(&'a self, access: Access<'a>, external_id: &'a str) -> Called<'a, Option<RemoteDocument>>;

    /// Documents that fit the values of a lost write, with lines, in one call: by id if the look has one, else by number or reference,
    /// else the contact's newest. Voided and deleted ones are included; the caller judges ownership.
    fn look<'a>(&'a self, access: Access<'a>, look: &'a Look) -> Called<'a, Vec<RemoteDocument>>;

    /// What a write that an intent stores counts as against the limits, all of it: permits for less would stop it half-way. `begun` is the
    /// document that a create goes on with.
    fn write_calls(&self, _kind: IntentKind, _body: &[u8], _begun: Option<&RemoteDocument>) -> u32 {
        1
    }

    /// Sends a create or update with a body from [`Documents::document_body`], byte for byte, under this idempotency key.
    fn write_document<'a>(
        &'a self,
        access: Access<'a>,
        external_id: Option<&'a str>,
        body: &'a [u8],
        key: &'a str,
    ) -> Called<'a, RemoteDocument>;

    /// Sends a body from [`Documents::void_body`] under this idempotency key.
    fn void_document<'a>(&'a self, access: Access<'a>, external_id: &'a str, body: &'a [u8], key: &'a str) -> Called<'a, RemoteDocument>;

    /// Where a person opens the document in the ledger; `None` when the facts lack what the address needs.
    fn document_url(&self, facts: &Facts, organisation: &str, document: &RemoteDocument) -> Option<String>;
}

/// Drafts that become documents in the books: a ledger without drafts has none to approve (C8).
pub trait Drafts: Send + Sync {
    /// The body that approves (posts, releases) a draft.
    fn approve_body(&self, there: &RemoteDocument) -> Vec<u8>;

    /// Sends a body from [`Drafts::approve_body`] under this idempotency key; answers with the document as it stands then.
    fn approve_document<'a>(&'a self, access: Access<'a>, external_id: &'a str, body: &'a [u8], key: &'a str)
    -> Called<'a, RemoteDocument>;
}

/// Documents that take several calls ([`coportal_core::ledger::DocumentShape::HeaderThenLines`]).
pub trait Stepwise: Send + Sync {
    /// The next call of a create that is under way: writes lines of `body` (from [`Documents::document_body`]) that `there` does not have
    /// yet, and answers with the document as it stands then. A line that is there already is never written twice.
    fn continue_document<'a>(
        &'a self,
        access: Access<'a>,
        there: &'a RemoteDocument,
        body: &'a [u8],
        key: &'a str,
    ) -> Called<'a, RemoteDocument>;
}

/// Payments against sales documents (C1).
pub trait Payments: Send + Sync {
    /// What is open of a document, and the payments that were recorded against it, ours by their mark.
    fn payments<'a>(&'a self, access: Access<'a>, document: &'a str) -> Called<'a, Paid>;

    /// The body of a payment: pure, and the same bytes for the same payment.
    fn payment_body(&self, write: &PaymentWrite) -> Vec<u8>;

    /// Sends a body from [`Payments::payment_body`], byte for byte, under this idempotency key.
    fn write_payment<'a>(&'a self, access: Access<'a>, body: &'a [u8], key: &'a str) -> Called<'a, RemotePayment>;
}

/// Everything that a ledger can do.
#[derive(Clone)]
pub struct LedgerApi {
    /// The constants that the planner reasons with.
    pub rules: LedgerRules,
    /// The constants that connecting, pacing and documentation need.
    pub profile: &'static Profile,
    /// Sign-in.
    pub sign_in: Arc<dyn SignIn>,
    /// Facts.
    pub facts: Arc<dyn ReadFacts>,
    /// Contacts.
    pub contacts: Arc<dyn Contacts>,
    /// All contacts, a page at a time.
    pub contact_list: Arc<dyn ContactList>,
    /// Sales documents.
    pub documents: Arc<dyn Documents>,
    /// What it does in batches.
    pub batches: Batches,
    /// Sales documents by when they changed.
    pub changes: Arc<dyn changes::Changes>,
    /// Drafts to approve, where the ledger has them.
    pub drafts: Option<Arc<dyn Drafts>>,
    /// Documents in several calls, where the ledger takes them so.
    pub stepwise: Option<Arc<dyn Stepwise>>,
    /// Payments, where they can be recorded.
    pub payments: Option<Arc<dyn Payments>>,
    /// What somebody should know before connecting this workspace: a country that the ledger's API does not serve.
    pub notice: Option<fn(&Workspace) -> Option<&'static str>>,
}

/// Where the ledgers are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Xero.
    pub xero: XeroEndpoints,
    /// QuickBooks Online.
    pub quickbooks: QuickBooksEndpoints,
    /// Sage.
    pub sage: SageEndpoints,
    /// Business Central.
    pub business_central: BusinessCentralEndpoints,
}

impl Endpoints {
    /// All addresses that the product itself calls: what the transport's [`exec::Egress`] is made of.
    pub fn called(&self) -> impl Iterator<Item = &Url> {
        let ours = self.xero.called().into_iter().chain(self.quickbooks.called());
        ours.chain(self.sage.called()).chain(self.business_central.called())
    }

    /// Sends a ledger's calls to its simulator at `origin`.
    pub fn simulate(&mut self, ledger: Ledger, origin: &Url) {
        match ledger {
            Ledger::Xero => self.xero = XeroEndpoints::at(origin),
            Ledger::Quickbooks => self.quickbooks = self.quickbooks.moved_to(origin),
            Ledger::Sage => self.sage = SageEndpoints::at(origin),
            Ledger::BusinessCentral => self.business_central = BusinessCentralEndpoints::at(origin),
        }
    }
}

impl Default for Endpoints {
    /// The vendors' production hosts.
    fn default() -> Self {
        Self {
            xero: XeroEndpoints::default(),
            quickbooks: QuickBooksEndpoints::default(),
            sage: SageEndpoints::default(),
            business_central: BusinessCentralEndpoints::default(),
        }
    }
}

/// The ledgers that this build has.
#[derive(Clone)]
pub struct Ledgers {
    apis: Vec<LedgerApi>,
}

impl Ledgers {
    /// All ledgers of this build, sending through `transport` to `endpoints`.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, endpoints: Endpoints) -> Self {
        let to = |ledger| Executor::new(transport.clone(), ledger);
        Self::of(vec![
            xero::api(to(Ledger::Xero), endpoints.xero),
            quickbooks::api(to(Ledger::Quickbooks), endpoints.quickbooks),
            sage::api(to(Ledger::Sage), endpoints.sage),
            business_central::api(to(Ledger::BusinessCentral), endpoints.business_central),
        ])
    }

    /// A registry of exactly these.
    #[must_use]
    pub fn of(apis: Vec<LedgerApi>) -> Self {
        Self { apis }
    }

    /// The ledger; `None` when this build does not have it, which a card shows as waiting for the vendor's approval.
    #[must_use]
    pub fn get(&self, ledger: Ledger) -> Option<&LedgerApi> {
        self.apis.iter().find(|api| api.rules.ledger == ledger)
    }
}
