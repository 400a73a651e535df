"""What the model is given when its window is small: nothing is refused that can be asked, and the prompt's front keeps still."""
import json

from model_server import ModelServer, calls, stop, text
from opta_test import check, check_equal
from tools import Bench, named

TOKENS_PER_BYTE = 1 / 4


def server(answer, window):
    """A model server that refuses what is larger than its window, as far as messages go."""
    def careful(body, n):
        tokens = len(json.dumps(body["messages"])) * TOKENS_PER_BYTE
        if tokens > window:
            return [{"error": {"message": f"the request exceeds the available context size ({window} tokens)"}}]
        return [*answer(body, n), {"choices": [], "usage": {"prompt_tokens": int(tokens), "completion_tokens": 5}}]
    return ModelServer(careful, {"/v1/models": {"data": [{"id": "m", "max_model_len": window}]}})


def reads(count):
    """Reads f0, f1, … one in a round, then says so."""
    def answer(body, _):
        last = max(i for i, m in enumerate(body["messages"]) if m["role"] == "user")
        done = sum(m["role"] == "tool" for m in body["messages"][last:])
        if done < count:
            return [calls((f"call{done:05}", "read_file", json.dumps({"path": f"f{done}.txt"}))), stop("tool_calls")]
        return [text("read them all"), stop()]
    return answer


def moved(before, after):
    """Is anything of the earlier request's messages not as it was in the later one?"""
    return [json.dumps(m) for m in after[:len(before)]] != [json.dumps(m) for m in before]


def test_twenty_files_are_read_in_a_small_window():
    model = server(reads(20), 8192)
    bench = Bench({"connection.host": model.host, "agent.maxToolCalls": 50})
    for i in range(20):
        bench.write(f"f{i}.txt", f"line of file {i}\n" * 470)
    sid = bench.session(model="m")
    events = bench.turn("read them", sid, seconds=60)
    check_equal("how it ended", events[-1]["event"], "turn.done")
    sent = [b["messages"] for b in model.bodies]
    check_equal("questions", len(sent), 21)
    check("[left out: read f0.txt again]" in json.dumps(sent[-1]), "the oldest result does not say how to get it again")
    check("line of file 19" in sent[-1][-1]["content"], "the newest result is not whole")
    moves = sum(moved(a, b) for a, b in zip(sent, sent[1:]))
    # Two of them fill the window beside the tools, so it moves with about every second.
    check(moves <= 14, f"the front moved {moves} times in 20 rounds")
    check("context.trimmed" in [p["phase"] for p in named(events, "turn.progress")], "nobody was told")
    model.close()


def test_in_a_large_window_each_question_begins_like_the_one_before():
    model = server(reads(20), 1000000)
    bench = Bench({"connection.host": model.host, "agent.maxToolCalls": 50})
    for i in range(20):
        bench.write(f"f{i}.txt", f"line of file {i}\n" * 20)
    sid = bench.session(model="m")
    check_equal("how it ended", bench.turn("read them", sid, seconds=60)[-1]["event"], "turn.done")
    sent = [b["messages"] for b in model.bodies]
    check_equal("moves of the front", sum(moved(a, b) for a, b in zip(sent, sent[1:])), 0)
    check_equal("tools", len({json.dumps(b["tools"]) for b in model.bodies}), 1)
    model.close()


def test_when_the_window_is_full_the_front_moves_seldom():
    model = server(lambda body, n: [text("fine " * 20), stop()], 8192)
    bench = Bench({"connection.host": model.host})
    sid = bench.session(workspace=None, model="m")
    for i in range(30):
        events = bench.turn(f"{i} " + "word " * 500, sid)
        check_equal(f"turn {i}", events[-1]["event"], "turn.done")
    sent = [b["messages"] for b in model.bodies]
    moves = [moved(a, b) for a, b in zip(sent, sent[1:])]
    check(sum(moves) >= 2, "the window was never full")
    full = moves[moves.index(True):]
    check(sum(full) <= len(full) / 4 + 1, f"the front moved {sum(full)} times in {len(full)} turns")
    model.close()


def test_words_that_can_never_fit_are_not_sent_and_others_are():
    model = server(lambda body, n: [text("fine"), stop()], 8192)
    bench = Bench({"connection.host": model.host})
    sid = bench.session(workspace=None, model="m")
    check_equal("12 kB in 8k", bench.turn("x" * 12000, sid)[-1]["event"], "turn.done")
    before = len(model.bodies)
    end = bench.turn("x" * 100000, sid)[-1]["payload"]
    check_equal("100 kB in 8k", (end["code"], len(model.bodies)), ("context-overflow", before))
    check_equal("after that", bench.turn("hello", sid)[-1]["event"], "turn.done")
    model.close()
