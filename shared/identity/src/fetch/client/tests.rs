use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::domain::LookupError;
use crate::fetch::{LocalOrigins, get};

/// Answers the given addresses, in turn; the last for ever. Counts what it was asked.
struct Zone {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Zone {
    fn new(answers: impl IntoIterator<Item = Vec<IpAddr>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), asked: AtomicUsize::new(0) })
    }
}

impl AddressLookup for Zone {
    fn addresses<'a>(&'a self, _host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let next = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() };
        Box::pin(async move { Ok(next) })
    }
}

/// Listens on every address of this machine, and counts who comes.
async fn tripwire() -> (u16, Arc<AtomicUsize>) {
    let reached = Arc::new(AtomicUsize::new(0));
    let v4 = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = v4.local_addr().unwrap().port();
    let mut listeners = vec![v4];
    // Without IPv6 on the machine nothing can reach an IPv6 socket either.
    listeners.extend(TcpListener::bind(("::1", port)).await);
    for listener in listeners {
        let reached = reached.clone();
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                reached.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    (port, reached)
}

fn addresses(list: &str) -> Vec<IpAddr> {
    list.split(' ').map(|address| address.parse().unwrap()).collect()
}

/// URLs that are refused before anything is looked up. `{p}` is the port at which the tripwire listens, which the guard of this test
/// takes for 443.
const URLS: &[&str] = &[
    "http://idp.acme.example:{p}/metadata",
    "ftp://idp.acme.example:{p}/metadata",
    "file:///etc/passwd",
    "gopher://idp.acme.example:{p}/_x",
    "data:text/xml,<a/>",
    "javascript:alert(1)",
    "ws://idp.acme.example:{p}/",
    "//idp.acme.example:{p}/metadata",
    "idp.acme.example/metadata",
    "",
    "https://",
    "https:///metadata",
    "https://idp.acme.example:22/",
    "https://idp.acme.example:80/",
    "https://idp.acme.example:8443/",
    "https://idp.acme.example:0/",
    "https://user@idp.acme.example:{p}/",
    "https://user:secret@idp.acme.example:{p}/",
    "https://idp.acme.example:{p}@127.0.0.1:{p}/",
    "https://127.0.0.1:{p}/",
    "https://127.1:{p}/",
    "https://127.0.1:{p}/",
    "https://2130706433:{p}/",
    "https://0x7f000001:{p}/",
    "https://0x7f.0.0.1:{p}/",
    "https://0177.0.0.1:{p}/",
    "https://017700000001:{p}/",
    "https://0:{p}/",
    "https://0.0.0.0:{p}/",
    "https://127.0.0.1.:{p}/",
    "https://１２７.０.０.１:{p}/",
    "https://①②⑦.⓪.⓪.①:{p}/",
    "https://127。0。0。1:{p}/",
    "https://%31%32%37.0.0.1:{p}/",
    "https://10.0.0.1:{p}/",
    "https://172.16.0.1:{p}/",
    "https://192.168.1.1:{p}/",
    "https://169.254.169.254:{p}/latest/meta-data/",
    "https://169.254.169.254.:{p}/",
    "https://2852039166:{p}/",
    "https://8.8.8.8:{p}/",
    "https://[::1]:{p}/",
    "https://[::]:{p}/",
    "https://[::ffff:127.0.0.1]:{p}/",
    "https://[::ffff:7f00:1]:{p}/",
    "https://[64:ff9b::7f00:1]:{p}/",
    "https://[fd00:ec2::254]:{p}/",
    "https://[fe80::1%25lo]:{p}/",
    "https://[2001:4860:4860::8888]:{p}/",
    "https://localhost:{p}/",
    "https://LOCALHOST:{p}/",
    "https://localhost.:{p}/",
    "https://ｌｏｃａｌｈｏｓｔ:{p}/",
    "https://app.localhost:{p}/",
    "https://metadata.google.internal:{p}/computeMetadata/v1/",
    "https://printer.local:{p}/",
    "https://router.home.arpa:{p}/",
    "https://metadata:{p}/",
    "https://idp.acme.example.:{p}/",
    "https://.acme.example:{p}/",
    "https://idp.acme.example\\@127.0.0.1:{p}/",
    "https:\\\\127.0.0.1:{p}\\",
    "https://idp.acme\t.example:{p}/",
    "https://idp.acme.example:{p}/\r\nhost: 127.0.0.1",
    " https://idp.acme.example:{p}/",
    "https://idp.acme.example:{p}/ x",
];

/// What a name may lead to without being connected to.
const ADDRESSES: &[&str] = &[
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::7f00:1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "8.8.8.8 127.0.0.1",
    "127.0.0.1 8.8.8.8",
    "2606:4700:4700::1111 ::1",
];

#[tokio::test]
async fn no_vector_reaches_a_socket() {
    let (port, reached) = tripwire().await;
    let guard = Guard::new(LocalOrigins::default()).with_port(port);
    let zone = Zone::new([addresses("127.0.0.1")]);
    let fetch = GuardedFetch::new(zone.clone(), guard.clone()).unwrap();
    for text in URLS {
        let text = text.replace("{p}", &port.to_string());
        assert!(guard.parse(&text).is_err(), "{text}");
        // And by the other door: what a parser makes of it is judged again where it is sent.
        if let Ok(url) = text.parse::<Url>()
            && !text.contains(['\t', ' ', '\r', '\\'])
        {
            assert!(matches!(get(&fetch, &url, "*/*").await, Err(FetchError::Url(_))), "{text}");
        }
    }
    assert_eq!(zone.asked.load(Ordering::SeqCst), 0, "nothing was looked up");

    let url: Url = format!("https://idp.acme.example:{port}/metadata").parse().unwrap();
    assert_eq!(guard.check(&url), Ok(()), "only its addresses are wrong");
    for list in ADDRESSES {
        let zone = Zone::new([addresses(list)]);
        let resolver = GuardedResolver::new(zone.clone(), guard.clone());
        assert!(resolver.resolve("idp.acme.example".parse().unwrap()).await.is_err(), "{list}: nothing is released to the connector");
        let fetch = GuardedFetch::new(zone, guard.clone()).unwrap();
        let error = get(&fetch, &url, "*/*").await.unwrap_err();
        assert!(matches!(error, FetchError::Address(_)), "{list}: {error:?}");
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(reached.load(Ordering::SeqCst), 0);
    println!("SSRF: {} URLs and {} addresses refused, 0 sockets reached", URLS.len(), ADDRESSES.len());
    assert!(URLS.len() + ADDRESSES.len() >= 80);

    // The wire is not dead: a name that the guard admits does reach the listener (and fails there, which speaks no TLS).
    let local = LocalOrigins::parse(&format!("https://localhost:{port}")).unwrap();
    let fetch = GuardedFetch::new(Zone::new([vec![]]), Guard::new(local)).unwrap();
    let url = format!("https://localhost:{port}/").parse().unwrap();
    let limits = Limits { time: Duration::from_millis(300), ..Limits::DOCUMENT };
    let request = Request::get(Url::as_str(&url)).body(Bytes::new()).unwrap();
    assert!(fetch.send(request, limits).await.is_err());
    assert!(reached.load(Ordering::SeqCst) > 0);
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_asked_once_per_connection() {
    // DNS rebinding: the answer that was judged is the answer that is connected to.
    let (port, reached) = tripwire().await;
    let guard = Guard::new(LocalOrigins::default()).with_port(port);
    for turn in 0..100_usize {
        let (first, then) = if turn % 2 == 0 { ("127.0.0.1", "8.8.8.8") } else { ("8.8.8.8", "127.0.0.1") };
        let zone = Zone::new([addresses(first), addresses(then)]);
        let resolver = GuardedResolver::new(zone.clone(), guard.clone());
        let released: Vec<_> = resolver.resolve("idp.acme.example".parse().unwrap()).await.map(Iterator::collect).unwrap_or_default();
        assert_eq!(zone.asked.load(Ordering::SeqCst), 1);
        let expected: Vec<SocketAddr> = if turn % 2 == 0 { vec![] } else { vec!["8.8.8.8:0".parse().unwrap()] };
        assert_eq!(released, expected);
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

/// Serves one answer, byte for byte, to whoever connects; then `trickle` for ever.
async fn server(answer: impl Into<Vec<u8>>, trickle: &'static [u8], pause: Duration) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/metadata", listener.local_addr().unwrap()).parse().unwrap();
    let answer = answer.into();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(&answer).await;
            while !trickle.is_empty() && socket.write_all(trickle).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        }
    });
    url
}

fn local(url: &Url) -> GuardedFetch {
    let origins = LocalOrigins::parse(&url.origin().ascii_serialization()).unwrap();
    GuardedFetch::new(Zone::new([vec![]]), Guard::new(origins)).unwrap()
}

#[tokio::test]
async fn size_time_encoding_and_redirects_are_bounded() {
    let good = server("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n<a/>", b"", Duration::ZERO).await;
    let answer = get(&local(&good), &good, "application/xml").await.unwrap();
    assert_eq!((answer.status(), answer.body().as_ref()), (StatusCode::OK, b"<a/>".as_slice()));

    let chunk: &'static [u8] = Box::leak([b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat().into_boxed_slice());
    let endless = server("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", chunk, Duration::ZERO).await;
    assert_eq!(get(&local(&endless), &endless, "*/*").await.unwrap_err(), FetchError::TooLarge);

    let slow = server("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"x", Duration::from_millis(20)).await;
    let request = Request::get(slow.as_str()).body(Bytes::new()).unwrap();
    let limits = Limits { bytes: 2000, time: Duration::from_millis(200) };
    assert_eq!(local(&slow).send(request, limits).await.unwrap_err(), FetchError::TooSlow);

    let bomb = server("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\u{b}", b"", Duration::ZERO).await;
    assert_eq!(get(&local(&bomb), &bomb, "*/*").await.unwrap_err(), FetchError::Encoded);

    let (port, reached) = tripwire().await;
    for target in [format!("http://127.0.0.1:{port}/"), format!("https://localhost:{port}/"), "http://169.254.169.254/".to_owned()] {
        let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
        let from = server(redirect, b"", Duration::ZERO).await;
        let host = target.parse::<Url>().unwrap().host_str().unwrap().to_owned();
        assert_eq!(get(&local(&from), &from, "*/*").await.unwrap_err(), FetchError::Redirected(host));
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0, "no redirect is followed");

    let gone = server("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", b"", Duration::ZERO).await;
    let error = get(&local(&gone), &gone, "*/*").await.unwrap_err();
    assert_eq!((error.code(), error.retry_helps()), ("status", false));
}

#[test]
fn the_local_list_takes_origins_of_this_machine_only() {
    for list in ["http://127.0.0.1:8787", "http://127.0.0.1:8787, https://localhost:4020,", "http://[::1]:1", ""] {
        assert!(LocalOrigins::parse(list).is_ok(), "{list}");
    }
    for list in [
        "http://10.0.0.1:80",
        "https://idp.acme.example",
        "127.0.0.1:80",
        "http://127.0.0.1:1/path",
        "http://a@127.0.0.1:1",
        "ftp://127.0.0.1",
        "http://127.0.0.1.evil.example",
    ] {
        assert!(LocalOrigins::parse(list).is_err(), "{list}");
    }
    // A listed origin opens itself alone.
    let guard = Guard::new(LocalOrigins::parse("http://127.0.0.1:8787").unwrap());
    assert!(guard.parse("http://127.0.0.1:8787/metadata").is_ok());
    for other in ["http://127.0.0.1:8788/", "https://127.0.0.1:8787/", "http://localhost:8787/", "http://u@127.0.0.1:8787/"] {
        assert!(guard.parse(other).is_err(), "{other}");
    }
}

struct Down;

impl AddressLookup for Down {
    fn addresses<'a>(&'a self, _host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupError>> {
        Box::pin(async { Err(LookupError("servfail".to_owned())) })
    }
}

#[tokio::test]
async fn what_cannot_be_reached_says_why() {
    let guard = || Guard::new(LocalOrigins::default());
    let url: Url = "https://idp.acme.example/metadata".parse().unwrap();
    let nowhere = GuardedFetch::new(Zone::new([vec![]]), guard()).unwrap();
    let error = get(&nowhere, &url, "*/*").await.unwrap_err();
    assert_eq!((error.code(), error.retry_helps()), ("no_address", false));
    let down = GuardedFetch::new(Arc::new(Down), guard()).unwrap();
    let error = get(&down, &url, "*/*").await.unwrap_err();
    assert!(matches!(&error, FetchError::Unreachable(why) if why.contains("servfail")), "{error:?}");
    assert!(error.retry_helps());
    // A port of this machine on which nobody listens.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/").parse().unwrap();
    assert_eq!(get(&local(&url), &url, "*/*").await.unwrap_err().code(), "unreachable");
    for (status, helps) in [(503, true), (429, true), (401, false)] {
        assert_eq!(FetchError::Status(status).retry_helps(), helps);
    }
    let long = format!("https://idp.acme.example/{}", "a".repeat(2048));
    assert_eq!(guard().parse(&long), Err(UrlRefusal::NotAUrl));
}
