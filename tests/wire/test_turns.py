"""Turns over HTTP: accept, queue, conflict, idempotency, cancel, limits."""
import threading

from opta_test import check, check_equal, check_in, only, stack, stop_event, texts, wait_for

HANG = "demo:tokens=5 demo:hang=2"


def busy(daemon, **body):
    """A session whose turn has begun and will not end by itself: (session, turn)."""
    sid = daemon.create(**body)["id"]
    turn = daemon.submit(sid, HANG)
    daemon.wait_event(sid, "turn.token")
    return sid, turn


def cancel(daemon, sid, **body):
    return daemon.http("POST", f"/v3/sessions/{sid}/cancel", body).expect(200).json()


def test_a_turn_gives_the_documented_events_in_order():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    answer = daemon.post_turn(sid, "demo:tokens=3", clientId="c1", writerId="w1").expect(202).json()
    check(isinstance(answer["turnId"], str) and isinstance(answer["queued"], int), f"expected turnId and queued, got {answer!r}")
    events = daemon.turn_events(sid, answer["turnId"])
    names = [e["event"] for e in events if e["event"] not in ("turn.queued", "turn.progress")]
    check_equal("events", names, ["turn.start", "turn.token", "turn.token", "turn.token", "turn.done"])
    start, done = only(events, "turn.start")[0]["payload"], events[-1]["payload"]
    check_equal("writerId and clientId of turn.start", (start["writerId"], start["clientId"]), ("w1", "c1"))
    check_equal("model of turn.start", start["model"], "demo-1")
    check_equal("writerId and clientId of turn.done", (done["writerId"], done["clientId"]), ("w1", "c1"))
    check_equal("finishReason", done["finishReason"], "stop")
    want = {"tokens", "promptTokens", "completionTokens", "toolCalls", "elapsed", "speed", "firstTokenLatencyMs"}
    check_equal("missing fields of stats", sorted(want - set(done["stats"])), [])


def test_the_envelope_fields_come_in_the_documented_order():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "demo:tokens=3")
    daemon_id = daemon.http("GET", "/v3/health").json()["daemonId"]
    for raw, envelope in zip(daemon.raw_events(sid), daemon.events(sid)):
        check_equal("keys of an envelope", list(envelope), ["v", "event", "daemonId", "sessionId", "seq", "ts", "payload"])
        check_equal("v, daemonId, sessionId", (envelope["v"], envelope["daemonId"], envelope["sessionId"]), ("3", daemon_id, sid))
        check(raw.startswith(b'{"v":"3","event":"'), f"expected the envelope to begin with v and event, got {raw[:60]!r}")


def test_a_turn_without_good_content_gets_400():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    for body in ({}, {"content": 5}, {"content": None}, {"content": ["x"]}, {"content": "x", "clientId": 5}, {"content": "x", "lastSeenSeq": "y"},
                 {"content": "x", "metadata": "m"}, {"content": "x", "idempotencyKey": 7}):
        answer = daemon.http("POST", f"/v3/sessions/{sid}/turns", body).expect(400, "INVALID_REQUEST")
        check(answer.json().get("details"), f"expected details for {body!r}, got {answer!r}")
    check_equal("events after refused turns", [e["event"] for e in daemon.events(sid)], ["session.snapshot"])


def test_turns_of_one_session_run_one_after_the_other_in_order():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    turns = [daemon.submit(sid, f"demo:tokens={3 + i} demo:delay=3") for i in range(6)]
    for turn in turns:
        daemon.wait_stop(sid, turn)
    order, running = [], None
    for envelope in daemon.events(sid):
        if envelope["event"] == "turn.start":
            check(running is None, f"turn.start of {envelope['payload']['turnId']} inside the turn {running}")
            running = envelope["payload"]["turnId"]
            order.append(running)
        elif envelope["event"] == "turn.token":
            check_equal("the turn a token belongs to", envelope["payload"]["turnId"], running)
        elif envelope["event"] == "turn.done":
            check_equal("the turn that is done", envelope["payload"]["turnId"], running)
            running = None
    check_equal("order of the turns", order, turns)


def test_queued_counts_the_waiting_turns_this_one_included():
    _, _, daemon = stack()
    sid, _ = busy(daemon)
    got = [daemon.post_turn(sid, "demo:tokens=1", writerId="w", clientId="c").expect(202).json() for _ in range(3)]
    check_equal("queued", [g["queued"] for g in got], [1, 2, 3])
    events = [e["payload"] for e in daemon.events(sid) if e["event"] == "turn.queued" and e["payload"]["turnId"] in [g["turnId"] for g in got]]
    check_equal("turnIds of turn.queued", [p["turnId"] for p in events], [g["turnId"] for g in got])
    for payload in events:
        check({"turnId", "writerId", "clientId", "queueSize", "position", "content", "mode"} <= set(payload), f"turn.queued payload: {payload!r}")
    check_equal("content of turn.queued", events[0]["content"], "demo:tokens=1")
    cancel(daemon, sid)


def test_turns_of_different_sessions_run_side_by_side():
    _, _, daemon = stack()
    one, first = busy(daemon)
    two = daemon.create()["id"]
    stop_event(daemon.run_turn(two, "demo:tokens=2"), "turn.done")
    check_equal("the first session meanwhile", daemon.session(one)["activeTurnId"], first)
    cancel(daemon, one)


def test_a_turn_that_has_not_seen_the_last_turn_event_gets_409():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    events = daemon.run_turn(sid, "demo:tokens=2")
    last = events[-1]["seq"]
    daemon.post_turn(sid, "demo:tokens=1", lastSeenSeq=last - 1).expect(409, "CONFLICT")
    daemon.post_turn(sid, "demo:tokens=1", lastSeenSeq=1).expect(409, "CONFLICT")
    check_equal("events after the refused turns", daemon.events(sid)[-1]["seq"], last)
    daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": "not a turn event"}).expect(200)
    turn = daemon.post_turn(sid, "demo:tokens=1", lastSeenSeq=last).expect(202).json()["turnId"]
    stop_event(daemon.turn_events(sid, turn), "turn.done")


def test_the_same_idempotency_key_gives_the_first_turn_again():
    _, demo, daemon = stack()
    sid = daemon.create()["id"]
    first = daemon.submit(sid, "demo:tokens=2", idempotencyKey="k1")
    again = daemon.submit(sid, "demo:tokens=2", idempotencyKey="k1")
    check_equal("turnId for the same key", again, first)
    daemon.wait_stop(sid, first)
    check_equal("turnId for the same key after the turn", daemon.submit(sid, "demo:tokens=2", idempotencyKey="k1"), first)
    other = daemon.submit(sid, "demo:tokens=2", idempotencyKey="k2")
    check(other != first, "expected another key to give another turn")
    daemon.wait_stop(sid, other)
    check_equal("requests at the model server", len(demo.requests()), 2)


def test_the_same_key_at_the_same_moment_makes_one_turn():
    _, demo, daemon = stack()
    sid = daemon.create()["id"]
    got = []
    threads = [threading.Thread(target=lambda: got.append(daemon.submit(sid, "demo:tokens=2", idempotencyKey="same"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_equal("answers", len(got), 8)
    check_equal("different turns", len(set(got)), 1)
    daemon.wait_stop(sid, got[0])
    check_equal("requests at the model server", len(demo.requests()), 1)


def test_a_key_of_another_session_is_another_key():
    _, _, daemon = stack()
    one, two = daemon.create()["id"], daemon.create()["id"]
    first, second = (daemon.submit(sid, "demo:tokens=1", idempotencyKey="k") for sid in (one, two))
    check(first != second, "expected the same key in two sessions to give two turns")
    daemon.wait_stop(one, first)
    daemon.wait_stop(two, second)


def test_cancel_with_an_empty_body_ends_everything():
    _, demo, daemon = stack()
    sid, active = busy(daemon)
    queued = [daemon.submit(sid, "demo:tokens=1") for _ in range(2)]
    answer = cancel(daemon, sid)
    check_equal("ok, cancelledQueued, cancelledActive", (answer["ok"], answer["cancelledQueued"], int(answer["cancelledActive"])), (True, 2, 1))
    check(answer["cancelled"], f"expected cancelled to be true or a number, got {answer!r}")
    for turn in [active] + queued:
        stop_event(daemon.turn_events(sid, turn), "session.cancelled")
    check_equal("requests at the model server", len(demo.requests()), 1)
    stop_event(daemon.run_turn(sid, "demo:tokens=1"), "turn.done")


def test_cancel_of_an_idle_session_cancels_nothing():
    _, _, daemon = stack(demo=None)
    sid = daemon.create()["id"]
    answer = cancel(daemon, sid)
    check_equal("ok, cancelledQueued, cancelledActive", (answer["ok"], answer["cancelledQueued"], int(answer["cancelledActive"])), (True, 0, 0))
    check_equal("events", [e["event"] for e in daemon.events(sid) if e["event"] != "session.cancelled"], ["session.snapshot"])


def test_cancel_of_one_queued_turn_leaves_the_others():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    active = daemon.submit(sid, "demo:tokens=20 demo:delay=20")
    daemon.wait_event(sid, "turn.token")
    one, two = daemon.submit(sid, "demo:tokens=1"), daemon.submit(sid, "demo:tokens=2")
    answer = cancel(daemon, sid, turnId=one)
    check_equal("cancelledQueued, cancelledActive", (answer["cancelledQueued"], int(answer["cancelledActive"])), (1, 0))
    stop = stop_event(daemon.turn_events(sid, one), "session.cancelled")
    check_equal("turnIds", stop["payload"]["turnIds"], [one])
    stop_event(daemon.turn_events(sid, active), "turn.done")
    stop_event(daemon.turn_events(sid, two), "turn.done")


def test_cancel_of_the_active_turn_lets_the_queued_one_run():
    _, _, daemon = stack()
    sid, active = busy(daemon)
    queued = daemon.submit(sid, "demo:tokens=2")
    answer = cancel(daemon, sid, turnId=active)
    check_equal("cancelledQueued, cancelledActive", (answer["cancelledQueued"], int(answer["cancelledActive"])), (0, 1))
    stop_event(daemon.turn_events(sid, active), "session.cancelled")
    stop_event(daemon.turn_events(sid, queued), "turn.done")


def test_cancel_by_writer_ends_the_turns_of_that_writer_only():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    active = daemon.submit(sid, "demo:tokens=20 demo:delay=20", writerId="alice")
    daemon.wait_event(sid, "turn.token")
    hers, his = daemon.submit(sid, "demo:tokens=1", writerId="alice"), daemon.submit(sid, "demo:tokens=1", writerId="bob")
    answer = cancel(daemon, sid, writerId="bob")
    check_equal("cancelledQueued, cancelledActive", (answer["cancelledQueued"], int(answer["cancelledActive"])), (1, 0))
    stop_event(daemon.turn_events(sid, his), "session.cancelled")
    stop_event(daemon.turn_events(sid, active), "turn.done")
    stop_event(daemon.turn_events(sid, hers), "turn.done")


def test_the_text_before_a_cancel_is_kept_in_the_log_and_the_turn_is_silent_afterwards():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    turn = daemon.submit(sid, "demo:tokens=500 demo:delay=5")
    daemon.wait_event(sid, "turn.token")
    cancel(daemon, sid)
    events = daemon.turn_events(sid, turn)
    stop = stop_event(events, "session.cancelled")
    check(0 < len(texts(events)) < 500, f"expected some of the 500 tokens before the cancel, got {len(texts(events))}")
    stop_event(daemon.run_turn(sid, "demo:tokens=1"), "turn.done")
    late = [e for e in daemon.events(sid, stop["seq"]) if e["payload"].get("turnId") == turn]
    check_equal("events of the cancelled turn after its stop event", late, [])


def test_busy_sessions_are_bounded_and_stored_ones_are_not():
    _, _, daemon = stack({"daemon.maxSessions": 2})
    for _ in range(5):
        daemon.create()
    one, _ = busy(daemon)
    two, _ = busy(daemon)
    three = daemon.create()["id"]
    daemon.post_turn(three, "demo:tokens=1").expect(429, "SESSION_LIMIT")
    daemon.post_turn(one, "demo:tokens=1").expect(202)
    check_equal("events of the refused session", [e["event"] for e in daemon.events(three)], ["session.snapshot"])
    cancel(daemon, two)
    wait_for(lambda: daemon.session(two)["status"] == "idle", 5, "the second session to be idle")
    stop_event(daemon.run_turn(three, "demo:tokens=1"), "turn.done")
    cancel(daemon, one)


def test_the_history_goes_to_the_model():
    _, demo, daemon = stack()
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "first demo:tokens=2")
    daemon.run_turn(sid, "second demo:tokens=1")
    messages = [(m["role"], m["content"]) for m in demo.requests()[-1]["messages"] if m["role"] != "system"]
    check_equal("messages of the second request", messages, [("user", "first demo:tokens=2"), ("assistant", "w0 w1 "), ("user", "second demo:tokens=1")])
    check_equal("role of the first message", demo.requests()[-1]["messages"][0]["role"], "system")


def test_the_model_of_the_session_is_the_one_used():
    _, demo, daemon = stack()
    sid = daemon.create(model="special-7")["id"]
    events = daemon.run_turn(sid, "demo:tokens=1")
    check_equal("model of turn.start", only(events, "turn.start")[0]["payload"]["model"], "special-7")
    check_equal("model in the request", demo.requests()[-1]["model"], "special-7")
    other = daemon.create()["id"]
    daemon.run_turn(other, "demo:tokens=1")
    check_equal("model of a session without one", demo.requests()[-1]["model"], "demo-1")


def test_total_turns_are_counted():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    for _ in range(3):
        daemon.run_turn(sid, "demo:tokens=1")
    check_equal("totalTurns", daemon.http("GET", "/v3/metrics").json()["runtime"]["totalTurns"], 3)
    check_in("the Prometheus text", "\n", daemon.http("GET", "/metrics").body.decode())
