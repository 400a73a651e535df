"""Permissions: who is asked what, who may answer, what is remembered, and that nothing runs unasked."""
import os
import threading
import time

from opta_test import Daemon, check, check_equal, only, stop_event, wait_for
from tools import Bench, call, holds, named, script

RUN = {"command": "echo ran >>ran.txt"}


def ran(bench):
    """How often the command of RUN ran."""
    return len(bench.read("ran.txt").split()) if os.path.exists(bench.path("ran.txt")) else 0


def test_reads_are_allowed_and_the_rest_is_asked():
    bench = Bench()
    bench.write("a", "x\n")
    for name, args in (("read_file", {"path": "a"}), ("list_dir", {}), ("find_files", {"pattern": "*"}), ("search_files", {"pattern": "x"})):
        bench.tool(name, **args)
    for name, args in (("write_file", {"path": "b", "content": "y"}), ("edit_file", {"path": "a", "old": "x", "new": "y"}),
                       ("multi_edit", {"path": "a", "edits": [{"old": "x", "new": "y"}]}), ("delete_file", {"path": "a"}),
                       ("run_command", RUN), ("bg_start", RUN)):
        events = bench.turn(call(name, **args), allow=False)
        check_equal(f"what was asked before {name}", [p["toolName"] for p in named(events, "permission.request")], [name])
        end = named(events, "tool.end")[0]
        check_equal("ok", end["ok"], False)
        holds("the denial", end["result"], "denied by the person")
    check_equal("the workspace", sorted(os.listdir(bench.ws)), ["a"])
    check_equal("the file", bench.read("a"), "x\n")


def test_a_request_shows_what_would_be_done():
    bench = Bench()
    bench.write("a", "one\ntwo\n")
    sid = bench.session()
    turn = bench.daemon.submit(sid, call("edit_file", path="a", old="two", new="2"))
    asked = bench.asked(sid, turn)
    check_equal("fields", list(asked), ["turnId", "requestId", "toolName", "args", "preview", "expiresAt", "callId"])
    check_equal("args", asked["args"], {"path": "a", "old": "two", "new": "2"})
    check_equal("preview", asked["preview"], "--- a\n+++ a\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n")
    check_equal("status", bench.daemon.session(sid)["status"], "waiting_permission")
    item = {**asked, "sessionId": sid}
    for path in (f"/v3/sessions/{sid}/permissions", "/v3/permissions"):
        pending = bench.daemon.http("GET", path).expect(200).json()["pending"]
        check_equal("createdAt", pending[0].pop("createdAt")[-1:], "Z")
        check_equal(f"pending of {path}", pending, [item])
    bench.answer(sid, asked["requestId"], decidedBy="me").expect(200)
    events = bench.daemon.turn_events(sid, turn)
    check_equal("resolved", only(events, "permission.resolved")[0]["payload"],
                {"turnId": turn, "requestId": asked["requestId"], "decision": "allow", "decidedBy": "me", "reason": "client", "callId": asked["callId"]})
    check_equal("pending after", bench.daemon.http("GET", "/v3/permissions").json(), {"pending": []})
    seqs = {e["event"]: e["seq"] for e in events}
    check(seqs["tool.start"] < seqs["permission.request"] < seqs["permission.resolved"] < seqs["tool.end"], f"the order is {seqs!r}")


def test_both_names_of_the_route_and_the_websocket_answer():
    bench = Bench()
    for how in ("resolve", "permissions", "ws"):
        sid = bench.session()
        turn = bench.daemon.submit(sid, call("run_command", **RUN))
        rid = bench.asked(sid, turn)["requestId"]
        if how == "resolve":
            check_equal("answer", bench.answer(sid, rid).expect(200).json(), {"ok": True, "conflict": False})
        elif how == "permissions":
            body = {"requestId": rid, "decision": "allow"}
            bench.daemon.http("POST", f"/v3/sessions/{sid}/permissions/{rid}", body).expect(200)
        else:
            client = bench.daemon.ws(sid, 0)
            client.send_json({"type": "permission.resolve", "sessionId": sid, "requestId": rid, "decision": "allow", "decidedBy": "w"})
            check_equal("ack", client.recv_ack("permission.resolve")["result"], {"ok": True, "conflict": False})
        stop_event(bench.daemon.turn_events(sid, turn), "turn.done")
    check_equal("runs", ran(bench), 3)


def test_bad_and_late_answers_are_told_so():
    bench = Bench()
    sid, other = bench.session(), bench.session()
    turn = bench.daemon.submit(sid, call("run_command", **RUN))
    rid = bench.asked(sid, turn)["requestId"]
    bench.answer(sid, rid, "maybe").expect(400, "INVALID_REQUEST")
    check_equal("unknown request", bench.answer(sid, "perm_0000").expect(404).json()["conflict"], False)
    bench.answer(other, rid).expect(404)            # another session's
    bench.daemon.http("POST", f"/v3/sessions/none/permissions/{rid}", {"decision": "allow"}).expect(404, "SESSION_NOT_FOUND")
    bench.answer(sid, rid, "deny", decidedBy="first").expect(200)
    late = bench.answer(sid, rid, "allow", decidedBy="second").expect(409).json()
    check_equal("late", {k: late[k] for k in ("ok", "conflict", "decision", "decidedBy")},
                {"ok": False, "conflict": True, "decision": "deny", "decidedBy": "first"})
    bench.daemon.wait_stop(sid, turn)
    check_equal("late, after the turn", bench.answer(sid, rid).expect(409).json()["decidedBy"], "first")
    check_equal("runs", ran(bench), 0)


def test_64_clients_answer_at_once_and_one_decides():
    bench = Bench({"model.contextTokens": 10000000})
    rounds, clients = 200, 64
    sid = bench.session()
    turn = bench.daemon.submit(sid, call("ask_user", question="which?") + " demo:loop", overrides={"maxToolCalls": rounds})
    go, results, after = [threading.Barrier(clients + 1) for _ in range(2)], [None] * clients, 0
    rid = [None]

    def client(i):
        for _ in range(rounds):
            go[0].wait()
            results[i] = bench.answer(sid, rid[0], "allow" if i % 2 else "deny", decidedBy=f"c{i}").status
            go[1].wait()

    threads = [threading.Thread(target=client, args=(i,), daemon=True) for i in range(clients)]
    for thread in threads:
        thread.start()
    for n in range(rounds):
        event = bench.daemon.wait_event(sid, lambda e: e["event"] == "permission.request", 10, "the next request", after)
        after, rid[0] = event["seq"], event["payload"]["requestId"]
        go[0].wait()
        go[1].wait()
        check_equal(f"answers of round {n}", (results.count(200), results.count(409)), (1, clients - 1))
    for thread in threads:
        thread.join()
    events = bench.daemon.turn_events(sid, turn, 30)
    check_equal("decisions", len(only(events, "permission.resolved")), rounds)


test_64_clients_answer_at_once_and_one_decides.timeout = 240


def test_remember_holds_for_this_session_this_tool_and_for_commands_this_string():
    bench = Bench()
    bench.write("a", "1")
    sid = bench.session()

    def ask(name, answer=None, who=sid, **args):
        turn = bench.daemon.submit(who, call(name, **args))
        if answer:
            bench.answer(who, bench.asked(who, turn)["requestId"], answer, remember=True).expect(200)
        return [p["toolName"] for p in named(bench.daemon.turn_events(who, turn), "permission.request")]

    check_equal("first", ask("run_command", "allow", **RUN), ["run_command"])
    check_equal("the same command", ask("run_command", **RUN), [])
    check_equal("another one", ask("run_command", "deny", command="echo ran >>ran.txt; true"), ["run_command"])
    check_equal("a denied one again", ask("run_command", command="echo ran >>ran.txt; true"), [])
    check_equal("elsewhere", ask("run_command", "deny", command=RUN["command"], cwd=".."), ["run_command"])
    check_equal("an edit", ask("edit_file", "allow", path="a", old="1", new="2"), ["edit_file"])
    check_equal("another edit", ask("edit_file", path="a", old="2", new="3"), [])
    check_equal("in another session", ask("edit_file", "deny", bench.session(), path="a", old="3", new="4"), ["edit_file"])
    check_equal("runs", ran(bench), 2)
    bench.daemon.stop()
    bench.daemon = Daemon(bench.home)
    check_equal("after a restart", ask("run_command", **RUN), [])
    check_equal("runs", ran(bench), 3)


def test_nobody_answers_and_the_request_is_denied():
    bench = Bench({"daemon.permissionTimeoutMs": 300})
    sid = bench.session()
    turn = bench.daemon.submit(sid, call("run_command", **RUN))
    events = bench.daemon.turn_events(sid, turn)
    stop_event(events, "turn.done")
    resolved = only(events, "permission.resolved")[0]["payload"]
    check_equal("decision, reason", (resolved["decision"], resolved["reason"]), ("deny", "timeout"))
    holds("what the model hears", only(events, "tool.end")[0]["payload"]["result"], "nobody answered in time")
    holds("the log", bench.home.log(), f"WARN  permission request {resolved['requestId']} timed out (300ms), auto-denying")
    check_equal("a late answer", bench.answer(sid, resolved["requestId"]).expect(409).json()["decision"], "deny")
    check_equal("runs", ran(bench), 0)


def test_cancel_frees_a_turn_that_asks_with_nobody_attached():
    bench = Bench()
    sid = bench.session()
    turn = bench.daemon.submit(sid, call("run_command", **RUN) + " demo:calls=3")
    rid = bench.asked(sid, turn)["requestId"]
    queued = bench.daemon.submit(sid, "demo:tokens=1")
    begun = time.monotonic()
    bench.daemon.http("POST", f"/v3/sessions/{sid}/cancel", {"turnId": turn}).expect(200)
    check(time.monotonic() - begun < 1, "the cancel took too long")
    events = bench.daemon.turn_events(sid, turn)
    stop_event(events, "session.cancelled")
    resolved = only(events, "permission.resolved")
    check_equal("reason", [e["payload"]["reason"] for e in resolved], ["cancelled"])
    check(resolved[0]["seq"] < events[-1]["seq"], "the request was closed after the turn")
    check_equal("a late answer", bench.answer(sid, rid).expect(409).json()["decision"], "deny")
    stop_event(bench.daemon.turn_events(sid, queued), "turn.done")
    check_equal("runs", ran(bench), 0)


def test_modes_settings_and_overrides_decide():
    bench = Bench({"permissions.read_file": "deny", "permissions.write_file": "allow"})
    bench.write("a", "x")
    for mode in ("plan", "review", "research"):
        for name, args in (("write_file", {"path": "b", "content": "y"}), ("run_command", RUN), ("delete_file", {"path": "a"}), ("bg_start", RUN)):
            holds(f"{name} in {mode}", bench.tool(name, mode=mode, **args)["result"], f"in mode {mode} nothing is changed")
    holds("denied by a setting", bench.tool("read_file", path="a", overrides={"dangerous": True})["result"], "permissions.read_file denies it")
    check_equal("allowed by a setting", bench.tool("write_file", path="b", content="y")["ok"], True)
    check_equal("an edit under auto", bench.tool("edit_file", overrides={"auto": True}, path="a", old="x", new="z")["ok"], True)
    # what is in a file that may not be read is not told by other means
    bench.write("secret", "a secret word\n")
    holds("a search", bench.tool("search_files", pattern="secret")["result"], "permissions.read_file denies it")
    told = {bench.tool("edit_file", overrides={"auto": True}, path="secret", old=old, new="z")["result"] for old in ("e", "missing", "r", "secret\nx")}
    check_equal("what edits that fail tell", len(told), 1)
    check("word" not in bench.tool("edit_file", overrides={"auto": True}, path="secret", old="secret", new="z")["result"], "an edit showed the line")
    check_equal("a command under auto", bench.tool("run_command", allow=False, overrides={"auto": True}, **RUN)["ok"], False)
    check_equal("a delete under auto", bench.tool("delete_file", allow=False, overrides={"auto": True}, path="a")["ok"], False)
    check_equal("a command under dangerous", bench.tool("run_command", overrides={"dangerous": True}, **RUN)["ok"], True)
    holds("nobody there", bench.tool("edit_file", overrides={"nonInteractive": True}, path="a", old="z", new="q")["result"],
          "`opta config set permissions.edit_file allow`")
    bench.daemon.post_turn(bench.session(), "x", overrides={"auto": "yes"}).expect(400, "INVALID_REQUEST")
    check_equal("tools offered: all but the denied one and, with nobody there, questions", bench.demo.requests()[-1]["tools"], 12)
    bench.turn("demo:tokens=1", mode="plan")
    check_equal("tools offered in mode plan", bench.demo.requests()[-1]["tools"], 6)


def test_a_path_outside_the_workspace_is_asked_for_by_name():
    bench = Bench({"permissions.read_file": "allow", "permissions.edit_file": "allow"})
    # Not beside opta's own directory: without namespaces what holds that one cannot be written.
    os.mkdir(os.path.join(bench.home.root, "elsewhere"))
    outside = os.path.join(bench.home.root, "elsewhere", "outside.txt")
    for path in (outside, "../elsewhere/outside.txt", "sub/../../elsewhere/outside.txt"):
        with open(outside, "w", encoding="utf-8") as file:
            file.write("before\n")
        events = bench.turn(call("edit_file", path=path, old="before", new="after"), allow=False)
        holds("the preview", named(events, "permission.request")[0]["preview"], f"OUTSIDE THE WORKSPACE: {outside}")
        with open(outside, encoding="utf-8") as file:
            check_equal("denied", file.read(), "before\n")
        check_equal("allowed", bench.tool("edit_file", allow=True, path=path, old="before", new="after")["ok"], True)
        with open(outside, encoding="utf-8") as file:
            check_equal("the file", file.read(), "after\n")
    check_equal("read", bench.tool("read_file", allow=True, path=outside)["result"], "     1\tafter\n")
    # what a person allowed for one path says nothing of opta's own files
    check_equal("opta's own", bench.tool("read_file", allow=True, path=bench.home.state_path)["ok"], False)


def test_a_file_that_changed_since_it_was_shown_is_shown_again():
    bench = Bench()
    bench.write("a", "one\n")
    sid = bench.session()
    turn = bench.daemon.submit(sid, call("write_file", path="a", content="two\n"))
    first = bench.daemon.wait_event(sid, "permission.request")
    bench.write("a", "somebody else\n")
    bench.answer(sid, first["payload"]["requestId"]).expect(200)
    second = bench.daemon.wait_event(sid, "permission.request", after=first["seq"])
    holds("the new preview", second["payload"]["preview"], "-somebody else")
    check_equal("the file meanwhile", bench.read("a"), "somebody else\n")
    bench.answer(sid, second["payload"]["requestId"]).expect(200)
    stop_event(bench.daemon.turn_events(sid, turn), "turn.done")
    check_equal("the file", bench.read("a"), "two\n")


def test_the_model_may_ask_the_person():
    bench = Bench()
    sid = bench.session(workspace=None)
    turn = bench.daemon.submit(sid, call("ask_user", question="Tabs or blanks?", options=["tabs", "blanks"]))
    asked = bench.asked(sid, turn)
    check_equal("preview", asked["preview"], "Tabs or blanks?\n  1. tabs\n  2. blanks")
    bench.answer(sid, asked["requestId"], answer="tabs, of course").expect(200)
    end = named(bench.daemon.turn_events(sid, turn), "tool.end")[0]
    check_equal("result, ok", (end["result"], end["ok"]), ("tabs, of course", True))
    holds("with nobody there", bench.tool("ask_user", sid=sid, question="x", overrides={"nonInteractive": True})["result"], "nobody is there")


def test_a_waiting_request_keeps_no_finished_call_from_telling():
    bench = Bench()
    bench.write("a", "x\n")
    sid = bench.session()
    turn = bench.daemon.submit(sid, script(("read_file", {"path": "a"}), ("run_command", RUN)))
    bench.asked(sid, turn)
    check_equal("ends so far", len([e for e in bench.daemon.events(sid) if e["event"] == "tool.end"]), 1)
    bench.daemon.http("POST", f"/v3/sessions/{sid}/cancel", {}).expect(200)
    bench.daemon.wait_stop(sid, turn)


def test_a_kill_while_asking_runs_nothing_and_denies():
    bench = Bench()
    for _ in range(5):
        sid = bench.session()
        turn = bench.daemon.submit(sid, call("run_command", **RUN))
        rid = bench.asked(sid, turn)["requestId"]
        bench.daemon.kill(9)
        bench.daemon = Daemon(bench.home)
        events = bench.daemon.turn_events(sid, turn)
        stop_event(events, "turn.error", "interrupted")
        resolved = only(events, "permission.resolved")
        check_equal("resolved", [(e["payload"]["requestId"], e["payload"]["decision"], e["payload"]["reason"]) for e in resolved],
                    [(rid, "deny", "restart")])
        check_equal("ends of calls", len(only(events, "tool.end")), 1)
        check_equal("pending", bench.daemon.http("GET", "/v3/permissions").json()["pending"], [])
        check_equal("a late answer", bench.answer(sid, rid).expect(409).json()["decision"], "deny")
        roles = [m["role"] for m in bench.daemon.session(sid)["messages"]]
        check_equal("history", roles, ["user", "assistant", "tool"])
    check_equal("runs", ran(bench), 0)


def test_a_kill_right_after_the_decision_never_runs_it_twice_or_unasked():
    bench = Bench()
    outcomes = {0: 0, 1: 0}
    # How long it takes from the answer to the run, in a daemon that has not run a tool yet.
    begun = time.monotonic()
    bench.tool("run_command", allow=True, **RUN)
    whole = time.monotonic() - begun
    bench.daemon.kill(9)
    bench.daemon = Daemon(bench.home)
    for n in range(25):
        command = f"echo ran >>ran-{n}.txt"
        sid = bench.session()
        turn = bench.daemon.submit(sid, call("run_command", command=command))
        rid = bench.asked(sid, turn)["requestId"]
        killer = threading.Timer(n / 25 * 2 * whole, bench.daemon.kill, (9,))
        killer.start()
        decided = None
        try:
            decided = bench.answer(sid, rid).status
        except Exception:           # the daemon died before it answered
            pass
        killer.join()
        bench.daemon = Daemon(bench.home)
        path = bench.path(f"ran-{n}.txt")
        runs = len(bench.read(f"ran-{n}.txt").split()) if os.path.exists(path) else 0
        events = bench.daemon.turn_events(sid, turn)
        resolved = only(events, "permission.resolved")
        check_equal("decisions in the log", len(resolved), 1)
        allowed = resolved[0]["payload"]["decision"] == "allow"
        check(runs <= 1, f"it ran {runs} times")
        check(allowed or not runs, "it ran without a decision in the log")
        check(decided != 200 or allowed, "an answer that was confirmed is not in the log")
        outcomes[runs] += 1
    check(outcomes[0] and outcomes[1], f"the kills were not spread over both sides of the run: {outcomes!r}")


test_a_kill_right_after_the_decision_never_runs_it_twice_or_unasked.timeout = 120


def test_a_stop_of_the_daemon_ends_a_turn_that_asks():
    bench = Bench({"daemon.shutdownGraceMs": 200})
    sid = bench.session()
    turn = bench.daemon.submit(sid, call("run_command", **RUN))
    bench.asked(sid, turn)
    bench.daemon.stop()
    bench.daemon = Daemon(bench.home)
    events = bench.daemon.turn_events(sid, turn)
    stop_event(events, "turn.error", "interrupted")
    check_equal("resolved", [e["payload"]["decision"] for e in only(events, "permission.resolved")], ["deny"])
    check_equal("runs", ran(bench), 0)


def test_a_session_with_an_open_request_is_not_deleted():
    bench = Bench()
    sid = bench.session()
    turn = bench.daemon.submit(sid, call("run_command", **RUN))
    bench.asked(sid, turn)
    bench.daemon.http("DELETE", f"/v3/sessions/{sid}").expect(409, "CONFLICT")
    bench.daemon.http("POST", f"/v3/sessions/{sid}/cancel", {}).expect(200)
    wait_for(lambda: bench.daemon.http("DELETE", f"/v3/sessions/{sid}").status == 200, 5, "the session to be deleted")
