//! Every request that CoPortal can send, held against what the vendors publish of their APIs; and what the simulators answer, too: one that
//! answers what its vendor never would is a false friend.
//!
//! The real connectors run against the simulators, in process, and every method of every ledger is driven with everything that it can carry
//! ([`drive`]). What went over the wire ([`record`]) is checked ([`contract`]) against `tests/fixtures/vendor`: the vendor's description cut
//! to our parts by a script, and beside it `overlay.json`, where the description is known to be wrong or silent, each with its source. A
//! lie that nothing needs, and a silence that refuses nothing, fail: neither outlives its reason.
//!
//! A kind of request is the operation's name with its method and route, as its trace line carries them. Each ledger's kinds are listed
//! here; a kind that was not driven, and an operation or route in the ledger's source that no recorded request has, fail.

mod contract;
mod drive;
mod inventory;
mod ledgers;
mod negative;
mod overlay;
mod record;
mod shape;
mod verify;
