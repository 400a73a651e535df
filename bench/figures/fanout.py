"""One turn to many clients, beside a broadcaster that writes chunks of the same size; and whether others can get a word in."""
import statistics

from stack import Tool

TOKENS = 5000
OVERHEAD = 2                    # events of a turn before its first token: queued, start
PROBES = 1000


def ours(stack, clients, tokens):
    """(events/s, bytes of an event, bytes of a chunk, the generator's share of a core)"""
    sid = stack.session()
    with stack.load(sid, 1, clients, tokens + OVERHEAD) as readers:
        stack.rest()
        stack.submit(sid, tokens, hang=True)
        seconds, frames, size, own = readers.numbers()
    rows = stack.rows(sid)
    stack.cancel(sid)
    stack.rest()
    return frames / seconds, size / frames, sum(n for _, n in rows) / len(rows), own / seconds


def floor(clients, tokens, event, chunk):
    chunks = max(1, round(event * tokens / chunk))
    with Tool("floor-broadcast", clients, round(chunk), chunks) as server:
        with Tool("bench-load", "raw", int(server.line()[0]), clients, round(chunk) * chunks) as readers:
            seconds, _, size, _ = readers.ready().numbers()
    return size / event / seconds


def worst_health(bench, stack):
    """The second worst answer, in ms, while 100 clients are written to as fast as they read."""
    probes = bench.size(PROBES, 50)
    tokens = bench.size(2000000, 100000)
    sid = stack.session()
    with stack.load(sid, 1, 100, tokens) as readers:
        stack.submit(sid, tokens)
        stack.wait_seq(sid, 1000)
        with Tool("bench-http", "probe", stack.port, stack.token, probes) as prober:
            prober.ready()
            _, median, worst = prober.numbers()
        if readers.process.poll() is not None:
            raise RuntimeError("the fan-out ended before the last question was asked")
    stack.cancel(sid)
    return worst / 1000, median / 1000


def measure(bench, result):
    tokens = bench.size(TOKENS, 500)
    own = 0
    with bench.stack() as stack:
        for clients in bench.size((1, 10, 100, 1000), (1, 100)):
            rates, floors = [], []
            for _ in range(bench.runs):
                rate, event, chunk, share = ours(stack, clients, tokens)
                rates.append(rate)
                floors.append(floor(clients, tokens, event, chunk))
                own = max(own, share)
            reach = {100: "≥ 1,000,000 /s", 1000: "≥ 0.7 × floor"}.get(clients, "")
            met = {100: lambda _, rates=rates: statistics.median(rates) >= 1e6, 1000: lambda ratio: ratio >= 0.7}.get(clients)
            result.ratio(f"events to {clients:,} client{'s' * (clients > 1)}", rates, "/s", floors, reach=reach, met=met)
        worst = [worst_health(bench, stack) for _ in range(bench.runs)]
    result.limit("`/v3/health` while 100 clients are fanned out to, second worst of 1,000", [one[0] for one in worst], "ms", "≤ 10 ms",
                 lambda ms: ms <= 10)
    result.note(f"A turn of {tokens:,} tokens, as fast as the model server can; a client reads each event whole. The floor writes chunks of "
                f"the size opta's batches had, and knows beforehand all it has to write. The median answer of `/v3/health` meanwhile took "
                f"{statistics.median(one[1] for one in worst):.2f} ms. The readers (`bench/load.c`) used up to {own:.0%} of a core, in one thread.")
