"""A model server that means harm: it says it is ready, and then does what the test tells it, byte for byte."""
import base64
import hashlib
import json
import socket
import threading

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"           # RFC 6455, section 1.3
SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def text_frame(text, opcode=1):
    """One unmasked frame, as a server sends it (RFC 6455, section 5.2)."""
    body = text if isinstance(text, bytes) else text.encode()
    n = len(body)
    size = bytes([n]) if n < 126 else bytes([126]) + n.to_bytes(2, "big") if n < 65536 else bytes([127]) + n.to_bytes(8, "big")
    return bytes([0x80 | opcode]) + size + body


def data(value):
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def content(text):
    return data({"choices": [{"delta": {"content": text}}]})


class Enemy:
    """chat(sock, number) is called for each request for an answer, with the socket behind its head (SSE) or its handshake (ws=True)."""

    def __init__(self, chat, ws=False):
        self.chat, self.ws, self.asked = chat, ws, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def close(self):
        self.listener.close()

    def serve(self, sock):
        with sock:
            try:
                self.answer(sock)
            except OSError:
                pass                                    # the daemon hung up: its right

    def answer(self, sock):
        while True:
            head = b""
            while b"\r\n\r\n" not in head:
                more = sock.recv(65536)
                if not more:
                    return
                head += more
            head, _, rest = head.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
            path, left = lines[0].split()[1], int(fields.get("content-length", 0)) - len(rest)
            while left > 0:
                left -= len(sock.recv(65536))
            if path.endswith("/chat/stream"):
                if not self.ws:
                    sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    return
                accept = base64.b64encode(hashlib.sha1((fields["sec-websocket-key"] + GUID).encode()).digest()).decode()
                sock.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode())
            elif not path.endswith("/chat/completions"):
                body = json.dumps({"ready": True, "status": "ok", "model": "enemy", "data": [{"id": "enemy"}]}).encode()
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                continue
            self.asked += 1
            self.chat(sock, self.asked)
            return
