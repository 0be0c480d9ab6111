#!/usr/bin/env bash
# `make watch`, tried: asks a function, edits a string in it, asks again, and sees the new string. The file is put back as it was.
set -euo pipefail
cd "$(dirname "$0")/../.."

source_file=functions/settings-page/src/lib.rs
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PORT=$((port + 10)) INVOKE_PORT=$port
log=${CARGO_TARGET_DIR:-target}/watch-test.log
kept=$(mktemp)
cp "$source_file" "$kept"
infra/ci/watch.sh >"$log" 2>&1 &
watch=$!
finish() {
    cmp -s "$kept" "$source_file" || cp "$kept" "$source_file"
    rm -f "$kept"
    kill "$watch" 2>/dev/null || true
    wait "$watch" 2>/dev/null || true
}
trap finish EXIT

# answers WHAT COMMAND...: repeats the request until it answers WHAT; a function is built before it answers.
answers() {
    local wanted=$1 began=$SECONDS got=
    shift
    while :; do
        got=$("$@" 2>/dev/null || true)
        if [ "$got" = "$wanted" ]; then
            echo "$got   (after $((SECONDS - began)) s)"
            return 0
        fi
        kill -0 "$watch" 2>/dev/null || { echo "make watch ended: $log" >&2; return 1; }
        if [ $((SECONDS - began)) -gt "${PATIENCE:-900}" ]; then
            echo "got '$got', not '$wanted': $log" >&2
            return 1
        fi
        sleep 1
    done
}
health() { curl --silent --fail --max-time 600 "http://127.0.0.1:$INVOKE_PORT/healthz"; }
clients() {
    local token
    token=$(curl --silent --fail "http://127.0.0.1:$PORT/__local/demo/token")
    curl --silent --max-time 600 --output /dev/null --write-out '%{http_code}' -H "Authorization: Bearer $token" "http://127.0.0.1:$INVOKE_PORT/v1/clients"
}

echo "GET /healthz, as it is:"
answers ok health
echo "GET /v1/clients, which reads the local cloud's table:"
answers 200 clients
sed -i.bak 's/"ok\\n"/"ok, and edited\\n"/' "$source_file" && rm -f "$source_file.bak"
cmp -s "$kept" "$source_file" && { echo "nothing was edited in $source_file" >&2; exit 1; }
echo "GET /healthz, after the edit:"
answers "ok, and edited" health
