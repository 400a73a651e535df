"""Git repositories for tests, made by the person's own git."""
import os
import shutil
import subprocess

from opta_test import Skip, check_equal

QUIET = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
         "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}


def git(path, *args):
    """The person's own git."""
    if not shutil.which("git"):
        raise Skip("git is not installed")
    done = subprocess.run(["git", "-C", path, "-c", "protocol.file.allow=always", *args], capture_output=True, text=True, check=False,
                          env={**os.environ, **QUIET})
    check_equal(f"git {args}: {done.stderr}", done.returncode, 0)
    return done.stdout


def repository(path, name="file"):
    os.makedirs(path, exist_ok=True)
    git(path, "init", "-q", "-b", "main")
    with open(os.path.join(path, name), "w", encoding="utf-8") as file:
        file.write("text\n")
    git(path, "add", "-A")
    git(path, "commit", "-q", "-m", "first")


def tree(path):
    """Every file below path with its content, and links."""
    found = {}
    for folder, folders, files in os.walk(path):
        for name in files + folders:
            full = os.path.join(folder, name)
            if os.path.islink(full):
                found[full] = "-> " + os.readlink(full)
            elif os.path.isfile(full):
                with open(full, "rb") as file:
                    found[full] = file.read()
    return found
