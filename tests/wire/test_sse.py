"""SSE: frames, cursors, bytes, the ping."""
import json

from opta_test import Daemon, Home, Refused, SLOW, Sse, check, check_equal, check_in, ended_turns, stack


def filled(daemon, count=4):
    sid = daemon.create(title="t")["id"]
    for i in range(count - 1):
        daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": f"line\nbreak {i}"}).expect(200)
    return sid


def ids(sse, count):
    return [int(sse.recv()[0]) for _ in range(count)]


def refused(daemon, path, status, code, token="mine", headers=None):
    try:
        Sse(daemon.port, path, daemon.token if token == "mine" else token, headers).close()
    except Refused as err:
        err.response.expect(status, code)
    else:
        raise AssertionError(f"expected {status} for {path}, but a stream began")


def test_each_frame_is_an_id_and_an_envelope_without_an_event_field():
    daemon = Daemon(Home())
    sid = filled(daemon)
    log = daemon.raw_events(sid)
    with daemon.sse(sid, 0) as sse:
        check_in("content type", "text/event-stream", sse.response.header("content-type") or "")
        frames = [sse.recv() for _ in log]
        check_equal("data against the log", [data for _, data in frames], log)
        check_equal("ids", [ident for ident, _ in frames], [b"1", b"2", b"3", b"4"])
        check_equal("event: fields", sse.event_fields, [])


def test_after_seq_is_exclusive():
    daemon = Daemon(Home())
    sid = filled(daemon)
    with daemon.sse(sid, 2) as sse:
        check_equal("ids after 2", ids(sse, 2), [3, 4])


def test_without_a_cursor_the_log_comes_from_1():
    daemon = Daemon(Home())
    sid = filled(daemon)
    with daemon.sse(sid) as sse:
        check_equal("ids", ids(sse, 4), [1, 2, 3, 4])


def test_last_event_id_beats_after_seq():
    daemon = Daemon(Home())
    sid = filled(daemon)
    with daemon.sse(sid, 0, headers={"Last-Event-ID": "3"}) as sse:
        check_equal("id with Last-Event-ID 3 and afterSeq 0", ids(sse, 1), [4])
    with daemon.sse(sid, 3, headers={"Last-Event-ID": "1"}) as sse:
        check_equal("ids with Last-Event-ID 1 and afterSeq 3", ids(sse, 3), [2, 3, 4])


def test_live_events_follow_the_history():
    _, _, daemon = stack()
    sid = filled(daemon, 2)
    with daemon.sse(sid, 0) as sse:
        check_equal("history", ids(sse, 2), [1, 2])
        turn = daemon.submit(sid, "demo:tokens=20")
        live = []
        while not live or turn not in ended_turns(json.loads(live[-1][1])):
            frame = sse.recv()
            check(frame is not None, f"the stream ended after {len(live)} live frames")
            live.append(frame)
    check_equal("live frames against the log", [data for _, data in live], daemon.raw_events(sid, 2)[:len(live)])
    check_equal("ids", [int(ident) for ident, _ in live], list(range(3, 3 + len(live))))


def test_a_missing_or_wrong_token_gets_401():
    daemon = Daemon(Home())
    sid = filled(daemon, 1)
    path = f"/v3/sse/events?sessionId={sid}&afterSeq=0"
    refused(daemon, path, 401, "UNAUTHORIZED", token=None)
    refused(daemon, path, 401, "UNAUTHORIZED", token="wrong")
    refused(daemon, path + "&token=wrong", 401, "UNAUTHORIZED", token=None)


def test_an_unknown_session_gets_404():
    daemon = Daemon(Home())
    refused(daemon, "/v3/sse/events?sessionId=nobody&afterSeq=0", 404, "SESSION_NOT_FOUND")


def test_a_cursor_that_is_no_number_gets_400():
    daemon = Daemon(Home())
    sid = filled(daemon, 1)
    refused(daemon, f"/v3/sse/events?sessionId={sid}&afterSeq=x", 400, "INVALID_REQUEST")


def test_a_browser_of_an_allowed_origin_may_read_the_stream():
    daemon = Daemon(Home())
    sid = filled(daemon, 1)
    with Sse(daemon.port, f"/v3/sse/events?sessionId={sid}&token={daemon.token}", headers={"Origin": "http://localhost:5173"}) as sse:
        check_equal("Access-Control-Allow-Origin", sse.response.header("access-control-allow-origin"), "http://localhost:5173")
        check_equal("first id", ids(sse, 1), [1])


def test_the_stream_ends_when_the_daemon_stops():
    daemon = Daemon(Home())
    sid = filled(daemon, 1)
    with daemon.sse(sid, 0) as sse:
        check_equal("first id", ids(sse, 1), [1])
        daemon.stop()
        check_equal("frame after the stop", sse.recv(), None)


def test_a_comment_ping_comes_every_15_seconds():
    daemon = Daemon(Home())
    sid = filled(daemon, 1)
    with daemon.sse(sid, 0, timeout=20) as sse:
        check_equal("first id", ids(sse, 1), [1])
        while not sse.comments:
            line = sse.line()
            if line.startswith(b":"):
                sse.comments += 1
            check(line == b"" or line.startswith(b":"), f"expected a comment line within 20 s, got {line!r}")


test_a_comment_ping_comes_every_15_seconds.timeout = 60


def test_a_client_that_leaves_harms_nobody():
    _, _, daemon = stack()
    sid = filled(daemon, 1)
    turn = daemon.submit(sid, "demo:tokens=100 demo:delay=2")
    for _ in range(10):
        with daemon.sse(sid, 0) as sse:
            sse.recv()
    daemon.wait_stop(sid, turn)
    check_equal("health afterwards", daemon.http("GET", "/v3/health", timeout=5 * SLOW).status, 200)
