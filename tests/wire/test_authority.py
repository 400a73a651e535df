"""Who may do what: names and origins that only look like ours, posts no script need ask for, guesses, old tokens, ids of others."""
import os
import time

from opta_test import Daemon, Gone, Home, Refused, SLOW, Sse, WebSocket, check, check_equal, raw, request_bytes, slurp, stack, wait_for
from processes import command_line, descendants
from tools import Bench, call

WRONG = "opta_dk_" + "0" * 64
FREE_GUESSES = 10                                       # answered at once; the next one waits a second
REBINDING_HOSTS = ("", "evil.com", "evil.com:{port}", "127.0.0.1.nip.io", "127.0.0.1.nip.io:{port}", "0.0.0.0", "0.0.0.0:{port}", "0", "127.1", "2130706433",
                   "0x7f000001", "0177.0.0.1", "127.0.0.1.", "localhost.", "localhost.evil.com", "evil.com#localhost", "evil.com@localhost", "localhost@evil.com",
                   "localhost,evil.com", "localhost evil.com", "localhost:x", "localhost:99999", "localhost:", "[::]", "[::ffff:127.0.0.1]", "::1", "[::1", "[::1]evil.com",
                   "[::1].evil.com", "192.168.1.1", "127.0.0.256", "127.0.0.1/", "http://localhost", "xlocalhost", "localhostx")
LOOK_ALIKES = ("null", "", "http://evil.com", "https://evil.com:{port}", "http://localhost.evil.com", "http://127.0.0.1.nip.io", "http://127.0.0.1.evil.com:{port}",
               "http://evil.com?localhost", "http://evil.com#localhost", "http://localhost@evil.com", "http://localhost:{port}@evil.com", "http://localhost:80:80",
               "http://localhost, http://evil.com", "http://localhost http://evil.com", "http://localhost/", "http://localhost/evil", "http://localhost.",
               "http://127.1", "http://2130706433", "http://0.0.0.0:{port}", "http://[::1].evil.com", "http://[::]", "http://", "http:/localhost", "http:localhost",
               "localhost", "//localhost", "ws://localhost", "file://", "file:///etc/passwd", "data:text/html,x", "chrome-extension://localhost", "xhttp://localhost")


def statuses(daemon, sid, headers, token="mine"):
    """What each door answers to these headers: reading, writing, the events as SSE and as WebSocket."""
    token = daemon.token if token == "mine" else token
    got = {}
    for name, method, path, body in (("read", "GET", f"/v3/sessions/{sid}/events?afterSeq=0", None), ("write", "POST", "/v3/sessions", {"title": "taken"}),
                                     ("health", "GET", "/v3/health", None)):
        got[name] = daemon.http(method, path, body, headers, token).status
    query = f"sessionId={sid}&afterSeq=0" + (f"&token={token}" if token else "")
    try:
        WebSocket(daemon.port, path=f"/v3/ws?{query}", headers=headers).close()
        got["websocket"] = 101
    except Refused as refused:
        got["websocket"] = refused.response.status
    try:
        Sse(daemon.port, f"/v3/sse/events?{query}", headers=headers).close()
        got["sse"] = 200
    except Refused as refused:
        got["sse"] = refused.response.status
    return got


def untouched(daemon, sid):
    check_equal("sessions afterwards", [s["id"] for s in daemon.http("GET", "/v3/sessions").expect(200).json()], [sid])


def test_a_name_that_was_rebound_to_this_machine_opens_no_door():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    for host in REBINDING_HOSTS:
        got = statuses(daemon, sid, {"Host": host.format(port=daemon.port)})
        check(set(got.values()) == {403}, f"the Host {host!r} with the right token: expected 403 at every door, got {got}")
    untouched(daemon, sid)


def test_an_origin_that_only_looks_like_ours_opens_no_door():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    for origin in LOOK_ALIKES:
        got = statuses(daemon, sid, {"Origin": origin.format(port=daemon.port)})
        check(set(got.values()) == {403}, f"the Origin {origin!r} with the right token: expected 403 at every door, got {got}")
    untouched(daemon, sid)


def test_what_a_web_form_can_send_is_never_a_command():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    text = b'{"title":"by a form"}'
    kinds = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "text/plain;charset=UTF-8", "text/plain; application/json",
             "application/jsonx", "text/json", "", "application/json, text/plain")
    for kind in kinds:
        daemon.http("POST", "/v3/sessions", text, {"Content-Type": kind}, token=None).expect(401, "UNAUTHORIZED")
        daemon.http("POST", "/v3/sessions", text, {"Content-Type": kind}).expect(400, "INVALID_REQUEST")
        daemon.http("POST", "/v3/sessions", text, {"Content-Type": kind, "Origin": "null"}).expect(403, "FORBIDDEN_ORIGIN")
        daemon.http("POST", "/v3/sessions", text, {"Content-Type": kind, "Sec-Fetch-Site": "cross-site"}).expect(403, "FORBIDDEN_ORIGIN")
    # A form can put a token into a query, not into a header: there it counts for nothing.
    daemon.http("POST", f"/v3/sessions?token={daemon.token}", text, {"Content-Type": "application/json"}, token=None).expect(401, "UNAUTHORIZED")
    untouched(daemon, sid)


def guess(daemon, door):
    """One wrong token at this door. Returns how long the answer took."""
    begun = time.monotonic()
    if door == "websocket":
        try:
            WebSocket(daemon.port, token=WRONG).close()
            raise AssertionError("a wrong token was accepted by the WebSocket")
        except Refused as refused:
            refused.response.expect(401)
    elif door == "malformed":
        answer = raw(daemon.port, request_bytes("GET", "/v3/sessions", headers=[("Authorization", f"Bearer {WRONG}"), ("X", "a\x01")]))
        check(answer is None or answer.status == 401, f"expected 401 or an end, got {answer!r}")
    else:
        path, token = ("/v3/health", WRONG) if door == "health" else (f"/v3/sse/events?token={WRONG}", None)
        daemon.http("GET", path, token=token).expect(401, "UNAUTHORIZED")
    return time.monotonic() - begun


def test_guesses_at_every_door_come_out_of_one_purse_on_loopback_too():
    for doors in (("websocket", "sse", "health"), ("malformed", "malformed", "health")):
        daemon = Daemon(Home())
        took = [guess(daemon, doors[i % 2]) for i in range(FREE_GUESSES + 2)] + [guess(daemon, doors[2])]
        # Without a purse all of them take a few milliseconds; with one, who comes to it empty waits a second.
        check(max(took) > 0.5, f"expected one of {len(took)} guesses at {doors} to wait, the slowest took {max(took):.2f} s")
        check(min(took) < 0.5 * SLOW, f"expected the first guesses to be answered at once, the fastest took {min(took):.2f} s")
        begun = time.monotonic()
        daemon.http("GET", "/v3/sessions").expect(200)
        check(time.monotonic() - begun < 0.5 * SLOW, "expected the right token not to wait for wrong ones")
        daemon.stop()


def test_the_token_of_the_last_run_is_worth_nothing_at_once():
    home = Home()
    daemon = Daemon(home)
    sid, old = daemon.create()["id"], daemon.token
    ws = daemon.ws(sid, 0)
    try:
        ws.recv()
        daemon.kill()
        daemon = Daemon(home)
        check(old != daemon.token, "expected a new token with each start")
        check_equal("what the old token gets", set(statuses(daemon, sid, {}, old).values()), {401})
        check_equal("the WebSocket that was open", ws.recv_raw(), None)
    finally:
        ws.close()
    untouched(daemon, sid)


def test_history_asks_for_the_same_rights_as_what_comes_live():
    daemon = stack()[2]
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "demo:tokens=3")
    cases = (({}, None, {401}), ({}, WRONG, {401}), ({"Origin": "http://evil.com"}, "mine", {403}), ({"Host": "evil.com"}, "mine", {403}))
    for headers, token, want in cases:
        for after in (0, 1, 1000):                      # replayed, in part, and only what comes
            for path in (f"/v3/sessions/{sid}/events?afterSeq={after}", f"/v3/sse/events?sessionId={sid}&afterSeq={after}",
                         f"/v3/sessions/{sid}", "/v3/search?q=demo"):
                answer = daemon.http("GET", path, None, headers, daemon.token if token == "mine" else token)
                check(answer.status in want and b"turn" not in answer.body, f"{path} with {headers}: expected {want}, got {answer!r}")
            try:
                WebSocket(daemon.port, sid, after, daemon.token if token == "mine" else token, headers=headers).close()
            except Refused as refused:
                check(refused.response.status in want, f"a WebSocket after {after} with {headers}: expected {want}, got {refused.response!r}")
            else:
                raise AssertionError(f"a WebSocket after {after} with {headers} was accepted")


def test_an_id_of_another_session_is_worth_nothing():
    bench = Bench()
    daemon, mine, other = bench.daemon, bench.session(), bench.session()
    turn = daemon.submit(mine, call("run_command", command="echo ran >ran.txt"))
    rid = bench.asked(mine, turn)["requestId"]
    for path in (f"/v3/sessions/{other}/permissions/{rid}", f"/v3/sessions/{other}/permission-requests/{rid}/resolve"):
        daemon.http("POST", path, {"requestId": rid, "decision": "allow"}).expect(404)
    with daemon.ws(other, 0) as ws:
        ws.send_json({"type": "permission.resolve", "sessionId": other, "requestId": rid, "decision": "allow", "decidedBy": "w"})
        got = ws.recv_where(lambda m: m.get("type") == "ack" or "error" in m, "an answer")
        check(not got.get("result", {}).get("ok"), f"expected another session's request not to be resolved, got {got!r}")
    daemon.http("POST", f"/v3/sessions/{other}/cancel", {"turnId": turn})
    check_equal("requests that still wait", [p["requestId"] for p in daemon.http("GET", "/v3/permissions").json()["pending"]], [rid])
    check(not os.path.exists(bench.path("ran.txt")), "the command ran though only another session allowed it")
    process = daemon.http("POST", "/v3/background/start", {"sessionId": mine, "command": "sleep 43217"}).expect(201).json()["process"]["processId"]
    for path in (f"/v3/background/{process}/status?sessionId={other}", f"/v3/background/{process}/output?sessionId={other}&afterSeq=0"):
        daemon.http("GET", path).expect(404, "NOT_FOUND")
    daemon.http("POST", f"/v3/background/{process}/kill", {"sessionId": other, "signal": "SIGKILL"}).expect(404, "NOT_FOUND")
    check_equal("the process", daemon.http("GET", f"/v3/background/{process}/status").expect(200).json()["process"]["state"], "running")
    check_equal("sessions named in the other's events", {e["sessionId"] for e in daemon.events(other)}, {other})


def readable_memory(pid):
    """The private and shared memory of a process, piece by piece."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            span, mode = line.split()[:2]
            start, end = (int(x, 16) for x in span.split("-"))
            if "r" not in mode or "[v" in line or end - start > 1 << 28:    # not the kernel's, nor a sanitizer's shadow
                continue
            try:
                memory.seek(start)
                yield memory.read(end - start)
            except OSError:
                continue


def test_the_token_lies_in_state_json_and_nowhere_else():
    bench = Bench()
    daemon, sid = bench.daemon, bench.session()
    secret = daemon.token[len("opta_dk_"):].encode()
    bench.turn(call("run_command", command="env"), sid=sid, allow=True)
    daemon.http("POST", "/v3/background/start", {"sessionId": sid, "command": "sleep 43218"}).expect(201)
    with daemon.ws(sid, 0) as ws:
        ws.send_text(daemon.token)                      # a client that says it aloud
        ws.recv_where(lambda m: "error" in m, "an error")
    daemon.http("GET", f"/v3/sessions?token={daemon.token}", token=None).expect(401)
    daemon.http("GET", f"/v3/sse/events?token={WRONG}", token=None).expect(401)
    check(not any(secret in e for e in daemon.raw_events(sid)), "the token lies in the events")
    for folder, _, names in os.walk(bench.home.root):
        for name in names:
            path = os.path.join(folder, name)
            if path != bench.home.state_path and os.path.isfile(path):
                check(secret not in slurp(path), f"the token lies in {os.path.relpath(path, bench.home.root)}")
    check_equal("the mode of state.json", oct(os.stat(bench.home.state_path).st_mode & 0o777), "0o600")
    # The start was accepted; the process comes a moment later.
    wait_for(lambda: any("sleep 43218" in command_line(pid) for pid in descendants(daemon.pid)), what="the background process")
    family = [daemon.pid, *descendants(daemon.pid)]
    for pid in family:
        check(secret.decode() not in command_line(pid), f"the token lies in the arguments of {pid}")
        check(secret not in slurp(f"/proc/{pid}/environ"), f"the token lies in the environment of {pid}")
    for pid in family[1:]:
        try:
            pieces = list(readable_memory(pid))
        except OSError:
            continue                                    # it ended, or nobody may look into it, which is as good
        check(not any(secret in piece for piece in pieces), f"the token lies in the memory of {command_line(pid)}")
