"""Two model servers at once: what is learned of one says nothing of the other."""
import http.server
import json
import threading

from model_server import ModelServer, stop, text
from opta_test import Daemon, Demo, Home, check, check_equal, only, stack, stop_event, wait_for
from tools import Bench


class Server(http.server.ThreadingHTTPServer):
    """A model server with one model, "m". What it is asked is in .offered: whether the question offered tools."""
    daemon_threads = True

    def __init__(self, takes_tools):
        self.takes_tools, self.offered = takes_tools, []
        super().__init__(("127.0.0.1", 0), Handler)
        self.name = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


    def handle_error(self, *_):
        """A client that hangs up is no news."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/v1/models":
            self.answer(200, b'{"data":[{"id":"m"}]}')
        else:
            self.answer(404, b"{}")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.offered.append("tools" in body)
        if "tools" in body and not self.server.takes_tools:
            self.answer(400, b'{"error":{"message":"m does not support tools"}}')
        else:
            self.answer(200, b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\ndata: [DONE]\n\n', "text/event-stream")


def test_tools_that_one_server_refuses_are_offered_to_the_other():
    own, other = Server(takes_tools=True), Server(takes_tools=False)
    bench = Bench({"connection.host": own.name})
    daemon = bench.daemon

    def turn(device=None):
        metadata = {"workspace": bench.ws, **({"device": device} if device else {})}
        daemon.run_turn(daemon.create(metadata=metadata, model="m")["id"], "hello")
    for _ in range(2):
        turn(other.name)
    check_equal("the one that refuses is asked again without, and then no more with", other.offered, [True, False, False])
    turn()
    check_equal("the other one", own.offered, [True])
    # And the other way round: what the settings' server refuses is no fact about a device.
    own.takes_tools, other.takes_tools = False, True
    third = Server(takes_tools=True)
    turn()
    turn(third.name)
    check_equal("a third one", third.offered, [True])


def test_a_websocket_that_one_server_lacks_is_tried_at_the_other():
    home, without, daemon = stack(demo=("--no-ws",))
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "hello")
    check_equal("the first", without.requests()[-1]["transport"], "sse")
    having = Demo(home)
    daemon.http("PATCH", f"/v3/sessions/{sid}", {"metadata": {"device": f"127.0.0.1:{having.port}"}}).expect(200)
    daemon.run_turn(sid, "hello")
    check_equal("the second", having.requests()[-1]["transport"], "ws")


def test_what_a_server_still_says_after_another_was_chosen_is_nobodys():
    """The first server's answer on its contexts comes when the settings name the second one."""
    asked, go_on = threading.Event(), threading.Event()

    def late():
        asked.set()
        go_on.wait(10)
        return {"default_generation_settings": {"n_ctx": 12345}}
    first = ModelServer(lambda body, n: [], {"/props": late})
    second = ModelServer(lambda body, n: [text("hi"), stop()])
    home = Home({"connection.host": first.host})
    daemon = Daemon(home)
    turn = daemon.submit(daemon.create()["id"], "one")
    check(asked.wait(10), "the first server was not asked for its context")
    home.opta("config", "set", "connection.host", second.host).expect(0)
    wait_for(lambda: "read again" in home.log(), 5, "the daemon to read its settings")
    go_on.set()
    sid = daemon.create()["id"]
    events = daemon.run_turn(sid, "two")
    stop_event(events, "turn.done")
    check_equal("context", only(events, "turn.start")[0]["payload"].get("contextTokens", 0), 0)
    check(turn, "the turn was accepted")
    first.close()
