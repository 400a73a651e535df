"""Every row of the model server's failure table, over both transports, and the fallback between them."""
import os
import signal
import socket
import time

from machine import LMX_NAME, Machine
from opta_test import (Daemon, Demo, Home, SLOW, Wire, check, check_equal, check_in, only, read_response, request_bytes, send, stack, stop_event,
                       texts, wait_for)

WS, SSE = (), ("--no-ws",)
BOTH = (WS, SSE)
CODES = ("LMX_UNREACHABLE", "lmx-timeout", "lmx-ws-closed", "no-model-loaded", "model-error", "storage-full", "tool-limit", "context-overflow",
         "interrupted")


def one_turn(prompt, flags=WS, config=None, seconds=20.0):
    """One turn in a new stack; returns (demo, daemon, session id, events of the turn)."""
    _, demo, daemon = stack(config, demo=flags)
    sid = daemon.create()["id"]
    return demo, daemon, sid, daemon.run_turn(sid, prompt, seconds)


def phases(events):
    return [e["payload"]["phase"] for e in only(events, "turn.progress")]


def closed_port():
    """A port that nobody listens on, held so that nobody else can take it."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder, holder.getsockname()[1]


# what goes well ---------------------------------------------------------------------------------------------------

def test_each_delta_is_one_token_over_both_transports():
    for flags, transport in ((WS, "ws"), (SSE, "sse")):
        demo, _, _, events = one_turn("demo:tokens=50", flags)
        stop_event(events, "turn.done")
        check_equal(f"tokens over {transport}", texts(events), [f"w{i} " for i in range(50)])
        check_equal("transport of the request", [r["transport"] for r in demo.requests()], [transport])


def test_text_is_passed_through_byte_for_byte():
    text = "  two blanks\ttab\r\nCRLF \u2028 line separator \u0001\u001b[31m \"quotes\" back\\slash </script> é e\u0301 ☃ 𝄞 👩‍👩‍👧 \u00a0 \ufeff end  \n\n "
    for flags in BOTH:
        for words in ("demo:echo ", "demo:echo demo:size=1 ", "demo:echo demo:size=7 ", "demo:echo demo:split ", "demo:echo demo:size=3 demo:split "):
            _, daemon, sid, events = one_turn(words + text, flags)
            stop_event(events, "turn.done")
            check_equal(f"text for {words!r} {flags}", "".join(texts(events)), text)
            check_equal(f"text kept in the history for {words!r} {flags}", daemon.session(sid)["messages"][-1]["content"], text)


def test_thinking_goes_out_once_as_thinking_and_never_as_tokens():
    for flags in BOTH:
        for word in ("demo:think=3", "demo:thinktag=3", "demo:thinktag=3 demo:split"):
            _, _, _, events = one_turn(f"demo:tokens=2 {word}", flags)
            stop_event(events, "turn.done")
            check_equal(f"thinking for {word} {flags}", "".join(texts(events, "turn.thinking")), "k0 k1 k2 ")
            check_equal(f"tokens for {word} {flags}", "".join(texts(events)), "w0 w1 ")


def test_a_tag_that_only_looks_like_thinking_is_text():
    for flags in BOTH:
        text = "a < b, <thin air>, <thinker>, <t, </thinkx and a last <thi"
        _, _, _, events = one_turn("demo:echo demo:size=2 " + text, flags)
        check_equal(f"text {flags}", "".join(texts(events)), text)
        check_equal(f"thinking {flags}", texts(events, "turn.thinking"), [])


def test_the_finish_reason_and_the_usage_of_the_server_are_reported():
    for flags in BOTH:
        _, _, _, events = one_turn("demo:tokens=7 demo:finish=length", flags)
        done = stop_event(events, "turn.done")["payload"]
        check_equal(f"finishReason {flags}", done["finishReason"], "length")
        stats = done["stats"]
        check(stats["promptTokens"] > 0 and stats["completionTokens"] > 0, f"expected the server's usage in {stats!r}")
        check_equal(f"toolCalls {flags}", stats["toolCalls"], 0)
        check(stats["elapsed"] >= 0 and stats["firstTokenLatencyMs"] >= 0, f"expected times of 0 or more in {stats!r}")


def test_without_usage_the_tokens_are_counted():
    for flags in BOTH:
        _, _, _, events = one_turn("demo:tokens=7 demo:nousage", flags)
        check_equal(f"completionTokens {flags}", stop_event(events, "turn.done")["payload"]["stats"]["completionTokens"], 7)


def test_other_spellings_of_the_stream_are_understood():
    for flags, prompt in ((WS, "demo:tokens=4 demo:token-style"), (SSE, "demo:tokens=4 demo:crlf"), (SSE, "demo:tokens=4 demo:crlf demo:split")):
        _, _, _, events = one_turn(prompt, flags)
        stop_event(events, "turn.done")
        check_equal(f"tokens for {prompt}", texts(events), ["w0 ", "w1 ", "w2 ", "w3 "])


def test_other_builds_of_readyz_are_understood():
    for flags in (("--no-readyz",), ("--old-readyz",), ("--no-readyz", "--no-ws"), ("--old-readyz", "--no-ws")):
        demo, _, _, events = one_turn("demo:tokens=2", flags)
        stop_event(events, "turn.done")
        check_equal(f"model in the request {flags}", demo.requests()[-1]["model"], "demo-1")


def test_the_api_key_is_sent():
    for flags in BOTH:
        _, _, _, events = one_turn("demo:tokens=2", ("--api-key", "s3cret-key", *flags), {"connection.apiKey": "s3cret-key"})
        stop_event(events, "turn.done")


def test_the_api_key_goes_to_the_server_it_was_set_for_and_to_no_other():
    for flags in BOTH:
        home = Home()
        first, second = Demo(home, "--api-key", "s3cret-key", *flags), Demo(home, "--api-key", "s3cret-key", *flags)
        home.opta("config", "set", "connection.host", f"127.0.0.1:{first.port}").expect(0)
        home.opta("config", "set", "connection.apiKey", "s3cret-key").expect(0)
        daemon = Daemon(home)

        def stop(content="hello"):
            return daemon.run_turn(daemon.create()["id"], content)[-1]
        check_equal(f"at the first {flags}", stop()["event"], "turn.done")
        said = home.opta("config", "set", "connection.host", f"127.0.0.1:{second.port}").expect(0).errors
        check_in("what is said", f"was set for 127.0.0.1:{first.port}", said)
        wait_for(lambda: stop()["event"] == "turn.error", 10, "the daemon to take the setting")
        check_in("why it is refused", "set for another server", stop()["payload"]["message"])
        check_equal("requests with a key at the second", second.requests(), [])
        home.opta("config", "set", "connection.apiKey", "s3cret-key").expect(0)
        wait_for(lambda: stop()["event"] == "turn.done", 10, "the key to be set for the second")
        home.opta("config", "set", "connection.host", f"127.0.0.1:{first.port}").expect(0)
        wait_for(lambda: stop()["event"] == "turn.error", 10, "the key to stay away from the first")


def test_the_api_key_goes_to_a_fallback_host_only_when_a_setting_says_so():
    for flags in BOTH:
        home = Home()
        demo = Demo(home, "--api-key", "s3cret-key", *flags)
        home.write_config({"connection.host": "127.0.0.1:1", "connection.fallbackHosts": [f"127.0.0.1:{demo.port}"], "connection.apiKey": "s3cret-key"})
        daemon = Daemon(home)
        sid = daemon.create()["id"]
        stop = daemon.run_turn(sid, "hello")[-1]
        check_equal("without the setting", stop["event"], "turn.error")
        check_in("why", "connection.apiKeyToFallbacks", stop["payload"]["message"])
        home.opta("config", "set", "connection.apiKeyToFallbacks", "true").expect(0)
        wait_for(lambda: daemon.run_turn(sid, "hello")[-1]["event"] == "turn.done", 10, "the setting to be taken")


def test_a_key_that_was_set_before_any_server_is_for_the_first_that_is_named():
    home = Home()
    os.unlink(home.config_path)
    demo = Demo(home, "--api-key", "s3cret-key")
    home.opta("config", "set", "connection.apiKey", "s3cret-key").expect(0)
    check_equal("what is said", home.opta("config", "set", "connection.host", f"127.0.0.1:{demo.port}").expect(0).errors, "")
    daemon = Daemon(home)
    check_equal("a turn", daemon.run_turn(daemon.create()["id"], "hello")[-1]["event"], "turn.done")
    check_in("another", "was set for", home.opta("config", "set", "connection.host", "127.0.0.1:1").expect(0).errors)
    check_equal("the way back is quiet", home.opta("config", "set", "connection.host", f"127.0.0.1:{demo.port}").expect(0).errors, "")
    home.opta("config", "unset", "connection.apiKey").expect(0)
    check_equal("nothing is left of it", home.opta("config", "get", "connection.apiKeyHost").expect(0).text.strip(), "")


def test_the_api_key_goes_unencrypted_to_another_machine_only_when_a_setting_says_so():
    machine = Machine(("--api-key", "s3cret-key"))
    home = machine.home
    home.write_config({"connection.host": LMX_NAME, "connection.port": 1234, "connection.apiKey": "s3cret-key"})
    daemon = Daemon(home)
    sid = daemon.create()["id"]
    stop = daemon.run_turn(sid, "hello")[-1]
    check_equal("without the setting", stop["event"], "turn.error")
    check_in("why", "connection.apiKeyOverHttp", stop["payload"]["message"])
    check_in("doctor says it too", "connection.apiKeyOverHttp", home.opta("doctor").text)
    home.opta("config", "set", "connection.apiKeyOverHttp", "true").expect(0)
    wait_for(lambda: daemon.run_turn(sid, "hello")[-1]["event"] == "turn.done", 10, "the setting to be taken")


def test_a_clean_close_after_content_ends_the_turn_well():
    _, _, _, events = one_turn("demo:tokens=9 demo:close=3")
    stop_event(events, "turn.done")
    check_equal("tokens", texts(events), ["w0 ", "w1 ", "w2 "])


def test_a_line_below_the_limit_passes_whole():
    for flags in BOTH:
        _, _, _, events = one_turn("demo:tokens=1 demo:huge=500000", flags)
        stop_event(events, "turn.done")
        check(max(len(t) for t in texts(events)) > 490000, f"expected one token of about 500000 characters, the longest has {max(len(t) for t in texts(events))}")


# the fallback -----------------------------------------------------------------------------------------------------

def test_the_fallback_to_sse_is_announced_once_and_remembered():
    _, demo, daemon = stack(demo=SSE)
    sid = daemon.create()["id"]
    for _ in range(3):
        stop_event(daemon.run_turn(sid, "demo:tokens=2"), "turn.done")
    check_equal("transports", [r["transport"] for r in demo.requests()], ["sse"] * 3)
    check_equal("notices of the fallback in three turns", phases(daemon.events(sid)).count("lmx.fallback_sse"), 1)


def test_a_websocket_that_fails_before_the_first_token_falls_back_in_the_same_turn():
    for word in ("demo:drop=0", "demo:status=500"):
        demo, daemon, sid, events = one_turn(f"demo:tokens=3 {word} demo:times=1 demo:key=a")
        stop_event(events, "turn.done")
        check_equal(f"tokens after {word}", texts(events), ["w0 ", "w1 ", "w2 "])
        check(phases(events), f"expected a turn.progress that announces the second try after {word}")
        check(2 <= len(demo.requests()) <= 4, f"expected a second request after {word}, got {len(demo.requests())}")


# the failures -----------------------------------------------------------------------------------------------------

def test_a_refused_connection_is_lmx_unreachable_within_3_seconds():
    holder, port = closed_port()
    with holder:
        _, _, daemon = stack({"connection.port": port}, demo=None)
        sid = daemon.create()["id"]
        begun = time.monotonic()
        events = daemon.run_turn(sid, "hello")
        took = time.monotonic() - begun
        stop_event(events, "turn.error", "LMX_UNREACHABLE")
        check(took < 3.0 * SLOW + 0.5, f"expected the turn to end within 3 s, it took {took:.1f} s")
        wait_for(lambda: f"ERROR lmx preflight failed: ECONNREFUSED 127.0.0.1:{port}" in daemon.home.log(), 3, "the documented line in the log")


def test_a_name_that_does_not_resolve_is_lmx_unreachable():
    _, _, daemon = stack({"connection.host": "no-such-host.invalid"}, demo=None)
    sid = daemon.create()["id"]
    stop_event(daemon.run_turn(sid, "hello", 10), "turn.error", "LMX_UNREACHABLE")


def test_a_turn_after_a_failure_sees_that_the_server_is_back():
    home = Home()
    first = Demo(home)
    port = first.port
    home.write_config({"connection.port": port})
    daemon = Daemon(home)
    sid = daemon.create()["id"]
    stop_event(daemon.run_turn(sid, "demo:tokens=1"), "turn.done")
    first.process.terminate()
    first.process.wait(5 * SLOW)
    stop_event(daemon.run_turn(sid, "demo:tokens=1", 20), "turn.error", ("LMX_UNREACHABLE", "lmx-ws-closed"))
    Demo(home, "--port", str(port))
    stop_event(daemon.run_turn(sid, "demo:tokens=1", 20), "turn.done")


def test_fallback_hosts_are_tried_in_order():
    home = Home()
    demo = Demo(home)                                   # listens on 127.0.0.1 only
    home.write_config({"connection.host": "127.0.0.2", "connection.port": demo.port, "connection.fallbackHosts": ["127.0.0.3", "127.0.0.1"]})
    daemon = Daemon(home)
    sid = daemon.create()["id"]
    stop_event(daemon.run_turn(sid, "demo:tokens=1"), "turn.done")


def test_a_server_without_a_model_is_no_model_loaded():
    for flags in BOTH:
        demo, _, _, events = one_turn("hello", ("--no-model", *flags))
        stop_event(events, "turn.error", "no-model-loaded")
        check_equal("requests at the model server", demo.requests(), [])


def test_a_server_that_accepts_and_says_nothing_is_lmx_timeout():
    _, _, _, events = one_turn("hello", ("--hang",), {"model.firstTokenTimeoutMs": 1000, "model.idleTimeoutMs": 1000}, 30)
    stop_event(events, "turn.error", "lmx-timeout")


def test_silence_before_the_first_token_is_lmx_timeout():
    for flags in BOTH:
        begun = time.monotonic()
        _, _, _, events = one_turn("demo:tokens=3 demo:first=60000", flags, {"model.firstTokenTimeoutMs": 500})
        stop_event(events, "turn.error", "lmx-timeout")
        check_equal(f"tokens {flags}", texts(events), [])
        check(time.monotonic() - begun < 10 * SLOW, f"expected lmx-timeout soon after 500 ms, it took {time.monotonic() - begun:.1f} s")


def test_silence_after_some_tokens_is_lmx_timeout_and_the_text_is_kept():
    for flags in BOTH:
        demo, daemon, sid, events = one_turn("demo:tokens=9 demo:hang=2", flags, {"model.idleTimeoutMs": 500})
        stop_event(events, "turn.error", "lmx-timeout")
        check_equal(f"tokens {flags}", texts(events), ["w0 ", "w1 "])
        check_equal(f"requests {flags}", len(demo.requests()), 1)
        check_equal(f"the last message {flags}", daemon.session(sid)["messages"][-1]["content"], "w0 w1 ")


def test_a_slow_model_is_not_a_silent_one():
    for flags in BOTH:
        _, _, _, events = one_turn("demo:tokens=8 demo:delay=200", flags, {"model.idleTimeoutMs": 1000, "model.firstTokenTimeoutMs": 1000})
        stop_event(events, "turn.done")
        check_equal(f"tokens {flags}", len(texts(events)), 8)


def test_an_answer_that_is_cut_goes_on_once():
    for flags, codes in ((WS, "lmx-ws-closed"), (SSE, ("LMX_UNREACHABLE", "lmx-ws-closed"))):
        demo, daemon, sid, events = one_turn("demo:tokens=9 demo:drop=5", flags)
        stop_event(events, "turn.done")
        check_equal(f"tokens {flags}", "".join(texts(events)), "".join(f"w{i} " for i in range(9)))
        check_equal(f"requests {flags}", len(demo.requests()), 2)
        check_equal(f"announced {flags}", [e["payload"]["phase"] for e in only(events, "turn.progress") if e["payload"]["phase"] == "lmx.continued"], ["lmx.continued"])
        check_equal(f"the history {flags}", [(m["role"], m["content"]) for m in daemon.session(sid)["messages"]][1:],
                    [("assistant", "".join(f"w{i} " for i in range(9)))])
        check_equal(f"tokens counted {flags}", events[-1]["payload"]["stats"]["completionTokens"], 9)
        # A second cut ends it, with what was said.
        events = daemon.run_turn(sid, "demo:tokens=9 demo:drop=3")
        stop_event(events, "turn.error", codes)
        check_equal(f"tokens of the second {flags}", "".join(texts(events)), "".join(f"w{i} " for i in range(6)))
        check_equal(f"requests of both {flags}", len(demo.requests()), 4)
        check_equal(f"the last message {flags}", daemon.session(sid)["messages"][-1]["content"], "".join(f"w{i} " for i in range(6)))
        stop_event(daemon.run_turn(sid, "demo:tokens=1"), "turn.done")


def test_a_5xx_and_a_drop_before_the_first_token_are_tried_again():
    for word in ("demo:status=500", "demo:status=503", "demo:drop=0"):
        demo, _, _, events = one_turn(f"demo:tokens=2 {word} demo:times=2 demo:key=r", SSE)
        stop_event(events, "turn.done")
        check_equal(f"tokens after two failures of {word}", texts(events), ["w0 ", "w1 "])
        check_equal(f"announced tries after {word}", phases(events).count("lmx.retry"), 2)
        check_equal(f"requests for {word}", len(demo.requests()), 3)


def test_a_5xx_that_stays_ends_the_turn_after_a_few_tries():
    for flags, most in ((SSE, 4), (WS, 8)):
        demo, _, _, events = one_turn("demo:status=500", flags, seconds=30)
        stop_event(events, "turn.error", CODES)
        check(2 <= len(demo.requests()) <= most, f"expected 2 to {most} requests, got {len(demo.requests())} {flags}")
        check(phases(events), f"expected the tries to be announced by turn.progress {flags}")


def test_a_4xx_is_a_model_error_with_the_servers_sentence_at_once():
    for flags in BOTH:
        for status in (400, 404, 422, 429):
            demo, _, _, events = one_turn(f"demo:status={status}", flags)
            stop = stop_event(events, "turn.error", "model-error")
            check_in(f"message {flags}", f"demo status {status}", stop["payload"]["message"])
            check_equal(f"requests for {status} {flags}", len(demo.requests()), 1)


def test_a_missing_api_key_is_an_error_and_not_a_crash():
    for flags in BOTH:
        _, daemon, _, events = one_turn("hello", ("--api-key", "k", *flags))
        stop_event(events, "turn.error", ("model-error", "LMX_UNREACHABLE", "no-model-loaded"))
        check_equal("health afterwards", daemon.http("GET", "/v3/health").status, 200)


def test_an_error_in_the_stream_is_a_model_error():
    for flags in BOTH:
        for count in (0, 2):
            _, daemon, sid, events = one_turn(f"demo:tokens=9 demo:error={count}", flags)
            stop = stop_event(events, "turn.error", "model-error")
            check_in(f"message {flags}", "demo error", stop["payload"]["message"])
            check_equal(f"tokens before the error {flags}", texts(events), [f"w{i} " for i in range(count)])


def test_hostile_streams_end_in_one_stop_event_and_harm_nobody():
    for flags in BOTH:
        _, _, daemon = stack(demo=flags)
        for prompt in ("demo:tokens=9 demo:garbage=0", "demo:tokens=9 demo:garbage=3", "demo:tokens=3 demo:badutf8", "demo:tokens=9 demo:close=0",
                       "demo:tokens=9 demo:close=3", "demo:tokens=0"):
            sid = daemon.create()["id"]
            events = daemon.run_turn(sid, prompt, 30)
            stops = [e for e in events if e["event"] in ("turn.done", "turn.error")]
            check_equal(f"stop events for {prompt} {flags}", len(stops), 1)
            code = stops[0]["payload"].get("code")
            check(code is None or code in CODES, f"{prompt} {flags}: undocumented code {code!r}")
            for raw in daemon.raw_events(sid):
                raw.decode("utf-8")                     # the log is UTF-8 whatever the model sends
        sid = daemon.create()["id"]
        stop_event(daemon.run_turn(sid, "demo:tokens=1"), "turn.done")


def test_a_line_over_1_mib_ends_the_turn_as_an_error():
    for flags, codes in ((SSE, "model-error"), (WS, "model-error")):
        _, daemon, _, events = one_turn("demo:tokens=2 demo:huge=3000000", flags)
        stop_event(events, "turn.error", codes)
        check_equal(f"tokens before the line {flags}", texts(events)[:2], ["w0 ", "w1 "])
        check_equal("health afterwards", daemon.http("GET", "/v3/health").status, 200)


def test_a_cancel_reaches_the_model_server_within_100_ms():
    for flags in BOTH:
        _, demo, daemon = stack(demo=flags)
        best = None
        for count in range(3):
            sid = daemon.create()["id"]
            turn = daemon.submit(sid, "demo:tokens=5 demo:hang=2")
            daemon.wait_event(sid, "turn.token")
            begun = time.monotonic()
            daemon.http("POST", f"/v3/sessions/{sid}/cancel", {}).expect(200)
            wait_for(lambda: len(demo.cancelled()) == count + 1, 5, "the model server to see the cancel")
            took = time.monotonic() - begun
            best = took if best is None else min(best, took)
            stop_event(daemon.turn_events(sid, turn), "session.cancelled")
        check(best < 0.1 * SLOW + 0.02, f"expected the model server to see a cancel within 100 ms, the best of three took {best * 1000:.0f} ms {flags}")


def test_a_cancel_before_the_first_token_ends_the_turn():
    for flags in BOTH:
        _, demo, daemon = stack(demo=flags)
        sid = daemon.create()["id"]
        turn = daemon.submit(sid, "demo:tokens=5 demo:first=60000")
        wait_for(lambda: len(demo.requests()) == 1, 5, "the request at the model server")
        daemon.http("POST", f"/v3/sessions/{sid}/cancel", {}).expect(200)
        stop_event(daemon.turn_events(sid, turn), "session.cancelled")


def test_a_history_that_does_not_fit_is_trimmed_from_the_oldest_whole_turn():
    _, demo, daemon = stack(demo=("--context", "2048"))
    old = [{"role": role, "content": f"{role} {i} " + "lorem ipsum " * 40} for i in range(30) for role in ("user", "assistant")]
    sid = daemon.create(messages=old)["id"]
    events = daemon.run_turn(sid, "the newest demo:tokens=1")
    stop_event(events, "turn.done")
    check("context.trimmed" in phases(events), f"expected turn.progress context.trimmed, got {phases(events)}")
    sent = [m for m in demo.requests()[-1]["messages"] if m["role"] != "system"]
    check(1 <= len(sent) < len(old), f"expected fewer than {len(old)} messages, got {len(sent)}")
    check_equal("the last message", sent[-1]["content"], "the newest demo:tokens=1")
    check_equal("role of the oldest message left", sent[0]["role"], "user")
    check_equal("the messages left are the newest", [m["content"] for m in sent[:-1]], [m["content"] for m in old][len(old) - len(sent) + 1:])


def test_the_demo_says_that_it_is_a_demo():
    demo, _, _, events = one_turn("just a question")
    check_in("the answer", "demo", "".join(texts(events)).lower())
    check(os.path.exists(demo.path), "expected the demo server to write its log")


def test_the_models_of_the_server_are_listed():
    home, demo, daemon = stack({"model.default": "demo-1"}, demo=("--context", "4096"))
    answer = daemon.http("GET", "/v3/models").expect(200).json()
    check_equal("the answer", answer, {"host": f"127.0.0.1:{demo.port}", "default": "demo-1",
                                       "models": [{"id": "demo-1", "loaded": True, "contextTokens": 4096}]})


def test_a_server_without_a_model_has_an_empty_list_and_none_at_all_is_502():
    home, demo, daemon = stack(demo=("--no-model",))
    check_equal("models", daemon.http("GET", "/v3/models").expect(200).json()["models"], [])
    nobody = Daemon(Home())
    answer = nobody.http("GET", "/v3/models").expect(502, "LMX_UNREACHABLE").json()
    check_in("the reason", "127.0.0.1:1", answer["error"])


def test_who_waits_for_the_list_is_answered_when_the_daemon_stops():
    home, demo, daemon = stack(demo=("--hang",))
    wire = Wire(daemon.port)
    wire.send(request_bytes("GET", "/v3/models", token=daemon.token, host=f"127.0.0.1:{daemon.port}"))
    wait_for(lambda: daemon.http("GET", "/v3/metrics").json()["runtime"]["ingressSeq"] >= 2, 5, "the question to arrive")
    send(daemon.pid, signal.SIGTERM)
    check_in("the answer", "SHUTTING_DOWN", read_response(wire, "GET").body.decode())
