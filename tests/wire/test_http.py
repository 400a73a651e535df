"""The HTTP edge: health, metrics, unknown routes and methods, bodies, limits, parser errors, keep-alive, pipelining."""
import json
import re
import select

from opta_test import (Daemon, Gone, Home, Http, Sse, Wire, check, check_equal, check_in, http, raw, read_response, request_bytes, wait_for)

MIB = 1 << 20
LIMIT = 10 * MIB


def new_daemon(config=None):
    return Daemon(Home(config))


def still_serves(daemon):
    check_equal("health afterwards", daemon.http("GET", "/v3/health").status, 200)


def test_health_has_the_documented_fields():
    daemon = new_daemon()
    for path in ("/v3/health", "/health"):
        answer = daemon.http("GET", path).expect(200)
        body = answer.json()
        check_equal("status", body["status"], "ok")
        check_equal("contract", body["contract"], {"name": "opta-daemon-v3", "version": 1})
        check(isinstance(body["uptime"], int), f"expected whole seconds of uptime, got {body['uptime']!r}")
        check(isinstance(body["version"], str) and body["version"], f"expected a version, got {body['version']!r}")
        check(body["daemonId"].startswith("daemon_"), f"expected a daemonId like daemon_xxxxxxxx, got {body['daemonId']!r}")
        check(isinstance(body["runtime"], dict), f"expected a runtime object, got {body['runtime']!r}")
        check_in("content type", "application/json", answer.header("content-type") or "")


def test_health_stream_sends_the_same_object_at_once_and_needs_the_token():
    daemon = new_daemon()
    daemon.http("GET", "/v3/health/stream", token=None).expect(401, "UNAUTHORIZED")
    with Sse(daemon.port, "/v3/health/stream", daemon.token) as sse:
        check_in("content type", "text/event-stream", sse.response.header("content-type") or "")
        frame = sse.recv()
        check(frame is not None, "expected a first frame, the stream ended")
        body = json.loads(frame[1])
        check_equal("status and daemonId in the stream", (body["status"], body["daemonId"]),
                    ("ok", daemon.http("GET", "/v3/health").json()["daemonId"]))


def test_metrics_have_the_documented_fields():
    daemon = new_daemon()
    daemon.create()
    body = daemon.http("GET", "/v3/metrics").expect(200).json()
    check({"daemonId", "runtime", "ts"} <= set(body), f"expected daemonId, runtime, ts, got {sorted(body)}")
    runtime = body["runtime"]
    want = {"sessionCount", "activeTurnCount", "queuedTurnCount", "subscriberCount", "ingressSeq", "toolWorkers", "latency", "memoryMB", "totalTurns"}
    check(want <= set(runtime), f"missing in runtime: {sorted(want - set(runtime))}")
    check({"workers", "busy", "queued"} <= set(runtime["toolWorkers"]), f"toolWorkers: {runtime['toolWorkers']!r}")
    check({"p50Ms", "p99Ms", "samples"} <= set(runtime["latency"]), f"latency: {runtime['latency']!r}")
    check_equal("sessionCount", runtime["sessionCount"], 1)
    check_equal("activeTurnCount", runtime["activeTurnCount"], 0)


def test_the_metrics_count_websocket_subscribers():
    daemon = new_daemon()
    sid = daemon.create()["id"]

    def subscribers():
        return daemon.http("GET", "/v3/metrics").json()["runtime"]["subscriberCount"]
    check_equal("subscriberCount before", subscribers(), 0)
    with daemon.ws(sid, 0) as one, daemon.ws(sid, 0) as two:
        one.recv()
        two.recv()
        wait_for(lambda: subscribers() == 2, 5, "two subscribers")
    wait_for(lambda: subscribers() == 0, 5, "no subscriber after both sockets were closed")


def test_prometheus_metrics_are_text():
    daemon = new_daemon()
    answer = daemon.http("GET", "/metrics").expect(200)
    check_in("content type", "text/plain", answer.header("content-type") or "")
    lines = [line for line in answer.body.decode().splitlines() if line and not line.startswith("#")]
    check(lines, "expected figures in /metrics")
    bad = [line for line in lines if not re.fullmatch(r'[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^{}]*\})? [-+0-9.eEInfNa]+( \d+)?', line)]
    check_equal("lines that are no Prometheus figures", bad[:3], [])


def test_openapi_names_the_routes():
    daemon = new_daemon()
    body = daemon.http("GET", "/v3/openapi.json").expect(200).json()
    check(str(body.get("openapi", "")).startswith("3.1"), f"expected OpenAPI 3.1, got {body.get('openapi')!r}")
    for path, methods in (("/v3/health", {"get"}), ("/v3/sessions", {"get", "post"}), ("/v3/metrics", {"get"})):
        check(methods <= set(body["paths"].get(path, {})), f"expected {methods} of {path} in openapi.json, got {body['paths'].get(path)!r}")


def test_an_unknown_route_gets_404():
    daemon = new_daemon()
    for path in ("/", "/v3", "/v3/nothing", "/v2/sessions", "/v3/sessions/x/nothing", "/v3//sessions", "/v3/sessions/../health", "/%00"):
        answer = daemon.http("GET", path)
        check(answer.status in (404, 400), f"GET {path}: expected 404, got {answer!r}")
    daemon.http("GET", "/v3/nothing").expect(404, "NOT_FOUND")


def test_routes_of_the_original_that_are_not_in_this_release_get_404_in_our_shape():
    daemon = new_daemon()
    for path in ("/v3/operations", "/v3/operations/x", "/v3/lmx/status", "/v3/bridge/x", "/v3/device/x"):
        daemon.http("GET", path).expect(404, "NOT_FOUND")


def test_a_wrong_method_gets_405():
    daemon = new_daemon()
    sid = daemon.create()["id"]
    for method, path in (("POST", "/v3/health"), ("DELETE", "/v3/sessions"), ("PUT", "/v3/sessions"), ("GET", f"/v3/sessions/{sid}/turns"),
                         ("PUT", f"/v3/sessions/{sid}"), ("POST", f"/v3/sessions/{sid}/events"), ("POST", "/v3/metrics"),
                         ("GET", f"/v3/sessions/{sid}/cancel"), ("POST", "/v3/openapi.json")):
        allow = daemon.http(method, path).expect(405, "METHOD_NOT_ALLOWED").header("allow")
        check(allow and method not in allow.split(", "), f"{method} {path}: expected what is allowed, got Allow: {allow}")
    check_equal("Allow of a route with two methods", daemon.http("PUT", "/v3/sessions").header("allow"), "GET, POST")


def test_what_a_route_allows_is_not_another_requests():
    daemon = new_daemon()
    data = request_bytes("PUT", "/v3/sessions", b"{}", token=daemon.token)
    with Wire(daemon.port) as wire:
        wire.send(data[:-2])
        daemon.create()                                 # looks the routes up in between
        wire.send(data[-2:])
        check_equal("Allow", read_response(wire).header("allow"), "GET, POST")


def test_the_answer_to_head_is_a_head():
    daemon = new_daemon()
    with Wire(daemon.port) as wire:
        for path, status in (("/v3/health", 405), ("/v3/sessions", 405), ("/v3/nothing", 404)):
            wire.send(request_bytes("HEAD", path, token=daemon.token) + request_bytes("GET", "/v3/health"))
            head = wire.until(b"\r\n\r\n")
            check_in(f"the status of HEAD {path}", b"HTTP/1.1 %d " % status, head.split(b"\r\n")[0])
            check_equal("the answer after it", read_response(wire).status, 200)
        wire.send(request_bytes("HEAD", "/v3/sessions"))
        check_equal("what comes with a refusal", wire.rest().partition(b"\r\n\r\n")[2], b"")


def test_every_error_body_has_a_sentence_and_a_code():
    daemon = new_daemon()
    for answer in (daemon.http("GET", "/v3/sessions", token=None), daemon.http("GET", "/no"), daemon.http("POST", "/v3/health"),
                   daemon.http("GET", "/v3/sessions/nobody"), daemon.http("POST", "/v3/sessions", b"{"),
                   daemon.http("GET", "/v3/health", headers={"Host": "evil.com"})):
        body = answer.json()
        check(isinstance(body.get("error"), str) and len(body["error"]) > 3, f"expected a sentence in error, got {body!r}")
        check(isinstance(body.get("code"), str) and body["code"].isupper(), f"expected a machine code, got {body!r}")
        check_in("content type of an error", "application/json", answer.header("content-type") or "")


def test_a_body_that_is_not_a_json_object_gets_400():
    daemon = new_daemon()
    for body in (b"{", b"[]", b"1", b'"x"', b"null", b"{}{}", b'{"title":"\xff"}', b"{'title':1}", b"[" * 100000, b'{"a":' * 100000):
        daemon.http("POST", "/v3/sessions", body, {"Content-Type": "application/json"}).expect(400, "INVALID_REQUEST")
    still_serves(daemon)


def test_a_post_with_no_body_and_one_with_an_empty_body_count_as_an_empty_object():
    daemon = new_daemon()
    sid = daemon.create()["id"]
    host = f"127.0.0.1:{daemon.port}"
    for path, want in ((f"/v3/sessions/{sid}/cancel", 200), ("/v3/sessions", 201)):
        for headers in ([], [("Content-Length", "0")]):
            data = request_bytes("POST", path, None, [("Host", host)] + headers, daemon.token)
            check_equal(f"status of POST {path} with the headers {headers}", raw(daemon.port, data).status, want)


def answer_to_a_large_body(daemon, path, head, parts):
    """Sends the head, then the parts until an answer can be read."""
    with Wire(daemon.port, timeout=30) as wire:
        wire.send(head)
        for part in parts:
            if select.select([wire.sock], [], [], 0)[0]:
                break
            try:
                wire.send(part)
            except (Gone, OSError):
                break
        try:
            return read_response(wire, "POST")
        except Gone:
            return None


def test_a_body_of_10_mib_is_accepted_and_a_larger_one_gets_413():
    daemon = new_daemon()
    sid = daemon.create()["id"]
    path = f"/v3/sessions/{sid}/cancel"
    check_equal("a body of exactly 10 MiB", daemon.http("POST", path, b"{}" + b" " * (LIMIT - 2), timeout=30).status, 200)
    for size in (LIMIT + 1, 1 << 40):
        head = request_bytes("POST", path, None, [("Host", "127.0.0.1"), ("Content-Length", str(size))], daemon.token)
        with Wire(daemon.port) as wire:
            wire.send(head)
            early = select.select([wire.sock], [], [], 1.0)[0]
            try:
                if not early and size < 1 << 30:
                    wire.send(b" " * size)
                answer = read_response(wire, "POST")
            except Gone as err:
                raise AssertionError(f"expected 413 for a Content-Length of {size}, but: {err}") from None
        answer.expect(413, "PAYLOAD_TOO_LARGE")
    still_serves(daemon)


def test_a_chunked_body_over_10_mib_gets_413():
    daemon = new_daemon()
    sid = daemon.create()["id"]
    path = f"/v3/sessions/{sid}/cancel"
    head = request_bytes("POST", path, None, [("Host", "127.0.0.1"), ("Transfer-Encoding", "chunked")], daemon.token)
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    answer = answer_to_a_large_body(daemon, path, head, (chunk for _ in range(400)))
    check(answer is None or answer.status == 413, f"expected 413 for an endless chunked body, got {answer!r}")
    still_serves(daemon)


def test_a_chunked_body_is_read():
    daemon = new_daemon()
    head = request_bytes("POST", "/v3/sessions", None, [("Host", "127.0.0.1"), ("Transfer-Encoding", "chunked")], daemon.token)
    answer = raw(daemon.port, head + b"5\r\n{\"tit\r\n3;x=y\r\nle\"\r\n9\r\n:\"parts\"}\r\n0\r\n\r\n")
    check_equal("the title sent in three chunks", answer.expect(201).json()["title"], "parts")


def test_huge_headers_and_urls_are_refused():
    daemon = new_daemon()
    cases = [request_bytes("GET", "/v3/sessions?q=" + "x" * MIB, token=daemon.token),
             request_bytes("GET", "/v3/sessions", headers=[("Host", "127.0.0.1"), ("X-Big", "x" * MIB)], token=daemon.token),
             request_bytes("GET", "/v3/sessions", headers=[("Host", "127.0.0.1")] + [(f"X-{i}", "y") for i in range(100000)], token=daemon.token)]
    for data in cases:
        answer = answer_to_a_large_body(daemon, "", data[:1000], [data[i:i + 65536] for i in range(1000, len(data), 65536)])
        check(answer is None or answer.status >= 400, f"expected a refusal of {len(data)} bytes of head, got {answer!r}")
    still_serves(daemon)


def test_a_head_that_is_too_large_is_431_wherever_the_token_stands_in_it():
    daemon = new_daemon()
    ours, host = ("Authorization", f"Bearer {daemon.token}"), ("Host", "127.0.0.1")
    big, many = [("X-Big", "x" * 33000)], [(f"X-{i}", "y") for i in range(101)]
    blanks = [("X-Blank", " " * 60000 + "y")]
    cases = {"a large value": ("", big), "a very large value": ("", [("X-Big", "x" * 200000)]), "many values": ("", [("X", "y" * 400)] * 90),
             "too many headers": ("", many), "a long name": ("", [("X" * 33000, "y")]), "a long target": ("?q=" + "x" * 9000, []),
             "blanks": ("", blanks)}
    for name, (query, headers) in cases.items():
        for where, order in (("before", [host, ours, *headers]), ("behind", [host, *headers, ours]), ("between", [*headers, ours, host, *headers])):
            data = request_bytes("GET", "/v3/sessions" + query, headers=order)
            check_equal(f"{name}, the token {where}", raw(daemon.port, data).status, 431)
        stranger = request_bytes("GET", "/v3/sessions" + query, headers=[host, *headers])
        check_equal(f"{name}, no token", raw(daemon.port, stranger).status, 401)
        wrong = request_bytes("GET", "/v3/sessions" + query, headers=[host, *headers, ("Authorization", "Bearer opta_dk_no")])
        check_equal(f"{name}, a wrong token", raw(daemon.port, wrong).status, 401)
    # Where a token in the query counts, it counts here too; elsewhere it does not.
    for path, status in (("/v3/ws", 431), ("/v3/sse/events", 431), ("/v3/sessions", 401)):
        for token, want in ((daemon.token, status), ("wrong", 401)):
            data = request_bytes("GET", f"{path}?sessionId=x&token={token}", headers=[host, *big])
            check_equal(f"{path} with {'the' if token != 'wrong' else 'a wrong'} token in its query", raw(daemon.port, data).status, want)
    still_serves(daemon)


def test_malformed_requests_are_refused_and_harm_nobody():
    daemon = new_daemon()
    ours = f"Host: 127.0.0.1\r\nAuthorization: Bearer {daemon.token}\r\n".encode()
    for data in (b"GET\r\n\r\n", b"GET /v3/sessions\r\n\r\n", b"\x00\x01\x02\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 60,
                 b"GET /v3/sessions HTTP/1.1\r\n" + ours + b"X : y\r\n\r\n", b"GET /v3/sessions HTTP/1.1\r\n" + ours + b"X: a\0b\r\n\r\n",
                 b"POST /v3/sessions HTTP/1.1\r\n" + ours + b"Content-Length: -1\r\n\r\n",
                 b"POST /v3/sessions HTTP/1.1\r\n" + ours + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
                 b"POST /v3/sessions HTTP/1.1\r\n" + ours + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
                 b"POST /v3/sessions HTTP/1.1\r\n" + ours + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"):
        with Wire(daemon.port) as wire:
            wire.send(data)
            wire.sock.shutdown(1)                       # nothing more will come: an answer or the end must
            try:
                answer = read_response(wire)
            except Gone:
                answer = None
        check(answer is None or answer.status >= 400, f"expected {data[:60]!r} to be refused, got {answer!r}")
    still_serves(daemon)


def test_a_request_with_length_and_chunked_is_never_taken_for_two():
    daemon = new_daemon()
    ours = f"Host: 127.0.0.1\r\nAuthorization: Bearer {daemon.token}\r\n".encode()
    hidden = b"POST /v3/sessions HTTP/1.1\r\n" + ours + b"Content-Length: 20\r\n\r\n{\"title\":\"smuggled\"}"
    for first in (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                  b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding: chunked, identity\r\n"):
        with Wire(daemon.port) as wire:
            try:
                wire.send(b"POST /v3/sessions HTTP/1.1\r\n" + ours + first + b"\r\n0\r\n\r\n" + hidden)
                wire.sock.shutdown(1)
                wire.rest()
            except (Gone, OSError):
                pass
    titles = [s["title"] for s in daemon.http("GET", "/v3/sessions").expect(200).json()]
    check("smuggled" not in titles, "a request hidden behind Content-Length and Transfer-Encoding was executed")


def test_keep_alive_serves_many_requests_on_one_connection():
    daemon = new_daemon()
    with Http(daemon.port, daemon.token) as client:
        for _ in range(50):
            client.get("/v3/health").expect(200)
        client.get("/nothing").expect(404)
        client.post("/v3/sessions", {"title": "after an error"}).expect(201)
        client.request("POST", "/v3/sessions", b"{").expect(400)
        client.get("/v3/sessions").expect(200)


def test_pipelined_requests_are_answered_in_order():
    daemon = new_daemon()
    host = [("Host", "127.0.0.1")]
    data = b"".join(request_bytes("POST", "/v3/sessions", {"sessionId": f"p{i}"}, host, daemon.token) +
                    request_bytes("GET", f"/v3/sessions/p{i}", None, host, daemon.token) for i in range(10))
    with Wire(daemon.port) as wire:
        wire.send(data)
        for i in range(10):
            check_equal("a pipelined POST", read_response(wire, "POST").expect(201).json()["id"], f"p{i}")
            check_equal("the GET after it", read_response(wire).expect(200).json()["id"], f"p{i}")


def test_a_request_that_arrives_byte_by_byte_is_answered():
    daemon = new_daemon()
    data = request_bytes("POST", "/v3/sessions", {"title": "slow but sure"}, [("Host", "127.0.0.1")], daemon.token)
    with Wire(daemon.port) as wire:
        for i in range(len(data)):
            wire.send(data[i:i + 1])
        check_equal("the title", read_response(wire, "POST").expect(201).json()["title"], "slow but sure")


def test_http_1_0_is_answered_and_closed():
    daemon = new_daemon()
    with Wire(daemon.port) as wire:
        wire.send(f"GET /v3/health HTTP/1.0\r\nHost: 127.0.0.1:{daemon.port}\r\n\r\n".encode())
        check_equal("status", read_response(wire).status, 200)
        check_equal("bytes after the answer to HTTP/1.0", wire.rest(), b"")


def test_connection_close_is_honoured():
    daemon = new_daemon()
    with Wire(daemon.port) as wire:
        wire.send(request_bytes("GET", "/v3/health", headers=[("Host", "127.0.0.1"), ("Connection", "close")]))
        check_equal("status", read_response(wire).status, 200)
        check_equal("bytes after the answer", wire.rest(), b"")


def test_expect_100_continue_does_not_block_the_request():
    daemon = new_daemon()
    data = request_bytes("POST", "/v3/sessions", {"title": "expected"}, [("Host", "127.0.0.1"), ("Expect", "100-continue")], daemon.token)
    answer = raw(daemon.port, data)
    check(answer is not None and answer.status in (201, 417), f"expected 201 (or 417), got {answer!r}")


def test_clients_that_leave_in_the_middle_of_a_request_harm_nobody():
    daemon = new_daemon()
    data = request_bytes("POST", "/v3/sessions", {"title": "x" * 1000}, [("Host", "127.0.0.1")], daemon.token)
    for cut in (0, 1, 10, 50, 200, len(data) - 1, len(data)):
        with Wire(daemon.port) as wire:
            wire.send(data[:cut])
    still_serves(daemon)


def test_silent_connections_do_not_keep_others_out():
    daemon = new_daemon()
    wires = []
    try:
        for _ in range(100):
            wire = Wire(daemon.port)
            wire.send(b"GET /v3/hea")
            wires.append(wire)
        check_equal("health while 100 half requests are open", http(daemon.port, "GET", "/v3/health", timeout=5).status, 200)
    finally:
        for wire in wires:
            wire.close()
