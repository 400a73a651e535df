"""Control files, where the look for them cannot simply see or move them: links, taken names, shut directories, numbers. It fails closed."""
import contextlib
import os
import shutil
import subprocess
import tempfile

from opta_test import check, check_equal
from repositories import QUIET, git, repository, tree
from tools import Bench, call, holds, named, needs_namespaces

SCRIPT = "#!/bin/sh\ntouch %s\n"
LINKS = (   # what the person has, and the file that is run through it
    ("mkdir scripts; echo '#!/bin/sh' >scripts/hook; chmod +x scripts/hook; ln -s ../../scripts/hook .git/hooks/post-index-change", "scripts/hook"),
    ("rm -rf .git/hooks; mkdir githooks; echo '#!/bin/sh' >githooks/post-index-change; chmod +x githooks/*; ln -s ../githooks .git/hooks",
     "githooks/post-index-change"),
    ("rm -rf .git/hooks; mkdir githooks; ln -s ../githooks .git/hooks", "githooks/post-index-change"),
    ("mkdir scripts; ln -s ../../scripts/later .git/hooks/post-index-change", "scripts/later"),
    ("mv .git/config gitconf; ln -s ../gitconf .git/config", "gitconf"),
    ("mv .git realgit; ln -s realgit .git", "realgit/config"),
    ("rm -rf .git/info; mkdir info; echo '# mine' >info/attributes; ln -s ../info .git/info", "info/attributes"),
    ("mkdir conf; echo x >conf/envrc; ln -s conf/envrc .envrc", "conf/envrc"),
    ("mkdir conf sub; echo x >conf/envrc; ln -s conf c2; ln -s ../c2/envrc sub/.envrc", "conf/envrc"),
    ("mkdir -p conf/vscode; echo x >conf/vscode/tasks.json; ln -s conf/vscode .vscode", "conf/vscode/tasks.json"),
    ("mkdir -p .vscode conf; echo x >conf/tasks; ln -s ../conf/tasks .vscode/tasks.json", "conf/tasks"),
    ("mkdir -p scripts/h tools; echo '#!/bin/sh' >tools/x; chmod +x tools/x; ln -s ../../tools/x scripts/h/post-index-change; "
     "git config core.hooksPath scripts/h", "tools/x"),
    ("mkdir .husky scripts; echo '#!/bin/sh' >scripts/hook; chmod +x scripts/hook; ln -s ../scripts/hook .husky/post-index-change; "
     "git config core.hooksPath .husky", "scripts/hook"),
    ("git config core.hooksPath .git/own; mkdir .git/own; echo '#!/bin/sh' >.git/own/post-index-change; chmod +x .git/own/*", ".git/own/post-index-change"),
    ("mkdir -p m/part; cp -r .git/. m/part; mkdir .git/modules; ln -s ../../m/part .git/modules/part", "m/part/config"),
)


@contextlib.contextmanager
def seen():
    """A directory that commands see as well: over /tmp lies a private one."""
    path = tempfile.mkdtemp(prefix="opta-test-", dir="/var/tmp")
    try:
        yield path
    finally:
        shutil.rmtree(path)


def shell(bench, command):
    subprocess.run(command, shell=True, cwd=bench.ws, check=True, capture_output=True, env={**os.environ, **QUIET})


def status(path):
    """What the person's own git runs when it looks around."""
    subprocess.run(["git", "-C", path, "status"], capture_output=True, check=False, env={**os.environ, **QUIET})
    subprocess.run(["git", "-C", path, "diff"], capture_output=True, check=False, env={**os.environ, **QUIET})


def test_what_a_control_file_leads_to_is_asked_for_like_the_file_itself():
    for prepare, path in LINKS:
        bench = Bench()
        repository(bench.ws)
        shell(bench, prepare)
        before = tree(bench.ws)
        asked = named(bench.turn(call("write_file", path=path, content="evil"), allow=False, overrides={"auto": True}), "permission.request")
        check_equal(f"requests for {path} after {prepare!r}", len(asked), 1)
        holds("the preview", asked[0]["preview"], f"CONTROL FILE: {os.path.realpath(bench.ws)}/{path}")
        check_equal("the workspace", tree(bench.ws), before)
        check_equal("another file", bench.tool("write_file", overrides={"auto": True}, path="plain", content="x")["ok"], True)
        bench.daemon.stop()


def test_what_a_control_file_leads_to_is_not_changed_by_a_command():
    needs_namespaces()
    for prepare, path in LINKS:
        bench = Bench()
        repository(bench.ws)
        shell(bench, prepare)
        before = tree(bench.ws).get(bench.path(path))
        bench.run(f"echo evil >>{path}; rm -f {path}; echo evil >{path}; d=$(dirname {path}); mv $d away; mkdir -p $d; echo evil >{path}; chmod +x {path}")
        now = tree(bench.ws).get(bench.path(path))
        check(now in (None, before), f"{path} after {prepare!r} is {now!r}")
        bench.daemon.stop()


def test_a_link_on_the_way_to_a_control_file_is_put_aside_when_it_leads_elsewhere():
    bench = Bench()
    for name in ("one", "two"):
        bench.write(f"{name}/envrc", f"# {name}\n")
    os.symlink("one", bench.path("way"))
    os.symlink("way/envrc", bench.path(".envrc"))
    asked = named(bench.turn(call("delete_file", path="way"), allow=False, overrides={"auto": True, "dangerous": True}), "permission.request")
    check_equal("requests for the link", len(asked), 1)
    out = bench.run("ln -sfn two way")["result"]
    holds("told", out, "/way would make git")
    check_equal("the file", bench.read("two/envrc"), "# two\n")
    check(not os.path.lexists(bench.path("way")), "the other link stayed")
    # a link where there was nothing: it is put aside, not what it leads to
    os.unlink(bench.path(".envrc"))
    bench.write(".husky/x", "")
    os.symlink("../later/hook", bench.path(".husky/y"))
    bench.write("mine/hook", "# mine\n")
    holds("told", bench.run("ln -s mine later")["result"], "/later would make git")
    check_equal("the file", bench.read("mine/hook"), "# mine\n")


def test_links_that_were_there_stay_however_many():
    bench = Bench()
    bench.write("envrc", "# mine\n")
    for index in range(300):
        os.mkdir(bench.path(f"d{index}"))
        os.symlink("../envrc", bench.path(f"d{index}/.envrc"))
    check_equal("what was told", bench.run("true")["result"], "(no output)\n")
    check_equal("links", sum(os.path.islink(bench.path(f"d{index}/.envrc")) for index in range(300)), 300)


def test_every_name_that_is_taken_and_a_shut_directory_do_not_keep_a_control_file_in_place():
    bench = Bench()
    sid = bench.session()
    taken = "{0} {0}.opta-unapproved $(seq -f {0}.opta-unapproved.%.0f 1 1200)"
    for command, path in (
            (f"echo evil >x; touch {taken.format('.envrc')}; mv x .envrc", ".envrc"),
            (f"git init -q t; cd t/.git; touch {taken.format('config')}; git config core.fsmonitor evil", "t/.git/config"),
            ("mkdir shut; echo evil >shut/.envrc; chmod 555 shut", "shut/.envrc"),
            ("git init -q s; git -C s config core.fsmonitor evil; chmod 555 s/.git", "s/.git/config"),
            ("git init -q h; echo evil >h/.git/hooks/pre-commit; chmod 111 h/.git/hooks h/.git h", "h/.git/hooks/pre-commit"),
            ("mkdir list; echo evil >list/.envrc; chmod 600 list", "list/.envrc"),
            ("git init -q u; git -C u config core.fsmonitor evil; chmod 000 u/.git/config", "u/.git/config")):
        end = bench.run(command, sid=sid)
        check(not os.path.lexists(bench.path(path)), f"{command!r} left {path}; {end['result']!r}")
        holds("told", end["result"], f"/{path} would make git")
    check_equal("the mode", os.stat(bench.path("shut")).st_mode & 0o777, 0o555)
    check_equal("the mode", os.stat(bench.path("h")).st_mode & 0o777, 0o111)
    subprocess.run(["chmod", "-R", "u+rwX", bench.ws], check=True)


def test_what_is_guarded_may_be_moved_with_its_directory():
    needs_namespaces()
    bench = Bench()
    repository(bench.path("sub/r"))
    git(bench.path("sub/r"), "config", "core.fsmonitor", "tools/f")
    bench.write("sub/r/tools/f", "#!/bin/sh\n", 0o755)
    bench.write("sub/.envrc", "# mine\n")
    bench.write("sub/.vscode/tasks.json", "{}\n")
    before = {path.replace("/sub/", "/moved/"): content for path, content in tree(bench.ws).items()}
    end = bench.run("mv sub moved")
    check_equal("what was told", end["result"], "(no output)\n")
    check_equal("the files", tree(bench.ws), before)
    # but what is new there is put aside
    out = bench.run("mv moved again; echo x >again/r/.git/commondir; echo evil >again/r/.git/config.worktree; cp again/.envrc e; mkdir d; mv e d/.envrc")["result"]
    for path in ("again/r/.git/commondir", "again/r/.git/config.worktree", "d/.envrc"):
        holds("told", out, f"/{path} would make git")
        check(not os.path.exists(bench.path(path)), f"{path} stayed")


def test_a_shut_repository_is_guarded_like_an_open_one():
    needs_namespaces()
    bench = Bench()
    sid = bench.session()
    for index, mode in enumerate(("000", "100", "600")):
        bench.run(f"git init -q s{index}; chmod {mode} s{index}/.git", sid=sid)
        bench.run(f"chmod 755 s{index}/.git; git -C s{index} config core.fsmonitor evil; echo '[core] fsmonitor = evil' >>s{index}/.git/config; true", sid=sid)
        os.chmod(bench.path(f"s{index}/.git"), 0o755)
        check("evil" not in bench.read(f"s{index}/.git/config"), f"the configuration of a repository with mode {mode} was changed")


def test_directories_of_the_person_keep_their_modes():
    bench = Bench()
    for mode in (0o000, 0o111, 0o300, 0o500):
        os.makedirs(bench.path(f"m{mode}/deeper"))
        os.chmod(bench.path(f"m{mode}"), mode)
    bench.run("true")
    for mode in (0o000, 0o111, 0o300, 0o500):
        check_equal("the mode", os.stat(bench.path(f"m{mode}")).st_mode & 0o777, mode)
        os.chmod(bench.path(f"m{mode}"), 0o755)


def test_what_could_not_be_looked_at_fails_the_call_and_a_person_hears_of_it():
    bench = Bench()
    deep = "i=0; while [ $i -lt 25 ]; do d=%s; mkdir $d && cd $d; i=$((i+1)); done; echo evil >.envrc" % ("d" * 200)
    end = bench.run(deep)
    check_equal("ok", end["ok"], False)
    holds("told", end["result"], "not all of the workspace was searched")
    holds("the log", bench.home.log(), "not all of the workspace was searched")
    shutil.rmtree(bench.path("d" * 200))


HOOK = "printf '#!/bin/sh\\ntouch {0}\\n' >{1}; chmod +x {1}; "
WORKTREES = (   # what the person has set, and how a command makes a worktree of it
    ("core.hooksPath", ".githooks", "mkdir -p s2/.githooks; echo a >s2/a; echo 'gitdir: {git}' >s2/.git; " + HOOK.replace("{1}", "s2/.githooks/post-index-change")),
    ("core.hooksPath", ".githooks", "{wt}mkdir s2/.githooks; touch s2/a; " + HOOK.replace("{1}", "s2/.githooks/post-index-change")),
    ("core.fsmonitor", "tools/f", "mkdir -p s2/tools; echo a >s2/a; echo 'gitdir: {git}' >s2/.git; " + HOOK.replace("{1}", "s2/tools/f")),
    ("filter.f.clean", "tools/f", "mkdir -p s2/tools; echo 'file filter=f' >s2/.gitattributes; echo b >s2/file; echo 'gitdir: {git}' >s2/.git; "
     + HOOK.replace("{1}", "s2/tools/f")),
)


def test_a_new_worktree_of_a_repository_that_is_not_new_runs_nothing_of_its_own():
    for key, value, command in WORKTREES:
        for outside in (False, True):
            if outside and "{wt}" in command:
                continue
            bench = Bench()
            repository(bench.ws)
            with seen() as elsewhere:
                if outside:
                    repository(elsewhere)
                top = elsewhere if outside else bench.ws
                git(top, "config", key, value)
                mark = os.path.join(bench.home.root, "ran")
                out = bench.run(command.replace("{git}", top + "/.git").replace("{0}", mark).replace("{wt}", "git worktree add -q s2; "))["result"]
                holds(f"{key} {outside}", out, f"/s2/{value} would make git")
                status(bench.path("s2"))
                check(not os.path.exists(mark), f"{key} {value} {outside} ran")
            bench.daemon.stop()


def test_files_of_the_person_stay_when_a_command_makes_a_worktree_around_them():
    bench = Bench()
    repository(bench.ws)
    git(bench.ws, "config", "core.fsmonitor", "tools/f")
    bench.write("src/tools/f", "#!/bin/sh\n", 0o755)
    out = bench.run("echo 'gitdir: ../.git' >src/.git")["result"]
    holds("told", out, "/src/.git would make git")
    check_equal("the file", bench.read("src/tools/f"), "#!/bin/sh\n")


def test_a_worktree_that_was_there_has_its_hooks_guarded():
    needs_namespaces()
    bench = Bench()
    other = os.path.join(bench.home.root, "other")
    repository(other)
    git(other, "config", "core.hooksPath", ".githooks")
    git(other, "worktree", "add", "-q", bench.path("wt"))
    bench.write("wt/.githooks/pre-commit", "# mine\n")
    bench.run("echo evil >>wt/.githooks/pre-commit; rm -f wt/.githooks/pre-commit; echo evil >wt/.githooks/post-commit")
    check_equal("the hooks", (os.listdir(bench.path("wt/.githooks")), bench.read("wt/.githooks/pre-commit")), (["pre-commit"], "# mine\n"))


def test_a_new_repository_writes_into_no_other_worktree():
    bench = Bench()
    victim = os.path.join(bench.home.root, "victim")
    os.mkdir(victim)
    bench.write("plain/x", "")
    for index, worktree in enumerate((victim, bench.path("plain"), "../../..", "/")):
        out = bench.run(f"git init -q s{index}; git -C s{index} config core.worktree {worktree}")["result"]
        holds(worktree, out, f"/s{index}/.git/config would make git")


def test_the_persons_own_settings_hold_in_a_new_repository_too():
    with seen() as home:
        bench = Bench(env={"HOME": home})
        with open(os.path.join(home, ".gitconfig"), "w", encoding="utf-8") as file:
            file.write("[core]\n\thooksPath = .githooks\n")
        holds("told", bench.run("git init -q n; mkdir n/.githooks; echo evil >n/.githooks/pre-commit")["result"], "/n/.githooks would make git")
        bench.daemon.stop()


def small_repository(path):
    os.makedirs(path)
    for name in ("objects", "refs", "hooks", "info"):
        os.mkdir(f"{path}/{name}")
    for name, text in (("HEAD", "ref: refs/heads/main\n"), ("config", "[core]\n\trepositoryformatversion = 0\n")):
        with open(f"{path}/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def test_many_repositories_are_guarded_all():
    needs_namespaces()
    bench = Bench()
    for index in range(700):
        small_repository(bench.path(f"r{index}/.git"))
    out = bench.run("for i in r*; do echo objects/x >$i/.git/commondir; touch $i/.git/config.worktree; echo evil >>$i/.git/config; done 2>/dev/null; true", timeoutMs=60000)
    holds("told", out["result"], "/.git/commondir would make git")
    for index in range(700):
        check_equal(f"r{index}", sorted(os.listdir(bench.path(f"r{index}/.git")))[:2], ["HEAD", "commondir.opta-unapproved"])
        check_equal("the configuration", bench.read(f"r{index}/.git/config"), "[core]\n\trepositoryformatversion = 0\n")


def test_more_repositories_than_can_be_guarded_are_asked_about():
    needs_namespaces()
    bench = Bench()
    for index in range(2100):
        small_repository(bench.path(f"r{index}/.git"))
    command = "echo x >ran"
    end = bench.tool("run_command", overrides={"dangerous": True, "nonInteractive": True}, command=command)
    check_equal("unasked", end["ok"], False)
    holds("why", end["result"], "more repositories here than can be guarded")
    for tool in ("run_command", "bg_start"):
        asked = named(bench.turn(call(tool, command=command), allow=False, overrides={"dangerous": True}), "permission.request")
        check_equal("requests", len(asked), 1)
        holds("the preview", asked[0]["preview"], "NOT EVERYTHING CAN BE GUARDED: more repositories here than can be guarded")
    check(not os.path.exists(bench.path("ran")), "it ran")
    end = bench.tool("run_command", allow=True, overrides={"dangerous": True}, command=command)
    check_equal("agreed to", (end["ok"], os.path.exists(bench.path("ran"))), (True, True))
