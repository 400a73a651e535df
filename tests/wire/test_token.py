"""Where the token is, and what it and an id are worth: what test_authority.py and test_auth.py do not look at."""
import os
import re
import sqlite3

from opta_test import Daemon, WebSocket, Refused, check, check_equal, descendants, http, stack, stop_event, wait_for
from tools import Bench


def regions(pid):
    """The readable memory of a process, piece by piece."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            where, mode, *rest = line.split()
            if "r" not in mode or (rest and rest[-1] in ("[vvar]", "[vsyscall]")):
                continue
            begin, end = (int(part, 16) for part in where.split("-"))
            try:
                memory.seek(begin)
                yield memory.read(min(end - begin, 256 << 20))
            except (OSError, ValueError, OverflowError):
                continue


def test_the_token_is_in_state_json_and_nowhere_else():
    bench = Bench({"daemon.logLevel": "debug"})
    daemon, home = bench.daemon, bench.home
    token = daemon.token.encode()
    sid = bench.session()
    # Used in every way there is, and wrong ones as well.
    daemon.http("GET", f"/v3/sessions/{sid}").expect(200)
    http(daemon.port, "GET", "/v3/sessions", token=daemon.token[:-1]).expect(401)
    daemon.ws(sid, 0).close()
    with daemon.sse(sid, 0) as sse:
        sse.recv()
    home.opta("do", "say hello").expect(0)
    home.opta("status").expect(0)
    bench.run("sleep 0.05")
    checked = 0
    for pid in [daemon.pid, *descendants(daemon.pid)]:
        for name in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{name}", "rb") as file:
                check(token not in file.read(), f"the token is in {name} of process {pid}")
                checked += 1
    check(checked >= 4, "expected a tool host to be looked at, too")
    found = []
    for path, _, files in os.walk(home.root):
        for file in files:
            whole = os.path.join(path, file)
            if os.path.isfile(whole) and not os.path.islink(whole):
                with open(whole, "rb") as content:
                    if token in content.read():
                        found.append(os.path.relpath(whole, home.dir))
    check_equal("files with the token", found, ["daemon/state.json"])
    check_equal("the mode of that file", os.stat(home.state_path).st_mode & 0o777, 0o600)
    check(all(token not in event for event in daemon.raw_events(sid)), "the token is in an event")


def test_the_processes_of_tools_never_had_the_token_in_memory():
    """They come from an exec, not from a fork of the daemon."""
    bench = Bench()
    sid = bench.session()
    turn = bench.daemon.submit(sid, 'demo:tool=run_command demo:args={"command":"touch\\u0020here;sleep\\u002030"}', overrides={"dangerous": True})
    wait_for(lambda: os.path.exists(bench.path("here")), 10, "the command to run")
    looked_at = 0
    token = bench.daemon.token.encode()
    check(any(token in piece for piece in regions(bench.daemon.pid)), "expected the daemon itself to have it: else nothing is tested")
    for pid in descendants(bench.daemon.pid):
        try:
            for piece in regions(pid):
                check(token not in piece, f"the token is in the memory of process {pid}")
                looked_at += len(piece)
        except PermissionError:
            continue                                    # it forbade to be looked at, as an ordinary user
    check(looked_at or os.getuid() != 0, "expected some memory to be looked at")
    bench.daemon.http("POST", f"/v3/sessions/{sid}/cancel", {}).expect(200)
    bench.daemon.wait_stop(sid, turn)


def test_an_old_token_is_refused_at_once_by_every_way():
    home, _, daemon = stack()
    sid = daemon.create()["id"]
    old = daemon.token
    daemon.stop()
    daemon = Daemon(home)
    check(daemon.token != old, "expected a new token at each start")
    for path in ("/v3/sessions", f"/v3/sessions/{sid}/events?afterSeq=0", "/v3/metrics", f"/v3/sse/events?sessionId={sid}&token={old}"):
        http(daemon.port, "GET", path, token=old).expect(401)
    try:
        WebSocket(daemon.port, sid, 0, token=old)
    except Refused:
        return
    raise AssertionError("expected the WebSocket to be refused")


def test_replay_is_authorised_like_live():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    stop_event(daemon.run_turn(sid, "demo:tokens=5"), "turn.done")
    for path in (f"/v3/sessions/{sid}/events?afterSeq=0", f"/v3/sse/events?sessionId={sid}&afterSeq=0", f"/v3/sessions/{sid}", "/v3/search?q=w1",
                 f"/v3/sessions/{sid}/export", "/v3/permissions", "/v3/background"):
        for token in (None, "opta_dk_" + "0" * 64):
            answer = http(daemon.port, "GET", path, token=token)
            check_equal(f"status of {path}", answer.status, 401)
            check(b"w1" not in answer.body, f"{path} told something of the session: {answer.body[:200]!r}")


def test_an_id_of_one_session_opens_nothing_of_another():
    bench = Bench()
    one, other = bench.session(), bench.session()
    turn = bench.daemon.submit(one, 'demo:tool=write_file demo:args={"path":"a","content":"x"}')
    asked = bench.asked(one, turn)
    check_equal("resolved through the other session", bench.answer(other, asked["requestId"]).status, 404)
    check_equal("cancelled through the other session", bench.daemon.http("POST", f"/v3/sessions/{other}/cancel", {"turnId": turn}).json()["cancelled"], 0)
    check(not os.path.exists(bench.path("a")), "expected nothing to be written")
    bench.answer(one, asked["requestId"]).expect(200)
    stop_event(bench.daemon.turn_events(one, turn), "turn.done")
    # A name that is a way through a directory, a pattern or a statement is no session's.
    for name in ("..%2f" + one, one + "%00", one[:-1] + "%25", "*", "' OR 1=1 --", one.upper()):
        status = bench.daemon.http("GET", f"/v3/sessions/{name.replace(' ', '%20')}").status
        check(status in (400, 404), f"expected no session called {name!r}, got {status}")


def test_what_a_page_can_post_without_asking_is_refused():
    """A form, text/plain and friends: a browser sends them across sites without a preflight."""
    home, _, daemon = stack()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain; a=application/json"):
        for headers in ([("Origin", "http://evil.example")], [("Origin", "null")], [("Sec-Fetch-Site", "cross-site")],
                        [("Origin", f"http://127.0.0.1.evil.example:{daemon.port}")], [("Origin", "http://localhost.evil.example")],
                        [("Origin", f"http://evil.example#127.0.0.1:{daemon.port}")], [("Origin", "http://127.0.0.1@evil.example")]):
            answer = daemon.http("POST", "/v3/sessions", b'{"title":"forged"}', [("Content-Type", kind), *headers])
            check_equal(f"{kind} {headers}", answer.status, 403)
    with sqlite3.connect(os.path.join(home.dir, "sessions", "opta.db")) as db:
        check_equal("sessions", db.execute("SELECT count(*) FROM sessions").fetchone()[0], 0)
    db.close()
    check(not re.search("forged", home.log()), "expected no word of it in the log")
