#!/usr/bin/env python3
"""tests/e2e/soak.py [SECONDS]: the continuous client while roles and instances are killed and versions change.

Prints a summary; exit 1 if a request failed that no rule allows to fail. A kill -9 of the proxy may fail what was
in flight at that instant, and nothing else may fail at all. TIDEMILL_E2E_SEED repeats a run's choices.
"""
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from clients import ContinuousClient  # noqa: E402
from harness import Platform  # noqa: E402

PROXY_GRACE_SECONDS = 1.0


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    seed = int(os.environ.get("TIDEMILL_E2E_SEED", random.randrange(1 << 30)))
    chance = random.Random(seed)
    print(f"soak of {seconds} s, seed {seed}", flush=True)
    done = {"deploy": 0, "traffic": 0, "control": 0, "agent": 0, "proxy": 0}
    proxy_kills = []
    with tempfile.TemporaryDirectory(prefix="tidemill-soak-") as folder, Platform() as platform:
        def deploy(number):
            (Path(folder) / "handler.py").write_text(f"def handle(request, context):\n    return 'v{number}'\n")
            return platform.run("deploy", folder, "--name", "soak", "--window", "6s", check=False, seconds=120).returncode

        if deploy(0) != 0:
            print("the first deploy failed", file=sys.stderr)
            return 1
        with ContinuousClient(platform, "soak.default.localhost") as client:
            end = time.monotonic() + seconds
            said = time.monotonic()
            while time.monotonic() < end:
                time.sleep(chance.uniform(0.5, 4))
                what = chance.choices(("deploy", "traffic", "control", "agent", "proxy"), (2, 2, 4, 4, 1))[0]
                if what == "deploy":
                    deploy(done["deploy"] + 1)
                elif what == "traffic":
                    share = chance.randrange(101)
                    platform.run("traffic", "soak", "--to", f"@latest={share},soak-00001={100 - share}", check=False)
                else:
                    pid = platform.role_pid(what)
                    if pid is None:
                        continue
                    os.kill(pid, signal.SIGKILL)
                    if what == "proxy":
                        proxy_kills.append(time.monotonic() - client.began)
                done[what] += 1
                if time.monotonic() - said > 30:
                    said = time.monotonic()
                    print(f"  {said - client.began:5.0f} s: {client.summary()}", flush=True)
        wrong = [each for each in client.failures
                 if not any(-0.1 < each[0] - at < PROXY_GRACE_SECONDS for at in proxy_kills)]
    print(client.summary())
    print("done: " + ", ".join(f"{count} {what}" for what, count in done.items()))
    print(f"failed with a proxy that was killed: {len(client.failures) - len(wrong)}; otherwise: {len(wrong)}")
    for each in wrong[:20]:
        print(f"  at {each[0]} s {each[1]}: {each[2]}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
