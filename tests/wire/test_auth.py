"""Who may talk: token, Host, Origin, CORS, throttling."""
import json
import os
import re
import socket
import threading
import time

from clock import Skip
from opta_test import (Daemon, Gone, Home, Refused, SLOW, Sse, WebSocket, check, check_equal, check_in, http, raw, request_bytes,
                       slurp, wait_for)

WRONG = "opta_dk_" + "A" * 43
ROUTES = [("GET", "/v3/metrics"), ("GET", "/metrics"), ("GET", "/v3/openapi.json"), ("GET", "/v3/sessions"), ("POST", "/v3/sessions"),
          ("GET", "/v3/sessions/x"), ("PATCH", "/v3/sessions/x"), ("DELETE", "/v3/sessions/x"), ("POST", "/v3/sessions/x/turns"),
          ("POST", "/v3/sessions/x/cancel"), ("GET", "/v3/sessions/x/events"), ("GET", "/v3/sessions/x/permissions"),
          ("GET", "/v3/permissions"), ("GET", "/v3/sse/events?sessionId=x"), ("GET", "/v3/health/stream"), ("GET", "/v3/ws"),
          ("GET", "/v3/background?sessionId=x"), ("POST", "/v3/background/start"), ("GET", "/no/such/route"), ("DELETE", "/v3/health/x"),
          ("PUT", "/v3/sessions")]
EVIL_HOSTS = ["evil.com", "localhost.evil.com", "127.0.0.1.nip.io", "0.0.0.0", "127.0.0.1.evil.com:9999", "evil.com:9999"]
EVIL_ORIGINS = ["http://evil.com", "null", "http://localhost.evil.com", "http://127.0.0.1.evil.com", "https://localhostevil.com",
                "http://evil.com/http://localhost", "http://localhost@evil.com", "http://127.0.0.1@evil.com:80", "file://", "chrome-extension://abc"]
GOOD_ORIGINS = ["http://localhost:5173", "http://127.0.0.1:3000", "http://localhost", "https://localhost:8443", "http://[::1]:3000"]


def new_daemon(config=None):
    return Daemon(Home(config))


def test_health_answers_without_a_token():
    daemon = new_daemon()
    for path in ("/v3/health", "/health"):
        check_equal(f"{path} without a token", daemon.http("GET", path, token=None).status, 200)


def test_what_health_tells_a_stranger_is_what_the_document_says():
    daemon = new_daemon()
    sid = daemon.create(title="a secret title", metadata={"workspace": daemon.home.work})["id"]
    document = slurp(os.path.join(os.path.dirname(__file__), "..", "..", "SECURITY.md")).decode()
    if not document:
        raise Skip("the documents are not beside the tests")
    for path in ("/v3/health", "/health"):
        told = http(daemon.port, "GET", path).expect(200).json()
        for name in (*told, *told["runtime"]):
            check_in(f"a field of {path} in SECURITY.md", f"`{name}`", document)
        for secret in (sid, "a secret title", daemon.home.root, daemon.token):
            check(secret not in json.dumps(told), f"{path} tells a stranger {secret!r}")


def test_a_wrong_token_gets_401_on_health():
    daemon = new_daemon()
    for path in ("/v3/health", "/health"):
        daemon.http("GET", path, token=WRONG).expect(401, "UNAUTHORIZED")
        check_equal(f"{path} with the right token", daemon.http("GET", path).status, 200)


def test_every_other_route_without_a_token_gets_401_whether_it_exists_or_not():
    daemon = new_daemon()
    for method, path in ROUTES:
        answer = daemon.http(method, path, token=None)
        check(answer.status == 401, f"{method} {path} without a token: expected 401, got {answer!r}")
    for value in ("Bearer ", f"Bearer {WRONG}", daemon.token, f"Basic {daemon.token}", "Bearer", ""):
        answer = daemon.http("GET", "/v3/sessions", headers={"Authorization": value}, token=None)
        check(answer.status == 401, f"expected 401 for an Authorization of {len(value)} characters beginning {value[:7]!r}, got {answer!r}")


def test_the_401_body_is_ours_and_the_same_for_every_route():
    daemon = new_daemon()
    bodies = {daemon.http(method, path, token=None).expect(401, "UNAUTHORIZED").body for method, path in ROUTES}
    check_equal("the number of different 401 bodies", len(bodies), 1)


def test_parts_of_the_token_are_not_the_token():
    daemon = new_daemon()
    token = daemon.token
    for guess in (token[:-1], token + "x", token[1:], token.upper(), token[:8], token[:-1] + ("A" if token[-1] != "A" else "B")):
        check(daemon.http("GET", "/v3/sessions", token=guess).status == 401, f"expected 401 for a token of {len(guess)} characters that is not ours")
    check_equal("the token itself", daemon.http("GET", "/v3/sessions").status, 200)


def test_the_token_in_the_query_counts_on_websocket_and_sse_only():
    daemon = new_daemon()
    sid = daemon.create()["id"]
    with WebSocket(daemon.port, sid, 0, daemon.token) as ws:
        check_equal("first event over a WebSocket with ?token=", ws.recv()["seq"], 1)
    with Sse(daemon.port, f"/v3/sse/events?sessionId={sid}&afterSeq=0&token={daemon.token}") as sse:
        check_equal("first event over SSE with ?token=", sse.recv()[0], b"1")
    for path in ("/v3/sessions", "/v3/metrics", f"/v3/sessions/{sid}", f"/v3/sessions/{sid}/events"):
        daemon.http("GET", f"{path}?token={daemon.token}", token=None).expect(401, "UNAUTHORIZED")


def test_the_websocket_takes_the_token_from_the_header_too():
    daemon = new_daemon()
    sid = daemon.create()["id"]
    with WebSocket(daemon.port, sid, 0, headers={"Authorization": f"Bearer {daemon.token}"}) as ws:
        check_equal("first event", ws.recv()["seq"], 1)


def test_a_caller_without_a_token_learns_nothing_from_bad_bodies_or_bad_requests():
    daemon = new_daemon()
    for body in (b"{", b"[]", b"\xff", b"x" * 100):
        answer = daemon.http("POST", "/v3/sessions", body, token=None)
        check_equal(f"status for the body {body[:5]!r} without a token", answer.status, 401)
    host = f"Host: 127.0.0.1:{daemon.port}\r\n".encode()
    for data in (b"GARBAGE\r\n\r\n", b"GET /v3/sessions HTTP/9.9\r\n" + host + b"\r\n", b"GET /v3/sessions HTTP/1.1\r\n" + host + b"Bad Header\r\n\r\n",
                 b"POST /v3/sessions HTTP/1.1\r\n" + host + b"Content-Length: 999999999\r\n\r\n",
                 b"POST /v3/sessions HTTP/1.1\r\n" + host + b"Content-Length: x\r\n\r\n"):
        answer = raw(daemon.port, data)
        check(answer is None or answer.status == 401, f"expected 401 or a closed connection for {data[:40]!r} without a token, got {answer!r}")


def test_a_host_that_is_not_ours_gets_403_before_routing():
    daemon = new_daemon()
    for host in EVIL_HOSTS:
        for path in ("/v3/health", "/v3/sessions", "/no/such/route"):
            answer = daemon.http("GET", path, headers={"Host": host})
            check(answer.status == 403, f"GET {path} with Host {host}: expected 403, got {answer!r}")
            answer.expect(403, "FORBIDDEN_HOST")


def test_a_missing_an_empty_and_a_second_host_are_refused():
    daemon = new_daemon()
    auth = f"Authorization: Bearer {daemon.token}\r\n".encode()
    ours = f"Host: 127.0.0.1:{daemon.port}\r\n".encode()
    for hosts in (b"", b"Host: \r\n", ours + b"Host: evil.com\r\n", b"Host: evil.com\r\n" + ours):
        answer = raw(daemon.port, b"GET /v3/sessions HTTP/1.1\r\n" + hosts + auth + b"\r\n")
        check(answer is None or answer.status in (400, 403), f"expected 403 or 400 for the hosts {hosts!r}, got {answer!r}")


def test_an_absolute_url_does_not_get_around_the_host_check():
    daemon = new_daemon()
    answer = daemon.http("GET", "http://evil.com/v3/sessions", headers={"Host": "evil.com"})
    check(answer.status in (400, 403, 404), f"expected the request to be refused, got {answer!r}")


def test_loopback_hosts_are_accepted_with_any_port():
    daemon = new_daemon()
    for host in ("127.0.0.1", "localhost", f"localhost:{daemon.port}", f"127.0.0.1:{daemon.port}", "[::1]", f"[::1]:{daemon.port}", "LOCALHOST"):
        check_equal(f"health with Host {host}", daemon.http("GET", "/v3/health", headers={"Host": host}).status, 200)


def test_a_foreign_origin_gets_403_over_http():
    daemon = new_daemon()
    for origin in EVIL_ORIGINS:
        for path in ("/v3/sessions", "/v3/health"):
            answer = daemon.http("GET", path, headers={"Origin": origin})
            check(answer.status == 403, f"GET {path} with Origin {origin}: expected 403, got {answer!r}")
            answer.expect(403, "FORBIDDEN_ORIGIN")
            check_equal("Access-Control-Allow-Origin for a foreign origin", answer.header("access-control-allow-origin"), None)


def test_a_foreign_origin_gets_403_on_the_websocket():
    daemon = new_daemon()
    sid = daemon.create()["id"]
    for origin in EVIL_ORIGINS:
        try:
            WebSocket(daemon.port, sid, 0, daemon.token, headers={"Origin": origin}).close()
        except Refused as refused:
            check(refused.response.status == 403, f"upgrade with Origin {origin}: expected 403, got {refused.response!r}")
        else:
            raise AssertionError(f"expected 403 for an upgrade with Origin {origin}, but it was accepted")


def test_an_allowed_origin_is_echoed_with_vary():
    daemon = new_daemon()
    for origin in GOOD_ORIGINS:
        answer = daemon.http("GET", "/v3/sessions", headers={"Origin": origin}).expect(200)
        check_equal(f"Access-Control-Allow-Origin for {origin}", answer.header("access-control-allow-origin"), origin)
        check_in("Vary", "origin", (answer.header("vary") or "").lower())
    sid = daemon.create()["id"]
    with WebSocket(daemon.port, sid, 0, daemon.token, headers={"Origin": GOOD_ORIGINS[0]}) as ws:
        check_equal("first event for a local web app", ws.recv()["seq"], 1)


def test_the_401_of_an_allowed_origin_can_be_read_by_it():
    daemon = new_daemon()
    answer = daemon.http("GET", "/v3/sessions", headers={"Origin": GOOD_ORIGINS[0]}, token=None).expect(401)
    check_equal("Access-Control-Allow-Origin on a 401", answer.header("access-control-allow-origin"), GOOD_ORIGINS[0])


def test_a_configured_origin_is_allowed():
    daemon = new_daemon({"daemon.allowedOrigins": ["https://app.example.com"]})
    answer = daemon.http("GET", "/v3/sessions", headers={"Origin": "https://app.example.com"}).expect(200)
    check_equal("Access-Control-Allow-Origin", answer.header("access-control-allow-origin"), "https://app.example.com")
    for origin in ("https://app.example.com.evil.com", "http://app.example.com", "https://xapp.example.com"):
        daemon.http("GET", "/v3/sessions", headers={"Origin": origin}).expect(403, "FORBIDDEN_ORIGIN")


def test_a_desktop_app_made_with_tauri_is_allowed_by_one_setting_that_doctor_names():
    daemon = new_daemon()
    home = daemon.home
    origins = ("tauri://localhost", "http://tauri.localhost", "https://tauri.localhost")
    for origin in origins:
        answer = daemon.http("GET", "/v3/sessions", headers={"Origin": origin}).expect(403, "FORBIDDEN_ORIGIN")
        check_in("the refusal names the setting", "daemon.allowTauri", answer.json()["error"])
    check_in("doctor names it", "opta config set daemon.allowTauri true", home.opta("doctor", "--verbose").text)
    home.opta("config", "set", "daemon.allowTauri", "true").expect(0)
    wait_for(lambda: daemon.http("GET", "/v3/sessions", headers={"Origin": origins[0]}).status == 200, 5, "the setting to be applied")
    for origin in origins:
        answer = daemon.http("GET", "/v3/sessions", headers={"Origin": origin}).expect(200)
        check_equal("Access-Control-Allow-Origin", answer.header("access-control-allow-origin"), origin)
        with WebSocket(daemon.port, None, None, daemon.token, headers={"Origin": origin}) as ws:
            ws.send_json({"type": "ping"})
            check_equal("over WebSocket", ws.recv(), {"event": "heartbeat"})
    for origin in ("tauri://localhost.evil.com", "tauri://evil.com", "http://tauri.localhost.evil.com", "https://xtauri.localhost", "tauri://localhost:1",
                   "http://tauri.localhost:80", "TAURI://localhost", "tauri://localhost/", "http://evil.localhost"):
        answer = daemon.http("GET", "/v3/sessions", headers={"Origin": origin})
        check_equal(f"the status for {origin}", answer.status, 403)


def test_a_preflight_answers_204_with_methods_and_headers():
    daemon = new_daemon()
    headers = {"Origin": GOOD_ORIGINS[0], "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,content-type"}
    answer = daemon.http("OPTIONS", "/v3/sessions", headers=headers, token=None).expect(204)
    check_equal("allowed origin", answer.header("access-control-allow-origin"), GOOD_ORIGINS[0])
    methods = set((answer.header("access-control-allow-methods") or "").replace(" ", "").split(","))
    check_equal("allowed methods", methods, {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
    names = set((answer.header("access-control-allow-headers") or "").lower().replace(" ", "").split(","))
    check_equal("allowed headers", names, {"authorization", "content-type"})
    daemon.http("OPTIONS", "/v3/sessions", headers={**headers, "Origin": "http://evil.com"}, token=None).expect(403, "FORBIDDEN_ORIGIN")


def answered_in(port, token, seconds, lanes=4):
    """How many requests with this token are answered in so many seconds, and with which statuses."""
    counts = {}
    end = time.monotonic() + seconds

    def lane():
        while time.monotonic() < end:
            try:
                status = http(port, "GET", "/v3/sessions", token=token, timeout=max(0.2, (end - time.monotonic()) / SLOW)).status
            except (OSError, Gone, AssertionError):
                continue
            counts[status] = counts.get(status, 0) + 1
    threads = [threading.Thread(target=lane) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts


def test_guesses_are_throttled_and_a_valid_token_is_never_slowed_by_them():
    daemon = new_daemon()
    valid = answered_in(daemon.port, daemon.token, 1.5)
    stop = threading.Event()
    times, wrong = [], []

    def honest():
        while not stop.is_set():
            begun = time.monotonic()
            answer = daemon.http("GET", "/v3/sessions")
            times.append(time.monotonic() - begun)
            if answer.status != 200:
                wrong.append(answer)
    thread = threading.Thread(target=honest)
    thread.start()
    guessed = answered_in(daemon.port, WRONG, 1.5)
    stop.set()
    thread.join()
    check(set(guessed) <= {401}, f"expected only 401 for guesses, got {guessed}")
    check(guessed.get(401, 0) < valid[200] / 4, f"expected guesses to be throttled: {guessed} answered in the time of {valid} valid requests")
    check_equal("answers to the valid token during the guessing", wrong[:3], [])
    check(max(times) < 1.0 * SLOW, f"expected the valid token not to be slowed, the slowest of {len(times)} answers took {max(times):.2f} s")


def test_a_request_written_by_hand_as_in_the_runbook_is_accepted():
    daemon = new_daemon()
    data = request_bytes("GET", "/v3/health", headers={"Host": f"127.0.0.1:{daemon.port}", "User-Agent": "curl/8", "Accept": "*/*"}, token=daemon.token)
    check_equal("status of the runbook's request", raw(daemon.port, data).status, 200)


def test_a_core_dump_would_hold_no_token():
    daemon = new_daemon()
    limits = slurp(f"/proc/{daemon.pid}/limits").decode()
    check(re.search(r"^Max core file size +0 +0 ", limits, re.M), f"expected no core file to be allowed, got {limits!r}")
    check_equal("the memory a dump would hold", int(slurp(f"/proc/{daemon.pid}/coredump_filter"), 16), 0)


def test_a_flood_of_strangers_does_not_lock_friends_out():
    daemon = new_daemon()
    held = []
    try:
        for _ in range(700):
            held.append(socket.create_connection(("127.0.0.1", daemon.port)))
        daemon.http("GET", "/v3/sessions").expect(200)
        with daemon.ws() as ws:
            ws.send_json({"type": "hello"})
            for _ in range(600):
                held.append(socket.create_connection(("127.0.0.1", daemon.port)))
            daemon.http("GET", "/v3/sessions").expect(200)
            ws.send_json({"type": "nonsense"})
            check_in("the answer on the old WebSocket", "type", str(ws.recv()))
    finally:
        for sock in held:
            sock.close()
