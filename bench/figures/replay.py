"""50,000 events to a client that has none, beside a program that reads the same rows and writes them to a socket."""
import sqlite3

from stack import Tool


def build(stack, tokens):
    """A session with that many tokens in one turn that goes on: its rows are still as they were written."""
    sid = stack.session()
    stack.submit(sid, tokens, hang=True)
    stack.wait_seq(sid, tokens + 3)
    return sid


def copy_rows(bench, stack, sid):
    """The session's rows in a database of their own; returns its path and the bytes of the rows."""
    path = bench.path("rows.db")
    with stack.sql() as db:
        number = db.execute("SELECT num FROM sessions WHERE id = ?", (sid,)).fetchone()[0]
        bounds = (number << 36, (number + 1) << 36)
        size = db.execute("SELECT sum(length(bytes)) FROM segments WHERE id >= ? AND id < ?", bounds).fetchone()[0]
        db.execute("ATTACH ? AS floor", (path,))
        db.execute("CREATE TABLE floor.segments(id INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, encoding INTEGER NOT NULL, bytes BLOB NOT NULL)")
        db.execute(f"INSERT INTO floor.segments SELECT (id & {(1 << 36) - 1}) | (1 << 36), last_seq, encoding, bytes FROM main.segments "
                   "WHERE id >= ? AND id < ?", bounds)
        db.commit()
    with sqlite3.connect(path) as floor:
        floor.execute("PRAGMA journal_mode=WAL")
    floor.close()
    return path, size


def replay(stack, sid, events):
    """Seconds from the first byte to the last."""
    stack.rest()
    with stack.load(sid, 0, 1, events) as reader:
        return reader.numbers()[0]


def compare(bench, stack, sid, events, rows, size):
    """Seconds of each run of opta, and of the floor."""
    ours, floors = [], []
    with Tool("floor-replay", rows, 1) as floor:
        port = int(floor.line()[0])
        for _ in range(bench.runs):
            ours.append(replay(stack, sid, events))
            with Tool("bench-load", "raw", port, 1, size) as reader:
                floors.append(reader.ready().numbers()[0])
    return ours, floors


def add_row(result, events, ours, floors):
    result.ratio(f"replay of {events:,} events", [events / one for one in ours], "/s", [events / one for one in floors],
                 reach="≥ 0.5 × floor", met=lambda ratio: ratio >= 0.5)


def measure(bench, result):
    events = bench.size(50000, 5000)
    with bench.stack() as stack:
        sid = build(stack, events)
        rows, size = copy_rows(bench, stack, sid)
        stack.cancel(sid)
        add_row(result, events, *compare(bench, stack, sid, events, rows, size))
    result.note("Over WebSocket, from the first byte to the last. The floor sends the rows as they were written, before opta packs them.")
