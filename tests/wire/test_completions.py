"""opta completions: the candidates, and the shells that ask for them."""
import os
import subprocess
from types import SimpleNamespace

from opta_test import OPTA, Home, check, check_equal, check_in, stack, wait_for
from terminal import Terminal

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def candidates(home, *words):
    return [line.split("\t")[0] for line in home.opta("completions", "list", "--", *words).expect(0).text.splitlines()]


def test_commands_options_and_settings_come_from_the_tables():
    home = Home()
    first = candidates(home, "")
    check({"do", "chat", "sessions", "daemon", "config", "help"} <= set(first), f"first words: {first!r}")
    check_equal("each once", len(first), len(set(first)))
    check_equal("se", candidates(home, "se"), ["sessions", "servers"])
    check_equal("daemon st", candidates(home, "daemon", "st"), ["start", "stop", "status"])
    check_equal("options", candidates(home, "do", "--f"), ["--format"])
    check_equal("an option's values", candidates(home, "do", "--format", ""), ["markdown", "text", "json"])
    check_equal("settings", candidates(home, "config", "get", "daemon.portR"), ["daemon.portRange"])
    check_equal("a setting's values", candidates(home, "config", "set", "daemon.logLevel", "w"), ["warn"])
    check_equal("nothing where there is nothing", candidates(home, "do", "words"), [])
    check_equal("no daemon was started", home.log(), "")


def test_sessions_models_and_environments_come_from_the_daemon():
    home, _, daemon = stack()
    sid = daemon.create(title="\x1b[2Jx\ny")["id"]
    check_equal("sessions", candidates(home, "sessions", "show", "sess_"), [sid])
    check_equal("of an option", candidates(home, "chat", "--resume", ""), [sid])
    check_equal("only one", candidates(home, "sessions", "show", sid, ""), [])
    check_equal("any number", candidates(home, "sessions", "delete", sid, ""), [sid])
    out = home.opta("completions", "list", "--", "sessions", "show", "").expect(0)
    check(b"\x1b" not in out.out and len(out.text.splitlines()) == 1, f"a title does more than describe: {out.out!r}")
    check_equal("models", candidates(home, "models", "use", ""), ["demo-1"])
    home.opta("env", "save", "office").expect(0)
    check_equal("environments", candidates(home, "env", "use", ""), ["office"])


def with_opta_in_path(home):
    """The programs' own names, as a user types them."""
    path = os.path.join(home.root, "bin")
    os.mkdir(path)
    os.symlink(OPTA, os.path.join(path, "opta"))
    return {**home.env, "PATH": path + ":" + home.env["PATH"]}


def run(home, *args, text=""):
    done = subprocess.run(args, env=with_opta_in_path(home), input=text, capture_output=True, text=True, timeout=30, check=False)
    check_equal(f"{args[0]} ended, and said on standard error", (done.returncode, done.stderr), (0, ""))
    return done.stdout.split()


def test_bash_completes():
    home = Home()
    script = 'eval "$(opta completions bash)"; COMP_WORDS=(opta daemon res); COMP_CWORD=2; _opta opta; echo "${COMPREPLY[@]}"'
    check_equal("daemon res", run(home, "bash", "-c", script), ["restart", "reset"])


def test_fish_completes():
    home = Home()
    script = 'opta completions fish | source; complete -C "opta daemon res" | string split -f1 \\t'
    check_equal("daemon res", sorted(run(home, "fish", "--no-config", "-c", script)), ["reset", "restart"])


def test_zsh_completes():
    home = Home()
    home.env = with_opta_in_path(home)
    with open(os.path.join(home.home, ".zshrc"), "w", encoding="utf-8") as file:
        file.write('autoload -U compinit; compinit -u; eval "$(opta completions zsh)"; PS1="ready> "\n')
    term = Terminal(SimpleNamespace(home=home, ws=home.work), command="zsh -i")
    try:
        term.wait("ready>")
        term.type("opta daemon resta")
        term.keys("Tab")
        wait_for(lambda: "opta daemon restart" in term.screen(), 10, "the whole word")
        term.keys("C-u")
        term.type("opta daemon uninst")
        term.keys("Tab")
        wait_for(lambda: "opta daemon uninstall" in term.screen(), 10, "another one")
    finally:
        term.close()


def test_a_completed_name_runs_nothing():
    name = "demo$(touch${IFS}pwned)`touch${IFS}pwned`;touch pwned&"
    home, _, _ = stack(demo=("--model", name))
    home.env = with_opta_in_path(home)
    for shell, setup in (("bash --norc -i", 'eval "$(opta completions bash)"'), ("zsh -f -i", 'autoload -U compinit; compinit -u; eval "$(opta completions zsh)"'),
                         ("fish --no-config -i", "opta completions fish | source")):
        term = Terminal(SimpleNamespace(home=home, ws=home.work), command=shell)
        try:
            term.type(setup + "; echo rea''dy\n")
            term.wait("ready")
            term.type("opta models use dem")
            term.keys("Tab")
            term.until(lambda: "touch" in term.screen().split("models use dem")[-1], 10, "the name")
            term.keys("Enter")
            term.wait("new sessions use")
            check(not os.path.exists(os.path.join(home.work, "pwned")), f"{shell}: the name of a model ran a command")
            check_equal(f"{shell}: the whole name", home.opta("config", "get", "model.default").text.strip(), name)
            home.opta("config", "unset", "model.default").expect(0)
        finally:
            term.close()


def test_scripts_are_clean():
    home = Home()
    for args, text in ((("shellcheck", "-s", "bash", "-"), home.opta("completions", "bash").expect(0).text),
                       (("zsh", "-n", "/dev/stdin"), home.opta("completions", "zsh").expect(0).text),
                       (("fish", "--no-execute"), home.opta("completions", "fish").expect(0).text)):
        done = subprocess.run(args, input=text, capture_output=True, text=True, timeout=30, check=False)
        check_equal(f"{args[0]} says", (done.returncode, done.stdout + done.stderr), (0, ""))
    home.opta("completions", "tcsh").expect(2)
    check_in("what is known", "bash, zsh or fish", home.opta("completions", "tcsh").errors)
    scripts = [path for path in (os.path.join(ROOT, "dev"), os.path.join(ROOT, ".ci", "run")) if os.path.exists(path)]
    for path in scripts:
        done = subprocess.run(["shellcheck", path], capture_output=True, text=True, timeout=60, check=False)
        check_equal(f"shellcheck of {os.path.basename(path)}", (done.returncode, done.stdout), (0, ""))
