"""Clients that never read: the daemon does not grow, and they lose nothing."""

CLIENTS = 20


def measure(bench, result):
    tokens = bench.size(50000, 2000)
    grown, lost = [], 0
    with bench.stack() as stack:
        stack.turn(stack.session(), tokens)
        for _ in range(bench.runs):
            sid = stack.session()
            stack.rest()
            before = stack.anon_mb()
            with stack.load(sid, 0, CLIENTS, tokens + 4, late=True) as readers:
                stack.turn(sid, tokens)
                stack.rest()
                grown.append(stack.anon_mb() - before)
                readers.say("read\n")
                lost += CLIENTS * (tokens + 4) - int(readers.numbers()[1])
    result.limit(f"{CLIENTS} clients that never read, {tokens:,} tokens: the daemon grows", grown, "MB", "≤ 2 MB", lambda mb: mb <= 2)
    result.limit("events they lack when they read at last", [lost], "", "0", lambda count: count == 0)
