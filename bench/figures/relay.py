"""From the model server's write to the client's read, stored on the way; beside a relay that passes bytes through."""
from stack import Tool

EVERY_US = 2000                 # between two chunks of the model server


def ours(stack, clients, stamps):
    sid = stack.session()
    with Tool("bench-lag", "ws", stack.port, stack.token, sid, clients, stamps) as readers:
        readers.ready()
        stack.rest()
        stack.submit(sid, stamps, every=EVERY_US)
        got = readers.numbers()
    stack.wait_seq(sid, stamps + 4)
    stack.delete(sid)
    stack.rest()
    return got[1:]


def floor(bench, clients, stamps):
    with Tool("floor-relay", bench.model_port, clients, f"bench tokens={stamps} every={EVERY_US}") as relay:
        with Tool("bench-lag", "raw", int(relay.line()[0]), clients, stamps) as readers:
            return readers.ready().numbers()[1:]


def measure(bench, result):
    stamps = bench.size(1000, 100)
    with bench.stack() as stack:
        for clients, median, worst in ((1, 120, 3000), (100, 60, None)):
            pairs = [(ours(stack, clients, stamps), floor(bench, clients, stamps)) for _ in range(bench.runs)]
            who = f"{clients} client{'s' * (clients > 1)}"
            result.difference(f"relay to {who}, p50", [a[0] for a, _ in pairs], "µs", [b[0] for _, b in pairs],
                              reach=f"≤ floor + {median} µs", met=lambda more, most=median: more <= most)
            result.difference(f"relay to {who}, p99", [a[1] for a, _ in pairs], "µs", [b[1] for _, b in pairs],
                              reach="≤ floor + 3 ms" if worst else "", met=(lambda more: more <= worst) if worst else None)
    result.note(f"{stamps:,} chunks a run, one in {EVERY_US / 1000:.0f} ms; each carries the time at which the model server wrote it, each client "
                "compares it with the time at which it read it. opta has committed the event before it sends it; the floor stores nothing.")
