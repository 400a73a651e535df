"""Bytes on disk for a byte of text, and what a day of streaming does to the write-ahead log."""
import os
import time

from stack import wait_for

SETTLE = 0.5                    # seconds without change: what is done in the background after a turn is done
PATIENCE = 30.0


def sizes(stack):
    """(log, messages, index, pages in use, free pages) in bytes"""
    with stack.sql() as db:
        def one(query):
            return db.execute(query).fetchone()[0] or 0
        page = one("PRAGMA page_size")
        free = one("PRAGMA freelist_count")
        return (one("SELECT sum(length(bytes)) FROM segments"), one("SELECT sum(length(CAST(body AS BLOB))) FROM messages"),
                one("SELECT sum(length(block)) FROM message_search_data"), (one("PRAGMA page_count") - free) * page, free * page)


def settled(stack):
    """The sizes, once they stay as they are."""
    last, since = None, time.monotonic()

    def still():
        nonlocal last, since
        now = sizes(stack)
        if now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since > SETTLE and last
    return wait_for(still, "the database to come to rest", PATIENCE)


def text_bytes(stack, sids):
    """What people and model said."""
    total = 0
    for sid in sids:
        total += sum(len((m.get("content") or "").encode()) for m in stack.ask("GET", f"/v3/sessions/{sid}")["messages"])
    return total


def chat(bench, sessions, turns, tokens):
    """((log, all) per byte of text, share of index and messages, free bytes)"""
    with bench.stack() as stack:
        sids = [stack.session() for _ in range(sessions)]
        empty = sizes(stack)
        for _ in range(turns):
            for sid in sids:
                stack.turn(sid, tokens, words="Please tell me, in your own words and at some length, about this: ")
        log, messages, index, pages, free = settled(stack)
        text = text_bytes(stack, sids)
    return (log - empty[0]) / text, (pages - empty[3]) / text, messages / text, index / text, free / text


def streaming(bench, result):
    tokens, turn = bench.size((3000000, 20000), (20000, 5000))
    with bench.stack() as stack:
        sid = stack.session()
        stack.turn(sid, 1000)
        written, largest = write_bytes(stack.pid), 0
        for _ in range(tokens // turn):
            goal = stack.last_seq(sid) + turn + 3
            stack.submit(sid, turn)
            stack.wait_seq(sid, goal)
            largest = max(largest, os.path.getsize(stack.database + "-wal"))
        written = write_bytes(stack.pid) - written
    result.limit("size of the write-ahead log under a day of streaming", [largest / 1e6], "MB", "≤ 16 MB (16.8 × 10⁶ bytes)",
                 lambda mb: mb <= 16 * 1.048576)
    result.add("bytes written to disk per token of it", [written / tokens], "bytes")
    result.note(f"A day of streaming: {tokens:,} tokens (100 a second for eight hours) in turns of {turn:,}, as fast as they come. The file does "
                "not shrink, so its size is the largest it had.")


def write_bytes(pid):
    with open(f"/proc/{pid}/io", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("write_bytes"))


def measure(bench, result):
    for name, plan in (("a chat", bench.size((10, 10, 500), (2, 2, 200))), ("one long answer", (1, 1, bench.size(50000, 2000)))):
        got = [chat(bench, *plan) for _ in range(bench.runs)]
        result.limit(f"bytes on disk per byte of text, log, {name}", [one[0] for one in got], "", "≤ 1.5", lambda ratio: ratio <= 1.5)
        result.limit(f"bytes on disk per byte of text, all with index, {name}", [one[1] for one in got], "", "≤ 4", lambda ratio: ratio <= 4)
        result.note(f"{name}: {plan[0]} sessions of {plan[1]} turns of {plan[2]:,} tokens. Of a byte of text the messages take {got[0][2]:.2f}, the "
                    f"search index {got[0][3]:.2f}; free pages that will be used again: {got[0][4]:.2f} (not counted).")
    result.note("Text is what people and model said, in tokens of at most six bytes. Measured once the database has come to rest after the last "
                "turn. The log is the sum of its rows, all is the pages in use less those of an empty database with these sessions.")
    streaming(bench, result)
