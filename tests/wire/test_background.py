"""Background processes: over HTTP and as tools; their bounds, their events, their end."""
import json
import os
import time

from opta_test import Daemon, Wire, check, check_equal, request_bytes, wait_for
from processes import command_line
from tools import Bench, call, holds, named


def start(bench, sid, command, expect=201, **more):
    return bench.daemon.http("POST", "/v3/background/start", {"sessionId": sid, "command": command, **more}).expect(expect).json()


def status(bench, pid):
    return bench.daemon.http("GET", f"/v3/background/{pid}/status").expect(200).json()["process"]


def text(bench, pid, query=""):
    return "".join(c["text"] for c in bench.daemon.http("GET", f"/v3/background/{pid}/output?afterSeq=0{query}").expect(200).json()["chunks"])


def running(word):
    """Who runs exactly this: a shell that only says so in its script may still catch a signal meant for it."""
    return [p for p in filter(str.isdigit, os.listdir("/proc")) if command_line(int(p)).strip() == word]


def test_a_process_tells_its_story():
    bench = Bench()
    sid = bench.session()
    process = start(bench, sid, "echo one; echo two >&2; read x; exit 3", label="a label")["process"]
    pid = process["processId"]
    for field in ("processId", "sessionId", "pid", "command", "label", "cwd", "state", "exitCode", "startedAt", "endedAt", "runtimeMs", "timeoutMs"):
        check(field in process, f"{field} is missing in {process!r}")
    check_equal("state", process["state"], "running")
    wait_for(lambda: status(bench, pid)["state"] == "failed", 10, "the process to end")
    done = status(bench, pid)
    check_equal("exitCode", done["exitCode"], 3)
    check(done["endedAt"] and done["pid"] > 0, f"endedAt, pid of {done!r}")
    check_equal("stdout", text(bench, pid, "&stream=stdout"), "one\n")
    check_equal("stderr", text(bench, pid, "&stream=stderr"), "two\n")
    events = [e for e in bench.daemon.events(sid) if e["event"].startswith("background.")]
    check_equal("reasons", [e["payload"]["reason"] for e in events if e["event"] == "background.status"], ["started", "exited"])
    check_equal("output", "".join(e["payload"]["text"] for e in events if e["payload"].get("stream") == "stdout"), "one\n")
    check_equal("list", [p["processId"] for p in bench.daemon.http("GET", f"/v3/background?sessionId={sid}").json()["processes"]], [pid])
    check_equal("another session's list", bench.daemon.http("GET", "/v3/background?sessionId=other").json()["processes"], [])
    bench.daemon.http("GET", f"/v3/background/{pid}/status?sessionId=other").expect(404, "NOT_FOUND")


def test_the_answer_to_a_start_has_the_pid():
    bench = Bench()
    sid = bench.session()
    for command in ("sleep 60", "exit 7", "true"):
        process = start(bench, sid, command)["process"]
        check(process["pid"] > 0, f"expected a pid in the answer to {command!r}, got {process!r}")
    bench.daemon.http("DELETE", f"/v3/sessions/{sid}").expect(200)


def test_a_start_whose_client_leaves_at_once_runs_all_the_same():
    bench = Bench()
    sid = bench.session()
    body = json.dumps({"sessionId": sid, "command": "echo here; sleep 60"}).encode()
    with Wire(bench.daemon.port) as wire:
        wire.send(request_bytes("POST", "/v3/background/start", body, [("Host", "127.0.0.1"), ("Content-Type", "application/json")],
                                bench.daemon.token))
    found = wait_for(lambda: bench.daemon.http("GET", "/v3/background").json()["processes"], 10, "the process")
    wait_for(lambda: "here" in text(bench, found[0]["processId"]), 10, "its output")


def test_kill_ends_all_it_started():
    bench = Bench()
    sid = bench.session()
    for signal, state in (("SIGTERM", "killed"), ("SIGKILL", "killed"), ("SIGINT", "killed")):
        pid = start(bench, sid, "trap '' TERM; setsid sleep 43219 & sleep 43219" if signal == "SIGTERM" else "setsid sleep 43219 & sleep 43219")["process"]["processId"]
        wait_for(lambda: len(running("sleep 43219")) >= 2, 10, "both to run")
        answer = bench.daemon.http("POST", f"/v3/background/{pid}/kill", {"signal": signal}).expect(200).json()
        check_equal("killed", answer["killed"], True)
        wait_for(lambda: status(bench, pid)["state"] == state, 10, f"the state after {signal}")
        wait_for(lambda: not running("sleep 43219"), 5, "all of it to be gone")
        check_equal("again", bench.daemon.http("POST", f"/v3/background/{pid}/kill", {}).expect(200).json()["killed"], False)
    bench.daemon.http("POST", f"/v3/background/{pid}/kill", {"signal": "SIGUSR1"}).expect(400, "INVALID_REQUEST")
    bench.daemon.http("POST", "/v3/background/bg_none/kill", {}).expect(404, "NOT_FOUND")


def test_a_timeout_ends_it():
    bench = Bench()
    pid = start(bench, bench.session(), "sleep 1000", timeoutMs=200)["process"]["processId"]
    wait_for(lambda: status(bench, pid)["state"] == "timeout", 10, "the timeout")


def test_too_many_and_bad_requests_are_refused():
    bench = Bench({"background.maxConcurrent": 2})
    sid = bench.session()
    pids = [start(bench, sid, "sleep 1000")["process"]["processId"] for _ in range(2)]
    bench.daemon.http("POST", "/v3/background/start", {"sessionId": sid, "command": "true"}).expect(409, "CONFLICT")
    bench.daemon.http("POST", "/v3/background/start", {"sessionId": "none", "command": "true"}).expect(404, "SESSION_NOT_FOUND")
    bench.daemon.http("POST", "/v3/background/start", {"sessionId": sid}).expect(400, "INVALID_REQUEST")
    bench.daemon.http("POST", "/v3/background/start", {"sessionId": bench.session(workspace=None), "command": "true"}).expect(400, "INVALID_REQUEST")
    bench.daemon.http("POST", f"/v3/background/{pids[0]}/kill", {}).expect(200)
    wait_for(lambda: status(bench, pids[0])["state"] == "killed", 10, "a place to be free")
    start(bench, sid, "true")


def test_a_start_that_the_sandbox_refuses_is_refused_with_its_sentence():
    bench = Bench()
    refused = [(bench.session(workspace=path), {}, "home directory") for path in (bench.home.home, bench.home.home + "/.")]
    refused += [(bench.session(), {"cwd": cwd}, "cwd") for cwd in ("../x", "/etc", "a/../../x", "missing")]
    for sid, more, words in refused:
        answer = bench.daemon.http("POST", "/v3/background/start", {"sessionId": sid, "command": "true", **more}).expect(400, "INVALID_REQUEST").json()
        holds(f"{more!r}", json.dumps(answer), words)
        check(answer["details"], f"no details in {answer!r}")
    check_equal("what there is", bench.daemon.http("GET", "/v3/background").json()["processes"], [])


def test_a_flood_costs_a_bounded_ring_and_bounded_log():
    bench = Bench({"background.outputBytes": 65536})
    sid = bench.session()
    pid = start(bench, sid, "yes 0123456789; true")["process"]["processId"]
    wait_for(lambda: bench.daemon.http("GET", f"/v3/background/{pid}/output?afterSeq=50&limit=1").json()["chunks"], 20, "much output")
    begun = time.monotonic()
    check_equal("health", bench.daemon.http("GET", "/v3/health").status, 200)
    check(time.monotonic() - begun < 1, "the flood kept the daemon from answering")
    kept = text(bench, pid, "&limit=1000")
    check(len(kept) <= 65536 + 65536, f"the ring holds {len(kept)} bytes")
    logged = sum(len(e["payload"]["text"]) for e in bench.daemon.events(sid) if e["event"] == "background.output")
    check(logged <= 65536, f"the log took {logged} bytes")
    reasons = [e["payload"]["reason"] for e in bench.daemon.events(sid) if e["event"] == "background.status"]
    check("output-limit" in reasons, f"nobody was told that the log is full: {reasons!r}")
    bench.daemon.http("POST", f"/v3/background/{pid}/kill", {"signal": "SIGKILL"}).expect(200)
    wait_for(lambda: status(bench, pid)["state"] == "killed", 10, "its end")


def test_a_process_that_writes_byte_by_byte_is_bounded_too():
    bench = Bench({"background.outputBytes": 4096})
    sid = bench.session()
    pid = start(bench, sid, "i=0; while [ $i -lt 150 ]; do printf x; sleep 0.005; i=$((i+1)); done")["process"]["processId"]
    wait_for(lambda: status(bench, pid)["state"] == "completed", 20, "its end")
    logged = [e for e in bench.daemon.events(sid) if e["event"] == "background.output"]
    check(len(logged) <= 32, f"the log took {len(logged)} events")
    kept = bench.daemon.http("GET", f"/v3/background/{pid}/output?limit=1000").json()["chunks"]
    check(len(kept) <= 32, f"the ring holds {len(kept)} pieces")
    check_equal("the last piece is kept", kept[-1]["text"][-1], "x")


def test_characters_cut_between_reads_are_joined():
    bench = Bench()
    pid = start(bench, bench.session(), "printf '\\303'; sleep 0.2; printf '\\251\\n'; printf '\\377'")["process"]["processId"]
    wait_for(lambda: status(bench, pid)["state"] == "completed", 10, "its end")
    check_equal("text", text(bench, pid), "é\n\ufffd")


def test_the_tools_start_look_and_end():
    bench = Bench()
    sid = bench.session()
    end = bench.tool("bg_start", allow=True, sid=sid, command="echo up; sleep 1000")
    pid = end["result"].split("processId ")[1].split(";")[0]
    wait_for(lambda: text(bench, pid) == "up\n", 10, "its output")
    holds("status", bench.tool("bg_status", sid=sid)["result"], pid)
    holds("output", bench.tool("bg_output", sid=sid, processId=pid)["result"], "up\n\n[running; afterSeq=1")
    holds("nothing new", bench.tool("bg_output", sid=sid, processId=pid, afterSeq=1)["result"], "(nothing new)")
    holds("another session's", bench.tool("bg_output", processId=pid)["result"], "there is no background process")
    holds("kill", bench.tool("bg_kill", allow=True, sid=sid, processId=pid)["result"], "told to end")
    wait_for(lambda: status(bench, pid)["state"] == "killed", 10, "its end")


def test_it_outlives_its_turn_but_not_the_daemon_nor_its_session():
    bench = Bench()
    sid, other = bench.session(), bench.session()
    bench.turn(call("bg_start", command="sleep 32198"), sid, allow=True)
    start(bench, other, "sleep 32199")
    wait_for(lambda: running("sleep 32198") and running("sleep 32199"), 10, "both to run")
    bench.daemon.http("DELETE", f"/v3/sessions/{other}").expect(200)
    wait_for(lambda: not running("sleep 32199"), 5, "the deleted session's process to be gone")
    check(running("sleep 32198"), "the other one is gone as well")
    bench.daemon.stop()
    wait_for(lambda: not running("sleep 32198"), 5, "it to end with the daemon")
    bench.daemon = Daemon(bench.home)
    last = [e["payload"] for e in bench.daemon.events(sid) if e["event"] == "background.status"][-1]
    check_equal("the last word", (last["process"]["state"], last["reason"]), ("killed", "daemon-stop"))
    check_equal("nothing runs by itself", bench.daemon.http("GET", "/v3/background").json()["processes"], [])
    check_equal("events of the turn", len(named(bench.daemon.events(sid), "tool.end")), 1)
