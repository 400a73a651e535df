"""A model server that says what a test wants: in the chat API of OpenAI, or in the events of any other that a test writes out."""
import http.server
import json
import socket
import threading


def text(words, **more):
    """One chunk of an answer's text."""
    return {"choices": [{"index": 0, "delta": {"content": words, **more}}]}


def calls(*wanted):
    """One chunk with whole tool calls: (id, name, arguments as text)."""
    return {"choices": [{"index": 0, "delta": {"tool_calls": [
        {"index": i, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for i, (id, name, arguments) in enumerate(wanted)]}}]}


def stop(reason="stop", **more):
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], **more}


HANG = object()   # say no more until the server closes
CUT = object()    # close the connection within the answer


class ModelServer:
    """
    answer(body, n) gives what request number n (from 0) is answered with: a list of chunks (dicts), raw bytes, HANG
    and CUT; a stream that ends in order ends with [DONE]. gets: path -> dict, (status, dict), or what gives one of them, for GET requests.
    """

    def __init__(self, answer, gets=None):
        self.answer, self.bodies, self.paths, self.headers = answer, [], [], []
        self.gets = {"/v1/models": {"data": [{"id": "m"}]}, **(gets or {})}
        self.closing = threading.Event()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                owner.get(self)

            def do_POST(self):
                owner.post(self)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None   # the daemon may hang up at any time
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def get(self, handler):
        found = self.gets.get(handler.path.split("?")[0], (404, {}))
        found = found() if callable(found) else found
        status, body = found if isinstance(found, tuple) else (200, found)
        data = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def post(self, handler):
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.paths.append(handler.path)
        self.headers.append({name.lower(): value for name, value in handler.headers.items()})
        self.bodies.append(body)
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for step in self.answer(body, len(self.bodies) - 1):
            if step is HANG:
                self.closing.wait()
                return
            if step is CUT:
                handler.connection.shutdown(socket.SHUT_RDWR)
                return
            self.chunk(handler, step if isinstance(step, bytes) else b"data: " + json.dumps(step).encode() + b"\n\n")
        self.chunk(handler, b"data: [DONE]\n\n")
        handler.wfile.write(b"0\r\n\r\n")

    @staticmethod
    def chunk(handler, data):
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        handler.wfile.flush()
