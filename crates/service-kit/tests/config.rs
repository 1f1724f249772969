//! Settings: which layer wins, and all problems at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

use serde::{Deserialize, Serialize};
use service_kit::{
    config::{ByteSize, ConfigError, Period, Problems, SecretSource, Settings, Sources, load, render},
    http::HttpSettings,
    logging::LogSettings,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Sample {
    listen: std::net::SocketAddr,
    name: String,
    password: Option<SecretSource>,
    origins: Vec<String>,
    mode: Mode,
    limits: Limits,
    http: HttpSettings,
    log: LogSettings,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Alone,
    Many,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limits {
    wait: Period,
    body: ByteSize,
    workers: u16,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".parse().unwrap(),
            name: "default".to_owned(),
            password: None,
            origins: Vec::new(),
            mode: Mode::Alone,
            limits: Limits::default(),
            http: HttpSettings::default(),
            log: LogSettings::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { wait: Period::from_secs(15), body: ByteSize::from_kib(64), workers: 2 }
    }
}

impl Settings for Sample {
    fn check(&self, problems: &mut Problems) {
        problems.require(self.limits.workers > 0, "limits.workers", "must be more than 0");
        problems.require(!self.name.is_empty(), "name", "must not be empty");
        self.http.check("http", problems);
        self.log.check("log", problems);
    }
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The layers, the file being kept until the test has read it.
fn sources(
    file: &str,
    environment: &[(&str, &str)],
    overrides: &[(&str, &str)],
) -> (Sources, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kith.toml");
    std::fs::write(&path, file).unwrap();
    (Sources { file: Some(path), environment: pairs(environment), overrides: pairs(overrides) }, dir)
}

fn messages(error: &ConfigError) -> Vec<String> {
    error.0.iter().map(ToString::to_string).collect()
}

#[test]
fn each_layer_wins_over_the_one_before() {
    let (sources, _dir) = sources(
        "name = \"file\"\n[limits]\nwait = \"1s\"\nbody = \"1MiB\"\nworkers = 3\n",
        &[("KITH__LIMITS__BODY", "2MiB"), ("KITH__LIMITS__WORKERS", "4"), ("PATH", "/bin"), ("KITHARA", "x")],
        &[("limits.workers", "5")],
    );
    let sample: Sample = load(&sources).unwrap();
    assert_eq!(sample.mode, Mode::Alone);
    assert_eq!(sample.name, "file");
    assert_eq!(sample.limits, Limits { wait: Period::from_secs(1), body: ByteSize::from_mib(2), workers: 5 });
}

#[test]
fn text_from_the_environment_takes_the_type_of_its_setting() {
    let environment = [
        ("KITH__NAME", "12345"),
        ("KITH__MODE", "many"),
        ("KITH__LISTEN", "[::]:9000"),
        ("KITH__ORIGINS", "[https://a.example, https://b.example]"),
        ("KITH__PASSWORD__FILE", "/run/secrets/password"),
    ];
    let sample: Sample = load(&Sources { environment: pairs(&environment), ..Sources::default() }).unwrap();
    assert_eq!(sample.name, "12345");
    assert_eq!(sample.mode, Mode::Many);
    assert_eq!(sample.listen.port(), 9000);
    assert_eq!(sample.origins, ["https://a.example", "https://b.example"]);
    assert_eq!(sample.password, Some(SecretSource::File { file: "/run/secrets/password".into() }));
}

#[test]
fn all_problems_are_reported_at_once_and_no_value_is_repeated() {
    let (sources, _dir) = sources(
        "nam = \"hunter2-a\"\nmode = \"hunter2-b\"\n[limits]\nwait = \"hunter2-c\"\nworkers = 0\n[http]\nmax_streams = 0\n",
        &[
            ("KITH__LISTEN", "hunter2-d"),
            ("KITH__PASSWORT", "hunter2-e"),
            ("KITH__LIMITS__BODY", "64"),
            ("KITH____", "x"),
        ],
        &[("log.filter", "hunter2=="), ("limits.body.size", "1"), ("origins", "hunter2-f")],
    );
    let error = load::<Sample>(&sources).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    insta::assert_snapshot!(messages(&error).join("\n"));
}

/// Settings that cannot do without one.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Needy {
    port: Option<u16>,
}

impl Settings for Needy {
    fn check(&self, problems: &mut Problems) {
        problems.require(self.port.is_some(), "port", "must be set");
    }
}

#[test]
fn a_setting_that_cannot_be_read_is_not_reported_twice() {
    let wrong = Sources { environment: pairs(&[("KITH__PORT", "many")]), ..Sources::default() };
    let error = load::<Needy>(&wrong).unwrap_err();
    assert_eq!(messages(&error), ["port (KITH__PORT): found a text, expected u16"]);
    assert_eq!(messages(&load::<Needy>(&Sources::default()).unwrap_err()), ["port: must be set"]);
}

#[test]
fn a_file_that_is_named_has_to_be_there_and_has_to_be_toml() {
    let missing = Sources { file: Some("/nowhere/kith.toml".into()), ..Sources::default() };
    assert_eq!(
        messages(&load::<Sample>(&missing).unwrap_err()),
        ["settings (file): the file cannot be read: entity not found"]
    );
    let (broken, _dir) = sources("name = \"x\"\npassword = \"hunter2\n", &[], &[]);
    assert_eq!(messages(&load::<Sample>(&broken).unwrap_err()), ["settings (file): not TOML, at line 2"]);
}

#[test]
fn effective_settings_are_shown_without_secrets_and_can_be_read_again() {
    let (sources, _dir) = sources("password = \"hunter2\"\n", &[("KITH__LIMITS__WAIT", "90s")], &[]);
    let sample: Sample = load(&sources).unwrap();
    let shown = render(&sample).unwrap();
    assert!(!shown.contains("hunter2"));
    insta::assert_snapshot!(shown);
    let (again, _dir) = self::sources(&shown, &[], &[]);
    assert_eq!(load::<Sample>(&again).unwrap().limits, sample.limits);
}
