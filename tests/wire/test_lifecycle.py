"""opta daemon start | stop | restart | status | run."""
import json
import os
import re
import signal

from opta_test import (Daemon, Gone, Home, SLOW, WebSocket, alive, check, check_equal, check_in, descendants, http, only, send, slurp,
                       stack, stop_event, wait_dead, wait_for)
from private_net import silent_name_server

RUNNING = re.compile(r"daemon  running   pid=(\d+)   port=(\d+)   sessions=(\d+)   uptime=(\d+s|\d+m|\d+h\d+m|\d+d\d+h)\n")


def status_of(home, code=0):
    ran = home.opta("daemon", "status").expect(code)
    if code == 0:
        match = RUNNING.fullmatch(ran.text)
        check(match, f"expected the documented status line and nothing else, got {ran.text!r}")
        return match
    check_equal("status of a stopped daemon", ran.text, "daemon  stopped\n")
    return None


def start(home):
    ran = home.opta("daemon", "start").expect(0)
    state = home.state()
    check(state.get("token"), f"expected state.json with a token after `daemon start`, got {state!r}")
    return ran, state


def test_start_prints_pid_and_port_and_the_daemon_answers_at_once():
    home = Home()
    ran, state = start(home)
    check_in("the output of daemon start", str(state["pid"]), ran.text)
    check_in("the output of daemon start", str(state["port"]), ran.text)
    check_equal("health right after start", http(state["port"], "GET", "/v3/health").status, 200)


def test_start_leaves_a_daemon_in_its_own_session():
    home = Home()
    _, state = start(home)
    check_equal("the session id of the daemon", os.getsid(state["pid"]) == os.getsid(0), False)
    check(alive(state["pid"]), "expected the daemon to live on after `daemon start` has ended")


def test_a_second_start_says_it_is_running_and_exits_0():
    home = Home()
    _, first = start(home)
    ran, second = start(home)
    check_equal("the pid after a second start", second["pid"], first["pid"])
    check_equal("the token after a second start", second["token"], first["token"])
    check_in("what the second start says", "running", (ran.text + ran.errors).lower())


def test_start_does_not_hold_the_pipes_of_its_caller():
    home = Home()
    reader, writer = os.pipe()
    process = home.popen("daemon", "start", stdout=writer)
    os.close(writer)
    home.ended(process, ("daemon", "start")).expect(0)
    os.set_blocking(reader, False)

    def ended():
        try:
            return os.read(reader, 4096) == b""
        except BlockingIOError:
            return False
    wait_for(ended, 5, "end of file on the stdout of `daemon start` (the daemon must not keep it open)")


def test_status_of_no_daemon_is_stopped_with_exit_3():
    home = Home()
    status_of(home, 3)
    check(not os.path.exists(home.state_path), "expected `daemon status` not to start a daemon or write state.json")


def test_status_prints_the_documented_line():
    home = Home()
    _, state = start(home)
    match = status_of(home)
    check_equal("pid and port in the status line", (int(match[1]), int(match[2])), (state["pid"], state["port"]))
    check_equal("sessions in the status line of a new daemon", match[3], "0")


def test_status_counts_the_sessions():
    home = Home()
    daemon = Daemon(home)
    daemon.create()
    daemon.create()
    check_equal("sessions in the status line", status_of(home)[3], "2")


def test_stop_ends_the_daemon_and_leaves_a_state_file_without_pid_and_token():
    home = Home()
    _, state = start(home)
    home.opta("daemon", "stop").expect(0)
    check(not alive(state["pid"]), "expected the daemon to be gone when `daemon stop` returns")
    with open(home.state_path, encoding="utf-8") as file:
        left = json.load(file)
    check("pid" not in left and "token" not in left and "stoppedAt" in left, f"expected stoppedAt and neither pid nor token, got {left!r}")
    status_of(home, 3)


def test_the_reset_lines_of_the_documents_work_as_written():
    home = Home()
    start(home)
    home.opta("daemon", "stop").expect(0)
    os.remove(home.state_path)
    os.remove(home.log_path)
    start(home)
    status_of(home)


def test_an_idle_stop_takes_under_100_ms():
    home = Home()
    times = []
    for _ in range(3):
        start(home)
        times.append(home.opta("daemon", "stop").expect(0).seconds)
    check(min(times) < 0.1 * SLOW, f"expected an idle stop in under 100 ms, the best of three took {min(times) * 1000:.0f} ms")


def test_a_name_server_that_does_not_answer_does_not_hold_up_the_stop():
    home = Home({"connection.host": "models.example", "connection.port": 1234, "daemon.shutdownGraceMs": 0})
    with silent_name_server(home) as server:
        daemon = Daemon(home)
        daemon.submit(daemon.create()["id"], "anybody there?")
        server.recv(512)
        # The C library asks again after 5 s (resolv.conf(5)), and for as long it keeps a thread.
        took = home.opta("daemon", "stop").expect(0).seconds
    check(took < 4, f"expected the daemon to end while a name is looked up, it took {took:.1f} s")
    check_in("the log", "daemon stopped", home.log())


def test_restart_gives_a_new_pid_and_a_new_token():
    home = Home()
    _, first = start(home)
    home.opta("daemon", "restart").expect(0)
    second = home.state()
    check(second.get("pid") not in (None, first["pid"]), f"expected a new pid, had {first['pid']}, got {second!r}")
    check(second["token"] != first["token"], "expected a new token after restart")
    check(not alive(first["pid"]), "expected the old daemon to be gone")
    check_equal("the old token after restart", http(second["port"], "GET", "/v3/sessions", token=first["token"]).status, 401)


def test_restart_starts_a_daemon_that_was_not_running():
    home = Home()
    home.opta("daemon", "restart").expect(0)
    status_of(home)


def test_sessions_survive_a_restart():
    home = Home()
    daemon = Daemon(home)
    sid = daemon.create(title="kept")["id"]
    before = daemon.raw_events(sid)
    daemon.stop()
    daemon = Daemon(home)
    check_equal("the title after a restart", daemon.session(sid)["title"], "kept")
    check_equal("the events after a restart", daemon.raw_events(sid), before)


def test_run_stays_in_the_foreground_and_ends_on_sigterm_and_sigint():
    for number in (signal.SIGTERM, signal.SIGINT):
        home = Home()
        daemon = Daemon(home)
        check(daemon.process.poll() is None, "expected `daemon run` to stay in the foreground")
        send(daemon.process.pid, number)
        code = daemon.process.wait(10 * SLOW)
        check(code in (0, 128 + number), f"expected `daemon run` to end in good order after signal {number}, exit code {code}")
        wait_dead(daemon.pid)


def test_a_second_run_is_refused_while_one_daemon_lives():
    home = Home()
    daemon = Daemon(home)
    ran = home.ended(home.popen("daemon", "run"), ("daemon", "run"))
    check(alive(daemon.pid), "expected the first daemon to live on")
    check_equal("the daemon in state.json", home.state().get("pid"), daemon.pid)
    check(ran.code >= 0, f"expected the second `daemon run` to end by itself, it died of signal {-ran.code}")
    check_equal("health of the first daemon", daemon.http("GET", "/v3/health").status, 200)


def test_stop_lets_a_running_turn_finish_within_the_grace():
    home, _, daemon = stack()
    sid = daemon.create()["id"]
    turn = daemon.submit(sid, "demo:tokens=10 demo:delay=40")
    daemon.wait_event(sid, "turn.token")
    home.opta("daemon", "stop").expect(0)
    daemon = Daemon(home)
    stop_event(daemon.turn_events(sid, turn), "turn.done")


def test_stop_ends_a_turn_as_interrupted_after_the_grace():
    home, _, daemon = stack({"daemon.shutdownGraceMs": 200})
    sid = daemon.create()["id"]
    turn = daemon.submit(sid, "demo:tokens=5 demo:hang=2")
    daemon.wait_event(sid, "turn.token")
    home.opta("daemon", "stop").expect(0)
    check(not alive(daemon.pid), "expected the daemon to be gone after the grace")
    daemon = Daemon(home)
    stop_event(daemon.turn_events(sid, turn), "turn.error", "interrupted")


def test_no_turn_is_accepted_while_the_daemon_stops():
    _, _, daemon = stack({"daemon.shutdownGraceMs": 20000})
    sid = daemon.create()["id"]
    daemon.submit(sid, "demo:tokens=5 demo:hang=2")
    daemon.wait_event(sid, "turn.token")
    send(daemon.pid, signal.SIGTERM)

    def refused():
        try:
            answer = daemon.post_turn(sid, "demo:tokens=1")
        except (OSError, Gone):
            return "refused"
        return answer.status != 202 and answer
    answer = wait_for(refused, 5, "the stopping daemon to refuse new turns")
    if answer != "refused":
        answer.expect(503, "SHUTTING_DOWN")


def test_a_second_sigterm_ends_the_daemon_at_once():
    home, _, daemon = stack({"daemon.shutdownGraceMs": 60000})
    sid = daemon.create()["id"]
    turn = daemon.submit(sid, "demo:tokens=5 demo:hang=2")
    daemon.wait_event(sid, "turn.token")
    send(daemon.pid, signal.SIGTERM)

    def stopping():
        try:
            return daemon.post_turn(sid, "demo:tokens=1").status == 503
        except (OSError, Gone):
            return True
    wait_for(stopping, 5, "the first SIGTERM to take effect")
    check(alive(daemon.pid), "expected the daemon to wait for its turn after the first SIGTERM")
    send(daemon.pid, signal.SIGTERM)
    wait_dead(daemon.pid, 2, "the daemon to end at once after the second SIGTERM")
    daemon = Daemon(home)
    stop_event(daemon.turn_events(sid, turn), "turn.error", "interrupted")


def test_stop_closes_websockets_with_1001():
    home = Home()
    daemon = Daemon(home)
    sid = daemon.create()["id"]
    with WebSocket(daemon.port, sid, 0, daemon.token) as ws:
        ws.recv_event("session.snapshot")
        home.opta("daemon", "stop").expect(0)
        check_equal("the close code when the daemon stops", ws.wait_closed(), 1001)


def test_a_killed_daemon_counts_as_stopped_even_as_a_zombie():
    home = Home()
    daemon = Daemon(home)
    send(daemon.pid, signal.SIGKILL)            # not reaped: it stays a zombie until this test ends
    wait_dead(daemon.pid)
    status_of(home, 3)
    start(home)
    check(home.state()["pid"] != daemon.pid, "expected a new daemon after the old one was killed")


def test_open_turns_of_a_killed_daemon_end_as_interrupted_once():
    home, _, daemon = stack()
    sid = daemon.create()["id"]
    running = daemon.submit(sid, "demo:tokens=5 demo:hang=2")
    waiting = daemon.submit(sid, "demo:tokens=5")
    daemon.wait_event(sid, "turn.token")
    for _ in range(2):
        daemon.kill()
        daemon = Daemon(home)
        for turn in (running, waiting):
            stop_event(daemon.turn_events(sid, turn), "turn.error", "interrupted")
    events = daemon.events(sid)
    check_equal("the stop events in the log", len(only(events, "turn.error")), 2)
    check(not any(e["event"] == "turn.start" and e["payload"]["turnId"] == waiting for e in events),
          "expected the queued turn not to start after the restart")
    check_equal("the session's status after the restart", daemon.session(sid)["status"], "idle")


def test_stop_ends_only_one_daemon_of_two_homes():
    one, two = Home(), Home()
    first, second = Daemon(one), Daemon(two)
    one.opta("daemon", "stop").expect(0)
    check(not alive(first.pid), "expected the daemon of this home to be gone")
    check(alive(second.pid), "expected the daemon of the other home to live")


def test_no_process_stays_behind_after_stop():
    home = Home()
    start(home)
    home.opta("daemon", "stop").expect(0)
    wait_for(lambda: not descendants(), 2, "every process that `daemon start` made to be gone after `daemon stop`")


def test_the_daemon_log_ends_up_beside_the_state_file():
    home = Home()
    _, state = start(home)
    check(os.path.isfile(home.log_path), f"expected a log at daemon/daemon.log, found {os.listdir(os.path.dirname(home.log_path))}")
    check_in("the log", f"daemon started on 127.0.0.1:{state['port']}", slurp(home.log_path).decode())
