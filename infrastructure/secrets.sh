# Secrets, made once. Sourced, never run.
# shellcheck shell=bash

# 32 random bytes in hexadecimal.
random() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

# secret NAME: makes it if there is none. It appears whole or not at all, for its owner alone.
secret() {
    [[ -s $state/secrets/$1 ]] && return
    random >"$state/secrets/.$1"
    mv "$state/secrets/.$1" "$state/secrets/$1"
}

# fill TEMPLATE FILE NAME=VALUE…: a template with every @NAME@ replaced; one that is left is a mistake in here.
fill() {
    local template=$1 file=$2 text pair
    shift 2
    text=$(<"$infrastructure/templates/$template")
    for pair; do text=${text//"@${pair%%=*}@"/"${pair#*=}"}; done
    [[ $text != *@[A-Z]*@* ]] || fail "$template has a place that nothing was put into"
    printf '%s\n' "$text" >"$state/settings/.$file"
    mv "$state/settings/.$file" "$state/settings/$file"
}

make_secrets() {
    local name
    for name in nats-node nats-relay mongo-root mongo-node mongo-relay mongo-keyfile postgres-root postgres-transistor; do secret "$name"; done
}
