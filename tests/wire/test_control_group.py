"""The kernel's control group of each call, where the daemon may make one; and what commands may do to control groups anywhere."""
import os
import subprocess

from opta_test import OPTA, Daemon, Demo, Home, Skip, alive, check, check_equal, wait_for
from tools import Bench, call, holds, named, python

MOUNT = "/sys/fs/cgroup"
LIMIT = 64
ENDED = f"heap out of memory: it wanted more than the {LIMIT} MB of daemon.toolMemoryMb"
# Shared memory: no limit of a single process counts it.
HOG = "/usr/bin/python3 -c 'import mmap; m = mmap.mmap(-1, 400 << 20)\nfor _ in range(400): m.write(bytes(1 << 20))\nprint(1)'"


def unified(text):
    """The directory of the group that a /proc/PID/cgroup names."""
    for line in text.splitlines():
        if line.startswith("0::/"):
            return MOUNT + line[3:]
    raise Skip("there is no unified hierarchy of control groups")


def group_of(pid):
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        return unified(file.read())


def grouped(config=None, bench=None):
    """A bench whose calls have control groups."""
    bench = bench or Bench({"daemon.toolMemoryMb": LIMIT, **(config or {})})
    bench.run("true")
    if "limited by a control group" not in bench.home.log():
        holds("the log", bench.home.log(), "the memory of each tool call is counted: no control group could be made")
        raise Skip("no control group with memory can be made here")
    return bench


def running(bench, command):
    """A call that runs: its session, its turn and its group. It ends once the file `end` is there."""
    sid = bench.session()
    turn = bench.daemon.submit(sid, call("run_command", command=f"cat /proc/self/cgroup >at.new; mv at.new at; while [ ! -e end ]; do sleep 0.05; done; {command}"),
                               mode="do", overrides={"dangerous": True})
    wait_for(lambda: os.path.exists(bench.path("at")), 20, "the command to run")
    return sid, turn, unified(bench.read("at"))


def test_a_command_can_write_no_control_group():
    out = python(Bench(), """
files = ('cgroup.procs', 'cgroup.threads', 'tasks', 'cgroup.subtree_control', 'cgroup.kill', 'memory.max', 'memory.limit_in_bytes', 'pids.max', 'release_agent')
own = [line.strip().split(':', 2)[2] for line in open('/proc/self/cgroup')]
looked = 0
for top, dirs, names in os.walk('/sys/fs/cgroup'):
    dirs[:] = dirs[:50]
    for name in names:
        if name not in files: continue
        looked += 1
        try: os.close(os.open(os.path.join(top, name), os.O_WRONLY)); print('OPENED', top, name)
        except OSError as e: pass
    if looked < 100 or any(top.endswith(path) for path in own):
        try: os.mkdir(top + '/opta-test'); print('MADE', top); os.rmdir(top + '/opta-test')
        except OSError as e: pass
    if looked > 5000: break
for kind in (b'cgroup2', b'cgroup'):
    if libc.mount(b'none', b'/tmp', kind, 0, None) == 0: print('MOUNTED', kind)
for path in (b'/sys', b'/sys/fs/cgroup'):
    if libc.mount(None, path, None, 0x1000 | 0x20, None) == 0: print('REMOUNTED', path)
    if libc.umount2(path, 2) == 0: print('UNMOUNTED', path)
print('done')
""", seconds=60)
    check_equal("what was written", out, "done\n")


def test_the_kernels_own_files_are_no_workspace():
    bench = Bench()
    for path in ("/sys", MOUNT, "/proc/self", "/sys/../proc"):
        if os.path.isdir(path):
            end = bench.run("touch made; echo ran", sid=bench.session(workspace=path))
            holds(path, end["result"], "lies in the kernel's own files")


def test_memory_beyond_the_limit_ends_the_call_with_one_sentence():
    bench = Bench({"daemon.toolMemoryMb": LIMIT})
    end = bench.run(HOG, seconds=60)
    check_equal("ok", end["ok"], False)
    holds("result", end["result"], f"[ended: {ENDED}]")
    holds("the log", bench.home.log(), f"ERROR tool worker crashed: {ENDED}")
    check_equal("the next call", bench.run("echo fine")["result"], "fine\n")


def test_a_call_is_alone_in_a_group_with_its_limits_that_goes_with_it():
    bench = grouped()
    sid, turn, group = running(bench, f"{HOG} & wait; echo over")
    holds("its name", os.path.basename(group), "opta-call-")
    wanted = {"memory.max": str(LIMIT << 20), "memory.swap.max": "0", "memory.oom.group": "1", "pids.max": "640"}
    for name, value in wanted.items():
        if name != "pids.max" or os.path.exists(os.path.join(group, name)):
            with open(os.path.join(group, name), encoding="ascii") as file:
                check_equal(name, file.read().strip(), value)
    check(group_of(bench.daemon.pid) != group, "the daemon is in the call's group")
    bench.write("end", "")
    # Its oldest process asked for nothing: all of the call ends, and the supervisor tells.
    end = named(bench.daemon.turn_events(sid, turn, 60), "tool.end")[0]
    holds("result", end["result"], f"[ended: {ENDED}]")
    check("over" not in end["result"], f"the rest of the call lived on: {end['result']!r}")
    wait_for(lambda: not os.path.exists(group), 10, "the group to be gone")


def test_files_that_the_kernel_keeps_in_memory_end_nothing():
    bench = grouped()
    end = bench.run(f"head -c {LIMIT * 5}M /dev/zero >big && cat big | wc -c", seconds=120)
    check_equal("result", end["result"], f"{LIMIT * 5 << 20}\n")


def test_many_processes_end_the_call_with_the_sentence_of_their_limit():
    bench = grouped({"daemon.toolMemoryMb": 1024})
    end = bench.run("i=0; while [ $i -lt 2000 ]; do sleep 60 & i=$((i + 1)); done; wait", seconds=60)
    holds("result", end["result"], "processes, more than the 512 one call may have")


def test_the_next_host_removes_what_a_killed_one_left_and_nothing_else():
    one, other = grouped(), grouped()
    sid, turn, lives = running(other, "echo fine")
    left = running(one, "true")[2]
    one.daemon.kill(9)
    one.daemon = Daemon(one.home)
    one.write("end", "")
    check_equal("the next call", one.run("echo again")["result"], "again\n")
    wait_for(lambda: not os.path.exists(left), 10, "the leftover to be gone")
    check(os.path.exists(lives), "the group of another daemon's call was removed")
    other.write("end", "")
    check_equal("the other call", named(other.daemon.turn_events(sid, turn, 60), "tool.end")[0]["result"], "fine\n")


def delegated():
    """A bench whose daemon is a service that systemd delegated a group to; and the group."""
    run = ["systemd-run", *(["--user"] if os.geteuid() else []), "--quiet", "--collect", "--wait"]
    try:
        works = subprocess.run([*run, "true"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        raise Skip("systemd does not run here") from None
    if works.returncode != 0:
        raise Skip("systemd starts no service for this user here")
    bench = Bench.__new__(Bench)
    bench.home = Home()
    bench.demo = Demo(bench.home)
    bench.home.write_config({"connection.port": bench.demo.port, "daemon.toolMemoryMb": LIMIT})
    bench.ws = os.path.join(bench.home.root, "ws")
    os.mkdir(bench.ws)
    bench.daemon = Daemon.__new__(Daemon)
    bench.daemon.home = bench.home
    start = [*run, "-p", "Delegate=memory pids", *(f"--setenv={name}={value}" for name, value in bench.home.env.items()), OPTA, "daemon", "run"]
    with open(os.path.join(bench.home.outputs, "service.err"), "wb") as err:
        bench.daemon.process = subprocess.Popen(start, stdin=subprocess.DEVNULL, stdout=err, stderr=err)
    bench.daemon.process.err_path = err.name
    bench.home.popens.append(bench.daemon.process)
    bench.daemon.wait_ready()
    return bench, group_of(bench.daemon.pid)


def test_a_service_with_a_delegated_group_divides_that():
    bench, unit = delegated()
    grouped(bench=bench)
    check_equal("where the daemon is", group_of(bench.daemon.pid), unit + "/opta-daemon")
    check_equal("where the call is", os.path.dirname(running(bench, "true")[2]), unit)
    bench.write("end", "")
    holds("result", bench.run(HOG, seconds=60)["result"], f"[ended: {ENDED}]")
    # A second host finds the leaf, and what is divided.
    host = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and b"tool-host" in command(pid) and group_of(pid) == unit + "/opta-daemon"]
    check_equal("hosts", len(host), 1)
    os.kill(host[0], 9)
    wait_for(lambda: not alive(host[0]), 10, "the host to be gone")
    os.unlink(bench.path("at"))
    os.unlink(bench.path("end"))
    check_equal("where the next call is", os.path.dirname(running(bench, "true")[2]), unit)
    bench.write("end", "")
    bench.daemon.stop()
    wait_for(lambda: not os.path.exists(unit), 10, "systemd to remove the service's group")


def command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""
