"""The HTTP edge under attack: one reading of every request, patience with slow peers, bounds on greedy ones."""
import os
import resource
import select
import struct
import threading
import time

from http_client import Gone, Wire, cut_events, read_response, request_bytes
from clock import needs_plain_build
from opta_test import SLOW, Daemon, Home, check, check_equal, stack, wait_for
from stream_client import CLOSE, CONT, PING, PONG, TEXT

# --- one reading of every request (RFC 9112) ---

# Each request is followed by a second one on the same connection. Two readers that disagree about where the first one
# ends disagree about whether the second is a request or a body: it must never be carried out. The line break is "\r\n"
# unless the case is about it; {ours} is Host and Authorization.
HIDDEN = "POST /v3/sessions HTTP/1.1\r\n{ours}Content-Type: application/json\r\nContent-Length: 20\r\n\r\n" + '{"title":"smuggled"}'
GET = "GET /v3/sessions HTTP/1.1\r\n{ours}"
POST = "POST /v3/sessions HTTP/1.1\r\n{ours}Content-Type: application/json\r\n"
CHUNKED = POST + "Transfer-Encoding: chunked\r\n\r\n"
TWO_READINGS = {
    # the request line
    "two blanks after the method": "GET  /v3/sessions HTTP/1.1\r\n{ours}\r\n",
    "two blanks after the target": "GET /v3/sessions  HTTP/1.1\r\n{ours}\r\n",
    "a tab for a blank": "GET\t/v3/sessions HTTP/1.1\r\n{ours}\r\n",
    "a blank at the end of the line": "GET /v3/sessions HTTP/1.1 \r\n{ours}\r\n",
    "a blank at its begin": " GET /v3/sessions HTTP/1.1\r\n{ours}\r\n",
    "two empty lines before it": "\r\n\r\nGET /v3/sessions HTTP/1.1\r\n{ours}\r\n",
    "an empty line of LF before it": "\nGET /v3/sessions HTTP/1.1\r\n{ours}\r\n",
    "no version": "GET /v3/sessions\r\n{ours}\r\n",
    "HTTP/2.0": "GET /v3/sessions HTTP/2.0\r\n{ours}\r\n",
    "HTTP/0.9": "GET /v3/sessions HTTP/0.9\r\n{ours}\r\n",
    "HTTP/1.2": "GET /v3/sessions HTTP/1.2\r\n{ours}\r\n",
    "HTTP/1.10": "GET /v3/sessions HTTP/1.10\r\n{ours}\r\n",
    "HTTP/01.1": "GET /v3/sessions HTTP/01.1\r\n{ours}\r\n",
    "http/1.1": "GET /v3/sessions http/1.1\r\n{ours}\r\n",
    "RTSP/1.0": "GET /v3/sessions RTSP/1.0\r\n{ours}\r\n",
    "ICE/1.0": "SOURCE /v3/sessions ICE/1.0\r\n{ours}\r\n",
    "the preface of HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown method": "SMUGGLE /v3/sessions HTTP/1.1\r\n{ours}\r\n",
    "a method in small letters": "get /v3/sessions HTTP/1.1\r\n{ours}\r\n",
    "a fragment in the target": "GET /v3/sessions#x HTTP/1.1\r\n{ours}\r\n",
    "a control character in the target": "GET /v3/ses\x01sions HTTP/1.1\r\n{ours}\r\n",
    "a NUL in the target": "GET /v3/ses\0sions HTTP/1.1\r\n{ours}\r\n",
    "a high byte in the target": "GET /v3/sessions\xe9 HTTP/1.1\r\n{ours}\r\n",
    # the target
    "a URL of another host": "GET http://evil.com/v3/sessions HTTP/1.1\r\n{ours}\r\n",
    "a URL of another port": "GET http://127.0.0.1:1/v3/sessions HTTP/1.1\r\n{ours}\r\n",
    "a URL with a user": "GET http://127.0.0.1@evil.com/v3/sessions HTTP/1.1\r\n{ours}\r\n",
    "a URL without a path": "GET http://{host} HTTP/1.1\r\n{ours}\r\n",
    "a URL of another scheme": "GET https://{host}/v3/sessions HTTP/1.1\r\n{ours}\r\n",
    "a URL without a scheme": "GET {host}/v3/sessions HTTP/1.1\r\n{ours}\r\n",
    "no path at all": "GET v3/sessions HTTP/1.1\r\n{ours}\r\n",
    "an asterisk": "OPTIONS * HTTP/1.1\r\n{ours}\r\n",
    "CONNECT": "CONNECT {host} HTTP/1.1\r\n{ours}\r\n",
    # header lines
    "LF for CRLF everywhere": "GET /v3/sessions HTTP/1.1\n{ours_lf}\n",
    "LF after the request line": "GET /v3/sessions HTTP/1.1\n{ours}\r\n",
    "LF after a header": GET + "X: y\n\r\n",
    "LF for the last line": GET + "X: y\r\n\n",
    "CR after a header": GET + "X: y\rZ: z\r\n\r\n",
    "CR CR LF": GET + "X: y\r\r\n\r\n",
    "a header folded with a blank": GET + "X: y\r\n Content-Length: 5\r\n\r\n",
    "a header folded with a tab": GET + "X: y\r\n\tz\r\n\r\n",
    "a fold before the first header": "GET /v3/sessions HTTP/1.1\r\n X: y\r\n{ours}\r\n",
    "a folded empty line": GET + "X: y\r\n \r\n\r\n",
    "a folded length": POST + "Content-Length:\r\n 2\r\n\r\n{}",
    "a header without a name": GET + ": y\r\n\r\n",
    "a header without a colon": GET + "X\r\n\r\n",
    "a blank before the colon": GET + "X : y\r\n\r\n",
    "a tab before the colon": GET + "X\t: y\r\n\r\n",
    "a blank before the colon of a length": POST + "Content-Length : 2\r\n\r\n{}",
    "a blank within a name": GET + "Content Length: 5\r\n\r\n",
    "a name in brackets": GET + "X(y): z\r\n\r\n",
    "a high byte in a name": GET + "X\xe9: z\r\n\r\n",
    "a NUL in a name": GET + "X\0: z\r\n\r\n",
    "a NUL in a value": GET + "X: a\0b\r\n\r\n",
    "a NUL at the end of a value": GET + "X: a\0\r\n\r\n",
    "a control character in a value": GET + "X: a\x0bb\r\n\r\n",
    "DEL in a value": GET + "X: a\x7f\r\n\r\n",
    # headers given twice, or not at all
    "no Host": "GET /v3/sessions HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n",
    "two Hosts": GET + "Host: {host}\r\n\r\n",
    "two Hosts, the second foreign": GET + "Host: evil.com\r\n\r\n",
    "two tokens": GET + "Authorization: Bearer x\r\n\r\n",
    "two types": POST + "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
    # how long the body is
    "two different lengths": POST + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "the same length twice": POST + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a list of lengths": POST + "Content-Length: 2, 2\r\n\r\n{}",
    "a length with a plus": POST + "Content-Length: +2\r\n\r\n{}",
    "a length with a minus": POST + "Content-Length: -2\r\n\r\n{}",
    "a length in hex": POST + "Content-Length: 0x2\r\n\r\n{}",
    "a length with a point": POST + "Content-Length: 2.0\r\n\r\n{}",
    "a length with a blank": POST + "Content-Length: 2 2\r\n\r\n{}",
    "a length in quotes": POST + 'Content-Length: "2"\r\n\r\n{}',
    "an empty length": POST + "Content-Length:\r\n\r\n{}",
    "a length beyond 64 bits": POST + "Content-Length: 18446744073709551618\r\n\r\n{}",
    "a length, then chunks": POST + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks, then a length": POST + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "chunks and a length of 0": POST + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
    "another coding, then chunked": POST + "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, then another coding": POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a list of codings": POST + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity": POST + "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a coding like chunked": POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked with a parameter": POST + "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "an empty coding": POST + "Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "chunked in quotes": POST + 'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "chunks in HTTP/1.0": CHUNKED.replace("HTTP/1.1", "HTTP/1.0") + "0\r\n\r\n",
    # chunks
    "a chunk's size in 0x": CHUNKED + "0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk's size with a plus": CHUNKED + "+2\r\n{}\r\n0\r\n\r\n",
    "a chunk's size with a minus": CHUNKED + "-2\r\n{}\r\n0\r\n\r\n",
    "a chunk without a size": CHUNKED + "\r\n{}\r\n0\r\n\r\n",
    "an extension without a size": CHUNKED + ";x\r\n{}\r\n0\r\n\r\n",
    "a blank before a size": CHUNKED + " 2\r\n{}\r\n0\r\n\r\n",
    "a blank after a size": CHUNKED + "2 \r\n{}\r\n0\r\n\r\n",
    "a size with an underscore": CHUNKED + "0_2\r\n{}\r\n0\r\n\r\n",
    "a size beyond 64 bits": CHUNKED + "10000000000000002\r\n{}\r\n0\r\n\r\n",
    "a size of nine digits": CHUNKED + "000000002\r\n{}\r\n0\r\n\r\n",
    "a huge size": CHUNKED + "FFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n",
    "an empty extension": CHUNKED + "2;\r\n{}\r\n0\r\n\r\n",
    "an extension with garbage": CHUNKED + "2;x=\x01\r\n{}\r\n0\r\n\r\n",
    "an extension with blanks": CHUNKED + "2; x = y\r\n{}\r\n0\r\n\r\n",
    "an extension cut by LF": CHUNKED + "2;x\n{}\r\n0\r\n\r\n",
    "an extension in quotes": CHUNKED + '2;x="y"\r\n{}\r\n0\r\n\r\n',
    "LF after a size": CHUNKED + "2\n{}\r\n0\r\n\r\n",
    "CR after a size": CHUNKED + "2\r{}\r\n0\r\n\r\n",
    "LF after a chunk": CHUNKED + "2\r\n{}\n0\r\n\r\n",
    "a chunk longer than its size": CHUNKED + "2\r\n{}x\r\n0\r\n\r\n",
    "a chunk that runs into the next": CHUNKED + "2\r\n{}0\r\n\r\n",
    "LF after the last chunk": CHUNKED + "2\r\n{}\r\n0\n\n",
    "a trailer that is folded": CHUNKED + "2\r\n{}\r\n0\r\nX: y\r\n z\r\n\r\n",
    "a trailer without a name": CHUNKED + "2\r\n{}\r\n0\r\n: y\r\n\r\n",
}
# What looks odd but has one reading: the request is carried out, and so is the one after it.
ONE_READING = {
    "an empty line before the request line": "\r\n" + GET + "\r\n",
    "a URL of this host": "GET http://{host}/v3/sessions HTTP/1.1\r\n{ours}\r\n",
    "a URL in capitals": "GET HTTP://{host}/v3/sessions HTTP/1.1\r\n{ours}\r\n",
    "no blank after a colon": GET + "X:y\r\n\r\n",
    "blanks around a value": GET + "X: \t y \t \r\n\r\n",
    "an empty value": GET + "X:\r\n\r\n",
    "a value in Latin-1": GET + "X: \xe9\r\n\r\n",
    "every character a name may have": GET + "!#$%&'*+-.^_`|~09azAZ: y\r\n\r\n",
    "chunked in capitals": POST + "Transfer-Encoding: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "sizes in capitals and with zeros": CHUNKED + "0000000A\r\n{}        \r\n00\r\n\r\n",
    "extensions": CHUNKED + '1;a\r\n{\r\n1;b=c\r\n}\r\n0;d=e\r\n\r\n',
    "a trailer": CHUNKED + "2\r\n{}\r\n0\r\nX: y\r\nContent-Length: 99\r\n\r\n",
}


def exchange(daemon, case, step=0):
    """The statuses of all answers to this request and the hidden one behind it, up to the end of the connection."""
    host = f"127.0.0.1:{daemon.port}"
    ours = f"Host: {host}\r\nAuthorization: Bearer {daemon.token}\r\n"
    data = case + HIDDEN
    for name, value in (("{ours}", ours), ("{ours_lf}", ours.replace("\r\n", "\n")), ("{host}", host), ("{token}", daemon.token)):
        data = data.replace(name, value)
    data = data.encode("latin-1")
    statuses = []
    with Wire(daemon.port) as wire:
        try:
            for at in range(0, len(data), step or len(data)):
                wire.send(data[at:at + (step or len(data))])
            wire.sock.shutdown(1)
        except (Gone, OSError):
            pass                                        # refused before all was sent
        try:
            while True:
                statuses.append(read_response(wire).status)
        except (Gone, OSError):
            return statuses


def smuggled(daemon):
    return sum(s["title"] == "smuggled" for s in daemon.http("GET", "/v3/sessions").expect(200).json())


def test_a_request_with_two_readings_is_refused_and_nothing_behind_it_is_done():
    daemon = Daemon(Home())
    wrong = []
    for name, case in TWO_READINGS.items():
        statuses = exchange(daemon, case)
        # A refusal before the token was read is the stranger's answer, which tells nothing.
        if statuses not in ([400], [401]) or smuggled(daemon):
            wrong.append((name, statuses, smuggled(daemon)))
    check_equal("requests that were not refused with one 400 or 401 and an end", wrong, [])


def test_the_refusal_of_a_request_from_a_friend_is_400():
    daemon = Daemon(Home())
    for name in ("a folded empty line", "a blank before the colon", "two Hosts", "no Host", "two different lengths", "a length with a plus",
                 "a length, then chunks", "another coding, then chunked", "a chunk's size in 0x", "a NUL in a value"):
        check_equal(f"the answer to {name}", exchange(daemon, TWO_READINGS[name]), [400])


def test_a_request_with_one_reading_is_carried_out_however_odd_and_however_it_is_cut():
    daemon = Daemon(Home())
    done = 0
    for name, case in ONE_READING.items():
        for step in (0, 1):
            statuses = exchange(daemon, case, step)
            done += 1
            check(statuses in ([200, 201], [201, 201]), f"{name} (cut into pieces of {step or 'all'}): expected two good answers, got {statuses}")
    check_equal("requests carried out behind them", smuggled(daemon), done)


# --- patience ---

def dribble(wire, data, pause, seconds):
    """Sends one byte after the other, `pause` seconds apart, until the daemon ends the connection. Returns when that was."""
    begun = time.monotonic()
    for at in range(len(data)):
        if select.select([wire.sock], [], [], pause)[0]:
            try:
                wire.rest()
            except OSError:
                pass
            return time.monotonic() - begun
        if time.monotonic() - begun > seconds:
            break
        try:
            wire.sock.send(data[at:at + 1])
        except OSError:
            return time.monotonic() - begun
    raise AssertionError(f"expected a head sent byte by byte to be given up, it was not for {seconds} s")


def test_a_head_that_trickles_in_is_given_up_after_ten_seconds_and_harms_nobody():
    needs_plain_build()
    daemon = Daemon(Home())
    endless = b"GET /v3/health HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 1000
    took = {}

    def trickle(name, data, pause):
        with Wire(daemon.port, timeout=30) as wire:
            try:
                took[name] = dribble(wire, data, pause, 20 * SLOW)
            except AssertionError as err:
                took[name] = str(err)
    lanes = [threading.Thread(target=trickle, args=args) for args in (
        ("a byte each 50 ms", endless, 0.05), ("a byte each second", endless, 1.0), ("nothing", b"\r" * 2, 20 * SLOW),
        ("one value without an end", b"GET / HTTP/1.1\r\nX: " + b"y" * 4000, 0.05))]
    for lane in lanes:
        lane.start()
    times = []
    while any(lane.is_alive() for lane in lanes):
        begun = time.monotonic()
        daemon.http("GET", "/v3/sessions").expect(200)
        times.append(time.monotonic() - begun)
        lanes[0].join(0.1)
    wrong = {name: at for name, at in took.items() if not isinstance(at, float) or not 5 < at < 15 * SLOW}
    check_equal("heads not given up after about ten seconds", wrong, {})
    check(max(times) < 1.0 * SLOW, f"expected others not to wait, the slowest answer took {max(times):.2f} s")


def test_who_expects_100_is_told_to_go_on_only_when_the_head_was_good():
    daemon = Daemon(Home())
    expect = [("Host", "127.0.0.1"), ("Expect", "100-continue"), ("Content-Type", "application/json")]
    body = b'{"title":"expected"}'
    with Wire(daemon.port) as wire:
        wire.send(request_bytes("POST", "/v3/sessions", None, expect + [("Content-Length", str(len(body)))], daemon.token))
        check_equal("what comes before the body was sent", wire.until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue")
        wire.send(body)
        read_response(wire, "POST").expect(201)
    for headers, token, want in ((expect + [("Content-Length", str(1 << 30))], daemon.token, 413), (expect + [("Content-Length", "20")], None, 401),
                                 ([("Host", "evil.com"), *expect[1:], ("Content-Length", "20")], daemon.token, 403),
                                 ([("Authorization", f"Bearer {daemon.token}"), *expect, ("Content-Length", "+20")], None, 400)):
        with Wire(daemon.port) as wire:
            wire.send(request_bytes("POST", "/v3/sessions", None, headers, token))
            answer = wire.rest()
        check(answer.startswith(b"HTTP/1.1 %d " % want), f"expected {want} and no 100, got {answer[:100]!r}")
    with Wire(daemon.port) as wire:                     # HTTP/1.0 knows no 100 (RFC 9110 10.1.1)
        data = request_bytes("POST", "/v3/sessions", None, expect + [("Content-Length", str(len(body)))], daemon.token).replace(b"HTTP/1.1", b"HTTP/1.0")
        wire.send(data + body)
        answer = wire.rest()
    check(answer.startswith(b"HTTP/1.1 201 "), f"expected 201 and no 100 for HTTP/1.0, got {answer[:100]!r}")


def test_http_1_0_is_kept_open_by_nobody_and_chunked_for_nobody():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    for connection in ("", "Connection: close\r\n"):
        for path in ("/v3/sessions", f"/v3/sessions/{sid}/events?afterSeq=0", "/v3/nothing"):
            with Wire(daemon.port) as wire:
                wire.send(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {daemon.token}\r\n{connection}\r\n".encode())
                answer = read_response(wire)
                check_equal(f"bytes after the answer to {path}", wire.rest(), b"")
            check_equal(f"Transfer-Encoding of {path}", answer.header("transfer-encoding"), None)
            answer.json()


# --- bounds on greedy peers ---

MIB = 1 << 20
STALLED = 0.5                                           # seconds without room to send: the daemon reads no more
# What one connection may cost; without bounds it is 16 to 40 MiB. A sanitizer keeps what was freed, and more for each byte.
GROWTH = 8 * MIB if SLOW == 1 else 512 * MIB


def memory(daemon):
    """Resident bytes of the daemon."""
    with open(f"/proc/{daemon.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def pour(wire, one, count):
    """Sends `one` again and again until the daemon stops reading, but at most count times. Returns the bytes sent."""
    data, sent, total = one * 64, 0, len(one) * count
    wire.sock.setblocking(False)
    while sent < total and select.select([], [wire.sock], [], STALLED)[1]:
        at = sent % len(one)
        try:
            sent += wire.sock.send(data[at:at + min(len(data) - at, total - sent)])
        except BlockingIOError:
            pass
    wire.sock.setblocking(True)
    wire.sock.settimeout(20)
    return sent


def finish_last(wire, one, sent):
    """Sends what is left of the last `one` in a thread of its own, as the daemon may not read yet, and closes our side."""
    def finish():
        wire.send(one[sent % len(one) or len(one):])
        wire.sock.shutdown(1)
    thread = threading.Thread(target=finish)
    thread.start()
    return thread, -(-sent // len(one))


def test_who_asks_and_asks_but_takes_no_answers_costs_little_and_gets_every_answer_later():
    needs_plain_build()
    daemon = Daemon(Home())
    one = request_bytes("GET", "/v3/openapi.json", headers={"Host": "127.0.0.1", "X-Pad": "x" * 2000}, token=daemon.token)
    daemon.http("GET", "/v3/openapi.json").expect(200)
    before = memory(daemon)
    with Wire(daemon.port, rcvbuf=4096) as wire:
        sent = pour(wire, one, 4000)
        grown = memory(daemon) - before
        check(grown < GROWTH, f"expected one connection to cost less than {GROWTH} bytes, {sent // len(one)} requests cost {grown}")
        thread, asked = finish_last(wire, one, sent)
        for _ in range(asked):
            check_equal("the status of a late answer", read_response(wire).status, 200)
        check_equal("bytes after the last answer", wire.rest(), b"")
        thread.join()


def test_half_sent_bodies_are_bounded_together_and_room_comes_back():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    body = b'{"content":"' + b"x" * MIB + b'"}' + b" " * (8 * MIB)
    one = request_bytes("POST", f"/v3/sessions/{sid}/turns", body, {"Content-Type": "application/json"}, daemon.token)
    held = [Wire(daemon.port) for _ in range(8)]
    try:
        for wire in held:
            try:
                wire.send(one[:-1])
            except Gone:
                pass                                    # the refused one
        # Whose bytes are the first past 64 MiB is refused; the others fit then.
        refused = wait_for(lambda: select.select([wire.sock for wire in held], [], [], 0)[0], 10, "a refusal")
        check_equal("the refused", len(refused), 1)
        for wire in held:
            if wire.sock in refused:
                check_equal("the refusal", read_response(wire).status, 429)
            else:
                wire.send(one[-1:])
                check_equal("a request that fits", read_response(wire).status, 202)
    finally:
        for wire in held:
            wire.close()
    daemon.http("POST", f"/v3/sessions/{sid}/turns", body, {"Content-Type": "application/json"}).expect(202)


def test_a_small_body_is_taken_however_much_is_half_sent():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    path, kind = f"/v3/sessions/{sid}/cancel", {"Content-Type": "application/json"}
    held = [Wire(daemon.port) for _ in range(7)]
    try:
        for i, wire in enumerate(held):                 # 64 MiB in all, but for the last byte of each
            wire.send(request_bytes("POST", path, b" " * ((10 if i < 6 else 4) * MIB), kind, daemon.token)[:-1])
        wait_for(lambda: daemon.http("POST", path, b"{}" + b" " * 8192, kind).status == 429, 10, "a middling body to be refused")
        daemon.http("POST", path, {"writerId": "somebody"}).expect(200)
    finally:
        for wire in held:
            wire.close()


def test_half_sent_websocket_messages_count_as_bodies_do():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    half = b'{"type":"' + b"x" * (10 * MIB - 2000)
    large = lambda: daemon.http("POST", f"/v3/sessions/{sid}/cancel", b"{}" + b" " * (9 * MIB), {"Content-Type": "application/json"}).status
    held = [daemon.ws(sid, 0) for _ in range(8)]
    try:
        for ws in held[:6]:
            ws.recv()                                   # its only event
            ws.send_frame(TEXT, half, fin=False)
            ws.send_frame(PING, b"here")                # a control frame may come within a message
            check_equal("the answer to a ping within a message", ws.read_frame()[1:], (PONG, b"here"))
        check_equal("a body that is one too many", large(), 429)
        try:
            held[6].send_frame(TEXT, half, fin=False)
        except Gone:
            pass                                        # refused before it was all sent
        check_equal("the code of who is one too many", held[6].wait_closed(), 1013)
        held[7].send_json({"type": "turn.cancel", "sessionId": sid, "writerId": "somebody"})
        check_equal("the answer to a small message", held[7].recv_ack("turn.cancel").get("action"), "turn.cancel")
        # A message that ends makes room, and so does a client that leaves.
        held[0].send_frame(CONT, b'"}')
        check_equal("the answer to a message that is whole now", held[0].recv()["code"], "INVALID_REQUEST")
        check_equal("a large body", large(), 200)
        held[0].send_frame(TEXT, half, fin=False)
        held[0].send_frame(PING, b"here")
        check_equal("the answer to a ping", held[0].read_frame()[1:], (PONG, b"here"))
        check_equal("a body that is one too many again", large(), 429)
        held[1].abort()
        wait_for(lambda: large() == 200, 10, "room for a large body")
    finally:
        for ws in held:
            ws.close()


def test_who_closes_its_side_after_asking_gets_the_whole_answer():
    daemon = stack(demo=None)[2]
    sid = daemon.create()["id"]
    for _ in range(8):
        daemon.submit(sid, "x" * MIB)
    daemon.wait_event(sid, lambda e: len([x for x in daemon.events(sid) if x["event"] == "turn.error"]) == 8, 20, "eight ends")
    want = daemon.raw_events(sid)
    with Wire(daemon.port, rcvbuf=4096) as wire:
        wire.send(request_bytes("GET", f"/v3/sessions/{sid}/events?afterSeq=0", token=daemon.token))
        wire.sock.shutdown(1)
        check(cut_events(read_response(wire).body) == want, "expected every event in the answer to a client that closed its side")
        check_equal("bytes after the answer", wire.rest(), b"")


def masked(opcode, payload):
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + b"\0\0\0\0" + payload


def test_a_websocket_that_sends_but_never_reads_is_not_read_either():
    needs_plain_build()
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    for what, one, answer in (("pings", masked(PING, b"p" * 125), PONG), ("bad messages", masked(TEXT, b"{"), TEXT)):
        with daemon.ws(sid, 0, rcvbuf=4096) as ws:
            ws.recv()
            before = memory(daemon)
            sent = pour(ws.wire, one, 30 * MIB // max(len(one), 130))
            grown = memory(daemon) - before
            check(grown < GROWTH, f"expected {what} nobody reads the answers of to cost less than {GROWTH} bytes, {sent} bytes cost {grown}")
            for _ in range(sent // len(one)):
                check_equal(f"the answer to {what}", ws.read_frame()[1], answer)


def test_a_websocket_that_pings_amid_an_event_it_takes_slowly_is_read_again_after_it():
    daemon = Daemon(Home())
    sid = daemon.create(messages=[{"role": "user", "content": "x" * MIB}])["id"]
    one = masked(PING, b"p" * 125)
    with daemon.ws(sid, 0, rcvbuf=4096) as ws:
        ws.wire.fill()                                  # its first event has begun, and stays half sent
        before = memory(daemon)
        sent = pour(ws.wire, one, 30 * MIB // len(one))
        grown = memory(daemon) - before
        check(grown < GROWTH, f"expected pings amid an event to cost little, {sent} bytes cost {grown}")
        frames = {TEXT: 0, PONG: 0, PING: 0}            # the daemon may ask too
        while not frames[TEXT] or frames[PONG] < sent // len(one):
            frames[ws.read_frame()[1]] += 1
        check_equal("events and pongs", (frames[TEXT], frames[PONG]), (1, sent // len(one)))


def test_pings_and_messages_are_answered_in_the_order_they_came():
    daemon = Daemon(Home())
    with daemon.ws() as ws:
        ws.wire.send(masked(PING, b"1") + masked(TEXT, b"{") + masked(PING, b"2") + masked(TEXT, b"[") + masked(PING, b"3"))
        got = [ws.read_frame()[1:] for _ in range(5)]
    check_equal("the answers", [data if opcode == PONG else opcode for opcode, data in got], [b"1", TEXT, b"2", TEXT, b"3"])


def test_a_close_with_half_a_code_is_a_protocol_error():
    daemon = Daemon(Home())
    with daemon.ws() as ws:
        ws.send_frame(CLOSE, b"\x03")
        check_equal("the close that came back", ws.read_frame()[1:], (CLOSE, struct.pack(">H", 1002)))
        check_equal("bytes after it", ws.wire.rest(), b"")


# --- scarce resources ---

def test_with_few_descriptors_silent_strangers_do_not_lock_the_owner_out():
    resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96))   # of this test's own process; the daemon inherits it
    daemon = Daemon(Home())
    held = []
    try:
        for _ in range(70):
            held.append(Wire(daemon.port))
        for _ in range(5):
            check_equal("the owner's answer among silent strangers", daemon.http("GET", "/v3/sessions").status, 200)
        with daemon.ws() as ws:
            for _ in range(70):
                held.pop(0).close()
                held.append(Wire(daemon.port))
            ws.send_frame(PING, b"still here")
            check_equal("the owner's WebSocket", ws.read_frame()[1:], (PONG, b"still here"))
    finally:
        for wire in held:
            wire.close()


def test_a_limit_on_the_size_of_files_is_a_full_disk_and_passes():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "demo:tokens=3")
    before = daemon.raw_events(sid)
    hard = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (512 * 1024, hard))
    answer = wait_for(lambda: (lambda a: a.status != 202 and a)(daemon.post_turn(sid, "x" * 300000)), 20, "a turn to be refused")
    answer.expect(507, "STORAGE_FULL")
    check_equal("what was there can be read", daemon.raw_events(sid)[:len(before)], before)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (hard, hard))
    wait_for(lambda: daemon.post_turn(sid, "demo:tokens=3").status == 202, 10, "a turn to be accepted again")
    turn = daemon.submit(sid, "demo:tokens=3")
    check_equal("the end of a turn afterwards", daemon.turn_events(sid, turn, 30)[-1]["event"], "turn.done")
    seqs = [e["seq"] for e in daemon.events(sid)]
    check_equal("the numbers", seqs, list(range(1, len(seqs) + 1)))


# --- frames, in the order of the sections of the well-known conformance suite ---

HELLO = b'"Hello"'                                      # a message that is JSON but no command: answered with one error frame
ERROR = "error"
ALL_CODES_GOOD = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
ALL_CODES_BAD = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
GOOD_UTF8 = ("κόσμε", "\x7f", "\u0080", "߿", "ࠀ", "\uffff", "\U00010000", "\U0010ffff", "\ud7ff", "\ue000", "\ufffd", "\ufdd0", "\ufffe", "𐀀\u20ac¢")
BAD_UTF8 = (b"\x80", b"\xbf", b"\x80\xbf", b"\xc0 ", b"\xe0 ", b"\xf0 ", b"\xf8 ", b"\xfc ", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf",
            b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xb0\x80", b"\xed\xbf\xbf",
            b"\xed\xa0\x80\xed\xb0\x80", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xfe", b"\xff", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80e")


def frame(opcode, payload=b"", fin=True, rsv=0, mask=b"\x37\xfa\x21\x3d", size=None):
    """One frame. mask None: none; size: the width of the length, else the smallest."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit, n = (0x80 if mask is not None else 0), len(payload)
    size = size or (1 if n < 126 else 2 if n < 65536 else 8)
    head += bytes([bit | (n if size == 1 else 126 if size == 2 else 127)]) + (n.to_bytes(size, "big") if size > 1 else b"")
    if mask is None:
        return head + payload
    pad = (mask * (n // 4 + 1))[:n]
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(n, "big")


def close(code, reason=b""):
    return frame(CLOSE, struct.pack(">H", code) + reason)


def fragments(opcode, payload, size, between=b""):
    """The message in frames of so many bytes, with other frames between them."""
    pieces = [payload[i:i + size] for i in range(0, len(payload), size)] or [b""]
    return between.join(frame(opcode if i == 0 else 0, piece, fin=i == len(pieces) - 1) for i, piece in enumerate(pieces))


def text_of(size):
    return b'"' + b"*" * (size - 2) + b'"' if size >= 2 else b"*" * size


def framing():
    for opcode, kind in ((1, "text"), (2, "binary")):
        for size in (0, 2, 125, 126, 127, 128, 65535, 65536):
            yield f"1 {kind} of {size}", frame(opcode, text_of(size)), [ERROR]
        yield f"1 {kind} of 65536 in pieces", frame(opcode, text_of(65536)), [ERROR], 997


def pings():
    for payload in (b"", b"Hello", bytes(range(0, 250, 25)) + b"\xff\xfe", b"p" * 125):
        yield f"2 a ping with {payload[:9]!r}", frame(PING, payload), [payload]
    yield "2 a ping with 126 bytes", frame(PING, b"p" * 126), 1002
    yield "2 a ping byte by byte", frame(PING, b"p" * 125), [b"p" * 125], 1
    yield "2 a pong nobody asked for", frame(PONG), []
    yield "2 a pong with bytes nobody asked for", frame(PONG, b"x" * 125), []
    yield "2 a pong with 126 bytes", frame(PONG, b"x" * 126), 1002
    yield "2 a pong, then a ping", frame(PONG, b"x") + frame(PING, b"y"), [b"y"]
    many = [b"%d" % i for i in range(10)]
    for step in (0, 1):
        yield f"2 ten pings, {step}", b"".join(frame(PING, one) for one in many), many, step


def reserved():
    for rsv in range(1, 8):
        for opcode in (TEXT, 2, CLOSE, PING, PONG):
            yield f"3 reserved bits {rsv} on opcode {opcode}", frame(opcode, b"", rsv=rsv), 1002
        yield f"3 reserved bits {rsv} after a message", frame(TEXT, HELLO) + frame(TEXT, HELLO, rsv=rsv) + frame(PING), [ERROR, 1002]


def opcodes():
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield f"4 opcode {opcode}", frame(opcode), 1002
        yield f"4 opcode {opcode} with bytes", frame(opcode, b"x"), 1002
        yield f"4 opcode {opcode} after a message", frame(TEXT, HELLO) + frame(opcode) + frame(PING), [ERROR, 1002]


def fragmentation():
    for opcode in (CLOSE, PING, PONG):
        yield f"5 control {opcode} in two frames", frame(opcode, b"", fin=False) + frame(0), 1002
    ping = frame(PING, b"between")
    for size in (1, 4):
        for step in (0, 1):
            yield f"5 text in frames of {size}, {step}", fragments(TEXT, HELLO, size), [ERROR], step
            yield f"5 text in frames of {size} with pings, {step}", fragments(TEXT, HELLO, size, ping), [b"between"] * ((7 - 1) // size) + [ERROR], step
    yield "5 empty fragments", frame(TEXT, b"", fin=False) + frame(0, b"", fin=False) + frame(0, b""), [ERROR]
    yield "5 bytes in the middle fragment", frame(TEXT, b"", fin=False) + frame(0, HELLO, fin=False) + frame(0, b""), [ERROR]
    for fin in (True, False):
        yield f"5 a continuation of nothing, fin {fin}", frame(0, HELLO, fin=fin), 1002
        yield f"5 a continuation after a whole message, fin {fin}", frame(TEXT, HELLO) + frame(0, b"x", fin=fin), [ERROR, 1002]
        for opcode in (TEXT, 2):
            yield f"5 message {opcode} within another, fin {fin}", frame(TEXT, b"x", fin=False) + frame(opcode, b"y", fin=fin), 1002
    yield "5 two messages in fragments", fragments(TEXT, HELLO, 3) + fragments(2, HELLO, 2, ping), [ERROR] + [b"between"] * 3 + [ERROR]


def utf8():
    for text in GOOD_UTF8:
        data = b'"' + text.encode() + b'"'
        yield f"6 {text!r}", frame(TEXT, data), [ERROR]
        yield f"6 {text!r} in frames of a byte", fragments(TEXT, data, 1), [ERROR]
    for bad in BAD_UTF8:
        data = b'"' + bad + b'"'
        yield f"6 {bad!r}", frame(TEXT, data), 1007
        yield f"6 {bad!r} in frames of a byte", fragments(TEXT, data, 1), 1007
        yield f"6 {bad!r} fails fast in a message without an end", frame(TEXT, data, fin=False), 1007
        yield f"6 {bad!r} fails fast in a frame without an end", frame(TEXT, data + b"x" * 1000)[:-1000], 1007
    for cut in (b"\xc3", b"\xe2\x82", b"\xf0\x90\x80"):
        yield f"6 the message ends within a character {cut!r}", frame(TEXT, cut), 1007
    yield "6 a binary message may be anything", frame(2, b"\xff\xfe"), [ERROR]


def closing():
    yield "7 no code", frame(CLOSE), 1005
    for step in (0, 1):
        yield f"7 half a code, {step}", frame(CLOSE, b"\x03"), 1002, step
        yield f"7 code 1000, {step}", close(1000, b"bye"), 1000, step
    for code in ALL_CODES_GOOD:
        yield f"7 code {code}", close(code), code
        yield f"7 code {code} with a reason", close(code, b"bye"), code
    for code in ALL_CODES_BAD:
        yield f"7 code {code}", close(code), 1002
    yield "7 a reason of 123 bytes", close(1000, b"r" * 123), 1000
    yield "7 a reason of 124 bytes", close(1000, b"r" * 124), 1002
    yield "7 a reason that is no UTF-8", close(1000, b"\xce\xba\xed\xa0\x80"), 1007
    yield "7 a message after the close", close(1000) + frame(TEXT, HELLO), 1000
    yield "7 a ping after the close", close(1000) + frame(PING), 1000
    yield "7 a second close", close(1000) + close(1001), 1000
    yield "7 a close within a message", frame(TEXT, b"x", fin=False) + close(1000), 1000
    yield "7 a message before the close", frame(TEXT, HELLO) + close(1000), [ERROR, 1000]


def limits():
    most = 10 * MIB
    for size in (65536, 1 * MIB, most):
        yield f"9 a message of {size}", frame(TEXT, text_of(size)), [ERROR]
    yield "9 a message of 4 MiB in frames of 64 KiB", fragments(TEXT, text_of(4 * MIB), 65536), [ERROR]
    yield "9 a message of 64 KiB in frames of 64 bytes", fragments(TEXT, text_of(65536), 64), [ERROR]
    yield "9 a message of 256 KiB in pieces of 8 KiB", frame(TEXT, text_of(262144)), [ERROR], 8192
    yield "9 one byte more than may be", frame(TEXT, text_of(most + 1))[:100], 1009
    yield "9 one byte more than may be, in two frames", frame(TEXT, text_of(most), fin=False) + frame(0, b"x"), 1009
    yield "9 the length of a terabyte", b"\x81\xff" + (1 << 40).to_bytes(8, "big") + b"maskx", 1009
    yield "9 a length with its first bit set", b"\x81\xff" + b"\xff" * 8 + b"mask", 1002


def masks_and_lengths():
    for opcode in (TEXT, PING, PONG, CLOSE):
        yield f"10 opcode {opcode} without a mask", frame(opcode, b"", mask=None), 1002
    yield "10 a mask of zeros", frame(TEXT, HELLO, mask=b"\0\0\0\0"), [ERROR]
    for size, payload in ((2, HELLO), (8, HELLO), (8, text_of(300))):
        yield f"10 a length of {len(payload)} in {size} bytes", frame(TEXT, payload, size=size), 1002
    yield "10 frames of 1300", fragments(TEXT, text_of(65536), 1300), [ERROR]


def conversation(daemon, data, step):
    """What the daemon sends: an error frame is ERROR, a pong its payload, a close its code; then the end."""
    got = []
    with daemon.ws(timeout=3) as ws:
        try:
            for at in range(0, len(data), step or len(data)):
                ws.wire.send(data[at:at + (step or len(data))])
        except Gone:
            pass                                        # closed before all was sent
        try:
            while True:
                _, opcode, payload = ws.read_frame()
                got.append(ERROR if opcode == TEXT and b'"error"' in payload else payload if opcode == PONG
                           else int.from_bytes(payload[:2], "big") or 1005 if opcode == CLOSE else (opcode, payload))
        except Gone:
            return got
        except AssertionError as err:                   # nothing came, or no frame of a server's
            return got + [str(err)]


def test_frames_are_answered_as_rfc_6455_says():
    daemon = Daemon(Home())
    wrong, count = [], 0
    for section in (framing, pings, reserved, opcodes, fragmentation, utf8, closing, limits, masks_and_lengths):
        for name, data, want, *step in section():
            want = want if isinstance(want, list) else [want]
            if not want or not isinstance(want[-1], int):
                data, want = data + close(1000), want + [1000]
            got = conversation(daemon, data, *(step or [0]))
            count += 1
            if got != want:
                wrong.append((name, got[-3:], want[-3:]))
    check(not wrong, f"{len(wrong)} of {count} answers were wrong: " + "; ".join(f"{n}: got {g}, not {w}" for n, g, w in wrong))
    check(count > 250, f"expected more than 250 cases, there were {count}")
    daemon.http("GET", "/v3/health").expect(200)
