"""Deadlines. OPTA_TEST_SLOW stretches every one of them (sanitizer builds, slow machines)."""
import glob
import os
import time

SLOW = float(os.environ.get("OPTA_TEST_SLOW", "1") or 1)
STEP = 0.005


def wait_for(condition, seconds=5.0, what="the condition"):
    """Calls condition every 5 ms until it answers something true, and returns that; fails at the deadline."""
    end = time.monotonic() + seconds * SLOW
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() >= end:
            raise AssertionError(f"waited {seconds * SLOW:.1f} s for {what}; it did not come (last answer: {got!r})")
        time.sleep(STEP)


def forget_false_clocks():
    """libfaketime's shared memory of daemons that are gone: it is named by pid and left behind when they are killed."""
    for path in glob.glob("/dev/shm/faketime_shm_*") + glob.glob("/dev/shm/sem.faketime_sem_*"):
        if not os.path.exists("/proc/" + path.rsplit("_", 1)[1]):
            os.unlink(path)


def check(truth, message):
    if not truth:
        raise AssertionError(message)


def check_equal(what, got, want):
    if got != want:
        raise AssertionError(f"{what}: expected {short(want)}, got {short(got)}")


def check_in(what, needle, hay):
    if needle not in hay:
        raise AssertionError(f"{what}: expected to find {short(needle)} in {short(hay)}")


def short(value, limit=600):
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


class Skip(Exception):
    """This machine cannot run the test (no right to make a network namespace, say)."""


def needs_plain_build(why="times and memory of a sanitized build say nothing"):
    """Skips a test whose subject a sanitizer does not look at: the check has to end in time."""
    if SLOW != 1:
        raise Skip(why)
