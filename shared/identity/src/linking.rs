//! Whose account a proved identity is. The address never decides alone: it can be given to somebody else, by an administrator of the
//! provider or with the domain itself.

use coportal_core::id::UserId;

use crate::domain::Standing;
use crate::reason::{Reason, Refusal};

/// What the store knows under the identity's key and under its address. All of it is read before anything is written, and the write
/// states what was read as its condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The user to whom this identity (issuer and subject) is tied.
    pub identity: Option<KnownUser>,
    /// The user who has the same address.
    pub address: Option<AddressHolder>,
    /// How the proof of the address's domain stands.
    pub proof: Standing,
}

/// A user to whom an identity is tied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownUser {
    /// Who.
    pub user: UserId,
    /// Whether they are a member of the connection's workspace now.
    pub membership: Membership,
}

/// A user's place in the connection's workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// A member.
    Member,
    /// Never was.
    None,
    /// Was one, until somebody took them out: only a person may undo that.
    Removed,
}

/// The user who has an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressHolder {
    /// Who.
    pub user: UserId,
    /// Whether CoPortal itself has confirmed that the address reaches them.
    pub confirmed: bool,
    /// Whether an identity of the same connection is tied to them already: then this one is another account.
    pub has_identity_here: bool,
    /// Their place in the workspace.
    pub membership: Membership,
}

/// What follows from a proved identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// A known identity: this user signs in.
    SignIn(UserId),
    /// A first sign-in of a user who is there: the identity is tied to them, and who is not yet a member becomes one with the lowest role.
    Tie {
        /// The user.
        user: UserId,
        /// Whether a membership has to be written too.
        join: bool,
    },
    /// A first sign-in of nobody we know: a user with the lowest role.
    Create,
}

/// Decides.
///
/// # Errors
/// - [`Reason::UserRemoved`]: the user was taken out of the workspace.
/// - [`Reason::ProofLapsed`]: somebody new, while the domain's proof has lapsed.
/// - [`Reason::SubjectChanged`], [`Reason::AddressUnconfirmed`]: an admin has to approve.
pub fn decide(known: &Known) -> Result<Link, Refusal> {
    if let Some(KnownUser { user, membership }) = &known.identity {
        return match membership {
            Membership::Member => Ok(Link::SignIn(user.clone())),
            // The identity is known from another workspace of the same provider and domain.
            Membership::None if known.proof.is_good() => Ok(Link::Tie { user: user.clone(), join: true }),
            Membership::None => Err(Reason::ProofLapsed.into()),
            Membership::Removed => Err(Reason::UserRemoved.into()),
        };
    }
    if !known.proof.is_good() {
        return Err(Reason::ProofLapsed.into());
    }
    let Some(holder) = &known.address else {
        return Ok(Link::Create);
    };
    if holder.membership == Membership::Removed {
        return Err(Reason::UserRemoved.into());
    }
    if holder.has_identity_here {
        return Err(Reason::SubjectChanged.into());
    }
    if !holder.confirmed {
        return Err(Reason::AddressUnconfirmed.into());
    }
    Ok(Link::Tie { user: holder.user.clone(), join: holder.membership == Membership::None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        id.parse().unwrap()
    }

    fn holder() -> AddressHolder {
        AddressHolder { user: user("usr_b"), confirmed: true, has_identity_here: false, membership: Membership::Member }
    }

    fn known(identity: Option<Membership>, address: Option<AddressHolder>, proof: Standing) -> Known {
        Known { identity: identity.map(|membership| KnownUser { user: user("usr_a"), membership }), address, proof }
    }

    #[test]
    fn the_linking_rules() {
        use Standing::{Lapsed, Proven, Warned};
        let tie = |join| Ok(Link::Tie { user: user("usr_b"), join });
        let refused = |reason: Reason| Err(Refusal::new(reason));
        for (known, expected) in [
            // A known identity signs in whoever holds the address now (a changed address moves nothing).
            (known(Some(Membership::Member), Some(holder()), Proven), Ok(Link::SignIn(user("usr_a")))),
            (known(Some(Membership::Member), None, Lapsed), Ok(Link::SignIn(user("usr_a")))),
            (known(Some(Membership::Removed), None, Proven), refused(Reason::UserRemoved)),
            (known(Some(Membership::None), None, Proven), Ok(Link::Tie { user: user("usr_a"), join: true })),
            (known(Some(Membership::None), None, Lapsed), refused(Reason::ProofLapsed)),
            // Somebody new.
            (known(None, None, Proven), Ok(Link::Create)),
            (known(None, None, Warned), Ok(Link::Create)),
            (known(None, None, Lapsed), refused(Reason::ProofLapsed)),
            // Somebody whose address we know.
            (known(None, Some(holder()), Proven), tie(false)),
            (known(None, Some(AddressHolder { membership: Membership::None, ..holder() }), Proven), tie(true)),
            (known(None, Some(holder()), Lapsed), refused(Reason::ProofLapsed)),
            (known(None, Some(AddressHolder { confirmed: false, ..holder() }), Proven), refused(Reason::AddressUnconfirmed)),
            (known(None, Some(AddressHolder { has_identity_here: true, ..holder() }), Proven), refused(Reason::SubjectChanged)),
            (known(None, Some(AddressHolder { membership: Membership::Removed, ..holder() }), Proven), refused(Reason::UserRemoved)),
        ] {
            assert_eq!(decide(&known), expected, "{known:?}");
        }
    }
}
