//! Becoming an admin, acting as one, and ceasing to be one.

use e2ee::admins::Admins;
use protocol::AdminRoot;

use super::{super::AdminChange, *};

/// What the owner has to tell its admins, sent.
fn tell(owner: &mut Person, log: &mut Log) {
    owner.sync(log);
    let content = owner.with_env(|s, env| s.as_ref().unwrap().due_admins(env.rng)).expect("a list is due");
    let bytes = owner.with_env(|s, env| s.as_mut().unwrap().seal_message(&content, env)).unwrap();
    owner.restart();
    log.append(&bytes).unwrap();
    owner.sync(log);
}

async fn change(owner: &mut Person, log: &mut Log, change: AdminChange) {
    owner.act(log, Intent::SetAdmins(change)).await.unwrap();
    let granted = !owner.session().admins.granted.is_empty();
    assert_eq!(owner.session().admins.due, granted);
    if granted {
        tell(owner, log);
        assert!(!owner.session().admins.due, "told");
    }
}

fn leaf(person: &mut Person) -> protocol::LeafId {
    person.session().own.leaf_id
}

fn due(person: &mut Person) -> bool {
    person.with_env(|s, env| s.as_ref().unwrap().due_admins(env.rng)).is_some()
}

fn draft_error(person: &mut Person, intent: &Intent) -> Option<SessionError> {
    person.with_env(|s, env| s.as_ref().unwrap().draft(intent, env, NOW)).err()
}

/// The first of them owns the group; the others came by tickets, and all know each other.
async fn group_of<const N: usize>(names: [&str; N]) -> (Log, [Person; N]) {
    let mut people = names.map(Person::new);
    let (owner, others) = people.split_first_mut().unwrap();
    let mut log = found(owner).await;
    for other in others.iter_mut() {
        join_by_ticket(&mut log, owner, other).await;
    }
    owner.say(&mut log, "hello");
    for other in others {
        other.sync(&log);
    }
    (log, people)
}

#[tokio::test]
async fn admins_are_granted_act_and_are_revoked() {
    let (mut log, [mut ann, mut ben, mut cleo, mut dan]) =
        Box::pin(group_of(["Ann", "Ben", "Cleo", "Dan"])).await;
    let invite = Intent::IssueTicket { ticket: dan.identity.verifying_key(), uses: 1, ttl: 60 };
    assert_eq!(draft_error(&mut ben, &invite), Some(SessionError::AdminOnly));
    let both = vec![leaf(&mut ben), leaf(&mut cleo)];
    assert_eq!(
        draft_error(&mut ben, &Intent::SetAdmins(AdminChange::Grant(both.clone()))),
        Some(SessionError::OwnerOnly)
    );
    change(&mut ann, &mut log, AdminChange::Grant(both)).await;
    for person in [&mut ben, &mut cleo, &mut dan] {
        person.sync(&log);
    }
    assert!(ben.session().is_admin() && cleo.session().is_admin());
    assert!(!dan.session().is_admin() && !ann.session().is_admin());
    assert!(ben.session().admins.granted.is_empty(), "who the others are is the owner's to know");
    let positions = [&mut ben, &mut cleo].map(|p| p.session().admins.own.as_ref().unwrap().position);
    assert_ne!(positions[0], positions[1]);

    // An admin opens a ticket and closes it; its leaf is named.
    ben.act(&mut log, invite).await.unwrap();
    let entry = ben.entries.last().unwrap();
    assert_eq!(entry.what, What::TicketIssued);
    assert!(entry.sender.is_some());
    // Another admin closes what was opened.
    cleo.act(&mut log, Intent::RevokeTicket(dan.identity.verifying_key())).await.unwrap();

    // An admin marks, and nobody is told who; the owner heals.
    let dans = leaf(&mut dan);
    cleo.act(&mut log, Intent::Mark(vec![dans])).await.unwrap();
    for person in [&mut ann, &mut ben, &mut dan] {
        person.sync(&log);
    }
    let entry = ann.entries.last().unwrap();
    assert!(matches!(&entry.what, What::Removed { people } if people[0].name.as_deref() == Some("Dan")));
    assert_eq!(entry.sender, None);
    assert_eq!(dan.entries.last().unwrap().what, What::RemovedSelf);
    ann.act(&mut log, Intent::Heal { fresh: false }).await.unwrap();

    // Revoked, Cleo is none from the operation on; Ben is again once the new list is there.
    let cleos = leaf(&mut cleo);
    ann.act(&mut log, Intent::SetAdmins(AdminChange::Revoke(vec![cleos]))).await.unwrap();
    ben.sync(&log);
    cleo.sync(&log);
    assert!(!ben.session().is_admin() && !cleo.session().is_admin());
    tell(&mut ann, &mut log);
    ben.sync(&log);
    cleo.sync(&log);
    assert!(ben.session().is_admin() && !cleo.session().is_admin());
    let bens = leaf(&mut ben);
    assert_eq!(draft_error(&mut cleo, &Intent::Mark(vec![bens])), Some(SessionError::AdminOnly));
    assert_eq!(
        draft_error(&mut ann, &Intent::SetAdmins(AdminChange::Revoke(vec![cleos]))),
        Some(SessionError::NotAnAdmin)
    );

    // Rotation changes every secret and nobody's rights.
    let before = ben.session().admins.own.as_ref().unwrap().secret.clone();
    change(&mut ann, &mut log, AdminChange::Rotate).await;
    ben.sync(&log);
    assert!(ben.session().is_admin());
    assert_ne!(ben.session().admins.own.as_ref().unwrap().secret, before);

    // The last one revoked, there is nobody to tell.
    change(&mut ann, &mut log, AdminChange::Revoke(vec![bens])).await;
    ben.sync(&log);
    cleo.sync(&log);
    assert!(!ben.session().is_admin());
    assert_eq!(ben.session().fold.admin_root(), AdminRoot::new([0; 32]));
    assert_agree(&[&ann, &ben, &cleo]);
}

#[tokio::test]
async fn who_removes_an_admin_removes_the_right_with_it() {
    let (mut log, [mut ann, mut ben, mut cleo, mut dan]) =
        Box::pin(group_of(["Ann", "Ben", "Cleo", "Dan"])).await;
    let all = vec![leaf(&mut ben), leaf(&mut cleo), leaf(&mut dan)];
    change(&mut ann, &mut log, AdminChange::Grant(all)).await;
    let root = ann.session().fold.admin_root();

    // The owner removes Dan: the same frame carries the root of those who are left.
    let dans = leaf(&mut dan);
    ann.act(&mut log, Intent::Remove(vec![dans])).await.unwrap();
    assert_ne!(ann.session().fold.admin_root(), root);
    assert_eq!(ann.session().admins.granted.len(), 2);
    ben.sync(&log);
    assert!(!ben.session().is_admin(), "not told yet");
    tell(&mut ann, &mut log);
    ben.sync(&log);
    cleo.sync(&log);
    assert!(ben.session().is_admin() && cleo.session().is_admin());

    // Ben, an admin, removes Cleo, an admin: the root stays, and the owner is shown who is gone.
    let root = ann.session().fold.admin_root();
    let cleos = leaf(&mut cleo);
    ben.act(&mut log, Intent::Remove(vec![cleos])).await.unwrap();
    ann.sync(&log);
    assert_eq!(ann.session().fold.admin_root(), root);
    assert!(!ann.session().is_active(cleos));
    cleo.sync(&log);
    assert!(!cleo.session().is_admin() && cleo.session().admins.own.is_none(), "wiped");
    // Whatever the owner does to the list next drops her.
    change(&mut ann, &mut log, AdminChange::Rotate).await;
    assert_eq!(ann.session().admins.granted.len(), 1);
    ben.sync(&log);
    assert!(ben.session().is_admin());
    assert_agree(&[&ann, &ben]);
}

#[tokio::test]
async fn an_admin_whose_leaf_changed_meanwhile_is_told_again() {
    let (mut log, [mut ann, mut ben]) = group_of(["Ann", "Ben"]).await;
    let bens = leaf(&mut ben);
    ann.act(&mut log, Intent::SetAdmins(AdminChange::Grant(vec![bens]))).await.unwrap();
    let content = ann.with_env(|s, env| s.as_ref().unwrap().due_admins(env.rng)).unwrap();
    let bytes = ann.with_env(|s, env| s.as_mut().unwrap().seal_message(&content, env)).unwrap();
    ann.restart();
    // Between sealing and sending, Ben's leaf gets a fresh key: the box is for one he has no more.
    ben.act(&mut log, Intent::UpdateKey).await.unwrap();
    log.append(&bytes).unwrap();
    ann.sync(&log);
    ben.sync(&log);
    assert!(!ben.session().is_admin());
    assert!(ann.session().admins.due && due(&mut ann));
    tell(&mut ann, &mut log);
    ben.sync(&log);
    assert!(ben.session().is_admin());
    assert!(!due(&mut ann));
}

#[tokio::test]
async fn a_list_is_believed_for_its_root_and_its_opening_alone() {
    let (mut log, [mut ann, mut ben, mut cleo]) = group_of(["Ann", "Ben", "Cleo"]).await;
    let bens = leaf(&mut ben);
    change(&mut ann, &mut log, AdminChange::Grant(vec![bens])).await;
    cleo.sync(&log);
    let root = cleo.session().fold.admin_root();
    let commitment = ann.session().admins.granted[0].secret.commitment();
    let (suite, group) = (cleo.session().fold.suite(), cleo.session().group());
    let cleos = cleo.session().own.secret.public();
    let mut rng = UnwrapErr(getrandom::SysRng);
    let stranger = proofs::AdminSecret::generate(&mut rng);
    let mut forged = |commitment, opening| {
        let grant = e2ee::admins::Grant { commitment, opening, recipient: cleos };
        Content::Admins(Admins::seal(suite, &group, &root, &[grant], &mut rng).unwrap())
    };
    // The right list with an opening that opens nothing; and a list that is not the root's.
    let lies = [
        forged(commitment, stranger.to_bytes()),
        forged(stranger.commitment(), stranger.to_bytes()),
        forged(commitment, zeroize::Zeroizing::new([0xff; 64])),
    ];
    for lie in lies {
        ben.sync(&log);
        let bytes = ben.with_env(|s, env| s.as_mut().unwrap().seal_message(&lie, env)).unwrap();
        ben.restart();
        log.append(&bytes).unwrap();
        ben.sync(&log);
        cleo.sync(&log);
        assert!(!cleo.session().is_admin());
    }
    assert!(ben.session().is_admin(), "what was learnt before stays");
    // An admin who gives its own opening away has made another admin; nobody can keep it from that.
    let own = ben.session().admins.own.as_ref().unwrap().secret.to_bytes();
    let gift = forged(commitment, own);
    let bytes = ben.with_env(|s, env| s.as_mut().unwrap().seal_message(&gift, env)).unwrap();
    log.append(&bytes).unwrap();
    cleo.sync(&log);
    assert!(cleo.session().is_admin());
}

#[tokio::test]
async fn lost_keys_are_lost_rights_until_the_owner_grants_again() {
    let (mut log, [mut ann, mut ben]) = group_of(["Ann", "Ben"]).await;
    let bens = leaf(&mut ben);
    change(&mut ann, &mut log, AdminChange::Grant(vec![bens])).await;
    ben.sync(&log);
    ben.session().standing = Standing::Lost;
    ben.session().own.path = None;
    ben.session().epochs.clear();
    ben.session().admins.own = None;
    ben.restart();
    ben.act(&mut log, Intent::Rejoin).await.unwrap();
    assert!(!ben.session().is_admin());
    change(&mut ann, &mut log, AdminChange::Grant(vec![bens])).await;
    assert_eq!(ann.session().admins.granted.len(), 1, "once");
    ben.sync(&log);
    assert!(ben.session().is_admin());
}

#[tokio::test]
async fn a_removal_by_an_admin_is_believed_by_who_knows_the_admins() {
    let (mut log, [mut ann, mut ben, mut cleo]) = group_of(["Ann", "Ben", "Cleo"]).await;
    let (bens, cleos) = (leaf(&mut ben), leaf(&mut cleo));
    let unaware = cleo.session().to_bytes();
    let fold = cleo.session().fold.to_bytes();
    change(&mut ann, &mut log, AdminChange::Grant(vec![bens])).await;
    cleo.sync(&log);
    // Cleo is away while something happens and an admin marks her: she is shown that frame and none before it.
    ann.act(&mut log, Intent::UpdateKey).await.unwrap();
    ben.act(&mut log, Intent::Mark(vec![cleos])).await.unwrap();
    let Served::Frame(frame) = &log.frames.last().unwrap().content else { panic!("the log is whole") };
    let keys = VerifyingKeys::development();
    assert!(cleo.session().is_removed_by(frame, keys));
    assert!(!ann.session().is_removed_by(frame, keys), "it is not about her");
    let mut forged = frame.clone();
    forged.auth.admin_proof = log.frames[0].frame().map(|init| init.proofs[0]);
    assert!(!cleo.session().is_removed_by(&forged, keys));
    forged.auth.admin_proof = None;
    assert!(!cleo.session().is_removed_by(&forged, keys), "the shared key alone says nothing");
    // Who has missed that there are admins cannot tell.
    let before = Session::from_bytes(&fold, &unaware).unwrap();
    assert!(!before.is_removed_by(frame, keys));
}
