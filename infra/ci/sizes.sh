#!/usr/bin/env bash
# Builds every function as it is deployed (release profile), zips each binary as Lambda takes it, and prints the sizes. Fails when one is
# larger than 7 MB: what is unpacked before a cold start is paid for at each of them.
#
#   infra/ci/sizes.sh           builds, then measures
#   infra/ci/sizes.sh --built   measures what is built
set -euo pipefail
cd "$(dirname "$0")/../.."

functions=$(cd functions && ls -d */ | tr -d /)
if [ "${1:-}" != --built ]; then
    # shellcheck disable=SC2046 # one word a package
    cargo build --release --locked $(printf -- '--package %s ' $functions) --bins
fi
# shellcheck disable=SC2086 # one word a function
python3 - "${CARGO_TARGET_DIR:-target}/release" $functions <<'PYTHON'
import io, pathlib, sys, zipfile

LARGEST = 7_000_000  # bytes
folder, functions = pathlib.Path(sys.argv[1]), sys.argv[2:]
too_large = []
print(f"{'function':<18} {'binary':>10} {'zip':>10}")
for function in functions:
    binary = (folder / function).read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("bootstrap", binary)
    size = packed.getbuffer().nbytes
    print(f"{function:<18} {len(binary) / 1e6:>7.2f} MB {size / 1e6:>7.2f} MB")
    if size > LARGEST:
        too_large.append(function)
if too_large:
    sys.exit(f"larger than {LARGEST / 1e6:.0f} MB: {', '.join(too_large)}")
PYTHON
