# What the commands of this folder share. Sourced, never run.
# shellcheck shell=bash
set -euo pipefail

infrastructure=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(dirname "$infrastructure")
# Everything that comes to be: secrets, settings, data, logs. KITH_STATE puts it elsewhere.
state=${KITH_STATE:-$infrastructure/state}
# The address for clients is on this port, everything else on those behind it.
first_port=${KITH_PORT:-8080}
# In the order in which they start; they stop in the other one.
parts=(mongo nats postgres transistor node-1 node-2 relay-1 relay-2 front)

say() { echo "kith: $*"; }
complain() { echo "kith: $*" >&2; }
fail() {
    complain "$@"
    exit 1
}

# Ports, by part. Nodes and transistor have two: one for clients, one for whoever watches them.
port_of() {
    case $1 in
    front) echo "$first_port" ;;
    node-1) echo $((first_port + 1)) ;;
    node-2) echo $((first_port + 2)) ;;
    node-1-watch) echo $((first_port + 3)) ;;
    node-2-watch) echo $((first_port + 4)) ;;
    relay-1) echo $((first_port + 5)) ;;
    relay-2) echo $((first_port + 6)) ;;
    nats) echo $((first_port + 7)) ;;
    mongo) echo $((first_port + 8)) ;;
    postgres) echo $((first_port + 9)) ;;
    transistor) echo $((first_port + 10)) ;;
    transistor-watch) echo $((first_port + 11)) ;;
    *) fail "no part is called $1" ;;
    esac
}

is_part() {
    local part
    for part in "${parts[@]}"; do [[ $part == "$1" ]] && return; done
    return 1
}

# The folder for everything that comes to be, for its owner alone.
make_state() {
    umask 077
    mkdir -p "$state"/{secrets,settings,run,logs,data}
    state=$(cd "$state" && pwd)
}

# One command at a time. The lock goes with the process that holds it, however that ends.
lock() {
    command -v flock >/dev/null || fail "flock is needed (Debian: util-linux)"
    exec 9>"$state/.lock"
    flock -w 5 9 || fail "another command works on $state; wait for it, or end it"
}

# Which form runs or ran here: local or containers; nothing before the first time.
form() { cat "$state/form" 2>/dev/null || true; }

# compose ARGUMENTS…: the container engine's compose, for this system.
compose() {
    local tool=()
    read -ra tool <<<"$(engine)"
    [[ ${#tool[@]} -gt 0 ]] || fail "no container engine answers; start it, or use infrastructure/up --local"
    KITH_STATE=$state KITH_PORT=$first_port KITH_UID=$(id -u) KITH_GID=$(id -g) \
        "${tool[@]}" --project-name kith --file "$infrastructure/compose.yaml" "$@"
}

# The command of a container engine that answers and has compose, or nothing.
engine() {
    local program
    for program in docker podman; do
        if command -v "$program" >/dev/null && "$program" info >/dev/null 2>&1 \
            && "$program" compose version >/dev/null 2>&1; then
            echo "$program compose"
            return
        fi
    done
}

# started_at PID: when a process started, as a text that no other process of that id has; fails if there is none.
started_at() {
    local stat
    if [[ -r /proc/$1/stat ]]; then
        stat=$(<"/proc/$1/stat") || return 1
        # The name stands in parentheses and may contain anything. A process that only waits to be taken note of is gone.
        read -ra stat <<<"${stat##*) }"
        [[ ${stat[0]} != Z ]] || return 1
        echo "${stat[19]} $(</proc/sys/kernel/random/boot_id)"
    elif [[ ! -d /proc/self ]]; then
        ps -o lstart= -p "$1" | grep .
    else
        return 1
    fi
} 2>/dev/null

# pid_of PART: its process if that runs. An id that meanwhile belongs to another process is not mistaken for it.
pid_of() {
    local pid started
    { read -r pid && read -r started; } <"$state/run/$1" || return 1
    [[ $(started_at "$pid") == "$started" ]] || return 1
    echo "$pid"
} 2>/dev/null

# launch PART PROGRAM ARGUMENTS…: starts a process of its own session. It writes down who it is before it becomes the
# program, so there is no moment at which it runs and nobody knows.
launch() {
    local part=$1
    shift
    rm -f "$state/run/$part"
    launched+=("$part")
    (
        # A lock would live as long as the program.
        exec 9>&-
        echo "$BASHPID" >"$state/run/.$part"
        started_at "$BASHPID" >>"$state/run/.$part"
        mv "$state/run/.$part" "$state/run/$part"
        exec setsid "$@"
    ) </dev/null >>"$state/logs/$part.log" 2>&1 &
    known "$part" $!
}

# known PART PID: waits until a process that was just started has written down who it is.
known() {
    until [[ -e $state/run/$1 ]] || ! kill -0 "$2" 2>/dev/null; do sleep 0.01; done
}

# end PART: asks its process to end, and ends it if it does not hear.
end() {
    local pid patience=150 signal=TERM
    # Which to PostgreSQL means to wait until everybody has gone by himself.
    [[ $1 != postgres ]] || signal=INT
    if pid=$(pid_of "$1"); then
        say "stopping $1"
        kill -"$signal" "$pid" 2>/dev/null || true
        # Should it be stopped, it hears nothing.
        kill -CONT "$pid" 2>/dev/null || true
        while pid_of "$1" >/dev/null; do
            if ((--patience == 0)); then
                complain "$1 does not end by itself; killed"
                kill -KILL "$pid" 2>/dev/null || true
            fi
            sleep 0.1
        done
    fi
    rm -f "$state/run/$1"
}

# answers PORT: whether anything listens there.
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# ready PORT PATH: whether what listens there answers a request with success.
ready() {
    local line
    line=$(
        exec 2>/dev/null
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit
        printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&3
        IFS= read -r -t 5 line <&3
        echo "$line"
    ) || return 1
    [[ $line == HTTP/1.[01]" 2"* ]]
}

# asks_for_password PORT: whether PostgreSQL there wants to know who this is. One that is still starting listens too, and
# refuses everybody.
asks_for_password() {
    local answer
    answer=$(
        exec 2>/dev/null
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit
        # A greeting of 25 bytes, in version 3.0.
        printf '\0\0\0\31\0\3\0\0user\0transistor\0\0' >&3
        IFS= read -r -t 5 -d '' answer <&3
        echo "$answer"
        # The rest is taken too, between its zeros: whoever leaves something lying is noted down as having broken off.
        for _ in {1..7}; do IFS= read -r -t 5 -d '' answer <&3 || break; done
    ) || return 1
    [[ $answer == R ]]
}

# is_ready PART: whether it does its work, as far as that can be seen from outside.
is_ready() {
    case $1 in
    front) ready "$(port_of front)" /health/ready ;;
    node-* | transistor) ready "$(port_of "$1-watch")" /health/ready ;;
    relay-*) ready "$(port_of "$1")" /health/ready ;;
    postgres) asks_for_password "$(port_of postgres)" ;;
    nats | mongo) answers "$(port_of "$1")" ;;
    esac
}
