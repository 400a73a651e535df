"""opta doctor: five lines, and --fix."""
import json
import os
import re
import sqlite3

from http_client import Gone
from opta_test import Daemon, Demo, Home, check, check_equal, check_in, http, send, slurp, stack, wait_dead, wait_for
from private_net import silent_name_server

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"      # RFC 8878, section 3.1.1: how packed events begin
LINE = re.compile(r"Checking (\w+)\.{3} +[●✗] (.*)")


def lines_of(text):
    return dict(m.groups() for m in map(LINE.fullmatch, text.splitlines()) if m)


def encodings(path):
    """How the segments are stored: 0 plain, 1 packed."""
    with sqlite3.connect(path) as db:
        found = [row[0] for row in db.execute("SELECT DISTINCT encoding FROM segments ORDER BY encoding")]
    db.close()
    return found


def test_a_name_server_that_does_not_answer_does_not_hold_up_the_answer():
    home = Home({"connection.host": "models.example", "connection.port": 1234})
    with silent_name_server(home) as server:
        ran = home.opta("doctor").expect(1)
        server.recv(512)
    check(ran.seconds < 7, f"expected an answer when the model server's 3 s are over, it took {ran.seconds:.1f} s")
    check_in("what doctor says", "✗ unreachable", ran.text)


def test_a_healthy_daemon_is_five_lines_and_exit_0():
    home, demo, daemon = stack({"model.default": None})
    ran = home.opta("doctor").expect(0)
    lines = lines_of(ran.text)
    check_equal("the names of the checks", list(lines), ["daemon", "LMX", "model", "config", "permissions"])
    check_equal("the daemon's line", lines["daemon"], f"running (pid {daemon.pid}, port {daemon.port})")
    check_equal("LMX", lines["LMX"], f"reachable (127.0.0.1:{demo.port})")
    check(lines["model"].startswith("loaded ("), f"expected the loaded model's name, got {lines['model']!r}")
    check_equal("config", lines["config"], "valid")
    check_equal("permissions", lines["permissions"], "ok")
    check_equal("the end", ran.text.splitlines()[-2:], ["", "All checks passed."])


def test_a_check_that_fails_names_its_mending_and_the_exit_is_1():
    home, _, _ = stack(demo=None)
    ran = home.opta("doctor").expect(1)
    lines = lines_of(ran.text)
    check_in("LMX", "unreachable (", lines["LMX"])
    check_in("the mending", "opta config set connection.host", ran.text)
    check("All checks passed" not in ran.text, f"expected no praise, got {ran.text!r}")


def test_json_is_one_document():
    home, _, daemon = stack()
    found = json.loads(home.opta("doctor", "--json").expect(0).out)
    names = [one["name"] for one in found["checks"]]
    for name in ("daemon", "LMX", "model", "config", "permissions", "sandbox", "disk", "database", "clock", "file modes"):
        check_in("the checks", name, names)
    check(all(isinstance(one["ok"], bool) and one["text"] for one in found["checks"]), f"expected ok and text, got {found!r}")


def test_fix_mends_a_stale_state_file():
    home, demo, daemon = stack()
    daemon.kill(9)
    ran = home.opta("doctor", "--fix")
    check_in("the report", "state.json", ran.text)
    check(home.state()["token"] != daemon.token, f"expected no token of a dead daemon, got {home.state()!r}")
    home.opta("daemon", "status").expect(0)


def test_fix_sets_a_damaged_config_aside_and_keeps_it():
    home = Home()
    with open(home.config_path, "w", encoding="utf-8") as file:
        file.write('{"connection": oops')
    ran = home.opta("doctor").expect(1)
    check_in("the config line", "config.json", ran.text)
    check(os.path.exists(home.config_path), "expected doctor without --fix to change nothing")
    home.opta("doctor", "--fix")
    check_equal("what was set aside", slurp(home.config_path + ".bad"), b'{"connection": oops')
    check_equal("config after the mending", lines_of(home.opta("doctor").text)["config"], "valid")


def test_fix_makes_files_private_again():
    home, _, daemon = stack()
    os.chmod(home.log_path, 0o644)
    home.opta("doctor").expect(1)
    home.opta("doctor", "--fix").expect(0)
    check_equal("the mode of the log", os.stat(home.log_path).st_mode & 0o777, 0o600)
    home.opta("doctor").expect(0)


def test_fix_saves_what_a_damaged_database_holds():
    home, demo, daemon = stack()
    sid = daemon.create()["id"]
    for i in range(30):
        daemon.run_turn(sid, f"demo:tokens=500 turn number {i}")
    path = os.path.join(home.dir, "sessions", "opta.db")
    wait_for(lambda: encodings(path) == [1], 10, "all turns to be packed")
    whole = len(daemon.session(sid)["messages"])
    daemon.stop()
    whole_file = slurp(path)
    events = [at for at in range(0, len(whole_file), 4096) if ZSTD_MAGIC in whole_file[at:at + 4096]]
    check(len(events) > 4, f"expected a database with some pages of events, got {len(events)}")
    with open(path, "r+b") as file:
        file.seek(events[len(events) // 2])
        file.write(b"\xa5" * 4096)
    if home.opta("doctor").code == 0:
        raise AssertionError("expected doctor to see a page of garbage in the database")
    ran = home.opta("doctor", "--fix")
    check_in("the report", "rows of the database", ran.text)
    aside = [name for name in os.listdir(os.path.dirname(path)) if "opta.db" in name and ("bad" in name or "damaged" in name)]
    check(aside, f"expected the damaged database to be kept, found {os.listdir(os.path.dirname(path))}")
    home.opta("daemon", "stop").expect(0)       # --fix starts the daemon again
    again = Daemon(home)
    left = len(again.session(sid)["messages"])
    check(left >= whole // 2, f"expected most of {whole} messages to be saved, {left} are")
    # What was lost has its numbers still: the log is whole, and it goes on.
    again.run_turn(sid, "goes on")
    events = again.events(sid)
    check_equal("the numbers", [e["seq"] for e in events], list(range(1, len(events) + 1)))
    check_equal("the last", events[-1]["event"], "turn.done")
    check([e for e in events if e["event"] == "session.lost"], "expected a word about what was lost")


def test_a_damaged_event_ends_the_answer_and_is_mended():
    home, demo, daemon = stack()
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "hello")
    last = daemon.events(sid)[-1]["seq"]
    daemon.stop()
    path = os.path.join(home.dir, "sessions", "opta.db")
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO rules VALUES(1, 'write_file', '*', 'allow'), (7, 'write_file', '*', 'allow')")
        db.execute("UPDATE segments SET bytes = substr(bytes, 1, length(bytes) - 1) WHERE id = (SELECT max(id) FROM segments)")
    db.close()
    daemon = Daemon(home)
    # The answer is cut short at once: nobody waits for what will never come.
    try:
        daemon.events(sid)
    except Gone:
        pass
    else:
        raise AssertionError("expected the answer to be cut short")
    check_equal("the daemon lives", daemon.http("GET", "/v3/health").status, 200)
    wait_for(lambda: "cannot be read" in home.log(), 5, "a line in the log")
    daemon.stop()
    check_in("doctor", "not whole", home.opta("doctor", "--verbose").text)
    check_in("the report", "are lost", home.opta("doctor", "--fix").text)
    home.opta("daemon", "stop").expect(0)
    daemon = Daemon(home)
    events = daemon.events(sid)
    check_equal("the numbers", [e["seq"] for e in events], list(range(1, last + 1)))
    check_equal("the last", events[-1]["event"], "session.lost")
    with sqlite3.connect(path) as db:
        rules = db.execute("SELECT session, tool, match, decision FROM rules").fetchall()
    db.close()
    check_equal("the remembered decisions of sessions that are", rules, [(1, "write_file", "*", "allow")])


def test_fix_leaves_the_database_of_a_running_daemon_alone():
    home, _, daemon = stack()
    before = daemon.create()["id"]
    home.opta("doctor", "--fix").expect(0)
    check_equal("the session", daemon.session(before)["id"], before)


def test_a_daemon_of_another_contract_is_named():
    home, _, daemon = stack()
    state = json.loads(slurp(home.state_path))
    state["contract"] = {"name": "opta-daemon", "version": 99} if isinstance(state.get("contract"), dict) else state.get("contract")
    if not isinstance(state["contract"], dict):
        raise AssertionError(f"expected state.json to name its contract, got {list(state)}")
    with open(home.state_path, "w", encoding="utf-8") as file:
        json.dump(state, file)
    ran = home.opta("do", "hello").expect((1, 4))
    check_in("what is said", "99", ran.errors)
    check_in("what is said", "opta daemon restart", ran.errors)
