//! What the file shows, and what happens when it is not what was written.

use proptest::prelude::*;

use super::*;

const CANARY: &[u8] = b"the canary sings at midnight";

fn files(home: &Home) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = home.path.parent().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().chain(fs::read_dir(folder.join("locks")).unwrap()) {
        let path = entry.unwrap().path();
        if path.is_file() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let mut bytes = fs::read(&path).unwrap();
            bytes.extend_from_slice(name.as_bytes());
            found.push((path, bytes));
        }
    }
    found
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn nothing_is_in_the_clear() {
    let home = Home::new();
    let group = GroupId::new(*b"0123456789abcdef-canary-group-id");
    let store = home.open();
    store
        .write(|tx| {
            tx.put(Scope::Home, "canary-home-part", CANARY)?;
            tx.put(Scope::Group(group), "canary-part", CANARY)?;
            tx.put_entry(&group, 4, CANARY)?;
            tx.put_log_hash(&group, Seq::new(4), LogHash::new(*group.as_bytes()))
        })
        .unwrap();
    let _lock = store.lock_group(&group).await.unwrap();
    let check = |expected: usize| {
        let files = files(&home);
        assert!(files.len() >= expected, "{files:?}");
        for (path, bytes) in files {
            for needle in [CANARY, group.as_bytes(), group.to_string().as_bytes(), b"canary-", &[7; 32]] {
                assert!(!contains(&bytes, needle), "{}", path.display());
            }
        }
    };
    // Database, its two companions, the lock of the opening, the group's lock.
    check(5);
    drop(store);
    check(3);
}

#[test]
fn replaced_and_deleted_values_do_not_linger_after_closing() {
    let home = Home::new();
    let mut old: Vec<Vec<u8>> = Vec::new();
    {
        let store = home.open();
        let sealed = |name| -> Vec<u8> {
            let tag = store.0.keys.part_tag(name);
            home.raw().query_row("SELECT sealed FROM parts WHERE tag = ?1", (tag,), |row| row.get(0)).unwrap()
        };
        for name in ["replaced", "shortened", "deleted", "stays"] {
            put(&store, Scope::Home, name, &[7; 500]);
            old.push(sealed(name));
        }
        put(&store, Scope::Home, "replaced", &[8; 500]);
        put(&store, Scope::Home, "shortened", b"");
        store.write(|tx| tx.delete(Scope::Home, "deleted")).unwrap();
    }
    let found = |sealed: &Vec<u8>| files(&home).iter().any(|(_, bytes)| contains(bytes, &sealed[200..300]));
    assert_eq!(old.iter().map(found).collect::<Vec<_>>(), [false, false, false, true]);
}

#[test]
fn another_key_is_refused() {
    let home = Home::new();
    put(&home.open(), Scope::Home, "n", b"1");
    let result = Store::open(&home.path, StoreKey::from_bytes(&[8; 32]));
    assert!(matches!(result, Err(StoreError::WrongKey)));
    assert_eq!(get(&home.open(), Scope::Home, "n").unwrap(), b"1");
}

#[test]
fn stores_of_one_key_have_nothing_in_common() {
    let (one, two) = (Home::new(), Home::new());
    for home in [&one, &two] {
        put(&home.open(), Scope::Group(A), "state", b"same");
    }
    let row = |home: &Home| -> (Vec<u8>, Vec<u8>) {
        let raw = home.raw();
        let sql = "SELECT g.tag, p.tag FROM groups g JOIN parts p ON p.row = g.row";
        raw.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    let ((group_one, part_one), (group_two, part_two)) = (row(&one), row(&two));
    assert_ne!(group_one, group_two);
    assert_ne!(part_one, part_two);
}

#[test]
fn a_later_format_is_refused_and_left_alone() {
    let home = Home::new();
    drop(home.open());
    home.raw().pragma_update(None, "user_version", 2).unwrap();
    let before = fs::read(&home.path).unwrap();
    let result = Store::open(&home.path, Home::key());
    assert!(matches!(result, Err(StoreError::NewerFormat { found: 2, supported: 1 })), "{result:?}");
    assert_eq!(fs::read(&home.path).unwrap(), before);
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let home = Home::new();
    fs::create_dir_all(home.path.parent().unwrap()).unwrap();

    fs::write(&home.path, b"dear diary, ".repeat(1000)).unwrap();
    assert!(matches!(Store::open(&home.path, Home::key()), Err(StoreError::NotAStore)));

    fs::remove_file(&home.path).unwrap();
    let other = home.raw();
    other.execute_batch("CREATE TABLE recipes (name TEXT); PRAGMA user_version = 9").unwrap();
    other.close().unwrap();
    let before = fs::read(&home.path).unwrap();
    assert!(matches!(Store::open(&home.path, Home::key()), Err(StoreError::NotAStore)));
    assert_eq!(fs::read(&home.path).unwrap(), before);
}

#[test]
fn half_a_store_is_not_taken_for_a_new_one() {
    let home = Home::new();
    put(&home.open(), Scope::Home, "n", b"1");
    fs::write(&home.path, b"").unwrap();
    assert!(matches!(Store::open(&home.path, Home::key()), Err(StoreError::Damaged)));

    fs::remove_file(&home.path).unwrap();
    let mut log = home.path.clone().into_os_string();
    log.push("-wal");
    fs::write(&log, b"changes of a database that is gone").unwrap();
    assert!(matches!(Store::open(&home.path, Home::key()), Err(StoreError::Damaged)));
    assert!(!home.path.exists());
}

#[test]
fn an_interrupted_creation_starts_over() {
    let home = Home::new();
    fs::create_dir_all(home.path.parent().unwrap()).unwrap();
    let mut fresh = home.path.clone().into_os_string();
    fresh.push(".new");
    fs::write(&fresh, b"half written").unwrap();
    put(&home.open(), Scope::Home, "n", b"1");
    assert!(!PathBuf::from(fresh).exists());
}

/// A store with every kind of row in two groups.
fn full_home() -> Home {
    let home = Home::new();
    let store = home.open();
    store
        .write::<_, StoreError>(|tx| {
            tx.put(Scope::Home, "one", b"home one")?;
            tx.put(Scope::Home, "two", b"home two")?;
            for group in [A, B] {
                tx.put(Scope::Group(group), "one", &[group.as_bytes(), b"one".as_slice()].concat())?;
                tx.put(Scope::Group(group), "two", &[group.as_bytes(), b"two".as_slice()].concat())?;
                for n in 0_u8..3 {
                    tx.put_entry(&group, n.into(), &[group.as_bytes()[0], n])?;
                    tx.put_log_hash(&group, Seq::new(n.into()), LogHash::new([group.as_bytes()[0] ^ n; 32]))?;
                }
            }
            Ok(())
        })
        .unwrap();
    home
}

/// Reads everything there is; what is read must be what [`full_home`] wrote.
fn read_all(store: &Store) -> Result<(), StoreError> {
    store.read(|tx| {
        tx.changes()?;
        let home = |name| tx.get(Scope::Home, name);
        assert!(home("one")?.is_none_or(|value| value.as_slice() == b"home one"));
        assert!(home("two")?.is_none_or(|value| value.as_slice() == b"home two"));
        for group in tx.groups()? {
            assert!([A, B].contains(&group));
        }
        for group in [A, B] {
            for name in ["one", "two"] {
                let expected = [group.as_bytes(), name.as_bytes()].concat();
                assert!(tx.get(Scope::Group(group), name)?.is_none_or(|value| *value == expected));
            }
            for (n, entry) in tx.entries(&group, 0, 100)? {
                assert_eq!(entry, [group.as_bytes()[0], u8::try_from(n).unwrap()]);
            }
            tx.last_entry(&group)?;
            tx.version(&group)?;
            for n in 0_u8..3 {
                let expected = LogHash::new([group.as_bytes()[0] ^ n; 32]);
                assert!(tx.log_hash(&group, Seq::new(n.into()))?.is_none_or(|hash| hash == expected));
            }
        }
        Ok(())
    })
}

#[test]
fn altered_or_moved_rows_are_noticed() {
    let moves = [
        ("home", "UPDATE home SET sealed = zeroblob(48)"),
        ("parts", "UPDATE parts SET sealed = zeroblob(100) WHERE id = 1"),
        ("parts", "UPDATE parts SET sealed = x'' WHERE id = 3"),
        ("parts", "UPDATE parts SET sealed = substr(sealed, 1, length(sealed) - 1) WHERE id = 3"),
        // Of one part into another, of one group into another, of the home into a group.
        ("parts", "UPDATE parts SET sealed = (SELECT sealed FROM parts WHERE id = 1) WHERE id = 2"),
        ("parts", "UPDATE parts SET sealed = (SELECT sealed FROM parts WHERE id = 3) WHERE id = 5"),
        ("parts", "UPDATE parts SET sealed = (SELECT sealed FROM parts WHERE id = 1) WHERE id = 3"),
        (
            "parts",
            "UPDATE parts SET row = 9 WHERE row = 1; UPDATE parts SET row = 1 WHERE row = 2;
             UPDATE parts SET row = 2 WHERE row = 9",
        ),
        ("groups", "UPDATE groups SET row = 9 WHERE row = 1"),
        ("groups", "UPDATE groups SET tag = zeroblob(16) WHERE row = 1"),
        ("groups", "UPDATE groups SET sealed = (SELECT sealed FROM groups WHERE row = 2) WHERE row = 1"),
        ("groups", "UPDATE groups SET sealed = (SELECT sealed FROM timeline WHERE id = 1) WHERE row = 1"),
        ("timeline", "UPDATE timeline SET position = position + 1000 WHERE row = 1"),
        ("timeline", "UPDATE timeline SET position = -1 WHERE id = 1"),
        ("timeline", "UPDATE timeline SET sealed = (SELECT sealed FROM timeline WHERE id = 1) WHERE id = 4"),
        ("timeline", "UPDATE timeline SET sealed = (SELECT sealed FROM parts WHERE id = 3) WHERE id = 1"),
        (
            "timeline",
            "UPDATE timeline SET sealed = (SELECT sealed FROM log_hashes h
                                           WHERE h.row = timeline.row AND h.position = timeline.position)",
        ),
        (
            "log_hashes",
            "UPDATE log_hashes SET sealed = (SELECT sealed FROM timeline t WHERE t.position = log_hashes.position)",
        ),
    ];
    for (table, sql) in moves {
        let home = full_home();
        home.raw().execute_batch(sql).unwrap();
        let result = Store::open(&home.path, Home::key()).and_then(|store| read_all(&store));
        match result {
            Err(StoreError::Tampered(found)) => assert_eq!(found.to_string(), table, "{sql}"),
            // A negative position is below any that is asked for.
            Ok(()) if sql.contains("= -1") => {}
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn tampering_shows_when_writing_too() {
    let home = full_home();
    home.raw().execute_batch("UPDATE groups SET sealed = zeroblob(80)").unwrap();
    let store = home.open();
    let result = store.write(|tx| tx.put(Scope::Group(A), "one", b"new"));
    assert!(matches!(result, Err(StoreError::Tampered(Table::Groups))));
    assert_eq!(get(&store, Scope::Home, "one").unwrap(), b"home one");
}

#[test]
fn missing_tables_are_an_error() {
    for table in ["home", "groups", "parts", "timeline", "log_hashes"] {
        let home = full_home();
        home.raw().execute_batch(&format!("DROP TABLE {table}")).unwrap();
        let result = Store::open(&home.path, Home::key()).and_then(|store| read_all(&store));
        assert!(result.is_err(), "{table}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever is overwritten in the file: an error or what was written, never a panic and never something else.
    #[test]
    fn a_damaged_file_gives_errors(
        at in 0.0_f64..1.0,
        bytes in proptest::collection::vec(any::<u8>(), 1..200),
        cut in proptest::option::of(0.0_f64..1.0),
    ) {
        let home = full_home();
        let mut file = fs::read(&home.path).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a file's length")]
        let position = |fraction: f64, len: usize| (fraction * len as f64) as usize;
        let at = position(at, file.len());
        let end = (at + bytes.len()).min(file.len());
        file[at..end].copy_from_slice(&bytes[..end - at]);
        if let Some(cut) = cut {
            file.truncate(position(cut, file.len()));
        }
        fs::write(&home.path, &file).unwrap();
        if let Ok(store) = Store::open(&home.path, Home::key()) {
            let _ = read_all(&store);
            let _ = store.write(|tx| tx.put(Scope::Group(A), "one", &[A.as_bytes(), b"one".as_slice()].concat()));
            let _ = store.write(|tx| tx.delete_group(&B));
        }
    }
}
