//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Private groups: end-to-end encrypted, verified by the server without being read by it.
#[derive(Debug, Parser)]
#[command(name = "kith", version, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// Folder with your identity and groups. Each person on a machine has their own.
    #[arg(long, global = true, env = "KITH_HOME", value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Folder for proving keys, shared by all homes.
    #[arg(long, global = true, env = "KITH_CACHE", value_name = "DIR", hide = true)]
    pub(crate) cache: Option<PathBuf>,
    /// Folder with the proof keys of a ceremony and their keys.toml; without it, the keys for development.
    #[arg(long, global = true, env = "KITH_KEYS", value_name = "DIR")]
    pub(crate) keys: Option<PathBuf>,
    /// SHA-256 that keys.toml has to have, as you were told it by somebody you trust.
    #[arg(long, global = true, env = "KITH_KEYS_PIN", value_name = "HASH", requires = "keys")]
    pub(crate) keys_pin: Option<String>,
    /// Talk to servers on other machines without TLS, too.
    #[arg(long, global = true, env = "KITH_ALLOW_PLAIN_HTTP")]
    pub(crate) allow_plain_http: bool,
    /// Say on standard error what happens inside.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a server: node and frame log in one process.
    Serve(ServeArgs),
    /// Play a group of five against a real server and show what members see and what the server stores.
    Demo(DemoArgs),
    /// Your identity.
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// Your groups.
    #[command(subcommand)]
    Group(GroupCommand),
    /// Print a text others can invite you with by name.
    Contact(ContactArgs),
    /// Invite somebody: prints a link, or with --contact an invite for that person alone.
    Invite(InviteArgs),
    /// Join a group by a link or an invite.
    Join(JoinArgs),
    /// Send a message: TEXT, a file, or what comes on standard input.
    Send(SendArgs),
    /// Print the messages of a group.
    Read(ReadArgs),
    /// Print the messages of a group as they come, until interrupted.
    Follow(FollowArgs),
    /// Fetch a file that was too large for a message: once, as it is for you alone.
    Fetch(FetchArgs),
    /// Give your place in a group a fresh key.
    UpdateKeys(GroupArg),
    /// Remove somebody from a group you own or are an admin of.
    Remove(RemoveArgs),
    /// Leave a group.
    Leave(GroupArg),
    /// Hand something over once: a secret or a file, by a link that works for one reader.
    #[command(subcommand)]
    Drop(DropCommand),
    /// Keys that proofs are made and checked with.
    #[command(subcommand)]
    Keys(KeysCommand),
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Folder for the server's data.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Address to listen on.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// How clients reach this server, if not by the address it listens on.
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Option<String>,
    #[command(flatten)]
    pub(crate) config: service_kit::config::ConfigArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Keep the demonstration's folders here instead of deleting them.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Play it against a server that runs already, instead of one of its own.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Make an identity.
    Create {
        /// The name others will see.
        #[arg(long)]
        name: String,
    },
    /// Show it.
    Show,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Found a group on a server.
    Create {
        /// What to call it.
        title: String,
        /// The server's address.
        #[arg(long, value_name = "URL", env = "KITH_SERVER")]
        server: String,
        /// Cipher for the group's contents.
        #[arg(long, value_enum, default_value_t = Cipher::Aes)]
        cipher: Cipher,
    },
    /// List your groups.
    List,
    /// Show members and hashes of a group.
    Info(GroupArg),
    /// Close a group you own, for everybody.
    Close(GroupArg),
    /// Complete a removal, free the places of lapsed invites.
    Heal(GroupArg),
    /// Come back to a group whose keys are lost or suspect here.
    Rejoin(GroupArg),
    /// Go on after one member claimed another history and you found, by comparing with the others, that they lied.
    Overrule(GroupArg),
    /// Say that you have compared the digits of a group you came back to behind a gap.
    Confirm(GroupArg),
    /// Who may add, remove and invite besides you, in a group you own.
    #[command(subcommand)]
    Admin(AdminCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Make a member an admin. Again, for one who lost the keys.
    Add(AdminArgs),
    /// Make an admin a plain member again.
    Remove(AdminArgs),
    /// Give all admins new secrets, in case one was copied.
    Rotate(GroupArg),
    /// List the admins. Nobody but the owner knows them.
    List(GroupArg),
}

#[derive(Debug, Args)]
pub(crate) struct AdminArgs {
    #[command(flatten)]
    pub(crate) group: GroupFlag,
    /// Name, identity key or leaf number of the person.
    #[arg(long, value_name = "NAME")]
    pub(crate) member: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Cipher {
    /// AES-256-GCM.
    Aes,
    /// ChaCha20-Poly1305, for machines without AES instructions.
    Chacha,
}

/// Which group: by title, id, or an unambiguous beginning of the id. May be left out where there is only one.
#[derive(Debug, Args)]
pub(crate) struct GroupArg {
    /// Title or id of the group; may be left out where there is only one.
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Option<String>,
    /// The same as --group.
    #[arg(value_name = "GROUP", conflicts_with = "group")]
    pub(crate) positional: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct GroupFlag {
    /// Title or id of the group; may be left out where there is only one.
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ContactArgs {
    /// The server that keeps your mailbox.
    #[arg(long, value_name = "URL", env = "KITH_SERVER")]
    pub(crate) server: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InviteArgs {
    #[command(flatten)]
    pub(crate) group: GroupFlag,
    /// Invite this person by name: the text that their `kith contact` printed.
    #[arg(long, value_name = "STRING", conflicts_with = "uses")]
    pub(crate) contact: Option<String>,
    /// How many may join by the link.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) uses: u32,
    /// How long the invitation is good for, for example 2h or 7days.
    #[arg(long, default_value = "7days", value_name = "TIME")]
    pub(crate) expires: humantime::Duration,
}

#[derive(Debug, Args)]
pub(crate) struct JoinArgs {
    /// The link or invite; `-` or nothing reads it from standard input.
    pub(crate) link: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    pub(crate) group: GroupFlag,
    /// Send this file, of any size where the group's server keeps drops.
    #[arg(long, value_name = "PATH", conflicts_with = "text")]
    pub(crate) file: Option<PathBuf>,
    /// The message; without it and --file, standard input is sent.
    pub(crate) text: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    #[command(flatten)]
    pub(crate) group: GroupFlag,
    /// Print only what came after this sequence number.
    #[arg(long, value_name = "SEQ")]
    pub(crate) after: Option<u64>,
    /// Do not ask the server for news.
    #[arg(long)]
    pub(crate) offline: bool,
    /// Save received files into this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) save: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct FollowArgs {
    #[command(flatten)]
    pub(crate) group: GroupFlag,
    /// Begin after this sequence number instead of with what is new.
    #[arg(long, value_name = "SEQ")]
    pub(crate) after: Option<u64>,
    /// Save received files into this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) save: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    pub(crate) group: GroupFlag,
    /// The sequence number that `read` shows with the file.
    pub(crate) seq: u64,
    /// Save it into this folder, under the name its sender gave it; without it, into the present one.
    #[arg(long, value_name = "DIR")]
    pub(crate) save: Option<PathBuf>,
    /// Save it as this file.
    #[arg(long, short, value_name = "PATH", conflicts_with = "save")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite a file that is there.
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// Ask also a service that the sender chose and the group's server does not name. It learns your address.
    #[arg(long)]
    pub(crate) any_service: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    pub(crate) group: GroupFlag,
    /// Name, identity key or leaf number of the person.
    #[arg(long, value_name = "NAME")]
    pub(crate) member: String,
    /// Let nobody know who does it: the person loses all rights now, and the next member to send anything completes the
    /// removal.
    #[arg(long)]
    pub(crate) anonymous: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make the keys for development, compare them with the pinned hashes, and write them where asked to.
    Develop(DevelopArgs),
    /// Write the constraints of a circuit, for a ceremony with snarkjs.
    ExportR1cs(ExportR1csArgs),
    /// Verify the result of a ceremony and show who contributed.
    Verify(CeremonyArgs),
    /// Verify the result of a ceremony and put its keys into a folder for servers and people.
    Import(ImportArgs),
    /// Show what a key, or a folder of keys, is.
    Show {
        /// A verifying key, a proving key, a keys.toml or its folder.
        path: PathBuf,
    },
    /// Write a verifying key for other programs.
    ExportVk(ExportVkArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DevelopArgs {
    /// Make those of this circuit only.
    #[arg(long, value_name = "NAME")]
    pub(crate) circuit: Option<String>,
    /// Folder for the keys and their keys.toml.
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExportR1csArgs {
    /// The circuit, for example t16.
    #[arg(long, value_name = "NAME")]
    pub(crate) circuit: String,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CeremonyArgs {
    /// The circuit, for example t16.
    #[arg(long, value_name = "NAME")]
    pub(crate) circuit: String,
    /// The powers of tau the ceremony began with, prepared for its second phase.
    #[arg(long, value_name = "FILE")]
    pub(crate) ptau: PathBuf,
    /// The ceremony's last key.
    #[arg(long, value_name = "FILE")]
    pub(crate) zkey: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) files: CeremonyArgs,
    /// Folder for the keys and their keys.toml; what it lists of other circuits stays.
    #[arg(long, value_name = "DIR")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ExportVkArgs {
    /// A verifying key or a proving key.
    pub(crate) key: PathBuf,
    /// How to write it.
    #[arg(long, value_enum, default_value_t = VkFormat::Snarkjs)]
    pub(crate) format: VkFormat,
    /// The file to write; without it, standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum VkFormat {
    /// The `verification_key.json` of snarkjs.
    Snarkjs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DropCommand {
    /// Seal a file and print the link that one reader can open it with.
    Put(DropPutArgs),
    /// Read what a link leads to. It is gone from the server then.
    Get(DropGetArgs),
    /// Say whether something is there, and what; reads nothing.
    Info(DropLinkArg),
    /// Delete what you put, so that its link opens nothing.
    Delete(DropLinkArg),
}

#[derive(Debug, Args)]
pub(crate) struct DropPutArgs {
    /// The file; `-` for standard input.
    pub(crate) file: PathBuf,
    /// The server's address.
    #[arg(long, value_name = "URL", env = "KITH_SERVER")]
    pub(crate) server: String,
    /// When it is erased unread, for example 2h or 7days; without it, when the server likes.
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<humantime::Duration>,
    /// Name to show to the reader instead of the file's.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Ask for a password that the reader will need besides the link.
    #[arg(long)]
    pub(crate) password: bool,
    /// Take that password from the first line of standard input.
    #[arg(long, conflicts_with = "password")]
    pub(crate) password_stdin: bool,
    /// Show no QR code of the link on a terminal.
    #[arg(long)]
    pub(crate) no_qr: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DropGetArgs {
    #[command(flatten)]
    pub(crate) link: DropLinkArg,
    /// The file to write, `-` for standard output; without it, a file of the name the sender gave, in this folder.
    #[arg(long, short, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite a file that is there.
    #[arg(long)]
    pub(crate) force: bool,
    /// Take the password from the first line of standard input, the second where the link is read from there too.
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DropLinkArg {
    /// The link; `-` or nothing reads it from standard input, which keeps it out of the list of processes.
    pub(crate) link: Option<String>,
}
