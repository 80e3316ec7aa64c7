#!/bin/sh
# ./dev sim [SEED | FROM-TO]: simulation worlds. A seed alone is replayed with its options and trace.
set -eu
cd "$(dirname "$0")/.."
[ -f build/release/build.ninja ] || cmake --preset release >/dev/null
cmake --build build/release --parallel "$(nproc)" --target sim >&2
range=${1:-1-10000}
for world in build/release/tests/sim/*_sim; do
    [ -x "$world" ] || continue
    TIDEMILL_SIM_SEEDS=$range "$world"
done
