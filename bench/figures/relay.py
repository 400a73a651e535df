"""From the model server's write to the client's read, stored on the way; beside a relay that passes bytes through."""
from stack import Tool

EVERY_US = 2000                 # between two chunks of the model server
PACES_US = (10000, 500)         # and what a slower and a faster one make of it


def ours(stack, clients, stamps, every=EVERY_US):
    sid = stack.session()
    with Tool("bench-lag", "ws", stack.port, stack.token, sid, clients, stamps) as readers:
        readers.ready()
        stack.rest()
        stack.submit(sid, stamps, every=every)
        got = readers.numbers()
    stack.wait_seq(sid, stamps + 4)
    stack.delete(sid)
    stack.rest()
    return got[1:]


def floor(bench, clients, stamps, every=EVERY_US):
    with Tool("floor-relay", bench.model_port, clients, f"bench tokens={stamps} every={every}") as relay:
        with Tool("bench-lag", "raw", int(relay.line()[0]), clients, stamps) as readers:
            return readers.ready().numbers()[1:]


def side_by_side(bench, stack, clients, stamps, every=EVERY_US):
    """The medians and the 99th percentiles of opta and of the floor, in turns: ((opta, floor), (opta, floor))."""
    runs = [ours(stack, clients, stamps, every) + floor(bench, clients, stamps, every) for _ in range(bench.runs)]
    p50, p99, floor_p50, floor_p99 = zip(*runs)
    return (p50, floor_p50), (p99, floor_p99)


def measure(bench, result):
    stamps = bench.size(1000, 100)
    with bench.stack() as stack:
        for clients, median, worst in ((1, 120, 3000), (100, 60, None)):
            p50, p99 = side_by_side(bench, stack, clients, stamps)
            who = f"{clients} client{'s' * (clients > 1)}"
            result.difference(f"relay to {who}, p50", p50[0], "µs", p50[1],
                              reach=f"≤ floor + {median} µs", met=lambda more, most=median: more <= most)
            result.difference(f"relay to {who}, p99", p99[0], "µs", p99[1],
                              reach="≤ floor + 3 ms" if worst else "", met=(lambda more: more <= worst) if worst else None)
        for every in PACES_US:
            p50, _ = side_by_side(bench, stack, 100, min(stamps, bench.size(2000, 400) * 1000 // every), every)
            result.difference(f"the same, a chunk in {every / 1000:g} ms, p50", p50[0], "µs", p50[1])
    result.note(f"{stamps:,} chunks a run, one in {EVERY_US / 1000:.0f} ms where nothing else is said; each carries the time at which the model server "
                "wrote it, each client compares it with the time at which it read it. opta has committed the event before it sends it; the floor stores nothing.")
    result.note("The slower the chunks come, the deeper the processors sleep in between, and the more it costs to wake a thread and to run code that is in no "
                "cache; for each event opta wakes a thread three times (loop, writer, loop), the floor once. "
                "With many clients opta has a second thread for the writes, and the floor has one for everything.")
