"""The WebSocket: cursor, synced, resync, messages, errors, frames of RFC 6455."""
import json
import struct

from opta_test import (Daemon, Gone, Home, Refused, WebSocket, Wire, check, check_equal, check_in, ended_turns, read_response, request_bytes, stack,
                       stop_event, wait_for)
from stream_client import BINARY, CLOSE, CONT, PING, PONG, TEXT

HANG = "demo:tokens=5 demo:hang=2"


def refused_or_closed(daemon, status, close_code, **kw):
    """The contract allows a refusal before the upgrade, or an error frame and a close after it."""
    try:
        ws = WebSocket(daemon.port, **kw)
    except Refused as refused:
        check_equal("status of the refused upgrade", refused.response.status, status)
        return
    with ws:
        first = ws.recv()
        check(isinstance(first.get("error"), str), f"expected an error frame, got {first!r}")
        check_equal("close code", ws.wait_closed(), close_code)


def submit(ws, sid, content, **more):
    ws.send_json({"type": "turn.submit", "clientId": "c", "writerId": "w", "sessionId": sid, "content": content, "mode": "chat", **more})
    ack = ws.recv_ack("turn.submit")
    check(ack.get("type") == "ack" and isinstance(ack.get("turnId"), str) and isinstance(ack.get("queued"), int),
          f"expected the ack of turn.submit with turnId and queued, got {ack!r}")
    return ack["turnId"]


def error_of(ws):
    got = ws.recv_where(lambda m: "error" in m, "an error frame")
    check(isinstance(got["error"], str) and isinstance(got.get("code"), str), f"expected error and code as strings, got {got!r}")
    return got


def still_open(ws, sid):
    """The socket answers a ping, so it is open; events that come before the pong are passed over."""
    ws.send_frame(PING, b"there?")
    while True:
        try:
            _, opcode, data = ws.read_frame()
        except Gone:
            raise AssertionError(f"expected the WebSocket of {sid} to stay open, it was cut") from None
        check(opcode != CLOSE, f"expected the WebSocket of {sid} to stay open, it was closed with {data!r}")
        if opcode == PONG:
            check_equal("payload of the pong", data, b"there?")
            return


def test_a_bad_or_missing_token_is_refused():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    for token in (None, "", "wrong", "opta_dk_" + "x" * 43, daemon.token[:-1]):
        refused_or_closed(daemon, 401, 4001, session=sid, after=0, token=token)


def test_an_unknown_session_is_404_before_the_upgrade():
    """A published client takes an accepted upgrade for success, and comes again for ever."""
    daemon = Daemon(Home())
    for session in ("nobody", "no%20such%20name", "", "x" * 65):
        try:
            daemon.ws(session, 0).close()
        except Refused as refused:
            check_equal(f"the status for {session!r}", refused.response.status, 404)
            continue
        raise AssertionError(f"expected the handshake for {session!r} to be refused")
    sid = daemon.create()["id"]
    daemon.http("DELETE", f"/v3/sessions/{sid}").expect(200)
    try:
        daemon.ws(sid, 0).close()
        raise AssertionError("expected the handshake for a deleted session to be refused")
    except Refused as refused:
        check_equal("the status for a deleted session", refused.response.status, 404)


def handshake(daemon, sid):
    return request_bytes("GET", f"/v3/ws?sessionId={sid}&afterSeq=0&token={daemon.token}", headers=[
        ("Host", "127.0.0.1"), ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")])


def test_what_is_sent_behind_a_handshake_that_is_refused_harms_nobody():
    daemon = Daemon(Home())
    for _ in range(3):
        with Wire(daemon.port) as wire:
            wire.send(handshake(daemon, "nobody") + b"\x89\x85\0\0\0\0there" * 3)
            check_equal("the answer", read_response(wire).status, 404)
    check_equal("health after it", daemon.http("GET", "/v3/health").status, 200)


def test_frames_sent_right_behind_the_handshake_are_answered_whether_the_session_is_in_memory_or_not():
    home = Home()
    daemon = Daemon(home)
    sid = daemon.create()["id"]
    daemon.stop()
    daemon = Daemon(home)
    for where in ("on disk", "in memory"):
        with Wire(daemon.port) as wire:
            wire.send(handshake(daemon, sid) + b"\x89\x85\0\0\0\0there")
            wire.until(b"\r\n\r\n")
            try:
                while b"\x8a\x05there" not in wire.buf or b"session.snapshot" not in wire.buf:
                    wire.fill()
            except Gone:
                raise AssertionError(f"a session {where}: expected a pong and the snapshot, got {bytes(wire.buf)!r}") from None


def test_who_leaves_while_the_session_is_looked_for_harms_nobody():
    home = Home()
    daemon = Daemon(home)
    sids = [daemon.create()["id"] for _ in range(30)]
    daemon.stop()
    daemon = Daemon(home)
    for sid in sids:
        wire = Wire(daemon.port)
        wire.send(handshake(daemon, sid))
        wire.sock.close()
    check_equal("health after it", daemon.http("GET", "/v3/health").status, 200)
    for sid in sids:
        with daemon.ws(sid, 0) as ws:
            check_equal("first event", ws.recv()["seq"], 1)


def test_a_ping_is_answered_by_a_heartbeat():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    for session in (sid, None):
        with daemon.ws(session, 1 if session else None) as ws:
            for message in ({"type": "ping"}, {"type": "ping", "sessionId": "nobody", "ts": 1}):
                ws.send_json(message)
                check_equal(f"the answer to {message}", ws.recv(), {"event": "heartbeat"})


def test_a_hello_never_takes_a_client_back_in_a_log_it_follows():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    for i in range(4):
        daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": f"t{i}"}).expect(200)
    with daemon.ws(sid, 0) as ws:
        check_equal("the log", [ws.recv()["seq"] for _ in range(5)], [1, 2, 3, 4, 5])
        for after in (0, 2, 4, 5, 500, -1):
            ws.send_json({"type": "hello", "clientId": "c", "sessionId": sid, "afterSeq": after})
            ws.send_json({"type": "ping"})
            check_equal(f"what comes after a hello with {after}", ws.recv(), {"event": "heartbeat"})
        daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": "last"}).expect(200)
        check_equal("the next event", ws.recv()["seq"], 6)
    # Forward, and in another session, it goes where it is told.
    other = daemon.create()["id"]
    with daemon.ws(other, 0) as ws:
        check_equal("the other log", ws.recv()["seq"], 1)
        ws.send_json({"type": "hello", "sessionId": sid, "afterSeq": 4})
        check_equal("the first one, from there", [ws.recv()["seq"], ws.recv()["seq"]], [5, 6])


def test_the_old_token_is_refused_after_a_restart():
    home = Home()
    daemon = Daemon(home)
    sid = daemon.create()["id"]
    old = daemon.token
    daemon.stop()
    refused_or_closed(Daemon(home), 401, 4001, session=sid, after=0, token=old)


def test_history_comes_first_then_live_events_and_no_unknown_frame():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "demo:tokens=3")
    history = daemon.raw_events(sid)
    with daemon.ws(sid, 0) as ws:
        check_equal("history", [ws.recv_raw() for _ in history], history)
        turn = daemon.submit(sid, "demo:tokens=3")
        live = []
        while not live or turn not in ended_turns(json.loads(live[-1])):
            live.append(ws.recv_raw())
            check(live[-1] is not None, f"the server closed with {ws.close_code}")
        check_equal("live events against the log", live, daemon.raw_events(sid, len(history))[:len(live)])


def test_after_seq_is_exclusive():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    for i in range(3):
        daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": f"t{i}"}).expect(200)
    with daemon.ws(sid, 2) as ws:
        check_equal("first seq after 2", [ws.recv()["seq"], ws.recv()["seq"]], [3, 4])


def test_sync_1_gets_synced_once_between_history_and_live():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": "a"}).expect(200)
    with daemon.ws(sid, 0, sync=True) as ws:
        check_equal("history", [ws.recv()["seq"], ws.recv()["seq"]], [1, 2])
        check_equal("synced", ws.recv(), {"type": "synced", "sessionId": sid, "seq": 2})
        for i in range(3):
            daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": f"b{i}"}).expect(200)
        check_equal("live events, no second synced", [ws.recv().get("seq") for _ in range(3)], [3, 4, 5])


def test_a_cursor_beyond_the_log_gets_resync_and_the_log_from_1():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    with daemon.ws(sid, 500, sync=True) as ws:
        check_equal("first frame", ws.recv(), {"type": "resync", "sessionId": sid, "lastSeq": 1})
        check_equal("then the log", ws.recv()["seq"], 1)
    with daemon.ws(sid, 500) as ws:
        check_equal("first frame without sync=1", ws.recv().get("seq"), 1)


def test_a_cursor_of_another_daemon_gets_resync_and_its_own_does_not():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": "x"}).expect(200)
    own = daemon.events(sid)[0]["daemonId"]
    with daemon.ws(sid, 1, sync=True, daemon_id="daemon_other") as ws:
        check_equal("first frame for another daemonId", ws.recv(), {"type": "resync", "sessionId": sid, "lastSeq": 2})
        check_equal("then the log", ws.recv()["seq"], 1)
    with daemon.ws(sid, 1, sync=True, daemon_id=own) as ws:
        check_equal("first frame for the right daemonId", ws.recv().get("seq"), 2)


def test_a_cursor_of_the_daemon_before_the_restart_is_still_good():
    home = Home()
    daemon = Daemon(home)
    sid = daemon.create()["id"]
    own = daemon.events(sid)[0]["daemonId"]
    daemon.stop()
    daemon = Daemon(home)
    daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": "x"}).expect(200)
    with daemon.ws(sid, 1, sync=True, daemon_id=own) as ws:
        check_equal("first frame", ws.recv().get("seq"), 2)


def test_without_a_session_every_session_is_heard_from_now_on():
    daemon = Daemon(Home())
    old = daemon.create()["id"]
    with daemon.ws() as ws:
        new = daemon.create()["id"]
        daemon.http("PATCH", f"/v3/sessions/{old}", {"title": "x"}).expect(200)
        got = [ws.recv(), ws.recv()]
        check_equal("events", sorted((e["event"], e["sessionId"], e["seq"]) for e in got),
                    sorted([("session.snapshot", new, 1), ("session.updated", old, 2)]))


def test_a_turn_can_be_submitted_and_is_acknowledged():
    _, demo, daemon = stack()
    sid = daemon.create()["id"]
    with daemon.ws(sid, 0) as ws:
        turn = submit(ws, sid, "demo:tokens=3")
    events = daemon.turn_events(sid, turn)
    stop_event(events, "turn.done")
    check_equal("writerId and clientId", (events[-1]["payload"]["writerId"], events[-1]["payload"]["clientId"]), ("w", "c"))
    check_equal("requests at the model server", len(demo.requests()), 1)


def test_hello_is_understood():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    with daemon.ws(sid, 0) as ws:
        ws.send_json({"type": "hello", "clientId": "c", "sessionId": sid})
        turn = submit(ws, sid, "demo:tokens=1")
        done = ws.recv_where(lambda m: m.get("event") == "turn.done" or "error" in m, "turn.done")
        check_equal("turnId of turn.done", done.get("payload", {}).get("turnId"), turn)


def test_a_turn_can_be_cancelled_over_the_socket():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    with daemon.ws(sid, 0) as ws:
        turn = submit(ws, sid, HANG)
        daemon.wait_event(sid, "turn.token")
        queued = submit(ws, sid, "demo:tokens=1")
        ws.send_json({"type": "turn.cancel", "sessionId": sid})
        ack = ws.recv_ack("turn.cancel")
        check_equal("cancelled in the ack", (ack["cancelled"]["cancelledQueued"], int(ack["cancelled"]["cancelledActive"])), (1, 1))
        still_open(ws, sid)
    for one in (turn, queued):
        stop_event(daemon.turn_events(sid, one), "session.cancelled")


def test_a_failed_request_gets_an_error_frame_and_the_socket_stays_open():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    with daemon.ws(sid, 0) as ws:
        for bad, code in ((b"{", "INVALID_REQUEST"), (b"[]", "INVALID_REQUEST"), (b'"x"', "INVALID_REQUEST"), (b"{}", "INVALID_REQUEST"),
                          (b'{"type":"no.such"}', "INVALID_REQUEST"), (b'{"type":7}', "INVALID_REQUEST"), (b"[" * 5000, "INVALID_REQUEST"),
                          (json.dumps({"type": "turn.submit", "sessionId": sid, "clientId": "c", "writerId": "w", "mode": "chat"}).encode(), "INVALID_REQUEST"),
                          (json.dumps({"type": "turn.submit", "sessionId": "nobody", "clientId": "c", "writerId": "w", "mode": "chat", "content": "x"}).encode(),
                           "SESSION_NOT_FOUND"),
                          (b'{"type":"turn.cancel","sessionId":"nobody"}', "SESSION_NOT_FOUND")):
            ws.send_text(bad)
            check_equal(f"code of the error for {bad[:60]!r}", error_of(ws)["code"], code)
            still_open(ws, sid)
        stop_event(daemon.turn_events(sid, submit(ws, sid, "demo:tokens=1")), "turn.done")


def test_a_failing_model_leaves_the_socket_open():
    _, _, daemon = stack(demo=None)
    sid = daemon.create()["id"]
    with daemon.ws(sid, 0) as ws:
        submit(ws, sid, "hello")
        got = ws.recv_event("turn.error")
        check_equal("code", got["payload"]["code"], "LMX_UNREACHABLE")
        still_open(ws, sid)


def test_fragments_with_a_ping_between_make_one_message():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    data = json.dumps({"type": "turn.submit", "clientId": "c", "writerId": "w", "sessionId": sid, "content": "demo:tokens=1 ä☃", "mode": "chat"},
                      ensure_ascii=False).encode()
    with daemon.ws(sid, 0) as ws:
        ws.send_frame(TEXT, data[:10], fin=False)
        ws.send_frame(PING, b"in between")
        for i in range(10, len(data)):
            ws.send_frame(CONT, data[i:i + 1], fin=False)
        ws.send_frame(CONT, b"", fin=True)
        ack = ws.recv_ack("turn.submit")
        check_in("the ack", "turnId", ack)
        daemon.wait_stop(sid, ack["turnId"])


def test_a_close_is_answered_with_a_close():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    with daemon.ws(sid, 0) as ws:
        ws.send_frame(CLOSE, struct.pack(">H", 1000) + b"bye")
        check_equal("close code that came back", ws.wait_closed(), 1000)


def test_broken_frames_close_the_connection_and_harm_nobody():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]

    def unmasked(ws): ws.send_frame(TEXT, b"{}", mask=False)
    def reserved_bit(ws): ws.send_frame(TEXT, b"{}", rsv=4)
    def unknown_opcode(ws): ws.send_frame(3, b"")
    def unknown_control(ws): ws.send_frame(11, b"")
    def lone_continuation(ws): ws.send_frame(CONT, b"x")
    def cut_ping(ws): ws.send_frame(PING, b"x", fin=False)
    def long_ping(ws): ws.send_frame(PING, b"x" * 126)
    def bad_utf8(ws): ws.send_frame(TEXT, b'{"type":"\xff\xfe"}')
    def overlong_utf8(ws): ws.send_frame(TEXT, b'"\xc0\xaf"')
    def new_message_inside(ws): ws.send_frame(TEXT, b"a", fin=False); ws.send_frame(TEXT, b"b")
    def negative_size(ws): ws.wire.send(b"\x81\xff" + b"\xff" * 8 + b"mask")
    def enormous_size(ws): ws.wire.send(b"\x81\xff" + struct.pack(">Q", 1 << 40) + b"mask" + b"x" * 1000)
    def short_close(ws): ws.send_frame(CLOSE, b"x")
    for action in (unmasked, reserved_bit, unknown_opcode, unknown_control, lone_continuation, cut_ping, long_ping, bad_utf8, overlong_utf8,
                   new_message_inside, negative_size, enormous_size, short_close):
        with daemon.ws(sid, 0) as ws:
            ws.recv_event("session.snapshot")
            try:
                action(ws)
                code = ws.wait_closed()
            except Gone:
                code = None
            except AssertionError as err:
                raise AssertionError(f"{action.__name__}: expected the server to close the connection; {err}") from None
            check(code in (None, 1002, 1003, 1005, 1007, 1009), f"{action.__name__}: expected a protocol error to close with 1002, 1007 or 1009, got {code}")
    check_equal("health afterwards", daemon.http("GET", "/v3/health").status, 200)
    check_equal("events afterwards", len(daemon.events(sid)), 1)


def test_a_bomb_of_fragments_is_stopped():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    with daemon.ws(sid, 0) as ws:
        ws.recv_event("session.snapshot")
        try:
            ws.send_frame(TEXT, b"x" * 65536, fin=False)
            for _ in range(400):                        # 25 MiB, more than any body may have
                ws.send_frame(CONT, b"x" * 65536, fin=False)
            code = ws.wait_closed()
        except (Gone, OSError):
            code = None
        check(code in (None, 1009, 1008, 1002), f"expected a message without an end to be closed with 1009, got {code}")
    check_equal("health afterwards", daemon.http("GET", "/v3/health").status, 200)


def test_a_binary_message_does_no_harm():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    with daemon.ws(sid, 0) as ws:
        ws.send_frame(BINARY, b"\0\xff\0")
    check_equal("health afterwards", daemon.http("GET", "/v3/health").status, 200)


def test_no_compression_is_agreed():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    with daemon.ws(sid, 0, headers={"Sec-WebSocket-Extensions": "permessage-deflate"}) as ws:
        check_equal("first event, not compressed", ws.recv()["seq"], 1)


def test_a_bad_handshake_is_refused():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    for headers in ({"Sec-WebSocket-Version": "8"}, {"Sec-WebSocket-Key": None}, {"Upgrade": "h2c"}, {"Sec-WebSocket-Key": "short"},
                    {"Sec-WebSocket-Key": "=" * 24}, {"Sec-WebSocket-Key": "A" * 24}, {"Sec-WebSocket-Key": "A" * 21 + "B=="},
                    {"Sec-WebSocket-Key": "A" * 20 + "-Q=="}):
        try:
            WebSocket(daemon.port, sid, 0, daemon.token, headers=headers).wire.close()
        except Refused as refused:
            check(400 <= refused.response.status < 500, f"handshake with {headers}: expected a 4xx, got {refused.response!r}")
        except Gone:
            pass
        except AssertionError as err:
            raise AssertionError(f"handshake with {headers}: {err}") from None
        else:
            raise AssertionError(f"expected the handshake with {headers} to be refused")


def test_http_1_0_is_not_switched():
    daemon = Daemon(Home())
    data = request_bytes("GET", "/v3/ws", token=daemon.token, headers={"Upgrade": "websocket", "Connection": "Upgrade",
                         "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "A" * 22 + "=="})
    check_equal("HTTP/1.1", raw_head(daemon, data), b"HTTP/1.1 101 Switching Protocols")
    check_equal("HTTP/1.0", raw_head(daemon, data.replace(b"HTTP/1.1", b"HTTP/1.0")), b"HTTP/1.1 400 Bad Request")


def raw_head(daemon, data):
    with Wire(daemon.port) as wire:
        wire.send(data)
        return wire.until(b"\r\n")


def test_a_lost_client_is_forgotten():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    for _ in range(20):
        with daemon.ws(sid, 0):
            pass                                        # cut without a close frame
    wait_for(lambda: daemon.http("GET", "/v3/metrics").json()["runtime"]["subscriberCount"] == 0, 5, "subscriberCount 0")
