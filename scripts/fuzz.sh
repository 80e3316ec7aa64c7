#!/bin/sh
# ./dev fuzz [SECONDS]: every fuzzer for so long, with its corpus; new inputs go to build/fuzz/corpus.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ -f build/fuzz/build.ninja ] || cmake --preset fuzz >/dev/null
cmake --build build/fuzz --parallel "$(nproc)" --target fuzzers >&2
failed=0
for fuzzer in build/fuzz/tests/fuzz/*_fuzz; do
    [ -x "$fuzzer" ] || continue
    name=$(basename "$fuzzer" _fuzz)
    mkdir -p "build/fuzz/corpus/$name" "build/fuzz/findings"
    if "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/findings/$name-" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" \
        >"build/fuzz/$name.log" 2>&1; then
        printf 'ok    %-12s %s inputs\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$name.log")"
    else
        failed=$((failed + 1))
        printf 'FAIL  %-12s see build/fuzz/%s.log and build/fuzz/findings\n' "$name" "$name"
        tail -n 20 "build/fuzz/$name.log"
    fi
done
[ "$failed" -eq 0 ]
