//! The DNS, asked over real sockets at a name server of our own.
#![cfg(test)]

use std::net::{IpAddr, SocketAddr};

use coportal_identity::domain::{Challenge, Dns, Domain, Observation, TxtLookup, observe};
use coportal_identity::fetch::AddressLookup;
use tokio::net::UdpSocket;

#[path = "../src/testing.rs"]
mod testing;

const TXT: u16 = 16;
const A: u16 = 1;
const AAAA: u16 = 28;

/// What the server says: a response code, and records of the asked type as their data.
type Zone = fn(&str, u16, &str) -> (u8, Vec<Vec<u8>>);

/// A name server (RFC 1035, section 4) that answers each question from `zone`, whose last argument is `value`.
async fn server(zone: Zone, value: String) -> Dns {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut packet = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let query = &packet[..length];
            let (mut at, mut labels) = (12, Vec::new());
            while query[at] != 0 {
                let end = at + 1 + usize::from(query[at]);
                labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
                at = end;
            }
            let question = &query[12..at + 5];
            let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
            let (code, records) = zone(&labels.join("."), kind, &value);
            let mut answer =
                [&query[..2], &[0x81, 0x80 | code, 0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0], question].concat();
            for data in records {
                // The name of the question, the type, class IN, 60 s.
                answer.extend(
                    [&[0xc0, 12][..], &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 60], &u16::try_from(data.len()).unwrap().to_be_bytes(), &data]
                        .concat(),
                );
            }
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    Dns::new(vec![address])
}

/// The strings of one TXT record.
fn strings(parts: &[&str]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&[u8::try_from(part.len()).unwrap()], part.as_bytes()].concat()).collect()
}

fn zone(name: &str, kind: u16, value: &str) -> (u8, Vec<Vec<u8>>) {
    match (name, kind) {
        // The value in two strings of one record, beside another record.
        ("_coportal-challenge.acme.test", TXT) => (0, vec![strings(&["v=spf1 -all"]), strings(&[&value[..20], &value[20..]])]),
        ("_coportal-challenge.empty.test", TXT) => (0, vec![]),
        // The value at the domain itself is not at the challenge's name.
        ("other.test", TXT) => (0, vec![strings(&[value])]),
        ("_coportal-challenge.broken.test", TXT) => (2, vec![]),
        ("host.test", A) => (0, vec![vec![192, 0, 2, 1], vec![192, 0, 2, 2]]),
        ("host.test", AAAA) => (0, vec!["2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets().to_vec()]),
        ("half.test", A) => (0, vec![vec![192, 0, 2, 3]]),
        ("half.test", AAAA) => (2, vec![]),
        ("dead.test", _) => (2, vec![]),
        _ => (3, vec![]),
    }
}

#[tokio::test]
async fn a_proof_is_read_from_the_dns() {
    // C23.
    let challenge = Challenge::new(&testing::ctx(), Domain::parse("acme.test").unwrap());
    let dns = server(zone, challenge.value.clone()).await;
    for (domain, seen) in [
        ("acme.test", Observation::Present),
        ("empty.test", Observation::Absent),
        ("other.test", Observation::Absent),
        ("gone.test", Observation::Absent),
        ("broken.test", Observation::Unknown),
    ] {
        let asked = Challenge { domain: Domain::parse(domain).unwrap(), value: challenge.value.clone() };
        let (observation, error) = observe(&dns, &asked).await;
        assert_eq!((observation, error.is_some()), (seen, seen == Observation::Unknown), "{domain}: {error:?}");
    }
    assert_eq!(dns.txt("acme.test").await.unwrap(), Vec::<Vec<u8>>::new());
}

#[tokio::test]
async fn a_host_has_all_its_addresses_of_both_families() {
    let dns = server(zone, String::new()).await;
    let list = |addresses: &[&str]| addresses.iter().map(|address| address.parse::<IpAddr>().unwrap()).collect::<Vec<_>>();
    assert_eq!(dns.addresses("host.test").await.unwrap(), list(&["192.0.2.1", "192.0.2.2", "2001:db8::1"]));
    assert_eq!(dns.addresses("half.test").await.unwrap(), list(&["192.0.2.3"]));
    assert_eq!(dns.addresses("gone.test").await.unwrap(), list(&[]));
    assert!(dns.addresses("dead.test").await.is_err());
}

#[tokio::test]
async fn a_name_server_that_is_not_there_is_no_answer() {
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(Dns::new(vec![closed]).txt("acme.test").await.is_err());
}
