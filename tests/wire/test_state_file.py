"""state.json, the locks, the paths, and what damage to them may do: nothing to a session, and never a second daemon."""
import json
import os
import re
import shutil
import signal
import stat

from opta_test import Daemon, Home, SLOW, alive, check, check_equal, check_in, descendants, http, send, wait_for

KEYS = {"pid", "daemonId", "host", "port", "token", "startedAt", "logsPath", "version", "contract"}


def mode_of(path):
    return oct(stat.S_IMODE(os.lstat(path).st_mode))


def damage(home, content):
    with open(home.state_path, "wb") as file:
        file.write(content)


def status_line(home):
    ran = home.opta("daemon", "status")
    return ran.code, ran.text


def test_state_json_has_the_documented_fields():
    home = Home()
    daemon = Daemon(home)
    with open(home.state_path, encoding="utf-8") as file:
        state = json.load(file)
    check(KEYS <= set(state), f"expected the fields {sorted(KEYS)}, missing {sorted(KEYS - set(state))}")
    health = daemon.http("GET", "/v3/health").json()
    check_equal("daemonId in state.json", state["daemonId"], health["daemonId"])
    check_equal("version in state.json", state["version"], health["version"])
    check_equal("host in state.json", state["host"], "127.0.0.1")
    check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", state["startedAt"]), f"startedAt is not ISO 8601 UTC with ms: {state['startedAt']!r}")


def test_the_token_is_256_random_bits_with_its_prefix():
    home = Home()
    token = Daemon(home).token
    check(token.startswith("opta_dk_"), f"expected the prefix opta_dk_, got {token[:8]!r}")
    rest = token[len("opta_dk_"):]
    check(re.fullmatch(r"[A-Za-z0-9_-]{43,}", rest), f"expected at least 256 bits of text after the prefix, got {len(rest)} characters")


def test_state_json_is_0600_in_a_0700_directory_whatever_the_umask():
    old = os.umask(0)
    try:
        home = Home()
        Daemon(home)
    finally:
        os.umask(old)
    check_equal("mode of state.json", mode_of(home.state_path), "0o600")
    check_equal("mode of daemon/", mode_of(os.path.dirname(home.state_path)), "0o700")


def test_no_temporary_file_is_left_beside_state_json():
    home = Home()
    Daemon(home)
    names = os.listdir(os.path.dirname(home.state_path))
    odd = [n for n in names if "tmp" in n.lower() or n.startswith("state.json.")]
    check_equal("temporary files beside state.json", odd, [])


def test_status_with_a_corrupt_state_file_and_no_daemon_is_stopped():
    for content in (b"", b"{", b"\0" * 100, b"[]", b"null", b'{"pid":"x"}', b'{"pid":-1,"port":0,"token":1}', b"\xff\xfe{}", b"{" * 100000,
                    b" " * (5 << 20)):
        home = Home()
        os.makedirs(os.path.dirname(home.state_path), mode=0o700)
        damage(home, content)
        check_equal(f"status with the state file {content[:20]!r}", status_line(home), (3, "daemon  stopped\n"))


def test_start_replaces_a_corrupt_state_file():
    for content in (b"", b"{\"pid\":", b"\0\0\0"):
        home = Home()
        os.makedirs(os.path.dirname(home.state_path), mode=0o700)
        damage(home, content)
        home.opta("daemon", "start").expect(0)
        check(home.state().get("token"), "expected a fresh state.json after start")


def test_a_lost_or_damaged_state_file_is_written_again_by_its_owner():
    home = Home()
    daemon = Daemon(home)
    for break_it in (lambda: os.remove(home.state_path), lambda: damage(home, b"{"), lambda: damage(home, b"")):
        break_it()
        code, text = status_line(home)
        check_equal("exit code of status with a lost or damaged state file", code, 0)
        check_in("status with a lost or damaged state file", f"pid={daemon.pid} ", text)
        state = home.state()
        check_equal("pid, port and token written again", (state.get("pid"), state.get("port"), state.get("token")),
                    (daemon.pid, daemon.port, daemon.token))
        check_equal("mode of the file written again", mode_of(home.state_path), "0o600")


def test_sighup_writes_the_state_file_again():
    home = Home()
    daemon = Daemon(home)
    os.remove(home.state_path)
    send(daemon.pid, signal.SIGHUP)
    wait_for(lambda: home.state().get("token") == daemon.token, 5, "state.json after SIGHUP")


def test_start_with_a_lost_state_file_finds_the_running_daemon():
    home = Home()
    daemon = Daemon(home)
    os.remove(home.state_path)
    home.opta("daemon", "start").expect(0)
    check_equal("the daemon after `start` with a lost state file", home.state().get("pid"), daemon.pid)


def test_deleting_everything_under_daemon_never_brings_two_writers():
    home = Home()
    daemon = Daemon(home)
    sid = daemon.create(title="safe")["id"]
    for name in os.listdir(os.path.dirname(home.state_path)):
        os.remove(os.path.join(os.path.dirname(home.state_path), name))
    ran = home.opta("daemon", "start")
    check(ran.code >= 0, f"`daemon start` died of signal {-ran.code}")
    others = [pid for pid in descendants() if pid not in (daemon.pid, daemon.process.pid)]
    if alive(daemon.pid):
        check_equal("daemons besides the one that owns the sessions", others, [])
        check_equal("the owner still answers", daemon.http("GET", f"/v3/sessions/{sid}").status, 200)
    else:
        check_equal("the session in the new daemon", http(home.state()["port"], "GET", f"/v3/sessions/{sid}", token=home.state()["token"]).status, 200)


def test_deleting_the_daemon_directory_never_harms_a_session():
    home = Home()
    daemon = Daemon(home)
    sid = daemon.create(title="safe")["id"]
    before = daemon.raw_events(sid)
    daemon.stop()
    shutil.rmtree(os.path.dirname(home.state_path))
    check_equal("the events after daemon/ was deleted", Daemon(home).raw_events(sid), before)


def test_state_json_is_never_written_through_a_symlink():
    home = Home()
    victim = os.path.join(home.root, "victim")
    with open(victim, "w", encoding="utf-8") as file:
        file.write("mine")
    os.makedirs(os.path.dirname(home.state_path), mode=0o700)
    os.symlink(victim, home.state_path)
    ran = home.opta("daemon", "start")
    with open(victim, encoding="utf-8") as file:
        check_equal("the file the symlink points to", file.read(), "mine")
    if ran.code == 0:
        check(not os.path.islink(home.state_path), "expected a regular state.json in place of the symlink")
        check_equal("mode of state.json", mode_of(home.state_path), "0o600")


def test_an_unreadable_state_file_is_no_crash():
    home = Home()
    os.makedirs(home.state_path, mode=0o700)            # a directory in its place: unreadable for root as well
    code, text = status_line(home)
    check_equal("status with a directory in place of state.json", (code, text), (3, "daemon  stopped\n"))
    ran = home.opta("daemon", "start")
    check(ran.code >= 0, f"`daemon start` died of signal {-ran.code}")
    check(ran.code == 0 or ran.errors.strip(), "expected a failed start to say why")


def test_stop_never_signals_a_foreign_process():
    home = Home()
    victim = home.bystander()
    daemon = Daemon(home)
    state = home.state()
    daemon.kill()
    damage(home, json.dumps({**state, "pid": victim.pid}).encode())
    lock = os.path.join(os.path.dirname(home.state_path), "daemon.lock")
    with open(lock, "rb") as file:
        content = file.read()
    with open(lock, "wb") as file:
        file.write(content.replace(str(daemon.pid).encode(), str(victim.pid).encode()))
    ran = home.opta("daemon", "stop")
    check(ran.code >= 0, f"`daemon stop` died of signal {-ran.code}")
    check_equal("the foreign process after `daemon stop`", victim.poll(), None)
    check_equal("status while state.json names a foreign process", status_line(home), (3, "daemon  stopped\n"))
    home.opta("daemon", "restart")
    check_equal("the foreign process after `daemon restart`", victim.poll(), None)


def test_a_client_repairs_a_stale_state_file_by_itself():
    home = Home()
    daemon = Daemon(home)
    daemon.kill()
    home.opta("daemon", "start").expect(0)
    state = home.state()
    check(state["pid"] != daemon.pid and state["token"] != daemon.token, "expected a new daemon with a fresh token")


def test_paths_follow_home_and_xdg_config_home():
    home = Home(opta_home=False)
    daemon = Daemon(home)
    check_equal("state.json of a plain HOME is found", home.state().get("pid"), daemon.pid)
    check(os.path.isdir(os.path.join(home.home, ".config", "opta", "sessions")), "expected ~/.config/opta/sessions/")
    other = Home(opta_home=False)
    other.dir = os.path.join(other.root, "xdg", "opta")
    other.env["XDG_CONFIG_HOME"] = os.path.join(other.root, "xdg")
    other.write_config()
    check_equal("state.json below XDG_CONFIG_HOME is found", Daemon(other).pid, other.state().get("pid"))
    check(not os.path.exists(os.path.join(other.home, ".config", "opta", "daemon")), "expected nothing below ~/.config when XDG_CONFIG_HOME is set")


def test_opta_home_overrides_xdg_config_home():
    home = Home()
    home.env["XDG_CONFIG_HOME"] = os.path.join(home.root, "xdg")
    Daemon(home)
    check(not os.path.exists(os.path.join(home.root, "xdg", "opta")), "expected nothing below XDG_CONFIG_HOME when OPTA_HOME is set")


def test_a_damaged_config_file_is_no_crash_and_is_named():
    for content in (b"", b"{", b"[]", b"\xff\xfe", b"{" * 50000, b'{"daemon":{"maxSessions":"many"}}', b" " * (5 << 20)):
        home = Home()
        with open(home.config_path, "wb") as file:
            file.write(content)
        for args in (("config", "list"), ("daemon", "start")):
            ran = home.opta(*args)
            check(ran.code >= 0, f"`opta {' '.join(args)}` died of signal {-ran.code} with the config {content[:20]!r}")
            if ran.code:
                check(re.search(r"config|maxSessions", ran.errors + ran.text), f"expected the failure to name the config, got {ran.errors!r}")
        home.state()


def test_deadlines_hold_while_the_state_file_flickers():
    home = Home()
    daemon = Daemon(home)
    for _ in range(10):
        os.remove(home.state_path)
        ran = home.opta("daemon", "status", seconds=10)
        check_equal("exit code of status", ran.code, 0)
        check(ran.seconds < 5 * SLOW, f"expected status within 5 s, it took {ran.seconds:.1f} s")
    check(alive(daemon.pid), "expected the daemon to survive repeated SIGHUP")
