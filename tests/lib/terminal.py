"""A real terminal for a program under test: tmux runs it, types into it, and tells what its screen shows, scrolled rows
included. With slow=N the program's own pseudo terminal is read at N bytes a second (slow_tty.py), and tmux shows what came."""
import os
import shlex
import subprocess
import sys
import time

from opta_test import OPTA, check, wait_for


class Terminal:
    """A tmux of its own with one window that runs `opta …`."""

    count = 0

    HISTORY = 100000            # rows that are kept when they scroll away

    def __init__(self, bench, *args, width=80, height=24, env=None, command=None, slow=None):
        """args: the words after `opta`, quoted for a shell; or command: another program."""
        Terminal.count += 1
        self.socket = f"opta-test-{os.getpid()}-{Terminal.count}"
        self.env = {**bench.home.env, "TERM": "xterm-256color", "TMUX_TMPDIR": bench.home.root, **(env or {})}
        command = command or " ".join([f"'{OPTA}'", *args])
        if slow is not None:
            relay = os.path.join(os.path.dirname(os.path.abspath(__file__)), "slow_tty.py")
            command = f"{shlex.quote(sys.executable)} {shlex.quote(relay)} {slow} {shlex.quote(command)}"
        command += "; echo EXIT $?; trap '' INT; sleep 1000"
        with open(os.path.join(bench.home.root, "tmux.conf"), "w", encoding="utf-8") as config:
            config.write(f"set -g history-limit {self.HISTORY}\nset -g default-terminal xterm-256color\n")
        self.tmux("-f", os.path.join(bench.home.root, "tmux.conf"), "new-session", "-d", "-s", "t", "-x", str(width), "-y", str(height), "-c", bench.ws, command)

    def tmux(self, *args):
        done = subprocess.run(["tmux", "-L", self.socket, *args], env=self.env, capture_output=True, check=False)
        check(done.returncode == 0, f"tmux {args!r}: {done.stderr!r}")
        return done.stdout.decode("utf-8", "replace")

    def screen(self, history=False, styles=False):
        return self.tmux("capture-pane", "-p", "-t", "t", *(("-S", "-") if history else ()), *(("-e",) if styles else ()))

    def lines(self):
        """The screen without blank lines and blanks at ends."""
        return [line.rstrip() for line in self.screen().split("\n") if line.strip()]

    def type(self, text):
        self.tmux("send-keys", "-t", "t", "-l", text)

    def keys(self, *names):
        self.tmux("send-keys", "-t", "t", *names)

    def say(self, text):
        self.type(text)
        end = text.split()[-1][-20:]
        self.until(lambda: end in "".join(self.screen().split()), 10, f"{end!r}, typed")
        self.keys("Enter")

    def until(self, holds, seconds, what):
        """Waits until holds(); says what the screen showed at the end when it does not come to that."""
        try:
            return wait_for(holds, seconds, what)
        except AssertionError as err:
            raise AssertionError(f"{err}; the screen shows\n{self.screen()}") from None

    def wait(self, part, seconds=10):
        return self.until(lambda: part in self.screen(history=True), seconds, f"{part!r} on the screen")

    def quiet(self):
        """No key for as long as a request must have stood on the screen before one counts (src/cli/consent.h)."""
        begun = time.monotonic()
        wait_for(lambda: time.monotonic() - begun > 0.8, 5, "a quiet moment")

    def answer(self, key, question="[n] no"):
        """The key that answers the request on the screen, once it counts."""
        self.wait(question)
        self.quiet()
        self.type(key)

    def wait_last(self, part, seconds=10):
        """The last line of the screen holds part."""
        return self.until(lambda: self.lines() and part in self.lines()[-1], seconds, f"{part!r} in the last line")

    def rows(self):
        """Every row that was ever written, the scrolled ones first, without blanks at ends; one that the terminal itself
        wrapped, as when it became narrower, is one row."""
        return [line.rstrip() for line in self.tmux("capture-pane", "-p", "-J", "-t", "t", "-S", "-").split("\n")]

    def resize(self, width, height=24):
        self.tmux("resize-window", "-t", "t", "-x", str(width), "-y", str(height))

    def close(self):
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], env=self.env, capture_output=True, check=False)
