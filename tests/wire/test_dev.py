"""The front door of the repository, `./dev`: what it refuses, what it says, what it installs, and what it may end."""
import json
import os
import shutil
import subprocess
import sys

from clock import needs_plain_build
from opta_test import OPTA, Home, alive, check, check_equal, check_in, slurp, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCES = ("src", "packaging", "scripts", "meson.build", "meson_options.txt", "dev", "LICENSE")


def run(args, home, cwd=ROOT, seconds=60, **env):
    done = subprocess.run(args, cwd=cwd, env={**home.env, **env}, capture_output=True, text=True, timeout=seconds, check=False)
    return done.returncode, done.stdout, done.stderr


def only(home, *programs, **stubs):
    """A PATH with these programs of the machine alone, and with stubs: shell text by name."""
    folder = os.path.join(home.root, "path")
    os.mkdir(folder)
    for name in programs:
        os.symlink(shutil.which(name), os.path.join(folder, name))
    for name, text in stubs.items():
        path = os.path.join(folder, name.replace("_", "-"))
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)
    return folder


def test_an_option_that_install_does_not_know_is_refused_and_nothing_is_done():
    home = Home()
    for command in ("install", "uninstall"):
        for args in (["--wrong"], ["--prefix"], ["--prefix="], ["/usr"], ["--prefix", home.root, "more"], ["-p", home.root]):
            code, out, err = run(["./dev", command, *args], home)
            check_equal(f"the exit code of {command} {args}", code, 2)
            check(err and not out, f"expected a sentence on standard error for {command} {args}, got {out!r} and {err!r}")
        code, out, _ = run(["./dev", command, "--help"], home)
        check_equal("the exit code of --help", code, 0)
        check_in("the help", "--prefix DIR", out)


def test_a_directory_that_may_not_be_written_is_named_before_anything_is_built():
    home = Home()
    place = os.path.join(home.root, "a file")
    with open(place, "w", encoding="utf-8"):
        pass
    code, _, err = run(["./dev", "install", "--prefix", place + "/opta"], home)
    check_equal("the exit code", code, 1)
    check_in("the sentence", f"may not write to {place}", err)


def test_without_meson_a_build_says_what_to_run():
    home = Home()
    code, out, err = run(["./dev", "build"], home, PATH=only(home, "sh", "dirname", "cat", "find", "sort", "cksum"))
    check_equal("the exit code", code, 1)
    check_in("the sentence", "run ./dev setup", err)
    check("built" not in out, f"expected no claim of a build, got {out!r}")


def test_who_may_not_install_is_told_both_commands():
    home = Home()
    path = only(home, "sh", "dirname", "cat", "grep", dpkg_query="exit 1", apt_cache="exit 0", id="echo 1000")
    code, _, err = run(["./dev", "setup"], home, PATH=path)
    check_equal("the exit code", code, 1)
    check_in("the sentence", "as root: apt-get update && apt-get install gcc", err)


def other_start(home, pid):
    """A process whose start is another than that of pid, or None. (Both are counted in ticks of 10 ms.)"""
    starts = []
    process = home.bystander()
    for number in (pid, process.pid):
        starts.append(slurp(f"/proc/{number}/stat").rpartition(b")")[2].split()[19])
    return process if starts[0] != starts[1] else None


def test_a_process_is_ended_only_when_it_is_the_one_that_was_noted():
    home = Home()
    ours = home.bystander()
    other = wait_for(lambda: other_start(home, ours.pid), 5, "a process that started at another tick of the clock")
    note = os.path.join(home.root, "demo.pid")

    def noted(*args):
        return run(["scripts/noted-process", *map(str, args)], home)[0]
    check_equal("noting it", noted("note", note, ours.pid), 0)
    text = slurp(note).decode()
    number, boot, start, program = text.split(None, 3)
    check_equal("it runs", noted("runs", note), 0)
    wrong = {"the number of another": f"{other.pid} {boot} {start} {program}", "a number alone": f"{other.pid}\n",
             "another boot": f"{number} 00000000-0000-0000-0000-000000000000 {start} {program}",
             "another start": f"{number} {boot} {int(start) + 1} {program}", "another program": f"{number} {boot} {start} /bin/true\n",
             "nothing": "", "no number": f"-1 {boot} {start} {program}", "a number that is gone": f"999999999 {boot} {start} {program}"}
    for name, content in wrong.items():
        with open(note, "w", encoding="utf-8") as file:
            file.write(content)
        check(noted("runs", note) != 0, f"expected {name} to be nobody of ours")
        check_equal(f"ending {name}", noted("end", note), 0)
        check(not os.path.exists(note), f"expected the note of {name} to be gone")
        check(alive(ours.pid) and alive(other.pid), f"{name} ended a process")
    check_equal("without a note", noted("end", note), 0)
    with open(note, "w", encoding="utf-8") as file:
        file.write(text)
    check_equal("ending ours", noted("end", note), 0)
    ours.wait(5)
    check(alive(other.pid), "the other one was ended")


def test_a_test_that_every_pass_skipped_is_named_with_its_reason():
    home = Home()
    results, log = os.path.join(home.root, "results"), os.path.join(home.root, "testlog.txt")
    lines = [{"test": "a.py::in_none", "status": "skipped", "lines": ["no disk"]}, {"test": "a.py::in_one", "status": "skipped", "lines": ["no disk"]},
             {"test": "a.py::in_one", "status": "passed", "lines": []}, {"test": "a.py::in_none", "status": "skipped", "lines": ["no clock"]},
             {"test": "a.py::broken", "status": "failed", "lines": ["x"]}, {"test": "a.py::fine", "status": "passed", "lines": []}]
    with open(results, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    with open(log, "w", encoding="utf-8") as file:
        file.write("[ RUN      ] fine\n[       OK ] fine\n[ RUN      ] left_out\n[  SKIPPED ] left_out\n")
    code, out, err = run(["scripts/never-ran", results, log, os.path.join(home.root, "not there")], home)
    check_equal("what it says", (code, out.splitlines(), err),
                (0, ["never ran: a.py::in_none: no clock", "never ran: unit test left_out: this machine or build cannot run it"], ""))


def test_the_results_of_a_run_are_kept_for_that():
    home = Home()
    results = os.path.join(home.root, "results")
    code, out, _ = run([sys.executable, "tests/run.py", "a_process_is_ended_only"], home, OPTA_BIN=OPTA, OPTA_TEST_RESULTS=results)
    check_equal("the run", (code, out.splitlines()[-1]), (0, "1 passed, 0 failed"))
    one = json.loads(slurp(results))
    check_equal("what is kept", (one["test"], one["status"]), ("wire/test_dev.py::test_a_process_is_ended_only_when_it_is_the_one_that_was_noted", "passed"))


def tree(folder):
    """Every file below it: its path, mode and bytes."""
    found = {}
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            found[os.path.relpath(path, folder)] = (os.stat(path).st_mode, slurp(path))
    return found


def test_two_builds_in_two_directories_are_equal_and_an_uninstall_leaves_nothing():
    needs_plain_build("the programs of ./dev install are built here, whatever build is tested")
    home = Home()
    results, prefix = [], os.path.join(home.root, "installed here")
    for folder in ("one", "another directory/with a longer name"):
        copy = os.path.join(home.root, folder)
        os.makedirs(copy)
        for name in SOURCES:
            source = os.path.join(ROOT, name)
            (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, os.path.join(copy, name))
        code, out, err = run(["./dev", "install", f"--prefix={prefix}"], home, cwd=copy, seconds=240)
        check_equal(f"the exit code, having said {out!r} and {err!r}", code, 0)
        check_in("what is said of PATH", f"{prefix}/bin is not on your PATH", out)
        results.append(tree(prefix))
        for name, (_, data) in results[-1].items():
            check(copy.encode() not in data and ROOT.encode() + b"/" not in data, f"{name} names the directory it was built in")
        if len(results) == 1:
            check_equal("the program that was installed", run([f"{prefix}/bin/opta", "daemon", "status"], home)[0], 3)
            check_equal("it finds its daemon", run([f"{prefix}/bin/opta", "daemon", "start"], home)[0], 0)
            check_equal("and stops it", run([f"{prefix}/bin/opta", "daemon", "stop"], home)[0], 0)
        code, out, err = run(["./dev", "uninstall", "--prefix", prefix], home, cwd=copy)
        check_equal(f"the exit code of uninstall, having said {err!r}", code, 0)
        check_equal("what is left", sorted(tree(prefix)), [])
        check_in("a second one", "nothing of opta is installed", run(["./dev", "uninstall", "--prefix", prefix], home, cwd=copy)[1])
    check_equal("the files", sorted(results[0]), sorted(results[1]))
    check_equal("files that differ", [name for name in results[0] if results[0][name] != results[1][name]], [])
    for name in ("bin/opta", "libexec/opta/optad", "share/man/man1/opta.1", "share/bash-completion/completions/opta", "share/zsh/site-functions/_opta",
                 "share/fish/vendor_completions.d/opta.fish", "lib/systemd/user/opta.service", "share/licenses/opta/LICENSE"):
        check(name in results[0], f"{name} was not installed, only {sorted(results[0])}")
    check_in("the service", f'ExecStart="{prefix}/bin/opta" daemon run', results[0]["lib/systemd/user/opta.service"][1].decode())


test_two_builds_in_two_directories_are_equal_and_an_uninstall_leaves_nothing.timeout = 400
