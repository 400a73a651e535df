"""The log file: its form, its reopening, and what must never stand in it."""
import os
import re
import signal

from opta_test import Daemon, Demo, Gone, Home, Refused, WebSocket, check, check_equal, check_in, descendants, raw, send, slurp, stack, wait_for

LINE = re.compile(r"\[\d\d:\d\d:\d\d\] (?:INFO |WARN |ERROR|DEBUG|TRACE) \S.*")


def bad_lines(home):
    return [line for line in home.log().split("\n")[:-1] if not LINE.fullmatch(line)]


def test_the_log_has_the_documented_form():
    home = Home()
    daemon = Daemon(home)
    daemon.stop()
    check_equal("lines that are not `[hh:mm:ss] LEVEL text`", bad_lines(home), [])
    check(re.search(rf"^\[\d\d:\d\d:\d\d\] INFO  daemon started on 127\.0\.0\.1:{daemon.port}$", home.log(), re.M),
          f"expected the documented line of a start, got {home.log()[:500]!r}")
    check(home.log().endswith("\n"), "expected the log to end in a line end")


def test_an_unreachable_model_server_is_logged_as_documented():
    home, _, daemon = stack(demo=None)
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "hello")
    wait_for(lambda: re.search(r"^\[\d\d:\d\d:\d\d\] ERROR lmx preflight failed: ECONNREFUSED 127\.0\.0\.1:1$", home.log(), re.M), 3,
             "`ERROR lmx preflight failed: ECONNREFUSED 127.0.0.1:1` in the log")


def test_nobody_can_forge_a_line():
    home, _, daemon = stack({"daemon.logLevel": "debug"})
    forged = "x\n[10:00:00] INFO  forged line\r\n\u2028\u001b[31mred"
    for body in ({"title": forged}, {"model": "m" + forged}, {"sessionId": forged}, {forged: forged}):
        daemon.http("POST", "/v3/sessions", body)       # taken or refused, but not in the log as a line of its own
    sid = daemon.create()["id"]
    daemon.post_turn(sid, "x", clientId=forged, writerId=forged, idempotencyKey=forged)
    daemon.http("POST", f"/v3/sessions/{sid}/cancel", {})
    daemon.run_turn(daemon.create()["id"], "demo:status=404 " + forged)
    daemon.http("GET", "/v3/x%0a%5b10:00:00%5d%20INFO%20%20forged%20line")
    daemon.http("GET", "/v3/health", headers={"User-Agent": "x\t[10:00:00] INFO  forged line", "Origin": "http://evil\x1b[31m.com"})
    raw(daemon.port, b"GET /v3/health HTTP/1.1\r\nHost: x\r[10:00:00] INFO  forged line\r\n\r\n")
    daemon.stop()
    check_equal("lines of another form", bad_lines(home), [])
    check(not re.search(r"^\[10:00:00\] INFO  forged line", home.log(), re.M), "a client has forged a log line")
    check("\x1b" not in home.log(), "a client has put an escape sequence into the log")


def test_the_token_and_other_secrets_stand_nowhere():
    canary = "canary-9f31c2-key"
    home, demo, daemon = stack({"daemon.logLevel": "debug", "connection.apiKey": canary}, demo=("--api-key", canary))
    token = daemon.token
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "demo:tokens=2")
    daemon.run_turn(sid, "demo:tokens=2 demo:drop=1")
    with daemon.ws(sid, 0) as ws:
        ws.recv()
    with daemon.sse(sid, 0) as sse:
        sse.recv()
    daemon.http("GET", f"/v3/nothing?token={token}").expect(404)
    daemon.http("GET", f"/v3/sessions?token={token}", token=None).expect(401)
    raw(daemon.port, f"GET /v3/ws?token={token} HTTP/9.9\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    raw(daemon.port, f"GET /v3/health HTTP/1.1\r\nHost: evil.com\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    try:
        WebSocket(daemon.port, "nobody", 0, token).close()
    except (Refused, Gone):
        pass
    ran = home.opta("do", "demo:tokens=1")
    client = home.popen("do", "demo:tokens=5 demo:hang=2")
    wait_for(lambda: b"w0 w1" in slurp(client.out_path), 10, "`opta do` to stream")
    secrets = [token.encode(), canary.encode()]
    for pid in descendants():
        for what in ("cmdline", "environ"):
            for secret in secrets[:1] if pid == demo.process.pid else secrets:
                check(secret not in slurp(f"/proc/{pid}/{what}"), f"a secret stands in /proc/{pid}/{what} ({slurp(f'/proc/{pid}/cmdline')[:80]!r})")
    events = b"".join(daemon.raw_events(sid))
    openly = daemon.http("GET", "/v3/health", token=None).body + daemon.http("GET", "/v3/metrics").body + daemon.http("GET", "/metrics").body
    listed = home.opta("daemon", "logs", "--lines", "1000")
    daemon.stop()
    places = {"the log": home.log().encode(), "the events": events, "health and metrics": openly, "opta do": ran.out + ran.err,
              "opta daemon logs": listed.out + listed.err, "stderr of the daemon": slurp(daemon.process.err_path)}
    for folder, _, names in os.walk(home.dir):
        for name in names:
            if name not in ("config.json", "state.json"):
                places[f"the file {name}"] = slurp(os.path.join(folder, name))
    for place, content in places.items():
        for secret in secrets:
            check(secret not in content, f"a secret ({secret[:8].decode()}…) stands in {place}")
    check(token not in slurp(home.state_path).decode(), "expected the token to be gone from state.json after the stop")


def test_sighup_reopens_the_log():
    home = Home()
    daemon = Daemon(home)
    os.rename(home.log_path, home.log_path + ".moved")
    send(daemon.pid, signal.SIGHUP)
    wait_for(lambda: os.path.exists(home.log_path), 5, "a new daemon.log after SIGHUP")
    daemon.stop()
    check(home.log().strip(), "expected the lines after SIGHUP in the new daemon.log")
    check_equal("lines of another form", bad_lines(home), [])


def test_a_second_start_appends():
    home = Home()
    first = Daemon(home)
    first.stop()
    second = Daemon(home)
    for port in (first.port, second.port):
        # The log has a thread of its own: the line may come a moment after the daemon's first answer.
        wait_for(lambda: f"daemon started on 127.0.0.1:{port}" in home.log(), 5, f"the log to name port {port}")


def test_the_log_is_private():
    old = os.umask(0)
    try:
        home = Home()
        Daemon(home)
    finally:
        os.umask(old)
    check_equal("bits for others on daemon/ and the log behind it", os.stat(os.path.dirname(home.log_path)).st_mode & 0o077, 0)


def test_the_demo_server_writes_one_line_for_each_request():
    home = Home()
    demo = Demo(home)
    home.write_config({"connection.port": demo.port})
    daemon = Daemon(home)
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "demo:tokens=1")
    check_equal("requests", [(r["transport"], r["model"]) for r in demo.requests()], [("ws", "demo-1")])
