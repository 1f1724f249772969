//! As much of PostgreSQL's protocol (version 3) as running statements takes.

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufStream},
    net::TcpStream,
};

use super::{PASSWORD, USER};

const VERSION: i32 = 3 << 16;
const LARGEST: usize = 64 << 20;

/// Runs statements on a new connection.
pub(super) async fn run(port: u16, database: &str, statements: &str) -> Result<Vec<Vec<Option<String>>>> {
    let mut stream = BufStream::new(TcpStream::connect(("127.0.0.1", port)).await?);
    let mut greeting = VERSION.to_be_bytes().to_vec();
    for text in ["user", USER, "database", database, ""] {
        greeting.extend_from_slice(text.as_bytes());
        greeting.push(0);
    }
    send(&mut stream, None, &greeting).await?;

    let mut rows = Vec::new();
    let mut asked = false;
    let mut refused = None;
    loop {
        let kind = stream.read_u8().await?;
        let length = usize::try_from(stream.read_i32().await?)?.checked_sub(4).context("too short")?;
        ensure!(length <= LARGEST, "an answer of {length} bytes");
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        match kind {
            // What it wants for identification: nothing (0), or the password in the clear (3).
            b'R' => match body.first_chunk().map(|kind| i32::from_be_bytes(*kind)) {
                Some(0) => {}
                Some(3) => send(&mut stream, Some(b'p'), &terminated(PASSWORD)).await?,
                kind => bail!("it wants to be shown who this is in the way {kind:?}"),
            },
            b'D' => rows.push(row(&body)?),
            b'E' if !asked => bail!("{}", words(&body)),
            b'E' => refused = Some(words(&body)),
            // It is done with what it was asked.
            b'Z' if !asked => {
                asked = true;
                send(&mut stream, Some(b'Q'), &terminated(statements)).await?;
            }
            b'Z' => break,
            _ => {}
        }
    }
    if let Some(words) = refused {
        bail!("{words}");
    }
    Ok(rows)
}

fn terminated(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

async fn send(stream: &mut BufStream<TcpStream>, kind: Option<u8>, body: &[u8]) -> Result<()> {
    if let Some(kind) = kind {
        stream.write_u8(kind).await?;
    }
    stream.write_i32(i32::try_from(body.len() + 4)?).await?;
    stream.write_all(body).await?;
    Ok(stream.flush().await?)
}

/// The fields of a row: a count, then each with its length, which is −1 for null.
fn row(mut body: &[u8]) -> Result<Vec<Option<String>>> {
    let body = &mut body;
    let count = i16::from_be_bytes(*take(body, 2)?.first_chunk().context("no count")?);
    (0..count)
        .map(|_| {
            let length = i32::from_be_bytes(*take(body, 4)?.first_chunk().context("no length")?);
            let Ok(length) = usize::try_from(length) else { return Ok(None) };
            Ok(Some(String::from_utf8(take(body, length)?.to_vec())?))
        })
        .collect()
}

fn take<'a>(body: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (taken, rest) = body.split_at_checked(length).context("a row ends too early")?;
    *body = rest;
    Ok(taken)
}

/// Code and message of an error: fields that begin with a letter and end with a zero.
fn words(body: &[u8]) -> String {
    let field = |letter| body.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(&[letter]));
    let text = |letter| String::from_utf8_lossy(field(letter).unwrap_or_default()).into_owned();
    format!("{} ({})", text(b'M'), text(b'C'))
}
