"""Model servers that keep to no standard: one server, one row for each oddity, after what people report of real ones."""
import gzip
import json
import socket
import threading

from opta_test import check, check_equal, stop_event, texts
from tools import Bench, named

A, B = '{"path":"a.txt"}', '{"path":"b.txt"}'


def reply(status, body, kind="application/json", extra=""):
    data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{extra}Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data


def event(data):
    return b"data: " + (data if isinstance(data, str) else json.dumps(data)).encode() + b"\n\n"


def stream(*parts, done=True):
    """dicts are chunks, bytes are sent as they are."""
    return reply(200, b"".join(p if isinstance(p, bytes) else event(p) for p in parts) + (event("[DONE]") if done else b""), "text/event-stream")


def chunk(delta=None, finish=None, **more):
    return {"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **more}


def words(text, finish="stop"):
    return stream(chunk({"content": text}), chunk({}, finish))


def piece(name=None, arguments=None, id=None, index=0, **more):
    function = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not None}
    return {k: v for k, v in (("index", index), ("id", id), ("function", function or None)) if v is not None} | more


def pieces(*rounds):
    """A stream of chunks, each with these pieces of calls."""
    return stream(*[chunk({"tool_calls": list(r)}) for r in rounds], chunk({}, "tool_calls"))


def results(body):
    return [m["content"] for m in body["messages"] if m["role"] == "tool"]


def calling(first, after=None):
    """The first answer to a user, then the results as text, or what `after` makes of the request."""
    def answer(body, _):
        if body["messages"][-1]["role"] == "user":
            return first
        return after(body) if after else words("RESULTS " + "|".join(results(body)))
    return answer


def needs(part, then="fine"):
    """Refuses a request with an error until the JSON of it lacks `part`, which is named in the error."""
    return lambda body, _: reply(400, {"error": {"message": part[1]}}) if part[0](body) else words(then)


class Server:
    def __init__(self):
        self.answers, self.bodies, self.lock = {}, [], threading.Lock()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self):
        self.socket.close()

    def serve(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        try:
            file = connection.makefile("rb")
            method, path = file.readline().decode().split()[:2]
            length = 0
            while (line := file.readline().strip()):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            body = file.read(length)
            answer = self.answer(method, path, body)
            if callable(answer):
                answer(connection)
            else:
                connection.sendall(answer)
        except (OSError, ValueError):
            pass
        finally:
            connection.close()

    def answer(self, method, path, body):
        if method == "GET":
            return reply(200, {"data": [{"id": "m"}]}) if path == "/v1/models" else reply(404, {})
        request = json.loads(body)
        with self.lock:
            self.bodies.append(request)
            n = sum(b["model"] == request["model"] for b in self.bodies) - 1
        return self.answers[request["model"]](request, n)


def asked(server, model):
    return [b for b in server.bodies if b["model"] == model]


def run(rows):
    """Each row: name -> (answer, check(events, answer's text, requests))."""
    server = Server()
    server.answers = {name: row[0] for name, row in rows.items()}
    bench = Bench({"connection.host": server.host, "model.default": "m", "model.maxTokens": 100, "permissions.run_command": "allow"})
    bench.write("a.txt", "alpha\n")
    bench.write("b.txt", "beta\n")
    wrong = []
    for name, row in rows.items():
        sid = bench.session(model=name)
        events = bench.daemon.run_turn(sid, "go")
        try:
            row[1](events, "".join(texts(events)), asked(server, name))
        except AssertionError as error:
            wrong.append(f"{name}: {error}")
    server.close()
    check(not wrong, "\n".join(wrong))


def says(want, requests=None):
    def look(events, text, bodies):
        stop_event(events, "turn.done")
        check_equal("the answer", text, want)
        if requests:
            check_equal("requests", len(bodies), requests)
    return look


def reads(*files):
    """These files were read, in this order, once each."""
    def look(events, text, bodies):
        stop_event(events, "turn.done")
        check_equal("calls", [(p["toolName"], json.loads(p["args"])) for p in named(events, "tool.start")], [("read_file", {"path": f}) for f in files])
        check_equal("results", [p["ok"] for p in named(events, "tool.end")], [True] * len(files))
    return look


def fails(sentence, code="model-error", requests=1):
    def look(events, text, bodies):
        end = stop_event(events, "turn.error", code) or [e for e in events if e["event"] == "turn.error"][0]
        check(sentence in [e for e in events if e["event"] == "turn.error"][0]["payload"]["message"], f"{sentence!r} is not in {end}")
        check_equal("requests", len(bodies), requests)
    return look


def notes(part, reason, want=None):
    """A good end that a person is told something of."""
    def look(events, text, bodies):
        done = [e for e in events if e["event"] == "turn.done"][0]["payload"]
        check_equal("finishReason", done["finishReason"], reason)
        check(any(part in p["message"] for p in named(events, "turn.progress")), f"nobody was told {part!r}: {named(events, 'turn.progress')}")
        if want is not None:
            check_equal("the answer", text, want)
    return look


def test_calls_are_put_together_however_they_come():
    whole = piece("read_file", A, "c1")
    run({
        "arguments as an object": (calling(pieces([piece("read_file", {"path": "a.txt"}, "c1")])), reads("a.txt")),
        "arguments repeated whole": (calling(pieces([piece("read_file", "", "c1")], [piece(None, A)], [piece(None, A)])), reads("a.txt")),
        "arguments that grow": (calling(pieces([piece("read_file", '{"path"', "c1")], [piece(None, '{"path":"a.t')], [piece(None, A)])), reads("a.txt")),
        "arguments encoded twice": (calling(pieces([piece("read_file", json.dumps(A), "c1")])), reads("a.txt")),
        "an empty object first": (calling(pieces([piece("read_file", "{}", "c1")], [piece(None, A)])), reads("a.txt")),
        "a new id at the same index": (calling(pieces([piece("read_file", A, "c1")], [piece("read_file", B, "c2")])), reads("a.txt", "b.txt")),
        "another id with each piece": (calling(pieces(*[[piece("read_file", a, f"x{i}")] for i, a in enumerate(['{"pa', 'th":"a.t', 'xt"}'])])), reads("a.txt")),
        "no index at all": (calling(pieces([piece("read_file", A, "c1", None), piece("read_file", B, "c2", None)])), reads("a.txt", "b.txt")),
        "no id and no index": (calling(pieces([piece("read_file", A, None, None)], [piece("read_file", B, None, None)])), reads("a.txt", "b.txt")),
        "an index of another world": (calling(pieces([piece("read_file", A, "c1", 2 ** 60)])), reads("a.txt")),
        "empty slots before": (calling(pieces([piece("read_file", A, "c1", 2)])), reads("a.txt")),
        "a name in pieces": (calling(pieces([piece("read", "", "c1")], [piece("_file", "")], [piece(None, A)])), reads("a.txt")),
        "a name in each piece": (calling(pieces([piece("read_file", '{"path":', "c1")], [piece("read_file", '"a.txt"}', "c1")])), reads("a.txt")),
        "a channel behind the name": (calling(pieces([piece("read_file<|channel|>commentary", A, "c1")])), reads("a.txt")),
        "functions. before the name": (calling(pieces([piece("functions.read_file", A, "c1")])), reads("a.txt")),
        "two objects in one text": (calling(pieces([piece("read_file", A + B, "c1")])), reads("a.txt", "b.txt")),
        "the old function_call": (calling(stream(chunk({"function_call": {"name": "read_file", "arguments": A}}), chunk({}, "function_call"))), reads("a.txt")),
        "all in the message": (calling(stream({"choices": [{"delta": {}, "message": {"tool_calls": [whole]}, "finish_reason": "tool_calls"}]})), reads("a.txt")),
        "stop though it calls": (calling(stream(chunk({"tool_calls": [whole]}), chunk({}, "stop"))), reads("a.txt")),
        "one answer in JSON": (calling(reply(200, {"choices": [{"message": {"content": None, "tool_calls": [whole]}, "finish_reason": "tool_calls"}]})), reads("a.txt")),
    })


def test_numbers_within_quotes_are_numbers_where_they_should_be():
    def look(events, text, bodies):
        start = named(events, "tool.start")[0]
        check_equal("what ran", json.loads(start["args"])["timeoutMs"], 5000)
        check_equal("what came", json.loads(start["rawArgs"])["timeoutMs"], "5000")
        check("hi" in text, f"it did not run: {text}")
    run({"an integer as text": (calling(pieces([piece("run_command", '{"command":"echo hi","timeoutMs":"5000"}', "c1")])), look)})


def test_what_a_server_gave_goes_back_to_it():
    long_id = "call__sig__" + "Q" * 900

    def has(look):
        return lambda body: words("came back") if look(body["messages"][-2], body["messages"][-1]) else reply(400, {"error": {"message": "it did not come back"}})
    run({
        "a long id": (calling(pieces([piece("read_file", A, long_id)]), has(lambda a, r: r["tool_call_id"] == a["tool_calls"][0]["id"] == long_id)), says("came back")),
        "an id with dots": (calling(pieces([piece("read_file", A, "functions.read_file:0")]), has(lambda a, r: r["tool_call_id"] == "functions.read_file:0")), says("came back")),
        "a missing id": (calling(pieces([piece("read_file", A)]), has(lambda a, r: len(r["tool_call_id"]) == 9 and r["tool_call_id"].isalnum() and a["tool_calls"][0]["id"] == r["tool_call_id"])), says("came back")),
        "reasoning": (calling(stream(chunk({"reasoning_content": "I must read"}), chunk({"tool_calls": [piece("read_file", A, "c1")]}), chunk({}, "tool_calls")),
                              has(lambda a, r: a.get("reasoning_content") == "I must read")), says("came back")),
        "an unknown member": (calling(pieces([piece("read_file", A, "c1", extra_content={"google": {"thought_signature": "s"}})]),
                                      has(lambda a, r: a["tool_calls"][0].get("extra_content") == {"google": {"thought_signature": "s"}})), says("came back")),
        "never null": (calling(pieces([piece("read_file", A, "c1")]), has(lambda a, r: a["content"] == "")), says("came back")),
    })


def test_one_thing_that_is_refused_is_left_out():
    run({
        "tools": (needs((lambda b: "tools" in b, "m does not support tools")), says("fine", 2)),
        "tools of vLLM": (needs((lambda b: "tools" in b, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set')), says("fine", 2)),
        "tool_choice": (needs((lambda b: "tool_choice" in b, "Unknown parameter: 'tool_choice'")), says("fine", 2)),
        "stream_options": (needs((lambda b: "stream_options" in b, "stream_options: Extra inputs are not permitted")), says("fine", 2)),
        "max_tokens": (needs((lambda b: "max_tokens" in b, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")), says("fine", 2)),
        "system": (needs((lambda b: b["messages"][0]["role"] == "system", "System role not supported")), says("fine", 2)),
        "two things": (lambda b, n: reply(400, {"error": {"message": "does not support tools"}}) if "tools" in b else
                       reply(422, {"detail": "stream_options is unknown"}) if "stream_options" in b else words("fine"), says("fine", 3)),
        "and then writes a call": (lambda b, n: reply(400, {"error": {"message": "m does not support tools"}}) if "tools" in b else
                                   words('<tool_call>\n{"name": "list_dir", "arguments": {}}\n</tool_call>'),
                                   says('<tool_call>\n{"name": "list_dir", "arguments": {}}\n</tool_call>', 2)),
        "the same again": (lambda b, n: reply(400, {"error": {"message": "this model does not support tools"}}), fails("does not support tools", requests=2)),
    })


def test_errors_are_told_wherever_they_stand():
    run({
        "a typed event": (lambda b, n: stream(b'event: error\ndata: {"type":"error","error":{"type":"x","message":"Bad day"}}\n\n', done=False), fails("Bad day")),
        "object error": (lambda b, n: stream(chunk({"content": "part"}), {"object": "error", "message": "CUDA out of memory", "code": 500}), fails("CUDA out of memory")),
        "beside no choices": (lambda b, n: stream(chunk({"content": "part"}), {"choices": [], "error": {"message": "Provider returned error", "metadata": {"raw": "model crashed"}}}), fails("model crashed")),
        "detail": (lambda b, n: stream({"detail": "Engine is dead"}), fails("Engine is dead")),
        "a list of details": (lambda b, n: reply(422, {"detail": [{"loc": ["body", "n"], "msg": "value is wrong"}]}), fails("body.n: value is wrong")),
        "a list": (lambda b, n: reply(400, [{"error": {"code": 400, "message": "API key not valid"}}]), fails("API key not valid")),
        "error_message": (lambda b, n: reply(400, {"error_message": "no such thing"}), fails("no such thing")),
        "code and details": (lambda b, n: stream(b'event: error\ndata: {"code":400,"details":"max logprobs exceeded"}\n\n'), fails("max logprobs exceeded")),
        "an error field": (lambda b, n: stream(b'error: {"code":500,"message":"it broke"}\n\n', done=False), fails("it broke")),
        "JSON called a stream": (lambda b, n: reply(200, {"code": 429, "message": "Resource has been exhausted"}, "text/event-stream"), fails("Resource has been exhausted")),
        "JSON with 200": (lambda b, n: reply(200, {"error": {"message": "Insufficient credits"}}), fails("Insufficient credits")),
        "a page": (lambda b, n: reply(404, "<html><head><title>404 Not Found</title></head><body><h1>404</h1></body></html>", "text/html"), fails("404 Not Found")),
        "plain text": (lambda b, n: reply(400, "unknown model 'm'\n", "text/plain"), fails("unknown model 'm'")),
        "finish_reason error": (lambda b, n: stream(chunk({"content": "part"}), chunk({}, "error")), fails("error")),
        "within an error": (lambda b, n: reply(400, {"error": {"error": {"error": {"message": "deep inside"}}}}), fails("deep inside")),
    })


def test_overflow_is_known_by_its_many_names():
    sentences = ["Context size has been exceeded.", "prompt is too long: 210000 tokens > 200000 maximum",
                 "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                 "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
                 "This model's maximum context length is 8192 tokens", "Input is too long for requested model.",
                 "Range of input length should be [1, 30720]", "Please reduce the length of the messages."]
    run({f"overflow {i}": (lambda b, n, s=s: reply(400, {"error": {"message": s}}), fails(s, "context-overflow")) for i, s in enumerate(sentences)})


def test_odd_ends_are_good_and_said():
    run({
        "length": (lambda b, n: words("this sentence has no", "length"), notes("cut by the token limit", "length", "this sentence has no")),
        "length while thinking": (lambda b, n: stream(chunk({"reasoning_content": "hm"}), chunk({}, "length")), notes("before it said anything", "length", "")),
        "filtered": (lambda b, n: words("part", "content_filter"), notes("content filter", "content_filter", "part")),
        "refused": (lambda b, n: stream(chunk({"refusal": "I will not."}), chunk({}, "stop")), notes("refused", "refusal", "I will not.")),
        "empty": (lambda b, n: stream(chunk({"content": ""}), chunk({}, "stop")), notes("empty", "stop", "")),
        "no word of the end": (lambda b, n: stream(chunk({"content": "cut in the mid"}), done=False), notes("may be cut", "unknown", "cut in the mid")),
    })


def test_streams_that_keep_to_no_standard_are_read():
    run({
        "one newline between": (lambda b, n: stream(*[b"data: " + json.dumps(chunk(*c)).encode() + b"\n" for c in (({"content": "one "},), ({"content": "two"},), ({}, "stop"))], b"data: [DONE]\n", done=False), says("one two")),
        "no end to the last": (lambda b, n: stream(chunk({"content": "all"}), b"data: " + json.dumps(chunk({}, "stop")).encode(), done=False), says("all")),
        "a mark of byte order": (lambda b, n: stream(b"\xef\xbb\xbf", chunk({"content": "first"}), chunk({}, "stop")), says("first")),
        "CR alone": (lambda b, n: stream(b": ping\r\rdata:" + json.dumps(chunk({"content": "cr"})).encode() + b"\r\rdata:" + json.dumps(chunk({}, "stop")).encode() + b"\r\rdata:[DONE]\r\r", done=False), says("cr")),
        "empty data": (lambda b, n: stream(b"data:\n\n", b"event: ping\ndata: {}\n\n", {"type": "ping"}, chunk({"content": "fine"}), chunk({}, "stop")), says("fine")),
        "a comment as data": (lambda b, n: stream(b"data: : PROCESSING\n\n", chunk({"content": "fine"}), chunk({}, "stop")), says("fine")),
        "an error that is none": (lambda b, n: stream(chunk({"content": "fine"}, error=""), chunk({}, "stop", error={})), says("fine")),
        "a type on top": (lambda b, n: stream(chunk({"content": "typed"}, type="chunk"), chunk({}, "stop", type="chunk")), says("typed")),
        "one answer in JSON": (lambda b, n: reply(200, {"choices": [{"message": {"content": "at once"}, "finish_reason": "stop"}]}), says("at once")),
        "one answer called a stream": (lambda b, n: reply(200, json.dumps({"choices": [{"message": {"content": "at once"}, "finish_reason": "stop"}]}) + "\ndata: [DONE]\n\n", "text/event-stream"), says("at once")),
        "content in parts": (lambda b, n: stream(chunk({"content": [{"type": "text", "text": "in "}, {"type": "text", "text": "parts"}]}), chunk({}, "stop")), says("in parts")),
        "two names of thinking": (lambda b, n: stream(chunk({"reasoning": "think ", "reasoning_content": "think "}), chunk({"content": "42"}), chunk({}, "stop")), says("42")),
        "harmony": (lambda b, n: words("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>It is 42."), says("It is 42.")),
    })


def test_a_compressed_answer_is_refused_by_its_name():
    run({"gzip": (lambda b, n: reply(200, gzip.compress(event(chunk({"content": "x"}))), "text/event-stream", "Content-Encoding: gzip\r\n"), fails("compressed its answer (gzip)"))})


def test_a_redirect_names_where_it_leads():
    run({"307": (lambda b, n: reply(307, "", "text/plain", "Location: /v1/chat/completions/\r\n"), fails("/v1/chat/completions/"))})


def test_a_server_is_asked_again_when_it_says_when():
    run({
        "429 with a time": (lambda b, n: reply(429, {"error": {"message": "slow down"}}, extra="Retry-After: 1\r\n") if n == 0 else words("fine"), says("fine", 2)),
        "429 without": (lambda b, n: reply(429, {"error": {"message": "slow down"}}), fails("slow down")),
        "429 in a day": (lambda b, n: reply(429, {"error": {"message": "slow down"}}, extra="Retry-After: 86000\r\n"), fails("longer than")),
        "503 that loads": (lambda b, n: reply(503, {"error": {"message": "Loading model"}}) if n == 0 else words("fine"), says("fine", 2)),
    })


def test_a_failed_turn_does_not_brick_its_session():
    server = Server()

    def strict(body, _):
        roles = [m["role"] for m in body["messages"] if m["role"] not in ("system", "tool") and not m.get("tool_calls")]
        if any(a == b for a, b in zip(roles, roles[1:])):
            return reply(500, {"error": {"message": "Jinja Exception: roles must alternate"}})
        return reply(400, {"error": {"message": "something was wrong"}}) if "FAIL" in body["messages"][-1]["content"] else words("fine")
    server.answers = {"strict": strict}
    bench = Bench({"connection.host": server.host, "model.default": "m"})
    sid = bench.session(model="strict")
    stop_event(bench.daemon.run_turn(sid, "FAIL please"), "turn.error", "model-error")
    for _ in range(2):
        stop_event(bench.daemon.run_turn(sid, "go on"), "turn.done")
    server.close()


def test_signs_of_life_are_not_waited_for_for_ever():
    server = Server()
    over = threading.Event()

    def pings(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        while not over.wait(0.02):
            connection.sendall(event({"type": "ping"}))
    server.answers = {"pings": lambda body, n: pings}
    bench = Bench({"connection.host": server.host, "model.default": "m", "model.firstTokenTimeoutMs": 200})
    stop_event(bench.daemon.run_turn(bench.session(model="pings"), "go"), "turn.error", "lmx-timeout")
    over.set()
    server.close()
