#!/bin/sh
# ./dev lint [FILE...]: clang-tidy with the checks of .clang-tidy.
set -eu
cd "$(dirname "$0")/.."
[ -f build/dev/compile_commands.json ] || cmake --preset dev >/dev/null
files=${*:-$(git ls-files 'src/*.cc' | grep -v '_test\.cc$')}
mkdir -p build
# shellcheck disable=SC2086
printf '%s\n' $files | xargs -P "$(nproc)" -n 4 clang-tidy-19 -p build/dev --quiet 2>/dev/null | tee "build/lint-$(git rev-parse --short HEAD).log"
! grep -q 'error:\|warning:' "build/lint-$(git rev-parse --short HEAD).log"
