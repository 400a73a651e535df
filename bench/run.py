#!/usr/bin/env python3
"""./dev bench [quick | NAME …]: measures, beside floor programs, and writes BENCHMARKS.md.

Every figure is measured next to its floor, in turns, five times; what is compared is the ratio, because absolute numbers are the machine's.
`quick` does all of it once and small, in well under a minute: it shows that the bench works, not how fast opta is. With NAMEs only these
groups are measured. Both print and leave BENCHMARKS.md alone.
"""
import importlib
import os
import shutil
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import report                                                               # noqa: E402
from stack import ROOT, Bench, build_programs                               # noqa: E402

GROUPS = ("health", "relay", "fanout", "storing", "replay", "clients", "idle", "memory", "life", "disk", "growth")


def main(words):
    quick = "quick" in words
    names = [word for word in words if word != "quick"]
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        print(f"bench: there is no {unknown[0]}; there are: quick {' '.join(GROUPS)}", file=sys.stderr)
        return 2
    build_programs()
    begun, load = time.monotonic(), os.getloadavg()[0]
    folder = tempfile.mkdtemp(prefix="opta-bench-")
    results = []
    try:
        with Bench(folder, quick) as bench:
            for name in GROUPS:
                if names and name not in names:
                    continue
                print(f"measuring {name} …", file=sys.stderr, flush=True)
                result = report.Result(name)
                importlib.import_module("figures." + name).measure(bench, result)
                results.append(result)
                print(result.table(), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    took = time.monotonic() - begun
    print(f"\n{report.summary(results)}; {took:.0f} s", flush=True)
    if not quick and not names:
        report.write(ROOT, results, took, load)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
