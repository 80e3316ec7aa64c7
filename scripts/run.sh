#!/bin/sh
# ./dev run [--once]: starts Tidemill with a data directory under build/, deploys the example, calls it
# cold and warm, and stays in the foreground; --once ends after the first answers.
set -eu
cd "$(dirname "$0")/.."
once=no
http=127.0.0.1:8080
api=127.0.0.1:6443
while [ $# -gt 0 ]; do
    case "$1" in
        --once) once=yes ;;
        --http) http=$2; shift ;;
        --api) api=$2; shift ;;
        *) echo "dev run: no flag \"$1\" (--once, --http ADDR, --api ADDR)" >&2; exit 2 ;;
    esac
    shift
done
tidemill=$PWD/build/release/tidemill
data=$PWD/build/run/data
mkdir -p build/run
out=build/run/up.out
: >"$out"

# Root gives instances their namespaces and limits; without it Tidemill runs and says what is missing.
root=
if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    root="sudo -n env TIDEMILL_DATA=$data"
fi
$root "$tidemill" up --data "$data" --http "$http" --api "$api" --metrics 127.0.0.1:0 >"$out" &
up=$!
stop() {
    trap - EXIT INT TERM
    kill -TERM "$up" 2>/dev/null || true
    wait "$up" 2>/dev/null || true
}
trap 'stop' EXIT
trap 'stop; exit 130' INT
trap 'stop; exit 143' TERM

tries=0
while ! grep -q '^ready ' "$out"; do
    kill -0 "$up" 2>/dev/null || { echo "dev run: tidemill up ended; its last words stand above" >&2; exit 1; }
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { echo "dev run: not ready within 30 s" >&2; exit 1; }
    sleep 0.1
done
export TIDEMILL_DATA="$data"
# Initial scale 0: nothing of it has ever run when the first call comes.
url=$($root "$tidemill" deploy examples/hello-python --name hello --initial-scale 0 | tail -n 1)
host=$(printf '%s' "$url" | sed 's#^http://##; s#[:/].*##')
address=$(sed -n 's/^ready http=\([^, ]*\).*/\1/p' "$out")

call() {
    curl -sS --max-time 30 -o build/run/answer -w '%{http_code} %{time_total}' -H "Host: $host" "http://$address/"
}
cold=$(call)
answer=$(cat build/run/answer)
warm=$(call)
case "$cold $warm" in
    "200 "*" 200 "*) ;;
    *) echo "dev run: the example did not answer 200: cold $cold, warm $warm" >&2; exit 1 ;;
esac
cat <<TEXT

  $answer
  cold  $(printf '%s' "$cold" | awk '{printf "%.1f ms", $2 * 1000}')
  warm  $(printf '%s' "$warm" | awk '{printf "%.1f ms", $2 * 1000}')

  URL   $url
  call  curl -H 'Host: $host' http://$address/

  Next, in another terminal:
    export TIDEMILL_DATA=$data PATH=$PWD/build/release:\$PATH
    tidemill deploy ./your-folder --name shop
    tidemill ls
    tidemill explain hello
    tidemill logs hello
    kubectl --kubeconfig $data/kubeconfig get ksvc

TEXT
[ "$once" = no ] || exit 0
echo "  Ctrl-C stops everything that this started." >&2
wait "$up"
