"""What a tool cannot do, each seen refused. `./dev check` runs this file as root and as an ordinary user."""
import contextlib
import os
import shutil
import signal
import socket
import tempfile
import threading

from opta_test import Skip, check, check_equal, only, wait_for
from processes import command_line, descendants, stat_of
from tools import Bench, call, holds, landlock, left_running, namespaces, needs_namespaces, python


@contextlib.contextmanager
def elsewhere():
    """A directory with a file in it, outside the workspace and not below /tmp, which tools do not see."""
    path = tempfile.mkdtemp(prefix="opta-test-", dir="/var/tmp")
    with open(os.path.join(path, "precious"), "w", encoding="utf-8") as file:
        file.write("precious")
    try:
        yield path
    finally:
        shutil.rmtree(path)


def test_nothing_outside_the_workspace_is_written():
    bench = Bench()
    with elsewhere() as outside:
        file = f"{outside}/precious"
        out = bench.run(f"for d in / /etc /usr /var/tmp $HOME {outside} /dev; do touch $d/opta-was-here 2>/dev/null && echo wrote $d; done; "
                        f"echo x 2>/dev/null >>{file} && echo appended; rm {file} 2>/dev/null && echo removed; "
                        f"mv {file} {bench.ws}/ 2>/dev/null && echo moved; chmod 777 {file} 2>/dev/null && echo changed; cat {file}")["result"]
        # Landlock alone does not see a mode that changes.
        check_equal("what was written (it can be read)", out if namespaces() else out.replace("changed\n", ""), "precious")
        check_equal("what lies there", os.listdir(outside), ["precious"])
        with open(file, encoding="utf-8") as opened:
            check_equal("the file", opened.read(), "precious")
    for place in ("/", "/etc", "/usr", "/var/tmp", bench.home.home):
        check(not os.path.exists(os.path.join(place, "opta-was-here")), f"{place} was written")


def test_files_outside_are_not_cut_short_either():
    bench = Bench()
    with elsewhere() as outside:
        path = f"{outside}/precious"
        python(bench, f"p = {path.encode()!r}\nlibc.truncate(p, ctypes.c_long(0))\n"
                      "for flags in (os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_TRUNC, os.O_RDWR):\n"
                      "    try: os.ftruncate(os.open(p, flags), 0)\n    except OSError: pass\n")
        check_equal("its size", os.path.getsize(path), 8)


def test_the_token_cannot_be_reached():
    bench = Bench()
    token, state = bench.daemon.token, bench.home.state_path
    out = bench.run(f"cat {state}; cat /proc/{bench.daemon.pid}/root{state}; cat /proc/1/root{state}; cat /proc/self/root{state}; "
                    f"ln {state} stolen; cat stolen; ln -s {state} link; cat link; cat link/../daemon.log; ls -R {bench.home.dir}; "
                    f"cat /proc/*/environ /proc/*/cmdline; cat /proc/{bench.daemon.pid}/maps; grep -rs opta_dk_ /proc/*/environ /tmp /run")["result"]
    check("opta_dk_" not in out and token not in out, f"the token was seen: {out!r}")
    check("daemon.log" not in out.replace(state, ""), f"opta's own directory was listed: {out!r}")
    for path in ("link", "stolen", "link2"):
        if path == "link2":
            os.symlink(bench.home.dir, bench.path("link2"))
            path = "link2/daemon/state.json"
        answer = bench.tool("read_file", overrides={"dangerous": True}, path=path)
        check_equal(f"read_file {path}", answer["ok"], False)
    # and not in the memory of what tools are made from
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"tool-host" not in file.read():
                    continue
            with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
                for line in maps:
                    span, mode = line.split()[:2]
                    if "r" not in mode or "[v" in line:
                        continue
                    start, end = (int(x, 16) for x in span.split("-"))
                    if end - start > 1 << 28:       # a sanitizer's shadow
                        continue
                    memory.seek(start)
                    try:
                        check(token.encode() not in memory.read(end - start), "the token lies in the tool host's memory")
                    except OSError:
                        pass
        except OSError:
            continue


def test_links_do_not_lead_the_file_tools_out():
    bench = Bench()
    outside = os.path.join(bench.home.home, "outside")
    os.mkdir(outside)
    with open(os.path.join(outside, "secret"), "w", encoding="utf-8") as file:
        file.write("secret")
    os.symlink(outside, bench.path("dir"))
    os.symlink(os.path.join(outside, "secret"), bench.path("file"))
    os.symlink("/proc/self/root", bench.path("root"))
    bench.write("inside/real.txt", "fine\n")
    os.symlink("inside", bench.path("within"))
    for path in ("dir/secret", "file", f"root{outside}/secret", "root/etc/passwd"):
        for name, args in (("read_file", {}), ("write_file", {"content": "x"}), ("edit_file", {"old": "secret", "new": "x"}), ("list_dir", {})):
            end = bench.tool(name, allow=True, overrides={"auto": True}, path=path, **args)
            check_equal(f"{name} {path}", end["ok"], False)
            check("secret" not in end["result"].replace(path, ""), f"{name} {path} told {end['result']!r}")
    check_equal("a link within", bench.tool("read_file", path="within/real.txt")["result"], "     1\tfine\n")
    check("secret" not in bench.tool("search_files", pattern="secret")["result"], "a search followed a link out")
    with open(os.path.join(outside, "secret"), encoding="utf-8") as file:
        check_equal("the file", file.read(), "secret")
    # deleting a link deletes the link
    check_equal("delete", bench.tool("delete_file", allow=True, path="file")["ok"], True)
    check_equal("what it led to", os.listdir(outside), ["secret"])


def test_hardlinks_to_files_outside_cannot_be_made_and_writes_never_go_through_one():
    bench = Bench()
    with elsewhere() as outside:
        out = bench.run(f"ln {outside}/precious hard 2>/dev/null && echo linked; ln /etc/hostname hard2 2>/dev/null && echo linked; echo done")["result"]
        check_equal("what was linked", out, "done\n")
    secret = os.path.join(bench.home.home, "secret")
    with open(secret, "w", encoding="utf-8") as file:
        file.write("secret")
    os.link(secret, bench.path("given"))
    check_equal("ok", bench.tool("write_file", overrides={"auto": True}, path="given", content="new")["ok"], True)
    with open(secret, encoding="utf-8") as file:
        check_equal("the other name", file.read(), "secret")


def test_devices_are_neither_made_nor_read_as_files():
    bench = Bench()
    holds("mknod", python(bench, "print(libc.mknod(b'dev', 0o20666, os.makedev(1, 3)), ctypes.get_errno() in (errno.EPERM, errno.EACCES))"), "-1 True")
    holds("a block device", bench.tool("read_file", allow=True, path="/dev/zero")["result"], "not a file")


def test_a_tool_has_no_power_left():
    bench = Bench()
    status = bench.run("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status")["result"]
    for line in status.splitlines():
        # Without power over a namespace nobody gives up what he could be given: no_new_privs sees to it that he is not.
        if line.startswith("Cap") and (namespaces() or not line.startswith("CapBnd")):
            check_equal(line, int(line.split()[1], 16), 0)
    holds("status", status, "NoNewPrivs:\t1")
    holds("status", status, "Seccomp:\t2")
    out = python(bench, """
def tried(name, *args):
    libc.__getattr__(name).restype = ctypes.c_long
    got = libc.__getattr__(name)(*args)
    print(name, 'refused' if got < 0 else 'ALLOWED')
tried('mount', b'none', b'/mnt', b'tmpfs', 0, None)
tried('umount2', b'/proc', 2)
tried('unshare', 0x10000000)
tried('unshare', 0x00020000)
tried('chroot', b'.')
tried('setns', 0, 0)
tried('syscall', 321, 0, 0, 0)      # bpf
tried('syscall', 425, 1, 0)         # io_uring_setup
tried('syscall', 250, 0, 0, 0)      # keyctl
tried('syscall', 298, 0, 0, 0, 0, 0)  # perf_event_open
tried('syscall', 435, 0, 88)        # clone3
tried('syscall', 304, 0, 0, 0)      # open_by_handle_at
""")
    check_equal("what was allowed", [line for line in out.splitlines() if not line.endswith("refused")], [])


def test_other_processes_are_out_of_reach():
    bench = Bench()
    other = bench.home.bystander()
    daemon = bench.daemon.pid
    out = python(bench, f"""
print('others', [p for p in os.listdir('/proc') if p.isdigit() and int(p) > 50 and p in ('{daemon}', '{other.pid}')])
for pid in ({daemon}, {other.pid}, 1):
    try: os.kill(pid, 9); print('KILLED', pid)
    except OSError: pass
    if pid > 50:
        print('ptrace', libc.ptrace(16, pid, 0, 0))
    try: open(f'/proc/{{pid}}/mem', 'rb').read(1); print('READ', pid)
    except (OSError, ValueError): pass
""")
    check("KILLED" not in out and "READ" not in out, f"reached: {out!r}")
    check("ptrace 0" not in out, f"traced: {out!r}")
    if namespaces():
        holds("seen", out, "others []")
    check(other.poll() is None, "the bystander was killed")
    check_equal("the daemon", bench.daemon.http("GET", "/v3/health").status, 200)


def test_the_process_that_watches_a_tool_has_no_power_and_shows_nothing():
    needs_namespaces()
    bench = Bench()
    out = bench.run("grep -E '^Cap(Eff|Prm|Bnd)' /proc/1/status; readlink /proc/1/fd/*; cat /proc/1/maps /proc/1/environ 2>/dev/null")["result"]
    lines = [line for line in out.splitlines() if not line.startswith("[")]
    check_equal("lines", len(lines), 3)
    check(all(int(line.split()[1], 16) == 0 for line in lines), f"power: {out!r}")


def test_nobody_elses_limits_and_priorities_are_changed():
    """A supervisor with a second of processor time left would be killed before it looked at what its call did."""
    bench = Bench()
    out = python(bench, """
import resource, time
def may(name, act):
    try: act(); print(name, 'DONE')
    except OSError as e: print(name, e.errno)
one = os.fork()
if not one: time.sleep(5); os._exit(0)
def ancestor(pid):
    # the nearest of ours watches this call; in a namespace that is the first process
    while pid > 1:
        name, rest = open(f'/proc/{pid}/stat').read().rsplit(')', 1)
        if name.endswith('(optad'): return pid
        pid = int(rest.split()[1])
    return 1
watcher = ancestor(os.getppid())
for who, pid in (('supervisor', watcher), ('other', one)):
    for limit in ('CPU', 'NOFILE', 'AS', 'FSIZE'):
        may(who + limit, lambda: resource.prlimit(pid, getattr(resource, 'RLIMIT_' + limit), (1, 1)))
may('affinity', lambda: os.sched_setaffinity(watcher, {0}))
may('scheduler', lambda: os.sched_setscheduler(watcher, os.SCHED_IDLE, os.sched_param(0)))
may('nice', lambda: os.setpriority(os.PRIO_PROCESS, watcher, 19))
may('all', lambda: os.setpriority(os.PRIO_USER, 0, 19))
os.kill(one, 9)
may('own-limit', lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)))
may('own-look', lambda: resource.prlimit(os.getpid(), resource.RLIMIT_CPU))
may('own-affinity', lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)))
may('own-nice', lambda: os.setpriority(os.PRIO_PROCESS, os.getpid(), os.getpriority(os.PRIO_PROCESS, 0)))
""")
    told = dict(line.split() for line in out.splitlines())
    changed = [name for name, what in told.items() if what == "DONE" and not name.startswith("own-")]
    check_equal("changed of others", changed, [])
    check_equal("its own", {name for name, what in told.items() if what == "DONE"}, {"own-limit", "own-look", "own-affinity", "own-nice"})


def test_a_call_whose_supervisor_was_killed_says_that_nobody_looked():
    bench = Bench()
    sid = bench.session()
    turn = bench.daemon.submit(sid, call("run_command", command="sleep 60"), mode="do", overrides={"dangerous": True})
    bench.daemon.wait_event(sid, "tool.start")
    host = wait_for(lambda: [pid for pid in descendants() if "tool-host" in command_line(pid)], 10, "the tool host")[0]
    sleeper = wait_for(lambda: [pid for pid in descendants(host) if command_line(pid).startswith("sleep")], 10, "the command")[0]
    # its ancestor right below the host watches it
    pid = sleeper
    while stat_of(pid)[1] != host:
        pid = stat_of(pid)[1]
    os.kill(pid, signal.SIGKILL)
    bench.daemon.wait_stop(sid, turn)
    result = only(bench.daemon.events(sid), "tool.end")[0]["payload"]
    check_equal("ok", result["ok"], False)
    holds("the result", result["result"], "so nobody looked at what it left")
    holds("the log", bench.home.log(), "so nobody looked at what it left")


def test_nothing_of_the_daemon_is_inherited():
    bench = Bench()
    out = python(bench, "print(sorted(os.listdir('/proc/self/fd')), os.getsid(0) == os.getpid() or os.getsid(0) != 0, os.isatty(0))")
    check(out.startswith("['0', '1', '2', '3']"), f"descriptors: {out!r}")


REACH = """
port, other = {port}, {other}
def reach(name, act):
    try: act(); print(name, 'REACHED')
    except OSError as e: print(name, 'refused', errno.errorcode.get(e.errno))
def tcp(family, address, proto=0):
    s = socket.socket(family, socket.SOCK_STREAM, proto); s.settimeout(3); s.connect(address)
reach('connect', lambda: tcp(socket.AF_INET, ('127.0.0.1', port)))
reach('mapped', lambda: tcp(socket.AF_INET6, ('::ffff:127.0.0.1', port)))
reach('mptcp', lambda: tcp(socket.AF_INET, ('127.0.0.1', port), 262))
def fast():
    s = socket.socket(); s.settimeout(3); s.sendto(b'GET / HTTP/1.0\\r\\n\\r\\n', 0x20000000, ('127.0.0.1', port))
reach('smc', lambda: tcp(43, ('127.0.0.1', port)))
reach('smc protocol', lambda: tcp(socket.AF_INET, ('127.0.0.1', port), 256))
reach('fast open', fast)
def fast_message():
    s = socket.socket(); s.settimeout(3); s.sendmsg([b'GET / HTTP/1.0\\r\\n\\r\\n'], [], 0x20000000, ('127.0.0.1', port))
reach('fast open by sendmsg', fast_message)
reach('other', lambda: tcp(socket.AF_INET, ('127.0.0.1', other)))
"""


def test_the_daemons_port_is_out_of_reach_where_the_kernel_can_enforce_it():
    if landlock() < 4:
        raise Skip("this kernel's Landlock knows no TCP")
    bench = Bench()
    out = python(bench, REACH.format(port=bench.daemon.port, other=bench.demo.port))
    lines = out.splitlines()
    check_equal("another port is reached", lines[-1], "other REACHED")
    check_equal("ways to the daemon", [line for line in lines[:-1] if "REACHED" in line], [])


def test_without_network_nothing_is_reached_but_its_own_loopback():
    bench = Bench({"tools.network": False})
    out = python(bench, REACH.format(port=bench.daemon.port, other=bench.demo.port))
    check_equal("what was reached", [line for line in out.splitlines() if "REACHED" in line], [])
    if not namespaces():        # there are no such sockets at all then
        return
    out = python(bench, "a = socket.socket(); a.bind(('127.0.0.1', 0)); a.listen()\n"
                        "b = socket.create_connection(a.getsockname()); print('own loopback works')\n")
    holds("its own servers", out, "own loopback works")


def test_abstract_sockets_are_out_of_reach_where_the_kernel_can_enforce_it():
    if landlock() < 6:
        raise Skip("this kernel's Landlock has no scopes")
    bench = Bench()
    name = f"\0opta-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        out = python(bench, f"s = socket.socket(socket.AF_UNIX)\ntry: s.connect({name!r}); print('REACHED')\nexcept OSError: print('refused')")
    check_equal("connect", out, "refused\n")


def test_the_temporary_directory_is_private_and_empty_at_each_call():
    needs_namespaces()
    bench = Bench()
    check_equal("first", bench.run("ls -A /tmp | grep -v opta-test; echo x >/tmp/mine; cat /tmp/mine; echo $TMPDIR")["result"], "x\n/tmp\n")
    check_equal("second", bench.run("cat /tmp/mine 2>/dev/null; echo done")["result"], "done\n")
    check(not os.path.exists("/tmp/mine"), "/tmp is not private")


def test_a_workspace_around_opta_hides_it_and_one_within_is_nothing():
    bench = Bench()
    sid = bench.session(workspace=bench.home.root)
    out = bench.run(f"cat opta/daemon/state.json; ls opta; find . -name state.json", sid=sid)["result"]
    check("opta_dk_" not in out and "./opta/daemon" not in out, f"seen: {out!r}")
    check_equal("read_file", bench.tool("read_file", sid=sid, path="opta/daemon/state.json")["ok"], False)
    inner = bench.session(workspace=bench.home.dir)
    check_equal("within opta's own directory", bench.tool("read_file", sid=inner, path="daemon/state.json")["ok"], False)
    root = bench.session(workspace="/")
    holds("the whole system", bench.tool("list_dir", sid=root)["result"], "the workspace is the whole system")


def test_terminals_of_people_and_disks_are_out_of_reach():
    needs_namespaces()
    bench = Bench()
    main, tty = os.openpty()
    try:
        name = os.ttyname(tty)
        out = bench.run(f"(: <{name}) 2>/dev/null && echo read it; (: >{name}) 2>/dev/null && echo wrote it; "
                        "find /dev/ -type b; find /dev/ -type c | sort | tr '\\n' ' '")["result"]
    finally:
        os.close(main)
        os.close(tty)
    check("it" not in out.split(), f"the terminal was reached: {out!r}")
    devices = set(out.split())
    check(devices <= {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/pts/ptmx"}, f"devices: {out!r}")
    out = python(bench, "import pty\npid, fd = pty.fork()\nif pid == 0: print('in', os.ttyname(0), flush=True); os._exit(0)\nprint(os.read(fd, 100))\n"
                        "with open('/dev/null', 'w') as f: f.write('x')\nprint(len(open('/dev/urandom', 'rb').read(8)))")
    holds("a terminal of its own", out, "in /dev/pts/0")
    holds("devices work", out, "8")


def test_a_command_in_a_directory_around_the_workspace_still_writes_the_workspace():
    bench = Bench()
    around = os.path.dirname(bench.home.root)
    if not around.startswith("/tmp/"):
        raise Skip("the homes of tests are not in /tmp")
    out = bench.run(f"ls -d {bench.ws} && echo x >{bench.ws}/made && echo made; touch opta-test-made 2>/dev/null && echo wrote; true", cwd=around)["result"]
    check_equal("what was done", out, f"{bench.ws}\nmade\n")


def test_side_by_side_calls_do_not_see_each_other():
    needs_namespaces()
    bench = Bench()
    results = []

    def one(n):
        results.append(bench.run(f"echo {n} >/tmp/x; sleep 0.3; cat /tmp/x; ls /proc | grep -c '^[0-9]'", sid=bench.session())["result"])

    threads = [threading.Thread(target=one, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_equal("what each wrote", sorted(r.split("\n")[0] for r in results), ["0", "1", "2"])
    check(all(int(r.split("\n")[1]) < 8 for r in results), f"processes seen: {results!r}")


def test_without_namespaces_a_call_has_a_temporary_directory_of_its_own_and_leaves_nothing():
    if namespaces():
        raise Skip("tools have namespaces here: `./dev check` runs this once without")
    bench = Bench()
    out = bench.run("echo $TMPDIR; ls -A $TMPDIR; echo x >$TMPDIR/a && mkdir -p $TMPDIR/b/c && cat $TMPDIR/a; touch /tmp/opta-test-x 2>/dev/null && echo wrote; true")["result"]
    lines = out.splitlines()
    check(len(lines) == 2 and lines[0].startswith("/tmp/opta-tool-") and lines[1] == "x", f"output: {out!r}")
    holds("pairs and own sockets", python(bench, "socket.socketpair(); a = socket.socket(socket.AF_UNIX); a.bind('own'); a.listen(); b = socket.socket(socket.AF_UNIX)\n"
                                                 "b.connect('own'); print('work')\nprint('segment', libc.shmget(0, 4096, 0o1600) >= 0)\n"), "work\nsegment False")
    wait_for(lambda: not os.path.exists(lines[0]), 10, "its directory to go")


RUNAWAY = "for i in 1 2 3; do (setsid sh -c 'trap \"\" TERM; sleep {mark} & setsid sleep {mark} & while :; do sleep {mark}; done' &) ; done; echo $TMPDIR >made; mv made started; sleep {mark}"


def test_all_of_a_call_ends_with_the_tool_host_and_the_daemon_killed_at_once():
    """Whatever it did to get away, and no directory of it stays."""
    for who in ("host", "daemon", "both", "cancel", "stop"):
        mark = f"8{os.getpid() % 10000:04}7{len(who)}"
        bench = Bench()
        sid = bench.session()
        bench.daemon.submit(sid, call("run_command", command=RUNAWAY.format(mark=mark)), overrides={"dangerous": True})
        wait_for(lambda: os.path.exists(bench.path("started")) and len(left_running(mark)) >= 6, 20, "it to run")
        host = next(pid for pid in descendants(bench.daemon.pid) if "tool-host" in command_line(pid))
        if who == "cancel":
            bench.daemon.http("POST", f"/v3/sessions/{sid}/cancel", {}).expect(200)
        elif who == "stop":
            bench.daemon.stop()
        else:
            for pid in ([host] if who == "host" else [bench.daemon.pid] if who == "daemon" else [bench.daemon.pid, host]):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not left_running(mark), 15, f"everything to end ({who})")
        own = bench.read("started").strip()
        wait_for(lambda: own == "/tmp" or not os.path.exists(own), 15, f"its directory to go ({who})")
