//! Two marks say nothing about whether they are by one admin: what a frame is made of does not depend on who it is by.

use protocol::{Frame, body::Body};

use crate::{Admins, by_admin, offer, scene, support::Group};

/// A mark of the same slot by one of the admins, as it goes over the wire.
fn mark(group: &Group, admins: &Admins, who: usize) -> Frame {
    drawn(group, admins, who, 1)
}

/// As [`mark`], with frame id and signature drawn from another seed.
fn drawn(group: &Group, admins: &Admins, who: usize, seed: u8) -> Frame {
    let mut drawing = group.clone();
    drawing.rng = rand_core::SeedableRng::from_seed([seed; 32]);
    let draft = by_admin(group, &drawing.mark(&[3]));
    let frame = admins.proven(who, &draft);
    assert_eq!(offer(group, &frame), Ok(()));
    frame
}

#[test]
fn head_and_signature_do_not_depend_on_the_admin() {
    // Drawn alike, the frames of both admins differ in nothing but the bytes of the proof.
    let (group, admins) = scene(31);
    let (one, two) = (mark(&group, &admins, 0), mark(&group, &admins, 1));
    assert_eq!(one.head_bytes(), two.head_bytes());
    assert_eq!(one.hash(), two.hash());
    assert_eq!(one.auth.sign, two.auth.sign);
    assert_ne!(one.auth.admin_proof, two.auth.admin_proof);
    let (one, two) = (one.encode().unwrap(), two.encode().unwrap());
    assert_eq!(one.len(), two.len());
    let differ: Vec<usize> = (0..one.len()).filter(|at| one[*at] != two[*at]).collect();
    let proof = one.len() - 128;
    assert!(differ.iter().all(|at| *at >= proof), "outside of the proof: {differ:?}");
}

#[test]
fn drawn_anew_the_frames_of_one_admin_share_what_those_of_two_do() {
    let (group, admins) = scene(32);
    let first = mark(&group, &admins, 0);
    let (same, other) = (drawn(&group, &admins, 0, 2), drawn(&group, &admins, 1, 3));
    for second in [&same, &other] {
        let (Body::MarkRemoved(a), Body::MarkRemoved(b)) = (&first.head().body, &second.head().body) else {
            panic!("marks")
        };
        assert_eq!(a, b);
        assert_eq!(first.head_bytes().len(), second.head_bytes().len());
        assert_eq!(first.encode().unwrap().len(), second.encode().unwrap().len());
        // Frame id, signature and proof are drawn anew, whoever it is.
        assert_ne!(first.head().frame_id, second.head().frame_id);
        assert_ne!(first.auth.sign, second.auth.sign);
        assert_ne!(first.auth.admin_proof, second.auth.admin_proof);
    }
}
