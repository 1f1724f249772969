//! The flags every service has.

use std::path::PathBuf;

use clap::Args;

use super::Sources;

/// Flags that choose and show settings.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// File with settings, in TOML.
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// One setting, over file and environment; may be given more than once. Secrets do not belong here: other users
    /// of the machine can see them.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", value_parser = parse_assignment, global = true)]
    pub set: Vec<(String, String)>,

    /// Print the effective settings, secrets left out, and exit.
    #[arg(long, global = true)]
    pub print_config: bool,
}

impl ConfigArgs {
    /// The layers these flags and the environment of this process give.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let mut sources = Sources::from_process();
        sources.file.clone_from(&self.config);
        sources.overrides.clone_from(&self.set);
        sources
    }
}

fn parse_assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected SECTION.KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        config: ConfigArgs,
    }

    #[test]
    fn flags_become_layers() {
        let line =
            ["x", "--config", "kith.toml", "--set", "log.filter=a=b", "--set", "name=", "--print-config"];
        let args = Command::parse_from(line).config;
        assert!(args.print_config);
        let sources = args.sources();
        assert_eq!(sources.file, Some("kith.toml".into()));
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(sources.overrides, [pair("log.filter", "a=b"), pair("name", "")]);
        for bad in ["name", "=x"] {
            assert!(Command::try_parse_from(["x", "--set", bad]).is_err(), "{bad}");
        }
    }
}
