//! nats-server starts, answers, keeps a message across a crash and forgets it when it is wiped.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers")]

use servers::{Nats, PATIENCE, nats::Options};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(port: u16) -> Self {
        let mut client = Self(BufReader::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap()));
        let info = client.line().await;
        assert!(info.starts_with("INFO {") && info.contains("\"jetstream\":true"), "{info}");
        client
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(PATIENCE, self.0.read_line(&mut line)).await.unwrap().unwrap();
        line
    }

    /// Sends one request and returns the body of the reply.
    async fn ask(&mut self, subject: &str, body: &str) -> String {
        let text = format!(
            "CONNECT {{\"verbose\":false}}\r\nSUB reply 1\r\nPUB {subject} reply {}\r\n{body}\r\n",
            body.len()
        );
        self.0.write_all(text.as_bytes()).await.unwrap();
        loop {
            let line = self.line().await;
            if line.starts_with("PING") {
                self.0.write_all(b"PONG\r\n").await.unwrap();
            }
            if line.starts_with("MSG ") {
                let length: usize = line.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
                let mut body = vec![0; length + 2];
                self.0.read_exact(&mut body).await.unwrap();
                return String::from_utf8(body[..length].to_vec()).unwrap();
            }
            assert!(!line.starts_with("-ERR"), "{line}");
        }
    }
}

#[tokio::test]
async fn a_killed_server_comes_back_with_its_streams_and_a_wiped_one_without() {
    let mut nats = Nats::start(Options { sync_always: true, ..Options::default() }).await.unwrap();
    let url = nats.url();
    let stream = r#"{"name":"S","subjects":["s.>"],"storage":"file","num_replicas":1}"#;
    let made = Client::connect(nats.port()).await.ask("$JS.API.STREAM.CREATE.S", stream).await;
    assert!(made.contains("\"did_create\":true"), "{made}");
    let published = Client::connect(nats.port()).await.ask("s.a", "hello").await;
    assert!(published.contains("\"seq\":1"), "{published}");

    nats.kill().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", nats.port())).await.is_err(), "still listening");
    nats.restart().await.unwrap();
    assert_eq!(nats.url(), url);
    let found = Client::connect(nats.port()).await.ask("$JS.API.STREAM.INFO.S", "").await;
    assert!(found.contains("\"messages\":1"), "{found}");

    nats.wipe().unwrap();
    nats.restart().await.unwrap();
    let gone = Client::connect(nats.port()).await.ask("$JS.API.STREAM.INFO.S", "").await;
    assert!(gone.contains("stream not found"), "{gone}");
}

#[tokio::test]
async fn a_paused_server_answers_when_it_goes_on() {
    let mut nats = Nats::start(Options::default()).await.unwrap();
    nats.pause().unwrap();
    // The system accepts the connection; the server says nothing.
    let mut stream = TcpStream::connect(("127.0.0.1", nats.port())).await.unwrap();
    let mut first = [0; 4];
    let silence = timeout(std::time::Duration::from_millis(200), stream.read_exact(&mut first)).await;
    assert!(silence.is_err(), "a paused server answered");
    nats.resume().unwrap();
    timeout(PATIENCE, stream.read_exact(&mut first)).await.unwrap().unwrap();
    assert_eq!(&first, b"INFO");
}

#[tokio::test]
async fn a_password_is_asked_for_where_one_is_set() {
    let credentials = Some(("user".to_owned(), "a \"quoted\" word".to_owned()));
    let nats = Nats::start(Options { credentials, ..Options::default() }).await.unwrap();
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", nats.port())).await.unwrap());
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    assert!(line.contains("\"auth_required\":true"), "{line}");
}
