//! The settings in the book are those the node has.

use std::{collections::BTreeSet, fs, path::Path};

use node::config::Config;
use service_kit::config::{Settings, Sources, load, render};

/// The block behind the marker in the book's page.
fn sample() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/operations/configuration.md");
    let page = fs::read_to_string(page).unwrap();
    let behind = page.split_once("<!-- node-settings -->\n```toml\n").unwrap().1;
    behind.split_once("```").unwrap().0.to_owned()
}

fn keys(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut pending = vec![(String::new(), toml::Value::Table(text.parse().unwrap()))];
    while let Some((path, value)) = pending.pop() {
        match value {
            toml::Value::Table(table) => {
                pending.extend(table.into_iter().map(|(key, value)| (format!("{path}.{key}"), value)));
            }
            _ => assert!(found.insert(path)),
        }
    }
    found
}

#[test]
fn the_book_shows_every_setting_at_its_default() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kith.toml");
    fs::write(&file, sample()).unwrap();
    let loaded: Config = load(&Sources { file: Some(file), ..Sources::default() }).unwrap();
    assert_eq!(loaded, Config::default());
    assert_eq!(keys(&sample()), keys(&render(&Config::default()).unwrap()));
    // Those without a default are there as comments.
    for optional in [
        "# admin =",
        "# origin =",
        "# workers =",
        "# quota =",
        "# keys =",
        "# pin =",
        "# secret.file =",
        "# audience =",
        "# issuer =",
    ] {
        assert!(sample().contains(optional), "{optional}");
    }
}

#[test]
fn a_store_that_several_share_needs_to_be_told_where() {
    let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let wrong = |overrides: Vec<(String, String)>| {
        let error = load::<Config>(&Sources { overrides, ..Sources::default() }).unwrap_err();
        error.0.iter().map(|problem| problem.key.clone()).collect::<Vec<_>>()
    };
    assert_eq!(wrong(vec![set("store.kind", "mongodb")]), ["store.mongodb.uri"]);
    assert_eq!(wrong(vec![set("feed.kind", "nats")]), ["feed.kind"]);
    let shared = [
        set("store.kind", "mongodb"),
        set("store.mongodb.uri", "mongodb://u:hunter2@db/"),
        set("feed.kind", "nats"),
    ];
    let with = |more: &[(&str, &str)]| {
        shared.iter().cloned().chain(more.iter().map(|(key, value)| set(key, value))).collect::<Vec<_>>()
    };
    assert_eq!(
        wrong(with(&[
            ("feed.nats.urls", "[\"nats://user:pw@host\"]"),
            ("feed.nats.prefix", "a.b"),
            ("feed.nats.user", "me")
        ])),
        ["feed.nats.urls", "feed.nats.user", "feed.nats.prefix"]
    );
    assert_eq!(wrong(with(&[("feed.nats.token", "t"), ("feed.nats.nkey", "n")])), ["feed.nats.user"]);
    assert_eq!(
        wrong(with(&[("feed.nats.partitions", "0"), ("feed.look_every", "0s")])),
        ["feed.look_every", "feed.nats.partitions"]
    );
    let good: Config = load(&Sources { overrides: with(&[]), ..Sources::default() }).unwrap();
    assert!(!render(&good).unwrap().contains("hunter2"));
    assert!(!format!("{good:?}").contains("hunter2"));
}

#[test]
fn what_is_printed_can_be_read_again() {
    let mut config = Config::default();
    config.listen.origin = Some("https://node.example".parse().unwrap());
    config.listen.admin = Some("127.0.0.1:9090".parse().unwrap());
    config.listen.transistor = Some("https://drops.example/transistor".parse().unwrap());
    config.http.trusted_proxies = vec!["127.0.0.1".parse().unwrap(), "fd00::/8".parse().unwrap()];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kith.toml");
    fs::write(&file, render(&config).unwrap()).unwrap();
    assert_eq!(load::<Config>(&Sources { file: Some(file), ..Sources::default() }).unwrap(), config);
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let overrides = vec![
        set("listen.admin", "127.0.0.1:8080"),
        set("centrifugo.namespace", "two words"),
        set("centrifugo.lifetime", "1d"),
        set("centrifugo.audience", "a\"b"),
        set("follow.heartbeat", "20s"),
        set("proofs.keys", "/some/folder"),
        set("proofs.pin", "ABCD"),
        set("rates.leaf_updates.burst", "0"),
        set("groups.mailbox", "0"),
        set("listen.origin", "node.example"),
        set("listen.transistor", "https://drops.example/"),
        set("http.trusted_proxies", "[10.0.0.1/8]"),
        set("http.write_stall", "0s"),
        set("no.such", "thing"),
    ];
    let error = load::<Config>(&Sources { overrides, ..Sources::default() }).unwrap_err();
    let mut wrong: Vec<_> = error.0.iter().map(|problem| problem.key.as_str()).collect();
    wrong.sort_unstable();
    assert_eq!(
        wrong,
        [
            "centrifugo.audience",
            "centrifugo.lifetime",
            "centrifugo.namespace",
            "follow.heartbeat",
            "groups.mailbox",
            "http.trusted_proxies",
            "http.write_stall",
            "listen.admin",
            "listen.origin",
            "listen.transistor",
            "no.such",
            "proofs.pin",
            "rates.leaf_updates.burst"
        ]
    );
    let mut problems = service_kit::config::Problems::default();
    Config::default().check(&mut problems);
    assert!(format!("{problems:?}").contains("[]"));
}
