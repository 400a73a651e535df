"""Figures as rows of a table, and the document they end up in."""
import os
import platform
import statistics
import subprocess
import time


def number(value):
    """Three digits that tell something, thousands apart."""
    size = abs(value)
    digits = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2 if size >= 0.1 else 3
    return f"{value:,.{digits}f}"


def spread(values, unit):
    """median (least … most) unit; one value alone as it is."""
    values = sorted(values)
    text = number(statistics.median(values))
    if len(values) > 1 and values[0] != values[-1]:
        text += f" ({number(values[0])} … {number(values[-1])})"
    return f"{text} {unit}".strip()


class Row:
    """One figure. met: True, False, or None for one that is only reported."""

    def __init__(self, name, values, unit, floor=None, compared="", reach="", met=None):
        self.name, self.values, self.unit, self.floor = name, list(values), unit, floor
        self.compared, self.reach, self.met = compared, reach, met

    def cells(self):
        return (self.name, spread(self.values, self.unit), spread(self.floor, self.unit) if self.floor else "", self.compared,
                self.reach or "reported", {True: "met", False: "**not met**", None: ""}[self.met])


HEAD = ("figure", "opta", "floor", "compared", "reach", "")


class Result:
    """The rows of a group, and what a reader has to know about them."""

    def __init__(self, name):
        self.name, self.rows, self.notes = name, [], []
        self.sections = []                      # Markdown of its own, after the tables
        self.files = {}                         # path below the root -> content, written with the document

    def add(self, name, values, unit, **more):
        self.rows.append(Row(name, values, unit, **more))

    def ratio(self, name, values, unit, floor, reach="", met=None):
        """A row compared by the median of the ratios of each run with its floor. met: asked with that median."""
        middle = statistics.median(a / b for a, b in zip(values, floor))
        self.add(name, values, unit, floor=floor, compared=f"× {number(middle)}", reach=reach, met=met(middle) if met else None)
        return middle

    def difference(self, name, values, unit, floor, reach="", met=None):
        """The same by the median of the differences."""
        middle = statistics.median(a - b for a, b in zip(values, floor))
        self.add(name, values, unit, floor=floor, compared=f"{middle:+,.2f} {unit}", reach=reach, met=met(middle) if met else None)
        return middle

    def limit(self, name, values, unit, reach, met):
        """A row whose median alone counts."""
        self.add(name, values, unit, reach=reach, met=met(statistics.median(values)))

    def note(self, text):
        self.notes.append(text)

    def table(self):
        return table([row.cells() for row in self.rows]) + "".join(f"\n- {note}" for note in self.notes) + "\n"


def table(rows, head=HEAD):
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [head, tuple("-" * width for width in widths), *rows]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines)


def summary(results):
    rows = [row for result in results for row in result.rows]
    missed = [row.name for row in rows if row.met is False]
    text = f"{sum(row.met is True for row in rows)} of {sum(row.met is not None for row in rows)} figures met their reach"
    return text + (f"; not met: {'; '.join(missed)}" if missed else "")


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


TITLES = {
    "health": "Requests", "relay": "Relay", "fanout": "Fan-out", "storing": "Storing", "replay": "Replay", "clients": "Clients that do not read",
    "idle": "Idle", "memory": "Memory", "life": "Start and stop", "disk": "Disk", "growth": "Cost against size",
}

INTRO = """# Benchmarks

Written by `./dev bench` on {date}, in {took:.0f} s, on {cores} cores of {processor}, Linux {kernel}, commit {commit}. Nothing here is
typed by hand; run it again and this page is made anew.

Each figure is measured next to a *floor*: a program in `bench/floor/` that does only what the machine cannot spare anybody (read a request and
write fixed bytes, write the same chunk to every socket, insert the same rows in the same transactions). opta and floor take turns, five
times; a cell is *median (least … most)*, and "compared" is the median of the five ratios or differences. Absolute numbers are this
machine's, and others work on it (load before the first figure: {load:.1f}); the comparison is what travels. The load generators share the cores with what they measure.

**{summary}.**
"""


def commit_of(root):
    try:
        out = subprocess.run(["git", "-C", root, "describe", "--always", "--dirty", "--exclude=*"], capture_output=True, text=True, check=True)
        return out.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def write(root, results, took, load):
    """BENCHMARKS.md, and the pictures it shows. load: the machine's load average before the run."""
    parts = [INTRO.format(date=time.strftime("%Y-%m-%d"), took=took, cores=os.cpu_count(), processor=processor(), kernel=platform.release(), load=load,
                          commit=commit_of(root), summary=summary(results))]
    for result in results:
        parts.append(f"\n## {TITLES[result.name]}\n\n{result.table()}")
        parts += result.sections
        for path, content in result.files.items():
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(content)
    with open(os.path.join(root, "BENCHMARKS.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(parts))
    print("written: BENCHMARKS.md", flush=True)
