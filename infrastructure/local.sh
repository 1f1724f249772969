# The system as processes of this machine. Sourced by up, never run.
# shellcheck shell=bash

servers=${CARGO_TARGET_DIR:-$repository/target}/servers
launched=()

# What this call started ends with it, should it not come to its end.
take_back() {
    local at
    trap - EXIT INT TERM HUP
    [[ ${#launched[@]} -eq 0 ]] || complain "not raised; taking back what was started"
    # One may be just about to write down who it is.
    [[ ${#launched[@]} -eq 0 || -z ${!:-} ]] || known "${launched[-1]}" "$!"
    for ((at = ${#launched[@]} - 1; at >= 0; at--)); do end "${launched[at]}"; done
}

programs() {
    if [[ -n ${KITH_BINARIES:-} ]]; then
        binaries=$(cd "$KITH_BINARIES" && pwd) || fail "KITH_BINARIES has to be a folder"
        return
    fi
    local profile=${KITH_PROFILE:-release}
    command -v cargo >/dev/null || fail "cargo is needed; see https://rustup.rs"
    say "building node, relay, transistor and command ($profile); the first time takes some minutes"
    (cd "$repository" && cargo build --quiet --locked --profile "$profile" --bin node --bin message-relay \
        --bin transistor --bin kith)
    binaries=${CARGO_TARGET_DIR:-$repository/target}/$([[ $profile == dev ]] && echo debug || echo "$profile")
}

# free PART PORT…: refuses to go on if something else has a port of ours.
free() {
    local part=$1 port
    shift
    for port; do
        if answers "$port"; then
            local holder
            holder=$(ss -Hltnp "sport = :$port" 2>/dev/null | grep -o 'users:.*' || true)
            fail "port $port, for $part, is taken${holder:+ by $holder}; end that, or choose others with KITH_PORT"
        fi
    done
}

# An empty cluster with a user and a database for Transistor. It is put in place last: one that was interrupted is made
# again.
cluster() {
    local data=$state/data/postgres making=$state/data/.postgres
    [[ ! -d $data ]] || return 0
    rm -rf "$making"
    "$servers/postgres/run" initdb --username=root --pwfile="$state/secrets/postgres-root" --auth=scram-sha-256 \
        --encoding=UTF8 --no-locale --no-instructions --pgdata="$making" >>"$state/logs/postgres.log" 2>&1 \
        || fail "no cluster could be made; infrastructure/logs postgres says why"
    # One statement a line. A password that is given in the clear is kept as what can check it.
    "$servers/postgres/run" postgres --single -c exit_on_error=on -D "$making" postgres >>"$state/logs/postgres.log" 2>&1 <<END \
        || fail "no database could be made; infrastructure/logs postgres says why"
CREATE ROLE transistor LOGIN PASSWORD '$(<"$state/secrets/postgres-transistor")'
CREATE DATABASE transistor OWNER transistor
REVOKE ALL ON DATABASE transistor FROM PUBLIC
END
    mv "$making" "$data"
}

# What a PostgreSQL that was killed has left. Its other processes end by themselves, and a new one has to wait for that.
# Its lock names a process that is gone, or is only to be taken note of: PostgreSQL itself takes the latter for alive.
after_a_kill() {
    local data=$state/data/postgres rounds=100 holder cwd waiting=yes
    while [[ -n $waiting ]] && ((--rounds > 0)); do
        waiting=
        for cwd in /proc/[0-9]*/cwd; do [[ ! $cwd -ef $data ]] || waiting=yes; done
        [[ -z $waiting ]] || sleep 0.1
    done
    if { read -r holder <"$data/postmaster.pid"; } 2>/dev/null && ! started_at "$holder" >/dev/null; then
        rm -f "$data/postmaster.pid"
    fi
}

# The command that a part is.
start() {
    local part=$1 settings=$state/settings
    case $part in
    mongo)
        mkdir -p "$state/data/mongo"
        launch mongo "$servers/mongo/run" "$state/data/mongo" "$(port_of mongo)"
        ;;
    nats)
        fill nats.conf nats.conf LISTEN="127.0.0.1:$(port_of nats)" STORE="$state/data/nats" MONITOR= \
            NODE="$(<"$state/secrets/nats-node")" RELAY="$(<"$state/secrets/nats-relay")"
        launch nats "$servers/nats/bin/nats-server" --config "$settings/nats.conf"
        ;;
    postgres)
        cluster
        after_a_kill
        launch postgres "$servers/postgres/run" postgres -D "$state/data/postgres" -p "$(port_of postgres)" \
            -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=50
        ;;
    transistor)
        mkdir -p "$state/data/transistor"
        fill transistor.toml transistor.toml LISTEN="127.0.0.1:$(port_of transistor)" \
            WATCH="127.0.0.1:$(port_of transistor-watch)" \
            PROXIES='"127.0.0.1"' POSTGRES="$settings/postgres-transistor.url" BODIES="$state/data/transistor"
        launch transistor "$binaries/transistor" --config "$settings/transistor.toml"
        ;;
    node-*)
        fill node.toml "$part.toml" LISTEN="127.0.0.1:$(port_of "$part")" WATCH="127.0.0.1:$(port_of "$part-watch")" \
            ORIGIN="http://127.0.0.1:$first_port" NATS="nats://127.0.0.1:$(port_of nats)" \
            MONGO="$state/settings/mongo-node.uri" SECRETS="$state/secrets"
        launch "$part" "$binaries/node" --config "$settings/$part.toml"
        ;;
    relay-*)
        fill relay.toml "$part.toml" WATCH="127.0.0.1:$(port_of "$part")" NATS="nats://127.0.0.1:$(port_of nats)" \
            MONGO="$state/settings/mongo-relay.uri" SECRETS="$state/secrets"
        launch "$part" "$binaries/message-relay" --config "$settings/$part.toml"
        ;;
    front)
        mkdir -p "$state/data/front"
        fill Caddyfile Caddyfile PORT="$first_port" BIND=127.0.0.1 \
            NODES="127.0.0.1:$(port_of node-1) 127.0.0.1:$(port_of node-2)" \
            TRANSISTOR="127.0.0.1:$(port_of transistor)"
        launch front env XDG_DATA_HOME="$state/data/front" XDG_CONFIG_HOME="$state/data/front" \
            "$servers/caddy/bin/caddy" run --adapter caddyfile --config "$settings/Caddyfile"
        ;;
    esac
}

# patiently PART: until it is ready, for a minute at most; with its last words if it does not become so.
patiently() {
    local part=$1 rounds=600
    until is_ready "$part"; do
        if ! pid_of "$part" >/dev/null || ((--rounds == 0)); then
            complain "$part does not run; its last words:"
            tail -n 20 "$state/logs/$part.log" >&2
            fail "all of them: infrastructure/logs $part"
        fi
        sleep 0.1
    done
}

raise() {
    local part
    "$repository/scripts/servers" nats mongo postgres caddy
    programs
    printf 'mongodb://127.0.0.1:%s/?directConnection=true' "$(port_of mongo)" \
        | tee "$state/settings/mongo-node.uri" >"$state/settings/mongo-relay.uri"
    printf 'postgres://transistor:%s@127.0.0.1:%s/transistor' "$(<"$state/secrets/postgres-transistor")" \
        "$(port_of postgres)" >"$state/settings/postgres-transistor.url"
    trap take_back EXIT
    trap 'take_back; exit 130' INT TERM HUP
    for part in "${parts[@]}"; do
        if pid_of "$part" >/dev/null; then
            patiently "$part"
            continue
        fi
        [[ ! -e $state/run/$part ]] || say "$part had ended without being told to; starting it again"
        case $part in
        node-* | transistor) free "$part" "$(port_of "$part")" "$(port_of "$part-watch")" ;;
        *) free "$part" "$(port_of "$part")" ;;
        esac
        say "starting $part"
        start "$part"
        patiently "$part"
    done
    trap - EXIT INT TERM HUP
}
