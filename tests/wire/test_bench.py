"""./dev bench: that it measures everything, small; what the figures are is for BENCHMARKS.md."""
import os
import subprocess
import sys

from opta_test import OPTA, Home, Skip, check, check_equal, check_in

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
FIGURES = ("processor time per request", "relay to 1 client", "events to 1 client", "stored events, one session", "replay of", "that never read", "idle WebSockets",
          "a day of use", "daemon start", "write-ahead log", "the same after `kill -9`")


def bench(home, *words):
    if not os.path.exists(os.path.join(os.path.dirname(OPTA), "build.ninja")):
        raise Skip("these programs were built elsewhere, and the bench's are not beside them")
    if "ASAN_OPTIONS" in os.environ:
        raise Skip("a sanitized build is not what is measured")
    done = subprocess.run([sys.executable, os.path.join(ROOT, "bench", "run.py"), *words], env={**home.env, "OPTA_BIN": OPTA},
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_quick_measures_every_figure_and_leaves_nothing_behind():
    home = Home()
    code, out, err = bench(home, "quick")
    check_equal(f"the exit code ({err[-800:]})", code, 0)
    for figure in FIGURES:
        check_in("the tables", figure, out)
    check_equal("what is left in TMPDIR", os.listdir(home.env["TMPDIR"]), [])
    check("figures met their reach" in out.splitlines()[-1], f"the last line sums up: {out.splitlines()[-1]!r}")


test_quick_measures_every_figure_and_leaves_nothing_behind.timeout = 120


def test_a_name_nobody_knows_is_refused():
    code, out, err = bench(Home(), "fast")
    check_equal("the exit code", code, 2)
    check_in("what is said", "there is no fast", err)
