//! The tables, version by version. Applied versions are never edited: a change is a further file.

use std::borrow::Cow;

use sqlx::{
    SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};

/// The steps for one database.
pub(super) fn migrator(steps: &[(&'static str, &'static str)]) -> Migrator {
    let migrations = (1_i64..).zip(steps).map(|(version, (name, sql))| {
        Migration::new(version, Cow::Borrowed(*name), MigrationType::Simple, (*sql).into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}
