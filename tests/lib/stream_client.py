"""WebSocket (RFC 6455) and SSE clients over a bare socket."""
import base64
import hashlib
import json
import os
import struct

from http_client import Gone, Wire, Response, chunks, read_head, request_bytes

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Refused(Exception):
    """The upgrade, or the stream, was answered with an ordinary response."""

    def __init__(self, response):
        super().__init__(f"refused with {response!r}")
        self.response = response


def ws_path(session=None, after=None, token=None, sync=False, daemon_id=None):
    query = []
    if session is not None:
        query.append(f"sessionId={session}")
    if after is not None:
        query.append(f"afterSeq={after}")
    if sync:
        query.append("sync=1")
    if daemon_id:
        query.append(f"daemonId={daemon_id}")
    if token is not None:
        query.append(f"token={token}")
    return "/v3/ws" + ("?" + "&".join(query) if query else "")


class WebSocket:
    def __init__(self, port, session=None, after=None, token=None, sync=False, daemon_id=None, path=None, headers=None,
                 timeout=15.0, rcvbuf=None, step=65536):
        self.close_code = self.close_reason = None
        self.pings = 0
        self.parts = None
        self.wire = Wire(port, timeout=timeout, rcvbuf=rcvbuf)
        key = base64.b64encode(os.urandom(16))
        path = path or ws_path(session, after, token, sync, daemon_id)
        pairs = [("Host", f"127.0.0.1:{port}"), ("Upgrade", "websocket"), ("Connection", "Upgrade"),
                 ("Sec-WebSocket-Key", key.decode()), ("Sec-WebSocket-Version", "13")]
        given = list((headers or {}).items())
        pairs = [p for p in pairs if p[0].lower() not in {name.lower() for name, _ in given}] + given
        try:
            self.wire.send(request_bytes("GET", path, headers=pairs))
            status, got = read_head(self.wire)
            answer = Response(status, got, b"")
            if status != 101:
                length = answer.header("content-length")
                answer.body = self.wire.exactly(int(length)) if length else b""
                raise Refused(answer)
            accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
            if answer.header("sec-websocket-accept") != accept:
                raise AssertionError(f"wrong Sec-WebSocket-Accept {answer.header('sec-websocket-accept')!r}, expected {accept!r}")
        except BaseException:
            self.wire.close()
            raise
        self.wire.step = step

    def send_frame(self, opcode, payload=b"", fin=True, mask=True, rsv=0):
        head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
        bit, size = (0x80 if mask else 0), len(payload)
        if size < 126:
            head += bytes([bit | size])
        elif size < 65536:
            head += bytes([bit | 126]) + struct.pack(">H", size)
        else:
            head += bytes([bit | 127]) + struct.pack(">Q", size)
        if mask:
            key = os.urandom(4)
            pad = (key * (size // 4 + 1))[:size]
            payload = (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big") if size else b""
            head += key
        self.wire.send(head + payload)

    def send_text(self, text):
        self.send_frame(TEXT, text if isinstance(text, bytes) else text.encode())

    def send_json(self, value):
        self.send_text(json.dumps(value, ensure_ascii=False))

    def read_frame(self):
        first, second = self.wire.exactly(2)
        if first & 0x70:
            raise AssertionError(f"the server set reserved bits: {first:#x}")
        if second & 0x80:
            raise AssertionError("the server masked a frame")
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", self.wire.exactly(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.wire.exactly(8))[0]
        return bool(first & 0x80), first & 0x0F, self.wire.exactly(size)

    def recv_raw(self):
        """The next text message as bytes; None once the server has closed (close_code is set, or None for a bare end)."""
        while True:
            try:
                fin, opcode, data = self.read_frame()
            except Gone:
                return None
            if opcode == PING:
                self.pings += 1
                self.send_frame(PONG, data)
            elif opcode == CLOSE:
                self.close_code = struct.unpack(">H", data[:2])[0] if len(data) >= 2 else 1005
                self.close_reason = data[2:]
                return None
            elif opcode == PONG:
                continue
            elif opcode in (TEXT, BINARY, CONT):
                self.parts = (self.parts or b"") + data
                if fin:
                    out, self.parts = self.parts, None
                    return out

    def recv(self):
        """The next message as JSON; fails when the server has closed."""
        data = self.recv_raw()
        if data is None:
            raise AssertionError(f"expected a message, but the server closed (code {self.close_code}, {self.close_reason!r})")
        return json.loads(data)

    def recv_where(self, wanted, what, limit=100000):
        """Reads on until a message fits; returns it."""
        seen = []
        for _ in range(limit):
            data = self.recv_raw()
            if data is None:
                raise AssertionError(f"expected {what}, but the server closed (code {self.close_code}); before that: {seen[-5:]!r}")
            message = json.loads(data)
            if wanted(message):
                return message
            seen.append(message)
        raise AssertionError(f"expected {what}; {limit} other messages came, last {seen[-3:]!r}")

    def recv_event(self, event):
        return self.recv_where(lambda m: m.get("event") == event, f"a {event} event")

    def recv_ack(self, action):
        return self.recv_where(lambda m: m.get("type") == "ack" and m.get("action") == action or "error" in m,
                               f"the ack of {action}")

    def wait_closed(self):
        """Reads on to the end of the connection; returns the close code."""
        while self.recv_raw() is not None:
            pass
        return self.close_code

    def close(self, code=1000):
        try:
            self.send_frame(CLOSE, struct.pack(">H", code))
        except (Gone, OSError):
            pass
        self.wire.close()

    def abort(self):
        self.wire.abort()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()


class Sse:
    """Frames of an event stream as (id, data) in bytes; a frame counts only when its blank line has come."""

    def __init__(self, port, path, token=None, headers=None, timeout=15.0, rcvbuf=None, step=65536):
        self.comments = 0
        self.event_fields = []
        self.wire = Wire(port, timeout=timeout, rcvbuf=rcvbuf)
        given = list((headers or {}).items())
        pairs = [("Host", f"127.0.0.1:{port}"), ("Accept", "text/event-stream")]
        pairs = [p for p in pairs if p[0].lower() not in {name.lower() for name, _ in given}] + given
        try:
            self.wire.send(request_bytes("GET", path, headers=pairs, token=token))
            status, got = read_head(self.wire)
            self.response = Response(status, got, b"")
            if status != 200:
                length = self.response.header("content-length")
                self.response.body = self.wire.exactly(int(length)) if length else b""
                raise Refused(self.response)
        except BaseException:
            self.wire.close()
            raise
        self.wire.step = step
        self.chunks = chunks(self.wire) if "chunked" in (self.response.header("transfer-encoding") or "").lower() else None
        self.buf = bytearray()

    def line(self):
        if self.chunks is None:
            return self.wire.until(b"\n").rstrip(b"\r")
        start = 0
        while True:
            at = self.buf.find(b"\n", start)
            if at >= 0:
                out = bytes(self.buf[:at]).rstrip(b"\r")
                del self.buf[:at + 1]
                return out
            start = len(self.buf)
            try:
                self.buf += next(self.chunks)
            except StopIteration:
                raise Gone("the stream ended") from None

    def recv(self):
        """The next frame, or None when the stream has ended."""
        ident, data = None, []
        while True:
            try:
                line = self.line()
            except Gone:
                return None
            if line == b"":
                if data or ident is not None:
                    return ident, b"\n".join(data)
                continue
            if line.startswith(b":"):
                self.comments += 1
                continue
            name, _, value = line.partition(b":")
            value = value[1:] if value.startswith(b" ") else value
            if name == b"id":
                ident = value
            elif name == b"data":
                data.append(value)
            elif name == b"event":
                self.event_fields.append(value)

    def recv_event(self, event):
        while True:
            frame = self.recv()
            if frame is None:
                raise AssertionError(f"expected a {event} event, but the stream ended")
            envelope = json.loads(frame[1])
            if envelope.get("event") == event:
                return envelope

    def close(self):
        self.wire.close()

    def abort(self):
        self.wire.abort()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()

