"""HTTP/1.1 over a bare socket: every byte that goes out is the test's own, nothing is repaired on the way."""
import json
import socket

from clock import SLOW


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers          # list of (lower-case name, value)
        self.body = body

    def header(self, name, default=None):
        for key, value in self.headers:
            if key == name.lower():
                return value
        return default

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError as err:
            raise AssertionError(f"the body of a {self.status} answer is not JSON ({err}): {self.body[:300]!r}") from None

    def expect(self, status, code=None):
        """The answer must have this status (or one of several) and, for errors, the contract's body with this code."""
        wanted = status if isinstance(status, tuple) else (status,)
        if self.status not in wanted:
            raise AssertionError(f"expected status {status}, got {self.status} with body {self.body[:400]!r}")
        if code is not None:
            body = self.json()
            if not isinstance(body.get("error"), str) or body.get("code") != code:
                raise AssertionError(f"expected an error body with code {code} and a sentence in 'error', got {body!r}")
        return self

    def __repr__(self):
        return f"<{self.status} {self.body[:200]!r}>"


class Gone(Exception):
    """The peer closed or reset the connection before the answer was whole."""


class Wire:
    """A socket with a read buffer and a deadline for each read."""

    def __init__(self, port, host="127.0.0.1", timeout=15.0, rcvbuf=None):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout * SLOW)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.sock.connect((host, port))
        except OSError:
            self.sock.close()
            raise
        self.buf = bytearray()
        self.pos = 0
        self.step = 65536               # 1 reads byte by byte

    def fill(self):
        try:
            data = self.sock.recv(self.step)
        except (ConnectionResetError, BrokenPipeError) as err:
            raise Gone(f"connection lost: {err}") from None
        except TimeoutError:
            raise AssertionError(f"nothing came for {self.sock.gettimeout():.1f} s; read so far, not yet used: "
                                 f"{bytes(self.buf[self.pos:self.pos + 200])!r}") from None
        if not data:
            raise Gone("connection closed by the peer")
        if self.pos > 1 << 16:
            del self.buf[:self.pos]
            self.pos = 0
        self.buf += data

    def exactly(self, count):
        while len(self.buf) - self.pos < count:
            self.fill()
        out = bytes(self.buf[self.pos:self.pos + count])
        self.pos += count
        return out

    def until(self, mark):
        start = self.pos
        while True:
            at = self.buf.find(mark, start)
            if at >= 0:
                out = bytes(self.buf[self.pos:at])
                self.pos = at + len(mark)
                return out
            back = len(self.buf) - self.pos
            self.fill()
            start = max(self.pos, self.pos + back - len(mark) + 1)

    def rest(self):
        """Everything up to the end of the connection."""
        try:
            while True:
                self.fill()
        except Gone:
            out = bytes(self.buf[self.pos:])
            self.pos = len(self.buf)
            return out

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (ConnectionResetError, BrokenPipeError) as err:
            raise Gone(f"connection lost: {err}") from None

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass

    def abort(self):
        """Wakes a thread that reads here, then closes."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request_bytes(method, path, body=None, headers=None, token=None, host="127.0.0.1"):
    """A request as bytes. A dict body is sent as JSON; headers is a dict or a list of pairs; a header with the value None is left out."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
    named = {name.lower() for name, _ in pairs}
    if not isinstance(body, (bytes, type(None))):
        body = json.dumps(body, ensure_ascii=False).encode()
        if "content-type" not in named:
            pairs.append(("Content-Type", "application/json"))
    if "host" not in named:
        pairs.insert(0, ("Host", host))
    if token is not None and "authorization" not in named:
        pairs.append(("Authorization", f"Bearer {token}"))
    if body is not None and not named & {"content-length", "transfer-encoding"}:
        pairs.append(("Content-Length", str(len(body))))
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in pairs if v is not None) + "\r\n"
    return head.encode() + (body or b"")


def read_head(wire):
    lines = wire.until(b"\r\n\r\n").split(b"\r\n")
    parts = lines[0].split(b" ", 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        raise AssertionError(f"not a status line: {lines[0][:200]!r}")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon:
            raise AssertionError(f"not a header line: {line[:200]!r}")
        headers.append((name.decode("latin-1").lower(), value.strip().decode("latin-1")))
    return int(parts[1]), headers


def chunks(wire):
    """The chunks of a chunked body, one by one, up to the last one."""
    while True:
        size = int(wire.until(b"\r\n").split(b";")[0], 16)
        data = wire.exactly(size)
        if wire.exactly(2) != b"\r\n":
            raise AssertionError("a chunk does not end in CRLF")
        if size == 0:
            return
        yield data


def read_response(wire, method="GET"):
    while True:
        status, headers = read_head(wire)
        if status != 100:
            break
    answer = Response(status, headers, b"")
    if method == "HEAD" or status in (101, 204, 304):
        return answer
    if "chunked" in (answer.header("transfer-encoding") or "").lower():
        answer.body = b"".join(chunks(wire))
    elif answer.header("content-length") is not None:
        answer.body = wire.exactly(int(answer.header("content-length")))
    else:
        answer.body = wire.rest()
    return answer


class Http:
    """One keep-alive connection."""

    def __init__(self, port, token=None, timeout=15.0, host="127.0.0.1"):
        self.token, self.port = token, port
        self.wire = Wire(port, host=host, timeout=timeout)

    def request(self, method, path, body=None, headers=None, token="mine"):
        token = self.token if token == "mine" else token
        host = f"127.0.0.1:{self.port}"
        self.wire.send(request_bytes(method, path, body, headers, token, host))
        return read_response(self.wire, method)

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.request("POST", path, body, **kw)

    def close(self):
        self.wire.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def http(port, method, path, body=None, headers=None, token=None, timeout=15.0):
    """One request on its own connection."""
    with Http(port, token, timeout) as client:
        return client.request(method, path, body, headers)


def raw(port, data, timeout=15.0):
    """Sends these very bytes; the first answer, or None when the connection ends without one."""
    with Wire(port, timeout=timeout) as wire:
        try:
            wire.send(data)
        except Gone:
            pass
        try:
            return read_response(wire)
        except Gone:
            return None


def cut_events(body):
    """The raw text of each element of `{"events":[ … ],"lastSeq":N}`, cut out of the body and not serialised again."""
    start = body.find(b'"events"')
    start = body.find(b"[", start)
    if start < 0:
        raise AssertionError(f"no events array in {body[:200]!r}")
    out, depth, begin, i, size = [], 0, None, start + 1, len(body)
    while i < size:
        c = body[i]
        if c == 0x22:                                   # a string: jump to its end
            i += 1
            while True:
                quote = body.find(b'"', i)
                if quote < 0:
                    raise AssertionError("a string in the events body does not end")
                back = quote
                while body[back - 1] == 0x5C:
                    back -= 1
                i = quote + 1
                if (quote - back) % 2 == 0:
                    break
            continue
        if c in b"{[":
            if depth == 0:
                begin = i
            depth += 1
        elif c in b"}]":
            if depth == 0:
                return out
            depth -= 1
            if depth == 0:
                out.append(bytes(body[begin:i + 1]))
        i += 1
    raise AssertionError("the events array does not end")
