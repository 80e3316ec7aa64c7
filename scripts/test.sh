#!/bin/sh
# ./dev test [PART]: everything CI runs. Each step is bounded, prints what it ran and how long it took;
# the last line counts them. A step that cannot run here says "SKIP: reason" and is counted as skipped.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
only=${1:-}
passed=0
failed=0
skipped=0
failures=
mkdir -p build/test

export ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1"
export UBSAN_OPTIONS="print_stacktrace=1"
export TSAN_OPTIONS="halt_on_error=1"

# step NAME SECONDS COMMAND...: one line when it is over; its output goes to build/test/NAME.log.
step() {
    name=$1
    limit=$2
    shift 2
    if [ -n "$only" ] && [ "$only" != "$name" ]; then return 0; fi
    log="build/test/$name.log"
    began=$(date +%s)
    timeout --kill-after=20 "$limit" "$@" >"$log" 2>&1 </dev/null
    status=$?
    took=$(($(date +%s) - began))
    counts=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) tests*\.$/\1/p; s/^Ran \([0-9]*\) tests* in.*/\1/p; s/^100% tests passed, 0 tests failed out of \([0-9]*\)$/\1/p' "$log" | awk '{n += $1} END {if (n) print n " tests, "}')
    if [ $status -eq 0 ]; then
        skips=$(grep -c '^SKIP: ' "$log")
        passed=$((passed + 1))
        skipped=$((skipped + skips))
        printf 'ok    %-12s %s%ss\n' "$name" "$counts" "$took"
        grep '^SKIP: ' "$log" | sort -u
    else
        failed=$((failed + 1))
        failures="$failures $name"
        if [ $status -eq 124 ] || [ $status -eq 137 ]; then reason="did not end within ${limit}s"; else reason="exit $status"; fi
        printf 'FAIL  %-12s %s after %ss; the end of %s:\n' "$name" "$reason" "$took" "$log"
        tail -n "${TIDEMILL_TEST_TAIL:-60}" "$log" | sed 's/^/      /'
    fi
}

# configured and built, all targets of a preset
compile() {
    preset=$1
    shift
    [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" || return 1
    cmake --build "build/$preset" --parallel "$(nproc)" "$@"
}

build_all() {
    compile dev
}

unit_tests() {
    ctest --test-dir build/dev --output-on-failure --no-tests=error --parallel 2 -E '^(sim|mutants)_'
}

# Well over 10,000 seeds; the larger a world, the fewer of them fit. The worlds run side by side. A
# seed that fails belongs into tests/sim/seeds.txt for ever; those are tried first.
simulation() {
    build/dev/tests/sim/control_sim_test &
    control=$!
    build/dev/tests/sim/agent_sim_test &
    agent=$!
    build/dev/tests/sim/store_sim_test
    store=$?
    wait "$control"
    control=$?
    wait "$agent" && [ "$control" -eq 0 ] && [ "$store" -eq 0 ]
}

# Each planted bug must be found. The worlds of control and agent need more seeds for that than
# sanitizers leave time for, so their mutants are built for release.
mutants() {
    ctest --test-dir build/dev --output-on-failure --no-tests=error -R '^mutants_store$' || return 1
    compile release --target control_mutants_test agent_mutants_test || return 1
    build/release/tests/sim/control_mutants_test && build/release/tests/sim/agent_mutants_test
}

# The rooms that more than one thread enters.
threads() {
    compile tsan --target host_linux_test telemetry_test || return 1
    build/tsan/src/host_linux_test && build/tsan/src/telemetry_test
}

end_to_end() {
    TIDEMILL_BINARY="$root/build/dev/tidemill" python3 tests/e2e/run
}

runtimes_tests() {
    sh runtimes/test
}

headers() {
    compile dev --target all_verify_interface_header_sets
}

if [ -n "${TIDEMILL_TEST_STEP:-}" ]; then
    "$TIDEMILL_TEST_STEP"
    exit
fi

run_function() {
    name=$1
    limit=$2
    function=$3
    TIDEMILL_TEST_STEP=$function step "$name" "$limit" env TIDEMILL_TEST_STEP="$function" sh "$0"
}

step tidy 60 python3 tests/tidy/tidy.py
step fmt 60 ./dev fmt --check
run_function build 3000 build_all
run_function headers 900 headers
run_function unit 900 unit_tests
run_function simulation 1200 simulation
run_function mutants 900 mutants
run_function threads 1200 threads
run_function runtimes 600 runtimes_tests
run_function e2e 1800 end_to_end

printf '%s%s passed, %s failed, %s skipped\n' "" "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ] || {
    echo "failed:$failures"
    exit 1
}
