//! A metadata URL that an admin pastes leads to the public internet or nowhere: no socket of this machine or its networks is reached.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coportal_core::workspace::Plan;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::World;

/// Counts whoever connects.
async fn trap(connected: &Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connected = Arc::clone(connected);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            connected.fetch_add(1, Ordering::SeqCst);
        }
    });
    port
}

/// URLs that are refused before anything is looked up, at this port where they name one.
fn urls(port: u16) -> Vec<String> {
    let mut urls = vec![];
    for host in [
        "127.0.0.1",
        "127.1",
        "0177.0.0.1",
        "0x7f000001",
        "2130706433",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "8.8.8.8",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[fe80::1]",
        "[fc00::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2606:4700::1111]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "metadata",
        "metadata.google.internal",
        "instance-data.ec2.internal",
        "printer.local",
        "router.lan",
        "nas.home.arpa",
        "intranet",
        "a.localhost",
        "x.onion",
        "１２７.０.０.１",
        "127。0。0。1",
    ] {
        urls.push(format!("https://{host}/metadata"));
    }
    for url in [
        "http://idp.example/metadata",
        "ftp://idp.example/metadata",
        "file:///etc/passwd",
        "gopher://idp.example/",
        "data:text/xml,x",
        "javascript:alert(1)",
        "https://",
        "https:///metadata",
        "//idp.example/metadata",
        "idp.example/metadata",
        "",
        "https://user@idp.example/metadata",
        "https://user:secret@idp.example/metadata",
        "https://idp.example:444/metadata",
        "https://idp.example:80/",
        "https://idp.example:22/",
        "https://idp.example@127.0.0.1/",
        "https://127.0.0.1#@idp.example/",
        "https://[idp.example]/",
    ] {
        urls.push(url.to_owned());
    }
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("https://localhost:{port}/"),
        format!("https://[::1]:{port}/"),
        format!("http://localhost:{port}/metadata"),
        format!("https://idp.example:{port}/"),
    ] {
        urls.push(url);
    }
    urls
}

/// Names that lead to where nobody may be sent.
const INTERNAL: &[&str] = &[
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "172.31.255.1",
    "192.168.0.10",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "198.19.0.1",
    "203.0.113.7",
    "224.0.0.251",
    "240.0.0.1",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
    "fe80::1",
    "fd00:ec2::254",
    "2001:db8::1",
    "ff02::1",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_metadata_url_reaches_a_socket_that_is_not_allowed() {
    let world = World::new().await;
    let tenant = world.tenant("Acme", Plan::Enterprise).await;
    let connected = Arc::new(AtomicUsize::new(0));
    let port = trap(&connected).await;
    let refused_codes = ["not_a_url", "scheme_refused", "credentials_refused", "literal_address_refused", "host_refused", "port_refused"];
    let mut refused = 0;
    for url in urls(port) {
        let reply = tenant.owner.post("/v1/sso/connections", &json!({"provider": "saml", "metadata_url": url})).await.unwrap();
        let issue = reply.json()["issues"][0].clone();
        assert_eq!((reply.status.as_u16(), &issue["pointer"]), (422, &json!("/metadata_url")), "{url}: {}", reply.text());
        assert!(refused_codes.contains(&issue["code"].as_str().unwrap()), "{url}: {issue}");
        refused += 1;
    }
    // A name is judged by the addresses behind it, at the moment of connecting; one bad address spoils the name.
    for (n, address) in INTERNAL.iter().enumerate() {
        let name = format!("idp{n}.example.com");
        let address: IpAddr = address.parse().unwrap();
        let public = IpAddr::V4(Ipv4Addr::new(93, 184, 215, 14));
        world.local.dns.put_addresses(&name, if n % 2 == 0 { vec![address] } else { vec![public, address] });
        let url = format!("https://{name}/metadata");
        let reply = tenant.owner.post("/v1/sso/connections", &json!({"provider": "saml", "metadata_url": url})).await.unwrap();
        assert_eq!(reply.json()["issues"][0]["code"], "address_refused", "{address}: {}", reply.text());
        refused += 1;
    }
    let unknown = json!({"provider": "saml", "metadata_url": "https://nobody.example.com/metadata"});
    assert_eq!(tenant.owner.post("/v1/sso/connections", &unknown).await.unwrap().json()["issues"][0]["code"], "no_address");
    println!("SSRF over HTTP: {refused} metadata URLs refused, {} sockets reached", connected.load(Ordering::SeqCst));
    assert_eq!(connected.load(Ordering::SeqCst), 0);
    assert!(refused >= 80, "{refused}");
    // The refusals are no accident: the allowed provider of this machine is reached.
    assert_eq!(tenant.owner.post("/v1/sso/connections", &world.saml()).await.unwrap().status.as_u16(), 201);
    world.local.shutdown().await.unwrap();
}
