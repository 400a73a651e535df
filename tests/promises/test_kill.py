"""kill -9 at random moments while clients stream, submit and reconnect: promises 1 to 4, 6 and 7 of the contract.

OPTA_KILLS sets the number of kills (200), OPTA_SEED the seed; the seed of a failed run stands in its message.
"""
import os
import random
import threading
import time

from kill_harness import Story, clients
from opta_test import SLOW, Daemon, Demo, Home, STOPS, check, check_equal, send, stack, stop_event, wait_dead

KILLS = int(os.environ.get("OPTA_KILLS", "200"))
SESSIONS = 3
ROUNDS_OF_A_SESSION = 40                # then new ones, so that creation is killed too and logs stay short


def start(home, rng, chance=0.1):
    """Starts the daemon; now and then it is killed while it starts or recovers."""
    while rng.random() < chance:
        daemon = Daemon(home, wait=False)
        threading.Event().wait(rng.random() * 0.04)
        state = home.state()
        send(daemon.process.pid, 9)
        daemon.process.wait(5 * SLOW)
        if state.get("pid") and state["pid"] != daemon.process.pid:
            send(state["pid"], 9)
            wait_dead(state["pid"])
    return Daemon(home)


def idle_check(daemon, story, when):
    """Nobody has submitted anything since the restart, so nothing new may come."""
    late = daemon.raw_events(story.sid, len(story.log), "&timeout=25")
    check_equal(f"{when}: {story.sid}: events after the restart without anybody submitting", late, [])


def rounds(home, rng, note):
    stories, past, accepted, kills = [], [], 0, 0
    daemon = start(home, rng)
    while kills < KILLS:
        when = note["when"] = f"before kill {kills + 1}"
        for story in stories:
            story.verify(daemon, when)
        if stories:
            chosen = rng.choice(stories)
            idle_check(daemon, chosen, when)
            chosen.replay(daemon, max(0, len(chosen.log) - rng.randint(0, 150)), when)
        if kills % ROUNDS_OF_A_SESSION == 0:
            past += stories
            stories = [Story(f"kill-{kills}-{i}") for i in range(SESSIONS)]
            for story in stories:
                daemon.create(sessionId=story.sid)
                story.extend(daemon.raw_events(story.sid))
        over, stop = threading.Event(), []
        threads = clients(daemon, stories, kills, rng, over, stop)
        threading.Event().wait(rng.random() ** 2 * 0.25)        # the random moment
        daemon.kill()
        over.set()
        kills += 1
        for thread in threads:
            thread.join(20 * SLOW)
            check(not thread.is_alive(), f"{when}: a client did not notice the death of the daemon")
        daemon = start(home, rng)
    note["when"] = "at the end"
    for story in past + stories:
        story.verify(daemon, "at the end")
        story.replay(daemon, 0, "at the end")
        accepted += len(story.accepted)
    check(accepted >= KILLS // 4, f"expected the clients to get turns accepted, only {accepted} in {KILLS} rounds: the harness tests nothing")
    turns = daemon.submit(stories[0].sid, "demo:tokens=3")
    stop_event(daemon.turn_events(stories[0].sid, turns), "turn.done")


def test_nothing_is_lost_or_doubled_over_many_kills():
    seed = int(os.environ.get("OPTA_SEED") or time.time_ns() % 1000000)
    home = Home()
    home.write_config({"connection.port": Demo(home, log=False).port, "daemon.maxSessions": 100})
    note = {"when": "at the start"}
    try:
        rounds(home, random.Random(seed), note)
    except Exception as err:
        raise AssertionError(f"OPTA_SEED={seed} OPTA_KILLS={KILLS}, {note['when']}: {type(err).__name__}: {err}") from err


test_nothing_is_lost_or_doubled_over_many_kills.timeout = 60 + KILLS * 1.5


def test_a_kill_between_two_turns_changes_nothing():
    home, _, daemon = stack()
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "demo:tokens=20")
    before, session = daemon.raw_events(sid), daemon.session(sid)
    daemon.kill()
    daemon = Daemon(home)
    check_equal("the log after the kill", daemon.raw_events(sid), before)
    check_equal("messages after the kill", daemon.session(sid)["messages"], session["messages"])


def test_the_history_after_a_kill_goes_on_in_the_next_turn():
    home, demo, daemon = stack()
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "one demo:tokens=2")
    daemon.submit(sid, "two demo:tokens=9 demo:hang=3")
    daemon.wait_event(sid, lambda e: e["event"] == "turn.token" and e["payload"]["text"] == "w2 ", what="the third token")
    daemon.kill()
    daemon = Daemon(home)
    stop_event(daemon.run_turn(sid, "three demo:tokens=1"), "turn.done")
    users = [m["content"] for m in demo.requests()[-1]["messages"] if m["role"] == "user"]
    check_equal("user messages in the request after the kill", users[0], "one demo:tokens=2")
    check_equal("the newest user message", users[-1], "three demo:tokens=1")


def test_a_deleted_session_stays_deleted_after_a_kill():
    home = Home()
    daemon = Daemon(home)
    sid, kept = daemon.create()["id"], daemon.create()["id"]
    daemon.http("DELETE", f"/v3/sessions/{sid}").expect(200)
    daemon.kill()
    daemon = Daemon(home)
    daemon.http("GET", f"/v3/sessions/{sid}").expect(404, "SESSION_NOT_FOUND")
    check_equal("sessions after the kill", [s["id"] for s in daemon.http("GET", "/v3/sessions").json()], [kept])


def test_an_acknowledged_patch_survives_a_kill():
    home = Home()
    daemon = Daemon(home)
    sid = daemon.create(title="a")["id"]
    for i in range(20):
        daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": f"title {i}"}).expect(200)
        daemon.kill()
        daemon = Daemon(home)
        check_equal("the title after the kill", daemon.session(sid)["title"], f"title {i}")
        check_equal("seq after the kill", [e["seq"] for e in daemon.events(sid)], list(range(1, i + 3)))


def test_an_idempotency_key_is_remembered_over_a_kill():
    home, demo, daemon = stack()
    sid = daemon.create()["id"]
    turn = daemon.submit(sid, "demo:tokens=1", idempotencyKey="once")
    daemon.wait_stop(sid, turn)
    daemon.kill()
    daemon = Daemon(home)
    check_equal("turnId for the same key after the kill", daemon.submit(sid, "demo:tokens=1", idempotencyKey="once"), turn)
    check_equal("requests at the model server", len(demo.requests()), 1)
    check_equal("stop events", len([e for e in daemon.events(sid) if e["event"] in STOPS]), 1)
