#!/usr/bin/env python3
"""./dev bench: each figure beside a floor program, in one run: median (min … max) of 5 and the ratio.

Absolute numbers are this machine's; the ratios are what is compared.
"""
import http.client, json, os, signal, sqlite3, statistics, subprocess, sys, tempfile, threading, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
BENCH = os.path.join(BUILD, "bench")
RUNS = int(os.environ.get("OPTA_BENCH_RUNS", "5"))
TOKENS = 5000


def wall(command, env=None):
    begun = time.perf_counter()
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def spread(values, unit, scale=1.0, digits=2):
    values = sorted(v * scale for v in values)
    return f"{statistics.median(values):,.{digits}f} ({values[0]:,.{digits}f} … {values[-1]:,.{digits}f}) {unit}"


class Stack:
    """A demo server and a daemon in a temporary home."""

    def __init__(self, home):
        self.env = dict(os.environ, OPTA_HOME=os.path.join(home, "opta"), HOME=home, OPTA_DAEMON_PORT="0")
        self.demo = subprocess.Popen([BUILD + "/opta", "lmx", "demo", "--port", "0"], stdout=subprocess.PIPE, text=True)
        port = self.demo.stdout.readline().split("127.0.0.1:")[1].split()[0]
        self.opta("config", "set", "connection.host", "127.0.0.1:" + port)
        self.start()

    def opta(self, *args):
        return subprocess.run([BUILD + "/opta", *args], env=self.env, check=True, capture_output=True, text=True).stdout

    def start(self):
        self.opta("daemon", "start")
        with open(self.env["OPTA_HOME"] + "/daemon/state.json") as f:
            state = json.load(f)
        self.pid, self.port, self.token = state["pid"], state["port"], state["token"]

    def ask(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port)
        c.request(method, path, json.dumps(body) if body is not None else None,
                  {"Authorization": "Bearer " + self.token, "Content-Type": "application/json"})
        return json.loads(c.getresponse().read())

    def anon_kb(self):
        with open(f"/proc/{self.pid}/status") as f:
            return int(next(line for line in f if line.startswith("RssAnon")).split()[1])

    def stop(self):
        subprocess.run([BUILD + "/opta", "daemon", "stop"], env=self.env, stdout=subprocess.DEVNULL)
        self.demo.send_signal(signal.SIGTERM)
        self.demo.wait()


def load(*args):
    return subprocess.Popen([BENCH + "/bench-load", *map(str, args)], stdout=subprocess.PIPE, text=True)


def result(process):
    seconds, frames, size = process.stdout.readline().split()
    process.wait()
    return float(seconds), int(frames), int(size)


def health_worst(stack, stop, out):
    c = http.client.HTTPConnection("127.0.0.1", stack.port)
    worst = []
    while not stop.is_set():
        begun = time.perf_counter()
        c.request("GET", "/v3/health", headers={"Authorization": "Bearer " + stack.token})
        c.getresponse().read()
        worst.append(time.perf_counter() - begun)
    out.extend(sorted(worst)[-2:-1] or worst)


def fan_out(stack, clients):
    rates, floor_rates, worst = [], [], []
    for _ in range(RUNS):
        sid = stack.ask("POST", "/v3/sessions", {})["id"]
        # queued, start, tokens, done
        reader = load("ws", stack.port, stack.token, sid, 1, clients, TOKENS + 3)
        assert reader.stdout.readline() == "ready\n"
        stop, seen = threading.Event(), []
        prober = threading.Thread(target=health_worst, args=(stack, stop, seen))
        prober.start()
        stack.ask("POST", f"/v3/sessions/{sid}/turns", {"content": f"demo:tokens={TOKENS}"})
        seconds, frames, size = result(reader)
        stop.set()
        prober.join()
        worst += seen
        rates.append(frames / seconds)
        # The same bytes in chunks of 64 events.
        chunk = size // frames * 64
        chunks = max(1, size // clients // chunk)
        floor = subprocess.Popen([BENCH + "/bench-broadcast", str(clients), str(chunk), str(chunks)], stdout=subprocess.PIPE, text=True)
        reader = load("raw", int(floor.stdout.readline()), clients, chunk * chunks)
        reader.stdout.readline()
        seconds, _, got = result(reader)
        floor.wait()
        floor_rates.append(got / (size / frames) / seconds)
    return rates, floor_rates, worst


def replay(stack, events):
    sid = stack.ask("POST", "/v3/sessions", {})["id"]
    while stack.ask("GET", f"/v3/sessions/{sid}")["lastSeq"] < events:
        stack.ask("POST", f"/v3/sessions/{sid}/turns", {"content": "demo:tokens=10000"})
        while stack.ask("GET", f"/v3/sessions/{sid}")["status"] != "idle":
            time.sleep(0.01)
    database = stack.env["OPTA_HOME"] + "/sessions/opta.db"
    db = sqlite3.connect(database)
    num = db.execute("SELECT num FROM sessions WHERE id = ?", (sid,)).fetchone()[0]
    size = db.execute("SELECT sum(length(bytes)) FROM segments WHERE id >= ? AND id < ?", (num << 36, (num + 1) << 36)).fetchone()[0]
    db.close()
    floor = subprocess.Popen([BENCH + "/bench-replay", database, str(num)], stdout=subprocess.PIPE, text=True)
    port = int(floor.stdout.readline())
    ours, floors = [], []
    for _ in range(RUNS):
        reader = load("ws", stack.port, stack.token, sid, 0, 1, events)
        reader.stdout.readline()
        ours.append(result(reader)[0])
        reader = load("raw", port, 1, size)
        reader.stdout.readline()
        floors.append(result(reader)[0])
    floor.kill()
    floor.wait()
    return ours, floors


def main():
    subprocess.run(["ninja", "-C", BUILD, "--quiet", *("bench/bench-" + n for n in ("load", "bare", "broadcast", "replay"))], check=True)
    rows = []
    with tempfile.TemporaryDirectory(prefix="opta-bench-") as home:
        pairs = [(wall([BUILD + "/opta", "--version"]), wall([BENCH + "/bench-bare"])) for _ in range(RUNS * 10)]
        ours, floor = zip(*pairs)
        rows.append(("opta --version", spread(ours, "ms", 1e3), spread(floor, "ms", 1e3),
                     f"+{(statistics.median(ours) - statistics.median(floor)) * 1e3:.2f} ms", "≤ floor + 2 ms"))
        stack = Stack(home)
        try:
            rows.append(("idle memory, RssAnon", f"{stack.anon_kb() / 1024:.1f} MB", "", "", "< 6 MB"))
            starts, stops = [], []
            for _ in range(RUNS):
                stops.append(wall([BUILD + "/opta", "daemon", "stop"], stack.env))
                starts.append(wall([BUILD + "/opta", "daemon", "start"], stack.env))
            stack.start()
            rows.append(("daemon start, to its answer", spread(starts, "ms", 1e3), "", "", "< 30 ms"))
            rows.append(("daemon stop, idle", spread(stops, "ms", 1e3), "", "", "< 100 ms"))
            rates, floors, worst = fan_out(stack, 100)
            ratio = statistics.median(r / f for r, f in zip(rates, floors))
            rows.append((f"{TOKENS} tokens to 100 WebSockets", spread(rates, "events/s", digits=0), spread(floors, "events/s", digits=0), f"{ratio:.2f}", "≥ 500,000 events/s"))
            rows.append(("health meanwhile, 2nd worst", spread(worst, "ms", 1e3), "", "", "≤ 20 ms"))
            ours, floors = replay(stack, 50000)
            ratio = statistics.median(f / o for o, f in zip(ours, floors))
            rows.append(("replay of 50,000 events", spread(ours, "ms", 1e3), spread(floors, "ms", 1e3), f"{ratio:.2f}", "< 80 ms"))
            rows.append(("memory after all that, RssAnon", f"{stack.anon_kb() / 1024:.1f} MB", "", "", ""))
        finally:
            stack.stop()
    head = ("figure", "opta", "floor", "ratio", "to reach")
    widths = [max(len(r[i]) for r in [head, *rows]) for i in range(5)]
    for row in [head, tuple("-" * w for w in widths), *rows]:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")


if __name__ == "__main__":
    sys.exit(main())
