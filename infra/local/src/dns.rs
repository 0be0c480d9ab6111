//! A name server for one machine: it answers the TXT and address records that somebody put there, and that there is nothing else.
//!
//! RFC 1035, section 4, over UDP: one question of class IN, answered by what is known of exactly that name.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;

const A: u16 = 1;
const AAAA: u16 = 28;
const TXT: u16 = 16;
const IN: u16 = 1;
/// Most bytes of one string of a record, and of one answer.
const STRING_MAX: usize = 255;
const ANSWER_MAX: usize = 1232;

/// The records by name, in lower case. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Dns(Arc<Mutex<BTreeMap<String, Records>>>);

/// What is known of a name.
#[derive(Debug, Clone, Default)]
struct Records {
    txt: Vec<String>,
    addresses: Vec<IpAddr>,
}

/// A question, and where it ends in the packet.
struct Question {
    name: String,
    kind: u16,
    class: u16,
    end: usize,
}

fn u16_at(packet: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]))
}

fn question(packet: &[u8]) -> Option<Question> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*packet.get(at)?);
        if length == 0 {
            break;
        }
        // A pointer has no place in a question.
        if length > 63 {
            return None;
        }
        labels.push(String::from_utf8_lossy(packet.get(at + 1..at + 1 + length)?).to_lowercase());
        at += 1 + length;
    }
    Some(Question { name: labels.join("."), kind: u16_at(packet, at + 1)?, class: u16_at(packet, at + 3)?, end: at + 5 })
}

/// The strings of one TXT record.
fn strings(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(STRING_MAX).flat_map(|part| [&[u8::try_from(part.len()).unwrap_or(0)], part].concat()).collect()
}

/// An address as the data of a record of this type.
fn octets(address: IpAddr, kind: u16) -> Option<Vec<u8>> {
    match address {
        IpAddr::V4(address) => (kind == A).then(|| address.octets().to_vec()),
        IpAddr::V6(address) => (kind == AAAA).then(|| address.octets().to_vec()),
    }
}

impl Dns {
    /// Puts the TXT records of a name, instead of those that it had; none takes them away.
    pub fn put(&self, name: &str, txt: Vec<String>) {
        self.change(name, |records| records.txt = txt);
    }

    /// Puts the addresses of a name, instead of those that it had; none takes them away.
    pub fn put_addresses(&self, name: &str, addresses: Vec<IpAddr>) {
        self.change(name, |records| records.addresses = addresses);
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Records)) {
        let name = name.trim_end_matches('.').to_lowercase();
        let mut zone = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let records = zone.entry(name.clone()).or_default();
        change(records);
        if records.txt.is_empty() && records.addresses.is_empty() {
            zone.remove(&name);
        }
    }

    /// The answer to a query; `None` when it cannot be read.
    fn answer(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let asked = question(packet)?;
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&asked.name).cloned();
        let known = records.is_some();
        let records = records.filter(|_| asked.class == IN).unwrap_or_default();
        let data: Vec<Vec<u8>> = match asked.kind {
            TXT => records.txt.iter().map(|text| strings(text)).collect(),
            A | AAAA => records.addresses.iter().filter_map(|address| octets(*address, asked.kind)).collect(),
            _ => Vec::new(),
        };
        // Response, authoritative; recursion as it was desired. 3: there is no such name.
        let flags = [0x84 | (packet.get(2)? & 1), if known { 0 } else { 3 }];
        let count = u16::try_from(data.len()).ok()?;
        let mut answer = packet.get(..2)?.to_vec();
        answer.extend(flags);
        answer.extend([0, 1]);
        answer.extend(count.to_be_bytes());
        answer.extend([0, 0, 0, 0]);
        answer.extend_from_slice(packet.get(12..asked.end)?);
        for data in data {
            // The name of the question, its type, IN, a minute.
            answer.extend([0xc0, 12]);
            answer.extend(asked.kind.to_be_bytes());
            answer.extend([0, 1, 0, 0, 0, 60]);
            answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
            answer.extend(data);
        }
        (answer.len() <= ANSWER_MAX).then_some(answer)
    }

    /// Serves until `shutdown` is done.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn serve(self, socket: UdpSocket, shutdown: impl Future<Output = ()> + Send) -> io::Result<()> {
        let mut packet = vec![0; 4096];
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                received = socket.recv_from(&mut packet) => {
                    let (length, from): (usize, SocketAddr) = received?;
                    if let Some(answer) = packet.get(..length).and_then(|query| self.answer(query)) {
                        socket.send_to(&answer, from).await?;
                    }
                }
            }
        }
    }
}
