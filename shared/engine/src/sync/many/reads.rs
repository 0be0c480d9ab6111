//! What several runs want to read at the same moment.

use std::sync::Arc;

use coportal_core::connection::MatchBy;
use coportal_core::failure::{Disposition, Failure};
use coportal_core::ledger::ContactMark;
use coportal_core::problem::Outcome;
use coportal_core::sync::matching::contact_mark_in;
use coportal_core::sync::plan::Step;
use coportal_core::sync::row::Look;
use coportal_ledgers::withheld;

use super::super::run::ReadStop;
use super::rows::Row;
use super::{Goal, Together};

/// From so many clients on the ledger's contacts are listed, where that takes fewer calls than a search for each.
const WORTH_LISTING: usize = 4;

/// A read, and the write of a contact that follows from it.
const READ_AND_CONTACT: u32 = 2;

/// What became of an attempt to read for several.
enum Attempt<T> {
    /// It was read.
    Read(T),
    /// The first of them has met what stands in the way; the others meet it, or not, by themselves.
    Stopped,
    /// The ledger refused to answer all of them at once.
    Refused,
}

impl<'e> Together<'_, 'e> {
    /// Makes sure that the limits allow so many calls for these rows, all or none; else all of them wait for the limit.
    pub(super) async fn permitted(&mut self, places: &[usize], calls: u32) -> bool {
        let Some(permits) = self.of(places).next().map(|row| Arc::clone(&row.run.permits)) else { return false };
        match Box::pin(permits.reserve(calls, 1)).await {
            Ok(Ok(())) => true,
            Ok(Err(no)) => {
                self.all_wait(places, &withheld(no)).await;
                false
            }
            Err(problem) => {
                for row in self.of(places) {
                    row.end = Some(Err(problem.clone()));
                }
                false
            }
        }
    }

    /// What stands in the way of all of these parks each of them.
    async fn all_wait(&mut self, places: &[usize], failure: &Failure) {
        let goal = self.goal;
        for row in self.of(places) {
            match (goal, failure.limit) {
                // Whoever wants the contacts waits for all of them: no invoice of theirs was begun, and none is parked.
                (Goal::Contacts, Some(limit)) => row.end = Some(Ok(row.waits_for(limit, failure))),
                (Goal::Contacts | Goal::Synced, _) => {
                    let next = row.run.read_stopped(ReadStop::Failed(failure.clone())).await;
                    row.take(next);
                }
            }
        }
    }

    /// Makes sure that a read for several can be made, together with the write that follows from it, by the first of them that still runs,
    /// whose place is answered.
    async fn begin_read(&mut self, places: &[usize], calls: u32) -> Option<usize> {
        if !self.permitted(places, calls).await {
            return None;
        }
        let first = places.iter().copied().find(|place| self.rows.get(*place).is_some_and(|row| row.end.is_none()))?;
        let row = self.rows.get_mut(first)?;
        match row.run.ready_to_read().await {
            Ok(Ok(())) => {
                self.share(first);
                return Some(first);
            }
            Ok(Err(stop)) => {
                let next = row.run.read_stopped(stop).await;
                row.take(next);
                self.share(first);
            }
            Err(problem) => row.end = Some(Err(problem)),
        }
        None
    }

    /// What a read for several came to; a failure that is everybody's parks all of them.
    async fn end_read<T>(&mut self, first: usize, places: &[usize], answer: Outcome<Result<T, Failure>>) -> Attempt<T> {
        let failure = match answer {
            Ok(Ok(found)) => return Attempt::Read(found),
            Ok(Err(failure)) => failure,
            Err(problem) => {
                for row in self.of(places) {
                    row.end = Some(Err(problem.clone()));
                }
                return Attempt::Stopped;
            }
        };
        match failure.disposition {
            Disposition::Reauthorize => {
                self.renew(first, places).await;
                Attempt::Stopped
            }
            Disposition::Retry { .. } | Disposition::LookFirst => {
                self.all_wait(places, &failure).await;
                Attempt::Stopped
            }
            Disposition::Reject { .. } | Disposition::Hold { .. } | Disposition::Stale | Disposition::Defect => {
                tracing::warn!(code = %failure.code, internal = %failure.internal, "a ledger refused to be read for several at once");
                Attempt::Refused
            }
        }
    }

    /// The token was refused: the first of them gets another one for all. When that has been refused as well, none of them can go on.
    pub(super) async fn renew(&mut self, first: usize, places: &[usize]) {
        let Some(row) = self.rows.get_mut(first).filter(|row| row.end.is_none()) else { return };
        if row.run.reauthorized {
            for row in self.of(places) {
                let next = row.run.reauthorize().await;
                row.take(next);
            }
            return;
        }
        let next = row.run.reauthorize().await;
        row.take(next);
        self.share(first);
    }

    /// A read for these rows, and the largest of the writes that follow from it.
    fn read_and_write(&self, places: &[usize]) -> u32 {
        let rows = places.iter().filter_map(|place| self.rows.get(*place));
        rows.map(|row| row.run.document_calls()).max().unwrap_or_default().saturating_add(1)
    }

    /// The rows at these places, which still run.
    pub(super) fn of<'a>(&'a mut self, places: &'a [usize]) -> impl Iterator<Item = &'a mut Row<'e>> {
        let rows = self.rows.iter_mut().enumerate();
        rows.filter(|(place, row)| places.contains(place) && row.end.is_none()).map(|(_, row)| row)
    }

    /// Documents by id and by the values of looks, at most one call of each kind.
    pub(super) async fn read_documents(&mut self, places: &[usize]) {
        let Some(reads) = places.first().and_then(|first| self.rows.get(*first)?.run.api.batches.reads.clone()) else { return };
        let mut by_id: Vec<(usize, String)> = Vec::new();
        let mut by_look: Vec<(usize, Look)> = Vec::new();
        for place in places {
            let Some(row) = self.rows.get_mut(*place) else { continue };
            row.count_step();
            match &row.step {
                Some(Step::ReadDocument(id)) => by_id.push((*place, id.clone())),
                Some(Step::LookDocument(look) | Step::LookNumber(look)) => match &look.external_id {
                    Some(id) => by_id.push((*place, id.clone())),
                    None => by_look.push((*place, look.clone())),
                },
                _ => {}
            }
        }
        if let [(only, _)] = by_id.as_slice() {
            self.one(*only).await;
        } else if !by_id.is_empty() {
            let (at, ids): (Vec<usize>, Vec<&str>) = by_id.iter().map(|(place, id)| (*place, id.as_str())).unzip();
            let read = self.begin_read(&at, self.read_and_write(&at)).await;
            let Some((first, row)) = read.and_then(|first| Some((first, self.rows.get(first)?))) else { return };
            let answer = match row.run.access() {
                Ok(access) => Ok(reads.read_documents(access, &ids).await),
                Err(problem) => Err(problem),
            };
            let found = self.end_read(first, &at, answer).await;
            self.told(&at, found, |row, document| match row.step.take() {
                Some(Step::ReadDocument(_)) => row.run.found.document = Some(Some(document)),
                Some(Step::LookNumber(_)) => row.run.found.number_look = Some(vec![document]),
                _ => row.run.found.document_look = Some(vec![document]),
            });
        }
        if let [(only, _)] = by_look.as_slice() {
            self.one(*only).await;
        } else if !by_look.is_empty() {
            let (at, looks): (Vec<usize>, Vec<&Look>) = by_look.iter().map(|(place, look)| (*place, look)).unzip();
            let read = self.begin_read(&at, self.read_and_write(&at)).await;
            let Some((first, row)) = read.and_then(|first| Some((first, self.rows.get(first)?))) else { return };
            let answer = match row.run.access() {
                Ok(access) => Ok(reads.look_documents(access, &looks).await),
                Err(problem) => Err(problem),
            };
            let found = self.end_read(first, &at, answer).await;
            self.told(&at, found, |row, documents| match row.step.take() {
                Some(Step::LookNumber(_)) => row.run.found.number_look = Some(documents),
                _ => row.run.found.document_look = Some(documents),
            });
        }
    }

    /// Contacts of lost creates, by their marks.
    pub(super) async fn look_for_contacts(&mut self, places: &[usize]) {
        let Some(creates) = places.first().and_then(|first| self.rows.get(*first)?.run.api.batches.creates.clone()) else { return };
        let mut wanted: Vec<(usize, Look)> = Vec::new();
        for place in places {
            let Some(row) = self.rows.get_mut(*place) else { continue };
            row.count_step();
            if let Some(Step::LookContact(look)) = &row.step {
                wanted.push((*place, look.clone()));
            }
        }
        let (at, looks): (Vec<usize>, Vec<&Look>) = wanted.iter().map(|(place, look)| (*place, look)).unzip();
        let read = self.begin_read(&at, READ_AND_CONTACT).await;
        let Some((first, row)) = read.and_then(|first| Some((first, self.rows.get(first)?))) else { return };
        let answer = match row.run.access() {
            Ok(access) => Ok(creates.look_contacts(access, &looks).await),
            Err(problem) => Err(problem),
        };
        let found = self.end_read(first, &at, answer).await;
        self.told(&at, found, |row, contacts| row.run.found.contact_look = Some(contacts));
    }

    /// Gives each row what was found for it; a row that the answer does not speak of reads alone.
    fn told<T>(&mut self, places: &[usize], found: Attempt<coportal_ledgers::Answered<Vec<Option<T>>>>, give: impl Fn(&mut Row<'_>, T)) {
        let found = match found {
            Attempt::Read(answered) => answered.value,
            Attempt::Stopped => return,
            Attempt::Refused => Vec::new(),
        };
        let mut found = found.into_iter();
        for place in places {
            let told = found.next().flatten();
            let Some(row) = self.rows.get_mut(*place) else { continue };
            match told {
                Some(told) => give(row, told),
                None => row.reads_alone = true,
            }
        }
    }

    /// Contacts of clients that have none yet: out of the list of all contacts, where that takes fewer calls than a search for each.
    pub(super) async fn search(&mut self, places: Vec<usize>) {
        if places.is_empty() {
            return;
        }
        // A name that only the ledger's refusal told of is searched for anew: the list is older than that.
        let (fresh, again): (Vec<usize>, Vec<usize>) =
            places.into_iter().partition(|place| self.rows.get(*place).is_some_and(|row| row.run.found.name_taken.is_none()));
        if !self.directory.complete && !self.directory.given_up && fresh.len() >= WORTH_LISTING {
            self.list_contacts(&fresh).await;
        }
        for place in again {
            self.one(place).await;
        }
        if self.directory.complete {
            for place in fresh {
                self.look_up(place);
            }
            return;
        }
        for place in fresh {
            if self.rows.get(place).is_some_and(|row| row.end.is_none()) {
                self.one(place).await;
            }
        }
    }

    /// What a search would have found, out of the list.
    fn look_up(&mut self, place: usize) {
        let Some(row) = self.rows.get_mut(place).filter(|row| row.end.is_none()) else { return };
        row.count_step();
        let run = &mut row.run;
        let form = run.api.rules.contact_mark;
        let by_email = run.connection.options.match_by.contains(&MatchBy::Email) || form == ContactMark::Evidence;
        let email = by_email.then_some(run.client.email.as_str());
        let mark = |gone| contact_mark_in(form, &run.client, run.invoice.currency, gone);
        let marks: Vec<String> = (0..=run.contact.value.remote_generation).filter_map(mark).collect();
        run.found.contacts = Some(self.directory.search(&*run.api.contact_list, email, &run.client.name, &marks));
    }

    /// Lists all contacts, as long as the pages that are left are fewer than the searches that they stand for.
    async fn list_contacts(&mut self, places: &[usize]) {
        let Some(list) = places.first().and_then(|first| self.rows.get(*first)).map(|row| row.run.api.contact_list.clone()) else { return };
        let (mut cursor, mut pages): (Option<String>, usize) = (None, 0);
        let mut left = self.directory.pages.max(1);
        if left > places.len() {
            self.directory.given_up = true;
            return;
        }
        loop {
            // The pages that are left and the write after them, all or none: a list that a limit cuts off is read from its beginning again.
            let calls = u32::try_from(left).unwrap_or(u32::MAX).saturating_add(1);
            let read = self.begin_read(places, calls).await;
            let Some((first, row)) = read.and_then(|first| Some((first, self.rows.get(first)?))) else { return };
            let at_once = row.run.permits.at_once().await;
            let answer = match row.run.access() {
                Ok(access) => Ok(list.contact_page(access, cursor.as_deref()).await),
                Err(problem) => Err(problem),
            };
            let page = match self.end_read(first, places, answer).await {
                Attempt::Read(answered) => answered.value,
                Attempt::Stopped => return,
                Attempt::Refused => {
                    self.directory.given_up = true;
                    return;
                }
            };
            pages += 1;
            let size = page.contacts.len().max(1);
            self.directory.add(page.contacts);
            let Some(next) = page.next else {
                self.directory.pages = pages;
                self.directory.complete = true;
                return;
            };
            let expected = page.expected.and_then(|expected| usize::try_from(expected).ok());
            left = expected.map_or(1, |expected| expected.saturating_sub(self.directory.len()).div_ceil(size)).max(1);
            self.directory.pages = pages.saturating_add(left);
            let too_many = left > places.len().saturating_sub(if expected.is_some() { 0 } else { pages });
            // More than may ever go out at once here: a search each comes further than a list that is never read to its end.
            if too_many || u32::try_from(left).unwrap_or(u32::MAX) >= at_once {
                self.directory.given_up = true;
                return;
            }
            cursor = Some(next);
        }
    }
}
