"""Every command of the operator's runbook and of the troubleshooting page, pasted into a shell as it stands there, and what
each is said to print or to bring about. One test for each section. Only ids in <…> and of other people's machines are filled in."""
import datetime
import glob
import json
import os
import re
import shutil
import socket

from clock import forget_false_clocks
from machine import LMX_ADDRESS, LMX_MODEL, Machine
from opta_test import (SLOW, Refused, Skip, WebSocket, check, check_equal, check_in, ended_turns, only, send, slurp, stop_event, wait_dead,
                       wait_for)
from private_net import write
from tools import call

TOKEN = "TOKEN=$(jq -r .token ~/.config/opta/daemon/state.json)\n"
RUNNING = re.compile(r"daemon  running   pid=(\d+)   port=(\d+)   sessions=(\d+)   uptime=\d+s\n")
STOPPED = "daemon  stopped\n"
STUCK = call("run_command", command="touch ran")
RECONNECTING = "Connection interrupted, reconnecting..."
CANCEL = """curl -s -X POST \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{}' \\
  http://127.0.0.1:9999/v3/sessions/<sessionId>/cancel
"""


def status(m, text="opta daemon status", port=9999, sessions=0):
    """The documented status line and nothing else; returns the pid in it."""
    line = m.out(text)
    match = RUNNING.fullmatch(line)
    check(match, f"expected the documented status line, got {line!r}")
    check_equal("port and sessions in the status line", (int(match[2]), int(match[3])), (port, sessions))
    return int(match[1])


def started(lmx=()):
    m = Machine(lmx)
    m.sh("opta daemon start")
    return m, m.daemon()


def work_session(m, daemon, **body):
    return daemon.create(metadata={"workspace": m.home.work}, **body)["id"]


def stuck_turn(m, daemon):
    """A turn that waits for permission; returns its session, its id and the request's."""
    sid = work_session(m, daemon)
    turn = daemon.submit(sid, STUCK)
    return sid, turn, daemon.wait_event(sid, "permission.request")["payload"]["requestId"]


def listener(m, port):
    """Somebody else's program on this port."""
    process = m.popen(f"exec /usr/bin/python3 -m http.server {port} --bind 127.0.0.1")

    def listens():
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0
    wait_for(listens, 10, f"somebody else's program to listen on {port}")
    return process


def check_owner(text, pid):
    """What lsof says of port 9999: a header and the program with this pid."""
    lines = [line.split(None, 8) for line in text.splitlines()]
    check_equal("the header of lsof", lines[0], "COMMAND PID USER FD TYPE DEVICE SIZE/OFF NODE NAME".split())
    check_equal("programs on port 9999", [line[1] for line in lines[1:]], [str(pid)])
    check_equal("type, node and name", (lines[1][4], *lines[1][7:]), ("IPv4", "TCP", "localhost:9999 (LISTEN)"))


def check_port_after_kill(m):
    """9999 when the killed program let go of it in time, else the next one, and the log says why."""
    port = m.daemon().port
    if port != 9999:
        check_equal("the port while 9999 was still taken", port, 10000)
        check_in("the log", "port 9999 is taken", m.home.log())
    status(m, port=port)


def configure(m, text):
    """Sets one thing; the running daemon has applied it when this returns."""
    said = "configuration and log file read again"
    before = m.home.log().count(said)
    m.sh(text)
    wait_for(lambda: m.home.log().count(said) > before, 10, f"the daemon to apply `{text}`")


def documents(text):
    """The JSON documents that stand one after the other in text."""
    found, rest = [], text.strip()
    while rest:
        one, end = json.JSONDecoder().raw_decode(rest)
        found.append(one)
        rest = rest[end:].lstrip()
    return found


def log_line(text, **ids):
    """A line of a document as a pattern: any time, and these ids."""
    pattern = r"^\[\d\d:\d\d:\d\d\]" + re.escape(text[len("[10:00:00]"):])
    for word, any_id in ids.items():
        pattern = pattern.replace(re.escape(word), any_id)
    return re.compile(pattern, re.M)


def wait_logged(m, text, **ids):
    pattern = log_line(text, **ids)
    wait_for(lambda: pattern.search(m.home.log()), 10, f"the line {text!r} in the log")


def seconds_between(first, last):
    """Whole seconds between two times as the daemon writes them."""
    first, last = (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (first, last))
    return round((last - first).total_seconds())


# the runbook --------------------------------------------------------------------------------------------------------

def test_the_quick_reference_holds():
    m = Machine(lmx=None)
    out = m.out("opta daemon start       # Start daemon (background, port 9999)")
    pid = status(m, "opta daemon status      # Print pid, port, uptime, session count")
    check_in("what start prints", f"pid={pid} ", out)
    m.follow("opta daemon logs        # Tail daemon log (Ctrl+C to exit)", "daemon started on 127.0.0.1:9999\n")
    check_equal("the daemon after Ctrl+C", status(m), pid)
    m.sh("opta daemon stop        # Graceful shutdown")
    check_equal("status of a stopped daemon", m.out("opta daemon status", code=3), STOPPED)
    m.sh("opta daemon restart     # Stop + start")
    check(status(m) != pid, "expected another daemon after a restart")


def test_the_prerequisites_can_be_checked():
    m = Machine(lmx=None)
    check_equal("who has port 9999 when it is free", m.out("lsof -i :9999", code=1), "")
    check(not os.path.exists(m.path(".config")), "expected a HOME with nothing in it")
    m.sh("opta daemon start")
    check(os.path.isdir(m.path(".config/opta")), "expected the first start to make ~/.config/opta/")
    check_owner(m.out("lsof -i :9999"), m.daemon().pid)


def test_starting_prints_the_pid_and_can_be_verified():
    m = Machine(lmx=None)
    out = m.out("opta daemon start")
    pid = status(m)
    check_in("what start prints", str(pid), out)
    check_equal("pid in state.json", json.loads(slurp(m.path(".config/opta/daemon/state.json")))["pid"], pid)
    out = m.out("curl -s http://127.0.0.1:9999/v3/health | jq .")
    version = m.out("opta --version").split()[1]
    check(re.match(r'{\n  "status": "ok",\n  "version": "%s",\n  "daemonId": "daemon_[0-9a-z]{8}",\n' % re.escape(version), out),
          f"expected status, version and daemonId first, got {out!r}")
    check(isinstance(json.loads(out)["runtime"], dict), f"expected runtime in {out!r}")


def test_the_token_opens_http_and_websocket_until_a_restart():
    m, daemon = started()
    token = m.out("# Read token\njq -r .token ~/.config/opta/daemon/state.json").rstrip("\n")
    check(re.fullmatch("opta_dk_[0-9a-zA-Z_-]+", token), f"expected a token, got {token!r}")
    health = 'curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:9999/v3/health'
    check_equal("status", json.loads(m.out(TOKEN + health))["status"], "ok")
    check_equal("what a wrong token gets", json.loads(m.out(health, TOKEN=token + "x"))["code"], "UNAUTHORIZED")
    check_equal("what no token gets", json.loads(m.out("curl -s http://127.0.0.1:9999/v3/sessions"))["code"], "UNAUTHORIZED")
    sid = daemon.create()["id"]
    path = f"/v3/ws?sessionId={sid}&afterSeq=0&token={token}"
    with WebSocket(9999, path=path) as ws:
        check_equal("the first event", ws.recv()["seq"], 1)
    check_equal("the token later", m.out("jq -r .token ~/.config/opta/daemon/state.json").rstrip("\n"), token)
    m.sh("opta daemon restart")
    check(m.daemon().token != token, "expected another token after a restart")
    try:
        WebSocket(9999, path=path).close()
    except Refused as refused:
        check_equal("the old token", refused.response.status, 401)
    else:
        raise AssertionError("expected the old token to be refused")


def test_monitoring_shows_what_goes_on():
    m, daemon = started()
    busy, idle = daemon.create(title="Night shift")["id"], daemon.create(title="Day shift")["id"]
    daemon.run_turn(idle, "demo:tokens=1")
    daemon.submit(busy, "demo:tokens=5 demo:hang=2")
    daemon.wait_event(busy, "turn.token")
    for _ in range(3):
        daemon.submit(busy, "demo:tokens=1")
    with WebSocket(9999, busy, 0, daemon.token), WebSocket(9999, idle, 0, daemon.token):
        metrics = TOKEN + 'curl -s -H "Authorization: Bearer $TOKEN" http://127.0.0.1:9999/v3/metrics | jq .'
        runtime = json.loads(m.out(metrics))["runtime"]
        check_equal("sessions, active and queued turns, clients",
                    [runtime[k] for k in ("sessionCount", "activeTurnCount", "queuedTurnCount", "subscriberCount")], [2, 1, 3, 2])
    check_in("the log", "daemon started", m.follow("opta daemon logs", "daemon started"))
    status(m, sessions=2)
    listed = json.loads(m.out(TOKEN + 'curl -s -H "Authorization: Bearer $TOKEN" http://127.0.0.1:9999/v3/sessions | '
                                      "jq '[.[] | {id, title, turnCount}]'"))
    check_equal("the sessions", sorted((s["title"], s["id"], sorted(s)) for s in listed),
                [("Day shift", idle, ["id", "title", "turnCount"]), ("Night shift", busy, ["id", "title", "turnCount"])])
    check_equal("turns of the idle one", [s["turnCount"] for s in listed if s["id"] == idle], [1])


def test_stopping_is_graceful_or_forced_and_a_restart_changes_the_token():
    m, daemon = started()
    sid = daemon.create()["id"]
    turn = daemon.submit(sid, "demo:tokens=10 demo:delay=40")
    with WebSocket(9999, sid, 0, daemon.token) as ws:
        ws.recv_event("turn.token")
        m.sh("opta daemon stop", seconds=5)
        check_equal("the close code of the client", ws.wait_closed(), 1001)
    m.sh("opta daemon start")
    daemon = m.daemon()
    stop_event(daemon.turn_events(sid, turn), "turn.done")
    # One that hangs: it would wait a minute for its turn.
    configure(m, "opta config set daemon.shutdownGraceMs 60000")
    daemon.submit(sid, "demo:tokens=5 demo:hang=2")
    wait_for(lambda: daemon.session(sid)["status"] == "running", 10, "the turn to run")
    stopping = m.popen("opta daemon stop")
    wait_for(lambda: "INFO  stopping" in m.home.log().rpartition("daemon started")[2], 10, "the daemon to begin to stop")
    m.sh("kill $(jq -r .pid ~/.config/opta/daemon/state.json)")
    m.ended(stopping)
    wait_dead(daemon.pid)
    m.sh("opta daemon start")
    daemon = m.daemon()
    m.sh("lsof -ti :9999 | xargs kill")
    wait_dead(daemon.pid)
    m.sh("opta daemon start")
    old = m.daemon()
    m.sh("opta daemon restart")
    new = m.daemon()
    check(new.pid != old.pid and new.token != old.token, "expected another daemon with another token after a restart")
    new.http("GET", "/v3/sessions", token=old.token).expect(401, "UNAUTHORIZED")


def test_a_contract_mismatch_is_told_and_resolved():
    m, daemon = started()
    # What a daemon of an older build would have written.
    path = m.path(".config/opta/daemon/state.json")
    state = json.loads(slurp(path))
    state["contract"] = {"name": "opta-daemon-v3", "version": 0}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(state, file)
    ran = m.sh("opta chat", code=None)
    check(ran.code > 0, f"expected `opta chat` to end in an error, got {ran.code}")
    check_equal("what it says", ran.errors.splitlines()[0],
                "Error: Daemon contract mismatch — expected opta-daemon-v3@1, got opta-daemon-v3@0")
    m.sh("opta daemon stop")
    wait_dead(daemon.pid)
    m.sh("opta daemon start")
    contract = m.out("curl http://127.0.0.1:9999/v3/health | jq .contract")
    check_equal("the contract", contract, '{\n  "name": "opta-daemon-v3",\n  "version": 1\n}\n')
    m.sh("opta chat")


def test_a_daemon_that_exits_immediately_tells_of_the_port_and_starts_when_it_is_free():
    m = Machine(lmx=None)
    other = listener(m, 9999)
    taken = [socket.create_server(("127.0.0.1", port)) for port in range(10000, 10021)]
    ran = m.sh("opta daemon start", code=None)
    check(ran.code > 0, f"expected no start with all ports taken, got {ran.code}")
    check_in("what it says", "port already in use", ran.errors)
    check_equal("status after it", m.out("opta daemon status", code=3), STOPPED)
    m.follow('opta daemon logs\n# Look for: "port already in use" or module import errors', "port already in use")
    for sock in taken:
        sock.close()
    fix = "lsof -i :9999   # Find who owns the port\nkill <pid>      # Free the port\nopta daemon start"
    out = m.out(fix.replace("<pid>", str(other.pid)))
    check_owner(out[:out.index("daemon  started")], other.pid)
    check_port_after_kill(m)


def test_a_model_server_without_websocket_or_gone_makes_no_noise_and_needs_no_restart():
    m, daemon = started(("--no-ws",))
    check_equal("health of LMX", m.out(f"# Check LMX health\ncurl http://{LMX_ADDRESS}:1234/healthz"), '{"status":"ok"}')
    for _ in range(2):
        ran = m.sh('opta do "say hello"')
        check_in("the answer", "say hello", ran.text)
        check(RECONNECTING not in ran.errors, f"expected no reconnecting, got {ran.errors!r}")
    check_equal("transports", [r["transport"] for r in m.demo.requests()], ["sse", "sse"])
    m.stop_lmx()
    m.sh(f"curl http://{LMX_ADDRESS}:1234/healthz", code=7)
    ran = m.sh('opta do "say hello"', code=1)
    check(RECONNECTING not in ran.errors, f"expected no reconnecting, got {ran.errors!r}")
    m.start_lmx("--no-ws")
    m.sh('opta do "say hello"')
    check_equal("the daemon", m.daemon().pid, daemon.pid)
    # The words of the symptom are for a daemon that goes away.
    process = m.popen('opta do "demo:tokens=400 demo:delay=10"')
    wait_for(lambda: b"w3 " in slurp(process.out_path), 10, "the answer to begin")
    send(daemon.pid, 9)
    m.ended(process, None)
    check_in("what is said", RECONNECTING, slurp(process.err_path).decode().splitlines())


def test_a_permission_request_that_hangs_is_freed_by_a_cancel():
    m, daemon = started()
    sid, turn, _ = stuck_turn(m, daemon)
    block = "# Cancel the stuck turn\n" + CANCEL.replace("curl -s -X", "curl -X").replace("<sessionId>", sid)
    check_equal("the answer", json.loads(m.out(block, TOKEN=daemon.token)),
                {"ok": True, "cancelled": 1, "cancelledQueued": 0, "cancelledActive": True})
    stop_event(daemon.turn_events(sid, turn), "session.cancelled")
    check(not os.path.exists(os.path.join(m.home.work, "ran")), "the tool ran")


def test_a_corrupt_state_file_is_no_crash_and_deleting_it_helps():
    m, daemon = started(None)
    send(daemon.pid, 9)
    wait_dead(daemon.pid)
    with open(m.home.state_path, "w", encoding="utf-8") as file:
        file.write('{"pid": 12')
    ran = m.sh("opta daemon status", code=3)
    check_equal("status", (ran.text, ran.errors), (STOPPED, ""))
    m.sh("rm ~/.config/opta/daemon/state.json\nopta daemon start   # Creates fresh state")
    check(m.daemon().token != daemon.token, "expected fresh state")
    status(m)


def test_sessions_are_listed_created_cancelled_and_permissions_resolved():
    m, daemon = started()
    listing = TOKEN + 'curl -s -H "Authorization: Bearer $TOKEN" http://127.0.0.1:9999/v3/sessions'
    check_equal("the sessions of a new daemon", json.loads(m.out(listing)), [])
    create = """curl -s -X POST \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{"title": "My session", "metadata": {"workspace": "/path/to/project"}}' \\
  http://127.0.0.1:9999/v3/sessions
"""
    refused = json.loads(m.out(create, TOKEN=daemon.token))
    check_equal("a workspace that is not there", (refused["code"], refused["details"][0]["field"]), ("INVALID_REQUEST", "metadata.workspace"))
    made = json.loads(m.out(create.replace("/path/to/project", m.home.work), TOKEN=daemon.token))
    check_equal("the session", (made["title"], made["metadata"]), ("My session", {"workspace": m.home.work}))
    check_equal("the sessions", [s["id"] for s in json.loads(m.out(listing))], [made["id"]])

    turn = daemon.submit(made["id"], "demo:tokens=5 demo:hang=2")
    daemon.wait_event(made["id"], "turn.token")
    answer = json.loads(m.out(CANCEL.replace("<sessionId>", made["id"]), TOKEN=daemon.token))
    check_equal("the cancel", (answer["ok"], answer["cancelledActive"]), (True, True))
    stop_event(daemon.turn_events(made["id"], turn), "session.cancelled")

    sid, turn, rid = stuck_turn(m, daemon)
    resolve = """curl -s -X POST \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{"decision": "allow", "remember": false}' \\
  http://127.0.0.1:9999/v3/sessions/<sessionId>/permission-requests/<requestId>/resolve
""".replace("<sessionId>", sid).replace("<requestId>", rid)
    check_equal("the answer", json.loads(m.out(resolve, TOKEN=daemon.token)), {"ok": True, "conflict": False})
    stop_event(daemon.turn_events(sid, turn), "turn.done")
    check(os.path.exists(os.path.join(m.home.work, "ran")), "the tool did not run")
    check_equal("a second answer", json.loads(m.out(resolve, TOKEN=daemon.token))["conflict"], True)


def test_a_reconnect_goes_on_after_the_last_seq_up_to_each_stop_event():
    m, daemon = started()
    for prompt, stop in (("demo:tokens=3", "turn.done"), ("demo:status=404", "turn.error"), ("demo:tokens=5 demo:hang=2", "session.cancelled")):
        sid = daemon.create()["id"]
        first = daemon.events(sid)[-1]["seq"]
        turn = daemon.submit(sid, prompt)
        if stop == "session.cancelled":
            daemon.wait_event(sid, "turn.token")
            m.sh(CANCEL.replace("<sessionId>", sid), TOKEN=daemon.token)
        last = daemon.wait_stop(sid, turn)["seq"]
        for after in (0, first, last - 1):
            with WebSocket(9999, path=f"/v3/ws?sessionId={sid}&afterSeq={after}&token={daemon.token}") as ws:
                came = [ws.recv() for _ in range(last - after)]
            check_equal(f"numbers after {after}", [e["seq"] for e in came], list(range(after + 1, last + 1)))
            check_equal("the last event", (came[-1]["event"], ended_turns(came[-1])), (stop, [turn]))


def test_the_defaults_and_their_overrides_hold():
    m = Machine()
    for key, default in (("daemon.host", "127.0.0.1"), ("daemon.port", "9999"), ("daemon.maxSessions", "10"), ("daemon.workerPoolSize", "4")):
        check_equal(f"the default of {key}", m.out(f"opta config get {key}"), default + "\n")
    # The runbook says 30 s, the troubleshooting page and its log line 5 minutes: these hold.
    check_equal("the default", m.out("opta config get daemon.permissionTimeoutMs"), "300000\n")
    m.sh("opta daemon start", OPTA_DAEMON_HOST="127.0.0.2")
    check_in("health", '"status":"ok"', m.out("curl -s http://127.0.0.2:9999/v3/health"))
    m.sh("curl -s http://127.0.0.1:9999/v3/health", code=7)
    m.sh("opta daemon stop\nopta daemon start", OPTA_DAEMON_PORT="9990")
    status(m, port=9990)
    daemon = m.daemon()
    for command in ("opta config set daemon.maxSessions N", "opta config set daemon.workerPoolSize N",
                    "opta config set daemon.permissionTimeoutMs N"):
        m.sh(command, code=1)                           # N is no number
    configure(m, "opta config set daemon.maxSessions N".replace("N", "1"))
    configure(m, "opta config set daemon.workerPoolSize N".replace("N", "7"))
    configure(m, "opta config set daemon.permissionTimeoutMs N".replace("N", "30000"))
    check_equal("the worker pool", daemon.http("GET", "/v3/metrics").json()["runtime"]["toolWorkers"]["workers"], 7)
    sid, _, _ = stuck_turn(m, daemon)
    request = only(daemon.events(sid), "permission.request")[0]
    check_equal("seconds to answer", seconds_between(request["ts"], request["payload"]["expiresAt"]), 30)
    daemon.post_turn(daemon.create()["id"], "hello").expect(429, "SESSION_LIMIT")


def test_the_startup_checklist_passes():
    m, _ = started()
    ran = m.sh("""# 1. Check daemon is running
opta daemon status

# 2. Health check
curl -s http://127.0.0.1:9999/v3/health | jq '{status, version}'

# 3. Verify contract version
TOKEN=$(jq -r .token ~/.config/opta/daemon/state.json)
curl -s -H "Authorization: Bearer $TOKEN" http://127.0.0.1:9999/v3/health | jq .contract

# 4. Metrics baseline
curl -s -H "Authorization: Bearer $TOKEN" http://127.0.0.1:9999/v3/metrics | jq .runtime

# 5. Smoke test: chat route
opta do "say hello"
""")
    line, rest = ran.text.split("\n", 1)
    check(RUNNING.fullmatch(line + "\n"), f"expected the status line, got {line!r}")
    rest, answer = rest[:rest.rindex("}\n") + 2], rest[rest.rindex("}\n") + 2:]
    health, contract, runtime = documents(rest)
    check_equal("health", list(health.items()), [("status", "ok"), ("version", m.out("opta --version").split()[1])])
    check_equal("contract", contract, {"name": "opta-daemon-v3", "version": 1})
    check_equal("turns at the start", (runtime["sessionCount"], runtime["activeTurnCount"]), (0, 0))
    check_in("the answer", 'You said: "say hello"', answer)
    check(RECONNECTING not in ran.errors, f"expected no reconnecting, got {ran.errors!r}")


# the troubleshooting page -------------------------------------------------------------------------------------------

def test_the_support_bundle_is_saved_and_holds_all_parts():
    m, daemon = started()
    os.mkdir(m.path("Desktop"))
    out = m.out('OUT=~/Desktop/opta-support-$(date +%Y%m%d-%H%M%S).txt; { echo "# Opta Support Bundle"; '
                'echo "# Generated: $(date -u +%Y-%m-%dT%H:%M:%SZ)"; echo; opta doctor; echo; opta daemon status; echo; '
                'opta daemon logs --lines 200; echo; opta config list; } > "$OUT" && echo "Saved $OUT"')
    match = re.fullmatch(r"Saved (.*/Desktop/opta-support-\d{8}-\d{6}\.txt)\n", out)
    check(match, f"expected the name of the bundle, got {out!r}")
    text = slurp(match[1]).decode()
    at = -1
    for part in ("# Opta Support Bundle\n# Generated: ", "\n\nChecking daemon...  ", "\nAll checks passed.\n\n", "daemon  running   pid=",
                 "INFO  daemon started on 127.0.0.1:9999\n", "\n\nconnection.host "):
        check_in("the bundle, in this order", part, text[at + 1:])
        at = text.index(part, at + 1)
    check(daemon.token not in text, "the token stands in the bundle")


def test_a_port_in_use_is_found_and_the_daemon_goes_on_to_the_next():
    m = Machine(lmx=None)
    other = listener(m, 9999)
    check_owner(m.out("lsof -i :9999"), other.pid)
    m.sh("opta daemon start")
    pid = status(m, port=10000)
    check_in("a second start", f"already running   pid={pid}   port=10000", m.out("opta daemon start"))
    m.sh("opta daemon stop")
    m.sh("opta config set daemon.portRange 10010-10020\nopta daemon start")
    status(m, port=10010)
    m.sh("opta daemon stop\nopta config unset daemon.portRange")
    m.sh("kill 12345 && opta daemon start".replace("12345", str(other.pid)))
    check_port_after_kill(m)


def test_an_unreachable_lmx_ends_the_turn_and_not_the_websocket():
    m, daemon = started(None)
    sid = daemon.create()["id"]
    with WebSocket(9999, sid, 0, daemon.token) as ws:
        def turn():
            ws.send_json({"type": "turn.submit", "sessionId": sid, "content": "say hello"})
            return ws.recv_where(lambda e: "event" in e and ended_turns(e), "the turn's end")
        for _ in range(2):
            end = turn()
            check_equal("the turn's end", (end["event"], end["payload"]["code"]), ("turn.error", "LMX_UNREACHABLE"))
        m.sh("curl http://lmx-host.local:1234/healthz", code=7)
        m.start_lmx()
        check_equal("healthz", m.out("curl http://lmx-host.local:1234/healthz"), '{"status":"ok"}')
        check_in("ping", "3 packets transmitted, 3 received", m.out("ping -c 3 lmx-host.local"))
        check_equal("readyz", m.out("curl http://lmx-host.local:1234/readyz"), '{"ready":true,"model":"qwen3-30b-a3b"}')
        check_equal("a turn now", turn()["event"], "turn.done")


def test_a_request_nobody_resolved_is_cancelled_and_a_new_turn_goes_on():
    m, daemon = started()
    sid = work_session(m, daemon)
    with WebSocket(9999, sid, 0, daemon.token) as ws:
        turn = daemon.submit(sid, STUCK)
        request = ws.recv_event("permission.request")
    check_equal("seconds until it is denied", seconds_between(request["ts"], request["payload"]["expiresAt"]), 300)
    events = daemon.events(sid)
    pending = {e["payload"]["requestId"] for e in only(events, "permission.request")} - {
        e["payload"]["requestId"] for e in only(events, "permission.resolved")}
    check_equal("what is unresolved", pending, {request["payload"]["requestId"]})
    cancel = "curl -X POST http://127.0.0.1:9999/v3/sessions/SESSION_ID/cancel -H 'Authorization: Bearer TOKEN'"
    check_equal("the cancel", json.loads(m.out(cancel.replace("SESSION_ID", sid).replace("TOKEN", daemon.token)))["ok"], True)
    stop_event(daemon.turn_events(sid, turn), "session.cancelled")
    stop_event(daemon.run_turn(sid, "demo:tokens=1"), "turn.done")


def test_a_request_that_nobody_resolves_is_denied_after_5_minutes_and_the_turn_continues():
    if SLOW != 1:
        raise Skip("sanitizers cannot be given another clock")
    library = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    if not library:
        raise Skip("there is no libfaketime to make 5 minutes short")
    m = Machine()
    clock = os.path.join(m.home.root, "clock")

    def set_clock(ahead):
        """Seconds ahead; never seen half written."""
        write(clock + ".new", f"+{ahead}\n")
        os.rename(clock + ".new", clock)

    set_clock(0)
    m.sh("opta daemon start", LD_PRELOAD=library[0], FAKETIME_TIMESTAMP_FILE=clock, FAKETIME_NO_CACHE="1")
    daemon = m.daemon()
    sid, turn, rid = stuck_turn(m, daemon)
    check_equal("what waits", [p["requestId"] for p in daemon.http("GET", "/v3/permissions").json()["pending"]], [rid])
    # One jump and no more: the library reads the file in each thread, which is not to be relied on for what lies between.
    set_clock(301)
    events = daemon.turn_events(sid, turn)
    wait_logged(m, "[10:05:00] WARN  permission request perm_001 timed out (5m), auto-denying\n", perm_001=rid)
    check_equal("the decision", [(e["payload"]["decision"], e["payload"]["reason"]) for e in only(events, "permission.resolved")], [("deny", "timeout")])
    check_equal("ok of the tool", [e["payload"]["ok"] for e in only(events, "tool.end")], [False])
    stop_event(events, "turn.done")
    daemon.stop()
    forget_false_clocks()


def test_deleting_a_corrupt_state_file_loses_no_session():
    m, daemon = started()
    sid = daemon.create(title="kept")["id"]
    for killed in (False, True):
        if killed:
            send(daemon.pid, 9)
            wait_dead(daemon.pid)
        with open(m.home.state_path, "wb") as file:
            file.write(b"\0" * 300)
        m.sh("rm ~/.config/opta/daemon/state.json && opta daemon start")
        now = m.daemon()
        check_equal("the same daemon, if it lived", now.pid == daemon.pid, not killed)
        check_equal("the session's title", now.session(sid)["title"], "kept")
    check(os.listdir(m.path(".config/opta/sessions")), "expected the history in ~/.config/opta/sessions/")


def test_a_crashed_daemon_is_started_again_by_the_next_command():
    m, daemon = started()
    send(daemon.pid, 9)
    wait_dead(daemon.pid)
    check_equal("pid in the stale state", json.loads(slurp(m.home.state_path))["pid"], daemon.pid)
    check_in("the answer", 'You said: "say hello"', m.out('opta do "say hello"'))
    now = m.daemon()
    check(now.pid != daemon.pid and now.token != daemon.token, "expected a new daemon with a fresh token")


def test_doctor_prints_five_lines_and_mends():
    m, daemon = started()
    check_equal("doctor", m.out("opta doctor"), f"""\
Checking daemon...        ● running (pid {daemon.pid}, port 9999)
Checking LMX...           ● reachable (lmx-host.local:1234)
Checking model...         ● loaded ({LMX_MODEL})
Checking config...        ● valid
Checking permissions...   ● ok

All checks passed.
""")
    send(daemon.pid, 9)
    wait_dead(daemon.pid)
    check_in("a dead process", "Checking daemon...        ✗ ", m.out("opta doctor", code=1))
    check_in("stale state", "state.json", m.out("opta doctor --fix"))
    status(m)
    m.sh("opta daemon stop")
    shutil.rmtree(m.path(".config/opta"))
    check_in("missing directories", "All checks passed.", m.out("opta doctor --fix"))
    status(m)


def test_the_log_has_the_lines_to_look_for():
    m, daemon = started(None)
    wait_logged(m, "[10:00:01] INFO  daemon started on 127.0.0.1:9999\n")
    sid = work_session(m, daemon)
    daemon.run_turn(sid, "say hello")
    wait_logged(m, "[10:00:05] ERROR lmx preflight failed: ECONNREFUSED lmx-host.local:1234\n")
    m.start_lmx()
    configure(m, "opta config set daemon.permissionTimeoutMs 300")
    daemon.run_turn(sid, STUCK)
    # The line with "(5m)" in it is waited for further up.
    wait_logged(m, "[10:05:00] WARN  permission request perm_001 timed out (300ms), auto-denying\n", perm_001=r"perm_\w+")
    configure(m, "opta config set daemon.toolMemoryMb 200")
    os.mkdir(m.path(f".config/opta/sessions/{sid}"))
    daemon.run_turn(sid, call("run_command", command="seq 100000"), overrides={"dangerous": True})
    wait_logged(m, "[10:00:02] WARN  session dir already exists, skipping mkdir\n")
    hog = "for i in 1 2 3 4; do /usr/bin/python3 -c 'import time; x = bytearray(90 << 20); time.sleep(60)' & done; wait"
    daemon.run_turn(sid, call("run_command", command=hog), 60, overrides={"dangerous": True})
    wait_logged(m, "[10:10:00] ERROR tool worker crashed: heap out of memory")


test_the_log_has_the_lines_to_look_for.timeout = 120


def test_a_reset_starts_fresh_and_keeps_the_sessions():
    m, daemon = started()
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "demo:tokens=3")
    before = daemon.raw_events(sid)
    m.sh("opta daemon stop")
    m.sh("rm ~/.config/opta/daemon/state.json ~/.config/opta/daemon/daemon.log")
    m.sh("opta daemon start")
    now = m.daemon()
    check(now.token != daemon.token, "expected a fresh token")
    check_equal("starts in the log", m.home.log().count("daemon started"), 1)
    check_equal("the events of the session", now.raw_events(sid), before)
    status(m, sessions=1)
