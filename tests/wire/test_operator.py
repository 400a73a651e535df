"""What the keeper of the machine does: logs with filters, reset, install, support, crash loops."""
import ctypes
import json
import os
import re
import signal
import stat

from clock import Skip
from opta_test import Daemon, Home, alive, check, check_equal, check_in, slurp, stack, wait_for
from private_mounts import private_mounts

STEP = re.compile(r"\[(\d\d:\d\d:\d\d)\] (ERROR|WARN |INFO |DEBUG) .+")


def refuse_lmx(home, daemon):
    """An ERROR line in the log: the model server is not there."""
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "hello", seconds=30)
    wait_for(lambda: "ERROR" in home.log(), 10, "an ERROR line")


def test_logs_of_a_level_leave_out_the_lower_ones():
    home, _, daemon = stack(demo=None)
    refuse_lmx(home, daemon)
    shown = home.opta("daemon", "logs", "--lines", "100", "--level", "error").expect(0).text.splitlines()
    check(shown and all("ERROR" in line for line in shown), f"expected only ERROR lines, got {shown!r}")
    all_lines = home.opta("daemon", "logs", "--lines", "100").expect(0).text.splitlines()
    check(len(all_lines) > len(shown), f"expected more lines without a level, got {len(all_lines)} and {len(shown)}")
    check(all(STEP.fullmatch(line) for line in all_lines), f"expected plain lines in a pipe, got {all_lines!r}")
    home.opta("daemon", "logs", "--level", "loud").expect(2)


def test_logs_as_json():
    home, _, _ = stack(demo=None)
    lines = home.opta("daemon", "logs", "--lines", "100", "--json").expect(0).text.splitlines()
    found = [json.loads(line) for line in lines]
    check(any("daemon started" in one["message"] and one["level"] == "INFO" for one in found), f"expected the start, got {found!r}")


def test_a_line_of_the_log_that_is_no_text_is_json_all_the_same():
    home, _, daemon = stack(demo=None)
    daemon.stop()
    with open(home.log_path, "ab") as file:
        file.write(b"[-1:00:00] INFO  a time that is none\n[10:00:00] WARN  \xff\xfe half \xe2\x80\n\xc0\n[99:99:99] INFO  late\n")
    lines = [json.loads(line) for line in home.opta("daemon", "logs", "--lines", "4", "--json").expect(0).out.decode().splitlines()]
    check_equal("messages", [line["message"] for line in lines],
                ["[-1:00:00] INFO  a time that is none", "\ufffd\ufffd half \ufffd\ufffd", "\ufffd", "[99:99:99] INFO  late"])
    check_equal("times", [line["time"] for line in lines], ["", "10:00:00", "", ""])


def test_logs_since():
    home, _, _ = stack(demo=None)
    check_in("the last ten minutes", "daemon started", home.opta("daemon", "logs", "--lines", "100", "--since", "10m").expect(0).text)
    ran = home.opta("daemon", "logs", "--since", "yesterday").expect(2)
    check_in("what is said", "HH:MM", ran.errors)


def test_status_as_json():
    home, _, daemon = stack(demo=None)
    found = json.loads(home.opta("daemon", "status", "--json").expect(0).out)
    check_equal("the pid", found["pid"], daemon.pid)
    check_equal("the port", found["port"], daemon.port)
    check("opta_dk_" not in json.dumps(found), "expected no token in the status")
    check_equal("running", found["running"], True)
    state = home.state()
    check_equal("what state.json says, without the token", found["state"], {k: v for k, v in state.items() if k != "token"})
    check_equal("host and port in it", (found["state"]["host"], found["state"]["port"]), ("127.0.0.1", daemon.port))
    shown = json.loads(home.opta("daemon", "status", "--json", "--show-token").expect(0).out)
    check_equal("the token when asked for", shown["state"]["token"], daemon.token)
    check_in("without --json", "--show-token goes with --json", home.opta("daemon", "status", "--show-token").expect(2).errors)
    os.kill(daemon.pid, signal.SIGSTOP)
    stuck = json.loads(home.opta("daemon", "status", "--json").expect(1).out)
    os.kill(daemon.pid, signal.SIGCONT)
    check_equal("one that does not answer", (stuck["running"], stuck["pid"], stuck["status"]), (True, daemon.pid, "not answering"))
    daemon.stop()
    check_equal("stopped", json.loads(home.opta("daemon", "status", "--json").expect(3).out), {"running": False})


def decimals(value):
    """The decimals of the numbers in a JSON text, outside its strings."""
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', '""', value)
    return [len(one.partition(".")[2]) for one in re.findall(r"-?\d+\.\d+(?:[eE][-+]?\d+)?", outside)]


def test_numbers_of_json_have_at_most_three_decimals():
    home, _, daemon = stack()
    numbers = {"a": 0.1, "b": 8.0999999999999996, "c": [1 / 3, -2 / 3, 1e-9, 12345678.9], "d": {"e": 1e300, "f": 7}}
    sid = daemon.create(metadata=numbers)["id"]
    for i in range(5):
        daemon.run_turn(sid, "demo:tokens=3")
    for command in (("daemon", "status"), ("sessions", "list"), ("sessions", "show", sid), ("models", "list"), ("doctor",)):
        out = home.opta(*command, "--json").expect((0, 1)).text
        check(all(n <= 3 for n in decimals(out)), f"{command} prints more than three decimals: {out}")
    shown = json.loads(home.opta("sessions", "show", sid, "--json").text)["metadata"]
    check_equal("rounded, not cut", (shown["a"], shown["b"], shown["c"], shown["d"]), (0.1, 8.1, [0.333, -0.667, 0.0, 12345678.9], {"e": 1e300, "f": 7}))


def test_reset_starts_clean_and_keeps_the_sessions():
    home, _, daemon = stack()
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "remember")
    old = daemon.token
    home.opta("daemon", "reset").expect(0)
    state = home.state()
    check(state["token"] != old and alive(state["pid"]) and not alive(daemon.pid), f"expected another daemon, got {state!r}")
    daemon.pid, daemon.port, daemon.token = state["pid"], state["port"], state["token"]
    check_equal("messages after a reset", len(daemon.session(sid)["messages"]), 2)
    check("remember" not in home.log(), "expected a new log")


def test_a_daemon_that_cannot_start_is_told_with_the_reason_and_not_retried_for_ever():
    home = Home()
    os.mkdir(os.path.join(home.dir, "sessions"))
    os.mkdir(os.path.join(home.dir, "sessions", "opta.db"))
    for _ in range(6):
        ran = home.opta("do", "hello")
        check(ran.code != 0, "expected no start with a directory for a database")
    check_in("the sixth refusal", "opta daemon start", ran.errors)
    check(ran.seconds < 5, f"expected the refusal at once, took {ran.seconds:.1f} s")
    os.rmdir(os.path.join(home.dir, "sessions", "opta.db"))
    home.opta("doctor", "--fix")
    home.opta("daemon", "start").expect(0)


def test_install_writes_a_unit_and_uninstall_removes_it():
    home = Home()
    ran = home.opta("daemon", "install").expect(0)
    path = os.path.join(home.home, ".config", "systemd", "user", "opta.service")
    text = slurp(path).decode()
    check_in("the unit", " daemon run\n", text)
    check_in("the unit", "Restart=on-failure", text)
    check_in("the unit", "\nDelegate=memory pids\n", text)
    check_in("the unit", f'"OPTA_HOME={home.dir}"', text)
    check_in("what is said", "systemctl --user enable --now opta", ran.text)
    check_in("the removal", "removed: " + path, home.opta("daemon", "uninstall").expect(0).text)
    check(not os.path.exists(path), "expected the unit to be gone")
    check_in("a second removal", "nothing is installed", home.opta("daemon", "uninstall").expect(0).text)


def test_install_says_so_where_systemd_does_not_run_the_machine_and_only_there():
    home = Home()
    libc = private_mounts()
    if libc.mount(b"tmpfs", b"/run", b"tmpfs", 0, b"size=1m") != 0:
        raise Skip("this machine allows no tmpfs: " + os.strerror(ctypes.get_errno()))
    ran = home.opta("daemon", "install").expect(0)
    check_in("the word about it", "systemd does not run this machine", ran.errors)
    check_in("what starts the daemon here", "opta daemon start", ran.errors)
    os.makedirs("/run/systemd/system")
    check_equal("with systemd", home.opta("daemon", "install").expect(0).errors, "")


def test_a_unit_for_a_package_is_printed_and_nothing_is_written():
    home = Home()
    ran = home.opta("daemon", "install", "--print", "/usr/bin/opta").expect(0)
    check_in("the unit", 'ExecStart="/usr/bin/opta" daemon run\n', ran.text)
    check_in("the unit", "\nDelegate=memory pids\n", ran.text)
    check("Environment" not in ran.text, f"expected nothing of this shell in {ran.text!r}")
    check(not os.path.exists(os.path.join(home.home, ".config", "systemd")), "expected nothing to be written")


def test_a_support_bundle_holds_all_parts_and_no_secret():
    home, _, daemon = stack({"connection.apiKey": "sk-very-secret-value"})
    path = os.path.join(home.root, "bundle.txt")
    check_equal("what is said", home.opta("support", path).text, f"Saved {path}\n")
    text = slurp(path).decode()
    check_equal("the head", text.splitlines()[0], "# Opta Support Bundle")
    for part in ("# Generated: ", "Checking daemon...", "daemon  running", "daemon started", "connection.port", "## system"):
        check_in("the bundle", part, text)
    check(daemon.token not in text and "sk-very-secret" not in text, "expected no secret in the bundle")
    check_equal("its mode", stat.S_IMODE(os.stat(path).st_mode), 0o600)
    ran = home.opta("support", path)
    check(ran.code != 0 and "exists" in ran.errors.lower(), f"expected no overwriting, got {ran.errors!r}")
