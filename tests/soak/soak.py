#!/usr/bin/python3
"""./dev soak [SECONDS]: mixed use, and whether memory, descriptors and database grow with it.

What a day brings, all at once and over and over: turns with and without tools, cancels, permissions, clients that come and go over each
transport, background processes, searches, sessions made, exported and deleted, a model server that fails, settings that change. Every ten
seconds a sample; at the end the last quarter is compared with the second one. Ends with the line `N passed, N failed`.
"""
import json
import os
import random
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.dont_write_bytecode = True

import opta_test                                                            # noqa: E402
import processes                                                            # noqa: E402
from opta_test import Demo, Daemon, Gone, Home                              # noqa: E402
from stream_client import Refused                                           # noqa: E402

EVERY = 10.0
KEPT = 12                           # sessions that stay; the rest are deleted as new ones come
GROWTH_MB = 1.5                     # of RssAnon, from the second to the last quarter
GROWTH_FDS = 8


class Soak:
    def __init__(self, seconds):
        self.seconds = seconds
        self.home = Home({"daemon.maxSessions": 100, "permissions.run_command": "allow", "permissions.write_file": "allow",
                          "background.maxConcurrent": 8, "daemon.permissionTimeoutMs": 1000})
        demo = Demo(self.home, log=False)
        self.home.write_config({"connection.port": demo.port, "daemon.maxSessions": 100, "permissions.run_command": "allow",
                                "background.maxConcurrent": 8, "daemon.permissionTimeoutMs": 1000})
        self.daemon = Daemon(self.home)
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.sessions, self.counts, self.problems = [], {}, []

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def session(self, rng):
        with self.lock:
            return rng.choice(self.sessions) if self.sessions else None

    # --- what users do ---

    def make(self, rng):
        sid = self.daemon.create(title=f"soak {rng.random()}", metadata={"workspace": self.home.work})["id"]
        old = None
        with self.lock:
            self.sessions.append(sid)
            if len(self.sessions) > KEPT:
                old = self.sessions.pop(rng.randrange(KEPT))
        if old:
            self.daemon.http("POST", f"/v3/sessions/{old}/cancel", {})
            self.daemon.http("DELETE", f"/v3/sessions/{old}")

    def turn(self, rng):
        sid = self.session(rng)
        words = rng.choice((f"demo:tokens={rng.randint(1, 400)}", "demo:echo words of a person", f"demo:think=20 demo:tokens={rng.randint(1, 50)}",
                            'demo:tool=list_dir demo:args={"path":"."}', 'demo:tool=run_command demo:args={"command":"echo\\u0020x;seq\\u00202000"}',
                            'demo:tool=write_file demo:args={"path":"f","content":"x"}', "demo:status=500 demo:times=1", "demo:drop=5", "demo:error=3"))
        answer = self.daemon.post_turn(sid, words)
        if answer.status not in (202, 404, 429):
            self.problems.append(f"a turn got {answer!r}")

    def cancel(self, rng):
        self.daemon.http("POST", f"/v3/sessions/{self.session(rng)}/cancel", {})

    def read(self, rng):
        """A session may be deleted while it is read: then, and only then, the end may be an early one."""
        sid = self.session(rng)
        try:
            self.read_one(sid, rng)
        except (Gone, Refused):
            with self.lock:
                if sid in self.sessions:
                    raise

    def read_one(self, sid, rng):
        how = rng.randrange(4)
        if how == 0:
            with self.daemon.ws(sid, 0) as ws:
                for _ in range(rng.randint(1, 50)):
                    ws.recv_raw()
                    if rng.random() < 0.1:
                        break
        elif how == 1:
            with self.daemon.sse(sid, 0) as sse:
                sse.recv()
        elif how == 2:
            self.daemon.http("GET", f"/v3/sessions/{sid}/events?afterSeq=0&limit={rng.randint(1, 500)}")
        else:
            self.daemon.http("GET", f"/v3/sessions/{sid}")

    def look(self, rng):
        self.daemon.http("GET", rng.choice(("/v3/health", "/v3/metrics", "/v3/sessions?limit=20", "/v3/search?q=words", "/v3/models", "/v3/permissions",
                                            "/v3/background", "/metrics", "/v3/openapi.json", "/nothing")))

    def background(self, rng):
        answer = self.daemon.http("POST", "/v3/background/start", {"sessionId": self.session(rng), "command": "seq 100; sleep 0.2", "timeoutMs": 5000})
        if answer.status == 201 and rng.random() < 0.5:
            self.daemon.http("POST", f"/v3/background/{answer.json()['process']['processId']}/kill", {"signal": "SIGKILL"})

    def answer(self, rng):
        for one in self.daemon.http("GET", "/v3/permissions").json().get("pending", [])[:3]:
            self.daemon.http("POST", f"/v3/sessions/{one['sessionId']}/permission-requests/{one['requestId']}/resolve",
                             {"decision": rng.choice(("allow", "deny")), "remember": rng.random() < 0.1})

    def settings(self, rng):
        self.home.opta("config", "set", "daemon.workerPoolSize", str(rng.randint(2, 6)))

    def use(self, seed):
        rng = random.Random(seed)
        doings = [(self.turn, 10), (self.read, 8), (self.look, 4), (self.answer, 4), (self.cancel, 2), (self.make, 1), (self.background, 1), (self.settings, 0.1)]
        while not self.over.is_set():
            doing = rng.choices([d for d, _ in doings], [w for _, w in doings])[0]
            try:
                doing(rng)
                self.count(doing.__name__)
            except (Gone, OSError, Refused, AssertionError) as error:
                if "nothing came" not in str(error):
                    self.problems.append(f"{doing.__name__}: {error}")
            self.over.wait(rng.random() * 0.05)

    # --- what it costs ---

    def sample(self):
        status = open(f"/proc/{self.daemon.pid}/status", encoding="ascii").read()
        anon = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
        path = os.path.join(self.home.dir, "sessions", "opta.db")
        return {"anon_mb": anon / 1024, "fds": len(os.listdir(f"/proc/{self.daemon.pid}/fd")), "db_mb": os.path.getsize(path) / 1e6,
                "wal_mb": os.path.getsize(path + "-wal") / 1e6, "children": len(processes.descendants(self.daemon.pid)),
                "events": sum(s["lastSeq"] for s in self.daemon.http("GET", "/v3/sessions").json())}

    def run(self):
        for seed in range(KEPT):
            self.make(random.Random(seed))
        users = [threading.Thread(target=self.use, args=(seed,), daemon=True) for seed in range(6)]
        for user in users:
            user.start()
        samples, begun = [], time.monotonic()
        while time.monotonic() - begun < self.seconds:
            self.over.wait(min(EVERY, self.seconds / 12))
            samples.append(self.sample())
            print(f"{time.monotonic() - begun:6.0f} s  " + "  ".join(f"{k} {v:,.1f}" if isinstance(v, float) else f"{k} {v:,}" for k, v in samples[-1].items()),
                  flush=True)
        self.over.set()
        for user in users:
            user.join(30)
        print("done: " + ", ".join(f"{k} {v:,}" for k, v in sorted(self.counts.items())))
        return samples

    def judge(self, samples):
        quarter = max(1, len(samples) // 4)
        early, late = samples[quarter:2 * quarter], samples[-quarter:]
        verdicts = []
        for key, allowed, unit in (("anon_mb", GROWTH_MB, "MB"), ("fds", GROWTH_FDS, "")):
            one, other = (statistics.median(s[key] for s in part) for part in (early, late))
            verdicts.append((f"{key}: {one:.1f} → {other:.1f} {unit}, allowed +{allowed}", other - one <= allowed))
        verdicts.append((f"wal_mb: at most {max(s['wal_mb'] for s in samples):.1f}, allowed 16", max(s["wal_mb"] for s in samples) <= 16.5))
        verdicts.append((f"problems: {self.problems[:5]!r}" if self.problems else "no problems", not self.problems))
        self.daemon.stop(30)
        verdicts.append(("doctor calls the database sound", '"name": "database", "ok": true' in json.dumps(json.loads(
            self.home.opta("doctor", "--verbose", "--json").text))))
        for text, good in verdicts:
            print(("ok   " if good else "FAIL ") + text)
        return verdicts


def main():
    processes.adopt_orphans()
    soak = Soak(float(sys.argv[1]) if len(sys.argv) > 1 else 3600.0)
    try:
        verdicts = soak.judge(soak.run())
    finally:
        opta_test.teardown()
        opta_test.remove_files()
    failed = sum(not good for _, good in verdicts)
    print(f"{len(verdicts) - failed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
