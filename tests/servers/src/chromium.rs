//! A browser.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time,
};

use crate::{PATIENCE, Program, Ready, Server, installed, server::Ground};

/// Between two looks at a page.
const LOOK: Duration = Duration::from_millis(20);

/// Debian's Chromium without a window, driven over `WebDriver`. Dies with this.
#[derive(Debug)]
pub struct Chromium {
    driver: Server,
    session: String,
}

impl Chromium {
    /// Starts a browser with an empty profile. Files that pages offer are saved into its [folder](Server::data). The
    /// host `insecure.test` is this machine, too, and one that browsers do not trust without TLS.
    ///
    /// # Errors
    ///
    /// It is not installed or does not start.
    pub async fn start() -> Result<Self> {
        let program = installed("chromium", "run")?;
        let ground = Ground::prepare(None, None)?;
        let address = SocketAddr::from(([127, 0, 0, 1], ground.port));
        let program = Program::new(program)
            .args([format!("--port={}", ground.port)])
            .env("HOME", ground.folder.path())
            .env("TMPDIR", ground.folder.path())
            .ready(Ready::Port(address));
        let profile = ground.folder.path().join("profile");
        let downloads = ground.data.clone();
        let driver = ground.start(program).await?;
        let options = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": {
                "args": [
                    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                    "--disable-breakpad", "--no-first-run", "--disable-background-networking",
                    "--host-resolver-rules=MAP insecure.test 127.0.0.1",
                    format!("--user-data-dir={}", profile.display()),
                ],
                "prefs": { "download.default_directory": downloads, "download.prompt_for_download": false },
            },
        }}});
        let mut chromium = Self { driver, session: String::new() };
        let made = chromium.ask("POST", "/session", &options).await?;
        chromium.session = made.get("sessionId").and_then(Value::as_str).context("no session")?.to_owned();
        Ok(chromium)
    }

    /// The folder that files are saved into.
    #[must_use]
    pub fn downloads(&self) -> &Path {
        self.driver.data()
    }

    /// Opens an address in a page of its own, as following a link does, and waits until it is loaded.
    ///
    /// # Errors
    ///
    /// It cannot be loaded.
    pub async fn open(&self, url: &str) -> Result<()> {
        // Two addresses that differ behind the # alone would be one page.
        self.command("url", &json!({ "url": "about:blank" })).await?;
        self.command("url", &json!({ "url": url })).await.map(drop)
    }

    /// Runs a script (the body of a function) in the page and gives what it returns.
    ///
    /// # Errors
    ///
    /// It throws.
    pub async fn script(&self, script: &str) -> Result<Value> {
        self.command("execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// Waits until an expression is true in the page, for [`PATIENCE`] at most.
    ///
    /// # Errors
    ///
    /// It does not become true; the error shows the page's text.
    pub async fn wait(&self, condition: &str) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while self.script(&format!("return !!({condition})")).await? != true {
            if Instant::now() > until {
                bail!(
                    "`{condition}` is not true on: {}",
                    self.script("return document.body.innerText").await?
                );
            }
            time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Clicks on the element that a CSS selector finds, as a hand does: it has to be visible.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be clicked on.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let element = self.element(selector).await?;
        self.command(&format!("element/{element}/click"), &json!({})).await.map(drop)
    }

    /// Types into the element that a CSS selector finds.
    ///
    /// # Errors
    ///
    /// There is none, or nothing can be typed into it.
    pub async fn fill(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.element(selector).await?;
        self.command(&format!("element/{element}/value"), &json!({ "text": text })).await.map(drop)
    }

    /// What pages have written to the console since this was last asked, policies that were broken among it.
    ///
    /// # Errors
    ///
    /// The browser does not answer.
    pub async fn console(&self) -> Result<Vec<String>> {
        let lines = self.command("se/log", &json!({ "type": "browser" })).await?;
        let lines = lines.as_array().context("no log")?;
        Ok(lines.iter().filter_map(|line| line.get("message")?.as_str().map(str::to_owned)).collect())
    }

    async fn element(&self, selector: &str) -> Result<String> {
        let found = self.command("element", &json!({ "using": "css selector", "value": selector })).await?;
        let id = found.as_object().and_then(|object| object.values().next()?.as_str().map(str::to_owned));
        id.with_context(|| format!("no element {selector}"))
    }

    async fn command(&self, command: &str, body: &Value) -> Result<Value> {
        self.ask("POST", &format!("/session/{}/{command}", self.session), body).await
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let body = serde_json::to_vec(body)?;
        let address = SocketAddr::from(([127, 0, 0, 1], self.driver.port()));
        let answer = exchange(address, method, path, &[("content-type", "application/json")], &body).await?;
        let value: Value =
            serde_json::from_slice(&answer.body).context("the browser's driver says no JSON")?;
        let value = value.get("value").cloned().unwrap_or_default();
        let why = value.get("message").and_then(Value::as_str).unwrap_or("failed");
        ensure!(answer.status == 200, "{path}: {why}");
        Ok(value)
    }
}

/// What was answered to [`exchange`].
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// The lines of the head, without the first.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

/// One request over HTTP/1.1 on a connection of its own. Answers have to say how long they are, or end with the
/// connection.
///
/// # Errors
///
/// No connection, or an answer that is none.
pub async fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    let end = loop {
        let found = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        if let Some(end) = found {
            break end + 4;
        }
        ensure!(stream.read_buf(&mut answer).await? > 0, "no answer");
    };
    let mut body = answer.split_off(end);
    let head = String::from_utf8(answer)?;
    let (first, rest) = head.split_once("\r\n").context("no status")?;
    let status = first.split(' ').nth(1).context("no status")?.parse()?;
    let len = rest.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    match len {
        _ if method == "HEAD" => {}
        // Not every server ends the connection when it is asked to.
        Some(len) => {
            let len = len?;
            while body.len() < len {
                ensure!(stream.read_buf(&mut body).await? > 0, "the answer ends early");
            }
        }
        None => drop(stream.read_to_end(&mut body).await?),
    }
    Ok(Answer { status, head: rest.to_owned(), body })
}
