//! How entries and answers are printed.

use std::{
    io::Write,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kith_client_sdk::{AttachmentState, Entry, Person, What};
use serde_json::{Value, json};

/// Prints one line on standard output. A reader that has gone away ends the program quietly.
pub(crate) fn line(text: impl core::fmt::Display) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        done => done.context("standard output cannot be written"),
    }
}

/// Prints a value as JSON or a text.
pub(crate) fn answer(json: bool, value: &Value, text: impl FnOnce() -> String) -> Result<()> {
    if json { line(value) } else { line(text()) }
}

/// Prints an entry, saving its file where asked to.
pub(crate) fn entry(entry: &Entry, json: bool, save: Option<&Path>) -> Result<()> {
    let saved = match (&entry.what, save) {
        (What::File { name, content, .. }, Some(folder)) => Some(save_file(folder, name, content)?),
        _ => None,
    };
    if json {
        return line(as_json(entry, saved.as_deref()));
    }
    let who = entry.sender.as_ref().map_or_else(|| "somebody".to_owned(), name);
    let text = match &entry.what {
        What::Text { text } => format!("{who}: {}", shown_text(text)),
        What::File { name, content, .. } => match &saved {
            Some(path) => {
                format!("{who} sent a file: {} ({} bytes), saved as {path}", shown(name), content.len())
            }
            None => format!("{who} sent a file: {} ({} bytes)", shown(name), content.len()),
        },
        What::Attachment { name, size, state, .. } => {
            let file = format!("{who} sent a file: {} ({size} bytes)", shown(name));
            match state {
                AttachmentState::Waiting => format!("{file}, get it with: kith fetch {}", entry.seq),
                AttachmentState::Fetched => format!("{file}, fetched"),
                AttachmentState::Gone => format!("{file}, not there any more"),
                AttachmentState::Sent | _ => file,
            }
        }
        What::Application { content_type, body } => {
            format!("{who} sent {} ({} bytes)", shown(content_type), body.len())
        }
        What::Created => format!("* {who} founded the group"),
        What::Invited { people } => format!("* {who} invited {}", names(people)),
        What::TicketIssued => format!("* {who} opened an invitation"),
        What::TicketRevoked => format!("* {who} closed an invitation"),
        What::Joined => format!("* {who} joined"),
        What::KeyUpdated => format!("* {who} has a fresh key"),
        What::Rejoined => format!("* {who} came back"),
        What::Left => format!("* {who} left"),
        What::Removed { people } => format!("* removed: {}", names(people)),
        What::Healed => format!("* {who} completed a removal"),
        What::PolicyChanged => "* the group's rules changed".to_owned(),
        What::AdminsChanged => "* the group's admins changed".to_owned(),
        What::OwnerChanged => "* the group has another owner".to_owned(),
        What::Closed => "* the group was closed".to_owned(),
        What::RemovedSelf => "* you were removed from the group".to_owned(),
        What::Unreadable { reason } => format!("* a message that cannot be read [{reason}]"),
        What::HistoryGap => "* part of the history is missing".to_owned(),
        What::LeafTakenOver => "* WARNING: somebody else changed your place in the group".to_owned(),
        _ => "* something this version does not know".to_owned(),
    };
    line(format_args!("{} {text}", time(entry.received_at_ms)))
}

/// An entry as one JSON object.
pub(crate) fn as_json(entry: &Entry, saved: Option<&str>) -> Value {
    let mut value = json!({
        "seq": entry.seq,
        "epoch": entry.epoch,
        "sender": entry.sender.as_ref().and_then(|p| p.name.clone()),
        "sender_id": entry.sender.as_ref().and_then(|p| p.identity.clone()),
        "time": time(entry.received_at_ms),
    });
    let what = serde_json::to_value(&entry.what).unwrap_or_default();
    let (Some(fields), Value::Object(what)) = (value.as_object_mut(), what) else { return value };
    fields.extend(what);
    if let What::File { name, media_type, content } = &entry.what {
        for moved in ["name", "media_type", "content"] {
            fields.remove(moved);
        }
        let mut file = json!({
            "name": name,
            "media_type": media_type,
            "size": content.len(),
            "content": STANDARD.encode(content),
        });
        if let (Some(saved), Some(file)) = (saved, file.as_object_mut()) {
            file.insert("path".to_owned(), Value::from(saved));
            file.remove("content");
        }
        fields.insert("file".to_owned(), file);
    }
    if let What::Attachment { .. } = &entry.what {
        let moved = ["name", "media_type", "size", "sha256", "state"];
        let parts =
            moved.iter().filter_map(|part| fields.remove_entry(*part)).collect::<serde_json::Map<_, _>>();
        fields.insert("attachment".to_owned(), Value::Object(parts));
    }
    value
}

/// How a person is called.
pub(crate) fn name(person: &Person) -> String {
    match (&person.name, &person.identity) {
        (Some(name), _) => shown(name),
        (None, Some(identity)) => identity.chars().take(8).collect(),
        (None, None) => format!("somebody (leaf {})", person.leaf_id),
    }
}

fn names(people: &[Person]) -> String {
    people.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// What others wrote must not steer the terminal, nor turn around or begin a line.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || turns_around(c) { '\u{fffd}' } else { c }).collect()
}

/// A text of several lines: those after the first are indented, so that none looks like an entry of its own.
fn shown_text(text: &str) -> String {
    let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let parts = |line: &str| line.split('\t').map(shown).collect::<Vec<_>>().join("\t");
    lines.map(parts).collect::<Vec<_>>().join("\n    ")
}

/// Line and paragraph separators, and characters that change the direction of what follows.
const fn turns_around(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A node's time as text.
pub(crate) fn time(ms: u64) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(ms.min(253_402_300_799_000)))
        .to_string()
}

/// Saves a received file under its safe name, or with a number where that is taken by other content.
fn save_file(folder: &Path, name: &str, content: &[u8]) -> Result<String> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for n in 0..10_000_u32 {
        let path = folder.join(if n == 0 { name.to_owned() } else { format!("{n}-{name}") });
        match std::fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(content).with_context(|| format!("{} cannot be written", path.display()))?;
                return Ok(path.display().to_string());
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                if std::fs::read(&path).is_ok_and(|there| there == content) {
                    return Ok(path.display().to_string());
                }
            }
            Err(error) => return Err(error).with_context(|| format!("{} cannot be written", path.display())),
        }
    }
    anyhow::bail!("too many files called {name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use kith_client_sdk::Position;

    #[test]
    fn json_has_the_promised_fields() {
        let entry = Entry {
            position: Position(0),
            seq: 7,
            epoch: 2,
            received_at_ms: 1_000,
            sender: Some(Person { identity: Some("ab".into()), name: Some("Ann".into()), leaf_id: 0 }),
            what: What::Text { text: "hello".into() },
        };
        let value = as_json(&entry, None);
        assert_eq!(value["seq"], 7);
        assert_eq!(value["kind"], "text");
        assert_eq!(value["text"], "hello");
        assert_eq!(value["sender"], "Ann");
        assert_eq!(value["time"], "1970-01-01T00:00:01.000Z");
        let file = Entry {
            what: What::File { name: "a".into(), media_type: "b".into(), content: vec![1] },
            ..entry
        };
        assert_eq!(as_json(&file, None)["file"]["size"], 1);
        assert_eq!(as_json(&file, None)["kind"], "file");
        let what = What::Attachment {
            name: "film.mkv".into(),
            media_type: "video/x-matroska".into(),
            size: 5_000_000,
            sha256: "d1".repeat(32),
            state: AttachmentState::Waiting,
        };
        let value = as_json(&Entry { what, ..file }, None);
        assert_eq!(value["kind"], "attachment");
        assert_eq!(value["attachment"]["size"], 5_000_000);
        assert_eq!(value["attachment"]["state"], "waiting");
        assert!(value.get("name").is_none());
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(shown("a\x1b[2Jb"), "a\u{fffd}[2Jb");
    }

    #[test]
    fn a_text_of_several_lines_looks_like_no_other_entry() {
        let forged = "hi\r\n2026-01-01T00:00:00.000Z Ann:\tI agree";
        assert_eq!(shown_text(forged), "hi\n    2026-01-01T00:00:00.000Z Ann:\tI agree");
        assert_eq!(shown("a\nb"), "a\u{fffd}b", "a name is one line");
        assert_eq!(shown("a\u{202e}b"), "a\u{fffd}b");
    }
}
