//! What a process says about itself.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The value of a measurement, by its name and labels as they are printed; `None` if there is no answer or no such line.
pub(crate) async fn measured(port: u16, line: &str) -> Option<u64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let value = answer.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '))?;
    value.trim().parse().ok()
}
