"""What the model learns, and what is done, before a person was asked: nothing outside the workspace."""
import contextlib
import os
import shutil
import tempfile

from opta_test import check, check_equal
from tools import Bench, call, holds, named

SECRET = "the secret of the house\nsecond line\n"


@contextlib.contextmanager
def elsewhere():
    """A directory outside the workspace: a file, a directory, a link, an empty file; `missing` is not there."""
    path = tempfile.mkdtemp(prefix="opta-test-", dir="/var/tmp")
    with open(os.path.join(path, "secret"), "w", encoding="utf-8") as file:
        file.write(SECRET)
    with open(os.path.join(path, "empty"), "w", encoding="utf-8"):
        pass
    os.mkdir(os.path.join(path, "directory"))
    os.symlink("secret", os.path.join(path, "link"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


# Each tool that takes a path, with arguments that would tell things of a file apart.
CALLS = (
    ("read_file", {}), ("read_file", {"offset": 100}), ("list_dir", {}), ("find_files", {"pattern": "*"}),
    ("search_files", {"pattern": "secret"}), ("search_files", {"pattern": "("}),
    ("write_file", {"content": SECRET}), ("edit_file", {"old": "secret", "new": "x"}), ("edit_file", {"old": "e", "new": "x"}),
    ("edit_file", {"old": "not in it", "new": "x"}), ("edit_file", {"old": "same", "new": "same"}),
    ("multi_edit", {"edits": [{"old": "e", "new": "x", "all": True}, {"old": "x", "new": "y"}]}),
    ("delete_file", {}), ("run_command", {"command": "true"}), ("bg_start", {"command": "true"}),
)


def ways(outside, name):
    """Spellings of a path outside."""
    return (f"{outside}/{name}", f"{outside}/directory/../{name}", f"/proc/self/root{outside}/{name}",
            "../" * 12 + f"{outside[1:]}/{name}")


def test_without_a_decision_every_path_outside_gets_one_and_the_same_answer():
    bench = Bench()
    with elsewhere() as outside:
        os.symlink(outside, bench.path("out"))
        for tool, args in CALLS:
            key = "cwd" if tool in ("run_command", "bg_start") else "path"
            for overrides in ({"nonInteractive": True}, {"nonInteractive": True, "auto": True}):
                told = {}
                sid = bench.session()
                for name in ("secret", "empty", "directory", "link", "missing", "missing/deeper"):
                    for path in ways(outside, name)[:4 if name in ("secret", "missing") else 1]:
                        end = bench.tool(tool, sid=sid, overrides=overrides, **{key: path}, **args)
                        check_equal(f"{tool} {path}", end["ok"], False)
                        told.setdefault(end["result"], path)
                check_equal(f"answers to {tool} {args}", len(told), 1)


def test_a_person_sees_the_path_and_the_change_before_anything_is_opened():
    bench = Bench()
    with elsewhere() as outside:
        for tool, args in CALLS:
            key = "cwd" if tool in ("run_command", "bg_start") else "path"
            told, shown = set(), set()
            for name in ("secret", "empty", "directory", "link", "missing"):
                path = f"{outside}/{name}"
                events = bench.turn(call(tool, **{key: path}, **args), allow=False)
                asked = named(events, "permission.request")
                check_equal(f"requests for {tool} {path}", len(asked), 1)
                holds("the preview", asked[0]["preview"], path)
                shown.add(asked[0]["preview"].replace(path, "PATH"))
                told.add(named(events, "tool.end")[0]["result"].replace(path, "PATH"))
            check_equal(f"answers to a denied {tool}", len(told), 1)
            check_equal(f"previews of {tool}", len(shown), 1)
        events = bench.turn(call("edit_file", path=f"{outside}/secret", old="secret of", new="tale of"), allow=True)
        preview = named(events, "permission.request")[0]["preview"]
        for part in (f"OUTSIDE THE WORKSPACE: {outside}/secret\n", "edit_file", "-secret of", "+tale of"):
            holds("the preview", preview, part)
        with open(f"{outside}/secret", encoding="utf-8") as file:
            check_equal("the file", file.read(), SECRET.replace("secret of", "tale of"))
        events = bench.turn(call("write_file", path=f"{outside}/new", content="a\nb\n"), allow=True)
        holds("the preview", named(events, "permission.request")[0]["preview"], "+a\n+b\n")
        events = bench.turn(call("multi_edit", path=f"{outside}/new", edits=[{"old": "a", "new": "c"}, {"old": "b", "new": "d", "all": True}]), allow=True)
        holds("the preview", named(events, "permission.request")[0]["preview"], "each occurrence")
        with open(f"{outside}/new", encoding="utf-8") as file:
            check_equal("the new file", file.read(), "c\nd\n")


def test_a_link_in_the_workspace_tells_nothing_of_where_it_leads():
    bench = Bench()
    with elsewhere() as outside:
        for name in ("secret", "empty", "directory", "missing", "secret/deeper"):
            os.symlink(f"{outside}/{name}", bench.path("to-" + name.replace("/", "-")))
        os.symlink(outside, bench.path("out"))
        os.symlink(os.path.relpath(outside, bench.ws), bench.path("relative"))
        for tool, args in CALLS:
            if tool in ("run_command", "bg_start", "delete_file"):
                continue
            told = set()
            for path in ("to-secret", "to-empty", "to-directory", "to-missing", "to-secret-deeper"):
                events = bench.turn(call(tool, path=path, **args), mode="do", overrides={"auto": True})
                check_equal("requests", named(events, "permission.request"), [])
                told.add(named(events, "tool.end")[0]["result"].replace(path, "PATH"))
            for path in ("out/secret", "out/missing", "relative/secret", "relative/missing"):
                told.add(bench.tool(tool, overrides={"auto": True}, path=path, **args)["result"].replace(path, "PATH"))
            check_equal(f"answers to {tool} through a link", len(told), 1)


def test_ignore_files_outside_the_workspace_are_not_read_for_a_search():
    bench = Bench()
    with elsewhere() as outside:
        with open(os.path.join(bench.home.root, ".gitignore"), "w", encoding="utf-8") as file:
            file.write("guess*\n")
        with open(f"{outside}/patterns", "w", encoding="utf-8") as file:
            file.write("other*\n")
        bench.write("sub/guess", "needle\n")
        bench.write("sub/other", "needle\n")
        os.symlink(f"{outside}/patterns", bench.path("sub/.gitignore"))
        os.symlink(f"{outside}/patterns", bench.path("sub/.ignore"))
        out = bench.tool("search_files", pattern="needle")["result"]
        check_equal("found", sorted(line.split(":")[0] for line in out.splitlines()), ["sub/guess", "sub/other"])
        out = bench.tool("find_files", pattern="*")["result"]
        check("sub/guess" in out and "sub/other" in out, f"found: {out!r}")
