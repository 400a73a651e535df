"""The list of packages in `./dev` is true: each program that a test or a script calls comes with what `./dev setup` installs."""
import os
import re
import shutil
import subprocess

from clock import Skip
from opta_test import check, check_equal
from programs import ROOT, called, python_programs, shell_programs

DIRECTORIES = "/usr/sbin:/usr/bin:/sbin:/bin"


def output(*args):
    return subprocess.run(args, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def installed():
    """{package: (is it on every Debian, the lists of packages it depends on)}; what a package provides stands for it as well."""
    found = {}
    fields = "${Package}\t${Essential}\t${Priority}\t${Provides}\t${Depends}, ${Pre-Depends}\t${db:Status-Abbrev}\n"
    for line in output("dpkg-query", "-W", "-f", fields).splitlines():
        name, essential, priority, provides, depends, status = line.split("\t")
        if not status.startswith("ii"):
            continue
        needs = [[re.sub(r"[ (:].*", "", one.strip()) for one in need.split("|")] for need in depends.split(",") if need.strip()]
        entry = (essential == "yes" or priority == "required" or name == "apt", needs, name)
        found[name] = entry
        for one in provides.split(","):
            found.setdefault(re.sub(r"[ (].*", "", one.strip()), entry)
    return found


def closure(machine, listed):
    """The packages of a machine on which nothing but these was asked for."""
    got, todo = set(), [name for name, (base, _, _) in machine.items() if base] + list(listed)
    while todo:
        entry = machine.get(todo.pop())
        if entry and entry[2] not in got:
            got.add(entry[2])
            todo += [next((one for one in need if one in machine), need[0]) for need in entry[1]]
    return got


def places(program):
    """Where the program of the system lies, by each name its package may know it by; none when it is not there."""
    path = program if program.startswith("/") else shutil.which(program, path=DIRECTORIES)
    if not path or not os.path.exists(path):
        return set()
    paths = {path, os.path.realpath(path)}
    return paths | {one[len("/usr"):] for one in paths if one.startswith("/usr/")} | {"/usr" + one for one in paths}


def owners(programs):
    """{path: packages}, asked for all of them at once."""
    found = {}
    for line in output("dpkg-query", "-S", *sorted(set().union(*map(places, programs)))).splitlines():
        names, _, path = line.rpartition(": ")
        if not line.startswith("diversion"):
            found.setdefault(path, set()).update(re.sub(r":.*", "", one.strip()) for one in names.split(","))
    return found


def strangers(programs, packages, complete):
    """Those of the programs that none of the packages brings."""
    wrong = []
    system = {one: files for one, files in programs.items() if "/" not in one[0] or one[0].startswith("/")}
    of_path = owners({program for program, _ in system})
    for (program, kind), files in sorted(system.items()):
        there = places(program)
        of = set().union(*(of_path.get(path, set()) for path in there))
        if not there:
            # A word at the place of a command may be none; what is started for sure is one.
            if kind == "called" and complete:
                wrong.append(f"{program} (not on this machine), called in {sorted(files)}")
        elif of and not of & packages:
            wrong.append(f"{program} (package {', '.join(sorted(of))}), called in {sorted(files)}")
    return wrong


def listed_packages():
    if not shutil.which("dpkg-query"):
        raise Skip("not a Debian system")
    return output("./dev", "packages").split()


def test_each_program_a_test_calls_comes_with_what_setup_installs():
    listed, machine = listed_packages(), installed()
    wrong = strangers(called(), closure(machine, listed), all(one in machine for one in listed))
    check_equal("programs that no package of ./dev setup brings", wrong, [])


def test_a_package_that_is_left_out_of_the_list_is_noticed():
    listed, machine = listed_packages(), installed()
    for package, program in (("make", "make"), ("mandoc", "mandoc"), ("lsof", "lsof"), ("shellcheck", "shellcheck")):
        rest = closure(machine, [one for one in listed if one != package])
        wrong = strangers(called(), rest, True)
        check(any(line.startswith(program + " ") for line in wrong), f"without {package} expected to miss {program}, only {wrong}")


def test_programs_are_found_wherever_a_source_calls_them():
    check_equal("in a shell's text", shell_programs("a=$(make -s | wc -l) && X=1 jq . <f; if ! lsof -i; then zsh -c x; fi # git"), {"make", "wc", "jq", "lsof", "zsh"})
    check_equal("what a shell script defines itself", shell_programs("mine() {\n\tcurl x\n}\nmine\n"), {"curl"})
    source = 'subprocess.run(["make", "-s"])\nshutil.which("node")\nm.sh("ping -c 1 x")\ncall("run_command", command="seq 3")\nf({"command": f"touch {a}"})'
    check_equal("in Python", {name for name, _ in python_programs(source)}, {"make", "node", "ping", "seq", "touch"})
