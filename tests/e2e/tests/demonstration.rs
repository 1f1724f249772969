//! The demonstration that the README begins with.

use anyhow::Result;
use e2e::Kith;

#[test]
fn it_plays_to_its_end_and_its_homes_go_on_working() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let somebody = Kith::at(folder.path().join("home"));
    let kept = folder.path().join("kept");
    let played = somebody.ok(&["demo", "--keep", &kept.to_string_lossy()])?;
    for words in ["what Cleo sees", "was found", "Saturday at nine", "removed: Dan"] {
        assert!(played.contains(words), "{words}: {played}");
    }
    assert!(!somebody.home().exists(), "it made a home where it was not asked to");
    // A server's folder and five homes.
    assert_eq!(std::fs::read_dir(&kept)?.count(), 6);
    let ann = Kith::at(kept.join("ann"));
    assert!(ann.ok(&["read", "--offline"])?.contains("Saturday at nine"));
    Ok(())
}
