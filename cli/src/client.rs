//! The client's subcommands.

use std::{
    io::{IsTerminal as _, Read as _},
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use kith_client_sdk::{Client, Entry, Group, GroupInfo, LinkOptions, Position, Suite};
use serde_json::json;

use crate::{
    args::{
        AdminCommand, Cipher, Cli, Command, ContactArgs, FollowArgs, GroupArg, GroupCommand, IdentityCommand,
        InviteArgs, JoinArgs, ReadArgs, RemoveArgs, SendArgs,
    },
    attachments, home, output,
};

/// Entries read from the store at once.
const PAGE: usize = 512;
/// Most that is taken from standard input for one message.
const MOST_INPUT: u64 = 64 << 20;

/// Logs go to standard error, and only when asked for: commands speak for themselves.
pub(crate) fn start_logs(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::new(format!("warn,kith={level},kith_client_sdk={level}"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

/// Runs a client command.
pub(crate) async fn run(cli: &Cli) -> Result<()> {
    let client = home::open(cli).await?;
    match &cli.command {
        Command::Identity(command) => identity(cli, &client, command).await,
        Command::Group(command) => group(cli, &client, command).await,
        Command::Contact(args) => contact(cli, &client, args).await,
        Command::Invite(args) => invite(cli, &client, args).await,
        Command::Join(args) => join(cli, &client, args).await,
        Command::Send(args) => send(cli, &client, args).await,
        Command::Read(args) => read(cli, &client, args).await,
        Command::Follow(args) => follow(cli, &client, args).await,
        Command::Fetch(args) => attachments::fetch(cli, &client, args).await,
        Command::UpdateKeys(arg) => update_keys(cli, &client, arg).await,
        Command::Remove(args) => remove(cli, &client, args).await,
        Command::Leave(arg) => leave(cli, &client, arg).await,
        Command::Serve(_) | Command::Demo(_) | Command::Drop(_) | Command::Keys(_) => {
            bail!("not a client command")
        }
    }
}

/// The group a command is about: the one named, or the only one there is.
pub(crate) async fn pick(client: &Client, name: Option<&str>) -> Result<Group> {
    if let Some(name) = name {
        return Ok(client.group(name).await?);
    }
    match client.groups().await?.as_slice() {
        [one] => Ok(client.group(&one.id).await?),
        [] => bail!("there is no group yet; found one with `kith group create` or join one [no_such_group]"),
        _ => bail!("there are several groups; say which with --group [ambiguous]"),
    }
}

impl GroupArg {
    fn name(&self) -> Option<&str> {
        self.group.as_deref().or(self.positional.as_deref())
    }
}

async fn identity(cli: &Cli, client: &Client, command: &IdentityCommand) -> Result<()> {
    let info = match command {
        IdentityCommand::Create { name } => client.create_identity(name).await?,
        IdentityCommand::Show => client.identity().ok_or(kith_client_sdk::Error::NoIdentity)?,
    };
    output::answer(cli.json, &serde_json::to_value(&info)?, || {
        format!("{}\nkey         {}\nfingerprint {}", output::shown(&info.name), info.key, info.fingerprint)
    })
}

async fn group(cli: &Cli, client: &Client, command: &GroupCommand) -> Result<()> {
    match command {
        GroupCommand::Create { title, server, cipher } => {
            let suite = match cipher {
                Cipher::Aes => Suite::Aes256Gcm,
                Cipher::Chacha => Suite::ChaCha20Poly1305,
            };
            let group = client.create_group(title, server, suite).await?;
            let value = json!({ "id": group.id().to_string(), "title": title, "server": server });
            output::answer(cli.json, &value, || format!("founded {} ({})", output::shown(title), group.id()))
        }
        GroupCommand::List => {
            let groups = client.groups().await?;
            if cli.json {
                return output::line(serde_json::to_value(&groups)?);
            }
            for group in groups {
                output::line(format_args!(
                    "{}  {}  {}",
                    group.id,
                    output::shown(&group.title),
                    group.server
                ))?;
            }
            Ok(())
        }
        GroupCommand::Info(arg) => {
            let group = pick(client, arg.name()).await?;
            let synced = group.sync().await;
            let info = group.info().await?;
            if cli.json {
                output::line(serde_json::to_value(&info)?)?;
            } else {
                output::line(info_text(&info))?;
            }
            Ok(synced?)
        }
        GroupCommand::Close(arg) => {
            pick(client, arg.name()).await?.close().await?;
            output::answer(cli.json, &json!({ "closed": true }), || "closed".to_owned())
        }
        GroupCommand::Heal(arg) => {
            let group = pick(client, arg.name()).await?;
            group.expire_invites().await?;
            group.heal().await?;
            output::answer(cli.json, &json!({ "healed": true }), || "nothing is pending".to_owned())
        }
        GroupCommand::Overrule(arg) => {
            pick(client, arg.name()).await?.overrule().await?;
            output::answer(cli.json, &json!({ "overruled": true }), || "overruled".to_owned())
        }
        GroupCommand::Confirm(arg) => {
            pick(client, arg.name()).await?.confirm().await?;
            output::answer(cli.json, &json!({ "confirmed": true }), || "confirmed".to_owned())
        }
        GroupCommand::Rejoin(arg) => {
            pick(client, arg.name()).await?.rejoin().await?;
            output::answer(cli.json, &json!({ "rejoined": true }), || "rejoined with fresh keys".to_owned())
        }
        GroupCommand::Admin(command) => admin(cli, client, command).await,
    }
}

async fn admin(cli: &Cli, client: &Client, command: &AdminCommand) -> Result<()> {
    match command {
        AdminCommand::Add(args) => {
            pick(client, args.group.group.as_deref()).await?.grant_admin(&args.member).await?;
            let text = || format!("{} is an admin", output::shown(&args.member));
            output::answer(cli.json, &json!({ "admin": args.member }), text)
        }
        AdminCommand::Remove(args) => {
            pick(client, args.group.group.as_deref()).await?.revoke_admin(&args.member).await?;
            let text = || format!("{} is no admin any more", output::shown(&args.member));
            output::answer(cli.json, &json!({ "no_admin": args.member }), text)
        }
        AdminCommand::Rotate(arg) => {
            let group = pick(client, arg.name()).await?;
            group.rotate_admins().await?;
            let admins = group.admins().await?.len();
            let text = || format!("{admins} admins have new secrets");
            output::answer(cli.json, &json!({ "rotated": admins }), text)
        }
        AdminCommand::List(arg) => {
            let group = pick(client, arg.name()).await?;
            group.sync().await?;
            if !group.info().await?.owner {
                bail!("only the owner of the group knows its admins [owner_only]");
            }
            let admins = group.admins().await?;
            if cli.json {
                return output::line(serde_json::to_value(&admins)?);
            }
            for admin in admins {
                let note = if admin.member { "" } else { " (gone)" };
                output::line(format_args!("{:>4}  {}{note}", admin.who.leaf_id, output::name(&admin.who)))?;
            }
            Ok(())
        }
    }
}

fn info_text(info: &GroupInfo) -> String {
    let mut text = format!(
        "{}\nid          {}\nserver      {}\nstanding    {}{}\nepoch       {}\nlast frame  {}\n",
        output::shown(&info.title),
        info.id,
        info.server,
        info.standing,
        match (info.owner, info.admin) {
            (true, _) => ", owner",
            (false, true) => ", admin",
            (false, false) => "",
        },
        info.epoch,
        info.seq,
    );
    text.push_str(&format!("tree        {}\ntranscript  {}\n", info.tree_hash, info.transcript_hash));
    if let Some(fork) = &info.fork {
        let by = fork.by.as_ref().map(|by| format!(", by the word of {}", output::name(by)));
        text.push_str(&format!(
            "forked      at frame {} [{}]{}\n",
            fork.seq,
            fork.reason,
            by.unwrap_or_default()
        ));
    }
    match &info.comparison {
        Some(digits) => text.push_str(&format!("compare     {digits}\n")),
        None => text.push_str("compare     not while a removal is pending\n"),
    }
    text.push_str(&format!("members     {}\n", info.members.len()));
    for member in &info.members {
        let name = member.name.as_deref().map_or_else(|| "(unknown)".to_owned(), output::shown);
        let mut notes = Vec::new();
        if member.you {
            notes.push("you");
        }
        if !member.active {
            notes.push("invited");
        }
        if member.active && !member.verified {
            notes.push("unverified");
        }
        text.push_str(&format!("  {:>4}  {name}", member.leaf_id));
        if !notes.is_empty() {
            text.push_str(&format!(" ({})", notes.join(", ")));
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

async fn contact(cli: &Cli, client: &Client, args: &ContactArgs) -> Result<()> {
    let server = match &args.server {
        Some(server) => server.clone(),
        None => match client.groups().await?.first() {
            Some(group) => group.server.clone(),
            None => bail!("say with --server which server shall keep your mailbox [no_server]"),
        },
    };
    let contact = client.contact(&server).await?;
    output::answer(cli.json, &json!({ "contact": contact }), || contact.clone())
}

async fn invite(cli: &Cli, client: &Client, args: &InviteArgs) -> Result<()> {
    let group = pick(client, args.group.group.as_deref()).await?;
    let ttl = *args.expires;
    match &args.contact {
        Some(contact) => {
            let invite = group.invite_contact(contact, ttl).await?;
            output::answer(cli.json, &json!({ "invite": invite }), || invite.clone())
        }
        None => {
            let link = group.invite_link(LinkOptions { uses: args.uses, ttl }).await?;
            output::answer(cli.json, &json!({ "link": &*link }), || link.to_string())
        }
    }
}

async fn join(cli: &Cli, client: &Client, args: &JoinArgs) -> Result<()> {
    let text = match args.link.as_deref() {
        Some(link) if link != "-" => link.to_owned(),
        _ => String::from_utf8(stdin(64 * 1024)?).context("standard input is no text")?,
    };
    let group = client.join(&text).await?;
    let info = group.info().await?;
    let value = json!({ "id": info.id, "title": info.title, "epoch": info.epoch });
    output::answer(cli.json, &value, || format!("joined {} ({})", output::shown(&info.title), info.id))
}

async fn send(cli: &Cli, client: &Client, args: &SendArgs) -> Result<()> {
    let group = pick(client, args.group.group.as_deref()).await?;
    let seq = match (&args.file, &args.text) {
        (Some(path), _) => attachments::send(&group, path, media_type(path)).await?,
        (None, Some(text)) => send_text(&group, text).await?,
        (None, None) => {
            if std::io::stdin().is_terminal() && !cli.json {
                tracing::info!("reading the message from the terminal until Ctrl-D");
            }
            let bytes = stdin(MOST_INPUT)?;
            match String::from_utf8(bytes) {
                Ok(text) => send_text(&group, text.strip_suffix('\n').unwrap_or(&text)).await?,
                Err(error) => {
                    group.send_file("stdin.bin", "application/octet-stream", error.into_bytes()).await?
                }
            }
        }
    };
    output::answer(cli.json, &json!({ "seq": seq }), || format!("sent ({seq})"))
}

async fn send_text(group: &Group, text: &str) -> Result<u64> {
    if text.is_empty() {
        bail!("there is nothing to send [empty_message]");
    }
    Ok(group.send_text(text).await?)
}

fn stdin(most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(most).read_to_end(&mut bytes).context("standard input cannot be read")?;
    Ok(bytes)
}

/// A guess from the file's ending; the receiver decides by itself what to open it with.
fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()).unwrap_or_default() {
        "txt" | "md" => "text/plain",
        "html" | "htm" => "text/html",
        "json" => "application/json",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

async fn read(cli: &Cli, client: &Client, args: &ReadArgs) -> Result<()> {
    let group = pick(client, args.group.group.as_deref()).await?;
    // What is here is shown even when the server cannot be asked; the command then says so and fails.
    let synced = if args.offline { Ok(()) } else { group.sync().await };
    let mut from = Position(0);
    loop {
        let entries = group.entries(from, PAGE).await?;
        let Some(last) = entries.last() else { break };
        from = Position(last.position.0 + 1);
        for entry in entries.iter().filter(|e| is_after(e, args.after)) {
            output::entry(entry, cli.json, args.save.as_deref())?;
        }
    }
    Ok(synced?)
}

fn is_after(entry: &Entry, after: Option<u64>) -> bool {
    after.is_none_or(|after| entry.seq > after)
}

async fn follow(cli: &Cli, client: &Client, args: &FollowArgs) -> Result<()> {
    let group = pick(client, args.group.group.as_deref()).await?;
    let from = if args.after.is_some() { Position(0) } else { group.end().await? };
    let mut entries = std::pin::pin!(group.follow(from));
    while let Some(entry) = entries.next().await {
        let entry = entry?;
        if is_after(&entry, args.after) {
            output::entry(&entry, cli.json, args.save.as_deref())?;
        }
    }
    Ok(())
}

async fn update_keys(cli: &Cli, client: &Client, arg: &GroupArg) -> Result<()> {
    let group = pick(client, arg.name()).await?;
    group.update_keys().await?;
    let epoch = group.info().await?.epoch;
    output::answer(cli.json, &json!({ "epoch": epoch }), || format!("your key is fresh (epoch {epoch})"))
}

async fn remove(cli: &Cli, client: &Client, args: &RemoveArgs) -> Result<()> {
    let group = pick(client, args.group.group.as_deref()).await?;
    if args.anonymous {
        group.remove_anonymously(&args.member).await?;
    } else {
        group.remove(&args.member).await?;
    }
    let epoch = group.info().await?.epoch;
    let text = || format!("{} is removed (epoch {epoch})", output::shown(&args.member));
    output::answer(cli.json, &json!({ "removed": args.member, "epoch": epoch }), text)
}

async fn leave(cli: &Cli, client: &Client, arg: &GroupArg) -> Result<()> {
    pick(client, arg.name()).await?.leave().await?;
    output::answer(cli.json, &json!({ "left": true }), || "you left the group".to_owned())
}
