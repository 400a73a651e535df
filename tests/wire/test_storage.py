"""A disk that is full, or a quota used up: typed errors, reading goes on, recovery without a restart, nothing seen is lost."""
import json
import os
import threading

from opta_test import Demo, Home, Daemon, WebSocket, check, check_equal, check_in, ended_turns, wait_for
from small_disk import quota_disk, small_disk


def fill(path):
    """Takes what is left of the disk. Returns the file to remove."""
    ballast = os.path.join(path, "ballast")
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    return ballast


def full_stack(disk):
    home = Home()
    path = disk(home, 16384)
    demo = Demo(home)
    home.write_config({"connection.port": demo.port})
    return home, path, Daemon(home)


def refuses_a_turn_and_takes_it_later(disk):
    _, path, daemon = full_stack(disk)
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "demo:tokens=5")
    before = daemon.raw_events(sid)
    ballast = fill(path)
    # The log's file may have room left from before; a large turn has none.
    answer = wait_for(lambda: (lambda a: a.status == 507 and a)(daemon.post_turn(sid, "x" * 300000)), 10, "a turn to be refused with 507")
    check_equal("the code", answer.json()["code"], "STORAGE_FULL")
    check_equal("what was there can be read", daemon.raw_events(sid)[:len(before)], before)
    daemon.http("GET", "/v3/health").expect(200)
    os.unlink(ballast)
    check_equal("a turn afterwards", daemon.run_turn(sid, "demo:tokens=5")[-1]["event"], "turn.done")
    seqs = [e["seq"] for e in daemon.events(sid)]
    check_equal("the numbers", seqs, list(range(1, len(seqs) + 1)))


def test_a_turn_on_a_full_disk_is_refused_with_507_and_accepted_again_later():
    refuses_a_turn_and_takes_it_later(small_disk)


def test_a_turn_above_a_quota_is_refused_with_507_and_accepted_again_later():
    refuses_a_turn_and_takes_it_later(quota_disk)


def test_where_changes_need_room_doctor_looks_at_the_database_when_the_daemon_is_stopped():
    home, _, daemon = full_stack(quota_disk)
    def said():
        found = json.loads(home.opta("doctor", "--json").out)["checks"]
        return [one["text"] for one in found if one["name"] == "database"][0]
    check_in("while it runs", "in use", said())
    daemon.stop()
    check_equal("afterwards", said(), "sound")



def test_a_disk_that_fills_within_an_answer_ends_the_turn_as_storage_full_and_loses_nothing_seen():
    fills_within_an_answer(small_disk)


def test_a_quota_used_up_within_an_answer_ends_the_turn_as_storage_full_and_loses_nothing_seen():
    fills_within_an_answer(quota_disk)


def fills_within_an_answer(disk):
    _, path, daemon = full_stack(disk)
    sid = daemon.create()["id"]
    seen = []

    def watch(ws):
        try:
            while True:
                seen.append(ws.recv())
        except Exception:
            pass

    ws = daemon.ws(sid, 0)
    threading.Thread(target=watch, args=(ws,), daemon=True).start()
    turn = daemon.submit(sid, "demo:tokens=20000 demo:delay=1")
    wait_for(lambda: len(seen) > 100, 10, "the first tokens")
    ballast = fill(path)
    wait_for(lambda: daemon.session(sid)["status"] and "could not be stored" in daemon.home.log(), 20, "the log to say that events could not be stored")
    os.unlink(ballast)
    stop = daemon.wait_stop(sid, turn, 20)
    check_equal("the stop event", (stop["event"], stop["payload"].get("code")), ("turn.error", "storage-full"))
    events = daemon.events(sid)
    check_equal("the numbers", [e["seq"] for e in events], list(range(1, len(events) + 1)))
    check_equal("stop events of the turn", sum(turn in ended_turns(e) for e in events), 1)
    by_seq = {e["seq"]: e for e in events}
    lost = [e for e in list(seen) if isinstance(e, dict) and "seq" in e and by_seq.get(e["seq"]) != e]
    check(not lost, f"expected every event seen to be in the log, {len(lost)} are not, e.g. {lost[:1]}")
    check_equal("a turn afterwards", daemon.run_turn(sid, "demo:tokens=5")[-1]["event"], "turn.done")
    ws.close()
