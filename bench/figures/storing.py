"""Stored events per second: one session beside a bare SQLite writer with the same batches, and many sessions side by side."""
import statistics
import subprocess
import time

from stack import Tool

SEALED = 64 * 1024 - 1024       # a row this large was closed because it was full: the next one is of the same transaction


def one_session(stack, tokens):
    """(seconds, rows of the log)"""
    sid = stack.session()
    stack.rest()
    begun = time.perf_counter()
    stack.submit(sid, tokens, hang=True)
    stack.wait_seq(sid, tokens + 3)
    seconds = time.perf_counter() - begun
    rows = [size for _, size in stack.rows(sid)]
    stack.cancel(sid)
    stack.rest()
    return seconds, rows


def bare_writer(bench, rows):
    """(seconds, transactions)"""
    lines = "".join(f"{size}\n" + ".\n" * (size < SEALED) for size in rows)
    with Tool("floor-write", bench.path("floor.db"), stdin=subprocess.PIPE) as writer:
        writer.say(lines + ".\n" * (rows[-1] >= SEALED))
        return writer.numbers()


def side_by_side(stack, sessions, tokens):
    sids = [stack.session() for _ in range(sessions)]
    stack.rest()
    begun = time.perf_counter()
    for sid in sids:
        stack.submit(sid, tokens)
    for sid in sids:
        stack.wait_seq(sid, tokens + 4)
    return sessions * tokens / (time.perf_counter() - begun)


def direct(bench, tokens):
    with Tool("floor-direct", bench.model_port, f"bench tokens={tokens}") as client:
        return tokens / client.numbers()[0]


def measure(bench, result):
    tokens = bench.size(300000, 20000)
    rates, floors, batches, model = [], [], [], []
    with bench.stack() as stack:
        for _ in range(bench.runs):
            seconds, rows = one_session(stack, tokens)
            rates.append(tokens / seconds)
            seconds, transactions = bare_writer(bench, rows)
            floors.append(tokens / seconds)
            batches.append(tokens / transactions)
            model.append(direct(bench, tokens))
        result.ratio("stored events, one session", rates, "/s", floors, reach="≥ 0.7 × floor", met=lambda ratio: ratio >= 0.7)
        for sessions in bench.size((10, 100), (10,)):
            each = bench.size(1000000, 20000) // sessions
            result.limit(f"stored events, {sessions} sessions side by side", [side_by_side(stack, sessions, each) for _ in range(bench.runs)],
                         "/s", "≥ 100,000 /s", lambda rate: rate >= 1e5)
    result.note(f"One session: {tokens:,} tokens, from the request to the last event being stored. The floor inserts rows of the same sizes in the "
                f"same transactions ({statistics.median(batches):,.0f} events each) and reads, numbers and sends nothing. Side by side: a million "
                "tokens in all, from the first request to the last turn's durable end.")
    result.note(f"The model server (`bench/model.c`) is not the limit: a direct client that drops what it reads gets "
                f"{statistics.median(model):,.0f} chunks/s.")
