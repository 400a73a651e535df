"""opta do: forms of output, what it does without a person, and permission prompts on a terminal."""
import json
import os

from opta_test import check, check_equal, wait_for
from terminal import Terminal
from tools import Bench, call, holds


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def on_terminal(bench, body, *args, **more):
    term = Terminal(bench, *args, **more)
    try:
        body(term)
    finally:
        term.close()


def test_forms_of_output():
    bench = Bench()
    done = bench.home.opta("do", "--format", "text", "demo:echo # Title **b**").expect(0)
    check_equal("text", done.text, "# Title **b**\n")
    check_equal("a pipe gets what the model wrote", bench.home.opta("do", "demo:echo # Title **b**").expect(0).text, "# Title **b**\n")
    lines = [json.loads(line) for line in bench.home.opta("do", "--format", "json", "demo:tokens=2").expect(0).text.splitlines()]
    check_equal("json", [e["event"] for e in lines], ["turn.queued", "turn.start", "turn.token", "turn.token", "turn.done"])
    holds("an unknown one", bench.home.opta("do", "--format", "html", "x").expect(2).errors, "markdown, text or json")


def test_tools_are_shown_on_standard_error_and_quiet_hides_them():
    bench = Bench()
    bench.write("a.txt", "content\n")
    done = bench.home.opta("do", call("read_file", path="a.txt"), cwd=bench.ws).expect(0)
    holds("standard error", done.errors, "● read_file  a.txt")
    check("●" not in done.text, "a tool's card on standard output")
    done = bench.home.opta("do", "--quiet", call("read_file", path="a.txt"), cwd=bench.ws).expect(0)
    check_equal("quiet", done.errors, "")


def test_without_a_person_asking_is_denying_and_the_rule_is_named():
    bench = Bench()
    done = bench.home.opta("do", "--non-interactive", call("run_command", command="touch x"), cwd=bench.ws).expect(0)
    holds("what it says", done.errors, "permissions.run_command allow")
    check(not os.path.exists(bench.path("x")), "it ran")
    bench.home.opta("do", "--auto", "--non-interactive", call("write_file", path="y", content="z"), cwd=bench.ws).expect(0)
    check_equal("an edit with --auto", bench.read("y"), "z")
    done = bench.home.opta("do", "--dangerous", call("run_command", command="touch x"), cwd=bench.ws).expect(0)
    holds("a warning", done.errors, "--dangerous: everything")
    check(os.path.exists(bench.path("x")), "it did not run")
    done = bench.home.opta("do", "--max-turns", "3", "--quiet", call("list_dir") + " demo:loop", cwd=bench.ws).expect(1)
    holds("the limit", done.errors, "the limit of 3 tool calls")
    holds("plan", bench.home.opta("do", "--plan", call("run_command", command="touch q"), cwd=bench.ws).expect(0).errors, "in mode plan")


def test_without_a_terminal_it_says_how_to_answer_and_waits():
    bench = Bench()
    process = bench.home.popen("do", call("run_command", command="touch x"), cwd=bench.ws)
    wait_for(lambda: "opta approve perm_" in open(process.err_path, encoding="utf-8").read(), 10, "the way to answer")
    listed = bench.home.opta("pending").expect(0)
    holds("pending", listed.text, "$ touch x")
    rid = listed.text.split()[0]
    holds("an unknown one", bench.home.opta("approve", "perm_none").expect(1).errors, "opta pending")
    holds("approve", bench.home.opta("approve", rid[5:12]).expect(0).text, f"allowed  {rid}  run_command  $ touch x")
    bench.home.ended(process).expect(0)
    check(os.path.exists(bench.path("x")), "it did not run")
    holds("again", bench.home.opta("approve", rid).expect(1).errors, "no request")
    holds("nothing waits", bench.home.opta("pending").expect(0).text, "nothing waits")
    process = bench.home.popen("do", call("run_command", command="touch y"), cwd=bench.ws)
    wait_for(lambda: "opta approve perm_" in open(process.err_path, encoding="utf-8").read(), 10, "the way to answer")
    bench.home.opta("deny", bench.home.opta("pending").text.split()[0]).expect(0)
    bench.home.ended(process).expect(0)
    check(not os.path.exists(bench.path("y")), "it ran")


def test_on_a_terminal_one_key_answers():
    for key, ran in (("y", True), ("a", True), ("n", False)):
        bench = Bench()

        def body(term):
            term.wait("[s] yes, this exact command in this session")
            holds("the preview", term.screen(), "$ touch ran")
            term.keys("Up")                     # ESC [ A is no letter
            term.type("many thanks")            # nor are letters of a word answers
            term.keys("Up", "z", key)           # all in one read
            term.answer("A")                    # was "all" in earlier builds
            term.answer(key)
            term.wait("EXIT 0")
            check_equal("ran", os.path.exists(bench.path("ran")), ran)
            holds("statistics", term.screen(), "tokens ·")
        on_terminal(bench, body, "do", quoted(call("run_command", command="touch ran")))


def test_on_a_terminal_the_answer_is_rendered_and_another_client_may_answer():
    bench = Bench()

    def body(term):
        term.wait("[y] yes")
        pending = bench.daemon.http("GET", "/v3/permissions").json()["pending"][0]
        bench.answer(pending["sessionId"], pending["requestId"], "allow", decidedBy="the phone").expect(200)
        term.wait("allowed by the phone")
        term.wait("EXIT 0")
        check("[y] yes" not in term.screen(), "the question stayed")
    on_terminal(bench, body, "do", quoted(call("run_command", command="touch ran")))

    def rendered(term):
        term.wait("EXIT 0")
        holds("the screen", term.screen(), "Title bold")
        check("**" not in term.screen().split("EXIT")[0], f"asterisks are left: {term.screen()}")
    on_terminal(bench, rendered, "do", "'demo:echo demo:size=2 # Title **bold**'")


def test_a_question_is_answered_with_a_line():
    bench = Bench()

    def body(term):
        term.wait("Which colour?")
        term.type("green")
        term.keys("Enter")
        term.wait("The tool said: green")
        term.wait("EXIT 0")
    on_terminal(bench, body, "do", quoted(call("ask_user", question="Which colour?")))
