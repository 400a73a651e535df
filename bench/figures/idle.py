"""Nobody does anything: with 10,000 connected, and with nobody."""
import subprocess
import time

from stack import Tool, switches


def measure(bench, result):
    clients, seconds = bench.size(10000, 200), bench.size(30, 1)
    with bench.stack() as stack:
        quiet = []
        for _ in range(bench.runs):
            before = switches(stack.pid)
            time.sleep(bench.size(3, 1))        # what is measured is that nothing happens in it
            quiet.append((switches(stack.pid) - before) / bench.size(3, 1))
        before = stack.anon_mb()
        sid = stack.session()
        with Tool("bench-idle", stack.port, stack.token, sid, clients, stdin=subprocess.PIPE) as crowd:
            crowd.ready()
            memory = stack.anon_mb()
            shares = []
            for _ in range(bench.runs):
                used, begun = stack.cpu(), time.monotonic()
                time.sleep(seconds)
                shares.append((stack.cpu() - used) / (time.monotonic() - begun) * 100)
            crowd.say("")
            pings = int(crowd.numbers()[0])
    result.limit("wakeups, nobody connected", quiet, "/s", "0", lambda rate: rate == 0)
    result.limit(f"{clients:,} idle WebSockets: memory", [memory], "MB", "≤ 100 MB", lambda mb: mb <= 100)
    result.limit(f"{clients:,} idle WebSockets: processor", shares, "% of a core", "< 1 %", lambda share: share < 1)
    result.note(f"Windows of {seconds} s, after each other; the clients answered {pings:,} pings in all. Memory is RssAnon of all processes "
                f"(before them {before:.1f} MB); sockets are the kernel's.")
