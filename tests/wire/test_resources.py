"""When the machine runs out of something: a typed error, recovery without a restart, and nothing lost."""
import ctypes
import glob
import os
import resource
import sqlite3
import threading
import time

from clock import forget_false_clocks, needs_plain_build
from opta_test import (OPTA, SLOW, STOPS, Daemon, Home, Skip, Wire, check, check_equal, check_in, descendants, only, request_bytes, read_response,
                       send, stack, stop_event, texts, wait_dead, wait_for)
from small_disk import read_only, small_disk
from tools import Bench, call, named

NOBODY = 65534


def status_of(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field))


def become_nobody():
    """This test's process (and all it starts) as an ordinary user: limits on processes do not count for root."""
    if os.getuid() != 0:
        return
    base = os.path.dirname(Home().root)                 # made for this test by run.py
    check_in("the directory of this test", "opta-tests-", base)
    for path, _, files in os.walk(base):
        for name in [path] + [os.path.join(path, file) for file in files]:
            os.chown(name, NOBODY, NOBODY, follow_symlinks=False)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    # Root's own directories are not for everybody: then there is nothing to be tested with.
    if not os.access(OPTA, os.X_OK):
        raise Skip(f"{OPTA} cannot be run by an ordinary user")


# processes ---------------------------------------------------------------------------------------------------------------

def limit_processes(pid, soft):
    _, hard = resource.prlimit(pid, resource.RLIMIT_NPROC)
    resource.prlimit(pid, resource.RLIMIT_NPROC, (hard if soft is None else soft, hard))


def test_without_processes_a_call_fails_with_a_sentence_and_the_next_one_runs():
    become_nobody()
    bench = Bench()
    for whose in ("the daemon", "the tool host"):
        pids = [bench.daemon.pid] if whose == "the daemon" else descendants(bench.daemon.pid)
        check(pids, "expected a tool host to be running")
        for pid in pids:
            limit_processes(pid, 0)
        end = bench.run("echo never >>ran.txt")
        check_equal(f"ok without processes for {whose}", end["ok"], False)
        check(end["result"].strip(), f"expected a sentence, got {end!r}")
        check(not os.path.exists(bench.path("ran.txt")), "expected nothing to run")
        check_equal("health", bench.daemon.http("GET", "/v3/health").status, 200)
        for pid in pids:
            limit_processes(pid, None)
        end = bench.run("echo ran")
        check_equal(f"ok afterwards for {whose}: {end!r}", end["ok"], True)


# memory ------------------------------------------------------------------------------------------------------------------

def test_little_memory_is_enough():
    """With 256 MB of addresses beyond what it has mapped when idle (each thread's allocator reserves 64): large requests, answers, many readers."""
    if SLOW != 1:
        raise Skip("sanitizers map terabytes")
    _, _, daemon = stack()
    limit = (status_of(daemon.pid, "VmSize") + 256 * 1024) * 1024
    resource.prlimit(daemon.pid, resource.RLIMIT_AS, (limit, limit))
    sid = daemon.create()["id"]
    stop_event(daemon.run_turn(sid, "demo:tokens=20000", 30), "turn.done")
    daemon.post_turn(sid, "x" * (4 << 20)).expect((202, 413))
    readers = [daemon.ws(sid, 0) for _ in range(50)]
    for reader in readers:
        reader.close()
    stop_event(daemon.run_turn(sid, "demo:tokens=3", 30), "turn.done")


def test_a_header_of_10_mb_is_refused_at_its_limit():
    needs_plain_build()
    _, _, daemon = stack(demo=None)
    before = status_of(daemon.pid, "VmHWM")
    for _ in range(20):
        wire = Wire(daemon.port)
        try:
            wire.sock.sendall(b"GET /v3/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
            for _ in range(160):
                wire.sock.sendall(b"y" * 65536)
        except OSError:
            pass
        head = wire.rest()
        # A head that did not come whole proves no token: 401 says no more than that.
        check(head == b"" or head.split(b" ")[1] in (b"401", b"431"), f"expected 401, 431 or an end, got {head[:100]!r}")
        wire.sock.close()
    check_equal("health", daemon.http("GET", "/v3/health").status, 200)
    grown = status_of(daemon.pid, "VmHWM") - before
    check(grown < 4096, f"expected no memory for it, the daemon grew by {grown} kB")


# the disk ----------------------------------------------------------------------------------------------------------------

def test_a_read_only_disk_is_a_sentence_at_the_start():
    home = Home()
    path = small_disk(home, 4096)
    read_only(path)
    ran = home.opta("daemon", "run", seconds=20)
    check(ran.code not in (0, None), f"expected an error, got {ran.code}")
    check_in("what is said", "sessions", ran.errors)
    check("read-only" in ran.errors.lower() or "readonly" in ran.errors.lower(), f"expected the reason, got {ran.errors!r}")
    check_equal("daemons", home.state().get("token"), None)


# few descriptors ---------------------------------------------------------------------------------------------------------

def test_with_few_descriptors_strangers_make_room_and_the_owner_is_served():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    stop_event(daemon.run_turn(sid, "demo:tokens=3"), "turn.done")
    open_now = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    _, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (open_now + 24, hard))
    silent = []
    try:
        for _ in range(100):
            silent.append(Wire(daemon.port))
        # The owner's requests and turns (a connection to the model each) go on.
        for i in range(5):
            check_equal(f"health, time {i}", daemon.http("GET", "/v3/health", timeout=8).status, 200)
            daemon.http("GET", f"/v3/sessions/{sid}", timeout=8).expect(200)
        events = daemon.run_turn(sid, "demo:tokens=3", 20)
        check(events[-1]["event"] in STOPS, f"expected the turn to end, got {events[-1]!r}")
    finally:
        for wire in silent:
            wire.close()
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (hard, hard))
    stop_event(daemon.run_turn(sid, "demo:tokens=3"), "turn.done")


# the clock ---------------------------------------------------------------------------------------------------------------

class FalseClock:
    """The wall clock of the processes it is preloaded into; their monotonic one stays true."""

    def __init__(self, home):
        found = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
        if not found:
            raise Skip("there is no libfaketime to make the clock jump")
        self.path = os.path.join(home.root, "clock")
        self.set(0)
        self.env = {"LD_PRELOAD": found[0], "FAKETIME_TIMESTAMP_FILE": self.path, "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1"}

    def set(self, ahead):
        """Seconds ahead of the true one; never seen half written."""
        with open(self.path + ".new", "w", encoding="ascii") as file:
            file.write(f"{ahead:+d}\n")
        os.rename(self.path + ".new", self.path)


def test_a_clock_that_jumps_neither_denies_nor_ends_nor_reorders():
    if SLOW != 1:
        raise Skip("sanitizers cannot be given another clock")
    bench = Bench({"model.idleTimeoutMs": 20000, "daemon.permissionTimeoutMs": 60000})
    bench.daemon.stop()
    clock = FalseClock(bench.home)
    bench.daemon = Daemon(bench.home, env=clock.env)
    sid = bench.session()
    for ahead in (86400, -86400, 0):
        # A question waits, a stream runs: neither notices.
        turn = bench.daemon.submit(sid, call("write_file", path="a.txt", content=str(ahead)))
        asked = bench.asked(sid, turn)
        clock.set(ahead)
        streaming = bench.daemon.create()["id"]
        events = bench.daemon.run_turn(streaming, "demo:tokens=30 demo:delay=5")
        stop_event(events, "turn.done")
        check_equal("tokens", len(texts(events)), 30)
        bench.answer(sid, asked["requestId"]).expect(200)
        stop_event(bench.daemon.turn_events(sid, turn), "turn.done")
        check_equal("what was written", bench.read("a.txt"), str(ahead))
    seqs = [e["seq"] for e in bench.daemon.events(sid)]
    check_equal("the numbers", seqs, list(range(1, len(seqs) + 1)))
    check_equal("denied", [p for p in named(bench.daemon.events(sid), "permission.resolved") if p["decision"] != "allow"], [])
    check_equal("the newest session", bench.daemon.http("GET", "/v3/sessions?limit=1").json()[0]["id"], streaming)
    bench.daemon.stop()
    forget_false_clocks()


# many --------------------------------------------------------------------------------------------------------------------

def test_100000_sessions_are_listed_searched_and_started_with():
    needs_plain_build()
    home, _, daemon = stack()
    kept = daemon.create(title="a needle in it")["id"]
    daemon.run_turn(kept, "demo:tokens=3")
    daemon.stop()
    with sqlite3.connect(os.path.join(home.dir, "sessions", "opta.db")) as db:
        db.execute("""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
                      INSERT INTO sessions SELECT 10 + i, printf('sess_%024x', i), 'm', 'hay ' || i, '{}', i, i, 0, 0, 0, 0, 0, 0 FROM n""")
    db.close()
    begun = time.monotonic()
    daemon = Daemon(home)
    took = time.monotonic() - begun
    check(took < 2 * SLOW, f"expected a start in a moment, it took {took:.2f} s")
    page = daemon.http("GET", "/v3/sessions?limit=50").json()
    check_equal("the first page", len(page), 50)
    following = daemon.http("GET", f"/v3/sessions?limit=50&before={page[-1]['id']}").json()
    check_equal("what both pages have", {s["id"] for s in page} & {s["id"] for s in following}, set())
    found = daemon.http("GET", "/v3/sessions?q=needle").json()
    check_equal("what is found", [s["id"] for s in found], [kept])
    sid = daemon.create()["id"]
    stop_event(daemon.run_turn(sid, "demo:tokens=3"), "turn.done")
    check(status_of(daemon.pid, "RssAnon") < 20 * 1024 * SLOW, f"expected little memory, {status_of(daemon.pid, 'RssAnon')} kB are used")


def test_1000_queued_turns_each_end_once_whatever_happens():
    needs_plain_build()
    home, _, daemon = stack()
    sid = daemon.create()["id"]
    first = daemon.submit(sid, "demo:tokens=100000 demo:delay=50")
    wire, turns = Wire(daemon.port), [first]
    for i in range(1000):
        wire.sock.sendall(request_bytes("POST", f"/v3/sessions/{sid}/turns", {"content": f"demo:tokens=1 {i}"}, token=daemon.token))
        answer = read_response(wire)
        check_equal(f"turn {i}", answer.status, 202)
        turns.append(answer.json()["turnId"])
    check_equal("queued", daemon.session(sid)["queuedTurns"], 1000)
    daemon.http("POST", f"/v3/sessions/{sid}/cancel", {"turnId": first}).expect(200)
    daemon.wait_stop(sid, turns[300], 60)
    send(daemon.pid, 9)
    wait_dead(daemon.pid)
    daemon = Daemon(home)
    ends = {}
    for event in daemon.events(sid, seconds=60):
        if event["event"] in STOPS:
            payload = event["payload"]
            for turn in payload.get("turnIds") or [payload.get("turnId")]:
                ends[turn] = ends.get(turn, 0) + 1
    check_equal("ends", ends, {turn: 1 for turn in turns})
    stop_event(daemon.run_turn(sid, "demo:tokens=1"), "turn.done")
