"""GET /v3/health with the token: processor time per request, beside an epoll loop that answers with fixed bytes."""
import statistics

from stack import Tool, cpu_seconds

CONNECTIONS = 32


def load(port, token, requests, pid):
    """(microseconds of the server per request, requests/s, share of a core the generator used)"""
    before = cpu_seconds(pid)
    with Tool("bench-http", "load", port, token, CONNECTIONS, requests) as generator:
        seconds, answered, own = generator.numbers()
    return (cpu_seconds(pid) - before) / answered * 1e6, answered / seconds, own / seconds


def measure(bench, result):
    requests = bench.size(100000, 5000)
    ours, floors = [], []
    # New processes each time: where one comes to lie in memory makes a difference to all its requests.
    for _ in range(bench.runs):
        with bench.stack() as stack:
            stack.ask("GET", "/v3/health")
            with Tool("floor-http", len(body_of(stack))) as floor:
                floors.append(load(int(floor.line()[0]), "x", requests, floor.pid))
                ours.append(load(stack.port, stack.token, requests, stack.pid))
    result.ratio("`/v3/health`, processor time per request", [one[0] for one in ours], "µs", [one[0] for one in floors],
                 reach="≤ 1.3 × floor", met=lambda ratio: ratio <= 1.3)
    result.ratio("the same, requests per second", [one[1] for one in ours], "/s", [one[1] for one in floors])
    result.note(f"{CONNECTIONS} connections, {requests:,} requests a run. The generator (`bench/http.c`) is not the limit: it used "
                f"{statistics.median(one[2] for one in ours):.0%} of a core against opta and can do "
                f"{statistics.median(one[1] for one in floors):,.0f} requests/s, as the floor shows.")


def body_of(stack):
    stack.http.request("GET", "/v3/health", headers={"Authorization": "Bearer " + stack.token})
    return stack.http.getresponse().read()
