#!/bin/sh
# ./dev sim [SEED | FROM-TO] [WORLD]: simulated worlds (store, control, agent; all without a name). A
# seed alone is replayed, with its options and its trace.
set -eu
cd "$(dirname "$0")/.."
range=${1:-1-10000}
worlds=${2:-store control agent}
[ -f build/release/build.ninja ] || cmake --preset release >/dev/null
targets=
for world in $worlds; do targets="$targets ${world}_sim_test"; done
# shellcheck disable=SC2086
cmake --build build/release --parallel "$(nproc)" --target $targets >&2
failed=0
for world in $worlds; do
    "build/release/tests/sim/${world}_sim_test" "$range" || failed=1
done
exit $failed
