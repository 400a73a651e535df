"""opta models, status and env."""
import json
import os

from opta_test import Daemon, Demo, Home, check, check_equal, check_in, stack, wait_for


def test_the_models_of_the_server_are_listed_chosen_and_described():
    home, demo, daemon = stack()
    lines = home.opta("models").expect(0).text.splitlines()
    check_equal("the list", [line.split() for line in lines], [["MODEL", "STATE", "CONTEXT"], ["demo-1", "loaded", "8192"]])
    check_in("one that is not there", "did you mean demo-1?", home.opta("models", "use", "demo-2").expect(1).errors)
    check_equal("unchanged", home.opta("config", "get", "model.default").expect(0).text, "\n")
    home.opta("models", "use", "demo-1").expect(0)
    check_equal("model.default", home.opta("config", "get", "model.default").expect(0).text, "demo-1\n")
    # The running daemon hears of it.
    wait_for(lambda: home.opta("models", "list").text.splitlines()[1].startswith("*"), 5, "the mark of the default")
    check_in("info", "context  8192 tokens", home.opta("models", "info", "demo-1").expect(0).text)
    home.opta("models", "info", "other").expect(1)
    check_equal("json", json.loads(home.opta("models", "list", "--json").expect(0).text)["models"][0]["id"], "demo-1")


def test_without_a_model_server_the_reason_is_said():
    home = Home()
    Daemon(home)
    check_in("the reason", "ECONNREFUSED 127.0.0.1:1", home.opta("models").expect(1).errors)


def test_status_has_five_lines():
    home, demo, daemon = stack()
    daemon.create()
    lines = home.opta("status").expect(0).text.splitlines()
    check_equal("names", [line.split()[0] for line in lines], ["daemon", "model", "context", "sessions", "disk"])
    check_in("daemon", f"running   pid={daemon.pid}   port={daemon.port}", lines[0])
    check_in("model", f"demo-1 at 127.0.0.1:{demo.port}", lines[1])
    check_in("context", "8192 tokens", lines[2])
    check_in("sessions", "sessions  1   running turns=0", lines[3])
    check_in("disk", "free", lines[4])
    daemon.stop()
    ran = home.opta("status").expect(3)
    check_equal("stopped", (ran.text.splitlines()[0], len(ran.text.splitlines())), ("daemon    stopped", 5))
    check_equal("starts of the daemon", home.log().count("daemon started"), 1)


def test_settings_are_kept_under_names():
    home, demo, daemon = stack()
    check_in("none yet", "no environment is saved", home.opta("env").expect(0).text)
    home.opta("env", "save", "home").expect(0)
    office = Demo(home, "--model", "office-model")
    home.opta("config", "set", "connection.port", str(office.port)).expect(0)
    home.opta("config", "set", "connection.apiKey", "a-secret").expect(0)
    home.opta("env", "save", "office").expect(0)
    check_equal("marks", [line.split()[0] for line in home.opta("env", "list").text.splitlines()[1:]], ["home", "*"])
    shown = home.opta("env", "show", "office").expect(0).text
    check_in("show", str(office.port), shown)
    check_in("a secret is not shown", "(set)", shown)
    check("a-secret" not in shown, "the key is shown")
    check_equal("mode", oct(os.stat(os.path.join(home.dir, "profiles", "office.json")).st_mode & 0o777), "0o600")
    # The running daemon uses what is chosen.
    home.opta("env", "use", "home").expect(0)
    wait_for(lambda: daemon.http("GET", "/v3/models").json().get("host") == f"127.0.0.1:{demo.port}", 5, "the first server again")
    home.opta("env", "use", "office").expect(0)
    wait_for(lambda: daemon.http("GET", "/v3/models").json().get("host") == f"127.0.0.1:{office.port}", 5, "the second one")
    home.opta("env", "delete", "office").expect(0)
    for args in (("use", "office"), ("show", "office"), ("delete", "office")):
        check_in("a name that is none", "there is no", home.opta("env", *args).expect(1).errors)
    for bad in ("../x", "", "a b", "x" * 65):
        home.opta("env", "save", bad).expect(2)
    check_equal("left", os.listdir(os.path.join(home.dir, "profiles")), ["home.json"])


def test_a_damaged_copy_is_refused_and_nothing_changes():
    home = Home()
    home.opta("env", "save", "x").expect(0)
    path = os.path.join(home.dir, "profiles", "x.json")
    before = open(home.config_path, encoding="utf-8").read()
    with open(path, "w", encoding="utf-8") as file:
        file.write('{"connection": {"port": "many"}}')
    check_in("why", "connection.port", home.opta("env", "use", "x").expect(1).errors)
    check_in("the list says so", "damaged", home.opta("env").expect(0).text)
    check_equal("config.json", open(home.config_path, encoding="utf-8").read(), before)
