//! The decoder of trees against the corpus of the fuzzer, and against damaged bytes.

use crate::support::World;

#[path = "../../../../tests/fuzz/src/ratchet_tree.rs"]
#[allow(unreachable_pub, reason = "public in the crate it belongs to")]
mod targets;

#[path = "../../../../tests/fuzz/src/replay.rs"]
#[allow(unreachable_pub, reason = "shared with other tests")]
mod replay;

#[test]
fn the_corpus_holds_its_seeds() {
    let worlds = [
        ("alone", World::new()),
        ("two", World::of(2)),
        ("five", World::of(5)),
        ("motley", crate::hash::motley()),
    ];
    for (name, world) in worlds {
        replay::check_seed("tree", name, &world.tree.to_bytes());
    }
}

#[test]
fn replay() {
    replay::replay("tree", targets::tree, 400);
}
