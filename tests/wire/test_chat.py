"""opta chat in a real terminal (tmux): typing, answers, permissions, resize, Ctrl+C, a daemon that dies."""
import os
import signal

from opta_test import check, check_equal, stop_event, wait_for
from terminal import Terminal
from tools import Bench, call, holds


def chat(body, config=None, **more):
    """Runs body(bench, terminal) with a chat that is ready."""
    bench = Bench(config)
    term = Terminal(bench, "chat", **more)
    try:
        term.wait("/help lists")
        term.wait_last("›")
        body(bench, term)
    finally:
        term.close()


def test_what_is_typed_is_answered_and_the_line_is_there_again():
    def body(bench, term):
        term.say("hello there")
        term.wait('You said: "hello there"')
        term.wait("tokens ·")
        lines = term.lines()
        holds("the words said", "\n".join(lines), "› hello there")
        holds("the status line", lines[-2], "demo-1 · sess_")
        check_equal("the line to type on", lines[-1], "›")
    chat(body)


def test_the_line_is_edited_and_history_comes_back():
    def body(bench, term):
        term.type("helo wrld")
        term.keys("C-a", "Right", "Right", "Right")
        term.type("l")
        term.keys("C-e", "M-b", "Right")
        term.type("o")
        term.wait_last("› hello world")
        term.keys("Enter")
        term.wait('You said: "hello world"')
        term.wait_last("›")
        term.type("x")
        term.wait_last("› x")
        term.keys("Up")
        term.wait_last("› hello world")
        term.keys("Down")
        term.wait_last("› x")
        term.keys("C-u")
        wait_for(lambda: term.lines()[-1] == "›", 5, "an empty line")
        # several lines, and a paste that is one text
        term.type("one")
        term.keys("M-Enter")
        term.type("two")
        wait_for(lambda: [line.strip() for line in term.lines()[-2:]] == ["› one", "two"], 5, "two lines")
        term.tmux("set-buffer", "three\nfour")
        term.tmux("paste-buffer", "-p", "-t", "t")
        wait_for(lambda: [line.strip() for line in term.lines()[-3:]] == ["› one", "twothree", "four"], 5, "the pasted lines")
        term.keys("Enter")
        term.wait("four\"")
    chat(body)


def test_a_half_typed_line_stays_whole_below_streamed_output():
    def body(bench, term):
        term.say("demo:tokens=120 demo:delay=20")
        term.wait("w3 ")
        term.type("half")
        wait_for(lambda: term.lines()[-1] == "› half", 10, "the typed word")
        for word in (" a", " line", " \u6f22\u5b57"):
            term.type(word)
            seen = term.lines()
            check(seen[-1].startswith("› half"), f"the typed line is not whole: {seen[-3:]!r}")
        term.wait("w119", 15)
        term.wait("tokens ·")
        check_equal("the typed line", term.lines()[-1], "› half a line \u6f22\u5b57")
        text = " ".join(term.screen(history=True).split())
        for n in range(119):
            check(f"w{n} w{n + 1}" in text, f"w{n} is missing or twice: {text[-1500:]!r}")
        check_equal("each word once", text.count("w60 "), 1)
    chat(body)


def test_markdown_is_rendered():
    def body(bench, term):
        bench.write("doc", "x")
        term.say("demo:echo demo:size=3 # Title then **bold** `code`")
        term.wait("Title then bold code")
        check("**" not in "\n".join(term.lines()[3:]), f"asterisks are left: {term.screen()}")
    chat(body)


def test_a_permission_is_answered_with_one_key():
    def body(bench, term):
        for key, ran in (("y", True), ("a", True), ("n", False), ("d", False)):
            term.say(call("run_command", command=f"touch ran-{key}"))
            term.wait("[s] yes, this exact command in this session")
            holds("the preview", term.screen(), f"$ touch ran-{key}")
            term.answer(key)
            wait_for(lambda: "[y] yes" not in term.screen(), 10, "the question to go")
            term.wait_last("›")
            wait_for(lambda: os.path.exists(bench.path(f"ran-{key}")) == ran, 10, f"the command to {'' if ran else 'not '}run")
            wait_for(lambda: "1 tool" in term.lines()[-3], 10, "the end of the turn")
    chat(body)


def test_all_for_this_tool_is_remembered():
    def body(bench, term):
        bench.write("a", "1")
        term.say(call("edit_file", path="a", old="1", new="2"))
        term.wait("[y] yes  [s] yes, this tool in this session")
        holds("the diff", term.screen(), "+2")
        term.answer("A")
        term.wait_last("› A")
        term.keys("BSpace")
        term.answer("s")
        wait_for(lambda: bench.read("a") == "2", 10, "the edit")
        term.say(call("edit_file", path="a", old="2", new="3"))
        wait_for(lambda: bench.read("a") == "3", 10, "the second edit, unasked")
    chat(body)


def test_a_question_goes_away_when_another_client_answers():
    def body(bench, term):
        term.say(call("run_command", command="touch other"))
        term.wait("[y] yes")
        pending = bench.daemon.http("GET", "/v3/permissions").json()["pending"][0]
        bench.answer(pending["sessionId"], pending["requestId"], "allow", decidedBy="the phone").expect(200)
        term.wait("allowed by the phone")
        wait_for(lambda: "[y] yes" not in term.screen(), 5, "the question to go")
        term.wait("● run_command  touch other")
    chat(body)


def test_the_model_asks_and_the_line_is_the_answer():
    def body(bench, term):
        term.say(call("ask_user", question="Tabs or blanks?"))
        term.wait("Tabs or blanks?")
        term.wait_last("?")
        term.type("tabs please")
        term.keys("Enter")
        term.wait("The tool said: tabs please")
    chat(body)


def test_ctrl_c_cancels_and_twice_leaves():
    def body(bench, term):
        term.say("demo:tokens=1000 demo:delay=50")
        term.wait("w2 ")
        term.keys("C-c")
        term.wait("cancelled")
        term.wait_last("›")
        check_equal("turns running", bench.daemon.http("GET", "/v3/metrics").json()["runtime"]["activeTurnCount"], 0)
        term.keys("C-c")
        term.wait("EXIT 0")
        term.wait("opta chat --resume sess_")
    chat(body)


def test_a_resize_leaves_no_rubbish():
    def body(bench, term):
        term.say("demo:tokens=60")
        term.wait("w59")
        term.type("a line that is long enough to wrap when the window is made narrow")
        term.wait_last("narrow")
        for width in (40, 100, 50):
            term.tmux("resize-window", "-t", "t", "-x", str(width), "-y", "24")
            wait_for(lambda: any(line.startswith("› a line") for line in term.lines()[-3:]), 5, "the line to be painted again")
            wait_for(lambda: sum(line.startswith("› a line") for line in term.lines()) == 1, 5, f"one typed line at {width} columns:\n{term.screen()}")
    chat(body)


def test_40_columns_hold_it_all():
    def body(bench, term):
        bench.write("a", "1")
        term.say("| name | value |\\n demo:tokens=30")
        term.wait("w29")
        term.type(call("run_command", command="echo a long command that does not fit into forty columns"))
        term.keys("Enter")
        term.answer("y")
        term.wait("● run_command")
    chat(body, width=40, height=20)


def test_a_daemon_killed_in_mid_answer_is_started_again_and_nothing_is_twice():
    def body(bench, term):
        term.say("demo:tokens=400 demo:delay=10")
        term.wait("w20 ")
        os.kill(bench.daemon.pid, 9)
        term.wait("Connection interrupted, reconnecting...")
        term.wait("(interrupted)", 20)
        text = " ".join(term.screen(history=True).split())
        last = max(n for n in range(400) if f"w{n} " in text)
        for n in range(last + 1):
            check_equal(f"w{n} on the screen", text.count(f" w{n} "), 1)
        term.say("still there")
        term.wait('You said: "still there"', 20)
    chat(body)


def test_escape_sequences_of_model_and_tool_never_reach_the_terminal():
    def body(bench, term):
        bench.write("evil\033]0;hacked\007.txt", "\033[31mred\033]52;c;aGk=\007\033[2J\n")
        term.say("demo:echo \033]0;hacked\007 demo:size=1")
        term.say(call("read_file", path="evil\033]0;hacked\007.txt"))
        term.wait("● read_file")
        term.say(call("list_dir"))
        term.wait("● list_dir")
        check("hacked" not in term.tmux("display-message", "-p", "-t", "t", "#{pane_title}"), "the title was set")
        shown = term.tmux("capture-pane", "-p", "-e", "-t", "t")
        check("\033[31mred" not in shown, f"a colour of the tool's was obeyed: {shown!r}")
        holds("what is shown instead", shown, "␛")
    chat(body)


def test_slash_commands():
    def body(bench, term):
        term.say("first words")
        term.wait('You said: "first words"')
        term.say("/help")
        term.wait("/compact")
        term.type("/mod")
        term.keys("Tab")
        term.wait_last("› /model")
        term.keys("C-u")
        term.say("/titel A name")
        term.wait("did you mean /title?")
        term.say("/title A name of mine")
        term.wait("named")
        term.say("/plan")
        term.wait(" · plan")
        term.say(call("write_file", path="x", content="y"))
        term.wait("in mode plan nothing is changed")
        term.say("/chat")
        term.say("/export out.md")
        term.wait("written: out.md")
        holds("the export", bench.read("out.md"), "# A name of mine")
        term.say("/sessions")
        term.wait("A name of mine")
        term.say("/new")
        term.wait("a new session: sess_")
        first = [s for s in bench.daemon.http("GET", "/v3/sessions").json() if s["title"] == "A name of mine"][0]["id"]
        term.say(f"/resume {first[:14]}")
        term.wait(f"session {first}")
        term.say("/permissions")
        term.wait("opta config set permissions.run_command")
        term.say("/compact")
        term.wait("the conversation goes on in sess_")
        term.say("/quit")
        term.wait("EXIT 0")
    chat(body)


def test_no_color_and_dumb_terminals():
    bench = Bench()
    term = Terminal(bench, "chat", env={"NO_COLOR": "1"})
    try:
        term.wait_last("›")
        term.say("hello")
        term.wait("You said")
        check("\033[1;34m" not in term.tmux("capture-pane", "-p", "-e", "-t", "t"), "there is colour")
    finally:
        term.close()
    done = bench.home.opta("chat", stdin=b"hello\n/quit\n").expect(0)
    holds("a pipe", done.text, 'You said: "hello"')
    check("\033" not in done.text, "escape sequences in a pipe")


def test_what_is_said_before_there_is_a_session_is_said_in_it():
    bench = Bench()
    os.kill(bench.daemon.pid, signal.SIGSTOP)
    term = Terminal(bench, "chat")
    try:
        term.wait_last("›")
        term.say("hello there")
        os.kill(bench.daemon.pid, signal.SIGCONT)
        term.wait('You said: "hello there"')
    finally:
        os.kill(bench.daemon.pid, signal.SIGCONT)
        term.close()


def test_words_of_another_client_are_shown():
    def body(bench, term):
        sid = bench.newest()
        turn = bench.daemon.submit(sid, "said elsewhere", clientId="the editor")
        term.wait("the editor › said elsewhere")
        term.wait('You said: "said elsewhere"')
        stop_event(bench.daemon.turn_events(sid, turn), "turn.done")
    chat(body)
