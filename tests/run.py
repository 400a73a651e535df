#!/usr/bin/python3
"""Runs the wire, promise and seed tests against a real `opta` (env OPTA_BIN, else build/opta beside tests/).

    tests/run.py [-j N] [--list] [word…]     words: parts of file or test names; a test runs when one of them fits

Each test runs in a process of its own, in a home of its own. Environment: OPTA_TEST_SLOW=4 stretches all deadlines
(sanitizer builds), OPTA_KILLS and OPTA_SEED steer the kill -9 harness, OPTA_TEST_RESULTS names a file to which each result is appended. Ends with the line `N passed, N failed`.
"""
import argparse
import glob
import importlib.util
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
sys.dont_write_bytecode = True
DEFAULT_TIMEOUT = 60
GRACE = 20                      # seconds for teardown after the test's own timeout


class TestTimeout(BaseException):
    pass


def name_of(path):
    return os.path.relpath(path, HERE)


def load(path):
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tests_in(path, words):
    module = load(path)
    found = [f for n, f in vars(module).items() if n.startswith("test_") and callable(f) and f.__module__ == module.__name__]
    return [f for f in found if not words or any(w in f"{name_of(path)}::{f.__name__}" for w in words)]


def run_body(test, seconds):
    """In the test's own process: the test, then its teardown. Returns (status, lines)."""
    import clock
    import opta_test
    import processes
    processes.adopt_orphans()

    def too_long(*_):
        raise TestTimeout(f"the test took longer than {seconds:.0f} s")

    signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    status, lines = "passed", []
    try:
        test()
    except clock.Skip as err:
        status, lines = "skipped", [str(err)]
    except (Exception, TestTimeout):
        status, lines = "failed", traceback.format_exc().rstrip().splitlines()
    signal.setitimer(signal.ITIMER_REAL, 0)
    wrong = opta_test.teardown()
    if wrong:
        status, lines = "failed", lines + [line for text in wrong for line in text.splitlines()]
    if status == "failed":
        lines += opta_test.report()
    left = opta_test.remove_files()
    return ("failed", lines + left) if left else (status, lines)


def when_there_is_room(start):
    """What start gives; a fork bomb in the test beside this one may leave no process for it yet."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return start()
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def run_one(test, slow):
    """Forks, so that one test's threads, signals and children are never another's."""
    import processes
    seconds = getattr(test, "timeout", DEFAULT_TIMEOUT) * slow
    reader, writer = os.pipe()
    base = tempfile.mkdtemp(prefix="opta-tests-")
    begun = time.monotonic()
    pid = when_there_is_room(os.fork)
    if pid == 0:
        os.close(reader)
        tempfile.tempdir = base
        try:
            outcome = run_body(test, seconds)
        except BaseException:
            outcome = ("failed", traceback.format_exc().splitlines())
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(json.dumps(outcome).encode())
        os._exit(0)
    os.close(writer)
    timer = threading.Timer(seconds + GRACE * slow, lambda: os.kill(pid, signal.SIGKILL))
    timer.start()
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    timer.cancel()
    timer.join()
    for left in processes.descendants():        # only when the test's own teardown did not come to its end
        processes.send(left, signal.SIGKILL)
    processes.reap()
    shutil.rmtree(base, ignore_errors=True)
    status, lines = json.loads(data) if data else ("failed", ["the test process was killed: its teardown did not end either"])
    return status, lines, time.monotonic() - begun


def worker(path, words):
    """Runs the tests of one file; one JSON line for each on the real stdout."""
    import processes
    processes.adopt_orphans()
    slow = float(os.environ.get("OPTA_TEST_SLOW", "1") or 1)
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        for test in tests_in(path, words):
            status, lines, seconds = run_one(test, slow)
            print(json.dumps({"test": test.__name__, "status": status, "lines": lines, "seconds": seconds}), file=out)
    except Exception:
        print(json.dumps({"test": "(loading)", "status": "failed", "lines": traceback.format_exc().splitlines(), "seconds": 0}), file=out)


def keep(path, result):
    """For scripts/never-ran: one line for each test, appended whole."""
    if os.environ.get("OPTA_TEST_RESULTS"):
        with open(os.environ["OPTA_TEST_RESULTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps({**result, "test": f"{name_of(path)}::{result['test']}"}) + "\n")


def run_file(path, words, say, totals):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    begun = time.monotonic()
    with when_there_is_room(lambda: subprocess.Popen([sys.executable, os.path.abspath(__file__), "--worker", path, *words],
                                                     stdout=subprocess.PIPE)) as process:
        for line in process.stdout:
            result = json.loads(line)
            keep(path, result)
            counts[result["status"]] += 1
            if result["status"] != "passed":
                word = "FAILED" if result["status"] == "failed" else "skipped"
                say("\n".join([f"{word} {name_of(path)}::{result['test']} ({result['seconds']:.1f} s)"] +
                              [f"  {text}" for text in result["lines"]]))
    if process.returncode:
        counts["failed"] += 1
        say(f"FAILED {name_of(path)}: its worker ended with {process.returncode}")
    if sum(counts.values()):
        skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
        say(f"{'ok ' if not counts['failed'] else 'BAD'} {name_of(path)}: {counts['passed']} passed, "
            f"{counts['failed']} failed{skipped} ({time.monotonic() - begun:.1f} s)")
    for key, count in counts.items():
        totals[key] += count


def take_interrupts():
    """Behind a shell's "&" Ctrl+C is ignored, and everything started from here would ignore it as well."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def main():
    take_interrupts()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-j", type=int, default=2, metavar="N", help="files side by side (2)")
    parser.add_argument("--list", action="store_true", help="names of the tests, nothing runs")
    parser.add_argument("--worker", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    if args.worker:
        return worker(args.worker, args.words)
    files = sorted(path for folder in ("wire", "promises", "seeds") for path in glob.glob(os.path.join(HERE, folder, "test_*.py")))
    if args.list:
        for path in files:
            for test in tests_in(path, args.words):
                print(f"{name_of(path)}::{test.__name__}")
        return 0
    import opta_test
    if not os.access(opta_test.OPTA, os.X_OK):
        print(f"there is no program at {opta_test.OPTA}: build it, or name it in OPTA_BIN")
        return 2
    lock, todo, totals = threading.Lock(), queue.SimpleQueue(), {"passed": 0, "failed": 0, "skipped": 0}
    files.sort(key=lambda path: "promises" not in path)         # the longest first

    def say(text):
        with lock:
            print(text, flush=True)

    def lane():
        while True:
            try:
                path = todo.get_nowait()
            except queue.Empty:
                return
            run_file(path, args.words, say, totals)

    for path in files:
        todo.put(path)
    lanes = [threading.Thread(target=lane) for _ in range(max(1, args.j))]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    print(f"{totals['passed']} passed, {totals['failed']} failed")
    return 1 if totals["failed"] else 0 if totals["passed"] + totals["skipped"] else 2


if __name__ == "__main__":
    sys.exit(main())
