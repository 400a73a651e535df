"""RssAnon of all processes. (10,000 stored sessions: see growth.)"""
import statistics

from stack import wait_for

BLOCKS = 5


def a_while(stack, sessions, turns, tokens):
    """Part of a day: sessions, turns with a client each, requests, deletions."""
    for _ in range(sessions):
        sid = stack.session()
        for _ in range(turns):
            goal = stack.last_seq(sid)
            with stack.load(sid, goal, 1, tokens + 3) as reader:
                stack.submit(sid, tokens)
                reader.numbers()
        stack.ask("GET", "/v3/sessions?limit=50")
        stack.ask("GET", f"/v3/sessions/{sid}")
        stack.ask("GET", "/v3/search?q=session")
        wait_for(lambda one=sid: stack.ask("GET", f"/v3/sessions/{one}")["status"] == "idle", "the turn to end")


def measure(bench, result):
    idle, after, day = [], [], []
    for _ in range(bench.runs):
        with bench.stack() as stack:
            idle.append(stack.anon_mb())
            stack.turn(stack.session(), 500)
            after.append(stack.anon_mb())
    with bench.stack() as stack:
        for _ in range(BLOCKS):
            a_while(stack, *bench.size((20, 10, 300), (2, 2, 50)))
            day.append(stack.anon_mb())
    grown = day[-1] - statistics.median(day[:2])
    result.limit("memory, idle", idle, "MB", "≤ 5 MB", lambda mb: mb <= 5)
    result.limit("memory, after a turn", after, "MB", "≤ 6 MB", lambda mb: mb <= 6)
    result.add("memory, a day of use: after each fifth of it", day, "MB", compared=f"{grown:+.2f} MB in the last three fifths",
               reach="flat (≤ 0.5 MB)", met=grown <= 0.5)
    result.note("A day: 100 sessions of 10 turns of 300 tokens, a client for each turn, with lists and searches in between.")
