//! The book holds together: links lead somewhere, every page can be found, and what pages name exists.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
    process::Command,
};

/// Pages outside the book whose links are checked as well.
const BESIDE: &[&str] = &["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];

fn root() -> PathBuf {
    normal(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(out.pop(), "{} leads outside", path.display()),
            Component::CurDir => {}
            part @ (Component::Prefix(_) | Component::RootDir | Component::Normal(_)) => out.push(part),
        }
    }
    out
}

fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, ending));
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Pages of the book and beside it.
fn pages() -> Vec<PathBuf> {
    let mut pages = files_below(&root().join("docs/src"), "md");
    pages.extend(BESIDE.iter().map(|name| root().join(name)));
    pages
}

/// The lines of a page that are no code block.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// The line with code spans blanked out.
fn without_spans(line: &str) -> String {
    let odd = |(n, part): (usize, &str)| if n % 2 == 1 { " ".repeat(part.len()) } else { part.to_owned() };
    line.split('`').enumerate().map(odd).collect()
}

/// What stands between backticks outside of code blocks.
fn spans(text: &str) -> Vec<String> {
    prose(text)
        .flat_map(|line| line.split('`').enumerate().filter(|(n, _)| n % 2 == 1))
        .map(|(_, span)| span.to_owned())
        .collect()
}

/// Targets of the links of a page.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(text) {
        let line = without_spans(line);
        let mut rest = line.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let (target, after) = after.split_once(')').expect("an unfinished link");
            links.push(target.trim().to_owned());
            rest = after;
        }
    }
    links
}

/// The anchors mdBook gives a page's headings: lower case, blanks as hyphens, most punctuation gone, and a number
/// behind a heading that was there before.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for line in prose(text).filter(|line| line.starts_with('#')) {
        let heading = line.trim_start_matches('#').trim();
        let anchor: String = heading
            .chars()
            .filter_map(|c| match c {
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
                c if c.is_whitespace() => Some('-'),
                _ => None,
            })
            .collect();
        let before = seen.entry(anchor.clone()).or_default();
        anchors.insert(if *before == 0 { anchor } else { format!("{anchor}-{before}") });
        *before += 1;
    }
    anchors
}

#[test]
fn links_lead_somewhere() {
    let mut dead = Vec::new();
    let mut checked = 0;
    for page in pages() {
        let text = read(&page);
        for link in links(&text) {
            // A chapter without a page of its own has no target in the summary.
            if link.contains("://") || link.starts_with("mailto:") || link.is_empty() {
                continue;
            }
            checked += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target =
                if file.is_empty() { page.clone() } else { normal(&page.parent().unwrap().join(file)) };
            let leads = target.exists() && (anchor.is_empty() || anchors(&read(&target)).contains(anchor));
            if !leads {
                dead.push(format!("{}: {link}", page.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(checked > 50, "only {checked} links were found");
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

#[test]
fn every_page_is_in_the_summary_once() {
    let folder = root().join("docs/src");
    let summary = folder.join("SUMMARY.md");
    let mut listed = Vec::new();
    for link in links(&read(&summary)).into_iter().filter(|link| !link.is_empty()) {
        listed.push(normal(&folder.join(link)));
    }
    let mut pages = files_below(&folder, "md");
    pages.retain(|page| *page != summary);
    listed.sort();
    let set = |paths: &[PathBuf]| paths.iter().cloned().collect::<BTreeSet<_>>();
    let differing: Vec<_> = set(&listed).symmetric_difference(&set(&pages)).cloned().collect();
    assert!(differing.is_empty(), "in the summary or in the folder, but not in both: {differing:?}");
    assert_eq!(listed.len(), pages.len(), "the summary lists a page twice");
}

#[test]
fn every_page_has_one_title() {
    let folder = root().join("docs/src");
    // The summary's other titles are those of its parts.
    for page in files_below(&folder, "md").into_iter().filter(|page| *page != folder.join("SUMMARY.md")) {
        let text = read(&page);
        let titles = prose(&text).filter(|line| line.starts_with("# ")).count();
        assert_eq!(titles, 1, "{}", page.display());
        assert!(text.starts_with("# "), "{} does not begin with its title", page.display());
    }
}

/// A page may name places of a usual system, but none of the machine it was written on.
#[test]
fn no_page_names_a_folder_of_somebodys_machine() {
    const FOLDERS: &[&str] = &["/home/", "/root/", "/Users/", "/tmp/", "/work/", "/workspace/", "C:\\"];
    for page in pages() {
        let text = read(&page);
        for folder in FOLDERS {
            assert!(!text.contains(folder), "{} names {folder}", page.display());
        }
    }
}

/// Files that pages name by their path from the top of the repository.
#[test]
fn named_files_exist() {
    const TOPS: &[&str] =
        &["bench/", "cli/", "client-sdk/", "crates/", "docs/", "node/", "scripts/", "tests/"];
    let mut named = 0;
    let mut missing = Vec::new();
    for page in pages() {
        for span in spans(&read(&page)) {
            let path = span.trim_end_matches('/');
            let is_path = TOPS.iter().any(|top| path.starts_with(top))
                && path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            if is_path {
                named += 1;
                if !root().join(path).exists() {
                    missing.push(format!("{}: {path}", page.strip_prefix(root()).unwrap().display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "files that do not exist:\n{}", missing.join("\n"));
    assert!(named > 30, "only {named} files were found");
}

/// A frame is refused for reasons that the protocol's pages tell.
#[test]
fn the_protocol_tells_every_refusal() {
    let code = read(&root().join("crates/protocol/src/refusal.rs"));
    let folder = root().join("docs/src/protocol");
    let told: BTreeSet<String> =
        ["frames.md", "operations.md"].iter().flat_map(|page| spans(&read(&folder.join(page)))).collect();
    let refusals: Vec<&str> =
        code.lines().filter_map(|line| line.split_once(" => \"")?.1.split('"').next()).collect();
    assert!(refusals.len() > 30, "the refusals were not found");
    for refusal in refusals {
        assert!(told.contains(refusal), "no page of the protocol has {refusal}");
    }
}

/// The tests that the argument for soundness points at are there.
#[test]
fn the_soundness_page_names_tests_that_exist() {
    let code: String = files_below(&root().join("crates"), "rs").iter().map(|file| read(file)).collect();
    let is_name = |span: &String| {
        span.matches('_').count() >= 3
            && span.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    };
    let page = read(&root().join("docs/src/protocol/soundness.md"));
    let named: BTreeSet<String> = spans(&page).into_iter().filter(is_name).collect();
    assert!(named.len() > 15, "the tests were not found");
    for name in named {
        assert!(code.contains(&format!("fn {name}()")), "soundness.md names {name}");
    }
}

/// Every future of the client says what happens when it is dropped.
#[test]
fn the_library_page_has_every_future() {
    let page: BTreeSet<String> = spans(&read(&root().join("docs/src/sdk.md"))).into_iter().collect();
    let mut futures = BTreeSet::new();
    for file in files_below(&root().join("client-sdk/src"), "rs") {
        let text = read(&file);
        for line in text.lines().filter_map(|line| line.trim_start().strip_prefix("pub async fn ")) {
            let name: String = line.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            futures.insert(name);
        }
    }
    assert!(futures.len() > 30, "the futures were not found");
    for future in futures {
        assert!(page.contains(&future), "sdk.md does not say what dropping {future} does");
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages.iter().map(|p| p["name"].as_str().unwrap()).collect();
    let mut used: BTreeSet<String> = packages
        .iter()
        .flat_map(|package| package["dependencies"].as_array().unwrap())
        .map(|dependency| dependency["name"].as_str().unwrap())
        .filter(|name| !ours.contains(name))
        .map(ToOwned::to_owned)
        .collect();
    // The fuzzer's workspace is one of its own.
    let fuzzer = read(&root().join("tests/fuzz/Cargo.toml"));
    let dependencies = fuzzer.split_once("[dependencies]\n").unwrap().1;
    let lines = dependencies.lines().take_while(|line| !line.starts_with('[') && !line.is_empty());
    let names = lines.filter_map(|line| line.split_once([' ', '.', '=']).map(|(name, _)| name));
    used.extend(names.filter(|name| !ours.contains(name)).map(ToOwned::to_owned));

    let page = read(&root().join("docs/src/dependencies.md"));
    let mut named = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cell = row.split('|').nth(1).unwrap();
        named.extend(spans(cell));
    }
    assert_eq!(named, used, "left: the page, right: what is used");
}
