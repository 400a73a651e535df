"""What a person sees and what their keys do, on a real terminal: slow, narrow, resized, left and come back to."""
import os
import re
import signal
import subprocess
import sys
import time

from opta_test import OPTA, SLOW, check, check_equal, wait_for
from processes import command_line, descendants
from terminal import Terminal
from tools import Bench, call, holds


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def on_terminal(bench, body, *args, **more):
    term = Terminal(bench, *args, **more)
    try:
        return body(term)
    finally:
        term.close()


def chat(body, *args, config=None, bench=None, **more):
    """Runs body(bench, terminal) with a chat that is ready."""
    bench = bench or Bench(config)

    def ready(term):
        term.wait("/help lists")
        term.wait_last("›")
        term.until(lambda: "sess" in term.screen(), 10, "the session")
        return body(bench, term)
    return on_terminal(bench, ready, "chat", *args, **more)


def every_word(text, count, where):
    """The words w0 … of the demo model, each once and in order."""
    words = re.findall(r"\bw(\d+)\b", text)
    for n, word in enumerate(words):
        if int(word) != n:
            raise AssertionError(f"{where}: after w{n - 1} comes w{word}")
    check_equal(f"{where}: words", len(words), count)


# --- nothing is lost on the way to the screen ---

def test_a_megabyte_reaches_a_slow_terminal_whole():
    bench = Bench()

    def body(term):
        term.wait("EXIT 0", 60)
        every_word("\n".join(term.rows()), 150000, "opta do")
    on_terminal(bench, body, "do", "demo:tokens=150000", slow=400000)


test_a_megabyte_reaches_a_slow_terminal_whole.timeout = 120


def test_a_slow_terminal_does_not_hold_up_the_keys():
    def body(bench, term):
        term.say("demo:tokens=20000 demo:delay=1")
        term.wait("w100")
        begun = time.monotonic()
        term.keys("C-c")
        wait_for(lambda: bench.daemon.http("GET", "/v3/metrics").json()["runtime"]["activeTurnCount"] == 0, 5, "the end of the turn")
        check(time.monotonic() - begun < 3, "Ctrl+C came through late")
        term.wait("cancelled", 30)
    chat(body, slow=3000)


def test_a_resumed_session_is_shown_whole_on_a_slow_terminal():
    bench = Bench()
    sid = bench.session()
    bench.turn("demo:tokens=30000", sid)

    def body(bench, term):
        term.until(lambda: "w29999" in term.screen(history=True), 30, "the last word")
        every_word("\n".join(term.rows()), 30000, "opta chat --resume")
    chat(body, "--resume", sid, bench=bench, slow=200000)


def test_a_list_of_a_thousand_items_is_shown_whole():
    bench = Bench()
    sid = bench.daemon.create(messages=[{"role": "user", "content": "a list"}, {
        "role": "assistant", "content": "".join(f"- item {n} of many\n" for n in range(1000)) + "\nThe end."}])["id"]

    def body(bench, term):
        term.wait("The end.", 20)
        check_equal("items", re.findall(r"• item (\d+) of many", "\n".join(term.rows())), [str(n) for n in range(1000)])
    chat(body, "--resume", sid, bench=bench, slow=100000)


def test_a_full_pipe_gets_all_of_it():
    bench = Bench()
    script = "import sys, time\nn = 0\nwhile (b := sys.stdin.buffer.read1(3000)):\n    n += len(b)\n    time.sleep(0.0005)\nprint(n)"
    process = bench.home.popen("do", "--format", "text", "demo:tokens=100000", stdout=-1)
    reader = subprocess.run([sys.executable, "-c", script], stdin=process.stdout, capture_output=True, check=True, timeout=60)
    process.stdout.close()
    bench.home.ended(process).expect(0)
    check_equal("bytes", int(reader.stdout), sum(len(f"w{n} ") for n in range(100000)) + 1)


FLAGS = "import fcntl, sys; print('NONBLOCK', bool(fcntl.fcntl(0, fcntl.F_GETFL) & 2048), bool(fcntl.fcntl(1, fcntl.F_GETFL) & 2048))"


def test_the_terminals_flags_are_as_they_were_also_after_a_kill():
    for end in ("leave", "kill"):
        bench = Bench()

        def body(term):
            term.wait_last("›")
            term.until(lambda: "sess_" in term.screen(), 10, "the session")
            if end == "leave":
                term.keys("C-d")
            else:
                pid = [p for p in descendants() if command_line(p).startswith(f"{OPTA} chat")][0]
                os.kill(pid, signal.SIGKILL)
            term.wait("NONBLOCK False False")
        command = f"'{OPTA}' chat; '{sys.executable}' -c \"{FLAGS}\""
        on_terminal(bench, body, command=command)


# --- answering ---

def test_letters_of_a_word_approve_nothing_and_stay_typed():
    def body(bench, term):
        term.say(call("run_command", command="touch ran"))
        term.wait("[y] yes")
        for letter in "yay thanks":
            term.type(letter)
        term.wait_last("› yay thanks")
        term.quiet()
        term.type("y")                          # a draft is open: a letter of it
        term.wait_last("› yay thanksy")
        check(not os.path.exists(bench.path("ran")), "a word approved the command")
        term.keys("C-u")
        wait_for(lambda: term.lines()[-1] == "›", 5, "an empty line")
        term.answer("y")
        wait_for(lambda: os.path.exists(bench.path("ran")), 10, "the command to run")
    chat(body)


def test_the_first_letter_of_a_sentence_approves_nothing():
    bench = Bench()

    def body(bench, term):
        for words in ("stop that", "yes, but wait", "anything else"):
            term.say(call("run_command", command="touch ran"))
            term.wait("[n] no")
            term.quiet()
            for letter in words:
                term.type(letter)
            term.wait_last(f"› {words}")
            term.quiet()
            check(not os.path.exists(bench.path("ran")), f"{words!r} approved the command")
            term.keys("C-u")
            wait_for(lambda: term.lines()[-1] == "›", 5, "an empty line")
            term.quiet()
            term.type("n")
            term.keys("Enter")                  # at once
            term.until(lambda: "[n] no" not in term.screen(), 5, "the end of the question")
            term.until(lambda: "1 tool" in term.lines()[-3], 10, "the end of the turn")
    chat(body, bench=bench)

    def do(term):
        term.wait("[n] no")
        term.quiet()
        for letter in "stop that":
            term.type(letter)
        term.quiet()
        check(not os.path.exists(bench.path("ran")), "a sentence approved the command")
        term.answer("n")
        term.wait("EXIT 0")
    on_terminal(bench, do, "do", quoted(call("run_command", command="touch ran")))


def test_a_no_has_a_reason_and_the_model_reads_it():
    def body(bench, term):
        term.say(call("run_command", command="touch ran"))
        term.wait("[r] no, because")
        term.type("draft ")
        term.wait_last("› draft")
        term.keys("C-u")
        term.answer("r")
        term.wait("no, because ›")
        term.type("use make instead")
        term.keys("Enter")
        term.wait("The tool said:")
        holds("what the model was told", " ".join(term.screen().split()), "use make instead")
        check(not os.path.exists(bench.path("ran")), "it ran")
    chat(body)


def test_after_ctrl_z_and_fg_the_question_is_asked_anew():
    bench = Bench()
    for args in ("chat", "do"):
        def body(term):
            term.wait("$", 10)
            if args == "chat":
                term.type(f"'{OPTA}' chat\n")
                term.wait("/help lists")
                term.until(lambda: "sess_" in term.screen(), 10, "the session")
                term.say(call("run_command", command="touch ran-chat"))
            else:
                term.type(f"'{OPTA}' do {quoted(call('run_command', command='touch ran-do'))}\n")
            term.wait("[y] yes")
            term.keys("C-z")
            term.wait("Stopped")
            term.tmux("clear-history", "-t", "t")
            term.type("clear; fg\n")
            term.until(lambda: "[y] yes" in term.screen() and "Stopped" not in term.screen(), 10, "the question, again")
            term.type("y")                      # too early
            check(not os.path.exists(bench.path(f"ran-{args}")), "a key counted at once")
            if args == "chat":
                term.wait_last("› y")
                term.keys("BSpace")
            term.answer("y")
            wait_for(lambda: os.path.exists(bench.path(f"ran-{args}")), 10, "the command to run")
        on_terminal(bench, body, command="PS1='$ ' bash --norc -i")


def test_what_was_not_shown_cannot_be_approved():
    bench = Bench()
    command = "true\n" * 200 + "touch ran"
    pager = bench.path("pager")
    bench.write("pager", f"#!/bin/sh\ncat >'{bench.path('paged')}'\n", mode=0o755)

    def body(bench, term):
        bench.daemon.submit(bench.newest(), call("run_command", command=command))
        term.wait("more lines: [v] shows them, then you can say yes")
        holds("how many", term.screen(), "more lines")
        term.answer("y")
        term.wait("first press v, or answer n")
        check(not os.path.exists(bench.path("ran")), "what was not shown was approved")
        term.answer("v")
        wait_for(lambda: os.path.exists(bench.path("paged")) and "touch ran" in bench.read("paged"), 10, "the pager")
        term.wait("[y] yes")
        term.answer("y")
        wait_for(lambda: os.path.exists(bench.path("ran")), 10, "the command to run")
        os.unlink(bench.path("ran"))
        os.unlink(bench.path("paged"))
    chat(body, bench=bench, env={"PAGER": pager})

    def do(term):
        term.wait("more lines: [v] shows them, then you can say yes")
        term.answer("y")
        term.wait("first press v")
        term.answer("v")
        wait_for(lambda: os.path.exists(bench.path("paged")) and "touch ran" in bench.read("paged"), 10, "the pager")
        term.answer("y", "[y] yes")
        wait_for(lambda: os.path.exists(bench.path("ran")), 10, "the command to run")
        term.wait("EXIT 0")
    on_terminal(bench, do, "do", quoted(call("run_command", command=command)), env={"PAGER": pager})


def test_on_a_low_screen_a_request_is_not_approved_by_its_end():
    def body(bench, term):
        bench.daemon.submit(bench.newest(), call("run_command", command="true\n" * 5 + "touch ran"))
        term.wait("more lines: [v] shows")
        term.answer("y")
        term.wait("first press v")
        check(not os.path.exists(bench.path("ran")), "what was not shown was approved")
        term.answer("n")
        term.wait("denied")
    chat(body, height=10)


def test_what_is_unseen_is_shown_before_it_is_approved():
    def body(bench, term):
        bench.write("a.txt", "one\n\ttwo\nthree\n")
        term.say(call("run_command", command="echo \u202edcba\u200b && echo b\rtrue"))
        term.wait("[n] no")
        for sign in ("<U+202E>", "<U+200B>", "␍"):
            holds("the request", term.screen(), sign)
        term.answer("n")
        term.wait("denied")
        term.say(call("edit_file", path="a.txt", old="\ttwo\nthree", new="        two\nthree  "))
        term.until(lambda: "+three··" in term.screen(), 10, "blanks at the end that differ")
        holds("a tab that differs", term.screen(), "-→   two")
    chat(body)


# --- leaving and coming back ---

def test_whoever_comes_back_sees_the_question_and_answers_it():
    bench = Bench()

    def leave(bench, term):
        term.say(call("run_command", command="touch ran"))
        term.wait("[y] yes")
        term.keys("C-d")
        term.wait("EXIT 0")
        return re.search(r"--resume (sess_\w+)", term.screen()).group(1)
    sid = chat(leave, bench=bench)

    def back(bench, term):
        term.wait("$ touch ran")
        term.wait("[y] yes")
        holds("what was said", term.screen(), "› demo:tool=run_command")
        check_equal("once", term.screen(history=True).count("› demo:tool=run_command"), 1)
        term.answer("y")
        term.wait("The tool said:")
        check(os.path.exists(bench.path("ran")), "it did not run")
    chat(back, "--resume", sid, bench=bench)


def test_whoever_comes_back_sees_the_answer_from_its_beginning():
    bench = Bench()
    sid = bench.session()
    bench.turn("the first words", sid)
    running = bench.daemon.submit(sid, "demo:tokens=400 demo:delay=20")
    waits = bench.daemon.submit(sid, "and then this")
    bench.daemon.wait_event(sid, lambda e: e["event"] == "turn.token" and e["payload"]["text"].startswith("w20 "), 10, "w20")

    def body(bench, term):
        term.wait("w20 ")
        term.wait("waits: anonymous and then this")
        text = term.screen(history=True)
        holds("the history", text, "the first words")
        holds("what was asked", text, "› demo:tokens=400")
        check_equal("the question, once", text.count("demo:tokens=400"), 1)
        check("w0 w1 w2" in " ".join(text.split()), f"the answer begins in the middle:\n{text}")
        check(re.search("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]|w\\d+", text), "nothing shows that it runs")
        term.keys("C-c")                        # the running one alone
        term.wait("cancelled")
        term.wait('You said: "and then this"')
    chat(body, "--resume", sid, bench=bench)
    check_equal("the first", bench.daemon.wait_stop(sid, running)["event"], "session.cancelled")
    check_equal("the second", bench.daemon.wait_stop(sid, waits)["event"], "turn.done")


def test_a_chat_whose_terminal_goes_away_leaves_its_turn_running():
    bench = Bench()

    def body(bench, term):
        term.say("demo:tokens=100 demo:delay=20")
        term.wait("w3 ")
    chat(body, bench=bench)
    sid = bench.newest()
    done = bench.daemon.wait_event(sid, lambda e: e["event"] in ("turn.done", "session.cancelled", "turn.error"), 20, "its end")
    check_equal("how it ended", done["event"], "turn.done")


# --- while it answers ---

def test_words_said_during_an_answer_wait_below_it_and_can_be_taken_back():
    def body(bench, term):
        term.say("demo:tokens=150 demo:delay=20")
        term.wait("w5 ")
        for words in ("the second", "the third"):
            term.type(words)
            term.keys("Enter")
            term.wait(f"waits: {words}")
        text = " ".join(" ".join(term.rows()).split("demo-1 ·")[0].split())
        check("› the second" not in text, f"it stands in the answer: {text[-300:]}")
        term.keys("Up")
        term.wait_last("› the third")
        term.until(lambda: "waits: the third" not in term.screen(), 5, "one message less")
        term.keys("C-u")
        term.wait('You said: "the second"', 20)
        text = " ".join(" ".join(term.rows()).split())
        check(re.search(r"w148 w149 150 tokens · .* › the second This is", text), f"the order: {text[-400:]}")
        check("the third" not in text.split("w149")[1], "what was taken back was said")
    chat(body)


def test_esc_stops_the_running_turn_and_the_next_one_starts():
    def body(bench, term):
        term.say("demo:tokens=1000 demo:delay=20")
        term.wait("w3 ")
        term.type("the second")
        term.keys("Enter")
        term.wait("waits: the second")
        term.keys("Escape")
        term.wait("cancelled")
        term.wait('You said: "the second"')
    chat(body)


def test_keys_are_read_while_the_daemon_does_not_answer():
    bench = Bench(demo=("--hang",))

    def body(bench, term):
        term.say("/models")
        term.wait("asking the daemon")
        begun = time.monotonic()
        term.type("typed meanwhile")
        term.wait_last("› typed meanwhile", 1)
        term.keys("C-c")
        term.wait("no longer waiting for the daemon's answer", 1)
        check(time.monotonic() - begun < 2 * SLOW, "keys came through late")
        check_equal("what was typed", term.lines()[-1], "› typed meanwhile")
    chat(body, bench=bench)


def test_a_notice_does_not_end_the_block_it_comes_in():
    bench = Bench()

    def body(bench, term):
        term.say("demo:echo demo:split demo:delay=30 " + "**bold " + "word " * 120 + "end**")
        term.wait("\n**bold word")              # its end is not there yet
        bench.daemon.kill()
        term.wait("(interrupted)", 20)
        shown = "\n".join(term.rows())
        check_equal("notices", shown.count("Connection interrupted"), 1)
        first = shown.rindex("bold")
        check("Connection interrupted" not in shown[first:shown.rindex("word")], f"it stands within the paragraph:\n{shown}")
    chat(body, bench=bench)


# --- narrow, resized ---

def test_a_question_that_wraps_is_painted_in_place():
    for width in (42, 38, 30, 20):
        def body(bench, term):
            term.say(call("run_command", command="touch ran"))
            term.wait("[n] no")
            seen = len([row for row in term.rows() if "[n] no" in row])
            check_equal(f"questions at {width} columns", seen, 1)
            begun = time.monotonic()
            wait_for(lambda: time.monotonic() - begun > 1.5, 5, "some frames of the spinner")
            check_equal(f"questions later, at {width} columns", len([row for row in term.rows() if "[n] no" in row]), 1)
            check_equal("what it asks for", len([row for row in term.rows() if "$ touch ran" in row]), 1)
        chat(body, width=width, height=20)


def test_a_resize_while_it_streams_leaves_one_copy():
    def body(bench, term):
        term.say("demo:tokens=400 demo:delay=10")
        term.wait("w5 ")
        for width in (60, 100, 45, 80):
            term.resize(width)
            seen = int(re.findall(r"w(\d+)", term.screen())[-1])
            # tmux tells a program of a second new size within 250 ms only after that.
            term.until(lambda: f"w{seen + 60} " in " ".join(term.screen().split()) + " ", 10, "more words")
        term.wait("400 tokens", 20)
        every_word("\n".join(row for row in term.rows() if "demo:" not in row), 400, "after four resizes")
        check_equal("status lines", len([row for row in term.rows() if "demo-1 ·" in row]), 1)
    chat(body)


def test_a_resize_eats_no_row_above():
    def body(bench, term):
        term.say("demo:tokens=5")
        term.wait("5 tokens")
        term.type("a draft that is much longer than the narrow windows that it is going to be shown in, and then some")
        term.wait_last("and then some")
        for width in (50, 100, 33, 120, 80):
            term.resize(width)
            for row in ("w0 w1 w2 w3 w4", "5 tokens", "demo-1 ·", "› a draft"):
                term.until(lambda: sum(row in line for line in term.rows()) == 1, 5, f"one {row!r} at {width} columns")
            term.until(lambda: "".join(term.screen().split()).endswith("thensome"), 5, "the end of the draft")
            # tmux tells a program of a second new size within 250 ms only after that, and wraps at once.
            term.quiet()
    chat(body)


# --- what the terminal costs ---

def test_a_long_answer_costs_what_it_weighs():
    bench = Bench(demo=("--context", "1000000"))
    size = 160 * 1024
    words = " ".join(f"word{n}" for n in range(size // 10))
    lines = "\n".join(f"a line of code {n}" for n in range(size // 20))
    shapes = {"a paragraph": words, "an item": "- " + words, "a quote": "> " + words, "one line of code": f"```\n{words}\n```",
              "code": f"```c\n{lines}\n```", "code in an item": "- item\n\n  ```c\n  " + lines.replace("\n", "\n  ") + "\n  ```",
              "bold": f"**{words}**", "one word": "w" * size, "a table": "| a | b |\n|---|---|\n" + lines.replace("a line", "| a").replace("\n", " |\n") + " |"}
    for name, text in shapes.items():
        path, out = bench.path("long.txt"), bench.path("typescript")
        with open(path, "w", encoding="utf-8") as file:
            file.write("demo:echo demo:size=5 " + text)
        script = (f"import os, pty, resource\nos.environ['TERM'] = 'xterm'\nout = open({out!r}, 'wb')\n"
                  "def master(fd):\n    data = os.read(fd, 65536)\n    out.write(data)\n    return data\n"
                  f"pty.spawn(['sh', '-c', \"exec '{OPTA}' do <'{path}'\"], master)\n"
                  "used = resource.getrusage(resource.RUSAGE_CHILDREN)\nprint('CPU', used.ru_utime + used.ru_stime)")
        ran = subprocess.run([sys.executable, "-c", script], env=bench.home.env, capture_output=True, check=True, stdin=subprocess.DEVNULL, timeout=60)
        cpu, sent = float(re.search(rb"CPU ([\d.]+)", ran.stdout).group(1)), os.path.getsize(out)
        check(sent > size / 2, f"{name}: only {sent} bytes reached the terminal")
        check(sent < 4 * size, f"{name}: {sent} bytes to the terminal for {size}")
        check(cpu < 0.3 * SLOW ** 2, f"{name}: {cpu:.2f} s of processor time")


# --- the end of `opta do` ---

def test_a_signal_ends_the_turn_with_opta_do():
    for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGALRM, signal.SIGXCPU, signal.SIGQUIT, signal.SIGIO, signal.SIGPWR,
                   signal.SIGSTKFLT, signal.SIGXFSZ):
        bench = Bench()
        sid = bench.session()
        process = bench.home.popen("do", "--session", sid, "--dangerous", "demo:tokens=1000 demo:delay=20", cwd=bench.ws)
        bench.daemon.wait_event(sid, lambda e: e["event"] == "turn.token", 10, "a word")
        os.kill(process.pid, signum)
        bench.home.ended(process).expect(130 if signum == signal.SIGINT else 128 + signum)
        wait_for(lambda: any(e["event"] == "session.cancelled" for e in bench.daemon.events(sid)), 5, "the cancel")


def test_a_signal_ends_a_plain_chat_and_a_persons_turn_goes_on():
    for person in (True, False):
        bench = Bench()
        sid = bench.session()
        if person:
            def body(term):
                term.wait_last(">")
                term.type("demo:tokens=60 demo:delay=20\n")
                term.wait("w3 ")
            on_terminal(bench, body, command=f"TERM=dumb '{OPTA}' chat --session {sid}")
        else:
            process = bench.home.popen("chat", "--session", sid, stdin=subprocess.PIPE)
            process.stdin.write(b"demo:tokens=600 demo:delay=20\nnever said\n")
            process.stdin.flush()
            bench.daemon.wait_event(sid, lambda e: e["event"] == "turn.token", 10, "a word")
            os.kill(process.pid, signal.SIGTERM)
            bench.home.ended(process).expect(143)
            process.stdin.close()
        done = bench.daemon.wait_event(sid, lambda e: e["event"] in ("turn.done", "session.cancelled", "turn.error"), 20, "its end")
        check_equal("how it ended", done["event"], "turn.done" if person else "session.cancelled")
        check_equal("turns", len([e for e in bench.daemon.events(sid) if e["event"] == "turn.queued"]), 1)


def test_a_lost_reader_ends_the_turn():
    for tokens in ("demo:tokens=100000 demo:delay=1", "demo:tokens=3 demo:hang=3"):
        bench = Bench()
        sid = bench.session()
        reader, writer = os.pipe()
        process = bench.home.popen("do", "--session", sid, "--dangerous", tokens, stdout=writer)
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)
        done = bench.home.ended(process).expect(1)
        holds("why", done.errors, "the turn was cancelled")
        check(any(e["event"] == "session.cancelled" for e in bench.daemon.events(sid)), "it was not cancelled")
    bench = Bench()
    sid = bench.session()
    with open("/dev/full", "wb") as full:
        process = bench.home.popen("do", "--session", sid, "demo:tokens=100000 demo:delay=1", stdout=full)
    holds("a full disk", bench.home.ended(process).expect(1).errors, "No space left on device")
    check(any(e["event"] == "session.cancelled" for e in bench.daemon.events(sid)), "it was not cancelled")


def test_a_program_without_standard_descriptors_does_not_abort():
    bench = Bench()
    for closed in ("<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"):
        for words in ("status", "do x", "sessions list", "chat", "doctor", "daemon status"):
            code = os.waitstatus_to_exitcode(subprocess.run(
                ["sh", "-c", f"'{OPTA}' {words} {closed}"], env=bench.home.env, capture_output=True, timeout=30,
                stdin=subprocess.DEVNULL).returncode << 8)
            check(code in (0, 1, 2, 3), f"`opta {words} {closed}` ended with {code}")
    optad = os.path.join(os.path.dirname(OPTA), "optad")
    code = subprocess.run(["sh", "-c", f"'{optad}' nonsense <&- >&- 2>&-"], env=bench.home.env, check=False).returncode
    check_equal("optad", code, 2)
