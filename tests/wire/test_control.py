"""Control files: what the person's own git, shell and editor run things from is never written unasked, whatever mode or rule."""
import os
import subprocess

from opta_test import check, check_equal
from repositories import QUIET, git, repository, tree
from tools import Bench, call, holds, named, namespaces, needs_namespaces

COMMIT = "git -c user.name=a -c user.email=a@example.org commit -q -m"

PATHS = (".git/config", ".git/hooks/pre-commit", ".git/info/attributes", ".git/HEAD", ".git/new/deeper", ".GIT/config", ".envrc",
         ".vscode/tasks.json", ".idea/x.xml", ".devcontainer/devcontainer.json", ".devcontainer.json", ".husky/pre-commit", "sub/.envrc",
         "sub/.git", "sub/.git/config", "sub/.vscode/new/settings.json", ".gitattributes", ".gitmodules", "x.code-workspace", ".nvim.lua",
         "docs/config", "docs/hooks/post-checkout", "docs/deep/er/x", "to-vscode/tasks.json", "bare/config", "bare/hooks/x", "half/HEAD")


def prepared():
    """A workspace with a repository, links into it, and directories that are nearly git directories."""
    bench = Bench()
    repository(bench.ws)
    for folder in ("sub", ".vscode", "bare/objects", "bare/refs", "half/objects", "half/refs"):
        os.makedirs(bench.path(folder))
    bench.write("bare/HEAD", "ref: refs/heads/main\n")
    os.symlink(".git", bench.path("docs"))
    os.symlink(".vscode", bench.path("to-vscode"))
    return bench


def test_no_mode_setting_or_rule_writes_a_control_file_unasked():
    bench = prepared()
    before = tree(bench.ws)
    for overrides in ({"auto": True}, {"dangerous": True}, {"auto": True, "nonInteractive": True}, {"dangerous": True, "nonInteractive": True}):
        sid = bench.session()
        for path in PATHS:
            end = None
            events = bench.turn(call("write_file", path=path, content="evil"), sid, allow=None if "nonInteractive" in overrides else False,
                                overrides=overrides)
            end = named(events, "tool.end")[0]
            check_equal(f"{path} {overrides}", end["ok"], False)
            asked = named(events, "permission.request")
            check_equal(f"requests for {path} {overrides}", len(asked), 0 if "nonInteractive" in overrides else 1)
            for request in asked:
                holds("the preview", request["preview"], "CONTROL FILE: ")
            if not asked:
                holds("the answer", end["result"], "nobody agreed to that file by name")
        for path in (".git/config", "docs/config"):
            for name, args in (("edit_file", {"old": "bare", "new": "x"}), ("delete_file", {}), ("multi_edit", {"edits": [{"old": "bare", "new": "x"}]})):
                if "nonInteractive" in overrides:
                    check_equal(name, bench.tool(name, sid=sid, overrides=overrides, path=path, **args)["ok"], False)
    bench.daemon.stop()
    check_equal("the workspace", tree(bench.ws), before)


def test_a_rule_for_the_tool_does_not_hold_for_control_files_and_a_yes_holds_for_one():
    bench = prepared()
    sid = bench.session()
    turn = bench.daemon.submit(sid, call("write_file", path="a.txt", content="x"))
    bench.answer(sid, bench.asked(sid, turn)["requestId"], remember=True).expect(200)
    bench.daemon.wait_event(sid, lambda e: e["event"] == "tool.end", 15, "tool.end")
    check_equal("remembered", len(named(bench.turn(call("write_file", path="b.txt", content="x"), sid), "permission.request")), 0)
    for _ in range(2):
        events = bench.turn(call("write_file", path="docs/hooks/pre-commit", content="#!/bin/sh\n"), sid, allow=True)
        asked = named(events, "permission.request")
        check_equal("requests", len(asked), 1)
        holds("the real file is named", asked[0]["preview"], f"CONTROL FILE: {os.path.realpath(bench.ws)}/.git/hooks/pre-commit")
        holds("what it would be", asked[0]["preview"], "+#!/bin/sh")
        check_equal("ok", named(events, "tool.end")[0]["ok"], True)
        os.unlink(bench.path(".git/hooks/pre-commit"))


COMMANDS = (
    "echo '[core] fsmonitor = evil' >>.git/config", "git config core.fsmonitor evil", "git config alias.st '!evil'",
    "printf '#!/bin/sh\\nevil' >.git/hooks/pre-commit", "echo evil >.git/hooks/post-checkout", "rm -rf .git/hooks; mkdir .git/hooks && echo x >.git/hooks/x",
    "mv .git/hooks .git/old && mkdir .git/hooks", "mv .git/config .git/old && cp .git/old .git/config && echo '[core] pager = evil' >>.git/config",
    "rm .git/config; echo '[core] pager = evil' >.git/config", "cp .git/config c && echo evil >>c && mv -f c .git/config",
    "ln -f c .git/config", "ln -sfn /tmp .git/hooks", "echo '* filter=evil' >.git/info/attributes", "mv .git .git2 && cp -r .git2 .git",
    "rm -rf .git; git init -q", "echo evil >docs/config", "mkdir -p sub; cd .git && echo evil >config", "echo ../evil >.git/commondir",
    "echo evil >.envrc", "rm .envrc; echo evil >.envrc", "mv .envrc x; echo evil >.envrc", "echo evil >.vscode/tasks.json", "mv .vscode v2; mkdir .vscode",
    "echo evil >nested/.envrc", "echo evil >>.git/modules/part/config", "echo 'gitdir: /tmp/evil' >part/.git", "rm part/.git; mkdir part/.git",
    "mv part part2; mkdir part; echo 'gitdir: x' >part/.git", "mv .git/modules/part .git/modules/p2; cp -r .git/modules/p2 .git/modules/part; echo evil >>.git/modules/part/config",
    "mv .git/modules m; cp -r m .git/modules", "echo ../../evil >.git/worktrees/linked/commondir", "echo evil >>.git/worktrees/linked/gitdir",
    "echo evil >>own-hooks/pre-push", "echo '[core] pager = evil' >>included.conf", "touch .git/config.worktree && echo evil >>.git/config.worktree",
)


def test_a_command_changes_no_configuration_hooks_or_attributes():
    needs_namespaces()
    bench = Bench()
    repository(os.path.join(bench.home.root, "origin"))
    repository(bench.ws)
    git(bench.ws, "submodule", "--quiet", "add", os.path.join(bench.home.root, "origin"), "part")
    git(bench.ws, "commit", "-q", "-m", "part")
    git(bench.ws, "worktree", "add", "-q", os.path.join(bench.home.root, "linked"))
    git(bench.ws, "config", "core.hooksPath", "own-hooks")
    git(bench.ws, "config", "extensions.worktreeConfig", "true")
    git(bench.ws, "config", "include.path", "../included.conf")
    for path in (".envrc", ".vscode/settings.json", "nested/.envrc", "own-hooks/pre-push", "included.conf", ".git/config.worktree", "c"):
        bench.write(path, "# mine\n")
    os.symlink(".git", bench.path("docs"))

    def kept():
        return {path: content for path, content in tree(bench.ws).items()
                if any(part in path for part in ("config", "/hooks", "/info/", "commondir", "gitdir", "envrc", ".vscode", "part/.git", "own-hooks", "included"))
                and "/objects/" not in path and ".opta-unapproved" not in path}

    before = kept()
    # A copy elsewhere is only a file; what is new in these would be run.
    run_from = tuple(bench.path(name) for name in (".git/hooks/", ".git/info/", ".git/commondir", ".git/modules/part/hooks/", ".git/modules/part/config",
                                                   ".git/modules/part/commondir", ".git/worktrees/linked/", ".vscode/", "own-hooks/", "part/.git"))
    sid = bench.session()
    for command in COMMANDS:
        bench.run(command, sid=sid)
        after = kept()
        changed = {path for path in {*before, *after} if before.get(path) != after.get(path) and (path in before or path.startswith(run_from))}
        check_equal(f"what {command!r} changed", changed, set())


MADE = (
    ("echo evil >.envrc", ".envrc"), ("mkdir -p a/b; echo evil >a/b/.envrc", "a/b/.envrc"), ("mkdir .vscode; echo evil >.vscode/tasks.json", ".vscode"),
    ("mkdir .husky; echo evil >.husky/pre-commit", ".husky"), ("mkdir x; ln -s x .idea", ".idea"), ("echo evil >tmp; mv tmp .ENVRC", ".ENVRC"),
    ("git init -q n; git -C n config core.fsmonitor evil", "n/.git/config"), ("git init -q p; echo evil >p/.git/hooks/pre-commit", "p/.git/hooks/pre-commit"),
    ("git init -q --bare q; echo evil >q/hooks/update", "q/hooks/update"), ("git init -q --bare r; printf '[core] pager=evil\\n' >>r/config", "r/config"),
    ("git init -q s; mkdir -p s/.git/info; echo '* filter=x' >s/.git/info/attributes", "s/.git/info/attributes"),
    ("git init -q t; echo ../../evil >t/.git/commondir", "t/.git/commondir"), ("git init -q u; mv u/.git u/g; echo 'gitdir: g' >u/.git; git -C u config core.pager evil", "u/.git"),
    ("git init -q v; ln -sf /etc/hostname v/.git/config", "v/.git/config"), ("git init -q w; printf '[alias]\\n\\tst = !evil\\n' >>w/.git/config", "w/.git/config"),
    ("git init -q y; printf '[include]\\npath = evil\\n' >>y/.git/config", "y/.git/config"), ("git init -q z; rm -r z/.git/hooks; mkdir h; ln -s ../../h z/.git/hooks", "z/.git/hooks"),
)


def test_a_control_file_that_a_command_makes_is_put_aside_and_told():
    bench = Bench()
    sid = bench.session()
    for command, path in MADE:
        end = bench.run(command, sid=sid)
        check(not os.path.lexists(bench.path(path)), f"{command!r} left {path}; {end['result']!r}")
        check(os.path.lexists(bench.path(path + ".opta-unapproved")), f"{command!r}: {path} is not aside")
        holds("the answer", end["result"], f"/{path} would make git, a shell or an editor run something")


EVIL = "printf '[core]\\nrepositoryformatversion=0\\nfsmonitor=\"touch %s;false\"\\n' >"
MAKE = "git init -q {0}; (cd {0}; " + COMMIT + " x --allow-empty); "
HIDDEN = (
    (".h", ""), ("node_modules/p", ""), ("a1/b/c/d/e/f", ""), (".a/.b/node_modules/.c", ""), ("bare/x", "touch bare/HEAD; mkdir bare/objects bare/refs; "),
    (".idea/x", ""), (".idea.opta-unapproved/x", ""), ("shut/x", ""),
)


def test_a_repository_in_any_directory_runs_nothing_in_the_git_of_the_person():
    for index, (path, more) in enumerate(HIDDEN):
        bench = Bench()
        repository(bench.ws)
        mark = os.path.join(bench.home.root, f"ran{index}")
        bench.run(f"mkdir -p {path}; " + more + MAKE.format(path) + f"git add -f {path}; " + EVIL % mark + f"{path}/.git/config; "
                  + ("chmod a-r shut; chmod a-r shut/x/.git; " if path == "shut/x" else "")
                  + f"git update-index --add --cacheinfo 160000,$(git -C {path} rev-parse HEAD),{path.replace('.idea/', '.idea.opta-unapproved/')}; true")
        subprocess.run(["git", "-C", bench.ws, "status"], capture_output=True, check=False, env={**os.environ, **QUIET})
        check(not os.path.exists(mark), f"the repository in {path} ran something")
        subprocess.run(["chmod", "-R", "u+rwX", bench.ws], check=True)


def test_other_control_files_are_looked_for_in_every_directory_and_old_ones_stay():
    bench = Bench()
    kept = (".old/.envrc", "node_modules/p/.vscode/tasks.json", "node_modules/q/.envrc", "d1/d2/d3/d4/d5/d6/.envrc")
    for path in kept:
        bench.write(path, "# mine\n")
    sid = bench.session()
    out = bench.run("echo x >plain", sid=sid)["result"]
    check("put aside" not in out and all(os.path.exists(bench.path(path)) for path in kept), f"what was there: {out!r}")
    for path in (".cfg/.envrc", ".cfg/.vscode", "node_modules/n/.envrc", "e1/e2/e3/e4/e5/e6/.vscode"):
        make = f"mkdir -p {path}; echo evil >{path}/tasks.json" if path.endswith(".vscode") else f"mkdir -p {os.path.dirname(path)}; echo evil >{path}"
        holds("told", bench.run(make, sid=sid)["result"], f"/{path} would make git")
        check(not os.path.lexists(bench.path(path)), f"{path} stayed")
    # in node_modules they may be removed, and what is changed is put aside
    bench.run("rm -rf node_modules/q; echo evil >>node_modules/p/.vscode/tasks.json", sid=sid)
    check(not os.path.exists(bench.path("node_modules/q")), "a package cannot be removed")
    check(not os.path.exists(bench.path("node_modules/p/.vscode")), "a changed file stayed")
    if namespaces():
        bench.run("echo evil >>.old/.envrc; mv .old moved; mkdir .old; echo evil >.old/.envrc", sid=sid)
        for path in (".old/.envrc", "moved/.envrc"):
            if os.path.exists(bench.path(path)):
                with open(bench.path(path), encoding="utf-8") as file:
                    check_equal(path, file.read(), "# mine\n")


def test_a_workspace_too_large_to_look_through_is_told_of():
    bench = Bench()
    os.mkdir(bench.path("many"))
    # Links cost a disk much less than files.
    for i in range(199800):
        if i % 10000 == 0:
            bench.write(f"many/{i}", "")
        else:
            os.link(bench.path(f"many/{i // 10000 * 10000}"), bench.path(f"many/{i}"))
    end = bench.run("seq -f many/more-%.0f 400 | xargs touch", seconds=60, timeoutMs=60000)
    holds("told", end["result"], "not all of the workspace was searched")
    check_equal("ok", end["ok"], False)
    holds("the log", bench.home.log(), "not all of the workspace was searched")
    # from now on a person is asked before anything is run or written
    sid = bench.session()
    for overrides in ({"dangerous": True}, {"dangerous": True, "nonInteractive": True}):
        for tool, args, part in (("run_command", {"command": "echo x >ran"}, "NOT EVERYTHING CAN BE GUARDED: the workspace has more than"),
                                 ("write_file", {"path": "written", "content": "x"}, "it may be one: the workspace has more than")):
            events = bench.turn(call(tool, **args), sid, allow=None if "nonInteractive" in overrides else False, overrides=overrides)
            check_equal("ok", named(events, "tool.end")[0]["ok"], False)
            for request in named(events, "permission.request"):
                holds("the preview", request["preview"], part)
            check_equal("requests", len(named(events, "permission.request")), 0 if "nonInteractive" in overrides else 1)
    check(not os.path.exists(bench.path("ran")) and not os.path.exists(bench.path("written")), "it was done unasked")
    events = bench.turn(call("run_command", command="echo x >ran; echo evil >many/.envrc"), sid, allow=True, overrides={"dangerous": True})
    check_equal("agreed to", named(events, "tool.end")[0]["ok"], True)
    check(os.path.exists(bench.path("ran")), "it did not run")


test_a_workspace_too_large_to_look_through_is_told_of.timeout = 180


HELD = "mkdir -p {0} sub; cd sub; git init -q .; " + COMMIT + " x --allow-empty; cd ..; git add sub; cp -r sub/.git/. {0}/; rm -rf sub/.git; echo 'gitdir: ../{0}' >sub/.git; "
PLACES = (".git/modules/evil", ".git/modules/a/b/evil", ".git/worktrees/evil", ".git/modules/x/objects/evil")


def test_a_git_directory_within_a_repository_runs_nothing_in_the_git_of_the_person():
    for index, place in enumerate(PLACES):
        for how in ("config", "commondir", "hooks"):
            bench = Bench()
            repository(bench.ws)
            mark = os.path.join(bench.home.root, f"ran{index}")
            command = HELD.format(place) + "touch .git/modules/x/HEAD; " * ("objects" in place)
            if how == "config":
                command += EVIL % mark + f"{place}/config"
            elif how == "commondir":
                command += f"mkdir common; cp -r {place}/objects {place}/refs common/; " + EVIL % mark + f"common/config; echo $PWD/common >{place}/commondir"
            else:
                command += f"printf '#!/bin/sh\ntouch {mark}\n' >{place}/hooks/post-index-change; chmod +x {place}/hooks/post-index-change"
            out = bench.run(command)["result"]
            holds(f"{how} in {place}", out, "would make git")
            for where in (bench.ws, bench.path("sub")):
                subprocess.run(["git", "-C", where, "status"], capture_output=True, check=False, env={**os.environ, **QUIET})
                subprocess.run(["git", "-C", where, "add", "-A"], capture_output=True, check=False, env={**os.environ, **QUIET})
            check(not os.path.exists(mark), f"{how} in {place} ran")


def test_a_git_directory_within_a_repository_outside_is_looked_at_too():
    needs_namespaces()
    bench = Bench()
    repository(bench.ws)
    os.mkdir(bench.path("sub"))
    sid = bench.session(workspace=bench.path("sub"))
    command = "cp -r ../.git /tmp/g; mkdir -p ../.git/modules; cp -r /tmp/g ../.git/modules/evil; echo '[core] fsmonitor = evil' >>../.git/modules/evil/config; true"
    turn = bench.daemon.submit(sid, call("run_command", command=command))
    bench.answer(sid, bench.asked(sid, turn)["requestId"]).expect(200)
    end = bench.daemon.wait_event(sid, lambda e: e["event"] == "tool.end", 30, "tool.end")["payload"]
    holds("told", end["result"], "modules/evil/config would make git")
    check(os.path.exists(bench.path(".git/modules/evil/config.opta-unapproved")), "it is not aside")


NAMED = (   # a setting, and the file in the workspace that it names
    ("core.hooksPath", ".githooks", ".githooks/pre-commit"), ("core.hooksPath", "hooks-later", "hooks-later/pre-commit"), ("core.fsmonitor", "tools/fsm.sh", "tools/fsm.sh"),
    ("filter.x.clean", "python3 tools/clean.py %f", "tools/clean.py"), ("filter.x.process", "plain-script", "plain-script"), ("diff.x.textconv", "sh -c 'tools/conv'", "tools/conv"),
    ("merge.x.driver", "env A=1 tools/merge %O", "tools/merge"), ("alias.st", "!f() { tools/st; }; f", "tools/st"), ("core.editor", "tools/later-editor", "tools/later-editor"),
    ("credential.helper", "!tools/cred", "tools/cred"), ("gpg.program", "./tools/gpg", "tools/gpg"), ("include.path", "../shared/gitconfig", "shared/gitconfig"),
    ("includeIf.onbranch:main.path", "../shared/more", "shared/more"), ("filter.a.clean", "$PWD/tools/pwd", "tools/pwd"),
    ("filter.b.clean", "`pwd`/tools/ticks", "tools/ticks"), ("filter.c.clean", "$(git rev-parse --show-toplevel)/tools/top", "tools/top"),
    ("filter.d.clean", "$GIT_DIR/../tools/dir", "tools/dir"), ("filter.e.clean", "cd tools && ./went", "tools/went"), ("filter.f.clean", "to'ols'/quoted", "tools/quoted"),
    ("core.sshCommand", "ssh -Ftools/ssh", "tools/ssh"), ("filter.g.clean", "python3 -m tools.module", "tools/module.py"), ("remote.x.url", "ext::sh tools/ext", "tools/ext"),
)


def named_bench():
    bench = Bench()
    repository(bench.ws)
    for key, value, path in NAMED:
        if "later" not in path:
            bench.write(path, "# mine\n")
        git(bench.ws, "config", "--add", key, value)
        if key == "core.hooksPath" and "later" not in path:
            git(bench.ws, "config", "--unset", key)
    with open(bench.path(".git/config"), "a", encoding="utf-8") as file:
        file.write('[core] hooksPath = ".githooks" ; where they are\n[gpg "x"] program = \\\n  tools/joined # two lines\n')
    bench.write("tools/joined", "# mine\n")
    bench.write("shared/gitconfig", "[include]\npath = deeper\n")
    bench.write("shared/deeper", "[core]\n\tpager = tools/pager | less\n")
    bench.write("tools/pager", "# mine\n")
    return bench, [path for _, _, path in NAMED] + ["shared/deeper", "tools/pager", "tools/joined"]


def test_files_that_the_configuration_names_are_asked_for_whatever_mode():
    bench, paths = named_bench()
    before = tree(bench.ws)
    sid = bench.session()
    for path in paths:
        asked = named(bench.turn(call("write_file", path=path, content="evil"), sid, allow=False, overrides={"auto": True}), "permission.request")
        check_equal(f"requests for {path}", len(asked), 1)
        holds("the preview", asked[0]["preview"], f"CONTROL FILE: {os.path.realpath(bench.ws)}/{path}")
    check_equal("the workspace", tree(bench.ws), before)
    check_equal("another file", bench.tool("write_file", sid=sid, overrides={"auto": True}, path="tools/other", content="x")["ok"], True)


def test_files_that_the_configuration_names_are_not_changed_by_a_command():
    needs_namespaces()
    bench, paths = named_bench()
    before = tree(bench.ws)
    sid = bench.session()
    for path in paths:
        out = bench.run(f"mkdir -p $(dirname {path}); echo evil >>{path}; rm -f {path}; echo evil >{path}", sid=sid)["result"]
        if "later" in path:
            holds("told", out, "would make git")
            check(not os.path.exists(bench.path(path)), f"{path} stayed")
        else:
            check_equal(path, tree(bench.ws)[bench.path(path)], before[bench.path(path)])
    bench.run("mv tools t2; mkdir tools; echo evil >tools/fsm.sh; echo x >tools/other; mkdir origin", sid=sid)
    check(not os.path.exists(bench.path("tools/fsm.sh")) or tree(bench.ws)[bench.path("tools/fsm.sh")] == b"# mine\n", "another file took the place")
    check(os.path.exists(bench.path("origin")), "an ordinary directory was put aside")


def test_hooks_of_a_repository_around_the_workspace_and_of_a_linked_worktree_are_named_too():
    needs_namespaces()
    bench = Bench()
    repository(bench.ws)
    bench.write("app/hooks/pre-commit", "# mine\n")
    git(bench.ws, "config", "core.hooksPath", "app/hooks")
    linked = os.path.join(bench.home.root, "linked")
    git(bench.ws, "worktree", "add", "-q", linked)
    os.makedirs(os.path.join(linked, "app/hooks"))
    for workspace, path in ((bench.path("app"), "hooks/pre-commit"), (linked, "app/hooks/pre-commit")):
        sid = bench.session(workspace=workspace)
        bench.tool("run_command", sid=sid, overrides={"nonInteractive": True, "dangerous": True}, command=f"echo evil >{path}; echo evil >>{path}")
        full = os.path.join(workspace, path)
        check(not os.path.exists(full) or tree(workspace)[full] == b"# mine\n", f"{full} was changed")
        asked = named(bench.turn(call("write_file", path=path, content="evil"), sid, allow=False, overrides={"auto": True}), "permission.request")
        check_equal(f"requests for {full}", len(asked), 1)
    git(bench.ws, "config", "core.hooksPath", "app")
    sid = bench.session(workspace=bench.path("app"))
    out = bench.tool("run_command", sid=sid, overrides={"nonInteractive": True, "dangerous": True}, command="echo evil >pre-commit; echo x >plain")["result"]
    check(not os.path.exists(bench.path("app/pre-commit")) and os.path.exists(bench.path("app/plain")), f"a hook in the workspace itself: {out!r}")


def test_a_new_repository_of_a_command_works():
    bench = Bench()
    out = bench.run("git init -q && git config user.name a && git config user.email a@b && echo x >f && git add f && git commit -q -m one && "
                    "git clone -q . cloned && git -C cloned log --format=%s && git worktree add -q other && git status --short")["result"]
    check("put aside" not in out and "one" in out, f"output: {out!r}")
    check_equal("the log", git(bench.ws, "log", "--format=%s"), "one\n")
    check_equal("the clone", git(bench.path("cloned"), "remote"), "origin\n")


def test_a_link_in_the_place_of_a_git_directory_stays_the_link_it_was():
    bench = Bench()
    repository(os.path.join(bench.home.root, "elsewhere"))
    os.symlink(os.path.join(bench.home.root, "elsewhere", ".git"), bench.path(".git"))
    bench.run("echo x")
    check_equal("the link", os.readlink(bench.path(".git")), os.path.join(bench.home.root, "elsewhere", ".git"))
    holds("another link", bench.run("git init -q --bare evil; rm .git; ln -s evil .git")["result"], "/.git would make git")
    check(not os.path.lexists(bench.path(".git")), "the other link stayed")


def test_git_commit_works_in_a_repository():
    bench = Bench()
    repository(bench.ws)
    out = bench.run(f"echo more >>file && git add file && {COMMIT} second && git log --format=%s && git checkout -q -b other && "
                    f"echo x >new && git add new && {COMMIT} third && git stash list && git branch -d main 2>&1; git status --short; git gc -q && git fsck")
    check(out["ok"], f"git: {out['result']!r}")
    check_equal("the log", git(bench.ws, "log", "--format=%s"), "third\nsecond\nfirst\n")
    git(bench.ws, "status")


def committed(bench, workspace, top, repository_path):
    """In a workspace whose repository lies outside: asked by name once, remembered, and then it works."""
    sid = bench.session(workspace=workspace)
    before = git(top, "log", "--format=%s")
    command = f"echo more >>own && git add own && {COMMIT} "
    # a no leaves it alone
    events = bench.turn(call("run_command", command=command + "no"), sid, allow=False)
    holds("the request", named(events, "permission.request")[0]["preview"], f"write the repository at {repository_path}")
    turn = bench.daemon.submit(sid, call("run_command", command=command + "one"))
    bench.answer(sid, bench.asked(sid, turn)["requestId"], remember=True).expect(200)
    end = bench.daemon.wait_event(sid, lambda e: e["event"] == "tool.end" and e["payload"]["turnId"] == turn, 30, "tool.end")["payload"]
    check(end["ok"], f"git: {end['result']!r}")
    check_equal("the log", git(top, "log", "--format=%s"), "one\n" + before)
    # the repository is remembered, another command is not
    events = bench.turn(call("run_command", command=command + "two"), sid, allow=True)
    preview = named(events, "permission.request")[0]["preview"]
    check("write the repository" not in preview, f"asked again: {preview!r}")
    check_equal("ok", named(events, "tool.end")[0]["ok"], True)
    check_equal("the log", git(top, "log", "--format=%s"), "two\none\n" + before)
    if not namespaces():        # Landlock makes no exceptions within a directory
        return
    config = tree(repository_path)[f"{repository_path}/config"]
    bench.run("d=$(git rev-parse --git-common-dir); echo evil >>$d/config; echo evil >$d/hooks/pre-commit; git config core.pager evil", sid=sid)
    check_equal("the configuration", tree(repository_path)[f"{repository_path}/config"], config)
    check(not os.path.exists(f"{repository_path}/hooks/pre-commit"), "a hook was made")


def test_git_commit_works_in_a_subdirectory_once_the_repository_was_agreed_to():
    bench = Bench({"permissions.run_command": "ask"})
    repository(bench.ws)
    os.mkdir(bench.path("sub"))
    committed(bench, bench.path("sub"), bench.path("sub"), os.path.realpath(bench.path(".git")))


def test_git_commit_works_in_a_linked_worktree_once_the_repository_was_agreed_to():
    bench = Bench()
    repository(bench.ws)
    linked = os.path.join(bench.home.root, "linked")
    git(bench.ws, "worktree", "add", "-q", linked)
    committed(bench, linked, linked, os.path.realpath(bench.path(".git")))


def test_git_commit_works_in_a_submodule_once_the_repository_was_agreed_to():
    bench = Bench()
    repository(os.path.join(bench.home.root, "origin"))
    repository(bench.ws)
    git(bench.ws, "submodule", "--quiet", "add", os.path.join(bench.home.root, "origin"), "part")
    committed(bench, bench.path("part"), bench.path("part"), os.path.realpath(bench.path(".git/modules/part")))


def test_an_allowed_command_asks_for_the_repository_by_name_and_leaves_it_alone_when_nobody_is_there():
    bench = Bench({"permissions.run_command": "allow"})
    repository(bench.ws)
    os.mkdir(bench.path("sub"))
    sid = bench.session(workspace=bench.path("sub"))
    command = f"echo more >>own && git add own && {COMMIT} one"
    check_equal("other commands are not asked for", len(named(bench.turn(call("run_command", command="echo x"), sid), "permission.request")), 0)
    end = bench.tool("run_command", sid=sid, overrides={"nonInteractive": True}, command=command)
    check_equal("unasked", end["ok"], False)
    holds("the answer", end["result"], "lies outside the workspace and was read-only")
    turn = bench.daemon.submit(sid, call("run_command", command=command))
    request = bench.asked(sid, turn)
    holds("the request", request["preview"], "write the repository at")
    bench.answer(sid, request["requestId"], remember=True).expect(200)
    end = bench.daemon.wait_event(sid, lambda e: e["event"] == "tool.end" and e["payload"]["turnId"] == turn, 30, "tool.end")["payload"]
    check(end["ok"], f"git: {end['result']!r}")
    events = bench.turn(call("run_command", command=command.replace(" one", " two")), sid)
    check_equal("requests", len(named(events, "permission.request")), 0)
    check_equal("ok", named(events, "tool.end")[0]["ok"], True)
    # and it survives a restart
    bench.daemon.stop()
    bench.daemon = bench.home.run_daemon()
    check_equal("after a restart", bench.tool("run_command", sid=sid, command=command.replace(" one", " three"))["ok"], True)


def test_a_git_file_that_points_at_something_else_opens_nothing():
    bench = Bench()
    victim = os.path.join(bench.home.root, "victim")
    repository(victim)
    forged = os.path.join(bench.home.root, "forged")
    os.makedirs(forged)
    before = tree(victim)
    # a directory that is no git directory, and a linked worktree that the repository does not know
    os.makedirs(bench.path("fake"))
    for path, content in (("fake/HEAD", "ref: refs/heads/main\n"), ("fake/commondir", f"{victim}/.git\n"), ("fake/gitdir", f"{victim}/.git\n")):
        bench.write(path, content)
    for text in (f"gitdir: {bench.home.root}\n", f"gitdir: {bench.ws}/fake\n", f"gitdir: {forged}\n", "gitdir: /\n"):
        bench.write(".git", text)
        out = bench.run(f"echo x >{victim}/.git/written 2>/dev/null; echo x >{forged}/written 2>/dev/null; echo x >{bench.home.root}/written 2>/dev/null; echo done")["result"]
        holds("it ran", out, "done")
    check_equal("the victim", tree(victim), before)
    check_equal("elsewhere", os.listdir(forged), [])
    check(not os.path.exists(f"{bench.home.root}/written"), "written")


def test_a_home_and_the_whole_system_are_no_workspace_in_any_spelling():
    bench = Bench()
    home = bench.home.home
    os.makedirs(os.path.join(home, "project"))
    root, link, chain = (os.path.join(bench.home.root, name) for name in ("root-link", "home-link", "chain"))
    os.symlink("/", root)
    os.symlink(home, link)
    os.symlink("home-link", chain)
    for path in ("/", "/.", "//", "///", "/usr/..", "/usr/../", "/proc/self/root", root, f"{root}/", f"{root}/.",
                 home, f"{home}/", f"{home}/.", f"{home}//", f"{home}/project/..", link, f"{link}/.", chain, f"{root}{home}"):
        sid = bench.session(workspace=path)
        for name, args in (("read_file", {"path": ".profile"}), ("write_file", {"path": ".bashrc", "content": "evil"}), ("list_dir", {}),
                           ("run_command", {"command": "echo evil >.bashrc"}), ("bg_start", {"command": "echo evil >.bashrc"})):
            events = bench.turn(call(name, **args), sid, allow=True, overrides={"dangerous": True})
            if name != "bg_start":
                end = named(events, "tool.end")[0]
                check_equal(f"{name} in {path}", end["ok"], False)
                check("whole system" in end["result"] or "home directory" in end["result"], f"{name} in {path}: {end['result']!r}")
    bench.daemon.stop()
    check_equal("the home", sorted(os.listdir(home)), ["project"] + sorted(set(os.listdir(home)) - {"project"}))
    check(not os.path.exists(f"{home}/.bashrc"), "a dotfile was written")


def test_dotfiles_of_a_home_within_the_workspace_are_control_files():
    bench = Bench()
    home = bench.home.home
    sid = bench.session(workspace=bench.home.root)
    events = bench.turn(call("write_file", path="home/.bashrc", content="evil"), sid, allow=False, overrides={"auto": True})
    holds("the preview", named(events, "permission.request")[0]["preview"], "CONTROL FILE")
    check_equal("an ordinary file", bench.tool("write_file", sid=sid, overrides={"auto": True}, path="home/plain", content="x")["ok"], True)
    if not namespaces():
        return
    bench.run("echo evil >home/.bashrc; echo evil >home/.profile; mv home h2; mkdir home; echo x >home/.bashrc", sid=sid)
    check_equal("the home", [name for name in os.listdir(home) if name in (".bashrc", ".profile")], [])
