"""The model server as an enemy: whatever it sends, a turn has one stop event, the daemon lives, and its memory stays small."""
import json
import threading

from clock import needs_plain_build
from enemy import SSE_HEAD, Enemy, content, data, text_frame
from opta_test import Daemon, Home, check, check_equal, check_in, only, stop_event, texts

FAST = {"model.firstTokenTimeoutMs": 10000, "model.idleTimeoutMs": 5000}


def turn_with(chat, ws=False, config=None, metadata=None, seconds=25.0):
    """One turn against such a server; (enemy, daemon, session id, events)."""
    enemy, home = Enemy(chat, ws), Home()
    home.write_config({"connection.host": "127.0.0.1", "connection.port": enemy.port, "model.default": "enemy", **FAST, **(config or {})})
    daemon = Daemon(home)
    sid = daemon.create(**({"metadata": metadata} if metadata else {}))["id"]
    events = daemon.run_turn(sid, "hello", seconds)
    check_equal("health afterwards", daemon.http("GET", "/v3/health").status, 200)
    return enemy, daemon, sid, events


def memory(daemon):
    """The most it ever had, in MB, its code included."""
    with open(f"/proc/{daemon.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def sse(*pieces):
    def chat(sock, number):
        sock.sendall(SSE_HEAD)
        for piece in pieces:
            sock.sendall(piece)
    return chat


def until_hung_up(sock, piece):
    """The same again and again until the daemon has had enough."""
    try:
        while True:
            sock.sendall(piece)
    except OSError:
        return


# what is said ------------------------------------------------------------------------------------------------------------

def test_half_a_surrogate_and_nul_become_the_replacement_character():
    cases = ((rb"a\ud83db", "a\ufffdb"), (rb"\ude00", "\ufffd"), (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"), (rb"x\u0000y", "x\ufffdy"),
             (rb"\ud83d\\u0000", "\ufffd\\u0000"), (rb"\ud83dA", "\ufffdA"), (rb"\uD83D\uDE00", "\U0001f600"))
    pieces = [data(b'{"choices":[{"delta":{"content":"' + raw + b'"}}]}') for raw, _ in cases]
    _, daemon, sid, events = turn_with(sse(*pieces, data(b"[DONE]")))
    stop_event(events, "turn.done")
    check_equal("tokens", texts(events), [want for _, want in cases])
    for raw in daemon.raw_events(sid):
        json.loads(raw)


def test_what_is_no_protocol_is_one_model_error():
    deep = b"[" * 100000
    for what, line in (("not JSON", b"{oops"), ("deep JSON", b'{"choices":' + deep + b"}"), ("NaN", b'{"choices":[{"delta":{"content":NaN}}]}'),
                       ("a number too large", b'{"choices":[{"delta":{"content":1e999}}]}'), ("an array", b"[1,2]"), ("a number", b"7"),
                       ("duplicate keys", b'{"choices":[{"delta":{"content":"a","content":"b"}}]}'),
                       ("a call with a negative index", b'{"choices":[{"delta":{"tool_calls":[{"index":-1}]}}]}'),
                       ("a call that is no object", b'{"choices":[{"delta":{"tool_calls":[7]}}]}')):
        enemy, _, _, events = turn_with(sse(content("before "), data(line), content("after"), data(b"[DONE]")))
        error = stop_event(events, "turn.error", "model-error")
        check_equal(f"text before {what}", texts(events), ["before "])
        check(error["payload"]["message"], f"expected a sentence for {what}")
        check_equal(f"requests for {what}", enemy.asked, 1)


def test_types_nobody_expects_are_no_text():
    odd = [{"choices": value} for value in ([], {}, "x", 3, None, [None], [[]], [{"delta": 7}], [{"delta": {"content": {"a": 1}}}])]
    odd += [{"usage": "many", "choices": []}, {"type": "chat.unheard-of"}, {"type": 7}, {"usage": {"prompt_tokens": -5, "completion_tokens": 1e300}}, {}]
    _, _, _, events = turn_with(sse(*[data(one) for one in odd], content("well"), data(b"[DONE]")))
    stop_event(events, "turn.done")
    check_equal("text", texts(events), ["well"])


def test_another_content_type_is_one_error_that_names_it():
    def chat(sock, number):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>log in \x1b[2J first</html>")
    enemy, _, _, events = turn_with(chat)
    said = stop_event(events, "turn.error", "model-error")["payload"]["message"]
    check_in("the sentence", "text/html", said)
    check_in("the sentence", "text/event-stream", said)
    check_equal("requests", enemy.asked, 1)


def test_redirects_are_not_followed():
    def chat(sock, number):
        sock.sendall(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/steal\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    enemy, _, _, events = turn_with(chat)
    check_in("the sentence", "307", stop_event(events, "turn.error", "model-error")["payload"]["message"])
    check_equal("requests", enemy.asked, 1)


def test_answers_that_are_no_http_are_tried_again_and_given_up():
    needs_plain_build()
    heads = (b"\0" * 5000, b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200000, b"HTTP/1.1 999999 x\r\n\r\n",
             b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
    enemy, home = Enemy(lambda sock, number: sock.sendall(heads[number % len(heads)])), Home()
    home.write_config({"connection.host": "127.0.0.1", "connection.port": enemy.port, "model.default": "enemy"})
    daemon = Daemon(home)
    turns = []
    for _ in heads:
        sid = daemon.create()["id"]
        turns.append((sid, daemon.submit(sid, "hello")))
    for sid, turn in turns:
        stop_event(daemon.turn_events(sid, turn), "turn.error", "LMX_UNREACHABLE")
    check_equal("requests: each is tried three times more", enemy.asked, 4 * len(heads))


# too much ----------------------------------------------------------------------------------------------------------------

def test_an_endless_answer_ends_at_the_limit():
    needs_plain_build()
    piece = content("x" * 60000)

    def chat(sock, number):
        sock.sendall(SSE_HEAD)
        until_hung_up(sock, piece)
    _, daemon, _, events = turn_with(chat, seconds=60.0)
    check_in("the sentence", "too large", stop_event(events, "turn.error", "model-error")["payload"]["message"])
    text = sum(map(len, texts(events)))
    check(15 << 20 <= text <= 16 << 20, f"expected an end at 16 MiB, got {text} bytes")
    check(memory(daemon) < 200, f"expected the daemon to stay small, it has {memory(daemon):.0f} MB")


def test_a_line_without_end_costs_its_limit():
    needs_plain_build()
    for ws in (False, True):
        def chat(sock, number, ws=ws):
            if ws:
                sock.sendall(text_frame(json.dumps({"type": "chat.token", "content": "a "})) + b"\x81\x7f" + (1 << 30).to_bytes(8, "big"))
            else:
                sock.sendall(SSE_HEAD + content("a ") + b"data: ")
            until_hung_up(sock, b"y" * 65536)
        _, daemon, _, events = turn_with(chat, ws)
        stop_event(events, "turn.error", "model-error")
        check_equal("text before", texts(events), ["a "])
        check(memory(daemon) < 20, f"expected the daemon to stay small, it has {memory(daemon):.0f} MB")


def test_arguments_without_end_and_ten_thousand_calls_end_the_turn():
    needs_plain_build()
    def arguments(sock, number):
        sock.sendall(SSE_HEAD + data({"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "read_file", "arguments": "{"}}]}}]}))
        until_hung_up(sock, data({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": " " * 60000}}]}}]}))

    def calls(sock, number):
        sock.sendall(SSE_HEAD)
        for i in range(10000):
            sock.sendall(data({"choices": [{"delta": {"tool_calls": [{"index": i, "id": f"c{i}", "function": {"name": "read_file", "arguments": "{}"}}]}}]}))
    for chat in (arguments, calls):
        _, daemon, _, events = turn_with(chat)
        stop_event(events, "turn.error", "model-error")
        check_equal("calls that ran", only(events, "tool.start"), [])
        check(memory(daemon) < 40, f"expected the daemon to stay small, it has {memory(daemon):.0f} MB")


def test_pings_without_end_are_not_queued():
    needs_plain_build()
    sent = []

    def chat(sock, number):
        sock.sendall(text_frame(json.dumps({"type": "chat.token", "content": "a "})))
        sock.settimeout(30)
        ping = text_frame(b"p" * 125, 9) * 1000
        for _ in range(400):                            # 50 MB of pings, and their pongs are never read
            sock.sendall(ping)
            sent.append(1)
        sock.sendall(text_frame(json.dumps({"type": "chat.done", "finish_reason": "stop"})))
        threading.Event().wait(0.5)
    _, daemon, _, events = turn_with(chat, ws=True, config={"model.idleTimeoutMs": 30000})
    stop_event(events, "turn.done")
    check_equal("pings that were taken", len(sent), 400)
    check(memory(daemon) < 20, f"expected no queue of pongs, the daemon has {memory(daemon):.0f} MB")


# too little --------------------------------------------------------------------------------------------------------------

def test_a_drip_within_a_line_is_silence():
    """One byte a moment is no message: the timeout counts what was said, not what was sent."""
    needs_plain_build()
    def chat(sock, number):
        sock.sendall(SSE_HEAD + content("a ") + b"data: ")
        for _ in range(200):
            sock.sendall(b" ")
            threading.Event().wait(0.1)
    _, _, _, events = turn_with(chat, config={"model.idleTimeoutMs": 1500})
    stop_event(events, "turn.error", "lmx-timeout")
    check_equal("text", texts(events), ["a "])


def test_a_drip_of_tokens_is_an_answer():
    def chat(sock, number):
        sock.sendall(SSE_HEAD)
        for byte in content("slow") + data(b"[DONE]"):
            sock.sendall(bytes([byte]))
            threading.Event().wait(0.005)
    _, _, _, events = turn_with(chat)
    stop_event(events, "turn.done")
    check_equal("text", texts(events), ["slow"])


# calls -------------------------------------------------------------------------------------------------------------------

def test_calls_are_told_apart_in_each_dialect():
    def read(name, **more):
        return {"id": f"id-{name}", "type": "function", "function": {"name": "list_dir", "arguments": json.dumps({"path": name})}, **more}
    names = [f"d{i}" for i in range(20)]
    at_once = [data({"choices": [{"delta": {"tool_calls": [read(name, index=i) for i, name in enumerate(names)]}}]})]
    no_index = [data({"choices": [{"delta": {"tool_calls": [read(name) for name in names]}}]})]
    one_by_one = [data({"choices": [{"delta": {"tool_calls": [read(name)]}}]}) for name in names]
    for what, pieces in (("20 in one message", at_once), ("without an index", no_index), ("without an index, a message each", one_by_one)):
        def chat(sock, number, pieces=pieces):
            sock.sendall(SSE_HEAD)
            for piece in pieces if number == 1 else [content("done")]:
                sock.sendall(piece)
            sock.sendall(data(b"[DONE]"))
        enemy, home = Enemy(chat), Home()
        home.write_config({"connection.host": "127.0.0.1", "connection.port": enemy.port, "model.default": "enemy"})
        daemon = Daemon(home)
        sid = daemon.create(metadata={"workspace": home.work})["id"]
        events = daemon.run_turn(sid, "hello")
        stop_event(events, "turn.done")
        check_equal(f"calls {what}", [json.loads(e["payload"]["args"])["path"] for e in only(events, "tool.start")], names)
