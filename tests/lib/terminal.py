"""A real terminal for a program under test: tmux runs it, types into it, and tells what its screen shows."""
import os
import subprocess

from opta_test import OPTA, check, wait_for


class Terminal:
    """A tmux of its own with one window that runs `opta …`."""

    count = 0

    def __init__(self, bench, *args, width=80, height=24, env=None, command=None):
        """args: the words after `opta`, quoted for a shell; or command: another program."""
        Terminal.count += 1
        self.socket = f"opta-test-{os.getpid()}-{Terminal.count}"
        self.env = {**bench.home.env, "TERM": "xterm-256color", "TMUX_TMPDIR": bench.home.root, **(env or {})}
        command = (command or " ".join([f"'{OPTA}'", *args])) + "; echo EXIT $?; trap '' INT; sleep 1000"
        self.tmux("-f", "/dev/null", "new-session", "-d", "-s", "t", "-x", str(width), "-y", str(height), "-c", bench.ws, command)

    def tmux(self, *args):
        done = subprocess.run(["tmux", "-L", self.socket, *args], env=self.env, capture_output=True, check=False)
        check(done.returncode == 0, f"tmux {args!r}: {done.stderr!r}")
        return done.stdout.decode("utf-8", "replace")

    def screen(self, history=False, styles=False):
        return self.tmux("capture-pane", "-p", "-t", "t", *(("-S", "-2000") if history else ()), *(("-e",) if styles else ()))

    def lines(self):
        """The screen without blank lines and blanks at ends."""
        return [line.rstrip() for line in self.screen().split("\n") if line.strip()]

    def type(self, text):
        self.tmux("send-keys", "-t", "t", "-l", text)

    def keys(self, *names):
        self.tmux("send-keys", "-t", "t", *names)

    def say(self, text):
        self.type(text)
        self.wait(text.split()[-1][-20:])
        self.keys("Enter")

    def wait(self, part, seconds=10):
        return wait_for(lambda: part in self.screen(history=True), seconds, f"{part!r} on the screen; it shows\n{self.screen()}")

    def wait_last(self, part, seconds=10):
        """The last line of the screen holds part."""
        return wait_for(lambda: self.lines() and part in self.lines()[-1], seconds, f"{part!r} in the last line; the screen shows\n{self.screen()}")

    def close(self):
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], env=self.env, capture_output=True, check=False)
