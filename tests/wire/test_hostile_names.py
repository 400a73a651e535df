"""Names that others chose never reach a terminal as they are: every command, with hostile names at every place."""
import json
import os
import pty
import re
import select
import time

from opta_test import OPTA, SLOW, Daemon, Demo, Home, check, check_equal, wait_for
from tools import Bench, call

# Title, clipboard, colour, cursor, C1, line end, a return to the line's beginning, a bidirectional override.
EVIL = "a\033]0;owned\007\033]52;c;eA==\007\033[31m\033[2Jb\u009b31m\u0085\nFORGED all is well\r\u202egnp"
EVIL_LINE = EVIL.replace("\n", " ").replace("\r", " ")

# The same as the text of a message, which may well have lines.
EVIL_TEXT = EVIL.replace("FORGED", "SAID")

# What may come from the program itself: colours where there are any, and what paints the bottom of chat's screen.
OWN = re.compile(rb"\x1b\[\?(2026|25|2004)[hl]|\x1b\[\d*[ABCJK]|\x1b\[[\d;]*m")


class Shown:
    """What `opta args…` wrote to a terminal that takes no colours."""

    def __init__(self, home, *args, typed=(), cwd=None, seconds=20):
        """typed: (what is waited for on the screen, what is typed then), one after the other."""
        self.args, typed, at = args, list(typed), 0
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(cwd or home.work)
            os.execve(OPTA, ["opta", *args], {**home.env, "TERM": "xterm", "NO_COLOR": "1"})
        self.data, end = b"", time.monotonic() + seconds * SLOW
        while time.monotonic() < end:
            if not select.select([fd], [], [], 0.1)[0]:
                if typed and typed[0][0] in self.data[at:]:
                    os.write(fd, typed.pop(0)[1])
                    at = len(self.data)
                continue
            try:
                piece = os.read(fd, 65536)
            except OSError:
                break
            if not piece:
                break
            self.data += piece
        else:
            os.kill(pid, 9)
        os.close(fd)
        self.code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.check()

    def check(self, painted=False):
        who = f"opta {' '.join(self.args)[:60]!r}"
        check(self.code >= 0, f"{who} ended by a signal: {self.data[-300:]!r}")
        rest = OWN.sub(b"", self.data)
        text = rest.decode("utf-8", "replace")
        bad = sorted({f"U+{ord(c):04X}" for c in text if (ord(c) < 32 and c not in "\r\n\t") or 0x7F <= ord(c) < 0xA0})
        check(not bad, f"{who} lets {bad} reach the terminal: {self.data[:1500]!r}")
        check(b"\x1b[31m" not in self.data and b"\x1b[2J" not in self.data, f"{who} obeys a colour or clears the screen")
        forged = [line for line in re.split(r"[\r\n]+", text) if line.startswith("FORGED")]
        check(not forged, f"{who} lets a name begin a line: {text[:1500]!r}")


class Raw:
    """A model server that answers each request with the same bytes."""

    def __init__(self, status, body):
        import http.server
        import threading

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            do_GET = do_POST = answer

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def hostile_bench():
    bench = Bench(demo=("--model", EVIL))
    sid = bench.daemon.create(title=EVIL, metadata={"workspace": bench.ws, "note": EVIL}, messages=[
        {"role": "user", "content": EVIL_TEXT}, {"role": "assistant", "content": EVIL_TEXT,
                                            "tool_calls": [{"id": "c", "type": "function", "function": {"name": EVIL, "arguments": json.dumps({"path": EVIL})}}]},
        {"role": "tool", "tool_call_id": "c", "content": EVIL_TEXT}])["id"]
    bench.write(EVIL_LINE.replace("/", "_"), EVIL_TEXT)
    return bench, sid


def test_every_command_with_hostile_names_of_sessions_and_models():
    bench, sid = hostile_bench()
    home = bench.home
    export = os.path.join(home.work, "export.json")
    home.opta("sessions", "export", sid, "--format", "json", "--output", export)
    for args in (("sessions",), ("sessions", "--json"), ("sessions", "show", sid), ("sessions", "show", sid, "--compact"),
                 ("sessions", "show", sid, "--json"), ("sessions", "search", "owned"), ("sessions", "search", "owned", "--json"),
                 ("sessions", "export", sid, "--output", "-"), ("sessions", "export", sid, "--format", "json", "--output", "-"),
                 ("sessions", "export", sid), ("sessions", "rename", sid, EVIL), ("sessions", "show", EVIL), ("sessions", "delete", EVIL),
                 ("models",), ("models", "--json"), ("models", "info", EVIL), ("models", "use", EVIL), ("models", "info"),
                 ("status",), ("status", "--json"), ("doctor",), ("doctor", "--json"), ("daemon", "status"), ("daemon", "status", "--json"),
                 ("daemon", "logs", "--lines", "50"), ("daemon", "logs", "--lines", "50", "--json"), ("pending",), ("approve", EVIL), ("deny", EVIL),
                 ("config", "list"), ("config", "set", "model.default", EVIL), ("config", "get", "model.default"), ("config", "list"),
                 ("config", "set", EVIL, "x"), ("config", "get", EVIL), ("config", "set", "daemon.maxSessions", EVIL),
                 ("env", "save", EVIL), ("env", "list"), ("env", "use", EVIL), ("env", "show", EVIL), ("env", "delete", EVIL),
                 ("sessions", "import", EVIL), ("do", "--model", EVIL, "hello"), ("do", "--session", EVIL, "x"),
                 ("do", "--session", sid, "hello"), ("do", "--session", sid, "--format", "json", "hello"), ("do", "--format", EVIL, "x"),
                 (EVIL,), ("help", EVIL), ("completions", EVIL), ("do", "demo:echo " + EVIL_TEXT), ("do", "--format", "text", "demo:echo " + EVIL_TEXT),
                 ("do", "--plan", call("read_file", path=EVIL)), ("do", "--non-interactive", call("run_command", command=EVIL)),
                 ("do", "--dangerous", call("list_dir")), ("support",), ("chat", "--resume", EVIL), ("daemon", EVIL)):
        Shown(home, *args, cwd=bench.ws)
    Shown(home, "sessions", "import", export, typed=[(b"[y/N]", b"n\n")] * 2)
    Shown(home, "sessions", "delete", sid, typed=[(b"[y/N]", b"n\n")] * 2)


test_every_command_with_hostile_names_of_sessions_and_models.timeout = 180


def test_chat_with_hostile_names():
    bench, sid = hostile_bench()
    shown = Shown(bench.home, "chat", "--resume", sid, typed=[("› ".encode(), b"hello\r/models\r"), (b"(loaded)", b"\x15\x04")])
    check(b"all is well" in shown.data, f"the names are not there at all: {shown.data[:600]!r}")
    turn = bench.daemon.submit(sid, call("run_command", command=EVIL))
    bench.asked(sid, turn)
    shown = Shown(bench.home, "chat", "--resume", sid, typed=[(b"[n] no", b"\x04")])
    check("<U+202E>".encode() in shown.data, f"what is approved is not all seen: {shown.data[-1500:]!r}")
    Shown(bench.home, "pending")
    bench.daemon.http("POST", f"/v3/sessions/{sid}/cancel", {})


def test_error_sentences_of_a_model_server():
    body = json.dumps({"error": {"message": EVIL, "code": EVIL, "type": EVIL}}).encode()
    for status in (400, 401, 404, 500):
        server = Raw(status, body)
        try:
            home = Home({"connection.host": "127.0.0.1", "connection.port": server.port})
            daemon = Daemon(home)
            for args in (("do", "hello"), ("do", "--format", "json", "hello"), ("models",), ("status",), ("doctor",), ("daemon", "logs", "--lines", "30")):
                Shown(home, *args)
            daemon.stop()
        finally:
            server.close()


def test_files_and_settings_that_others_wrote():
    home = Home()
    os.makedirs(os.path.join(home.dir, "profiles"), exist_ok=True)
    with open(os.path.join(home.dir, "profiles", EVIL_LINE.replace("/", "_") + ".json"), "w", encoding="utf-8") as file:
        json.dump({"model": {"default": EVIL}}, file)
    with open(home.config_path, "w", encoding="utf-8") as file:
        json.dump({"model": {"default": EVIL}, EVIL: 1, "connection": {"host": EVIL, "port": 1}}, file)
    os.makedirs(os.path.dirname(home.log_path), exist_ok=True)
    with open(home.log_path, "w", encoding="utf-8") as file:
        file.write(f"[10:00:00] INFO  {EVIL_LINE}\n{EVIL_LINE}\n[10:00:00] WARN  " + "\033[31m" + "x" * 100 + "\n")
    with open(os.path.join(home.work, "export.json"), "w", encoding="utf-8") as file:
        json.dump({"title": EVIL, "metadata": {"workspace": EVIL, "device": EVIL}, "messages": [{"role": EVIL, "content": EVIL}]}, file)
    for args in (("config", "list"), ("config", "get", "model.default"), ("env", "list"), ("doctor",), ("status",), ("daemon", "status"),
                 ("daemon", "logs", "--lines", "10"), ("daemon", "logs", "--lines", "10", "--json"), ("daemon", "start"), ("do", "x"), ("daemon", "stop")):
        Shown(home, *args)
    Shown(home, "sessions", "import", "export.json", typed=[(b"[y/N]", b"n\n")] * 2)
    home.opta("daemon", "stop")
