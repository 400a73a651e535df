"""opta do, opta config, exit codes, stdin, --json, Ctrl+C, the ports of `daemon start`."""
import json
import os
import signal
import socket
import subprocess

from opta_test import Daemon, Demo, Home, SLOW, STOPS, alive, check, check_equal, check_in, http, send, slurp, stack, wait_for
from private_net import private_network


def with_demo(*flags, config=None):
    home = Home()
    demo = Demo(home, *flags)
    home.write_config({"connection.port": demo.port, **(config or {})})
    return home, demo


def test_version_and_help_exit_0():
    home = Home()
    version = home.opta("--version").expect(0).text
    check(any(c.isdigit() for c in version), f"expected a version, got {version!r}")
    check_in("the help", "daemon", home.opta("--help").expect(0).text)
    check(not os.path.exists(home.state_path), "expected neither to start a daemon")


def test_bad_usage_exits_2():
    home = Home()
    for args in (("no-such-command",), ("do",), ("do", "--no-such-flag", "x"), ("daemon", "no-such-verb"), ("config", "set"),
                 ("config", "get"), ("config", "no-such-verb")):
        ran = home.opta(*args)
        check(ran.code == 2 and ran.errors.strip(), f"`opta {' '.join(args)}`: expected exit code 2 and a word on stderr, got {ran.code}, {ran.errors!r}")
    check(not os.path.exists(home.state_path), "expected bad usage not to start a daemon")


def test_do_starts_the_daemon_and_streams_the_answer():
    home, _ = with_demo()
    ran = home.opta("do", "demo:tokens=3").expect(0)
    check_equal("stdout", ran.text.strip(), "w0 w1 w2")
    check(alive(home.state().get("pid", 0)), "expected `opta do` to have started a daemon")


def test_do_uses_the_running_daemon():
    home, _, daemon = stack()
    check_equal("stdout", home.opta("do", "demo:tokens=2").expect(0).text.strip(), "w0 w1")
    check_equal("the daemon afterwards", home.state()["pid"], daemon.pid)
    sessions = daemon.http("GET", "/v3/sessions").json()
    check_equal("sessions made by `opta do`", len(sessions), 1)
    check_equal("its workspace", sessions[0]["metadata"].get("workspace"), os.path.realpath(home.work))


def test_do_starts_a_new_daemon_after_a_crash():
    home, _, daemon = stack()
    send(daemon.pid, signal.SIGKILL)
    check_equal("stdout", home.opta("do", "demo:tokens=2").expect(0).text.strip(), "w0 w1")
    check(home.state()["pid"] != daemon.pid, "expected a new daemon")


def test_do_works_with_a_corrupt_state_file():
    home, _ = with_demo()
    os.makedirs(os.path.dirname(home.state_path), mode=0o700)
    with open(home.state_path, "w", encoding="utf-8") as file:
        file.write("{\"pid\": 12")
    check_equal("stdout", home.opta("do", "demo:tokens=1").expect(0).text.strip(), "w0")


def test_do_streams_while_the_model_still_talks():
    home, _, _ = stack()
    process = home.popen("do", "demo:tokens=5 demo:hang=2")
    wait_for(lambda: b"w0 w1" in slurp(process.out_path), 10, "the first two tokens on stdout of `opta do` while the model hangs")
    check_equal("exit code so far", process.poll(), None)


def test_do_prints_the_text_byte_for_byte():
    home, _, _ = stack()
    text = "\ttab  two blanks \"quotes\" ünï ☃ 𝄞\nsecond line"
    out = home.opta("do", "demo:echo demo:size=3 " + text).expect(0).text
    check_in("stdout", text, out)


def test_do_json_prints_envelopes():
    home, _, daemon = stack()
    lines = home.opta("do", "--json", "demo:tokens=3").expect(0).out.splitlines()
    events = [json.loads(line) for line in lines]
    check_equal("v of every line", {e.get("v") for e in events}, {"3"})
    check_equal("the last event", events[-1]["event"], "turn.done")
    check_equal("tokens", [e["payload"]["text"] for e in events if e["event"] == "turn.token"], ["w0 ", "w1 ", "w2 "])
    log = daemon.raw_events(events[0]["sessionId"])
    check([line for line in lines if line not in log] == [], "expected every printed envelope to stand in the log byte for byte")


def test_do_continues_a_session_and_uses_the_given_model():
    home, demo, daemon = stack()
    sid = daemon.create()["id"]
    home.opta("do", "--session", sid, "first demo:tokens=2").expect(0)
    home.opta("do", "--session", sid, "second demo:tokens=1").expect(0)
    check_equal("turnCount", daemon.session(sid)["turnCount"], 2)
    check_equal("history in the second request", [m["role"] for m in demo.requests()[-1]["messages"] if m["role"] != "system"],
                ["user", "assistant", "user"])
    home.opta("do", "--model", "special-9", "demo:tokens=1").expect(0)
    check_equal("model in the request", demo.requests()[-1]["model"], "special-9")


def test_stdin_becomes_context():
    home, demo, _ = stack()
    home.opta("do", "explain demo:tokens=1", stdin="piped ünï content\nline 2\n".encode()).expect(0)
    content = json.dumps(demo.requests()[-1]["messages"], ensure_ascii=False)
    check_in("what the model saw", "piped ünï content\\nline 2", content)
    check_in("what the model saw", "explain demo:tokens=1", content)


def test_an_empty_stdin_is_no_context_and_no_hindrance():
    home, demo, _ = stack()
    home.opta("do", "demo:tokens=1", stdin=b"").expect(0)
    check_equal("the user's message", [m["content"] for m in demo.requests()[-1]["messages"] if m["role"] == "user"], ["demo:tokens=1"])


def test_an_unknown_session_is_an_error():
    home, _, _ = stack()
    ran = home.opta("do", "--session", "nobody", "hello")
    check(ran.code in (1, 2) and ran.errors.strip(), f"expected an error for an unknown session, got {ran.code}, {ran.errors!r}")


def test_a_failing_turn_exits_1_and_says_why():
    home, _, _ = stack()
    ran = home.opta("do", "demo:status=404").expect(1)
    check_in("stderr", "demo status 404", ran.errors)
    home = Home()
    ran = home.opta("do", "hello").expect(1)
    check(ran.errors.strip(), "expected a sentence on stderr when the model server is not there")


def test_ctrl_c_cancels_the_turn_and_exits_130():
    home, demo, daemon = stack()
    process = home.popen("do", "demo:tokens=5 demo:hang=2")
    wait_for(lambda: b"w0 w1" in slurp(process.out_path), 10, "the first tokens")
    send(process.pid, signal.SIGINT)
    home.ended(process, ("do", "…")).expect(130)
    sid = daemon.http("GET", "/v3/sessions").json()[0]["id"]
    wait_for(lambda: demo.cancelled(), 5, "the model server to see the cancel")
    check_equal("stop events", [e["event"] for e in daemon.events(sid) if e["event"] in STOPS], ["session.cancelled"])
    check(alive(daemon.pid), "expected Ctrl+C to leave the daemon alone")


def test_do_survives_a_closed_stdout():
    home, _, daemon = stack()
    reader, writer = os.pipe()
    os.close(reader)
    process = home.popen("do", "demo:tokens=50", stdout=writer)
    os.close(writer)
    home.ended(process, ("do", "…"))
    check_equal("health of the daemon", daemon.http("GET", "/v3/health").status, 200)


def test_config_get_set_list_unset():
    home = Home()
    check_equal("the default", home.opta("config", "get", "daemon.maxSessions").expect(0).text.strip(), "10")
    home.opta("config", "set", "daemon.maxSessions", "25").expect(0)
    check_equal("the value set", home.opta("config", "get", "daemon.maxSessions").expect(0).text.strip(), "25")
    with open(home.config_path, encoding="utf-8") as file:
        check_equal("config.json", json.load(file)["daemon"]["maxSessions"], 25)
    listed = home.opta("config", "list").expect(0).text
    for key in ("connection.host", "connection.port", "connection.fallbackHosts", "connection.apiKey", "model.default", "model.firstTokenTimeoutMs",
                "model.idleTimeoutMs", "model.contextTokens", "daemon.host", "daemon.port", "daemon.portRange", "daemon.maxSessions",
                "daemon.workerPoolSize", "daemon.permissionTimeoutMs", "daemon.shutdownGraceMs", "daemon.allowedOrigins", "daemon.logLevel"):
        check_in("config list", key, listed)
    home.opta("config", "unset", "daemon.maxSessions").expect(0)
    check_equal("after unset", home.opta("config", "get", "daemon.maxSessions").expect(0).text.strip(), "10")
    check(not os.path.exists(home.state_path), "expected `opta config` never to start a daemon")


def test_the_documented_defaults():
    home = Home()
    os.remove(home.config_path)
    for key, want in (("connection.host", "lmx-host.local"), ("connection.port", "1234"), ("daemon.host", "127.0.0.1"), ("daemon.port", "9999"),
                      ("daemon.workerPoolSize", "4"), ("daemon.permissionTimeoutMs", "300000"), ("daemon.shutdownGraceMs", "5000"),
                      ("daemon.portRange", "10000-10020"), ("model.firstTokenTimeoutMs", "120000"), ("model.idleTimeoutMs", "60000")):
        check_equal(f"default of {key}", home.opta("config", "get", key).expect(0).text.strip(), want)


def test_an_unknown_key_names_the_nearest_and_a_bad_value_is_refused():
    home = Home()
    for args in (("set", "daemon.maxSesions", "5"), ("get", "daemon.maxSesions"), ("unset", "daemon.maxSesions")):
        ran = home.opta("config", *args)
        check(ran.code > 0, f"`opta config {' '.join(args)}`: expected an error, got {ran.code}")
        check_in(f"stderr of `opta config {' '.join(args)}`", "daemon.maxSessions", ran.errors)
    before = slurp(home.config_path)
    for key, value in (("daemon.maxSessions", "0"), ("daemon.maxSessions", "1001"), ("daemon.maxSessions", "many"), ("daemon.workerPoolSize", "65"),
                       ("daemon.permissionTimeoutMs", "99"), ("connection.port", "70000"), ("daemon.maxSessions", ""), ("daemon.maxSessions", "5x")):
        ran = home.opta("config", "set", key, value)
        check(ran.code > 0, f"`config set {key} {value!r}`: expected an error, got {ran.code}")
        check_in("stderr", key, ran.errors)
    check_equal("config.json after refused values", slurp(home.config_path), before)


def test_a_running_daemon_applies_a_change():
    home, _, daemon = stack({"connection.port": 1}, demo=None)
    demo = Demo(home)
    home.opta("config", "set", "connection.port", str(demo.port)).expect(0)

    def works():
        sid = daemon.create()["id"]
        turn = daemon.submit(sid, "demo:tokens=1")
        return daemon.wait_stop(sid, turn)["event"] == "turn.done"
    wait_for(works, 10, "a turn to reach the new model server without a restart")
    check_equal("the daemon afterwards", home.state()["pid"], daemon.pid)


def test_daemon_logs_prints_the_last_lines_and_exits():
    home = Home()
    daemon = Daemon(home)
    wait_for(lambda: "daemon started" in home.log(), 5, "the first line of the log")
    out = home.opta("daemon", "logs", "--lines", "200").expect(0).text
    check_in("the log", f"daemon started on 127.0.0.1:{daemon.port}", out)
    check(len(home.opta("daemon", "logs", "--lines", "1").expect(0).text.splitlines()) <= 1, "expected at most 1 line with --lines 1")


def test_an_explicit_port_is_used_or_refused():
    home = Home()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = home.opta("daemon", "start", env={"OPTA_DAEMON_PORT": str(port)})
        check(ran.code not in (0,) and ran.code > 0, f"expected `daemon start` on a taken port to fail, got {ran.code}")
        check_in("stderr", str(port), ran.errors + ran.text)
        check_in("the log", "port already in use", home.log())
    home.opta("daemon", "start", env={"OPTA_DAEMON_PORT": str(port)}).expect(0)
    check_equal("the port now that it is free", home.state()["port"], port)


def test_9999_comes_first_then_the_range_and_a_full_range_is_explained():
    private_network()                                   # ports of our own, whoever has 9999 on this machine
    homes = [Home(port=None) for _ in range(2)]
    ports = [(h.opta("daemon", "start").expect(0), h.state()["port"])[1] for h in homes]
    check_equal("ports of two daemons", ports, [9999, 10000])
    check_equal("health on 9999", http(9999, "GET", "/v3/health").status, 200)
    taken = []
    for port in range(10001, 10021):
        taken.append(socket.create_server(("127.0.0.1", port)))
    home = Home(port=None)
    ran = home.opta("daemon", "start")
    check(ran.code > 0, f"expected a start with all ports taken to fail, got {ran.code}")
    for word in ("9999", "10020"):
        check_in("what the failed start says", word, ran.errors + ran.text)
    first, second = (h.state()["pid"] for h in homes)
    check_in("who holds 9999", f"9999 is taken (optad, pid {first}, another opta daemon)", ran.errors + ran.text)
    check_in("who holds the range", f"10000 optad, pid {second}, another opta daemon; 10001-10020 python3", ran.errors + ran.text)
    check_in("the log", "port already in use", home.log())
    taken[-1].close()
    home.opta("daemon", "start").expect(0)
    check_equal("the port once 10020 is free", home.state()["port"], 10020)


def test_the_environment_decides_where_a_new_daemon_listens_and_clients_follow_the_state_file():
    home = Home()
    Daemon(home)
    for env in ({"OPTA_DAEMON_PORT": "1"}, {"OPTA_DAEMON_PORT": None}):
        ran = home.opta("daemon", "status", env=env, seconds=10 * SLOW).expect(0)
        check_in("status", f"port={home.state()['port']} ", ran.text)


def test_the_man_pages_come_from_the_tables_and_are_clean():
    home = Home()
    for page, holds in (("opta.1", "daemon restart"), ("opta-daemon.8", "SIGHUP"), ("opta-config.5", "daemon.permissionTimeoutMs")):
        text = home.opta("man", page).expect(0).text
        check_in(page, holds.replace("-", "\\-"), text)
        lint = subprocess.run(["mandoc", "-Tlint"], input=text.encode(), capture_output=True, check=False)
        bad = [line for line in lint.stdout.decode().splitlines() if "referenced manual not found" not in line]
        check_equal(f"what mandoc says of {page}", bad, [])
        check(text.isascii(), f"expected {page} to be readable in every locale, it has {[c for c in text if not c.isascii()]}")
        for locale in ("C", "C.UTF-8"):
            with open(os.path.join(home.root, page), "w", encoding="utf-8") as file:
                file.write(text)
            ran = subprocess.run(["man", "--warnings=w", "-l", file.name], env={**home.env, "LC_ALL": locale, "MANPAGER": "cat"},
                                 capture_output=True, check=False)
            check_equal(f"what man says of {page} in the locale {locale}", (ran.returncode, ran.stderr), (0, b""))
            check(b"SYNOPSIS" in ran.stdout or b"DESCRIPTION" in ran.stdout, f"expected a page, got {ran.stdout[:200]!r}")
    check_in("an unknown page", "expected opta.1", home.opta("man", "opta.9").expect(2).errors)
