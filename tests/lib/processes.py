"""Who is running below this test: found through /proc, because a daemon leaves its parent on purpose."""
import ctypes
import os
import signal

from clock import wait_for

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Daemons that leave their parent become children of this process, so that none can be lost."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stat_of(pid):
    """(state, parent) of a process, or None."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            rest = file.read().rpartition(b")")[2].split()
        return rest[0].decode(), int(rest[1])
    except (OSError, IndexError, ValueError):
        return None


def alive(pid):
    """A zombie counts as dead."""
    stat = stat_of(pid)
    return stat is not None and stat[0] not in "ZX"


def descendants(root=None):
    """The living processes below root (this process), children before grandchildren."""
    root = root or os.getpid()
    below = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = stat_of(name)
            if stat and stat[0] not in "ZX":
                below.setdefault(stat[1], []).append(int(name))
    out, todo = [], [root]
    while todo:
        for child in below.get(todo.pop(0), []):
            out.append(child)
            todo.append(child)
    return out


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return "(gone)"


def send(pid, number):
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def wait_dead(pid, seconds=5.0, what=None):
    wait_for(lambda: not alive(pid), seconds, what or f"process {pid} ({command_line(pid)}) to end")


def reap():
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def end_all():
    """SIGTERM, a second one, SIGKILL for everything below this process. Returns those that needed SIGKILL."""
    for number, seconds in ((signal.SIGTERM, 1.0), (signal.SIGTERM, 2.0)):
        for pid in descendants():
            send(pid, signal.SIGCONT)
            send(pid, number)
        if until_none(seconds):
            return []
    stuck = [f"{pid} ({command_line(pid)})" for pid in descendants()]
    for _ in range(3):
        for pid in descendants():
            send(pid, signal.SIGKILL)
        if until_none(1.0):
            break
    return stuck


def until_none(seconds):
    try:
        wait_for(lambda: reap() or not descendants(), seconds)
        return True
    except AssertionError:
        return False

