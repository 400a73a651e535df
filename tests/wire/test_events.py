"""GET events: list, cursor, limit, long poll."""
import contextlib
import json
import os
import threading
import time

from opta_test import Daemon, Home, SLOW, check, check_equal, cut_events, stack, wait_for


def patched(daemon, count):
    """A session with 1 + count events."""
    sid = daemon.create(title="t0")["id"]
    for i in range(count):
        daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": f"t{i + 1} \"quoted\" \\ [{{"}).expect(200)
    return sid


def test_without_limit_every_event_comes_in_order():
    daemon = Daemon(Home())
    sid = patched(daemon, 20)
    body = daemon.http("GET", f"/v3/sessions/{sid}/events").expect(200).json()
    check_equal("seq", [e["seq"] for e in body["events"]], list(range(1, 22)))
    check_equal("lastSeq", body["lastSeq"], 21)


def test_the_cut_elements_are_the_body():
    daemon = Daemon(Home())
    sid = patched(daemon, 5)
    body = daemon.http("GET", f"/v3/sessions/{sid}/events").body
    parts = cut_events(body)
    check_equal("elements cut out of the body", [json.loads(p)["seq"] for p in parts], [1, 2, 3, 4, 5, 6])
    check(b",".join(parts) in body, "expected the envelopes to stand in the body one after the other, separated by commas only")


def test_after_seq_is_exclusive():
    daemon = Daemon(Home())
    sid = patched(daemon, 4)
    for after in (0, 1, 3, 4, 5):
        check_equal(f"seq after {after}", [e["seq"] for e in daemon.events(sid, after)], list(range(after + 1, 6)))


def test_limit_bounds_the_answer_and_paging_gives_everything():
    daemon = Daemon(Home())
    sid = patched(daemon, 10)
    whole = daemon.raw_events(sid)
    paged, after = [], 0
    while True:
        page = daemon.raw_events(sid, after, "&limit=3")
        check(len(page) <= 3, f"expected at most 3 events, got {len(page)}")
        if not page:
            break
        paged += page
        after = json.loads(page[-1])["seq"]
    check_equal("pages of 3 against everything", paged, whole)


def test_a_cursor_or_a_limit_that_is_no_number_gets_400():
    daemon = Daemon(Home())
    sid = patched(daemon, 0)
    for query in ("afterSeq=x", "afterSeq=-1", "afterSeq=1.5", "limit=x", "limit=-1", "timeout=x", "afterSeq=99999999999999999999999"):
        daemon.http("GET", f"/v3/sessions/{sid}/events?{query}").expect(400, "INVALID_REQUEST")


def test_a_long_poll_answers_at_once_when_events_are_there():
    daemon = Daemon(Home())
    sid = patched(daemon, 1)
    begun = time.monotonic()
    check_equal("seq", [e["seq"] for e in daemon.events(sid, 0, "&timeout=20000")], [1, 2])
    check(time.monotonic() - begun < 5 * SLOW, f"expected an answer at once, it took {time.monotonic() - begun:.1f} s")


def test_a_long_poll_without_events_ends_empty_at_its_timeout():
    daemon = Daemon(Home())
    sid = patched(daemon, 0)
    begun = time.monotonic()
    body = daemon.http("GET", f"/v3/sessions/{sid}/events?afterSeq=1&timeout=300").expect(200).json()
    took = time.monotonic() - begun
    check_equal("events and lastSeq", body, {"events": [], "lastSeq": 1})
    check(0.25 < took < 3 * SLOW, f"expected an answer after about 300 ms, it took {took * 1000:.0f} ms")


def test_a_long_poll_wakes_for_a_new_event():
    daemon = Daemon(Home())
    sid = patched(daemon, 0)
    got = []
    thread = threading.Thread(target=lambda: got.append((daemon.events(sid, 1, "&timeout=30000", 40), time.monotonic())))
    thread.start()
    begun = time.monotonic()
    daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": "woken"}).expect(200)
    thread.join(20 * SLOW)
    check(got, "the long poll did not end")
    check_equal("events", [(e["seq"], e["event"]) for e in got[0][0]], [(2, "session.updated")])
    check(got[0][1] - begun < 5 * SLOW, f"expected the long poll to wake at once, it took {got[0][1] - begun:.1f} s")


def test_many_long_polls_of_one_session_all_wake():
    daemon = Daemon(Home())
    sid = patched(daemon, 0)
    got = []
    threads = [threading.Thread(target=lambda: got.append(daemon.raw_events(sid, 1, "&timeout=30000", 40))) for _ in range(20)]
    for thread in threads:
        thread.start()
    daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": "woken"}).expect(200)
    for thread in threads:
        thread.join(20 * SLOW)
    check_equal("answers", len(got), 20)
    check_equal("different answers", len({tuple(one) for one in got}), 1)


def test_polling_a_turn_gives_every_event_once():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    turn = daemon.submit(sid, "demo:tokens=200 demo:delay=1")
    seen, after, done = [], 0, False
    end = time.monotonic() + 30 * SLOW
    while not done:
        check(time.monotonic() < end, f"the turn did not end; {len(seen)} events so far")
        for one in daemon.raw_events(sid, after, "&timeout=5000"):
            seen.append(one)
            envelope = json.loads(one)
            check_equal("seq", envelope["seq"], after + 1)
            after = envelope["seq"]
            done = done or envelope["event"] == "turn.done" and envelope["payload"]["turnId"] == turn
    check_equal("the polled events against the log", seen, daemon.raw_events(sid)[:len(seen)])


def test_seq_has_no_gap_under_concurrent_writers():
    daemon = Daemon(Home())
    sid = patched(daemon, 0)

    def write(name):
        for i in range(25):
            daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": f"{name}{i}"}).expect(200)
    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_equal("seq", [e["seq"] for e in daemon.events(sid)], list(range(1, 102)))


def test_events_of_one_session_never_show_in_another():
    _, _, daemon = stack()
    one, two = daemon.create()["id"], daemon.create()["id"]
    daemon.run_turn(one, "demo:tokens=3")
    daemon.run_turn(two, "demo:tokens=3")
    for sid in (one, two):
        check_equal(f"sessions in the events of {sid}", {e["sessionId"] for e in daemon.events(sid)}, {sid})


def test_thousands_of_events_come_whole():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    turn = daemon.submit(sid, "demo:tokens=5000")
    daemon.wait_stop(sid, turn, 40)
    events = daemon.events(sid)
    check_equal("seq", [e["seq"] for e in events], list(range(1, len(events) + 1)))
    check_equal("tokens", [e["payload"]["text"] for e in events if e["event"] == "turn.token"], [f"w{i} " for i in range(5000)])


def test_who_asks_for_events_that_are_not_there_leaves_the_daemon_at_rest():
    daemon = Daemon(Home())
    sid = daemon.create()["id"]
    check_equal("events", daemon.http("GET", f"/v3/sessions/{sid}/events?afterSeq=1000&timeout=60000").json()["events"], [])
    wait_for(lambda: busy(daemon.pid) < 0.2, 5, "the daemon to do next to nothing")


def busy(pid):
    """Which share of a core it has used within a tenth of a second. A sanitizer's own thread wakes now and then."""
    begun, before = time.monotonic(), processor_time(pid)
    wait_for(lambda: time.monotonic() - begun > 0.1, 5, "time to pass")
    return (processor_time(pid) - before) / (time.monotonic() - begun)


def processor_time(pid):
    """Seconds of all its threads, as the scheduler counts them. One that ends meanwhile is not counted."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9
