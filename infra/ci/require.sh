# Sourced: checks that a tool is there and new enough, and says in words what to do when it is not.

missing=0

# complain WHAT FIX
complain() {
    printf 'missing: %s\n         %s\n' "$1" "$2" >&2
    missing=1
}

# at_least HAVE WANT: whether version HAVE (numbers and dots) is WANT or newer
at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)" = "$2" ]
}

# number COMMAND...: the first version number a command prints of itself
number() {
    { "$@" 2>/dev/null || true; } | sed -nE '1,5s/^[^0-9]*([0-9]+\.[0-9]+(\.[0-9]+)?).*$/\1/p' | sed -n 1p
}

require_cargo() {
    local have
    have=$(number cargo --version)
    if [ -z "$have" ]; then
        complain "Cargo (Rust 1.95 or newer)" "install it with rustup: https://rustup.rs"
    elif ! at_least "$have" 1.95; then
        complain "Rust 1.95 or newer (this is $have)" "run: rustup update stable"
    fi
}

require_cc() {
    if ! command -v "${CC:-cc}" >/dev/null 2>&1; then
        complain "a C compiler (${CC:-cc})" "Debian, Ubuntu: apt-get install build-essential; Fedora: dnf install gcc; macOS: xcode-select --install"
    fi
}

require_component() { # CARGO-SUBCOMMAND RUSTUP-NAME
    # rustup leaves a stand-in on PATH for a component that is not installed: only running it tells.
    if [ -n "$(number cargo --version)" ] && [ -z "$(number cargo "$1" --version)" ]; then
        complain "$2" "run: rustup component add $2"
    fi
}

require_python() {
    local have
    have=$(number python3 --version)
    if [ -z "$have" ]; then
        complain "Python 3.11 or newer" "Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python; or https://www.python.org/downloads"
    elif ! at_least "$have" 3.11; then
        complain "Python 3.11 or newer (this is $have)" "install it beside the old one and put it first on PATH as python3"
    elif ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
        complain "Python's venv module" "Debian, Ubuntu: apt-get install python3-venv"
    fi
}

require_node() {
    local have
    have=$(number node --version)
    if [ -z "$have" ]; then
        complain "Node.js 20 or newer" "https://nodejs.org, or your system's package nodejs"
    elif ! at_least "$have" 20; then
        complain "Node.js 20 or newer (this is $have)" "https://nodejs.org, or your system's package nodejs"
    fi
}

# The browser of the journeys in tests/browser: CHROMIUM says another one.
require_chromium() {
    local path
    for path in "${CHROMIUM:-}" /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
        if [ -n "$path" ] && [ -x "$path" ]; then return 0; fi
    done
    complain "Chromium" "Debian: apt-get install chromium; elsewhere: set CHROMIUM to the path of a Chromium or Chrome"
}

stop_if_missing() {
    [ "$missing" -eq 0 ] || exit 1
}
