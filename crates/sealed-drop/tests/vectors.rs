//! Golden values: what every program that opens drops has to derive, and bytes that it has to open. The page behind
//! links is held to the same files. `UPDATE_VECTORS=1` in the environment writes them anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::{fs, path::PathBuf};

use sealed_drop::{ContentKey, DropLink, DropSecret, Info, Opener, Password, SealedInfo, Sealer};
use serde_json::{Value, json};

struct Case {
    name: &'static str,
    secret: [u8; 32],
    password: Option<&'static str>,
    file: &'static str,
    media_type: &'static str,
    content: Vec<u8>,
    copy: bool,
}

fn counted(from: u8) -> [u8; 32] {
    core::array::from_fn(|at| from + u8::try_from(at).unwrap())
}

fn cases() -> Vec<Case> {
    let pattern = (0..65_600usize).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect();
    let text = "text/plain;charset=utf-8";
    let case = |name, from, password, file, media_type, content, copy| Case {
        name,
        secret: counted(from),
        password,
        file,
        media_type,
        content,
        copy,
    };
    vec![
        case("text", 0, None, "", text, "correct horse battery staple ✓".into(), false),
        case("empty", 32, None, "empty.bin", "", Vec::new(), false),
        case("locked", 64, Some("pässwörd 1"), "plan.txt", text, "behind a password".into(), false),
        case("two-chunks", 96, None, "photo.jpg", "image/jpeg", pattern, false),
        case("copy", 128, None, "minutes.txt", text, "one of three".into(), true),
    ]
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

fn check(name: &str, bytes: &[u8]) {
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        fs::write(path(name), bytes).unwrap();
    }
    assert!(fs::read(path(name)).ok().as_deref() == Some(bytes), "{name} is not what it was");
}

fn vector(case: &Case) -> (Value, Vec<u8>) {
    let whole = DropSecret::from_bytes(&case.secret);
    let secret = if case.copy { whole.copy(b"reader 1") } else { whole.clone() };
    let password = case.password.map(|text| Password::new(text.to_owned()));
    let keys = secret.keys(password.as_ref());
    let content_key = if case.copy { whole.keys(None).content } else { keys.content.clone() };
    let mut info = Info::new(case.file, case.media_type, case.content.len() as u64).unwrap();
    if case.copy {
        info = info.for_copy(content_key.clone());
    }
    let mut sealed = Vec::new();
    let mut sealer = Sealer::new(&content_key, case.content.len() as u64).unwrap();
    sealer.push(&case.content, &mut sealed).unwrap();
    sealer.finish(&mut sealed).unwrap();
    let link =
        DropLink::new("https://kith.example/transistor", secret.clone(), case.password.is_some()).unwrap();
    let content = if case.content.len() > 1000 { Value::Null } else { json!(hex::encode(&case.content)) };
    let value = json!({
        "name": case.name,
        "link": *link.to_text(),
        "secret": hex::encode(*secret.to_bytes()),
        "password": case.password,
        "id": secret.id().to_string(),
        "access": *secret.access().to_text(),
        "access_hash": secret.access().hash().to_text(),
        "unlock": keys.unlock.as_ref().map(|token| token.to_text().to_string()),
        "unlock_hash": keys.unlock.as_ref().map(|token| token.hash().to_text()),
        "info": info.seal(&keys.info).to_text(),
        "file": case.file,
        "media_type": case.media_type,
        "length": case.content.len(),
        "content_key": hex::encode(*content_key.to_bytes()),
        "content": content,
        "sealed": format!("{}.sealed", case.name),
    });
    (value, sealed)
}

#[test]
fn golden() {
    let mut all = Vec::new();
    for case in cases() {
        let (value, sealed) = vector(&case);
        check(&format!("{}.sealed", case.name), &sealed);
        all.push(value);
    }
    let text = serde_json::to_string_pretty(&json!({ "drops": all })).unwrap() + "\n";
    check("drops.json", text.as_bytes());
}

#[test]
fn the_files_open() {
    let all: Value = serde_json::from_slice(&fs::read(path("drops.json")).unwrap()).unwrap();
    let drops = all["drops"].as_array().unwrap();
    assert_eq!(drops.len(), cases().len());
    for (drop, case) in drops.iter().zip(cases()) {
        let link = DropLink::parse(drop["link"].as_str().unwrap()).unwrap();
        assert_eq!(link.is_locked(), case.password.is_some());
        let keys = link.secret().keys(case.password.map(|text| Password::new(text.to_owned())).as_ref());
        let info = SealedInfo::parse(drop["info"].as_str().unwrap()).unwrap();
        let info = Info::open(&info, &keys.info).unwrap();
        assert_eq!(info.name(), case.file);
        assert_eq!(info.media_type(), case.media_type);
        let key: &ContentKey = info.content_key().unwrap_or(&keys.content);
        let mut opener = Opener::expecting(key, info.content_len());
        let mut content = Vec::new();
        opener.push(&fs::read(path(drop["sealed"].as_str().unwrap())).unwrap(), &mut content).unwrap();
        opener.finish(&mut content).unwrap();
        assert!(content == case.content, "{}", case.name);
    }
}

#[test]
fn copies_know_nothing_of_each_other() {
    let whole = DropSecret::from_bytes(&counted(1));
    let (one, two) = (whole.copy(b"1"), whole.copy(b"2"));
    assert!(one == whole.copy(b"1"));
    assert!(one != two && one != whole);
    assert_ne!(one.id(), whole.id());
    assert!(one.keys(None).content != whole.keys(None).content);
}

#[test]
fn another_password_gives_other_keys_and_the_same_id() {
    let secret = DropSecret::from_bytes(&counted(1));
    let right = secret.keys(Some(&Password::new("right".to_owned())));
    let wrong = secret.keys(Some(&Password::new("right ".to_owned())));
    assert!(right.unlock != wrong.unlock && right.content != wrong.content);
    let sealed = Info::new("a", "", 1).unwrap().seal(&right.info);
    assert!(Info::open(&sealed, &right.info).is_ok());
    assert!(Info::open(&sealed, &wrong.info).is_err());
}

#[test]
fn drawn_secrets_and_tokens_differ() {
    use chacha20::rand_core::SeedableRng;
    let mut rng = chacha20::ChaCha20Rng::from_seed([3; 32]);
    assert!(DropSecret::generate(&mut rng) != DropSecret::generate(&mut rng));
    assert!(sealed_drop::Token::generate(&mut rng) != sealed_drop::Token::generate(&mut rng));
}
