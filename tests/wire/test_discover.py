"""The first run, when no setting names a model server."""
import json
import os
import pty
import socket
import subprocess
import threading

from clock import Skip
from opta_test import OPTA, SLOW, Demo, Home, check, check_equal, check_in, slurp, wait_for

# A model server of a few lines, in a process of its own: prints its port. It streams one answer to each question.
SERVER = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        if self.path == "/v1/models":
            self.answer(200, "application/json", b'{"object":"list","data":[{"id":"m1"}]}')
        else:
            self.answer(404, "application/json", b"{}")
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        text = b'data: {"choices":[{"delta":{"content":"a true answer"}}]}\\n\\ndata: {"choices":[{"delta":{},"finish_reason":"stop"}]}\\n\\ndata: [DONE]\\n\\n'
        self.answer(200, "text/event-stream", text)
class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_): pass
server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def start_server(home, user=None):
    """A model server that is no demo; user: a number whose process it is. Returns its port."""
    path = os.path.join(home.root, f"server-{user}.out")
    with open(path, "wb") as out:
        process = subprocess.Popen(["/usr/bin/python3", "-c", SERVER], stdout=out, stdin=subprocess.DEVNULL, start_new_session=True, cwd="/", user=user)
    home.popens.append(process)
    return int(wait_for(lambda: slurp(path).decode().strip(), 20, "the model server's port"))


def other_user():
    """A user that we are not and may become."""
    if os.geteuid() != 0:
        raise Skip("only root can run a process of another user")
    return 65534


def at_terminal(home, args, answer, ahead=b"", **env):
    """Runs opta at a terminal of its own, with this typed ahead, and types the answer once a question stands there. Returns
    (exit code, what was shown)."""
    main, side = pty.openpty()
    shown = b""
    os.write(main, ahead)
    process = subprocess.Popen([OPTA, *args], stdin=side, stdout=side, stderr=side, env={**home.env, **env}, cwd=home.work, start_new_session=True)
    home.popens.append(process)
    os.close(side)
    asked = False
    while True:
        try:
            piece = os.read(main, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if b"[y/N]" in shown and not asked:
            asked = True
            os.write(main, answer)
    os.close(main)
    home.state()
    return process.wait(20 * SLOW), shown.decode("utf-8", "replace")


def new_home(*ports):
    """A home without a configuration, where only these ports are looked at."""
    home = Home(env={"OPTA_DISCOVER_PORTS": ",".join(map(str, ports))})
    os.unlink(home.config_path)
    return home


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_a_server_on_this_machine_is_used_and_that_is_said_once():
    home = new_home()
    port = start_server(home)
    home.env["OPTA_DISCOVER_PORTS"] = f"{free_port()},{port}"
    ran = home.opta("do", "say hello").expect(0)
    check_in("the answer", "a true answer", ran.text)
    check_in("a word about it", f"127.0.0.1:{port}", ran.errors)
    check_equal("the setting", home.opta("config", "get", "connection.port").text, f"{port}\n")
    again = home.opta("do", "say hello").expect(0)
    check("found" not in again.errors, f"it is said again: {again.errors!r}")


def test_the_demo_is_named_as_the_demo_and_no_setting_points_at_it():
    home = Home()
    demo = Demo(home)
    home.env["OPTA_DISCOVER_PORTS"] = f"{free_port()},{demo.port}"
    os.unlink(home.config_path)
    for command, stdin in ((("do", "say hello"), None), (("chat",), b"say hello\n"), (("do", "say hello"), None)):
        ran = home.opta(*command, stdin=stdin).expect(0)
        check_in(f"the answer of {command}", "You said", ran.text)
        check_in(f"its name for {command}", f"the demo model server at 127.0.0.1:{demo.port}", ran.errors)
        check_in(f"what it is, for {command}", "not a language model", ran.errors)
        check(not os.path.exists(home.config_path), "the demo was written into the settings")
    sessions = json.loads(home.opta("sessions", "list", "--json").expect(0).text)
    check_equal("sessions", len(sessions), 3)


def test_a_model_is_preferred_to_the_demo_whatever_the_order():
    home = Home()
    demo = Demo(home)
    port = start_server(home)
    home.env["OPTA_DISCOVER_PORTS"] = f"{demo.port},{port}"
    os.unlink(home.config_path)
    check_in("the answer", "a true answer", home.opta("do", "say hello").expect(0).text)
    check_equal("the setting", home.opta("config", "get", "connection.port").text, f"{port}\n")


def test_a_server_of_another_user_is_not_used_unless_a_person_says_so():
    home = new_home()
    port = start_server(home, other_user())
    home.env["OPTA_DISCOVER_PORTS"] = str(port)
    for command, stdin in ((("do", "hi"), None), (("do", "hi"), b"y\n"), (("do", "hi", "--json"), None)):
        ran = home.opta(*command, stdin=stdin).expect(1)
        check_in("whose it is", "nobody", ran.errors)
        check_in("how to use it", f"opta config set connection.host 127.0.0.1:{port}", ran.errors)
    for answer in (b"n\n", b"\n", b"x\n"):
        code, shown = at_terminal(home, ("do", "hi"), answer)
        check_equal(f"the exit code after {answer}", code, 1)
        check_in("the question", "the user nobody runs it, not you", shown)
    code, shown = at_terminal(home, ("do", "hi"), b"n\n", ahead=b"y\ny\n")
    check_equal("the exit code when yes was typed before the question stood there", code, 1)
    check(not os.path.exists(home.config_path), "it was written into the settings")
    code, shown = at_terminal(home, ("do", "hi"), b"y\n")
    check_equal("the exit code after yes", code, 0)
    check_in("the answer", "a true answer", shown)
    check_equal("the setting", home.opta("config", "get", "connection.port").text, f"{port}\n")


def test_a_server_of_ours_is_preferred_to_one_of_another_user():
    home = new_home()
    foreign, ours = start_server(home, other_user()), start_server(home)
    home.env["OPTA_DISCOVER_PORTS"] = f"{foreign},{ours}"
    check_in("the answer", "a true answer", home.opta("do", "hi").expect(0).text)
    check_equal("the setting", home.opta("config", "get", "connection.port").text, f"{ours}\n")


def test_none_is_three_lines_and_nothing_is_written():
    home = new_home(free_port())
    ran = home.opta("do", "say hello").expect(1)
    check_equal("lines", len(ran.errors.splitlines()), 3)
    check_in("how to get one", "Ollama", ran.errors)
    check_in("how to name one", "opta config set connection.host", ran.errors)
    check_in("how to try", "opta lmx demo", ran.errors)
    check(not os.path.exists(home.config_path), "a configuration was written")


def test_another_program_on_the_port_is_no_model_server():
    home = new_home()
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>")
            connection.close()
    threading.Thread(target=serve, daemon=True).start()
    home.env["OPTA_DISCOVER_PORTS"] = str(server.getsockname()[1])
    check_in("none", "No model server answers", home.opta("do", "hi").expect(1).errors)
    server.close()


def test_a_server_that_is_named_is_believed():
    home = Home({"connection.port": 1})
    demo = Demo(home)
    ran = home.opta("do", "hi", env={"OPTA_DISCOVER_PORTS": str(demo.port)}).expect(1)
    check_in("the named one", "127.0.0.1:1", ran.errors)
