//! Why a sign-in ended as it did: the word that the audit keeps, and the sentence that the person who can change it reads.

use std::fmt;

use coportal_core::problem::{Fix, Problem, ProblemKind};
use serde::{Deserialize, Serialize};

/// Where an owner or admin mends a connection.
const SETTINGS: &str = "Settings, Integrations, Single sign-on";
/// Where an administrator of the identity provider mends it.
const PROVIDER: &str = "your identity provider's administration";

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $sentence:literal, $fix:literal, $place:expr, $retry:literal;)*) => {
        /// A decision of sign-in, as the audit keeps it: no token, no assertion, no address in it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason, in the order of a sign-in.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code in the audit line and in a problem.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What happened, in a sentence.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }

            /// What to do about it, and where.
            #[must_use]
            pub fn fix(self) -> Fix {
                match self { $(Self::$name => Fix::new($fix, $place, $retry),)* }
            }
        }
    };
}

reasons! {
    // What went well.
    /// A known identity signed in.
    SignedIn = "signed_in", "The user signed in through the identity provider.", "Nothing needs to be done.", SETTINGS, false;
    /// A first sign-in created the user.
    UserCreated = "user_created", "A first sign-in created the user with the lowest role.", "Raise the role if the user needs more.", SETTINGS, false;
    /// A first sign-in was tied to a user who was there.
    UserLinked = "user_linked", "A first sign-in was tied to the existing user with the same confirmed e-mail address.", "Nothing needs to be done.", SETTINGS, false;
    /// A dry run of a connection passed.
    TestPassed = "test_passed", "The test sign-in passed.", "The connection can go live.", SETTINGS, false;
    /// A break-glass code let an owner in.
    BreakGlassUsed = "break_glass_used", "A break-glass code was used to sign in without the identity provider.", "Make sure that the owner named in this line used it, and issue new codes.", SETTINGS, false;

    // The browser's side.
    /// The state of a callback is not one we gave out, or has been used.
    StateUnknown = "state_unknown", "The sign-in was not started here, or its answer was used before.", "Start the sign-in again.", "the sign-in page", true;
    /// More than ten minutes went by.
    StateExpired = "state_expired", "The sign-in took longer than ten minutes.", "Start the sign-in again.", "the sign-in page", true;
    /// The answer came to another browser than the one that started.
    OtherBrowser = "other_browser", "The sign-in was started in another browser.", "Start and finish the sign-in in one browser, with cookies allowed.", "the sign-in page", true;
    /// The connection is gone, not live, or the plan no longer includes it.
    ConnectionNotLive = "connection_not_live", "Single sign-on is not switched on for this workspace.", "Ask an owner of the workspace.", SETTINGS, false;
    /// The address asked for leads away from CoPortal.
    ReturnRefused = "return_refused", "The page to return to is not a page of CoPortal.", "Start from a page of CoPortal.", "the sign-in page", false;

    // The provider said no.
    /// The person cancelled, or has no right to the application.
    ProviderDenied = "provider_denied", "The identity provider did not let the user in, or the user cancelled.", "Check that the user is assigned to the CoPortal application.", PROVIDER, true;
    /// Nobody has agreed to the application in this tenant (AADSTS65001 and kin).
    ConsentRequired = "consent_required", "Nobody has yet agreed to CoPortal in this Microsoft tenant.", "Grant admin consent to CoPortal, by the link on the single sign-on page.", "Microsoft Entra admin centre, Enterprise applications", false;
    /// An admin must approve the application (AADSTS90094, 90095).
    AdminApprovalRequired = "admin_approval_required", "The Microsoft tenant lets only administrators approve applications.", "An administrator opens the admin-consent link on the single sign-on page, or allows user consent for verified publishers.", "Microsoft Entra admin centre, Consent and permissions", false;
    /// The user is not assigned to the application (AADSTS50105).
    UserNotAssigned = "user_not_assigned", "The user is not assigned to the CoPortal application.", "Assign the user or one of the user's groups to CoPortal.", "Microsoft Entra admin centre, Enterprise applications, Users and groups", false;
    /// The application is switched off in the tenant (AADSTS7000112).
    ApplicationDisabled = "application_disabled", "CoPortal is switched off in this Microsoft tenant.", "Set 'Enabled for users to sign in' to Yes.", "Microsoft Entra admin centre, Enterprise applications, Properties", false;
    /// The tenant does not know the application (AADSTS700016).
    ApplicationUnknown = "application_unknown", "This Microsoft tenant does not know CoPortal.", "Open the admin-consent link on the single sign-on page once.", SETTINGS, false;
    /// The account belongs to another tenant (AADSTS50020 and kin).
    OtherTenantUser = "other_tenant_user", "The account belongs to another Microsoft tenant.", "Sign in with an account of the organisation, or invite the account there.", "the Microsoft sign-in page", true;
    /// Conditional access stopped it (AADSTS53000 to 53003).
    ConditionalAccess = "conditional_access", "A conditional access policy of the organisation stopped the sign-in.", "Sign in from a device or place that the policy allows, or change the policy.", "Microsoft Entra admin centre, Conditional access", false;
    /// A second factor is asked for (AADSTS50074 to 50079).
    SecondFactorRequired = "second_factor_required", "The organisation asks for a second factor that was not given.", "Finish the second factor and sign in again.", "the Microsoft sign-in page", true;
    /// The account is locked or switched off (AADSTS50053, 50057).
    AccountDisabled = "account_disabled", "The account is locked or switched off at the identity provider.", "Unlock or enable the account.", PROVIDER, false;
    /// Our own registration at the provider is wrong (secret, redirect address).
    RegistrationWrong = "registration_wrong", "CoPortal's own registration at the identity provider is not right.", "Tell CoPortal support; nothing in your settings is wrong.", "CoPortal support", false;
    /// The provider has a passing fault.
    ProviderBusy = "provider_busy", "The identity provider has a passing fault.", "Try again in a minute.", "the sign-in page", true;
    /// Any other error of the provider.
    ProviderError = "provider_error", "The identity provider answered with an error.", "Look at the provider's own sign-in log for this time.", PROVIDER, true;
    /// The provider could not be reached, or answered what is not its protocol.
    ProviderUnavailable = "provider_unavailable", "The identity provider could not be reached.", "Try again in a minute.", "the sign-in page", true;
    /// The provider refused the code.
    ExchangeRefused = "exchange_refused", "The identity provider refused the code that it had given.", "Start the sign-in again.", "the sign-in page", true;

    // The token is not good (OIDC).
    /// There is no ID token, or it cannot be read.
    TokenMissing = "token_missing", "The identity provider gave no readable ID token.", "Tell CoPortal support.", "CoPortal support", true;
    /// Another algorithm than RS256.
    AlgorithmRefused = "algorithm_refused", "The answer is signed with an algorithm that is not allowed.", "Sign with RSA and SHA-256 or stronger.", PROVIDER, false;
    /// No key of the provider made the signature.
    SignatureInvalid = "signature_invalid", "The signature is not the identity provider's.", "If the provider changed its signing certificate, refresh the connection's metadata.", SETTINGS, false;
    /// Another issuer than the connection's.
    IssuerMismatch = "issuer_mismatch", "The answer comes from another issuer than this connection's.", "Check the issuer (entity id) at the provider against the connection.", SETTINGS, false;
    /// Meant for another audience.
    AudienceMismatch = "audience_mismatch", "The answer is meant for another application.", "Set the audience (entity id) at the provider to the one shown for this connection.", PROVIDER, false;
    /// The nonce is not this sign-in's.
    NonceMismatch = "nonce_mismatch", "The answer belongs to another sign-in.", "Start the sign-in again.", "the sign-in page", true;
    /// Its time has passed, or has not come.
    TimeWindow = "time_window", "The answer is not valid at this time.", "Check the clock of the identity provider.", PROVIDER, true;

    // The response is not good (SAML).
    /// More than is read.
    TooLarge = "too_large", "The response is larger than 256 KB.", "Send fewer attributes or groups.", PROVIDER, false;
    /// Not one form field with one XML document of the expected shape.
    Malformed = "malformed", "The response is not the single, plain document that single sign-on uses.", "Look for a proxy or an add-on that changes the response.", PROVIDER, false;
    /// It is encrypted, and no encryption certificate was published.
    Encrypted = "encrypted", "The assertion is encrypted.", "Switch assertion encryption off: it travels under TLS.", PROVIDER, false;
    /// No signature covers the assertion.
    NotSigned = "not_signed", "The assertion is not signed.", "Switch on 'sign assertion', or allow response signatures on this connection.", PROVIDER, false;
    /// Sent to another assertion consumer address.
    DestinationMismatch = "destination_mismatch", "The response is addressed to another page.", "Set the assertion consumer address at the provider to the one shown for this connection.", PROVIDER, false;
    /// The subject's confirmation is not good: another recipient, no end, not a bearer.
    ConfirmationInvalid = "confirmation_invalid", "The assertion's subject confirmation is not good.", "Set the recipient at the provider to the assertion consumer address shown for this connection.", PROVIDER, false;
    /// Answers another request than this sign-in's.
    RequestMismatch = "request_mismatch", "The response does not answer this sign-in's request.", "Start the sign-in from CoPortal; starting from the provider is off.", "the sign-in page", true;
    /// The status is a failure.
    StatusFailure = "status_failure", "The identity provider reports that the sign-in failed.", "Look at the provider's own sign-in log for this time.", PROVIDER, true;
    /// It was used before.
    Replayed = "replayed", "The response was used before.", "Start the sign-in again.", "the sign-in page", true;
    /// There is no name that stays.
    NameIdUnusable = "name_id_unusable", "The assertion has no name that stays the same for a user.", "Use a persistent or e-mail name id.", PROVIDER, false;

    // Who it is.
    /// The account is not one of a Google Workspace.
    HostedDomainMissing = "hosted_domain_missing", "The Google account does not belong to a Google Workspace.", "Sign in with the account that the Workspace manages.", "the Google sign-in page", true;
    /// Another Workspace's account.
    HostedDomainMismatch = "hosted_domain_mismatch", "The Google account belongs to another Google Workspace.", "Sign in with the organisation's account, or prove the Workspace's primary domain too.", SETTINGS, true;
    /// Another tenant's account.
    TenantMismatch = "tenant_mismatch", "The account belongs to another Microsoft tenant than this connection's.", "Sign in with an account of the organisation.", "the Microsoft sign-in page", true;
    /// A personal Microsoft account.
    PersonalAccount = "personal_account", "This is a personal Microsoft account.", "Sign in with a work account.", "the Microsoft sign-in page", true;
    /// A guest of the tenant.
    GuestAccount = "guest_account", "The account is a guest of the Microsoft tenant.", "Guests sign in the way their own organisation does.", "the sign-in page", false;
    /// No e-mail address came.
    EmailMissing = "email_missing", "The identity provider sent no usable e-mail address.", "Send the user's e-mail address as a claim or attribute.", PROVIDER, false;
    /// The provider says that the address is not verified.
    EmailUnverified = "email_unverified", "The identity provider says that the e-mail address is not verified.", "Verify the address or its domain at the provider.", PROVIDER, false;
    /// The address lies outside the connection's proven domains.
    EmailOutsideDomains = "email_outside_domains", "The e-mail address is not of a domain that this workspace has proved.", "Prove the domain, or correct the user's address at the provider.", SETTINGS, false;

    // Whose account it is.
    /// The address is known under another subject of the same issuer.
    SubjectChanged = "subject_changed", "The e-mail address belongs to a user who signed in as another account before.", "An admin approves the new account, once it is certain that it is the same person.", SETTINGS, false;
    /// The user's address was never confirmed by us.
    AddressUnconfirmed = "address_unconfirmed", "There is a user with this address, but the address was never confirmed.", "The user confirms the address, or an admin approves the sign-in.", SETTINGS, false;
    /// The proof of the domain has lapsed: known identities go on, new ones do not.
    ProofLapsed = "proof_lapsed", "The proof of the e-mail domain has lapsed, so that nobody new can sign in.", "Put the TXT record back and verify the domain again.", SETTINGS, false;
    /// The user was removed from the workspace.
    UserRemoved = "user_removed", "The user was removed from this workspace.", "An admin adds the user again.", SETTINGS, false;

    // Enforcement and break-glass.
    /// Another way of signing in than the one required.
    SsoRequired = "sso_required", "This workspace requires sign-in through its identity provider.", "Sign in through the identity provider.", "the sign-in page", false;
    /// `require` was asked for without a test sign-in by the same admin since the connection last changed.
    TestMissing = "test_missing", "Nobody can be held to a connection that this admin has not tried.", "Run the test sign-in, then switch enforcement on.", SETTINGS, false;
    /// `require` was asked for while no owner holds an unused break-glass code.
    BreakGlassMissing = "break_glass_missing", "No owner holds a break-glass code: a fault of the provider would lock everybody out.", "Issue break-glass codes to an owner first.", SETTINGS, false;
    /// The code is no code of this owner.
    BreakGlassUnknown = "break_glass_unknown", "The break-glass code is not right.", "Check the code; each works once.", "the sign-in page", false;
    /// The code was used.
    BreakGlassSpent = "break_glass_spent", "The break-glass code was used before.", "Use another of the codes.", "the sign-in page", false;
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A sign-in that did not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// What the connection's admin and the log may read besides: a code of the provider, the name of a missing claim. Never a token, an
    /// assertion or a secret.
    pub detail: Option<String>,
}

impl Refusal {
    /// A refusal without more to say.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self { reason, detail: None }
    }

    /// A refusal with what the admin may read besides.
    #[must_use]
    pub fn because(reason: Reason, detail: impl fmt::Display) -> Self {
        let text: String = detail.to_string().chars().filter(|c| !c.is_control()).take(300).collect();
        Self { reason, detail: Some(text) }
    }

    /// The problem that the person who signs in reads; the detail stays in the log.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let kind = if matches!(self.reason, Reason::ProviderUnavailable | Reason::ProviderBusy) {
            ProblemKind::Unavailable
        } else if self.reason == Reason::TooLarge {
            ProblemKind::TooLarge
        } else {
            ProblemKind::Forbidden
        };
        let mut problem = Problem::new(kind, self.reason.code(), self.reason.sentence());
        problem.fix = Some(self.reason.fix());
        match &self.detail {
            Some(detail) => problem.because(detail),
            None => problem,
        }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_reason_has_one_code_a_sentence_and_a_fix() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_string(reason).unwrap(), format!("\"{}\"", reason.code()));
            assert!(reason.sentence().ends_with('.') && reason.fix().what.ends_with('.'), "{reason}");
            assert!(!reason.fix().place.is_empty(), "{reason}");
        }
    }

    #[test]
    fn the_detail_stays_in_the_log() {
        let problem = Refusal::because(Reason::ConsentRequired, "AADSTS65001\r\nset-cookie: a").problem();
        assert_eq!(problem.internal(), Some("AADSTS65001set-cookie: a"));
        assert!(!problem.detail.contains("AADSTS"));
        assert_eq!(problem.kind, ProblemKind::Forbidden);
        assert_eq!(Refusal::new(Reason::ProviderUnavailable).problem().kind, ProblemKind::Unavailable);
    }
}
