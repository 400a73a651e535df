"""Model servers with names: added, listed, tried, removed; whose models are NAME/model; whose key goes where."""
import json
import os

from model_server import ModelServer, calls, stop, text
from opta_test import Daemon, Demo, Home, check, check_equal, check_in, only, stop_event, texts, wait_for
from processes import alive


def says(words, name="m"):
    return ModelServer(lambda body, n: [text(words), stop()], {"/v1/models": {"data": [{"id": name}]}})


def asks(server):
    return [h.get("authorization") for h in server.headers]


def test_a_model_of_a_named_server_is_asked_there():
    first, second = says("from default"), says("from box", "qwen/qwen3")
    home = Home({"connection.host": first.host})
    home.opta("servers", "add", "box", f"http://{second.host}").expect(0)
    daemon = Daemon(home)
    for model, words, sent in (("box/qwen/qwen3", "from box", "qwen/qwen3"), ("default/m", "from default", "m"), ("m", "from default", "m"),
                               ("nobody/m", "from default", "nobody/m")):
        events = daemon.run_turn(daemon.create(model=model)["id"], "go")
        stop_event(events, "turn.done")
        check_equal(f"text of {model}", "".join(texts(events)), words)
        server = second if words == "from box" else first
        check_equal(f"model sent for {model}", server.bodies[-1]["model"], sent)
    check_equal("shown", only(daemon.run_turn(daemon.create(model="box/qwen/qwen3")["id"], "go"), "turn.start")[0]["payload"]["model"], "box/qwen/qwen3")
    home.opta("config", "set", "model.default", "box/qwen/qwen3").expect(0)
    wait_for(lambda: "".join(texts(daemon.run_turn(daemon.create()["id"], "go"))) == "from box", 10, "the new default")


def test_models_lists_those_of_all_servers():
    first, second = says("a"), says("b", "other")
    home = Home({"connection.host": first.host})
    home.opta("servers", "add", "box", f"http://{second.host}").expect(0)
    home.opta("servers", "add", "gone", "http://127.0.0.1:1").expect(0)
    daemon = Daemon(home)
    answer = daemon.http("GET", "/v3/models").expect(200).json()
    check_equal("models", [m["id"] for m in answer["models"]], ["m", "box/other"])
    check_equal("servers", [(s["name"], "error" in s) for s in answer["servers"]], [("default", False), ("box", False), ("gone", True)])
    run = home.opta("models", "list").expect(0)
    check_in("models", "box/other", run.text)
    check_in("models", "gone does not answer", run.errors)
    home.opta("models", "use", "box/other").expect(0)
    check_equal("text", "".join(texts(daemon.run_turn(daemon.create()["id"], "go"))), "b")


def test_servers_are_listed_and_removed():
    home = Home({"connection.host": "127.0.0.1:9"})
    home.opta("servers", "add", "box", "192.0.2.1:11434", "--dialect", "ollama").expect(0)
    home.opta("servers", "add", "work", "https://llm.example/v1", "--key-command", "pass show llm").expect(0)
    listed = json.loads(home.opta("servers", "list", "--json").expect(0).text)
    check_equal("list", [(s["name"], s["dialect"], s["key"]) for s in listed],
                [("default", "auto", ""), ("box", "ollama", ""), ("work", "auto", "from a command")])
    check_in("list", "192.0.2.1:11434", home.opta("servers", "list").expect(0).text)
    home.opta("servers", "remove", "box").expect(0)
    check("box" not in home.opta("servers", "list").expect(0).text, "expected box to be gone")
    check_in("again", "no model server", home.opta("servers", "remove", "box").expect(1).errors)


def test_bad_names_and_pairs_are_refused():
    home = Home()
    for name in ("a b", "a/b", "default", "", "x" * 33, "ü", "a.b"):
        check_in(name, "cannot be a server's name", home.opta("servers", "add", name, "h:1").expect(1).errors)
    home.opta("servers", "add", "box", "h:1").expect(0)
    check_in("twice", "already", home.opta("servers", "add", "box", "h:2").expect(1).errors)
    check_in("no variable", "has no variable NOT_THERE", home.opta("servers", "add", "b", "h:1", "--key-env", "NOT_THERE").expect(1).errors)
    check_in("dialect", "expected one of auto", home.opta("servers", "add", "b", "h:1", "--dialect", "x").expect(1).errors)
    check_in("test", "no model server", home.opta("servers", "test", "nobody").expect(1).errors)
    check_in("place", "in the place of NAME", home.opta("config", "set", "servers.NAME.url", "h").expect(1).errors)
    for i in range(31):
        home.opta("config", "set", f"servers.s{i}.url", "h:1").expect(0)
    check_in("too many", "32 servers already", home.opta("servers", "add", "more", "h:1").expect(1).errors)


def test_a_key_goes_to_its_server_alone():
    first, second = says("a"), says("b")
    home = Home({"connection.host": first.host, "connection.apiKey": "first-key"}, env={"BOX_KEY": "box-key"})
    home.opta("servers", "add", "box", f"http://{second.host}", "--key-env", "BOX_KEY").expect(0)
    check_equal("mode", oct(os.stat(home.config_path).st_mode & 0o777), "0o600")
    check("box-key" not in home.opta("config", "list").expect(0).text, "a key is never printed")
    daemon = Daemon(home)
    for model in ("m", "box/m"):
        stop_event(daemon.run_turn(daemon.create(model=model)["id"], "go"), "turn.done")
    check_equal("keys", (asks(first), asks(second)), (["Bearer first-key"], ["Bearer box-key"]))


def test_a_command_gives_the_key_when_it_is_needed():
    server = says("hi")
    home = Home({"connection.host": "127.0.0.1:9"})
    count = os.path.join(home.root, "count")
    home.opta("servers", "add", "box", f"http://{server.host}", "--key-command", f"echo x >> {count}; echo made-key; echo more").expect(0)
    daemon = Daemon(home)
    check(not os.path.exists(count), "nobody needed the key yet")
    sid = daemon.create(model="box/m")["id"]
    for _ in range(2):
        stop_event(daemon.run_turn(sid, "go"), "turn.done")
    check_equal("keys", asks(server), ["Bearer made-key"] * 2)
    with open(count, encoding="utf-8") as f:
        check_equal("runs", f.read(), "x\n")


def test_a_command_that_gives_no_key_is_told_of():
    server = says("hi")
    for command, told in (("echo locked >&2; exit 3", "failed (exit code 3): locked"), ("true", "printed nothing"), ("kill -9 $$", "ended by signal 9")):
        home = Home({"connection.host": "127.0.0.1:9"})
        home.opta("servers", "add", "box", f"http://{server.host}", "--key-command", command).expect(0)
        daemon = Daemon(home)
        error = stop_event(daemon.run_turn(daemon.create(model="box/m")["id"], "go"), "turn.error")["payload"]["message"]
        check_in(command, told, error)
    check_equal("nothing was sent", server.bodies, [])


def test_a_command_that_hangs_holds_up_nobody_and_ends_with_its_turn():
    home = Home({"connection.host": says("hi").host})
    pid_file = os.path.join(home.root, "pid")
    home.opta("servers", "add", "box", "http://127.0.0.1:9", "--key-command", f"echo $$ >{pid_file}; exec sleep 600").expect(0)
    daemon = Daemon(home)
    sid = daemon.create(model="box/m")["id"]
    daemon.submit(sid, "go")
    pid = int(wait_for(lambda: os.path.exists(pid_file) and open(pid_file, encoding="utf-8").read().strip(), 10, "the command"))
    stop_event(daemon.run_turn(daemon.create(model="m")["id"], "meanwhile"), "turn.done")
    daemon.http("POST", f"/v3/sessions/{sid}/cancel", {}).expect(200)
    wait_for(lambda: not alive(pid), 5, "the command to end with the turn")
    os.unlink(pid_file)
    daemon.submit(sid, "again")
    pid = int(wait_for(lambda: os.path.exists(pid_file) and open(pid_file, encoding="utf-8").read().strip(), 10, "the command again"))
    daemon.stop()
    wait_for(lambda: not alive(pid), 5, "the command to end with the daemon")


def test_a_server_is_tried_and_told_of_in_plain_words():
    home = Home({"connection.host": "127.0.0.1:9"})
    demo = Demo(home)
    for dialect in ("auto", "ollama", "anthropic", "responses"):
        home.opta("servers", "add", dialect, f"http://127.0.0.1:{demo.port}", "--dialect", dialect).expect(0)
    Daemon(home)
    for dialect in ("auto", "ollama", "anthropic", "responses"):
        run = home.opta("servers", "test", dialect).expect(0)
        check_in(dialect, "works      yes", run.text)
        check_in(dialect, f"dialect    {'lmx_ws' if dialect == 'auto' else dialect}", run.text)
        check_in(dialect, "model      demo-1", run.text)
        check_in(dialect, "did not call it", run.text)
    check_in("default", "works      no", home.opta("servers", "test").expect(1).text)


def test_what_a_model_does_with_tools_is_told():
    weather = [calls(("c1", "get_weather", '{"city":"Berlin"}')), stop("tool_calls")]
    written = [text('<tool_call>{"name":"get_weather","arguments":{"city":"Berlin"}}</tool_call>'), stop()]
    refuses = [{"error": {"message": "m does not support tools"}}]
    for with_tools, told in ((weather, "called"), (written, "written"), (refuses, "refused"), ([text("sunny"), stop()], "not-called")):
        server = ModelServer(lambda body, n, with_tools=with_tools: with_tools if "tools" in body else [text("one"), stop()])
        home = Home({"connection.host": server.host})
        Daemon(home)
        check_equal("tools", json.loads(home.opta("servers", "test", "--json").expect(0).text)["tools"], told)
