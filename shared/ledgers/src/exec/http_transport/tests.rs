use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A server that reads one request, writes `answer`, and closes; its address.
async fn answering(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = socket.read(&mut head).await;
            let _ = socket.write_all(&answer).await;
            let _ = socket.shutdown().await;
        }
    });
    address
}

async fn ask(address: &str, timeout: Duration) -> Result<Response<Bytes>, TransportError> {
    let egress = Egress::of([&address.parse().unwrap()]).unwrap();
    let request = Request::post(format!("{address}Invoices?where=secret")).body(Bytes::from_static(b"{}")).unwrap();
    HttpTransport::new(egress).unwrap().send(request, timeout).await
}

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_answer_comes_back_whole_and_a_redirect_is_not_followed() {
    let address = answering(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\nok".to_vec()).await;
    let answer = ask(&address, PATIENCE).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (302, b"ok".as_slice()));
}

#[tokio::test]
async fn a_refused_connection_was_not_sent() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    assert!(matches!(ask(&address, PATIENCE).await, Err(TransportError::NotSent(_))));
}

#[tokio::test]
async fn a_foreign_host_is_not_called() {
    let egress = Egress::of([&"https://api.xero.com/".parse().unwrap()]).unwrap();
    let request = Request::get("http://127.0.0.1:9/").body(Bytes::new()).unwrap();
    let refused = HttpTransport::new(egress).unwrap().send(request, PATIENCE).await;
    assert!(matches!(refused, Err(TransportError::NotSent(_))));
}

#[tokio::test]
async fn what_breaks_after_the_request_may_have_been_done() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Invoices\"".to_vec();
    let closed = Vec::new();
    let mut huge = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    huge.resize(ANSWER_MAX + 1024 * 1024, b' ');
    for answer in [cut, closed, huge] {
        let address = answering(answer).await;
        let error = ask(&address, PATIENCE).await.unwrap_err();
        assert!(matches!(error, TransportError::MaybeSent(_)), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn silence_ends_with_the_time_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let error = ask(&address, Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(&error, TransportError::MaybeSent(why) if why.starts_with("time-out")), "{error}");
}
