"""The agent loop with real tools: what each tool does, what it says when it cannot, and what bounds it."""
import os
import re
import subprocess
import time

from opta_test import SLOW, Skip, check, check_equal, stop_event, wait_for
from processes import command_line, descendants
from tools import Bench, call, holds, left_running, named, script


def test_a_file_is_read_with_line_numbers():
    bench = Bench()
    bench.write("a.txt", "one\ntwo\nthree\n")
    end = bench.tool("read_file", path="a.txt")
    check_equal("result", end["result"], "     1\tone\n     2\ttwo\n     3\tthree\n")
    check_equal("ok, truncated", (end["ok"], end["truncated"]), (True, False))
    end = bench.tool("read_file", path="a.txt", offset=2, limit=1)
    check(end["result"].startswith("     2\ttwo\n") and "3 lines" in end["result"] and end["truncated"], f"a part: {end!r}")
    holds("past the end", bench.tool("read_file", path="a.txt", offset=9)["result"], "has only 3 lines")


def test_files_that_are_no_text_are_named():
    bench = Bench()
    bench.write("a.png", b"\x89PNG\r\n\x1a\n" + bytes(100))
    bench.write("b.bin", b"abc\0def")
    bench.write("c.txt", b"caf\xe9 \xff\n")
    bench.write("empty", b"")
    os.mkfifo(bench.path("pipe"))
    holds("an image", bench.tool("read_file", path="a.png")["result"], "a PNG image of 108 bytes")
    holds("a binary", bench.tool("read_file", path="b.bin")["result"], "a binary file of 7 bytes")
    holds("bad UTF-8", bench.tool("read_file", path="c.txt")["result"], "caf\ufffd \ufffd")
    holds("an empty file", bench.tool("read_file", path="empty")["result"], "the file is empty")
    holds("a pipe", bench.tool("read_file", path="pipe")["result"], "not a file")
    holds("a directory", bench.tool("read_file", path=".")["result"], "use list_dir")
    holds("nothing", bench.tool("read_file", path="no")["result"], "does not exist")


def test_an_edit_needs_one_exact_match_and_keeps_the_mode():
    bench = Bench()
    bench.write("a.sh", "x = 1\ny = 1\nx = 2\n", mode=0o755)
    end = bench.tool("edit_file", allow=True, path="a.sh", old="y = 1", new="y = 7")
    check_equal("the file", bench.read("a.sh"), "x = 1\ny = 7\nx = 2\n")
    check_equal("its mode", os.stat(bench.path("a.sh")).st_mode & 0o777, 0o755)
    holds("result", end["result"], "-y = 1\n+y = 7\n")
    holds("two matches", bench.tool("edit_file", path="a.sh", old="x = ", new="z = ")["result"], "2 times (lines 1, 3)")
    holds("other blanks", bench.tool("edit_file", path="a.sh", old="  y = 7", new="q")["result"], "is at line 2")
    holds("nothing like it", bench.tool("edit_file", path="a.sh", old="nope", new="q")["result"], "not in the file")
    holds("the same", bench.tool("edit_file", path="a.sh", old="y", new="y")["result"], "the same text")
    holds("no file", bench.tool("edit_file", path="no", old="y", new="z")["result"], "does not exist")
    bench.tool("edit_file", allow=True, path="a.sh", old="x = ", new="z = ", all=True)
    check_equal("all replaced", bench.read("a.sh"), "z = 1\ny = 7\nz = 2\n")


def test_several_edits_are_made_all_or_none():
    bench = Bench()
    bench.write("a", "one two three")
    end = bench.tool("multi_edit", path="a", edits=[{"old": "one", "new": "1"}, {"old": "nine", "new": "9"}])
    holds("which one failed", end["result"], "edit 2 of 2")
    check_equal("the file", bench.read("a"), "one two three")
    bench.tool("multi_edit", allow=True, path="a", edits=[{"old": "one", "new": "1"}, {"old": "1 two", "new": "12"}])
    check_equal("the file", bench.read("a"), "12 three")


def test_files_are_made_replaced_and_deleted():
    bench = Bench()
    end = bench.tool("write_file", allow=True, path="new/deep/file.txt", content="hello\n")
    check_equal("ok", end["ok"], True)
    check_equal("the file", bench.read("new/deep/file.txt"), "hello\n")
    check_equal("its mode", os.stat(bench.path("new/deep/file.txt")).st_mode & 0o777, 0o644)
    bench.tool("write_file", allow=True, path="new/deep/file.txt", content="")
    check_equal("the file", bench.read("new/deep/file.txt"), "")
    holds("a full directory", bench.tool("delete_file", allow=True, path="new")["result"], "not empty")
    bench.tool("delete_file", allow=True, path="new/deep/file.txt")
    check_equal("left", os.listdir(bench.path("new/deep")), [])
    holds("again", bench.tool("delete_file", path="new/deep/file.txt")["result"], "does not exist")


def test_names_and_lines_are_found_without_what_gitignore_names():
    bench = Bench()
    bench.write("a.c", "int needle;\n")
    bench.write("sub/b.c", "needle again\nNEEDLE\n")
    bench.write("sub/b.h", "nothing\n")
    bench.write("build/out.c", "needle built\n")
    bench.write(".git/config", "needle in git\n")
    bench.write(".gitignore", "build/\n*.log\n!keep.log\n")
    bench.write("x.log", "needle logged\n")
    bench.write("keep.log", "needle kept\n")
    check_equal("*.c", bench.tool("find_files", pattern="*.c")["result"], "a.c\nsub/b.c\n")
    check_equal("sub/**", bench.tool("find_files", pattern="sub/**")["result"], "sub/b.c\nsub/b.h\n")
    check_equal("all", bench.tool("find_files", pattern="*.c", all=True)["result"], "a.c\nbuild/out.c\nsub/b.c\n")
    check_equal("lines", bench.tool("search_files", pattern="n..dle")["result"],
                "a.c:1:int needle;\nkeep.log:1:needle kept\nsub/b.c:1:needle again\n")
    check_equal("lines of some files", bench.tool("search_files", pattern="needle", glob="*.c", path="sub", anyCase=True)["result"],
                "sub/b.c:1:needle again\nsub/b.c:2:NEEDLE\n")
    check_equal("one file", bench.tool("search_files", pattern="again$", path="sub/b.c")["result"], "sub/b.c:1:needle again\n")
    holds("no match", bench.tool("search_files", pattern="zzz")["result"], "nothing fits")
    holds("a bad pattern", bench.tool("search_files", pattern="(")["result"], "no regular expression")
    check_equal("a directory", bench.tool("list_dir", path="sub")["result"], "b.c  20\nb.h  8\n")


def test_a_hostile_expression_ends():
    bench = Bench()
    bench.write("a", "a" * 5000 + "b\n")
    begun = time.monotonic()
    bench.tool("search_files", pattern="(a+)+$")
    check(time.monotonic() - begun < 20, "the search went on for too long")


def test_a_command_gives_its_output_and_exit_code():
    bench = Bench()
    end = bench.run("echo out; echo err >&2; exit 3")
    check_equal("ok, exitCode", (end["ok"], end["exitCode"]), (False, 3))
    holds("result", end["result"], "out\nerr\n[exit code 3]")
    end = bench.run("pwd; cat", cwd=".")
    check_equal("where, and nothing to read", end["result"], bench.ws + "\n")
    end = bench.run("kill -SEGV $$")
    check_equal("exitCode", end["exitCode"], 139)
    holds("result", end["result"], "signal 11")
    holds("no such place", bench.run("pwd", cwd="nowhere")["result"], "cannot go to")


def test_the_environment_holds_what_programs_need_and_no_secrets():
    bench = Bench(env={"MY_API_KEY": "canary-secret", "LD_PRELOAD": "", "AWS_SECRET_ACCESS_KEY": "canary-secret"})
    names = {line.split("=")[0] for line in bench.run("env")["result"].splitlines()}
    check_equal("names nobody allowed", sorted(names - {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TERM", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_", "NO_COLOR",
        "PAGER", "GIT_PAGER", "GIT_TERMINAL_PROMPT", "GIT_DISCOVERY_ACROSS_FILESYSTEM", "OPTA_TOOL", "TZ", "LANGUAGE", "LC_CTYPE", "LC_MESSAGES"}), [])
    check("canary" not in bench.run("cat /proc/*/environ; env")["result"], "a secret of the daemon's environment reached a tool")


def test_a_tool_that_does_not_exist_or_is_called_wrongly_is_told_so():
    bench = Bench()
    holds("unknown", bench.tool("fly")["result"], "there is no tool \"fly\"; there are read_file")
    holds("missing", bench.tool("read_file")["result"], "\"path\" is missing")
    holds("of the wrong type", bench.tool("read_file", path=5)["result"], "\"path\" must be a string, not a whole number")
    holds("unknown argument", bench.tool("read_file", path="a", lines=3)["result"], "there is no argument \"lines\"; there are path")
    holds("out of range", bench.tool("read_file", path="a", limit=0)["result"], "must be from 1")
    events = bench.turn("demo:tool=read_file demo:args={\"path\":")
    holds("malformed", named(events, "tool.end")[0]["result"], "not one JSON object")
    stop_event(events, "turn.done")


def test_a_session_without_workspace_can_talk_and_its_tools_say_why_not():
    bench = Bench()
    sid = bench.session(workspace=None)
    check_equal("result", bench.tool("read_file", sid=sid, path="a")["result"], "this session has no workspace")


def test_reads_run_side_by_side_and_every_client_sees_them_all():
    bench = Bench()
    bench.write("a.txt", "x\n")
    sid = bench.session()
    clients = [bench.daemon.ws(sid, 0) for _ in range(3)]
    turn = bench.daemon.submit(sid, call("read_file", path="a.txt") + " demo:calls=12")
    bench.daemon.wait_stop(sid, turn)
    want = bench.daemon.raw_events(sid)
    tools = [e for e in bench.daemon.events(sid) if e["event"].startswith("tool.")]
    check_equal("tool events", len(tools), 24)
    check_equal("starts before the first end", [e["event"] for e in tools[:12]], ["tool.start"] * 12)
    for client in clients:
        check_equal("events of a client", [client.recv_raw() for _ in want], want)


def test_writes_run_in_their_order():
    bench = Bench()
    bench.turn(call("run_command", command="sleep 0.05; echo x >>log; wc -l <log >>order") + " demo:calls=4", overrides={"dangerous": True})
    check_equal("order", bench.read("order").split(), ["1", "2", "3", "4"])


def test_the_limit_of_calls_ends_the_turn_with_a_summary():
    bench = Bench({"agent.maxToolCalls": 5})
    bench.write("a", "x")
    events = bench.turn(call("read_file", path="a") + " demo:loop")
    error = stop_event(events, "turn.error")
    check_equal("code", error["payload"]["code"], "tool-limit")
    holds("message", error["payload"]["message"], "5 x read_file")
    check_equal("calls", len(named(events, "tool.end")), 5)
    events = bench.turn(call("read_file", path="a") + " demo:loop", overrides={"maxToolCalls": 2})
    check_equal("calls with the override", len(named(events, "tool.end")), 2)


def test_output_of_100_mb_is_bounded_and_kept_whole_in_the_artifact():
    bench = Bench()
    sid = bench.session()
    begun = time.monotonic()
    end = bench.run("head -c 104857600 /dev/zero | tr '\\0' x; echo; echo the end", sid=sid, seconds=60)
    check(time.monotonic() - begun < 30, "it took too long")
    check_equal("truncated, exitCode", (end["truncated"], end["exitCode"]), (True, 0))
    check(len(end["result"]) < 40000, f"the result has {len(end['result'])} characters")
    holds("result", end["result"], "bytes left out")
    holds("result", end["result"], "the end\n")
    path = os.path.join(bench.home.dir, "sessions", sid, end["callId"] + ".out")
    check_equal("the artifact's size", os.path.getsize(path), 104857600 + 9)
    check_equal("its mode", os.stat(path).st_mode & 0o777, 0o600)
    check("already exists" not in bench.home.log(), "a directory just made was called old")
    bench.daemon.http("DELETE", f"/v3/sessions/{sid}").expect(200)
    wait_for(lambda: not os.path.exists(os.path.dirname(path)), 5, "the artifacts of a deleted session to go")


def test_an_artifact_directory_that_is_there_already_is_logged():
    bench = Bench()
    sid = bench.session()
    os.mkdir(os.path.join(bench.home.dir, "sessions", sid))
    bench.run("seq 100000", sid=sid)
    bench.run("seq 100000", sid=sid)
    lines = [line for line in bench.home.log().splitlines() if "WARN  session dir already exists, skipping mkdir" in line]
    check_equal("lines", len(lines), 1)


def test_binary_and_broken_output_is_harmless():
    bench = Bench()
    holds("binary", bench.run("head -c 1000 /dev/zero")["result"], "binary output, 1000 bytes")
    holds("bad UTF-8", bench.run("printf 'caf\\351 \\377\\n'")["result"], "caf\ufffd \ufffd")


def test_a_timeout_ends_everything_even_what_ignores_sigterm():
    bench = Bench()
    begun = time.monotonic()
    end = bench.run("trap '' TERM; while :; do sleep 0.987654; done", timeoutMs=300)
    check(time.monotonic() - begun < 10, "the call did not end in time")
    holds("result", end["result"], "ended after 300 ms: the timeout")
    check_equal("ok", end["ok"], False)
    wait_for(lambda: not left_running("0.987654"), 5, "its processes to be gone")


def test_what_is_left_behind_dies_with_the_call():
    bench = Bench()
    for command in ("sleep 98765 & echo ok", "setsid sleep 98765 & echo ok", "setsid sh -c 'trap \"\" TERM HUP; sleep 98765' & echo ok",
                    "(sleep 98765 >/dev/null 2>&1 </dev/null &) ; echo ok"):
        begun = time.monotonic()
        end = bench.run(command)
        check(time.monotonic() - begun < 8, f"{command!r} held the call")
        holds("result", end["result"], "ok")
        wait_for(lambda: not left_running("98765"), 5, f"what {command!r} left to be gone")


def test_a_fork_bomb_dies_with_its_call_and_nobody_elses():
    # Memory for all of it: on a busy machine a look may come when there are many.
    bench = Bench({"daemon.toolMemoryMb": 65536})
    bench.write("a", "x\n")
    other = bench.session()
    slow = bench.daemon.submit(other, call("run_command", command="sleep 2; echo fine"), overrides={"dangerous": True})
    begun = time.monotonic()
    end = bench.run("b() { b | b & }; b; sleep 15", seconds=60)
    check(time.monotonic() - begun < 40, "the fork bomb held the call")
    # Where the kernel counts processes too (src/tools/limits.h), the bomb may die of that by itself between two looks.
    kernel_counts = os.geteuid() != 0 or tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 14)
    if "Cannot fork" not in end["result"] or not kernel_counts:
        check_equal("ok", end["ok"], False)
        holds("result", end["result"], "processes")
        holds("the log", bench.home.log(), "ERROR tool worker crashed: it had")
    wait_for(lambda: not left_running("b | b"), 10, "the bomb to be gone")
    holds("the other call", named(bench.daemon.turn_events(other, slow, 60), "tool.end")[0]["result"], "fine")
    check_equal("the daemon", bench.tool("read_file", path="a")["ok"], True)


def test_a_memory_hog_is_one_failed_call():
    bench = Bench({"daemon.toolMemoryMb": 200})
    begun = time.monotonic()
    end = bench.run("/usr/bin/python3 -c 'x = bytearray(10 << 30)'", seconds=60)
    check_equal("ok", end["ok"], False)
    holds("one that asks for too much", end["result"], "MemoryError")
    # many that each take a little less than one may have
    end = bench.run("for i in 1 2 3 4; do /usr/bin/python3 -c 'import time; x = bytearray(90 << 20); time.sleep(60)' & done; wait", seconds=60)
    check_equal("ok", end["ok"], False)
    holds("many together", end["result"], "daemon.toolMemoryMb")
    check(time.monotonic() - begun < 40, "it took too long")
    holds("the log", bench.home.log(), "ERROR tool worker crashed: heap out of memory: it wanted")


def test_a_tool_of_our_own_that_runs_out_of_memory_says_so():
    if SLOW != 1:
        raise Skip("sanitizers have memory of their own")
    bench = Bench({"daemon.toolMemoryMb": 16})
    bench.write("a", "x\n" * 4000000 + "y")
    end = bench.tool("edit_file", allow=True, path="a", old="y", new="z")
    holds("result", end["result"], "daemon.toolMemoryMb")
    holds("the log", bench.home.log(), "ERROR tool worker crashed: heap out of memory: it wanted")
    check_equal("the file", bench.read("a")[-1], "y")


def test_cancel_ends_a_running_command_at_once():
    bench = Bench()
    sid = bench.session()
    turn = bench.daemon.submit(sid, call("run_command", command="sleep 87654; echo late"), overrides={"dangerous": True})
    bench.daemon.wait_event(sid, "tool.start")
    wait_for(lambda: left_running("87654"), 10, "the command to run")
    begun = time.monotonic()
    bench.daemon.http("POST", f"/v3/sessions/{sid}/cancel", {}).expect(200)
    check(time.monotonic() - begun < 2, "the cancel took too long")
    events = bench.daemon.turn_events(sid, turn)
    stop_event(events, "session.cancelled")
    holds("the call's end", named(events, "tool.end")[0]["result"], "cancelled")
    wait_for(lambda: not left_running("87654"), 5, "the command to be gone")


def test_the_pool_is_bounded_and_the_rest_wait():
    bench = Bench({"daemon.workerPoolSize": 2})
    for _ in range(4):
        bench.daemon.submit(bench.session(), call("run_command", command="sleep 1.5"), overrides={"dangerous": True})
    wait_for(lambda: bench.daemon.http("GET", "/v3/metrics").json()["runtime"]["toolWorkers"] == {"workers": 2, "busy": 2, "queued": 2}, 10,
             "two calls to run and two to wait")
    wait_for(lambda: bench.daemon.http("GET", "/v3/metrics").json()["runtime"]["toolWorkers"] == {"workers": 2, "busy": 0, "queued": 0}, 20,
             "all to be done")


def test_the_tool_host_is_started_again_when_it_dies():
    bench = Bench()
    bench.write("a", "x\n")
    check_equal("a first call", bench.tool("read_file", path="a")["ok"], True)
    hosts = [pid for pid in descendants(bench.daemon.pid) if "tool-host" in command_line(pid)]
    check_equal("tool hosts", len(hosts), 1)
    sid = bench.session()
    turn = bench.daemon.submit(sid, call("run_command", command="sleep 76543"), overrides={"dangerous": True})
    wait_for(lambda: left_running("76543"), 10, "the command to run")
    os.kill(hosts[0], 9)
    end = named(bench.daemon.turn_events(sid, turn), "tool.end")[0]
    holds("what was running", end["result"], "tool host ended")
    wait_for(lambda: not left_running("76543"), 5, "it to be gone")
    check_equal("a call after that", bench.tool("read_file", path="a")["ok"], True)
    holds("the log", bench.home.log(), "tool worker crashed")


def test_nothing_outlives_the_daemon():
    bench = Bench()
    sid = bench.session()
    bench.daemon.submit(sid, call("run_command", command="setsid sleep 65432 & sleep 65432"), overrides={"dangerous": True})
    wait_for(lambda: len(left_running("sleep 65432")) >= 2, 10, "the command to run")
    bench.daemon.kill(9)
    wait_for(lambda: not left_running("65432"), 5, "the tools of a killed daemon to be gone")


def test_a_turn_of_several_rounds_keeps_its_story_in_the_history():
    bench = Bench()
    bench.write("a", "alpha\n")
    sid = bench.session()
    bench.turn(script(("read_file", {"path": "a"}), ("edit_file", {"path": "a", "old": "alpha", "new": "beta"}), ("read_file", {"path": "a"})),
               sid, allow=True)
    messages = bench.daemon.session(sid)["messages"]
    check_equal("roles", [m["role"] for m in messages],
                ["user", "assistant", "tool", "assistant", "tool", "assistant", "tool", "assistant"])
    for call_message, result in zip(messages[1:7:2], messages[2:7:2]):
        check_equal("the call a result is for", result["tool_call_id"], call_message["tool_calls"][0]["id"])
    holds("the last result", messages[6]["content"], "beta")
    check_equal("toolCallCount", bench.daemon.session(sid)["toolCallCount"], 3)
    # and the next question carries all of it
    bench.turn("demo:tokens=1", sid)
    sent = bench.demo.requests()[-1]["messages"]
    check_equal("messages sent", len(sent) if isinstance(sent, list) else sent, 10)


def test_a_real_task_with_a_real_diff():
    """A small C project with a failing test: the scripted model reads, edits, runs make test; it passes afterwards."""
    bench = Bench()
    data = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "project")
    for name in os.listdir(data):
        with open(os.path.join(data, name), "rb") as file:
            bench.write(name, file.read())
    before = subprocess.run(["make", "-s", "test"], cwd=bench.ws, capture_output=True, check=False)
    check(before.returncode != 0, "the project's test passes before anybody mended it")
    subprocess.run(["make", "-s", "clean"], cwd=bench.ws, capture_output=True, check=True)
    sid = bench.session()
    events = bench.turn(script(("list_dir", {}), ("run_command", {"command": "make test"}), ("read_file", {"path": "stack.c"}),
                               ("edit_file", {"path": "stack.c", "old": "return s->item[s->count];", "new": "return s->item[--s->count];"}),
                               ("run_command", {"command": "make test"})), sid, seconds=60, allow=True)
    stop_event(events, "turn.done")
    ends = named(events, "tool.end")
    check_equal("calls that went well", [e["ok"] for e in ends], [True, False, True, True, True])
    holds("the test before", ends[1]["result"], "FAILED")
    holds("the test after", ends[4]["result"], "all passed")
    holds("the diff", ends[3]["result"], "-\treturn s->item[s->count];\n+\treturn s->item[--s->count];")
    asked = named(events, "permission.request")
    check_equal("what was asked", [p["toolName"] for p in asked], ["run_command", "edit_file", "run_command"])
    holds("the preview of a command", asked[0]["preview"], "$ make test")
    check_equal("mended for real", subprocess.run(["make", "-s", "test"], cwd=bench.ws, capture_output=True, check=False).returncode, 0)
