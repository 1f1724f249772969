//! Settings: where they come from, and what is wrong with them, all of it at once.
//!
//! Four layers, each over the one before: defaults in code, a TOML file, environment variables
//! `KITH__SECTION__KEY`, and `--set section.key=value` on the command line. A setting nobody knows is an error in every
//! layer. A settings type is a plain struct of structs: a choice is an enum without fields, so that the layers can be
//! merged key by key.
//!
//! No message about a setting repeats its value: the value may be a password in the wrong place.

mod args;
mod load;
mod secret;
mod units;

pub use args::ConfigArgs;
pub use load::{ConfigError, ConfigProblem, Origin, Problems, Settings, Sources, load, render};
pub use secret::{Secret, SecretError, SecretSource};
pub use units::{ByteSize, Period, UnitError};
