"""Two starters at once end with one daemon, and both succeed."""
import os
import threading

from opta_test import Home, check, check_equal, descendants, http, send, wait_dead, wait_for
from processes import stat_of

ROUNDS = 50


def daemons_of(launchers):
    """The processes that have left their launcher, without helpers of their own."""
    return [pid for pid in descendants() if pid not in launchers and (stat_of(pid) or (0, 0))[1] == os.getpid()]


def start_together(home, count):
    processes = [home.popen("daemon", "start") for _ in range(count)]
    for process in processes:
        home.ended(process, ("daemon", "start")).expect(0)
    return {p.pid for p in processes}


def test_two_starts_at_once_give_one_daemon_and_both_exit_0():
    home = Home()
    for turn in range(ROUNDS):
        launchers = start_together(home, 2)
        state = home.state()
        check(state.get("pid"), f"round {turn}: expected state.json to name a daemon, got {state!r}")
        wait_for(lambda: daemons_of(launchers) == [state["pid"]], 3, f"round {turn}: one daemon {state['pid']} and nobody else")
        check_equal(f"round {turn}: health with the token of state.json", http(state["port"], "GET", "/v3/health", token=state["token"]).status, 200)
        send(state["pid"], 9 if turn % 2 else 15)
        wait_dead(state["pid"])


test_two_starts_at_once_give_one_daemon_and_both_exit_0.timeout = 120


def test_eight_starts_at_once_give_one_daemon():
    home = Home()
    launchers = start_together(home, 8)
    state = home.state()
    wait_for(lambda: daemons_of(launchers) == [state["pid"]], 3, f"one daemon {state['pid']} and nobody else")


def test_starts_at_once_with_a_stale_state_file_give_one_daemon():
    home = Home()
    for turn in range(10):
        launchers = start_together(home, 1)
        pid = home.state()["pid"]
        send(pid, 9)
        wait_dead(pid)
        launchers = start_together(home, 2)
        state = home.state()
        check(state["pid"] != pid, f"round {turn}: expected a new daemon")
        wait_for(lambda: daemons_of(launchers) == [state["pid"]], 3, f"round {turn}: one daemon {state['pid']} and nobody else")
        send(state["pid"], 9)
        wait_dead(state["pid"])


def test_starts_and_stops_at_once_never_leave_two_daemons():
    home = Home()
    for turn in range(10):
        codes = []
        threads = [threading.Thread(target=lambda verb=verb: codes.append((verb, home.opta("daemon", verb).code))) for verb in ("start", "stop", "start")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check(all(code >= 0 for _, code in codes), f"round {turn}: a command died of a signal: {codes}")
        wait_for(lambda: len(daemons_of(())) <= 1, 3, f"round {turn}: at most one daemon")
    home.opta("daemon", "stop")
    wait_for(lambda: not descendants(), 3, "no daemon after the last stop")
    check(os.path.isdir(home.dir), "expected the home to be there still")
