//! The page behind links, in a real browser against a real service.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use sealed_drop::{DropLink, DropSecret, Info, Password, Sealer, Token};
use servers::{Chromium, Network, PATIENCE, Process, Program, Proxy, Ready, chromium::exchange, proxy::Link};

/// A service behind a network that can be made bad, and a browser in front of it.
struct Site {
    service: Process,
    folder: tempfile::TempDir,
    /// The service without the network.
    direct: SocketAddr,
    proxy: Proxy,
    browser: Chromium,
    drops: u8,
    /// What the service must never know.
    secrets: Vec<Vec<u8>>,
    /// What it knows, and tells nobody.
    ids: Vec<Vec<u8>>,
}

struct Put {
    link: String,
    path: String,
    access: String,
}

impl Site {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let program = Program::new(env!("CARGO_BIN_EXE_transistor"))
            .args(["--set", "listen.address=127.0.0.1:0"])
            .args(["--set", &format!("store.path={}", at("drops.sqlite"))])
            .args(["--set", &format!("bodies.path={}", at("bodies"))])
            .args(["--set", "log.filter=trace"])
            .ready(Ready::Line("the transistor is ready".into()));
        let mut service = program.start().await.unwrap();
        let line = service.line("the transistor is ready").await.unwrap();
        let digits: String =
            line.split("port").nth(1).unwrap().chars().filter(char::is_ascii_digit).collect();
        let direct = SocketAddr::from(([127, 0, 0, 1], digits.parse().unwrap()));
        let proxy = Proxy::start(direct).await.unwrap();
        let browser = Chromium::start().await.unwrap();
        Self { service, folder, direct, proxy, browser, drops: 0, secrets: Vec::new(), ids: Vec::new() }
    }

    /// Makes a drop and gives its link.
    async fn put(&mut self, name: &str, media_type: &str, content: &[u8], password: Option<&str>) -> Put {
        self.drops += 1;
        let secret = DropSecret::from_bytes(&[self.drops; 32]);
        let keys = secret.keys(password.map(|text| Password::new(text.to_owned())).as_ref());
        let mut sealer = Sealer::new(&keys.content, content.len() as u64).unwrap();
        let mut sealed = Vec::new();
        sealer.push(content, &mut sealed).unwrap();
        sealer.finish(&mut sealed).unwrap();
        let info = Info::new(name, media_type, content.len() as u64).unwrap().seal(&keys.info).to_text();
        let (access_hash, access) = (secret.access().hash().to_text(), secret.access().to_text().to_string());
        let mut headers = vec![
            ("content-type", "application/octet-stream"),
            ("transistor-access-hash", &access_hash),
            ("transistor-info", &info),
        ];
        let unlock_hash = keys.unlock.as_ref().map(|token| token.hash().to_text());
        if let Some(hash) = &unlock_hash {
            headers.push(("transistor-unlock-hash", hash));
        }
        let path = format!("/transistor/v1/public/transfers/{}", secret.id());
        let put = exchange(self.direct, "PUT", &format!("{path}/content"), &headers, &sealed).await.unwrap();
        assert_eq!(put.status, 201, "{}", String::from_utf8_lossy(&put.body));
        let url = format!("http://{}/transistor", self.proxy.address());
        self.secrets.push(secret.to_bytes().to_vec());
        self.secrets.push(keys.content.to_bytes().to_vec());
        self.secrets.extend([name, password.unwrap_or("")].map(|text| text.as_bytes().to_vec()));
        self.secrets.push(content[..content.len().min(1000)].to_vec());
        self.secrets.push(access.as_bytes().to_vec());
        self.ids.push(secret.id().to_string().into_bytes());
        let link = DropLink::new(&url, secret, password.is_some()).unwrap().to_text().to_string();
        self.secrets.push(link.rsplit('.').next().unwrap().as_bytes().to_vec());
        Put { link, path, access }
    }

    async fn status(&self, drop: &Put) -> u16 {
        let headers = [("transistor-access", drop.access.as_str())];
        exchange(self.direct, "HEAD", &format!("{}/content", drop.path), &headers, b"").await.unwrap().status
    }

    async fn becomes(&self, drop: &Put, status: u16) {
        let until = Instant::now() + PATIENCE;
        while self.status(drop).await != status {
            assert!(Instant::now() < until, "the drop's status does not become {status}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for a problem and gives its code.
    async fn problem(&self) -> String {
        self.browser.wait("!document.getElementById('problem').hidden").await.unwrap();
        let code =
            self.browser.script("return document.getElementById('problem').dataset.code").await.unwrap();
        code.as_str().unwrap().to_owned()
    }

    async fn offered(&self) {
        self.browser.wait("!document.getElementById('reveal').hidden").await.unwrap();
    }

    async fn shown(&self) -> String {
        self.browser.wait("!document.getElementById('result').hidden").await.unwrap();
        let text = self.browser.script("return document.getElementById('text').textContent").await.unwrap();
        text.as_str().unwrap().to_owned()
    }
}

const TEXT: &str = "text/plain;charset=utf-8";

#[tokio::test]
async fn the_page_opens_what_was_sealed_and_nothing_by_accident() {
    let mut site = Site::start().await;
    a_secret_is_shown_once(&mut site).await;
    wrong_links_are_told_apart(&mut site).await;
    a_password_is_asked_for(&mut site).await;
    a_broken_download_goes_on(&mut site).await;
    leaving_gives_the_drop_back(&mut site).await;
    damage_is_noticed(&mut site).await;
    the_service_knows_nothing_of_it(&site);
    for line in site.browser.console().await.unwrap() {
        assert!(!line.contains("Content Security Policy") && !line.contains("TrustedHTML"), "{line}");
        assert!(!line.contains("Uncaught"), "{line}");
    }
}

async fn a_secret_is_shown_once(site: &mut Site) {
    let secret = "correct horse <b>battery</b> staple ✓";
    let drop = site.put("", TEXT, secret.as_bytes(), None).await;
    site.browser.open(&drop.link).await.unwrap();
    site.offered().await;
    let seen = "return [location.hash, location.href, document.activeElement.id, document.getElementById('size').textContent]";
    let seen = site.browser.script(seen).await.unwrap();
    assert_eq!(seen[0], "");
    assert!(!seen[1].as_str().unwrap().contains("kith-drop"), "the secret left the address bar");
    assert_eq!(seen[2], "go", "the keyboard is where the button is");
    assert_eq!(seen[3], format!("{} bytes", secret.len()));

    // Opening it consumed and claimed nothing: somebody else could.
    let token = Token::from_bytes(&[9; 32]).to_text();
    let headers = [("transistor-access", drop.access.as_str()), ("transistor-claim", &token)];
    let claim = format!("{}/claim", drop.path);
    assert_eq!(exchange(site.direct, "PUT", &claim, &headers, b"").await.unwrap().status, 200);
    assert_eq!(exchange(site.direct, "DELETE", &claim, &headers, b"").await.unwrap().status, 204);

    site.browser.click("#go").await.unwrap();
    assert_eq!(site.shown().await, secret);
    let markup = "return [document.querySelector('#text b') === null, document.activeElement.id]";
    let markup = site.browser.script(markup).await.unwrap();
    assert_eq!(markup[0], true, "markup in a secret is text");
    assert_eq!(markup[1], "result-title");
    site.becomes(&drop, 404).await;

    site.browser.open(&drop.link).await.unwrap();
    assert_eq!(site.problem().await, "drop_gone");
}

async fn wrong_links_are_told_apart(site: &mut Site) {
    let drop = site.put("", TEXT, b"still there", None).await;
    let (page, fragment) = drop.link.split_once('#').unwrap();
    for (link, code) in [
        (page.to_owned(), "no_link"),
        (drop.link[..drop.link.len() - 3].to_owned(), "link_cut"),
        (format!("{page}#{}", fragment.replace("drop1", "drop7")), "link_version"),
        (format!("{page}#hello"), "link_bad"),
        (drop.link.replace("127.0.0.1", "insecure.test"), "insecure"),
    ] {
        site.browser.open(&link).await.unwrap();
        assert_eq!(site.problem().await, code, "{link}");
    }
    assert_eq!(site.status(&drop).await, 200);
}

async fn a_password_is_asked_for(site: &mut Site) {
    let drop = site.put("plan", TEXT, b"behind a password", Some("pässwörd")).await;
    site.browser.open(&drop.link).await.unwrap();
    site.offered().await;
    let name = site.browser.script("return document.getElementById('name-row').hidden").await.unwrap();
    assert_eq!(name, true, "the name is not known without the password");
    site.browser.fill("#password", "wrong").await.unwrap();
    site.browser.click("#go").await.unwrap();
    assert_eq!(site.problem().await, "password_wrong");
    site.browser.wait("!document.getElementById('go').disabled").await.unwrap();
    site.browser.script("document.getElementById('password').value = ''").await.unwrap();
    site.browser.fill("#password", "pässwörd").await.unwrap();
    site.browser.click("#go").await.unwrap();
    site.browser.wait("!document.getElementById('result').hidden").await.unwrap();
    let save = site.browser.script("return document.getElementById('save').download").await.unwrap();
    assert_eq!(save, "plan");
    site.becomes(&drop, 404).await;
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    core::iter::repeat_with(next).take(len).collect()
}

/// Slow enough for something to happen in between.
fn slow() -> Network {
    let down = Link { bytes_per_second: Some(2_000_000), ..Link::default() };
    Network { down, ..Network::clear() }
}

async fn a_broken_download_goes_on(site: &mut Site) {
    let content = noise(3_000_000);
    let drop = site.put("../evil\u{202e}.html", "text/html", &content, None).await;
    site.browser.open(&drop.link).await.unwrap();
    site.offered().await;
    site.proxy.set(slow());
    let before = site.proxy.bytes_down();
    site.browser.click("#go").await.unwrap();
    for cut in [500_000, 1_500_000] {
        let until = Instant::now() + PATIENCE;
        while site.proxy.bytes_down() < before + cut {
            assert!(Instant::now() < until, "nothing arrives");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        site.proxy.cut();
    }
    site.proxy.clear();
    site.browser.wait("!document.getElementById('result').hidden").await.unwrap();
    let again = site.proxy.bytes_down() - before;
    assert!(again < 4_500_000, "{again} bytes came for a content of 3,000,000: it began anew");
    assert_eq!(site.browser.script("return document.getElementById('text').hidden").await.unwrap(), true);
    site.browser.click("#save").await.unwrap();
    let saved = site.browser.downloads().join("_.._evil_.html");
    let until = Instant::now() + PATIENCE;
    while std::fs::read(&saved).ok().is_none_or(|bytes| bytes != content) {
        let there: Vec<_> =
            std::fs::read_dir(site.browser.downloads()).unwrap().flatten().map(|e| e.file_name()).collect();
        assert!(Instant::now() < until, "the file is not saved; there are {there:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    site.becomes(&drop, 404).await;
}

async fn leaving_gives_the_drop_back(site: &mut Site) {
    // More than all buffers between the service and the browser: what was sent to its end is never given back.
    let content = noise(24_000_000);
    let drop = site.put("large", "", &content, None).await;
    site.browser.open(&drop.link).await.unwrap();
    site.offered().await;
    site.proxy.set(slow());
    let before = site.proxy.bytes_down();
    site.browser.click("#go").await.unwrap();
    let until = Instant::now() + PATIENCE;
    while site.proxy.bytes_down() < before + 300_000 {
        assert!(Instant::now() < until, "nothing arrives");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(site.status(&drop).await, 404, "it is somebody's");
    site.browser.open("about:blank").await.unwrap();
    site.proxy.clear();
    // The lease is a minute: it was given back, not forgotten.
    site.becomes(&drop, 200).await;
}

async fn damage_is_noticed(site: &mut Site) {
    let drop = site.put("", TEXT, b"sealed under another key", None).await;
    // The same body under the id and info of another secret.
    let other = DropSecret::from_bytes(&[200; 32]);
    let keys = other.keys(None);
    let mut sealed = Vec::new();
    let mut sealer = Sealer::new(&DropSecret::from_bytes(&[201; 32]).keys(None).content, 4).unwrap();
    sealer.push(b"evil", &mut sealed).unwrap();
    sealer.finish(&mut sealed).unwrap();
    let info = Info::new("", TEXT, 4).unwrap().seal(&keys.info).to_text();
    let hash = other.access().hash().to_text();
    let headers = [
        ("content-type", "application/octet-stream"),
        ("transistor-access-hash", hash.as_str()),
        ("transistor-info", info.as_str()),
    ];
    let path = format!("/transistor/v1/public/transfers/{}/content", other.id());
    assert_eq!(exchange(site.direct, "PUT", &path, &headers, &sealed).await.unwrap().status, 201);
    let page = drop.link.split_once("/d#").unwrap().0;
    let link = DropLink::new(page, other, false).unwrap().to_text().to_string();
    site.browser.open(&link).await.unwrap();
    site.offered().await;
    site.browser.click("#go").await.unwrap();
    assert_eq!(site.problem().await, "damaged");
    assert_eq!(site.browser.script("return document.getElementById('result').hidden").await.unwrap(), true);
}

/// Files below a folder, with what is in them.
fn contents(folder: &std::path::Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries
        .flat_map(|entry| match entry.file_type().unwrap().is_dir() {
            true => contents(&entry.path()),
            false => vec![std::fs::read(entry.path()).unwrap_or_default()],
        })
        .collect()
}

fn the_service_knows_nothing_of_it(site: &Site) {
    let log = site.service.log().into_bytes();
    assert!(log.len() > 1000, "the log says little");
    let stored = contents(site.folder.path());
    assert!(stored.iter().map(Vec::len).sum::<usize>() > 10_000, "the store is elsewhere");
    let found = |bytes: &[u8], needle: &[u8]| memchr::memmem::find(bytes, needle).is_some();
    // Shorter ones turn up by chance.
    for secret in site.secrets.iter().filter(|secret| secret.len() > 5) {
        assert!(!found(&log, secret), "the log has {:?}", String::from_utf8_lossy(secret));
        let there = stored.iter().any(|file| found(file, secret));
        assert!(!there, "the store has {:?}", String::from_utf8_lossy(secret));
    }
    for id in &site.ids {
        assert!(!found(&log, id), "the log has an id");
    }
}
