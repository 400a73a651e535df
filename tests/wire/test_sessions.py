"""Sessions: create, list, get, patch, delete, workspace, permissions."""
import os
import re
import sqlite3
import time
import urllib.parse

from opta_test import Daemon, Home, check, check_equal, check_in, stack, texts, wait_for
from tools import Bench, call, named

FIELDS = {"id", "sessionId", "model", "title", "createdAt", "updatedAt", "status", "activeTurnId", "queuedTurns", "turnCount", "messageCount",
          "toolCallCount", "writerCount", "lastSeq", "metadata"}
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def new_daemon(config=None):
    return Daemon(Home(config))


def test_a_new_session_has_every_field_of_the_snapshot():
    daemon = new_daemon()
    made = daemon.http("POST", "/v3/sessions", {"title": "Grüße ☃", "metadata": {"a": [1, {"b": None}]}}).expect(201).json()
    check_equal("missing fields", sorted(FIELDS - set(made)), [])
    check_equal("id and sessionId", made["id"], made["sessionId"])
    check(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", made["id"]), f"id {made['id']!r} does not match the documented form")
    check_equal("title", made["title"], "Grüße ☃")
    check_equal("metadata", made["metadata"], {"a": [1, {"b": None}]})
    check_equal("status, activeTurnId, queuedTurns, turnCount, messageCount, toolCallCount",
                (made["status"], made["activeTurnId"], made["queuedTurns"], made["turnCount"], made["messageCount"], made["toolCallCount"]),
                ("idle", None, 0, 0, 0, 0))
    check_equal("lastSeq", made["lastSeq"], 1)
    for key in ("createdAt", "updatedAt"):
        check(ISO.fullmatch(made[key]), f"{key} is not ISO 8601 UTC with milliseconds: {made[key]!r}")


def test_the_first_event_is_the_snapshot():
    daemon = new_daemon()
    made = daemon.create(title="one")
    events = daemon.events(made["id"])
    check_equal("event, seq and session of the first envelope", (events[0]["event"], events[0]["seq"], events[0]["sessionId"]),
                ("session.snapshot", 1, made["id"]))
    check_equal("snapshot.id", events[0]["payload"]["snapshot"]["id"], made["id"])
    check_equal("messages", events[0]["payload"]["messages"], [])


def test_a_session_id_may_be_chosen_and_twice_gives_the_same_session():
    daemon = new_daemon()
    first = daemon.http("POST", "/v3/sessions", {"sessionId": "My_own-1", "title": "first"}).expect(201).json()
    again = daemon.http("POST", "/v3/sessions", {"sessionId": "My_own-1", "title": "second"}).expect((200, 201)).json()
    check_equal("id", again["id"], "My_own-1")
    check_equal("title and createdAt of the existing session", (again["title"], again["createdAt"]), ("first", first["createdAt"]))
    check_equal("number of sessions", len(daemon.http("GET", "/v3/sessions").json()), 1)
    check_equal("number of events", len(daemon.events("My_own-1")), 1)


def test_bad_session_ids_get_400_that_names_the_field():
    daemon = new_daemon()
    for bad in ("", "a" * 65, "a b", "../x", "a/b", "ä", "a.b", 7, ["x"]):
        answer = daemon.http("POST", "/v3/sessions", {"sessionId": bad}).expect(400, "INVALID_REQUEST")
        check_in(f"details for the sessionId {bad!r}", "sessionId", str(answer.json().get("details")))
    check_equal("number of sessions", len(daemon.http("GET", "/v3/sessions").json()), 0)


def test_wrong_types_get_400_that_names_the_field():
    daemon = new_daemon()
    for field, value in (("title", 5), ("model", {}), ("messages", "x"), ("metadata", []), ("messages", [5]), ("messages", {"role": "user"})):
        answer = daemon.http("POST", "/v3/sessions", {field: value}).expect(400, "INVALID_REQUEST")
        check_in(f"details for {field}={value!r}", field, str(answer.json().get("details")))


def test_unknown_sessions_get_404_everywhere():
    daemon = new_daemon()
    for method, path, body in (("GET", "", None), ("PATCH", "", {"title": "x"}), ("DELETE", "", None), ("POST", "/turns", {"content": "x"}),
                               ("POST", "/cancel", {}), ("GET", "/events", None)):
        daemon.http(method, f"/v3/sessions/nobody{path}", body).expect(404, "SESSION_NOT_FOUND")


def test_messages_given_at_creation_are_kept():
    daemon = new_daemon()
    messages = [{"role": "user", "content": "hello\tthere  "}, {"role": "assistant", "content": "ünï\n\ncode"}]
    made = daemon.create(messages=messages)
    check_equal("messageCount", made["messageCount"], 2)
    got = daemon.session(made["id"])["messages"]
    check_equal("messages", [(m["role"], m["content"]) for m in got], [(m["role"], m["content"]) for m in messages])


def test_the_list_is_an_array_with_the_newest_first():
    daemon = new_daemon()
    check_equal("the empty list", daemon.http("GET", "/v3/sessions").expect(200).json(), [])
    made = []
    for i in range(4):
        made.append(daemon.create(title=f"t{i}"))
        begun = time.time()
        wait_for(lambda: time.time() > begun + 0.002, 2, "the next millisecond")
    got = daemon.http("GET", "/v3/sessions").json()
    check_equal("ids, newest first", [s["id"] for s in got], [s["id"] for s in reversed(made)])
    check_equal("missing fields of a listed session", sorted(FIELDS - set(got[0])), [])
    check_equal("limit=2", [s["id"] for s in daemon.http("GET", "/v3/sessions?limit=2").json()], [s["id"] for s in reversed(made)][:2])


def test_the_list_can_be_searched():
    daemon = new_daemon()
    for title in ("a red fox", "a blue whale", "100% wool", "under_score"):
        daemon.create(title=title)
    for query, want in (("whale", ["a blue whale"]), ("red%20fox", ["a red fox"]), ("nothing-like-it", []), ("%25", ["100% wool"])):
        got = [s["title"] for s in daemon.http("GET", f"/v3/sessions?q={query}").expect(200).json()]
        check_equal(f"sessions for q={query}", got, want)


def test_bad_list_queries_get_400():
    daemon = new_daemon()
    for query in ("limit=x", "limit=-1"):
        daemon.http("GET", f"/v3/sessions?{query}").expect(400, "INVALID_REQUEST")


def test_patch_changes_title_model_and_metadata_and_says_so_in_an_event():
    daemon = new_daemon()
    sid = daemon.create(title="old")["id"]
    got = daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": "new", "model": "m-2", "metadata": {"k": "v"}}).expect(200).json()
    check_equal("title and model", (got["title"], got["model"]), ("new", "m-2"))
    check_equal("metadata.k", got["metadata"].get("k"), "v")
    last = daemon.events(sid)[-1]
    check_equal("the event", (last["event"], last["seq"]), ("session.updated", 2))
    check_equal("title in the event", last["payload"]["snapshot"]["title"], "new")
    check_equal("title afterwards", daemon.session(sid)["title"], "new")
    daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": 3}).expect(400, "INVALID_REQUEST")
    check_equal("number of events after a refused patch", len(daemon.events(sid)), 2)


def test_delete_removes_the_session():
    daemon = new_daemon()
    sid = daemon.create()["id"]
    check_equal("answer", daemon.http("DELETE", f"/v3/sessions/{sid}").expect(200).json(), {"ok": True})
    daemon.http("GET", f"/v3/sessions/{sid}").expect(404, "SESSION_NOT_FOUND")
    daemon.http("GET", f"/v3/sessions/{sid}/events").expect(404, "SESSION_NOT_FOUND")
    daemon.http("DELETE", f"/v3/sessions/{sid}").expect(404, "SESSION_NOT_FOUND")
    check_equal("the list", daemon.http("GET", "/v3/sessions").json(), [])


def test_delete_is_refused_while_a_turn_is_active():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    turn = daemon.submit(sid, "demo:tokens=5 demo:hang=2")
    daemon.wait_event(sid, "turn.token")
    daemon.http("DELETE", f"/v3/sessions/{sid}").expect(409, "CONFLICT")
    daemon.http("POST", f"/v3/sessions/{sid}/cancel", {}).expect(200)
    daemon.wait_stop(sid, turn)
    wait_for(lambda: daemon.http("DELETE", f"/v3/sessions/{sid}").status == 200, 5, "DELETE to succeed after the cancel")


def test_a_workspace_that_is_a_path_must_be_an_existing_directory():
    daemon = new_daemon()
    home = daemon.home
    path = os.path.join(home.work, "file")
    with open(path, "w", encoding="utf-8") as file:
        file.write("x")
    check_equal("a good workspace", daemon.create(metadata={"workspace": home.work})["metadata"]["workspace"], home.work)
    for bad in (os.path.join(home.work, "missing"), path, "/" + "x" * 4000, 5, ["/"]):
        answer = daemon.http("POST", "/v3/sessions", {"metadata": {"workspace": bad}}).expect(400, "INVALID_REQUEST")
        check_in(f"details for the workspace {bad!r}", "workspace", str(answer.json().get("details")))
    sid = daemon.create()["id"]
    daemon.http("PATCH", f"/v3/sessions/{sid}", {"metadata": {"workspace": path}}).expect(400, "INVALID_REQUEST")


def test_a_workspace_that_is_no_path_is_kept_as_a_label():
    """Published clients send such; the session then has no directory."""
    bench = Bench()
    for label in ("default", "", "Workspace", "relative/dir", ".", "~", "C:\\work"):
        made = bench.daemon.http("POST", "/v3/sessions", {"metadata": {"workspace": label}}).expect(201).json()
        check_equal(f"the label {label!r}", made["metadata"]["workspace"], label)
        check_equal("as it is read", bench.daemon.session(made["id"])["metadata"]["workspace"], label)
    events = bench.turn(call("read_file", path="a.txt"), made["id"])
    check_in("what a tool says", "this session has no workspace", named(events, "tool.end")[0]["result"])
    sid = bench.session()
    bench.daemon.http("PATCH", f"/v3/sessions/{sid}", {"metadata": {"workspace": "a label"}}).expect(200)
    check_in("after a patch", "this session has no workspace", named(bench.turn(call("read_file", path="a.txt"), sid), "tool.end")[0]["result"])
    sent = bench.demo.requests()[-1]["messages"][0]["content"]
    check("a label" not in sent and "C:" not in sent, f"a label reached the model as a directory: {sent!r}")


def test_a_session_without_a_directory_uses_the_one_of_the_settings():
    bench = Bench()
    bench.write("a.txt", "found\n")
    bench.home.opta("config", "set", "daemon.defaultWorkspace", bench.ws).expect(0)
    for metadata in ({}, {"workspace": "default"}, {"workspace": ""}):
        sid = bench.daemon.create(metadata=metadata)["id"]
        events = bench.turn(call("read_file", path="a.txt"), sid)
        check_in(f"what a tool reads with {metadata}", "found", named(events, "tool.end")[0]["result"])
    other = os.path.join(bench.home.root, "other")
    os.mkdir(other)
    events = bench.turn(call("read_file", path="a.txt"), bench.session(other))
    check("found" not in named(events, "tool.end")[0]["result"], "a directory of its own was not used")
    bench.home.opta("config", "set", "daemon.defaultWorkspace", "relative").expect(1)
    bench.home.opta("config", "unset", "daemon.defaultWorkspace").expect(0)
    events = bench.turn(call("read_file", path="a.txt"), bench.daemon.create()["id"])
    check_in("without the setting", "no workspace", named(events, "tool.end")[0]["result"])


def test_a_workspace_is_where_its_links_led_when_the_session_was_made():
    bench = Bench()
    bench.write("a.txt", "the first\n")
    other, link = os.path.join(bench.home.root, "other"), os.path.join(bench.home.root, "link")
    os.mkdir(other)
    os.symlink(bench.ws, link)
    made = bench.daemon.create(metadata={"workspace": link + "/."})
    check_equal("the workspace", made["metadata"]["workspace"], os.path.realpath(bench.ws))
    os.unlink(link)
    os.symlink(other, link)
    events = bench.turn(call("read_file", path="a.txt"), made["id"])
    check_in("what a tool reads", "the first", named(events, "tool.end")[0]["result"])
    os.unlink(link)
    os.symlink(link, link)
    bench.daemon.http("POST", "/v3/sessions", {"metadata": {"workspace": link}}).expect(400, "INVALID_REQUEST")


def test_the_model_of_a_snapshot_is_the_one_that_answered():
    home, _, daemon = stack()
    sid = daemon.create()["id"]
    check_equal("before any answered", daemon.session(sid)["model"], "")
    daemon.run_turn(sid, "hello")
    check_equal("afterwards", daemon.session(sid)["model"], "demo-1")
    check_equal("in the list", daemon.http("GET", "/v3/sessions").json()[0]["model"], "demo-1")
    daemon.stop()
    daemon = Daemon(home)
    check_equal("in the list after a restart", daemon.http("GET", "/v3/sessions").json()[0]["model"], "demo-1")
    check_equal("after a restart", daemon.session(sid)["model"], "demo-1")
    daemon.http("PATCH", f"/v3/sessions/{sid}", {"model": "another"}).expect(200)
    check_equal("when another is chosen", daemon.session(sid)["model"], "another")
    daemon.http("PATCH", f"/v3/sessions/{sid}", {"title": "x"}).expect(200)
    check_equal("a title changes nothing of it", daemon.session(sid)["model"], "another")


def test_the_snapshot_follows_a_turn():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    turn = daemon.submit(sid, "demo:tokens=5 demo:hang=2", writerId="w1")
    daemon.submit(sid, "demo:tokens=1", writerId="w2")
    daemon.wait_event(sid, "turn.token")
    got = daemon.session(sid)
    check(got["status"] in ("running", "queued"), f"expected a busy session, got status {got['status']!r}")
    check_equal("activeTurnId and queuedTurns", (got["activeTurnId"], got["queuedTurns"]), (turn, 1))
    runtime = daemon.http("GET", "/v3/metrics").json()["runtime"]
    check_equal("activeTurnCount and queuedTurnCount", (runtime["activeTurnCount"], runtime["queuedTurnCount"]), (1, 1))
    daemon.http("POST", f"/v3/sessions/{sid}/cancel", {}).expect(200)
    wait_for(lambda: daemon.session(sid)["status"] == "idle", 5, "the session to be idle after the cancel")
    got = daemon.session(sid)
    check_equal("activeTurnId and queuedTurns after the cancel", (got["activeTurnId"], got["queuedTurns"]), (None, 0))
    check_equal("lastSeq", got["lastSeq"], daemon.events(sid)[-1]["seq"])


def test_messages_and_title_come_from_the_first_turn():
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    events = daemon.run_turn(sid, "Hello there demo:tokens=3")
    check_equal("tokens", "".join(texts(events)), "w0 w1 w2 ")
    got = daemon.session(sid)
    check_equal("messages", [(m["role"], m["content"]) for m in got["messages"]],
                [("user", "Hello there demo:tokens=3"), ("assistant", "w0 w1 w2 ")])
    check_equal("turnCount and messageCount", (got["turnCount"], got["messageCount"]), (1, 2))
    check_in("the title made from the first message", "Hello there", got["title"] or "")
    daemon.run_turn(sid, "Something else demo:tokens=1")
    check_equal("the title after a second turn", daemon.session(sid)["title"], got["title"])


def test_no_permission_is_pending_in_a_new_session():
    daemon = new_daemon()
    sid = daemon.create()["id"]
    for path in (f"/v3/sessions/{sid}/permissions", "/v3/permissions"):
        check_equal(path, daemon.http("GET", path).expect(200).json(), {"pending": []})


def test_messages_of_all_sessions_are_searched():
    home, _, daemon = stack()
    first, second = daemon.create(title="birds")["id"], daemon.create()["id"]
    daemon.run_turn(first, "demo:echo how do canaries sing")
    daemon.run_turn(second, "demo:echo nothing of interest")
    results = daemon.http("GET", "/v3/search?q=canaries").expect(200).json()["results"]
    check_equal("sessions and roles", sorted((r["sessionId"], r["role"]) for r in results), [(first, "assistant"), (first, "user")])
    check_equal("the hit", results[0]["snippet"][1], "canaries")
    check_equal("a title", daemon.http("GET", "/v3/search?q=bird").json()["results"][0]["role"], "title")
    third = daemon.create(title="Blue tits of prey")["id"]
    for query, found in (("prey blue", [third]), ('"blue tits"', [third]), ('"tits blue"', []), ('tits "of prey" b', [third]), ("blue bird", [])):
        got = daemon.http("GET", "/v3/search?q=" + urllib.parse.quote(query)).json()["results"]
        check_equal(f"titles with {query}", [r["sessionId"] for r in got if r["role"] == "title"], found)
    check_equal("limit", len(daemon.http("GET", "/v3/search?q=canaries&limit=1").json()["results"]), 1)
    daemon.http("GET", "/v3/search").expect(400, "INVALID_REQUEST")
    daemon.http("GET", "/v3/search?q=" + "x" * 401).expect(400, "INVALID_REQUEST")
    daemon.http("GET", "/v3/search?q=x&limit=0").expect(200)
    for hostile in ('"', "NEAR(", "a OR *", "%22%22%22", "text:a", "\u00e4%00b", "x" * 400):
        daemon.http("GET", "/v3/search?q=" + urllib.parse.quote(hostile)).expect((200, 400))
    daemon.http("DELETE", f"/v3/sessions/{first}").expect(200)
    check_equal("after it was deleted", daemon.http("GET", "/v3/search?q=canaries").json()["results"], [])


def test_a_database_without_the_index_gets_one():
    home, _, daemon = stack()
    sid = daemon.create(title="t")["id"]
    daemon.run_turn(sid, "demo:echo canaries")
    daemon.stop()
    with sqlite3.connect(os.path.join(home.dir, "sessions", "opta.db")) as db:
        for statement in ("DROP TRIGGER message_added", "DROP TRIGGER message_removed", "DROP TABLE message_search", "DROP VIEW message_texts",
                          "ALTER TABLE messages DROP COLUMN more", "ALTER TABLE messages DROP COLUMN text", "PRAGMA user_version=2"):
            db.execute(statement)
    db.close()
    daemon = Daemon(home)
    check_equal("found", len(daemon.http("GET", "/v3/search?q=canaries").json()["results"]), 2)


def test_a_message_of_calls_alone_may_have_no_content():
    daemon = new_daemon()
    call = {"id": "c1", "type": "function", "function": {"name": "list_dir", "arguments": "{}"}}
    history = [{"role": "user", "content": "look"}, {"role": "assistant", "content": None, "tool_calls": [call]},
               {"role": "tool", "tool_call_id": "c1", "content": "a"}]
    made = daemon.http("POST", "/v3/sessions", {"messages": history}).expect(201).json()
    check_equal("messages", [m["content"] for m in daemon.session(made["id"])["messages"]], ["look", None, "a"])
    daemon.http("POST", "/v3/sessions", {"messages": [{"role": "assistant", "content": None}]}).expect(400, "INVALID_REQUEST")
