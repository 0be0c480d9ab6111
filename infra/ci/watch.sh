#!/usr/bin/env bash
# The functions under `cargo lambda watch` on http://127.0.0.1:9000, with the local cloud behind them: table, keys, queues, simulators,
# and the sign-in link. A function is built when it is first asked, and anew when one of its files changes. Ctrl-C stops both.
#
#   infra/ci/watch.sh            the local cloud on port 8787
#   PORT=9100 INVOKE_PORT=9200 infra/ci/watch.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-target}
environment=$target/watch.env
cargo build --locked --package coportal-local
rm -f "$environment"
"$target/debug/coportal-local" run --port "${PORT:-8787}" --environment "$environment" &
cloud=$!
trap 'kill "$cloud" 2>/dev/null || true; wait "$cloud" 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
until [ -s "$environment" ]; do
    kill -0 "$cloud" 2>/dev/null || { echo "the local cloud did not start" >&2; exit 1; }
    sleep 0.2
done
COPORTAL_CARGO=$(command -v cargo)
export COPORTAL_CARGO PATH="$PWD/infra/ci/watch:$PATH"
# Not exec: the trap above ends the local cloud.
.venv/bin/cargo-lambda lambda watch --env-file "$environment" --invoke-address 127.0.0.1 --invoke-port "${INVOKE_PORT:-9000}" &
watch=$!
trap 'kill "$watch" "$cloud" 2>/dev/null || true; wait "$watch" "$cloud" 2>/dev/null || true' EXIT
wait "$watch"
