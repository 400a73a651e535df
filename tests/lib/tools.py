"""What tests of tools need: a workspace, prompts that call tools, and who was asked what."""
import ctypes
import json
import os
import subprocess

from opta_test import OPTA, Skip, check, check_equal, ended_turns, stack, wait_for
from processes import command_line

LAYERS = ("landlock", "seccomp", "namespaces", "capabilities")

def call(name, **args):
    """A prompt after which the demo model calls the tool."""
    return f"demo:tool={name} demo:args={packed(args)}"


def script(*steps):
    """A prompt after which it calls one tool after the other: (name, {args})."""
    return " ".join(f"demo:step={name}:{packed(args)}" for name, args in steps)


def packed(args):
    """JSON without blanks, as the prompt language wants it."""
    return json.dumps(args, separators=(",", ":")).replace(" ", "\\u0020")


class Bench:
    """A daemon with a workspace, and sessions in it."""

    def __init__(self, config=None, **more):
        self.home, self.demo, self.daemon = stack(config, **more)
        self.ws = os.path.join(self.home.root, "ws")
        os.mkdir(self.ws)
        os.chmod(self.ws, 0o755)

    def path(self, name):
        return os.path.join(self.ws, name)

    def write(self, name, content, mode=0o644):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(self.path(name), mode)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read().decode("utf-8", "replace")

    def session(self, workspace="own", **body):
        metadata = {"workspace": self.ws if workspace == "own" else workspace} if workspace else {}
        return self.daemon.create(metadata=metadata, **body)["id"]

    def newest(self, seconds=10.0):
        """The session that a program beside this one opens, once it is there."""
        return wait_for(lambda: self.daemon.http("GET", "/v3/sessions?limit=1").json(), seconds, "a session")[0]["id"]

    def answer(self, sid, rid, decision="allow", **more):
        return self.daemon.http("POST", f"/v3/sessions/{sid}/permission-requests/{rid}/resolve", {"decision": decision, **more})

    def asked(self, sid, turn, seconds=15.0, after=0):
        """The payload of the turn's next permission.request."""
        return self.daemon.wait_event(sid, lambda e: e["event"] == "permission.request" and e["payload"]["turnId"] == turn,
                                      seconds, "a permission.request", after)["payload"]

    def turn(self, content, sid=None, seconds=30.0, allow=None, **more):
        """Runs a turn to its end, answering each request with `allow` (None: none is expected). Returns its events."""
        sid = sid or self.session()
        turn = self.daemon.submit(sid, content, **more)
        after, events = 0, []
        while True:
            event = self.daemon.wait_event(
                sid, lambda e: e["payload"].get("turnId") == turn and e["event"] == "permission.request" or turn in ended_turns(e),
                seconds, "a request or the turn's end", after)
            after = event["seq"]
            if event["event"] != "permission.request":
                break
            check(allow is not None, f"expected nobody to be asked, but was: {event['payload']!r}")
            self.answer(sid, event["payload"]["requestId"], "allow" if allow else "deny").expect(200)
        events = [e for e in self.daemon.events(sid) if e["payload"].get("turnId") == turn or turn in ended_turns(e)]
        check_pairs(events)
        return events

    def tool(self, name, allow=None, sid=None, seconds=30.0, overrides=None, mode="do", **args):
        """Calls one tool; returns the payload of its tool.end."""
        events = self.turn(call(name, **args), sid, seconds, allow, mode=mode, overrides=overrides or {})
        ends = [e["payload"] for e in events if e["event"] == "tool.end"]
        check_equal("tool.end events", len(ends), 1)
        return ends[0]

    def run(self, command, seconds=30.0, sid=None, **args):
        """Runs a shell command without asking."""
        return self.tool("run_command", sid=sid, seconds=seconds, overrides={"dangerous": True}, command=command, **args)


def python(bench, code, **more):
    """Runs Python within the sandbox; its output."""
    bench.write("probe.py", "import ctypes, errno, os, socket, sys\nlibc = ctypes.CDLL(None, use_errno=True)\n" + code)
    return bench.run("/usr/bin/python3 probe.py", **more)["result"]


def landlock():
    """The ABI version of this kernel's Landlock, 0: none."""
    got = ctypes.CDLL(None, use_errno=True).syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return max(got, 0)


def bench_with(*layers, config=None, off=()):
    """A bench whose tools have these layers and no others."""
    program = os.path.join(os.path.dirname(os.path.realpath(OPTA)), "optad")
    known = subprocess.run([program, "layers"], capture_output=True, text=True, check=False)
    if known.returncode != 0:
        raise Skip("a build without -Dlayers=true (the sanitizer's has it)")
    return Bench(config, env={"OPTA_SANDBOX_OFF": ",".join(layer for layer in (*LAYERS, *off) if layer not in layers or layer in off)})


def left_running(word):
    """Processes of this machine with the word in their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if word in command_line(int(pid)) and int(pid) != os.getpid():
            found.append(pid)
    return found


def check_pairs(events):
    """Every tool.start has one tool.end after it, every permission.request one permission.resolved."""
    for first, last, key in (("tool.start", "tool.end", "callId"), ("permission.request", "permission.resolved", "requestId")):
        started = [e["payload"][key] for e in events if e["event"] == first]
        ended = [e["payload"][key] for e in events if e["event"] == last]
        check_equal(f"{last} for each {first}", sorted(ended), sorted(started))


def named(events, name):
    return [e["payload"] for e in events if e["event"] == name]


def holds(what, text, part):
    check(part in text, f"{what}: expected {part!r} in {text[-1500:]!r}")


def namespaces():
    """May this user make the namespaces that tools live in?"""
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        # mount, IPC and pid namespaces, by right or within a user namespace
        os._exit(0 if libc.unshare(0x28020000) == 0 or libc.unshare(0x38020000) == 0 else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def needs_namespaces():
    """Skips the test where tools have none."""
    if not namespaces():
        raise Skip("no namespaces can be made here, and this is about what they hold")
