//! Where an address signs in: by its domain alone (R103), once that is proved (C23).

pub use coportal_core::door::{Enforcement, SessionMethod, session_may_act};
use coportal_core::id::{SsoConnectionId, UserId, WorkspaceId};
use coportal_core::workspace::Plan;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{Domain, Email, ProofState};
use crate::reason::{Reason, Refusal};

/// Who has proved a domain, as the store holds it under the domain's key: at most one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainOwner {
    /// The domain, as it stands in the row.
    pub domain: Domain,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Its plan: sign-in through an identity provider comes with [`Plan::Enterprise`] (R8).
    pub plan: Plan,
    /// How the proof stands.
    pub proof: ProofState,
    /// The connection that the domain leads to, if one is live.
    pub connection: Option<SsoConnectionId>,
    /// How strict it is; discover does not tell.
    pub enforcement: Enforcement,
}

/// What `discover` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// At this connection's identity provider. R103: offered or required, the browser is sent there.
    Sso(SsoConnectionId),
    /// The ordinary way.
    Password,
}

/// The domain to look up for what somebody typed as their address; `None` is answered with [`Method::Password`] like any domain that
/// nobody has proved.
#[must_use]
pub fn domain_of(typed: &str) -> Option<Domain> {
    Email::parse(typed).ok().map(|email| email.domain().clone())
}

/// The answer for a domain. There is no user among the arguments: known and unknown ones get the same, since nothing else can be
/// given to this function.
#[must_use]
pub fn discover(asked: &Domain, owner: Option<&DomainOwner>, now: Timestamp) -> Method {
    owner
        .filter(|owner| owner.domain == *asked && owner.plan >= Plan::Enterprise && owner.proof.standing(now).is_good())
        .and_then(|owner| owner.connection)
        .map_or(Method::Password, Method::Sso)
}

/// The last test sign-in that passed on a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestRun {
    /// The connection.
    pub connection: SsoConnectionId,
    /// The admin who signed in.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
}

/// Whether this admin may hold a workspace's people to a connection. `changed_at` is when the connection's provider, tenant, keys or
/// domains last changed; `codes_left` how many unused break-glass codes its owners hold.
///
/// # Errors
/// [`Reason::TestMissing`], [`Reason::BreakGlassMissing`].
pub fn may_require(
    connection: SsoConnectionId,
    admin: &UserId,
    changed_at: Timestamp,
    test: Option<&TestRun>,
    codes_left: usize,
) -> Result<(), Refusal> {
    if !test.is_some_and(|test| test.connection == connection && test.by == *admin && test.at >= changed_at) {
        return Err(Reason::TestMissing.into());
    }
    if codes_left == 0 { Err(Reason::BreakGlassMissing.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use coportal_core::id::{SsoConnectionId, WorkspaceId};
    use jiff::ToSpan;
    use uuid::Uuid;

    use super::*;
    use crate::domain::Observation;
    use crate::testing::now;

    fn connection(n: u128) -> SsoConnectionId {
        SsoConnectionId::new(Uuid::from_u128(n))
    }

    fn owner(domain: &str) -> DomainOwner {
        DomainOwner {
            domain: Domain::parse(domain).unwrap(),
            workspace: WorkspaceId::new(Uuid::from_u128(1)),
            plan: Plan::Enterprise,
            proof: ProofState::proven(now()),
            connection: Some(connection(1)),
            enforcement: Enforcement::Offer,
        }
    }

    fn route(typed: &str, owner: &DomainOwner) -> Method {
        domain_of(typed).map_or(Method::Password, |domain| discover(&domain, Some(owner), now()))
    }

    #[test]
    fn sixty_addresses_and_only_those_of_the_exact_proven_domain_are_routed() {
        // R103, C23: (what somebody types, whether it leads to the identity provider of acme.co.uk).
        let vectors = [
            // the domain itself, in every spelling that names it
            ("a@acme.co.uk", true),
            ("A@ACME.CO.UK", true),
            ("a@Acme.Co.Uk", true),
            ("  a@acme.co.uk\t", true),
            ("a@acme.co.uk.", true),
            ("first.last@acme.co.uk", true),
            ("first+tag@acme.co.uk", true),
            ("o'hara@acme.co.uk", true),
            ("zoë@acme.co.uk", true),
            ("a@ａｃｍｅ.co.uk", true),
            ("a@acme。co。uk", true),
            ("a@ac\u{ad}me.co.uk", true),
            // not this domain
            ("a@eng.acme.co.uk", false),
            ("a@acme.co", false),
            ("a@co.uk", false),
            ("a@uk", false),
            ("a@xacme.co.uk", false),
            ("a@acme-co.uk", false),
            ("a@acme.co.uk.evil.example", false),
            ("a@acme.co.uk..", false),
            ("a@.acme.co.uk", false),
            ("a@acme..co.uk", false),
            ("a@acme.com", false),
            ("a@acme.org.uk", false),
            ("a@аcme.co.uk", false),
            ("a@acmе.co.uk", false),
            ("a@acme.cо.uk", false),
            ("a@асме.co.uk", false),
            ("a@xn--cme-7cd.co.uk", false),
            ("a@acmé.co.uk", false),
            ("a@acme.co.uk\u{202e}", false),
            ("a@acme.co.uk\u{200b}.evil.example", false),
            ("a@acm\u{0435}.co.uk", false),
            ("a@аcme.co.uk.", false),
            // forms in which two readers find two domains
            ("a@evil.example@acme.co.uk", false),
            ("a@acme.co.uk@evil.example", false),
            ("\"a@evil.example\"@acme.co.uk", false),
            ("\"a\"@acme.co.uk", false),
            ("a@[acme.co.uk]", false),
            ("a@[127.0.0.1]", false),
            ("a@127.0.0.1", false),
            ("a@0x7f.1", false),
            ("a@acme.co.uk (comment)", false),
            ("a(comment)@acme.co.uk", false),
            ("a@(comment)acme.co.uk", false),
            ("A <a@acme.co.uk>", false),
            ("<a@acme.co.uk>", false),
            ("a@acme.co.uk,b@evil.example", false),
            ("a@acme.co.uk;b@evil.example", false),
            ("a@acme.co.uk\nbcc: b@evil.example", false),
            ("a@acme.co.uk\0", false),
            ("a b@acme.co.uk", false),
            ("mailto:a@acme.co.uk", false),
            ("@evil.example:a@acme.co.uk", false),
            ("a%evil.example@acme.co.uk", true),
            ("evil.example!a@acme.co.uk", true),
            (".a@acme.co.uk", false),
            ("a.@acme.co.uk", false),
            ("a..b@acme.co.uk", false),
            ("@acme.co.uk", false),
            ("acme.co.uk", false),
            ("a@", false),
            ("", false),
            ("a@acme_co.uk", false),
            ("a@-acme.co.uk", false),
            ("a@gmail.com", false),
        ];
        let owner = owner("acme.co.uk");
        for (typed, routed) in vectors {
            let expected = if routed { Method::Sso(connection(1)) } else { Method::Password };
            assert_eq!(route(typed, &owner), expected, "{typed:?}");
        }
        let routed = vectors.iter().filter(|(_, routed)| *routed).count();
        println!("e-mail vectors: {} of {} routed, the others not", routed, vectors.len());
        assert!(vectors.len() >= 60);
    }

    #[test]
    fn offer_and_require_route_alike_and_the_rest_does_not() {
        // C24: the state is not told to a stranger.
        for enforcement in [Enforcement::Offer, Enforcement::Require] {
            assert_eq!(route("a@acme.com", &DomainOwner { enforcement, ..owner("acme.com") }), Method::Sso(connection(1)));
        }
        for not_routed in [
            DomainOwner { connection: None, ..owner("acme.com") },
            // R8: a workspace that has left the plan.
            DomainOwner { plan: Plan::Agency, ..owner("acme.com") },
        ] {
            assert_eq!(route("a@acme.com", &not_routed), Method::Password);
        }
        assert_eq!(discover(&Domain::parse("acme.com").unwrap(), None, now()), Method::Password);
    }

    #[test]
    fn a_lapsed_proof_routes_nobody() {
        let day = |n: i64| now() + (24 * n).hours();
        let lapsed = (1..=15).fold(ProofState::proven(now()), |proof, n| proof.after(Observation::Absent, day(n)));
        let owner = DomainOwner { proof: lapsed, ..owner("acme.com") };
        let asked = Domain::parse("acme.com").unwrap();
        assert_eq!(discover(&asked, Some(&owner), day(14)), Method::Sso(connection(1)), "warned");
        assert_eq!(discover(&asked, Some(&owner), day(15)), Method::Password, "lapsed");
    }

    #[test]
    fn require_lets_in_its_own_connection_and_a_break_glass_code() {
        // R102, C24.
        let (a, b) = (connection(1), connection(2));
        let sso = |connection, here| SessionMethod::Sso { connection, here };
        for (required, session, may) in [
            (None, SessionMethod::Other, true),
            (None, sso(a, true), true),
            (None, sso(b, false), false),
            (Some(a), SessionMethod::Other, false),
            (Some(a), sso(a, true), true),
            (Some(a), sso(b, true), false),
            (Some(a), sso(b, false), false),
            (Some(a), sso(a, false), false),
            (Some(a), SessionMethod::BreakGlass, true),
            (None, SessionMethod::BreakGlass, true),
        ] {
            assert_eq!(session_may_act(required, session), may, "{required:?} {session:?}");
        }
    }

    #[test]
    fn require_needs_a_test_by_the_same_admin_and_a_way_in() {
        // R102.
        let (ann, bea): (UserId, UserId) = ("usr_ann".parse().unwrap(), "usr_bea".parse().unwrap());
        let test = TestRun { connection: connection(1), by: ann.clone(), at: now() };
        let later = now() + 1.seconds();
        for (connection, admin, changed_at, test, codes, expected) in [
            (connection(1), &ann, now(), Some(&test), 8, Ok(())),
            (connection(1), &ann, now(), None, 8, Err(Reason::TestMissing)),
            (connection(1), &bea, now(), Some(&test), 8, Err(Reason::TestMissing)),
            (connection(2), &ann, now(), Some(&test), 8, Err(Reason::TestMissing)),
            (connection(1), &ann, later, Some(&test), 8, Err(Reason::TestMissing)),
            (connection(1), &ann, now(), Some(&test), 0, Err(Reason::BreakGlassMissing)),
        ] {
            assert_eq!(may_require(connection, admin, changed_at, test, codes).map_err(|refusal| refusal.reason), expected);
        }
    }
}
