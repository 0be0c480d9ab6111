//! Who did something, as a person names them.

use std::collections::{BTreeMap, BTreeSet};

use coportal_core::ctx::Ctx;
use coportal_core::id::UserId;
use coportal_core::problem::Outcome;
use coportal_core::timeline::Actor;
use coportal_lambda::authn::Principal;
use maud::{Markup, html};

use crate::AppState;

/// The people of some lines.
pub(crate) struct Names {
    reader: UserId,
    known: BTreeMap<UserId, String>,
}

impl Names {
    /// Looks up whoever acted, in one batch read; none where nobody but the reader and CoPortal did.
    pub(crate) async fn of<'a>(
        state: &AppState,
        ctx: &Ctx,
        principal: &Principal,
        actors: impl Iterator<Item = &'a Actor>,
    ) -> Outcome<Self> {
        let others: BTreeSet<&UserId> = actors.filter_map(user).filter(|user| **user != principal.user).collect();
        let others: Vec<UserId> = others.into_iter().cloned().collect();
        let people =
            if others.is_empty() { Vec::new() } else { state.shell.store().profiles(ctx, principal.workspace.id, &others).await? };
        let known = others.into_iter().zip(people).filter_map(|(user, person)| Some((user, person.email.or(person.name)?)));
        Ok(Self { reader: principal.user.clone(), known: known.collect() })
    }

    /// As [`Names::actor`], and beside it the id of whoever is named: addresses change, and a list of who did what must not change with them.
    pub(crate) fn actor_and_id(&self, actor: &Actor) -> Markup {
        let id = user(actor).filter(|user| **user != self.reader && self.known.contains_key(*user));
        html! { (self.actor(actor)) @if let Some(id) = id { small { (id) } } }
    }

    /// "You", an e-mail address, a name; the id of somebody of whom CoPortal has neither.
    pub(crate) fn actor(&self, actor: &Actor) -> Markup {
        match user(actor) {
            None => html! { "CoPortal" },
            Some(user) if *user == self.reader => html! { "You" },
            Some(user) => html! { (self.known.get(user).map_or(user.as_str(), String::as_str)) },
        }
    }
}

fn user(actor: &Actor) -> Option<&UserId> {
    match actor {
        Actor::User(user) => Some(user),
        Actor::System | Actor::Service => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_named_as_people_name_them() {
        let id = |text: &str| text.parse::<UserId>().unwrap();
        let names = Names { reader: id("ann"), known: BTreeMap::from([(id("bob"), "bob@studio.example".to_owned())]) };
        let shown = |actor: Actor| names.actor(&actor).into_string();
        assert_eq!(shown(Actor::User(id("ann"))), "You");
        assert_eq!(shown(Actor::User(id("bob"))), "bob@studio.example");
        assert_eq!(shown(Actor::User(id("usr_<3"))), "usr_&lt;3");
        assert_eq!(shown(Actor::System), "CoPortal");
        assert_eq!(names.actor_and_id(&Actor::User(id("bob"))).into_string(), "bob@studio.example<small>bob</small>");
        assert_eq!(names.actor_and_id(&Actor::User(id("carl"))).into_string(), "carl");
        assert_eq!(names.actor_and_id(&Actor::System).into_string(), "CoPortal");
    }
}
