"""What is measured, and with what: the programs, a daemon in a temporary home, the bench's own model server."""
import contextlib
import http.client
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OPTA = os.path.abspath(os.environ.get("OPTA_BIN") or os.path.join(ROOT, "build", "opta"))
BUILD = os.path.dirname(OPTA)
RUNS = 5
STEP = 0.002                    # between two looks at a condition
REST = 0.2                      # seconds without work: a daemon at rest
PATIENCE = 120.0                # seconds until a condition counts as failed
LONG_PATIENCE = 900.0           # ten million events are packed for minutes
FRESH = 30.0                    # seconds; a connection not used for longer is opened anew, as the daemon closes those idle for a minute
TEXT_WORDS = 200000             # of the text the model server answers with


def build_programs():
    subprocess.run(["ninja", "-C", BUILD, "--quiet", "bench-programs"], check=True)


def program(name):
    """The path of bench-NAME or floor-NAME."""
    return os.path.join(BUILD, "bench", name)


def wait_for(condition, what, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise RuntimeError(f"waited {seconds:.0f} s for {what}")
        time.sleep(STEP)


def wall(command, env=None):
    """Seconds a command takes."""
    begun = time.perf_counter()
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def cpu_seconds(pid):
    """Processor time of all threads of a process, as the scheduler counts it."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def switches(pid):
    """How often the threads of a process were put on a processor."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii", errors="replace") as file:
            total += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
    return total


def alive(pid):
    """A zombie counts as dead."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def children(pid):
    found = [pid]
    for parent in found:
        for task in os.listdir(f"/proc/{parent}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{parent}/task/{task}/children", encoding="ascii") as file:
                found += [int(child) for child in file.read().split()]
    return found


def anon_mb(pid):
    """RssAnon of a process and all below it, in MB."""
    total = 0
    for one in children(pid):
        with contextlib.suppress(OSError), open(f"/proc/{one}/status", encoding="utf-8", errors="replace") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("RssAnon"))
    return total / 1024


class Tool:
    """A load generator or floor program under way; ended when the block is left."""

    def __init__(self, name, *args, stdin=None):
        self.process = subprocess.Popen([program(name), *map(str, args)], stdin=stdin, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid

    def line(self):
        """Its next line, in words."""
        words = self.process.stdout.readline().split()
        if not words:
            raise RuntimeError(f"{self.process.args[0]} ended with {self.process.wait()} and said nothing")
        return words

    def numbers(self):
        return [float(word) for word in self.line()]

    def ready(self):
        if self.line() != ["ready"]:
            raise RuntimeError(f"{self.process.args[0]} is not ready")
        return self

    def say(self, text):
        self.process.stdin.write(text)
        self.process.stdin.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()


class Stack:
    """A daemon with a home of its own. The turns' contents say what its model server answers (bench/model.c)."""

    def __init__(self, home, model_port):
        self.dir = os.path.join(home, "opta")
        self.database = os.path.join(self.dir, "sessions", "opta.db")
        self.env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": home, "OPTA_HOME": self.dir, "OPTA_DAEMON_PORT": "0",
                    "LANG": "C.UTF-8"}
        self.pid = self.http = None
        self.asked = 0.0                        # when the last answer came, monotonic
        os.makedirs(self.dir, mode=0o700)
        with open(os.path.join(self.dir, "config.json"), "w", encoding="utf-8") as file:
            json.dump({"connection": {"host": "127.0.0.1", "port": model_port}, "model": {"contextTokens": 8192},
                       "daemon": {"maxSessions": 200}}, file)

    def opta(self, *args):
        return subprocess.run([OPTA, *args], env=self.env, check=True, capture_output=True, text=True).stdout

    def start(self):
        """Seconds until `opta daemon start` says that the daemon answers."""
        took = wall([OPTA, "daemon", "start"], self.env)
        self.read_state()
        return took

    def read_state(self):
        with open(os.path.join(self.dir, "daemon", "state.json"), encoding="utf-8") as file:
            state = json.load(file)
        self.pid, self.port, self.token = state["pid"], state["port"], state["token"]
        self.http = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def stop(self):
        took = wall([OPTA, "daemon", "stop"], self.env)
        self.forget()
        return took

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        wait_for(lambda: not alive(self.pid), "the daemon to be gone")
        self.forget()

    def forget(self):
        if self.http:
            self.http.close()
        self.pid = self.http = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.pid:
            subprocess.run([OPTA, "daemon", "stop"], env=self.env, stdout=subprocess.DEVNULL, check=False)
            self.forget()

    def ask(self, method, path, body=None):
        if time.monotonic() - self.asked > FRESH:
            self.http.close()
        self.http.request(method, path, json.dumps(body) if body is not None else None,
                          {"Authorization": "Bearer " + self.token, "Content-Type": "application/json"})
        answer = self.http.getresponse()
        content = answer.read()
        self.asked = time.monotonic()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
        return json.loads(content)

    def session(self, **more):
        return self.ask("POST", "/v3/sessions", more)["id"]

    def submit(self, sid, tokens, every=0, hang=False, words=""):
        """Begins a turn. hang: after the tokens it goes on in silence, so that its rows stay as they were written."""
        content = f"{words}bench tokens={tokens}" + f" every={every}" * bool(every) + " hang=1" * hang
        self.ask("POST", f"/v3/sessions/{sid}/turns", {"content": content})

    def wait_seq(self, sid, seq):
        """Until event seq of the session is stored."""
        wait_for(lambda: self.ask("GET", f"/v3/sessions/{sid}/events?afterSeq={seq - 1}&limit=1&timeout=60000")["events"], f"event {seq}")

    def last_seq(self, sid):
        return self.ask("GET", f"/v3/sessions/{sid}")["lastSeq"]

    def turn(self, sid, tokens, **more):
        """A whole turn: queued, start, tokens, done."""
        goal = self.last_seq(sid) + tokens + 3
        self.submit(sid, tokens, **more)
        self.wait_seq(sid, goal)

    def cancel(self, sid):
        self.ask("POST", f"/v3/sessions/{sid}/cancel", {})

    def delete(self, sid):
        self.ask("DELETE", f"/v3/sessions/{sid}")

    def rest(self):
        """Until the daemon does nothing: what it packs and gives back after a turn is no part of the next one."""
        last, since = None, 0.0

        def still():
            nonlocal last, since
            now = cpu_seconds(self.pid)
            if now != last:
                last, since = now, time.monotonic()
            return time.monotonic() - since > REST
        wait_for(still, "the daemon to come to rest", LONG_PATIENCE)

    def anon_mb(self):
        return anon_mb(self.pid)

    def cpu(self):
        return cpu_seconds(self.pid)

    @contextlib.contextmanager
    def sql(self):
        db = sqlite3.connect(self.database, timeout=30)
        try:
            yield db
        finally:
            db.close()

    def rows(self, sid):
        """(first id, bytes) of each row of a session's log, as written while its turn runs."""
        with self.sql() as db:
            number = db.execute("SELECT num FROM sessions WHERE id = ?", (sid,)).fetchone()[0]
            return db.execute("SELECT id, length(bytes) FROM segments WHERE id >= ? AND id < ? ORDER BY id",
                              (number << 36, (number + 1) << 36)).fetchall()

    def load(self, sid, after, clients, events, late=False):
        """Clients of a session, connected."""
        return Tool("bench-load", "late" if late else "ws", self.port, self.token, sid, after, clients, events,
                    stdin=subprocess.PIPE if late else None).ready()


def make_text(path):
    """A text like English: words of this project's documents, each followed by one that followed it there. Always the same."""
    rng = random.Random(1)
    words = []
    for folder in (ROOT, os.path.join(ROOT, "docs")):
        for name in sorted(os.listdir(folder)):
            if name.endswith(".md") and name != "BENCHMARKS.md":
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    words += re.findall(r"[A-Za-z][A-Za-z'-]*[.,;:]?", file.read())
    follows = {}
    for one, two in zip(words, words[1:]):
        follows.setdefault(one, []).append(two)
    word, out = words[0], []
    for _ in range(TEXT_WORDS):
        out.append(word)
        word = rng.choice(follows.get(word) or words)
    with open(path, "w", encoding="utf-8") as file:
        file.write(" ".join(out))


class Bench:
    """One run of the bench: how often, how large, and the model server that all daemons share."""

    def __init__(self, folder, quick):
        self.folder, self.quick = folder, quick
        self.runs = 1 if quick else RUNS
        self.homes = 0

    def size(self, full, quick):
        return quick if self.quick else full

    def __enter__(self):
        text = os.path.join(self.folder, "text")
        make_text(text)
        self.model = Tool("bench-model", text)
        self.model_port = int(self.model.line()[0])
        return self

    def __exit__(self, *_):
        self.model.__exit__()

    def path(self, name):
        """A path for a file of its own."""
        self.homes += 1
        return os.path.join(self.folder, f"{self.homes}-{name}")

    def stack(self):
        home = self.path("home")
        os.mkdir(home)
        return Stack(home, self.model_port)
