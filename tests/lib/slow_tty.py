#!/usr/bin/python3
"""slow_tty.py BYTES_PER_SECOND COMMAND: runs a shell command on a pseudo terminal of its own and reads it no faster than
that (0: as fast as it can), in small pieces, as a terminal over a slow line does. What is read goes to standard output,
what is typed and each new size of the window to the command. Ends with the command's exit code."""
import fcntl
import os
import pty
import select
import signal
import sys
import termios
import time
import tty

PIECE = 512


def copy_size(fd):
    try:
        fcntl.ioctl(fd, termios.TIOCSWINSZ, fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))
    except OSError:
        pass


def relay(fd, rate):
    allowed = time.monotonic()
    while True:
        wait = max(0.0, allowed - time.monotonic()) if rate else 0.0
        ready = select.select([0] + ([fd] if wait == 0.0 else []), [], [], wait or None)[0]
        if 0 in ready:
            os.write(fd, os.read(0, 4096))
        if fd in ready:
            try:
                data = os.read(fd, PIECE)
            except OSError:
                return
            if not data:
                return
            while data:
                data = data[os.write(1, data):]
            if rate:
                allowed = max(allowed, time.monotonic() - 0.1) + PIECE / rate


def main():
    rate, command = int(sys.argv[1]), sys.argv[2]
    pid, fd = pty.fork()
    if pid == 0:
        copy_size(0)
        os.execv("/bin/sh", ["sh", "-c", command])
    copy_size(fd)
    signal.signal(signal.SIGWINCH, lambda *_: copy_size(fd))
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        relay(fd, rate)
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xFF)


main()
