"""A machine of a test's own, as a runbook describes one: an empty network, a model server with a name on it, and a user
whose HOME is new and who has `opta` on the PATH. What the documents print is run here as it stands."""
import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess

from opta_test import OPTA, SLOW, Daemon, Demo, Home, Ran, check, slurp, wait_for
from private_mounts import private_file
from private_net import private_network, write

RTM_NEWADDR, NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE = 20, 1, 4, 0x400
IFA_ADDRESS, IFA_LOCAL = 1, 2

LMX_NAME, LMX_ADDRESS, LMX_MODEL = "lmx-host.local", "192.168.188.11", "qwen3-30b-a3b"


def add_address(address):
    """Gives the loopback of this network another address; rtnetlink(7)."""
    ip, lo = socket.inet_aton(address), socket.if_nametoindex("lo")
    body = struct.pack("BBBBi", socket.AF_INET, 32, 0, 0, lo) + b"".join(struct.pack("HH4s", 8, kind, ip) for kind in (IFA_LOCAL, IFA_ADDRESS))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.send(struct.pack("IHHII", 16 + len(body), RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, 1, 0) + body)
        error = struct.unpack("i", sock.recv(4096)[16:20])[0]
    check(error == 0, f"the loopback did not take the address {address}: {os.strerror(-error)}")


class Machine:
    """lmx: the flags of a demo model server at lmx-host.local:1234; None: nobody is there."""

    def __init__(self, lmx=()):
        private_network()
        add_address(LMX_ADDRESS)
        with contextlib.suppress(OSError):              # where /proc/sys is read-only root pings all the same
            write("/proc/sys/net/ipv4/ping_group_range", f"{os.getgid()} {os.getgid()}")
        self.home = Home(opta_home=False, port=None)
        shutil.rmtree(os.path.join(self.home.home, ".config"))
        hosts = os.path.join(self.home.root, "hosts")
        write(hosts, f"127.0.0.1 localhost\n{LMX_ADDRESS} {LMX_NAME}\n")
        private_file(hosts, "/etc/hosts")
        bin_dir = os.path.join(self.home.root, "bin")
        os.mkdir(bin_dir)
        os.symlink(OPTA, os.path.join(bin_dir, "opta"))
        self.home.env["PATH"] = bin_dir + ":" + self.home.env["PATH"]
        self.count = 0
        self.demo = None
        if lmx is not None:
            self.start_lmx(*lmx)

    def start_lmx(self, *flags):
        self.demo = Demo(self.home, "--host", "0.0.0.0", "--port", "1234", "--model", LMX_MODEL, *flags)

    def stop_lmx(self):
        self.demo.process.terminate()
        self.demo.process.wait(5 * SLOW)

    def path(self, name):
        """~/name"""
        return os.path.join(self.home.home, name)

    def popen(self, text, **env):
        """Begins to run the text as a person would who pastes it into a shell."""
        self.count += 1
        base = os.path.join(self.home.outputs, f"shell-{self.count:02d}")
        with open(base + ".out", "wb") as out, open(base + ".err", "wb") as err:
            # In a terminal Ctrl+C counts, even where these tests run behind a shell's "&".
            process = subprocess.Popen(["/bin/bash", "-c", text], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                       env={**self.home.env, **env}, cwd=self.home.work, start_new_session=True,
                                       preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        process.out_path, process.err_path, process.text = base + ".out", base + ".err", text
        self.home.popens.append(process)
        return process

    def ended(self, process, code=0, seconds=30.0):
        """Waits for a process of popen(). code: the exit code it must have, None: any."""
        try:
            got = process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            got = f"no end within {seconds * SLOW:.0f} s"
        self.home.state()
        out, err = slurp(process.out_path), slurp(process.err_path)
        check(code is None or got == code, f"`{process.text}`: expected exit code {code}, got {got}; stdout {out[-800:]!r}, stderr {err[-800:]!r}")
        return Ran([process.text], got, out, err, 0)

    def sh(self, text, code=0, seconds=30.0, **env):
        """Runs the text to its end."""
        return self.ended(self.popen(text, **env), code, seconds)

    def out(self, text, code=0, **env):
        """The same; what it printed on standard output."""
        return self.sh(text, code, **env).text

    def follow(self, text, until):
        """Runs what goes on until somebody presses Ctrl+C, presses it when `until` was printed, and returns all of it."""
        process = self.popen(text)
        wait_for(lambda: until in slurp(process.out_path).decode("utf-8", "replace") or process.poll() is not None, 10,
                 f"`{text}` to print {until!r}")
        check(process.poll() is None, f"expected `{text}` to follow, it ended with {process.returncode}: {slurp(process.err_path)!r}")
        os.killpg(process.pid, signal.SIGINT)
        return self.ended(process, -signal.SIGINT).text

    def daemon(self):
        """The daemon that runs."""
        return Daemon.named_by(self.home)
