"""What grows with what is stored: replay, list and start from 10³ to 10⁷ events; and the figures that need a full database."""
import socket
import statistics
import time

import plot
from figures import replay
from report import number, table
from stack import OPTA, wall

TURN = 1000000                  # tokens of one turn at most, while the log is filled
LAST = 10


def fill(stack, events):
    """A session with that many events; returns (its id, events)."""
    sid = stack.session()
    seq = 1
    while seq < events:
        tokens = min(TURN, events - seq)
        stack.submit(sid, tokens)
        seq += tokens + 3
        stack.wait_seq(sid, seq)
    return sid, seq


def last_events(stack, sid, last):
    """Seconds from connecting to having the last events, over WebSocket."""
    mark = f'"seq":{last},'.encode()
    got = b""
    begun = time.perf_counter()
    with socket.create_connection(("127.0.0.1", stack.port)) as sock:
        sock.sendall((f"GET /v3/ws?sessionId={sid}&afterSeq={last - LAST} HTTP/1.1\r\nHost: 127.0.0.1:{stack.port}\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                      f"Authorization: Bearer {stack.token}\r\n\r\n").encode())
        while mark not in got:
            piece = sock.recv(65536)
            if not piece:
                raise RuntimeError("the daemon closed the connection")
            got += piece
        return time.perf_counter() - begun


def seconds_of(action, runs):
    out = []
    for _ in range(runs):
        begun = time.perf_counter()
        action()
        out.append(time.perf_counter() - begun)
    return out


def start_again(stack, hard):
    if hard:
        # Something in the write-ahead log, and a turn under way: what a crash leaves behind.
        sid = stack.session()
        stack.submit(sid, 20000, hang=True)
        stack.wait_seq(sid, 20000)
        stack.kill()
    else:
        stack.stop()
    return stack.start()


class Size:
    """The measurements at one size."""

    def __init__(self, bench, stack, events, sid, last, sessions):
        runs = bench.runs
        self.events, self.sessions = last, sessions
        self.replay = [replay.replay(stack, sid, last) for _ in range(3 if last > 5e6 else runs)]
        self.tail = [last_events(stack, sid, last) for _ in range(runs * 4)]
        self.list = seconds_of(lambda: stack.ask("GET", "/v3/sessions?limit=50"), runs * 4)
        self.start = [start_again(stack, False) for _ in range(runs)]
        self.crash = [start_again(stack, True) for _ in range(runs)]

    def medians(self):
        return [statistics.median(values) * 1000 for values in (self.replay, self.tail, self.list, self.start, self.crash)]


NAMES = ("replay of all of a session", f"its last {LAST} events", "list of 50 sessions", "start", "start after kill -9")


def measure(bench, result):
    decades = bench.size((3, 4, 5, 6, 7), (3, 4))
    sizes, sessions = [], 0
    with bench.stack() as stack:
        for decade in decades:
            wanted = 10 ** decade // 1000
            while sessions < wanted - 1:
                stack.session()
                sessions += 1
            sid, last = fill(stack, 10 ** decade)
            sessions += 1
            size = Size(bench, stack, 10 ** decade, sid, last, sessions)
            sizes.append(size)
            if decade == 6:
                million(bench, stack, result, size)
        full(bench, stack, result, sizes[-1])
    rows = [(number(size.events), number(size.sessions), *(number(value) for value in size.medians())) for size in sizes]
    result.sections.append("Medians in milliseconds, by the events of the session that is read and the sessions there are:\n\n" +
                           table(rows, ("events", "sessions", *NAMES)) +
                           "\n\n![Replay grows in step with the events; the last events, the list and the start stay as they are]"
                           "(docs/growth.svg)\n")
    lines = [(name, [(size.events, size.medians()[i]) for size in sizes]) for i, name in enumerate(NAMES)]
    result.files["docs/growth.svg"] = plot.log_log("Cost against size", "events in the session", "milliseconds", lines)


def million(bench, stack, result, size):
    """Replay of a million beside its floor, for which the rows must be as they were written."""
    sid = replay.build(stack, 10 ** 6)
    rows, count = replay.copy_rows(bench, stack, sid)
    stack.cancel(sid)
    replay.add_row(result, 10 ** 6, *replay.compare(bench, stack, sid, 10 ** 6, rows, count))
    result.limit(f"the last {LAST} of {size.events:,} events, with the handshake", [one * 1000 for one in size.tail], "ms", "≤ 2 ms",
                 lambda ms: ms <= 2)
    stack.delete(sid)


def full(bench, stack, result, size):
    """What a full database costs a daemon that has just been started."""
    what = f"{size.sessions:,} sessions and {size.events:,} events"
    result.limit(f"start with {what}", [one * 1000 for one in size.start], "ms", "≤ 50 ms", lambda ms: ms <= 50)
    result.limit("the same after `kill -9`", [one * 1000 for one in size.crash], "ms", "≤ 50 ms", lambda ms: ms <= 50)
    memory = []
    for _ in range(bench.runs):
        start_again(stack, False)
        stack.ask("GET", "/v3/sessions?limit=50")
        wall([OPTA, "daemon", "status"], stack.env)
        memory.append(stack.anon_mb())
    result.limit(f"memory, {size.sessions:,} stored sessions", memory, "MB", "≤ 8 MB", lambda mb: mb <= 8)
