//! Drops against a real Transistor, on a network that can be made bad.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::{
    path::Path,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use kith_client_sdk::{
    clock::SystemClock,
    drops::{DropError, DropLink, DropSecret, Drops, MadeDrop, Password, PutOptions, Reading, Source},
    http::NodeOptions,
};
use servers::{Network, PATIENCE, Port, Proxy, proxy::Link};
use service_kit::shutdown::{self, Trigger};
use transistor::config::Config;

/// A Transistor in this process, and a network in front of it.
struct Site {
    folder: tempfile::TempDir,
    proxy: Proxy,
    _port: Port,
    trigger: Trigger,
    service: Option<JoinHandle<()>>,
}

impl Drop for Site {
    fn drop(&mut self) {
        // Nothing is written any more when the folder goes.
        self.trigger.request();
        let _ = self.service.take().map(JoinHandle::join);
    }
}

impl Site {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = Port::free().unwrap();
        let mut config = Config::default();
        config.listen.address = ([127, 0, 0, 1], port.number()).into();
        config.store.path = folder.path().join("store/drops.sqlite");
        config.bodies.path = folder.path().join("bodies");
        let (trigger, stopping) = shutdown::channel();
        let service = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(transistor::service::run(config, stopping)).unwrap();
        });
        let until = Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(("127.0.0.1", port.number())).await.is_err() {
            assert!(Instant::now() < until, "the service does not listen");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let proxy = Proxy::to_port(port.number()).await.unwrap();
        Self { folder, proxy, _port: port, trigger, service: Some(service) }
    }

    fn drops(&self) -> Drops {
        // The path is added.
        Drops::new(&format!("http://{}", self.proxy.address()), Arc::new(SystemClock), options()).unwrap()
    }

    /// What somebody reads who was sent the link.
    fn reading(&self, link: &DropLink) -> Reading {
        let link = DropLink::parse(&link.to_text()).unwrap();
        Reading::new(&link, Arc::new(SystemClock), options()).unwrap()
    }

    async fn text(&self, text: &str, password: Option<&str>) -> MadeDrop {
        let mut options = PutOptions::default();
        options.name = "a/note".to_owned();
        options.media_type = "text/plain".to_owned();
        options.expires_in = Some(600);
        options.password = password.map(|text| Password::new(text.to_owned()));
        self.drops().put(Source::bytes(text.as_bytes().to_vec()), options).await.unwrap()
    }

    async fn gone(&self, link: &DropLink) {
        assert!(matches!(self.reading(link).claim(None).await, Err(DropError::Gone)));
        assert!(matches!(self.reading(link).info().await, Err(DropError::Gone)));
    }
}

fn options() -> NodeOptions {
    NodeOptions { first_wait: Duration::from_millis(20), ..NodeOptions::default() }
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

fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_drop_is_looked_at_and_read_once() {
    let site = Site::start().await;
    let made = site.text("for one reader", None).await;
    assert!(made.expires_at.is_some());
    for _ in 0..3 {
        let info = site.reading(&made.link).info().await.unwrap();
        assert_eq!(info.name.unwrap().as_str(), "a_note", "a name is made safe");
        assert_eq!((info.media_type.as_str(), info.len, info.locked), ("text/plain", Some(14), false));
    }
    let mut reading = site.reading(&made.link);
    assert!(matches!(reading.bytes(99).await, Err(DropError::NotClaimed)));
    reading.claim(None).await.unwrap();
    assert!(matches!(reading.bytes(13).await, Err(DropError::TooLarge { len: 14, max: 13 })));
    site.gone(&made.link).await;
    assert_eq!(reading.bytes(14).await.unwrap().as_slice(), b"for one reader");
    site.gone(&made.link).await;
    assert!(matches!(reading.bytes(14).await, Err(DropError::NotClaimed)));
}

#[tokio::test]
async fn a_password_is_needed_and_tells_the_name() {
    let site = Site::start().await;
    let made = site.text("behind a password", Some("right")).await;
    let info = site.reading(&made.link).info().await.unwrap();
    assert!(info.locked && info.name.is_none() && info.len.is_none());
    let mut reading = site.reading(&made.link);
    assert!(matches!(reading.claim(None).await, Err(DropError::PasswordNeeded)));
    let wrong = reading.claim(Some(&Password::new("wrong".to_owned()))).await.unwrap_err();
    assert_eq!(wrong.code(), "password_wrong");
    let info = reading.claim(Some(&Password::new("right".to_owned()))).await.unwrap();
    assert_eq!(info.name.unwrap().as_str(), "a_note");
    assert_eq!(reading.bytes(99).await.unwrap().as_slice(), b"behind a password");
}

#[tokio::test]
async fn what_is_given_back_can_be_read_and_what_is_deleted_cannot() {
    let site = Site::start().await;
    let made = site.text("x", None).await;
    let mut reading = site.reading(&made.link);
    reading.claim(None).await.unwrap();
    site.gone(&made.link).await;
    reading.release().await;
    site.reading(&made.link).info().await.unwrap();
    site.drops().delete(&made.id(), &made.deletion).await.unwrap();
    site.gone(&made.link).await;
    let again = site.drops().delete(&made.id(), &made.deletion).await;
    assert!(matches!(again, Err(DropError::Gone)));
}

#[tokio::test]
async fn copies_are_read_once_each() {
    let site = Site::start().await;
    let made = site.text("for three", None).await;
    let links = site.drops().copies(&made, &[b"ann", b"ben"], None).await.unwrap();
    for link in links.iter().chain([&made.link]) {
        let mut reading = site.reading(link);
        let info = reading.claim(None).await.unwrap();
        assert_eq!(info.name.unwrap().as_str(), "a_note");
        assert_eq!(reading.bytes(99).await.unwrap().as_slice(), b"for three");
        site.gone(link).await;
    }
}

#[tokio::test]
async fn the_same_name_again_changes_nothing() {
    let site = Site::start().await;
    let made = site.text("for two", None).await;
    let password = Password::new("late".to_owned());
    let first = site.drops().copies(&made, &[b"ann"], None).await.unwrap();
    let second = site.drops().copies(&made, &[b"ann"], Some(&password)).await.unwrap();
    // The copy is the first one: without a password, so the other link does not open it, nor lose it.
    let refused = site.reading(&second[0]).claim(Some(&password)).await.unwrap_err();
    assert_eq!(refused.code(), "drop_damaged");
    let mut reading = site.reading(&first[0]);
    reading.claim(None).await.unwrap();
    assert_eq!(reading.bytes(99).await.unwrap().as_slice(), b"for two");
}

#[tokio::test]
async fn copies_in_the_place_of_another_drop_are_refused_at_every_attempt() {
    let site = Site::start().await;
    let secret = DropSecret::from_bytes(&[7; 32]);
    let with = |secret| {
        let mut options = PutOptions::default();
        options.secret = Some(secret);
        options
    };
    let put = async |secret, text: &[u8]| {
        site.drops().put(Source::bytes(text.to_vec()), with(secret)).await.unwrap()
    };
    let made = put(secret.clone(), b"to be shared").await;
    let other = put(secret.copy(b"ann"), b"another").await;

    // The first attempt gets lost on the way.
    site.proxy.set(Network::deaf_server());
    let before = site.proxy.accepted();
    let repaired = async {
        let until = Instant::now() + PATIENCE;
        while site.proxy.accepted() == before {
            assert!(Instant::now() < until, "nobody asks");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        site.proxy.cut();
        site.proxy.clear();
    };
    let drops = site.drops();
    let (copied, ()) = tokio::join!(drops.copies(&made, &[b"ann"], None), repaired);
    assert_eq!(copied.unwrap_err().code(), "drop_exists");
    let mut reading = site.reading(&other.link);
    reading.claim(None).await.unwrap();
    assert_eq!(reading.bytes(99).await.unwrap().as_slice(), b"another");
}

/// Cuts all connections whenever so many bytes more have passed, as often as told.
async fn cut(proxy: &Proxy, passed: impl Fn(&Proxy) -> u64, every: u64, times: u64) {
    let start = passed(proxy);
    for n in 1..=times {
        let until = Instant::now() + PATIENCE;
        while passed(proxy) < start + n * every {
            assert!(Instant::now() < until, "nothing passes");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        proxy.cut();
    }
}

#[tokio::test]
async fn broken_connections_are_gone_on_from() {
    let site = Site::start().await;
    let content = noise(9_000_000);
    let file = site.folder.path().join("large.bin");
    std::fs::write(&file, &content).unwrap();
    let link = Link { bytes_per_second: Some(30_000_000), ..Link::default() };
    site.proxy.set(Network::both(link));

    let drops = site.drops();
    let put = async { drops.put(Source::file(&file).await.unwrap(), PutOptions::default()).await };
    let (made, ()) = tokio::join!(put, cut(&site.proxy, Proxy::bytes_up, 2_500_000, 3));
    let made = made.unwrap();
    assert!(site.proxy.bytes_up() < 25_000_000, "it began anew");

    let before = site.proxy.bytes_down();
    let output = site.folder.path().join("output.bin");
    let mut reading = site.reading(&made.link);
    reading.claim(None).await.unwrap();
    let (saved, ()) =
        tokio::join!(reading.save(&output, false), cut(&site.proxy, Proxy::bytes_down, 2_500_000, 3));
    saved.unwrap();
    assert!(std::fs::read(&output).unwrap() == content);
    assert!(site.proxy.bytes_down() - before < 25_000_000, "it began anew");
    site.gone(&made.link).await;
}

#[tokio::test]
async fn a_file_appears_whole_or_not_at_all() {
    let site = Site::start().await;
    let folder = site.folder.path().join("mine");
    std::fs::create_dir(&folder).unwrap();
    let (there, new) = (folder.join("there"), folder.join("new"));
    std::fs::write(&there, "kept").unwrap();
    // More than all buffers on the way: what was sent to its end is never given back.
    let content = noise(24_000_000);
    let made = site.drops().put(Source::bytes(content.clone()), PutOptions::default()).await.unwrap();

    let mut reading = site.reading(&made.link);
    reading.claim(None).await.unwrap();
    assert!(matches!(reading.save(&there, false).await, Err(DropError::FileExists)));

    // Interrupted while it comes: no file, and the drop is given back.
    let down = Link { bytes_per_second: Some(3_000_000), ..Link::default() };
    site.proxy.set(Network { down, ..Network::clear() });
    let before = site.proxy.bytes_down();
    let some = async {
        let until = Instant::now() + PATIENCE;
        while site.proxy.bytes_down() < before + 500_000 {
            assert!(Instant::now() < until, "nothing passes");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        done = reading.save(&new, false) => panic!("it is whole already: {done:?}"),
        () = some => {}
    }
    site.proxy.clear();
    reading.release().await;
    assert_eq!(files(&folder), ["there"]);
    assert_eq!(std::fs::read(&there).unwrap(), b"kept");

    let mut reading = site.reading(&made.link);
    let until = Instant::now() + PATIENCE;
    while reading.claim(None).await.is_err() {
        assert!(Instant::now() < until, "the drop does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    reading.save(&there, true).await.unwrap();
    assert!(std::fs::read(&there).unwrap() == content);
    assert_eq!(files(&folder), ["there"]);
}

#[tokio::test]
async fn what_arrived_is_kept_when_its_name_is_taken_meanwhile() {
    let site = Site::start().await;
    let folder = site.folder.path().join("mine");
    std::fs::create_dir(&folder).unwrap();
    let target = folder.join("report");
    let made = site.text("arrived", None).await;
    let taken = target.clone();
    let mut reading = site
        .reading(&made.link)
        .with_progress(Arc::new(move |_, _| std::fs::write(&taken, "somebody else's").unwrap()));
    reading.claim(None).await.unwrap();
    let failed = reading.save(&target, false).await.unwrap_err();
    assert_eq!(failed.code(), "kept_aside", "{failed}");
    let DropError::KeptAside { path, .. } = &failed else { panic!("{failed}") };
    assert!(failed.to_string().contains(&path.display().to_string()), "{failed}");
    // Also when the caller gives up as after any other failure.
    reading.release().await;
    assert_eq!(std::fs::read(path).unwrap(), b"arrived");
    assert_eq!(std::fs::read(&target).unwrap(), b"somebody else's");
    assert_eq!(files(&folder).len(), 2);
    assert_eq!(path.parent(), Some(folder.as_path()));
}

#[tokio::test]
async fn a_source_that_is_shorter_or_longer_than_it_says_is_no_drop() {
    let site = Site::start().await;
    for len in [4, 6] {
        let source = Source::reader(&b"hello"[..], len);
        let failed = site.drops().put(source, PutOptions::default()).await.unwrap_err();
        assert_eq!(failed.code(), "unreadable", "{failed}");
    }
    let folder = Source::file(site.folder.path()).await;
    assert!(matches!(folder, Err(DropError::Source(_))));
}

#[tokio::test]
async fn nobody_there_is_not_gone() {
    let site = Site::start().await;
    let made = site.text("x", None).await;
    site.proxy.set(Network::refusing());
    site.proxy.cut();
    let failed = site.reading(&made.link).claim(None).await.unwrap_err();
    assert_eq!(failed.code(), "unreachable");
    assert!(failed.is_retryable());
    site.proxy.clear();
    let until = Instant::now() + PATIENCE;
    while site.reading(&made.link).claim(None).await.is_err() {
        assert!(Instant::now() < until, "the server does not come back");
    }
}
