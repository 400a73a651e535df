"""Commands: start, stop, status, and how long the program itself takes to begin."""
from stack import OPTA, program, wall


def measure(bench, result):
    starts, stops, status = [], [], []
    pairs = [(wall([OPTA, "--version"]), wall([program("floor-bare")])) for _ in range(bench.size(100, 10))]
    stack = bench.stack()
    with stack:
        stack.stop()
        for _ in range(bench.runs * 2):
            starts.append(stack.start())
            status.append(wall([OPTA, "daemon", "status"], stack.env))
            stops.append(stack.stop())
    result.limit("`opta daemon start`, until the daemon answers", ms(starts), "ms", "≤ 20 ms", lambda took: took <= 20)
    result.limit("`opta daemon stop`, idle", ms(stops), "ms", "≤ 50 ms", lambda took: took <= 50)
    result.difference("`opta --version`", ms(one[0] for one in pairs), "ms", ms(one[1] for one in pairs), reach="≤ floor + 1.5 ms",
                      met=lambda more: more <= 1.5)
    result.limit("`opta daemon status`", ms(status), "ms", "≤ 8 ms", lambda took: took <= 8)
    result.note("From a fork in Python to the end of the command; the floor is a C program that prints a line.")


def ms(seconds):
    return [one * 1000 for one in seconds]
