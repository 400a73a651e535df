"""Each dialect of a model server: what is sent in it, and what is understood. Strict servers refuse what the real ones refuse."""
import json
import os

from model_server import CUT, HANG, ModelServer
from opta_test import (Daemon, Home, Demo, check, check_equal, only, stack, stop_event, texts, wait_for)

OTHERS = ("ollama", "anthropic", "responses")
ALL = ("openai_chat",) + OTHERS
PATHS = {"openai_chat": "/v1/chat/completions", "ollama": "/api/chat", "anthropic": "/v1/messages", "responses": "/v1/responses"}


def workspace(home):
    path = os.path.join(home.root, "ws")
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "a.txt"), "w") as f:
        f.write("forty-two\n")
    return path


def demo_turn(dialect, prompt, demo=(), **more):
    home, server, daemon = stack({"connection.dialect": dialect, **more}, demo=demo)
    sid = daemon.create(metadata={"workspace": workspace(home)})["id"]
    return server, daemon, sid, daemon.run_turn(sid, prompt)


def with_server(answer, dialect, config=None, gets=None):
    server = ModelServer(answer, gets)
    home = Home({"connection.host": server.host, "connection.dialect": dialect, **(config or {})})
    daemon = Daemon(home)
    sid = daemon.create(metadata={"workspace": workspace(home)})["id"]
    return server, daemon, sid


# against the demo server ----------------------------------------------------------------------------------------------

def test_text_thoughts_and_counts_come_in_every_dialect():
    for dialect in ALL:
        server, _, _, events = demo_turn(dialect, "demo:think=3 demo:tokens=4")
        done = stop_event(events, "turn.done")["payload"]
        check_equal(f"text in {dialect}", "".join(texts(events)), "w0 w1 w2 w3 ")
        check_equal(f"thinking in {dialect}", "".join(texts(events, "turn.thinking")), "k0 k1 k2 ")
        check_equal(f"finishReason in {dialect}", done["finishReason"], "stop")
        check_equal(f"completionTokens in {dialect}", done["stats"]["completionTokens"], 7)
        check(done["stats"]["promptTokens"] > 0, f"expected the server's count of the prompt in {dialect}: {done!r}")
        check_equal(f"transport in {dialect}", [r["transport"] for r in server.requests()], ["sse" if dialect == "openai_chat" else dialect])
        check_equal(f"notices in {dialect}", [e["payload"] for e in only(events, "turn.progress")], [])


def test_a_tool_is_called_and_its_result_goes_back_in_every_dialect():
    for dialect in ALL:
        server, daemon, sid, events = demo_turn(dialect, 'demo:think=1 demo:tokens=1 demo:tool=read_file demo:args={"path":"a.txt"} demo:calls=2')
        stop_event(events, "turn.done")
        ends = only(events, "tool.end")
        check_equal(f"results in {dialect}", [e["payload"]["ok"] for e in ends], [True, True])
        check("The tool said: " in "".join(texts(events)) and "forty-two" in "".join(texts(events)), f"{dialect}: {texts(events)!r}")
        answer = only(events, "turn.answer")[0]["payload"]
        check_equal("dialect", answer["dialect"], dialect)
        check_equal(f"two requests in {dialect}", len(server.requests()), 2)
        # And once more, with all of it in the history.
        again = daemon.run_turn(sid, "demo:echo hello")
        stop_event(again, "turn.done")
        check_equal(f"the next turn in {dialect}", "".join(texts(again)), "hello")


def test_odd_bytes_and_huge_lines_pass_in_every_dialect():
    for dialect in ALL:
        _, _, _, events = demo_turn(dialect, "demo:echo demo:size=1 demo:split é ☃ 𝄞 \"quotes\" back\\slash")
        check_equal(f"text in {dialect}", "".join(texts(events)), 'é ☃ 𝄞 "quotes" back\\slash')
        _, _, _, events = demo_turn(dialect, "demo:badutf8")
        stop_event(events, "turn.done")
        check("bad " in "".join(texts(events)), f"{dialect}: {texts(events)!r}")
        _, _, _, events = demo_turn(dialect, "demo:huge=900000")
        check_equal(f"bytes in {dialect}", len("".join(texts(events))) > 800000, True)


def test_failures_are_told_in_every_dialect():
    for dialect in ALL:
        _, _, _, events = demo_turn(dialect, "demo:tokens=5 demo:error=2")
        error = stop_event(events, "turn.error")["payload"]
        check_equal(f"code in {dialect}", (error["code"], error["message"]), ("model-error", "demo error"))
        _, _, _, events = demo_turn(dialect, "demo:tokens=5 demo:garbage=2")
        stop_event(events, "turn.error")
        _, _, _, events = demo_turn(dialect, "demo:status=400")
        check("demo status 400" in stop_event(events, "turn.error")["payload"]["message"], dialect)


def test_an_answer_that_is_cut_goes_on_in_every_dialect():
    for dialect in ALL:
        _, _, _, events = demo_turn(dialect, "demo:tokens=6 demo:drop=3 demo:times=1 demo:key=k")
        stop_event(events, "turn.done")
        check_equal(f"text in {dialect}", "".join(texts(events)), "w0 w1 w2 w3 w4 w5 ")
        check_equal(f"phases in {dialect}", [e["payload"]["phase"] for e in only(events, "turn.progress")], ["lmx.continued"])


def test_a_cancel_hangs_up_in_every_dialect():
    for dialect in ALL:
        home, server, daemon = stack({"connection.dialect": dialect})
        sid = daemon.create()["id"]
        turn = daemon.submit(sid, "demo:tokens=1000 demo:delay=20")
        daemon.wait_event(sid, lambda e: e["event"] == "turn.token")
        check_equal("cancel", daemon.http("POST", f"/v3/sessions/{sid}/cancel", {}).status, 200)
        wait_for(server.cancelled, 5, f"the demo to see the cancel in {dialect}")


# who speaks what --------------------------------------------------------------------------------------------------------

def test_the_path_of_an_address_says_what_is_spoken():
    for dialect in ALL:
        home = Home()
        demo = Demo(home)
        home.write_config({"connection.host": f"http://127.0.0.1:{demo.port}{PATHS[dialect]}"})
        daemon = Daemon(home)
        events = daemon.run_turn(daemon.create()["id"], "demo:tokens=2")
        stop_event(events, "turn.done")
        check_equal(f"transport at {PATHS[dialect]}", [r["transport"] for r in demo.requests()], ["sse" if dialect == "openai_chat" else dialect])


def test_a_base_that_ends_in_api_is_ollamas():
    home = Home()
    demo = Demo(home)
    home.write_config({"connection.host": f"http://127.0.0.1:{demo.port}/api", "connection.dialect": "ollama"})
    daemon = Daemon(home)
    stop_event(daemon.run_turn(daemon.create()["id"], "demo:tokens=2"), "turn.done")


def test_a_dialect_nobody_knows_is_refused():
    home = Home()
    run = home.opta("config", "set", "connection.dialect", "gemini").expect(1)
    check("expected one of auto|openai_chat|lmx_ws|ollama|anthropic|responses" in run.errors, run.errors)


def test_the_key_goes_in_the_header_of_the_dialect():
    for dialect in ALL:
        home = Home()
        demo = Demo(home, "--api-key", "s3cret")
        home.write_config({"connection.port": demo.port, "connection.host": "127.0.0.1", "connection.dialect": dialect, "connection.apiKey": "s3cret"})
        daemon = Daemon(home)
        stop_event(daemon.run_turn(daemon.create()["id"], "demo:tokens=2"), "turn.done")


# Messages ---------------------------------------------------------------------------------------------------------------

class Refused(Exception):
    pass


def must(good, why):
    if not good:
        raise Refused(why)


def check_messages(body):
    """What Anthropic refuses."""
    must(isinstance(body.get("max_tokens"), int) and body["max_tokens"] > 0, "max_tokens: field required")
    messages = body["messages"]
    must(messages and messages[0]["role"] == "user", "messages: first message must use the user role")
    for before, after in zip(messages, messages[1:]):
        must(before["role"] != after["role"], "messages: roles must alternate")
    asked = []
    for message in messages:
        blocks = message["content"]
        must(blocks, "messages: content must not be empty")
        results = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
        if asked:
            must(sorted(results) == sorted(asked), f"tool_use ids {asked} were found without tool_result blocks immediately after: {results}")
        else:
            must(not results, "unexpected tool_use_id in tool_result")
        asked = [b["id"] for b in blocks if b["type"] == "tool_use"]
        must(len(set(asked)) == len(asked), "tool_use ids must be unique")
        for block in blocks:
            must(block["type"] != "text" or block["text"].strip(), "text content blocks must contain non-whitespace text")
            must(block["type"] != "tool_use" or isinstance(block["input"], dict), "tool_use.input: must be an object")
            must(block["type"] != "thinking" or block["signature"] == "sig-" + block["thinking"], "invalid signature in thinking block")
    for tool in body.get("tools", []):
        must(set(tool) <= {"name", "description", "input_schema", "cache_control"} and isinstance(tool["input_schema"], dict), f"tools: {tool}")
    marks = json.dumps(body).count('"cache_control"')
    must(marks <= 4, f"at most 4 blocks with cache_control: {marks}")


def block(index, start, *deltas):
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def message(*blocks, reason="end_turn", **usage):
    yield {"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "content": [], "usage": {"input_tokens": 10, "output_tokens": 1, **usage}}}
    yield {"type": "ping"}
    for i, (start, deltas) in enumerate(blocks):
        yield from block(i, start, *deltas)
    yield {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}


def thought(words):
    return {"type": "thinking", "thinking": ""}, [{"type": "thinking_delta", "thinking": words}, {"type": "signature_delta", "signature": "sig-" + words}]


def use(id, name, args):
    text = json.dumps(args)
    return {"type": "tool_use", "id": id, "name": name, "input": {}}, [{"type": "input_json_delta", "partial_json": text[i:i + 5]} for i in range(0, len(text), 5)]


def says(words):
    return {"type": "text", "text": ""}, [{"type": "text_delta", "text": words}]


def strictly(check_body, answers):
    """Answers a request with the next of answers, or refuses it; the refusal is kept."""
    refused = []

    def answer(body, n):
        try:
            check_body(body)
        except Refused as e:
            refused.append(str(e))
            return [{"type": "error", "error": {"type": "invalid_request_error", "message": str(e)}}]
        return list(answers(n))
    return answer, refused


def test_thoughts_go_back_with_their_signature_in_their_order():
    def answers(n):
        if n == 0:
            return message(thought("one"), says("I look."), ({"type": "redacted_thinking", "data": "blob"}, []), use("toolu_1", "read_file", {"path": "a.txt"}),
                           use("toolu_2", "list_dir", {"path": "."}), reason="tool_use")
        return message(says("done"))
    answer, refused = strictly(check_messages, answers)
    server, daemon, sid = with_server(answer, "anthropic")
    stop_event(daemon.run_turn(sid, "go"), "turn.done")
    for _ in range(2):   # as it is remembered, and as it is read from the disk
        check_equal("refused", refused, [])
        said = server.bodies[-1]["messages"][1]["content"]
        check_equal("blocks", [(b["type"], b.get("thinking", b.get("text", b.get("data", b.get("id"))))) for b in said],
                    [("thinking", "one"), ("text", "I look."), ("redacted_thinking", "blob"), ("tool_use", "toolu_1"), ("tool_use", "toolu_2")])
        results = server.bodies[-1]["messages"][2]["content"]
        check_equal("results", [b["tool_use_id"] for b in results if b["type"] == "tool_result"], ["toolu_1", "toolu_2"])
        daemon.kill()
        daemon = Daemon(daemon.home)
        stop_event(daemon.run_turn(sid, "again"), "turn.done")
    check_equal("key header", server.headers[0].get("anthropic-version"), "2023-06-01")


def test_another_dialect_is_not_given_what_messages_sealed():
    def answers(n):
        return message(thought("one"), use("toolu_1", "read_file", {"path": "a.txt"}), reason="tool_use") if n == 0 else message(says("done"))
    answer, refused = strictly(check_messages, answers)
    server, daemon, sid = with_server(answer, "anthropic")
    stop_event(daemon.run_turn(sid, "go"), "turn.done")
    daemon.home.opta("config", "set", "connection.dialect", "responses").expect(0)
    wait_for(lambda: "read again" in daemon.home.log(), 5, "the daemon to read its settings")
    daemon.submit(sid, "again")
    wait_for(lambda: server.paths[-1] == "/v1/responses", 10, "a request in the other dialect")
    kinds = [item.get("type") for item in server.bodies[-1]["input"]]
    check("reasoning" not in kinds and "sig-one" not in json.dumps(server.bodies[-1]), f"expected no sealed thought: {server.bodies[-1]['input']!r}")
    call = [item for item in server.bodies[-1]["input"] if item.get("type") == "function_call"][0]
    check_equal("an id of ours", (len(call["call_id"]), call["call_id"] != "toolu_1"), (9, True))


def test_every_situation_of_a_session_is_one_that_messages_takes():
    """A cancel between results, words after an error, empty answers, failed tools, a question that is odd."""
    def answers(n):
        turns = {0: message(use("toolu_1", "read_file", {"path": "none.txt"}), use("toolu_1", "read_file", {"path": "a.txt"}), reason="tool_use"),
                 1: message(), 2: [HANG], 4: [{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}]}
        return turns.get(n, message(says("fine")))
    answer, refused = strictly(check_messages, answers)
    server, daemon, sid = with_server(answer, "anthropic")
    daemon.run_turn(sid, "go")
    daemon.submit(sid, "hang")
    wait_for(lambda: len(server.bodies) == 3, 10, "the request that hangs")
    daemon.http("POST", f"/v3/sessions/{sid}/cancel", {})
    stop_event(daemon.run_turn(sid, "next"), "turn.done")
    for words in ("a failure", "\u00a0 next", "last"):
        daemon.run_turn(sid, words)
    check_equal("refused", refused, [])
    failed = [b for m in server.bodies[-1]["messages"] for b in m["content"] if b.get("is_error")]
    check_equal("a result that failed says so", len(failed), 1)
    server.closing.set()


def test_messages_that_a_client_brought_are_put_in_every_dialect():
    """In the words of the chat API, not all of them good: no question first, arguments that are none, a content in parts."""
    brought = [{"role": "assistant", "content": "I begin."},
               {"role": "user", "content": [{"type": "text", "text": "in parts"}]},
               {"role": "assistant", "content": None, "tool_calls": [
                   {"id": "c1", "type": "function", "function": {"name": "read_file", "arguments": "not JSON"}},
                   {"id": "c2", "type": "function", "function": {"name": "read_file", "arguments": "[1]"}}]},
               {"role": "tool", "tool_call_id": "c1", "content": "one"}, {"role": "tool", "tool_call_id": "c2", "content": "two"},
               {"role": "assistant", "content": "done"}, {"role": "system", "content": "be brief"}]
    ends = {"anthropic": (check_messages, message(says("hi"))), "responses": (check_responses, response(text_item("hi"))),
            "ollama": (check_ollama, lines({"message": {"content": "hi"}, "done": True, "done_reason": "stop"}))}
    for dialect, (check_body, words) in ends.items():
        said = list(words)
        answer, refused = strictly(check_body, lambda n, said=said: said)
        server, daemon, _ = with_server(answer, dialect)
        sid = daemon.create(messages=brought, metadata={"workspace": workspace(daemon.home)})["id"]
        stop_event(daemon.run_turn(sid, "go"), "turn.done")
        check_equal(f"refused in {dialect}", refused, [])
        for words in ("I begin.", "in parts", "one", "two", "be brief"):
            check(words in json.dumps(server.bodies[-1]), f"expected {words!r} in {dialect}: {server.bodies[-1]!r}")


def test_messages_counts_what_was_read_from_its_cache():
    server, daemon, sid = with_server(lambda body, n: list(message(says("hi"), cache_read_input_tokens=100, cache_creation_input_tokens=50)), "anthropic")
    done = stop_event(daemon.run_turn(sid, "go"), "turn.done")["payload"]
    check_equal("tokens", (done["stats"]["promptTokens"], done["stats"]["completionTokens"]), (160, 5))
    check("cache_control" in json.dumps(server.bodies[0]["system"]) and "cache_control" in json.dumps(server.bodies[0]["messages"][-1]),
          f"expected marks for the cache: {server.bodies[0]!r}")


def test_a_server_that_knows_no_cache_marks_is_asked_without():
    def check_body(body):
        must("cache_control" not in json.dumps(body), "system.0.cache_control: Extra inputs are not permitted")
    answer, refused = strictly(check_body, lambda n: message(says("hi")))
    server, daemon, sid = with_server(answer, "anthropic")
    stop_event(daemon.run_turn(sid, "go"), "turn.done")
    check_equal("asked", (len(server.bodies), len(refused)), (2, 1))


def test_why_messages_ended_is_told_in_our_words():
    for reason, told in (("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("refusal", "refusal"),
                         ("model_context_window_exceeded", "length")):
        _, daemon, sid = with_server(lambda body, n: list(message(says("hi"), reason=reason)), "anthropic")
        check_equal(reason, stop_event(daemon.run_turn(sid, "go"), "turn.done")["payload"]["finishReason"], told)


def test_one_whole_message_instead_of_a_stream_is_understood():
    whole = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn",
             "usage": {"input_tokens": 3, "output_tokens": 2}}
    _, daemon, sid = with_server(lambda body, n: [json.dumps(whole).encode() + b"\n\n"], "anthropic")
    events = daemon.run_turn(sid, "go")
    stop_event(events, "turn.done")
    check_equal("text", "".join(texts(events)), "hello")


def test_a_message_of_very_many_thoughts_ends_nothing():
    for block in ({"type": "thinking", "thinking": "x", "signature": "s"}, {"type": "redacted_thinking", "data": "d"},
                  {"type": "tool_use", "id": "t", "name": "read_file", "input": {"path": "a.txt"}}):
        whole = {"type": "message", "role": "assistant", "content": [block] * 500, "stop_reason": "end_turn"}
        _, daemon, sid = with_server(lambda body, n: [json.dumps(whole).encode() + b"\n\n"], "anthropic")
        daemon.run_turn(sid, "go")
        check_equal("the daemon", daemon.http("GET", "/v3/health").status, 200)


# Responses --------------------------------------------------------------------------------------------------------------

def check_responses(body):
    """What OpenAI refuses."""
    must(body.get("store") is False and body.get("stream") is True, "store and stream")
    called, items = [], body["input"]
    for i, item in enumerate(items):
        kind = item.get("type", "message")
        must("id" not in item, f"Item with id {item.get('id')} not found. Items are not persisted when `store` is set to false.")
        if kind == "reasoning":
            must(isinstance(item.get("summary"), list) and item.get("encrypted_content"), "reasoning without encrypted_content")
            follows = items[i + 1] if i + 1 < len(items) else {}
            must(follows.get("type") in ("function_call", "reasoning") or follows.get("role") == "assistant",
                 "Item of type 'reasoning' was provided without its required following item.")
        elif kind == "function_call":
            must(isinstance(item["arguments"], str), "arguments must be a string")
            called.append(item["call_id"])
        elif kind == "function_call_output":
            must(item["call_id"] in called, f"No tool call found for function call output with call_id {item['call_id']}")
            called.remove(item["call_id"])
        else:
            must(not called, f"No tool output found for function call {called}")
            must(item["role"] in ("user", "assistant", "system", "developer") and item["content"], f"message {item}")
    must(not called, f"No tool output found for function call {called}")
    for tool in body.get("tools", []):
        must(tool["type"] == "function" and "function" not in tool and isinstance(tool["parameters"], dict), f"tools: {tool}")


def response(*items, status="completed", **more):
    yield {"type": "response.created", "response": {"status": "in_progress", "error": None}}
    for i, (item, deltas) in enumerate(items):
        yield {"type": "response.output_item.added", "output_index": i, "item": {**item, "arguments": ""} if "arguments" in item else item}
        for kind, text in deltas:
            yield {"type": f"response.{kind}.delta", "output_index": i, "delta": text}
        yield {"type": "response.output_item.done", "output_index": i, "item": item}
    kind = "completed" if status == "completed" else status
    yield {"type": f"response.{kind}", "response": {"status": status, "output": [item for item, _ in items], "usage": {"input_tokens": 7, "output_tokens": 3},
                                                    "error": None, **more}}


def call_item(call_id, name, arguments, deltas=True):
    pieces = [("function_call_arguments", arguments[i:i + 6]) for i in range(0, len(arguments), 6)] if deltas else []
    return {"type": "function_call", "id": "fc_1", "call_id": call_id, "name": name, "arguments": arguments}, pieces


def text_item(words):
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": words}]}, [("output_text", words)]


def reasoning_item(sealed, summary=None):
    return ({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": summary}] if summary else [], "encrypted_content": sealed},
            [("reasoning_summary_text", summary)] if summary else [])


def test_sealed_reasoning_goes_back_before_what_followed_it():
    def answers(n):
        if n == 0:
            return response(reasoning_item("sealed-1", "thinking of it"), call_item("call_a", "read_file", '{"path":"a.txt"}'),
                            reasoning_item("sealed-2"), call_item("call_b", "list_dir", '{"path":"."}', deltas=False))
        return response(reasoning_item("sealed-3"), text_item("done"))
    answer, refused = strictly(check_responses, answers)
    server, daemon, sid = with_server(answer, "responses")
    events = daemon.run_turn(sid, "go")
    stop_event(events, "turn.done")
    check_equal("thinking", "".join(texts(events, "turn.thinking")), "thinking of it")
    check_equal("calls", [json.loads(e["payload"]["args"]) for e in only(events, "tool.start")], [{"path": "a.txt"}, {"path": "."}])
    kinds = [(i.get("type"), i.get("encrypted_content", i.get("call_id"))) for i in server.bodies[-1]["input"][1:]]
    check_equal("items", kinds, [("reasoning", "sealed-1"), ("function_call", "call_a"), ("reasoning", "sealed-2"), ("function_call", "call_b"),
                                 ("function_call_output", "call_a"), ("function_call_output", "call_b")])
    daemon.kill()
    daemon = Daemon(daemon.home)
    stop_event(daemon.run_turn(sid, "again"), "turn.done")
    check_equal("refused", refused, [])


def test_reasoning_of_an_answer_that_was_cut_does_not_go_back():
    for summary in (None, "thinking of it"):
        def answers(n, summary=summary):
            if n == 0:
                return [*list(response(reasoning_item("lost", summary)))[:-1], CUT]
            if n == 1:
                return response(reasoning_item("kept", summary), call_item("call_a", "read_file", '{"path":"a.txt"}'))
            return response(text_item("done"))
        answer, refused = strictly(check_responses, answers)
        server, daemon, sid = with_server(answer, "responses")
        stop_event(daemon.run_turn(sid, "go"), "turn.done")
        check_equal("refused", refused, [])
        check_equal("sealed", [i["encrypted_content"] for i in server.bodies[-1]["input"] if i.get("type") == "reasoning"], ["kept"])


def test_every_situation_of_a_session_is_one_that_responses_takes():
    def answers(n):
        turns = {0: response(reasoning_item("s"), call_item("call_a", "read_file", "{"), call_item("call_a", "read_file", '{"path":"a.txt"}')),
                 1: response(reasoning_item("alone")), 2: [HANG], 4: [{"type": "error", "code": "server_error", "message": "sorry"}],
                 5: response(status="failed", error={"code": "server_error", "message": "it failed"})}
        return turns.get(n, response(text_item("fine")))
    answer, refused = strictly(check_responses, answers)
    server, daemon, sid = with_server(answer, "responses")
    daemon.run_turn(sid, "go")
    daemon.submit(sid, "hang")
    wait_for(lambda: len(server.bodies) == 3, 10, "the request that hangs")
    daemon.http("POST", f"/v3/sessions/{sid}/cancel", {})
    stop_event(daemon.run_turn(sid, "next"), "turn.done")
    check_equal("error", stop_event(daemon.run_turn(sid, "fail"), "turn.error")["payload"]["message"], "sorry")
    check_equal("error", stop_event(daemon.run_turn(sid, "fail"), "turn.error")["payload"]["message"], "it failed")
    stop_event(daemon.run_turn(sid, "last"), "turn.done")
    check_equal("refused", refused, [])
    server.closing.set()


def test_why_responses_ended_is_told_in_our_words():
    for reason, told in (("max_output_tokens", "length"), ("content_filter", "content_filter")):
        _, daemon, sid = with_server(lambda body, n: list(response(text_item("hi"), status="incomplete", incomplete_details={"reason": reason})), "responses")
        check_equal(reason, stop_event(daemon.run_turn(sid, "go"), "turn.done")["payload"]["finishReason"], told)


def test_a_model_that_seals_no_reasoning_is_asked_without():
    def check_body(body):
        must("include" not in body, "Encrypted content is not supported with this model.")
    answer, refused = strictly(check_body, lambda n: response(text_item("hi")))
    server, daemon, sid = with_server(answer, "responses")
    stop_event(daemon.run_turn(sid, "go"), "turn.done")
    stop_event(daemon.run_turn(sid, "and again"), "turn.done")
    check_equal("asked", (len(server.bodies), len(refused)), (3, 1))


# Ollama -----------------------------------------------------------------------------------------------------------------

def check_ollama(body):
    """What Ollama refuses."""
    for one in body["messages"]:
        must(one["role"] in ("system", "user", "assistant", "tool") and isinstance(one["content"], str), f"message {one}")
        for call in one.get("tool_calls", []):
            must(isinstance(call["function"]["arguments"], dict), "json: cannot unmarshal string into Go struct field .arguments of type map")


def lines(*objects):
    return [json.dumps(o).encode() + b"\n" for o in objects]


def test_ollama_is_told_how_large_and_how_long():
    answer = lambda body, n: lines({"message": {"role": "assistant", "content": "hi"}, "done": False},
                                   {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 1})
    for keep, sent in (("30m", "30m"), ("-1", -1), ("3600", 3600)):
        server, daemon, sid = with_server(answer, "ollama", {"model.contextTokens": 16384, "model.keepAlive": keep, "model.maxTokens": 100},
                                          {"/api/tags": {"models": [{"name": "m"}]}})
        done = stop_event(daemon.run_turn(sid, "go"), "turn.done")["payload"]
        check_equal("options", server.bodies[0]["options"], {"num_ctx": 16384, "num_predict": 100})
        check_equal("keep_alive", server.bodies[0]["keep_alive"], sent)
        check_equal("counts", (done["stats"]["promptTokens"], done["stats"]["completionTokens"]), (9, 1))
    server, daemon, sid = with_server(answer, "ollama", None, {"/api/tags": {"models": [{"name": "m"}]}})
    stop_event(daemon.run_turn(sid, "go"), "turn.done")
    check("options" not in server.bodies[0] and "keep_alive" not in server.bodies[0], f"expected nothing that nobody asked for: {server.bodies[0]!r}")
    check_equal("the model of its own list", server.bodies[0]["model"], "m")


def test_calls_go_back_to_ollama_as_objects():
    def answers(n):
        if n == 0:
            return lines({"message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": False},
                         {"message": {"role": "assistant", "content": "", "tool_calls": [
                             {"function": {"name": "read_file", "arguments": {"path": "a.txt"}}}, {"function": {"name": "read_file", "arguments": {"path": "b.txt"}}}]},
                             "done": False}, {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"})
        return lines({"message": {"role": "assistant", "content": "done"}, "done": True, "done_reason": "stop"})
    answer, refused = strictly(check_ollama, answers)
    server, daemon, sid = with_server(answer, "ollama", None, {"/api/tags": {"models": [{"name": "m"}]}})
    events = daemon.run_turn(sid, "go")
    stop_event(events, "turn.done")
    check_equal("refused", refused, [])
    check_equal("calls", [json.loads(e["payload"]["args"]) for e in only(events, "tool.start")], [{"path": "a.txt"}, {"path": "b.txt"}])
    said = server.bodies[1]["messages"]
    check_equal("thinking", said[2].get("thinking"), "hm")
    check_equal("results", [m.get("tool_name") for m in said if m["role"] == "tool"], ["read_file", "read_file"])


def test_ollamas_errors_are_told():
    _, daemon, sid = with_server(lambda body, n: lines({"error": "model requires more system memory"}), "ollama")
    check_equal("error", stop_event(daemon.run_turn(sid, "go"), "turn.error")["payload"]["message"], "model requires more system memory")
    _, daemon, sid = with_server(lambda body, n: [b"<html><title>Not Ollama</title></html>"], "ollama")
    check("Not Ollama" in stop_event(daemon.run_turn(sid, "go"), "turn.error")["payload"]["message"], "the page's title")
