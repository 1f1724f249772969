# The system in containers. Sourced by up, never run.
# shellcheck shell=bash

raise() {
    local settings=$state/settings
    mkdir -p "$state"/data/{mongo,nats,postgres,transistor,front}
    cp "$infrastructure/templates/mongo.js" "$settings/mongo.js"
    fill nats.conf nats.conf LISTEN=0.0.0.0:4222 STORE=/data MONITOR='http: "127.0.0.1:8222"' \
        NODE="$(<"$state/secrets/nats-node")" RELAY="$(<"$state/secrets/nats-relay")"
    local user
    for user in node relay; do
        printf 'mongodb://%s:%s@mongo:27017/kith?replicaSet=kith&authSource=kith' "$user" \
            "$(<"$state/secrets/mongo-$user")" >"$settings/mongo-$user.uri"
    done
    fill node.toml node.toml LISTEN=0.0.0.0:8080 WATCH=0.0.0.0:9090 ORIGIN="http://127.0.0.1:$first_port" \
        NATS=nats://nats:4222 MONGO=/run/kith/settings/mongo-node.uri SECRETS=/run/kith/secrets
    fill relay.toml relay.toml WATCH=0.0.0.0:9090 \
        NATS=nats://nats:4222 MONGO=/run/kith/settings/mongo-relay.uri SECRETS=/run/kith/secrets
    fill postgres.sql postgres.sql SECRETS=/run/kith/secrets
    printf 'postgres://transistor:%s@postgres:5432/transistor' "$(<"$state/secrets/postgres-transistor")" \
        >"$settings/postgres-transistor.url"
    fill transistor.toml transistor.toml LISTEN=0.0.0.0:8080 WATCH=0.0.0.0:9090 \
        PROXIES='"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"' POSTGRES=/run/kith/settings/postgres-transistor.url \
        BODIES=/data
    fill Caddyfile Caddyfile PORT=8080 BIND=0.0.0.0 NODES="node-1:8080 node-2:8080" TRANSISTOR=transistor:8080
    trap 'trap - INT TERM HUP; complain "not raised; taking back what was started"; compose down --timeout 20; exit 130' INT TERM HUP
    say "building and starting containers; the first time takes some minutes"
    if ! compose up --detach --build --wait --wait-timeout 600; then
        trap - INT TERM HUP
        complain "not everything came up; infrastructure/logs says why, infrastructure/down ends what runs"
        exit 1
    fi
    trap - INT TERM HUP
}
