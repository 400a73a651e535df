"""The daemon ends itself, as by kill -9, at each named place where it writes: promises 1 to 4, 6 and 7 of the contract.

Needs a build with -Dfaults=true (./dev prove, ./dev asan); elsewhere the tests are skipped. OPTA_FAULTS sets the rounds for each place (2),
OPTA_SEED the seed.
"""
import os
import random
import re
import sqlite3
import subprocess
import threading
import time

from kill_harness import Story, clients
from opta_test import OPTA, SLOW, Daemon, Demo, Home, Skip, alive, check, check_equal, send, stop_event, wait_dead

ROUNDS = int(os.environ.get("OPTA_FAULTS", "2"))
# Passed at each start, or so often under load that the count is drawn from a wider range.
AT_START = {"state-written", "state-replaced", "migrated", "recovery-turn", "recovered"}
MANY = {"batch-begun": 40, "batch-job": 120, "batch-commit": 40, "batch-committed": 40, "batch-answered": 120, "packing": 3, "tool-begun": 3, "tool-ended": 3}


def names():
    ran = subprocess.run([os.path.join(os.path.dirname(OPTA), "optad"), "faults"], capture_output=True, text=True, timeout=20, check=False)
    if ran.returncode != 0:
        raise Skip("this build has no faults (-Dfaults=true)")
    return ran.stdout.split()


def wait_end(daemon, seconds):
    """Did it end by itself?"""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pid = daemon.pid or daemon.home.state().get("pid")
        if daemon.process.poll() is not None and not (pid and alive(pid)):
            return True
        threading.Event().wait(0.005)
    return False


def end_at_start(home, fault):
    """A daemon that ends on its way up. False: it came up."""
    daemon = Daemon(home, env={"OPTA_FAULT": fault}, wait=False)
    if wait_end(daemon, 1.5 * SLOW):
        return True
    daemon.wait_ready()
    daemon.kill()
    return False


def set_back(home):
    """A database one schema older, so that the next start migrates."""
    with sqlite3.connect(os.path.join(home.dir, "sessions", "opta.db")) as db:
        for statement in ("DROP TRIGGER message_added", "DROP TRIGGER message_removed", "DROP TABLE message_search", "DROP VIEW message_texts",
                          "ALTER TABLE messages DROP COLUMN more", "ALTER TABLE messages DROP COLUMN text", "PRAGMA user_version=2"):
            db.execute(statement)
    db.close()


def one_round(home, rng, stories, name, number):
    """Load until the daemon ends at the place; then a start, and everything is looked at. True: it ended there."""
    count = rng.randint(1, MANY.get(name, 1))
    fault = f"{name}:{count}"
    when = f"round {number}, {fault}"
    daemon = Daemon(home, env=None if name in AT_START else {"OPTA_FAULT": fault})
    for story in stories:
        story.verify(daemon, when)
    over, stop = threading.Event(), []
    threads = clients(daemon, stories, number, rng, over, stop)
    if name in AT_START:
        threading.Event().wait(0.1 * SLOW)
        daemon.kill()
        there = True
    else:
        there = wait_end(daemon, 6 * SLOW)
        if not there:
            daemon.kill()
    over.set()
    for thread in threads:
        thread.join(20 * SLOW)
        check(not thread.is_alive(), f"{when}: a client did not notice the death of the daemon")
    if name == "migrated":
        set_back(home)
    if name in AT_START:
        there = end_at_start(home, f"{name}:1")
    daemon = Daemon(home)
    for story in stories:
        story.verify(daemon, when)
        story.replay(daemon, max(0, len(story.log) - 150), when)
    left = [file for file in os.listdir(os.path.dirname(home.state_path)) if file.startswith(".")]
    check_equal(f"{when}: files left behind", left, [])
    daemon.kill()
    return there


def run(name, rounds, seed):
    rng = random.Random(seed)
    home = Home()
    home.write_config({"connection.port": Demo(home, log=False).port, "daemon.maxSessions": 100})
    daemon = Daemon(home)
    stories = [Story(f"fault-{i}") for i in range(3)]
    for story in stories:
        daemon.create(sessionId=story.sid, metadata={"workspace": home.work})
        story.tools, story.large = name.startswith("tool-"), name.startswith("checkpoint")
        story.extend(daemon.raw_events(story.sid))
    daemon.kill()
    reached = 0
    for number in range(rounds):
        reached += one_round(home, rng, stories, name, number)
    check(reached, f"{name} was never passed in {rounds} rounds: nothing was tested")
    daemon = Daemon(home)
    turn = daemon.submit(stories[0].sid, "demo:tokens=3")
    stop_event(daemon.turn_events(stories[0].sid, turn), "turn.done")
    daemon.stop()
    check(re.search("database[.]{3} +● sound", home.opta("doctor", "--verbose").text), "doctor does not call the database sound")


def make(name):
    def test():
        seed = int(os.environ.get("OPTA_SEED") or time.time_ns() % 1000000)
        if name not in names():
            raise Skip("this build has no such place")
        try:
            run(name, ROUNDS, seed)
        except Exception as err:
            raise AssertionError(f"OPTA_SEED={seed}, {name}: {type(err).__name__}: {err}") from err
    test.__name__ = "test_an_end_at_" + name.replace("-", "_")
    test.__module__ = __name__
    test.timeout = 120 + ROUNDS * 12
    return test


def test_every_place_is_tried():
    check_equal("places without a test", [n for n in names() if "test_an_end_at_" + n.replace("-", "_") not in globals()], [])


for place in ("state-written", "state-replaced", "migrated", "recovery-turn", "recovered", "batch-begun", "batch-job", "batch-commit",
              "batch-committed", "batch-answered", "packing", "checkpoint", "checkpointed", "tool-begun", "tool-ended"):
    made = make(place)
    globals()[made.__name__] = made
del made
