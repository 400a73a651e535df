"""Twelve clients of mixed transports, some slow, on one session: all receive the same bytes."""
import json
import os
import threading
import time

from opta_test import SLOW, check, check_equal, ended_turns, stack, stop_event

TOKENS = 1500
TURNS = 2


class Client(threading.Thread):
    """Collects raw envelopes until the last turn has ended."""

    def __init__(self, name, take, gate=None):
        super().__init__(name=name, daemon=True)
        self.take, self.gate = take, gate               # take(self): a generator of raw envelopes
        self.got, self.left, self.problem = [], TURNS, None
        self.ready = threading.Event()

    def run(self):
        try:
            for one in self.take(self):
                self.got.append(one)
                self.ready.set()
                if self.gate is not None and len(self.got) == 1:
                    self.gate.wait(60 * SLOW)           # a client that stops reading in the middle
                if b'"turn.done"' in one:
                    self.left -= len(ended_turns(json.loads(one)))
                if not self.left:
                    return
            self.problem = "the stream ended before the stop event"
        except Exception as err:                        # reported by the test
            self.problem = f"{type(err).__name__}: {err}"
        finally:
            self.ready.set()


def ws_client(daemon, sid, **kw):
    def take(_):
        with daemon.ws(sid, 0, timeout=60, **kw) as ws:
            while (one := ws.recv_raw()) is not None:
                yield one
    return take


def sse_client(daemon, sid, **kw):
    def take(_):
        with daemon.sse(sid, 0, timeout=60, **kw) as sse:
            while (one := sse.recv()) is not None:
                yield one[1]
    return take


def poll_client(daemon, sid, query=""):
    def take(_):
        after = 0
        while True:
            for one in daemon.raw_events(sid, after, "&timeout=20000" + query, 60):
                after += 1
                yield one
    return take


def dropping_client(daemon, sid, every):
    """Reconnects with its cursor after so many events."""
    def take(client):
        while True:
            with daemon.ws(sid, len(client.got), timeout=60) as ws:
                for _ in range(every):
                    one = ws.recv_raw()
                    if one is None:
                        return
                    yield one
    return take


def check_all_get_the_log(daemon, sid, clients, gate, prompts):
    """Everybody gets the bytes of the log of these turns, also who stops reading until the gate opens."""
    for client in clients:
        client.start()
    for client in clients:
        check(client.ready.wait(20 * SLOW) and not client.problem, f"{client.name} did not get the first event: {client.problem}")
    turns = [daemon.submit(sid, prompt) for prompt in prompts]
    stop_event(daemon.turn_events(sid, turns[0], 60), "turn.done")
    daemon.wait_stop(sid, turns[-1], 60)                # the stopped readers did not hold anybody up
    gate.set()
    end = time.monotonic() + 60 * SLOW
    for client in clients:
        client.join(max(0.1, end - time.monotonic()))
        check(not client.is_alive(), f"{client.name} did not see the end: {len(client.got)} events")
    log = daemon.raw_events(sid)
    for client in clients:
        check(client.problem is None, f"{client.name}: {client.problem} after {len(client.got)} of {len(log)} events")
        for at, (got, want) in enumerate(zip(client.got, log)):
            check(got == want, f"{client.name}: event {at + 1} differs: got {got[:300]!r}, the log has {want[:300]!r}")
        check(len(client.got) == len(log), f"{client.name}: got {len(client.got)} events, the log has {len(log)}")


def test_twelve_clients_receive_the_same_bytes():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    gate = threading.Event()
    clients = [Client("ws one", ws_client(daemon, sid)), Client("ws two", ws_client(daemon, sid)), Client("ws three", ws_client(daemon, sid)),
               Client("ws byte by byte", ws_client(daemon, sid, step=1, rcvbuf=4096)),
               Client("ws that stops reading", ws_client(daemon, sid, rcvbuf=4096), gate),
               Client("ws that reconnects", dropping_client(daemon, sid, 97)),
               Client("sse one", sse_client(daemon, sid)), Client("sse two", sse_client(daemon, sid)),
               Client("sse that stops reading", sse_client(daemon, sid, rcvbuf=4096), gate),
               Client("poll one", poll_client(daemon, sid)), Client("poll two", poll_client(daemon, sid)),
               Client("poll with limit", poll_client(daemon, sid, "&limit=100"))]
    check_all_get_the_log(daemon, sid, clients, gate, [f"demo:tokens={TOKENS}", "demo:echo demo:size=5 " + "ünï ☃ \\ \" 𝄞 " * 30])


test_twelve_clients_receive_the_same_bytes.timeout = 120


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def has_two_processors(pid):
    """By its affinity; a container's quota may still give it less, which newer versions of libuv see."""
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota = file.read().split()[0]
    except OSError:
        quota = "max"
    return quota == "max" and len(os.sched_getaffinity(pid)) > 1


def test_a_crowd_gets_each_small_event_once():
    """So many clients that a second thread helps with the writes: some full, some that leave in the middle, some that say something meanwhile."""
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    before = threads(daemon.pid)
    gate = threading.Event()
    clients = [Client(f"ws {n}", ws_client(daemon, sid)) for n in range(14)]
    clients += [Client(f"ws {n} that stops reading", ws_client(daemon, sid, rcvbuf=4096), gate) for n in range(6)]
    clients += [Client(f"ws {n} that reconnects", dropping_client(daemon, sid, 101 + 20 * n)) for n in range(4)]
    clients += [Client(f"sse {n}", sse_client(daemon, sid)) for n in range(2)]
    with daemon.ws(None, timeout=60) as everything, daemon.ws(sid, 0, timeout=60) as asking:
        done = threading.Event()

        def talk():
            while not done.wait(0.002):
                asking.send_json({"type": "nothing"})

        talker = threading.Thread(target=talk, daemon=True)
        talker.start()
        try:
            # 600 bytes each: more than a client that does not read can have in the kernel.
            check_all_get_the_log(daemon, sid, clients, gate, ["demo:tokens=1200 demo:size=300 demo:delay=1", "demo:tokens=1"])
        finally:
            done.set()
            talker.join(10)
        log = daemon.raw_events(sid)
        following = [everything.recv_raw() for _ in log[1:]]
        check(following == log[1:], "a follower of all sessions did not get the same events")
        asked = [one for one in (asking.recv_raw() for _ in range(len(log) + 10)) if b'"error"' not in one[:10]]
        check(asked == log[:len(asked)] and asked, f"a client that talks got {len(asked)} events, which are not those of the log")
    more = threads(daemon.pid) - before
    check(more in ((1,) if has_two_processors(daemon.pid) else (0, 1)), f"expected a second thread for the writes, there are {more} threads more than before")


test_a_crowd_gets_each_small_event_once.timeout = 120


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["RssAnon"].split()[0]) / 1024


def test_slow_readers_fall_behind_without_memory_and_catch_up():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    warm = daemon.submit(sid, "demo:tokens=2000")
    daemon.wait_stop(sid, warm, 40)
    behind = daemon.session(sid)["lastSeq"]
    sockets = [daemon.ws(sid, behind, rcvbuf=4096, timeout=60) for _ in range(8)]
    before = resident(daemon.pid)
    turn = daemon.submit(sid, "demo:tokens=40000")
    daemon.wait_stop(sid, turn, 60, behind)
    grown = resident(daemon.pid) - before
    if SLOW == 1:                                       # sanitizers have memory of their own
        check(grown < 24, f"expected 8 stalled readers of about 8 MB not to grow the daemon's memory, it grew by {grown:.1f} MB")
    check_equal("health while they are stalled", daemon.http("GET", "/v3/health").status, 200)
    log = daemon.raw_events(sid, behind, seconds=60)
    for ws in sockets[:2]:
        with ws:
            got = [ws.recv_raw() for _ in log]
            check(got == log, f"a stalled reader did not catch up with the log: {len([g for g in got if g])} of {len(log)} events, "
                              f"first difference at {next((i for i, (a, b) in enumerate(zip(got, log)) if a != b), None)}")
    for ws in sockets[2:]:
        ws.wire.close()


test_slow_readers_fall_behind_without_memory_and_catch_up.timeout = 120


def test_stalled_readers_do_not_slow_the_health():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    sockets = [daemon.ws(sid, 0, rcvbuf=4096) for _ in range(30)]
    turn = daemon.submit(sid, "demo:tokens=5000")
    slowest, count = 0.0, 0
    while daemon.session(sid)["activeTurnId"] or count < 20:
        begun = time.monotonic()
        daemon.http("GET", "/v3/health").expect(200)
        slowest, count = max(slowest, time.monotonic() - begun), count + 1
    stop_event(daemon.turn_events(sid, turn), "turn.done")
    check(slowest < 1.0 * SLOW, f"expected health to answer at once during the stream, the slowest of {count} answers took {slowest:.2f} s")
    for ws in sockets:
        ws.wire.close()


def test_followers_of_all_get_two_sessions_side_by_side_and_whole():
    _, _, daemon = stack()
    sids = [daemon.create()["id"] for _ in range(2)]
    followers = [daemon.ws(None, timeout=60) for _ in range(20)]
    turns = [daemon.submit(sid, "demo:tokens=300 demo:delay=1") for sid in sids]
    for sid, turn in zip(sids, turns):
        daemon.wait_stop(sid, turn, 60)
    logs = {sid: daemon.raw_events(sid)[1:] for sid in sids}        # the first one was before they came
    for n, ws in enumerate(followers):
        with ws:
            got = {sid: [] for sid in sids}
            for _ in range(sum(map(len, logs.values()))):
                one = ws.recv_raw()
                check(one is not None, f"follower {n} was closed with {ws.close_code} after {sum(map(len, got.values()))} events")
                got[json.loads(one)["sessionId"]].append(one)
            check(got == logs, f"follower {n} got other events than the logs have")
