"""What a test needs: an own home, the command line, a daemon, a demo model server, and the wire.

Tests import everything from here, the wire clients included. Every test runs in a process of its own (see run.py); teardown() runs at its end, whatever happened.
"""
import ctypes
import json
import os
import shutil
import subprocess
import tempfile
import time

import processes
from clock import SLOW, Skip, check, check_equal, check_in, short, wait_for
from http_client import Gone, Http, Wire, cut_events, http, raw, read_response, request_bytes
from processes import alive, descendants, send, wait_dead
from stream_client import Refused, Sse, WebSocket

OPTA = os.path.abspath(os.environ.get("OPTA_BIN") or
                       os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "opta"))
REPORTS = (b"ERROR: AddressSanitizer", b"ERROR: LeakSanitizer", b"runtime error:", b"WARNING: ThreadSanitizer")
STOPS = ("turn.done", "turn.error", "session.cancelled")

_homes = []


def nest(keys):
    """{"a.b": 1} as {"a": {"b": 1}}."""
    out = {}
    for key, value in keys.items():
        at = out
        *way, last = key.split(".")
        for part in way:
            at = at.setdefault(part, {})
        at[last] = value
    return out


class Ran:
    """What a finished command left."""

    def __init__(self, args, code, out, err, seconds):
        self.args, self.code, self.out, self.err, self.seconds = args, code, out, err, seconds

    def expect(self, code):
        wanted = code if isinstance(code, tuple) else (code,)
        if self.code not in wanted:
            raise AssertionError(f"`opta {' '.join(self.args)}` ended with {self.code}, expected {code}; "
                                 f"stdout {self.out[-800:]!r}, stderr {self.err[-800:]!r}")
        return self

    @property
    def text(self):
        return self.out.decode("utf-8", "replace")

    @property
    def errors(self):
        return self.err.decode("utf-8", "replace")


class Home:
    """A temporary HOME with its own OPTA_HOME. Files go away at the end of the test."""

    def __init__(self, config=None, env=None, opta_home=True, port="0"):
        self.root = tempfile.mkdtemp(prefix="opta-test-")
        self.home = os.path.join(self.root, "home")
        self.dir = os.path.join(self.root, "opta") if opta_home else os.path.join(self.home, ".config", "opta")
        self.outputs = os.path.join(self.root, "outputs")
        self.reports = os.path.join(self.root, "reports")
        for path in (self.home, self.outputs, self.reports, os.path.join(self.root, "tmp"), os.path.join(self.root, "work")):
            os.mkdir(path)
        self.work = os.path.join(self.root, "work")
        self.count = 0
        self.daemon_pids = set()
        self.popens = []
        self.mounts = []
        self.env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": self.home, "TMPDIR": os.path.join(self.root, "tmp"),
                    "LANG": "C.UTF-8", "TERM": "dumb"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"):
            old = os.environ.get(name)
            self.env[name] = f"{old}:" * bool(old) + f"log_path={self.reports}/{name[:4].lower()}"
        if opta_home:
            self.env["OPTA_HOME"] = self.dir
        if port is not None:
            self.env["OPTA_DAEMON_PORT"] = str(port)
        self.env.update(env or {})
        self.write_config(config)
        _homes.append(self)

    @property
    def state_path(self):
        return os.path.join(self.dir, "daemon", "state.json")

    @property
    def log_path(self):
        return os.path.join(self.dir, "daemon", "daemon.log")

    @property
    def config_path(self):
        return os.path.join(self.dir, "config.json")

    def write_config(self, keys=None):
        """Dotted keys over the defaults of the tests; no test ever leaves the machine."""
        merged = {"connection.host": "127.0.0.1", "connection.port": 1}
        merged.update(keys or {})
        os.makedirs(self.dir, mode=0o700, exist_ok=True)
        with open(self.config_path, "w", encoding="utf-8") as file:
            json.dump(nest({k: v for k, v in merged.items() if v is not None}), file)

    def state(self):
        """state.json when it can be read and names a daemon, else {}."""
        try:
            with open(self.state_path, encoding="utf-8") as file:
                state = json.load(file)
        except (OSError, ValueError):
            return {}
        if isinstance(state, dict) and isinstance(state.get("pid"), int):
            self.daemon_pids.add(state["pid"])
        return state if isinstance(state, dict) else {}

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def popen(self, *args, stdin=subprocess.DEVNULL, env=None, cwd=None, stdout=None):
        """Starts `opta args…`; stdout and stderr go to files (.out_path, .err_path)."""
        self.count += 1
        base = os.path.join(self.outputs, f"{self.count:03d}-" + "-".join(a for a in args[:2]).replace("/", "_")[:40])
        with open(base + ".out", "wb") as out, open(base + ".err", "wb") as err:
            process = subprocess.Popen([OPTA, *args], stdin=stdin, stdout=stdout if stdout is not None else out, stderr=err,
                                       env={k: v for k, v in {**self.env, **(env or {})}.items() if v is not None},
                                       cwd=cwd or self.work, start_new_session=True)
        process.out_path, process.err_path = base + ".out", base + ".err"
        self.popens.append(process)
        return process

    def bystander(self):
        """A process that has nothing to do with the daemon and sleeps until it is killed."""
        process = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, start_new_session=True)
        self.popens.append(process)
        return process

    def opta(self, *args, stdin=None, seconds=20.0, env=None, cwd=None):
        """Runs `opta args…` to its end."""
        begun = time.monotonic()
        process = self.popen(*args, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE, env=env, cwd=cwd)
        if stdin is not None:
            try:
                process.stdin.write(stdin)
                process.stdin.close()
            except BrokenPipeError:
                pass
        return self.ended(process, args, seconds, begun)

    def ended(self, process, args=(), seconds=20.0, begun=None):
        """Waits for a process of popen()."""
        begun = begun or time.monotonic()
        try:
            code = process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"`opta {' '.join(args)}` did not end within {seconds * SLOW:.0f} s; stdout so far "
                                 f"{slurp(process.out_path)[-600:]!r}, stderr {slurp(process.err_path)[-600:]!r}") from None
        took = time.monotonic() - begun
        self.state()
        return Ran(list(args), code, slurp(process.out_path), slurp(process.err_path), took)

    def run_daemon(self, env=None):
        return Daemon(self, env)

    def unmount(self):
        """Lets go of the disks a test mounted below this home (in a mount namespace of its own)."""
        for path in self.mounts:
            ctypes.CDLL(None).umount2(path.encode(), 2)

    def tail(self):
        """For the report of a failed test."""
        lines = [f"    log| {line}" for line in self.log().splitlines()[-30:]]
        for name in sorted(os.listdir(self.outputs)):
            text = slurp(os.path.join(self.outputs, name)).decode("utf-8", "replace")
            if name.endswith(".err") and text.strip():
                lines += [f"    {name}| {line}" for line in text.splitlines()[-12:]]
        return lines[-120:]

    def sanitizer_reports(self):
        found = []
        for folder in (self.outputs, self.reports, os.path.dirname(self.log_path)):
            for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
                path = os.path.join(folder, name)
                text = slurp(path) if os.path.isfile(path) and not name.endswith(".out") else b""
                for mark in REPORTS:
                    at = text.find(mark)
                    if at >= 0:
                        found.append(f"sanitizer report in {name}: {text[max(0, at - 100):at + 1800].decode('utf-8', 'replace')}")
                        break
        return found


class Daemon:
    """`opta daemon run` in the foreground, ready when this returns."""

    def __init__(self, home, env=None, wait=True):
        self.home = home
        before = home.state().get("token")
        self.process = home.popen("daemon", "run", env=env)
        self.pid = self.port = self.token = None
        if wait:
            self.wait_ready(before)

    @classmethod
    def named_by(cls, home):
        """The daemon that state.json names, which somebody else started. It can be asked, not be waited for."""
        state = home.state()
        check(state.get("token") and alive(state.get("pid", 0)), f"expected a running daemon, state.json says {state!r}")
        daemon = cls.__new__(cls)
        daemon.home, daemon.process = home, None
        daemon.pid, daemon.port, daemon.token = state["pid"], state["port"], state["token"]
        return daemon

    def wait_ready(self, before=None):
        wait_for(lambda: self.is_ready(before), 10, "the daemon to write state.json and to answer /v3/health")

    def is_ready(self, before=None):
        state = self.home.state()
        if state.get("token") and state["token"] != before and isinstance(state.get("port"), int) and alive(state.get("pid", 0)):
            try:
                if http(state["port"], "GET", "/v3/health", timeout=5).status == 200:
                    self.pid, self.port, self.token = state["pid"], state["port"], state["token"]
                    return True
            except (OSError, Gone):
                pass
        if self.process.poll() is not None:
            raise AssertionError(f"`opta daemon run` ended with {self.process.returncode} before it was ready; "
                                 f"stderr {slurp(self.process.err_path)[-800:]!r}; log {self.home.log()[-800:]!r}")
        return False

    def kill(self, number=9):
        send(self.pid or self.process.pid, number)
        if number == 9:
            wait_dead(self.pid or self.process.pid)
            if self.process.pid != self.pid:
                send(self.process.pid, 9)
            self.process.wait(5 * SLOW)

    def stop(self, seconds=10.0):
        """SIGTERM; returns how long the end took."""
        begun = time.monotonic()
        send(self.pid, 15)
        wait_dead(self.pid, seconds, "the daemon to end after SIGTERM")
        took = time.monotonic() - begun
        if self.process:
            self.process.wait(5 * SLOW)
        return took

    def http(self, method, path, body=None, headers=None, token="mine", timeout=15.0):
        token = self.token if token == "mine" else token
        return http(self.port, method, path, body, headers, token, timeout)

    def ws(self, session=None, after=None, **kw):
        kw.setdefault("token", self.token)
        return WebSocket(self.port, session, after, **kw)

    def sse(self, session, after=None, headers=None, **kw):
        path = f"/v3/sse/events?sessionId={session}" + (f"&afterSeq={after}" if after is not None else "")
        return Sse(self.port, path, self.token, headers, **kw)

    # the contract's everyday requests -------------------------------------------------------------------------

    def create(self, **body):
        return self.http("POST", "/v3/sessions", body).expect((200, 201)).json()

    def session(self, sid):
        return self.http("GET", f"/v3/sessions/{sid}").expect(200).json()

    def post_turn(self, sid, content, **more):
        return self.http("POST", f"/v3/sessions/{sid}/turns", {"content": content, **more})

    def submit(self, sid, content, **more):
        """Submits a turn that must be accepted; returns its turnId."""
        return self.post_turn(sid, content, **more).expect(202).json()["turnId"]

    def raw_events(self, sid, after=0, query="", seconds=30.0):
        answer = self.http("GET", f"/v3/sessions/{sid}/events?afterSeq={after}{query}", timeout=seconds).expect(200)
        return cut_events(answer.body)

    def events(self, sid, after=0, query="", seconds=30.0):
        return [json.loads(one) for one in self.raw_events(sid, after, query, seconds)]

    def wait_event(self, sid, wanted, seconds=10.0, what="an event", after=0):
        """Long-polls until an event fits. wanted: an event name or a function of the envelope. Returns it."""
        fits = wanted if callable(wanted) else lambda e: e["event"] == wanted
        what = what if callable(wanted) else f"a {wanted} event"
        end = time.monotonic() + seconds * SLOW
        seen = []
        while time.monotonic() < end:
            left = max(1, min(2000, int((end - time.monotonic()) * 1000)))
            for envelope in self.events(sid, after, f"&timeout={left}"):
                seen.append((envelope["seq"], envelope["event"]))
                after = envelope["seq"]
                if fits(envelope):
                    return envelope
        raise AssertionError(f"waited {seconds * SLOW:.0f} s for {what} in {sid}; came only {short(seen[-20:])}")

    def wait_stop(self, sid, turn, seconds=15.0, after=0):
        return self.wait_event(sid, lambda e: turn in ended_turns(e), seconds, f"the stop event of turn {turn}", after)

    def run_turn(self, sid, content, seconds=15.0, **more):
        """Submits, waits for the stop event, returns the events of that turn."""
        return self.turn_events(sid, self.submit(sid, content, **more), seconds)

    def turn_events(self, sid, turn, seconds=15.0):
        self.wait_stop(sid, turn, seconds)
        return [e for e in self.events(sid) if e["payload"].get("turnId") == turn or turn in ended_turns(e)]


class Demo:
    """The demo model server on a free port."""

    def __init__(self, home, *flags, log=True):
        self.home = home
        self.path = os.path.join(home.root, f"demo-{home.count}.log")
        self.process = home.popen("lmx", "demo", "--port", "0", *(("--log", self.path) if log else ()), *flags)
        line = wait_for(lambda: b"\n" in slurp(self.process.out_path) and slurp(self.process.out_path).split(b"\n")[0]
                        or self.process.poll() is not None and b"ended", 10, "the demo server's first line")
        try:
            self.port = int(line.split(b"http://", 1)[1].split(b" ")[0].rsplit(b":", 1)[1].strip(b"/"))
        except (IndexError, ValueError):
            raise AssertionError(f"the demo server's first line names no port: {line!r}; "
                                 f"stderr {slurp(self.process.err_path)[-400:]!r}") from None

    def log(self):
        return [json.loads(line) for line in slurp(self.path).split(b"\n")[:-1] if line.strip()]

    def requests(self):
        return [entry for entry in self.log() if "messages" in entry]

    def cancelled(self):
        return [entry for entry in self.log() if entry.get("cancelled")]


def stack(config=None, demo=(), **home_keys):
    """A home, a demo server with these flags (None: no server at all), and a daemon that is set to use it."""
    home = Home(config, **home_keys)
    server = None
    if demo is not None:
        server = Demo(home, *demo)
        home.write_config({"connection.port": server.port, **(config or {})})
    return home, server, Daemon(home)


def slurp(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def ended_turns(envelope):
    """The turns this event ends."""
    if envelope["event"] in ("turn.done", "turn.error"):
        return [envelope["payload"].get("turnId")]
    if envelope["event"] == "session.cancelled":
        return list(envelope["payload"].get("turnIds") or [])
    return []


def texts(events, name="turn.token"):
    return [e["payload"]["text"] for e in events if e["event"] == name]


def only(events, name):
    return [e for e in events if e["event"] == name]


def stop_event(events, event, code=None):
    """The single stop event in the events of one turn, which must have this name (and code)."""
    stops = [e for e in events if e["event"] in STOPS]
    check_equal("the number of stop events", len(stops), 1)
    check(stops[0]["event"] == event, f"expected the turn to end in {event}, but it ended in {stops[0]!r}")
    if code is not None:
        wanted = code if isinstance(code, tuple) else (code,)
        check(stops[0]["payload"].get("code") in wanted, f"expected the code {code}, got {stops[0]['payload']!r}")
    return stops[0]


def report():
    return [line for home in _homes for line in home.tail()]


def teardown():
    """Ends everything the test started and removes its files. Returns what was wrong, as sentences."""
    wrong = []

    def strays():
        known = {p.pid for home in _homes for p in home.popens}
        known |= {pid for home in _homes for pid in home.daemon_pids}
        own = set(known)
        for pid in known:
            own.update(descendants(pid))
        return [pid for pid in descendants() if pid not in own]

    for home in _homes:
        home.state()
    try:
        wait_for(lambda: not strays(), 1.0)
    except AssertionError:
        wrong += [f"a process was left behind that no state.json names: {pid} ({processes.command_line(pid)})" for pid in strays()]
    wrong += [f"a process did not end at SIGTERM: {who}" for who in processes.end_all()]
    for home in _homes:
        wrong += home.sanitizer_reports()
    return wrong


def remove_files():
    left = []
    for home in _homes:
        os.chdir("/")
        home.unmount()
        shutil.rmtree(home.root, ignore_errors=True)
        if os.path.exists(home.root):
            left.append(f"files could not be removed: {home.root}")
    return left
