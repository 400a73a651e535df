"""Unix sockets: a tool reaches those it made and those a person named, by path and abstract name, and no others."""
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading

from opta_test import check, check_equal, wait_for
from tools import Bench, bench_with, call, holds, landlock, named, python


@contextlib.contextmanager
def stranger(path, kind=socket.SOCK_STREAM):
    """Somebody else's socket: counts who connects."""
    got = []
    server = socket.socket(socket.AF_UNIX, kind)
    server.bind(path)
    if isinstance(path, str) and not path.startswith("\0"):
        os.chmod(path, 0o777)
    if kind != socket.SOCK_DGRAM:
        server.listen(100)

    def serve():
        while True:
            try:
                if kind == socket.SOCK_DGRAM:
                    got.append(server.recv(100))
                    continue
                connection, _ = server.accept()
                got.append(1)
                connection.sendall(b"I do what you say")
                connection.close()
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield got
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


TRY = """
import os, socket, threading
def tried(what, act):
    try: act(); print(what, 'REACHED')
    except OSError as e: print(what, 'refused', errno.errorcode.get(e.errno))
def to(path, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_UNIX, kind) as s:
        s.settimeout(3); s.connect(path); s.recv(10)
def send(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s: s.sendto(b'x', path)
def pair(path):
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); a.sendto(b'x', path)
"""


def in_var_tmp():
    return tempfile.mkdtemp(prefix="opta-test-", dir="/var/tmp")


def test_no_socket_of_others_is_reached_by_any_path():
    bench = Bench()
    folder = in_var_tmp()
    os.chmod(folder, 0o777)
    os.symlink(folder, bench.path("out"))
    try:
        for where in (f"{folder}/s", bench.path("s"), os.path.join(bench.home.root, "s")):
            with stranger(where) as got, stranger(where + "d", socket.SOCK_DGRAM) as letters:
                paths = [where, f"/proc/self/root{where}", os.path.relpath(where, bench.ws), f"/../..{where}"]
                if where.startswith(folder):
                    paths.append("out/s")
                out = python(bench, TRY + f"""
for path in {paths!r}:
    tried(path, lambda: to(path)); tried(path, lambda: to(path, socket.SOCK_SEQPACKET))
    tried('letter', lambda: send(path + 'd')); tried('letter', lambda: pair(path + 'd'))
os.symlink({where!r}, 'link'); tried('link', lambda: to('link'))
os.chdir(os.path.dirname({where!r})); tried('from there', lambda: to('s'))
try: os.chdir({bench.ws!r}); os.link({where!r}, 'hard'); tried('hard link', lambda: to('hard'))
except OSError as e: print('not linked')
try: os.rename({where!r}, 'moved'); tried('moved', lambda: to('moved')); os.rename('moved', {where!r})
except OSError as e: print('not moved')
def nonblocking():
    s = socket.socket(socket.AF_UNIX); s.setblocking(False); s.connect({where!r})
tried('nonblocking', nonblocking)
""")
                check_equal(f"reached at {where}", [line for line in out.splitlines() if "REACHED" in line or "Error" in line], [])
                check_equal("connections", (got, letters), ([], []))
                for name in ("link", "hard"):
                    if os.path.lexists(bench.path(name)):
                        os.unlink(bench.path(name))
    finally:
        shutil.rmtree(folder)


def test_no_abstract_socket_of_others_is_reached():
    for network in (True, False):
        bench = Bench({"tools.network": network})
        name = f"\0opta-test-{os.getpid()}-{network}"
        with stranger(name) as got:
            out = python(bench, TRY + f"tried('abstract', lambda: to({name!r}))\ntried('letter', lambda: send({name!r}))\n")
            check_equal("reached", [line for line in out.splitlines() if "REACHED" in line], [])
            check_equal("connections", got, [])


def test_without_landlock_no_socket_of_others_is_reached_either():
    bench = bench_with("namespaces", "seccomp", "capabilities")
    name, path = f"\0opta-test-{os.getpid()}-n", os.path.join(bench.home.root, "s")
    with stranger(name) as got, stranger(path) as other:
        out = python(bench, TRY + f"tried('abstract', lambda: to({name!r}))\ntried('path', lambda: to({path!r}))\n")
        check_equal("reached", [line for line in out.splitlines() if "REACHED" in line], [])
        check_equal("connections", (got, other), ([], []))


def test_where_nobody_can_look_there_are_no_unix_sockets_but_pairs():
    bench = bench_with("namespaces", "seccomp", "capabilities", "landlock", off=("broker",))
    out = python(bench, "a, b = socket.socketpair(); a.send(b'x'); print(b.recv(1))\ntry: socket.socket(socket.AF_UNIX); print('made')\n"
                        "except OSError: print('refused')\n")
    check_equal("what there is", out, "b'x'\nrefused\n")


def test_an_address_or_descriptor_that_changes_meanwhile_reaches_nothing():
    """Threads swap what the address says and what the descriptor is, while others connect."""
    bench = Bench()
    path = os.path.join(bench.home.root, "s")
    with stranger(path) as got:
        out = python(bench, f"""
import os, socket, struct, threading, time
own = socket.socket(socket.AF_UNIX); own.bind('own'); own.listen(1000)
def address(path): return struct.pack('H', 1) + path.encode().ljust(107, b'\\0')
mine, theirs = address(os.path.abspath('own')), address({path!r})
memory = ctypes.create_string_buffer(mine, 110)
done = False
def swap():
    while not done:
        ctypes.memmove(memory, theirs, 109); ctypes.memmove(memory, mine, 109)
def reopen():
    while not done:
        try: os.unlink('moving')
        except OSError: pass
        os.symlink({path!r}, 'moving.new'); os.rename('moving.new', 'moving')
        os.link('own', 'own.new'); os.rename('own.new', 'moving')
threads = [threading.Thread(target=swap), threading.Thread(target=reopen)]
for t in threads: t.start()
end, reached, own_reached = time.monotonic() + 4, 0, 0
moving = ctypes.create_string_buffer(address(os.path.abspath('moving')), 110)
while time.monotonic() < end:
    for where in (memory, moving):
        s = socket.socket(socket.AF_UNIX); s.setblocking(False)
        if libc.connect(s.fileno(), where, 109) == 0: own_reached += 1
        s.close()
        own.setblocking(False)
        try: own.accept()[0].close()
        except OSError: pass
done = True
for t in threads: t.join()
print('own reached', own_reached > 10)
""", seconds=60)
        holds("its own were reached", out, "own reached True")
        check_equal("connections to the other", got, [])


def test_the_number_of_a_socket_that_is_gone_is_nobody_elses():
    """A tool's socket is removed; one that somebody else makes then may not get its inode's number."""
    bench = Bench()
    path = os.path.join(bench.home.root, "s")
    sid = bench.session()
    bench.write("probe.py", f"""
import os, socket, time
for i in range(50):
    s = socket.socket(socket.AF_UNIX); s.bind('gone'); s.close(); os.unlink('gone')
open('ready', 'w').close()
while not os.path.exists('go'): time.sleep(0.01)
try:
    s = socket.socket(socket.AF_UNIX); s.connect({path!r}); print('REACHED')
except OSError: print('refused')
""")
    turn = bench.daemon.submit(sid, call("run_command", command="/usr/bin/python3 probe.py"), overrides={"dangerous": True})
    wait_for(lambda: os.path.exists(bench.path("ready")), 20, "the tool's sockets")
    with stranger(path):
        bench.write("go", "")
        end = bench.daemon.wait_event(sid, lambda e: e["event"] == "tool.end" and e["payload"]["turnId"] == turn, 30, "tool.end")["payload"]
    check_equal("connect", end["result"], "refused\n")


OWN = """
import os, socket, tempfile, multiprocessing, threading
def both(path, kind):
    a = socket.socket(socket.AF_UNIX, kind); a.bind(path); a.listen()
    b = socket.socket(socket.AF_UNIX, kind); b.connect(path if path else a.getsockname())
    c, _ = a.accept(); b.send(b'word'); assert c.recv(10) == b'word'
for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
    for path in ('own%d' % kind, os.path.abspath('abs%d' % kind), os.path.join(tempfile.mkdtemp(), 's')):
        both(path, kind)
os.mkdir('deep'); both('deep/../deep/s', socket.SOCK_STREAM)
os.chdir('deep'); both('t', socket.SOCK_STREAM); os.chdir('..')
os.symlink('deep/u', 'to-u'); a = socket.socket(socket.AF_UNIX); a.bind('deep/u'); a.listen(); b = socket.socket(socket.AF_UNIX); b.connect('to-u')
for wrong, want in (('deep/u', errno.EADDRINUSE), ('deep', errno.EADDRINUSE), ('missing/s', errno.ENOENT), ('/etc/s', errno.EROFS), ('deep/', errno.EADDRINUSE)):
    try: socket.socket(socket.AF_UNIX).bind(wrong); print('bound', wrong)
    except OSError as e: print(*() if e.errno in (want, errno.EACCES, errno.EINVAL) else (wrong, e), end='')
for wrong, want in (('missing', errno.ENOENT), ('probe.py', errno.ECONNREFUSED), ('deep', errno.ECONNREFUSED)):
    try: socket.socket(socket.AF_UNIX).connect(wrong); print('connected', wrong)
    except OSError as e: print(*() if e.errno == want else (wrong, e), end='')
os.umask(0o077); s = socket.socket(socket.AF_UNIX); s.bind('private'); print(oct(os.stat('private').st_mode & 0o777))
os.umask(0); s = socket.socket(socket.AF_UNIX); s.bind('public'); print(oct(os.stat('public').st_mode & 0o777))
x, y = multiprocessing.Pipe(); p = multiprocessing.Process(target=lambda: y.send('child')); p.start(); print(x.recv()); p.join()
with multiprocessing.Manager() as m:
    d = m.dict(); d['a'] = 1; print(d['a'])
found = []
def connect_many():
    for _ in range(50):
        b = socket.socket(socket.AF_UNIX); b.connect('own-many'); found.append(1)
a = socket.socket(socket.AF_UNIX); a.bind('own-many'); a.listen(1000)
threads = [threading.Thread(target=connect_many) for _ in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print(len(found))
"""


def test_a_tools_own_sockets_work():
    bench = Bench()
    check_equal("output", python(bench, OWN), "0o700\n0o777\nchild\n1\n400\n")
    out = python(bench, "name = '\\0mine'\na = socket.socket(socket.AF_UNIX); a.bind(name); a.listen(); b = socket.socket(socket.AF_UNIX); b.connect(name)\n"
                        "c = socket.socket(socket.AF_UNIX); c.bind(''); c.listen(); b = socket.socket(socket.AF_UNIX); b.connect(c.getsockname()); print('own names')",
                 sid=None)
    if landlock() >= 6:
        check_equal("abstract names", out, "own names\n")


def test_other_sockets_work_as_ever_and_a_slow_connect_holds_up_nobody():
    bench = Bench()
    with socket.socket() as full, socket.socket() as quick:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        quick.bind(("127.0.0.1", 0))
        quick.listen(100)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        out = python(bench, f"""
import socket, threading, time
full, quick = {full.getsockname()!r}, {quick.getsockname()!r}
def slow():
    s = socket.socket()
    try: s.connect(full)
    except OSError: pass
threads = [threading.Thread(target=slow, daemon=True) for _ in range(3)]
for t in threads: t.start()
time.sleep(0.3)
begun = time.monotonic()
for _ in range(20): socket.create_connection(quick).close()
print('quick', time.monotonic() - begun < 3)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0)); v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
v.connect(u.getsockname()); v.send(b'x'); print(u.recv(1))
n = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); n.bind((0, 0)); print('netlink', n.getsockname()[0] != 0)
s = socket.socket(); s.settimeout(0.2)
try: s.connect(full); print('connected')
except TimeoutError: print('timed out')
print(socket.getaddrinfo('localhost', 1)[0][4][1])
for bad in (-1, 0):
    print(libc.connect(bad, None, 16), errno.errorcode[ctypes.get_errno()])
print(libc.connect(socket.socket().detach(), None, 16), errno.errorcode[ctypes.get_errno()])
print(libc.connect(socket.socket().detach(), ctypes.create_string_buffer(1000), 1000), errno.errorcode[ctypes.get_errno()])
sys.stdout.flush()
os._exit(0)
""")
        for one in waiting:
            one.close()
    check_equal("output", out, "quick True\nb'x'\nnetlink True\ntimed out\n1\n-1 EBADF\n-1 EFAULT\n-1 EFAULT\n-1 EINVAL\n")


def test_a_named_socket_is_reached_and_named_in_the_request():
    folder = in_var_tmp()
    path, run = f"{folder}/agent", f"/run/opta-test-{os.getpid()}" if os.geteuid() == 0 else None
    try:
        with stranger(path) as got, contextlib.ExitStack() as stack:
            paths = [path]
            if run:
                stack.enter_context(stranger(run))
                stack.callback(os.unlink, run)
                paths.append(run)
            bench = Bench({"tools.sockets": paths}, env={"SSH_AUTH_SOCK": path})
            with stranger(f"{folder}/other") as other:
                out = python(bench, TRY + f"for path in {[*paths, folder + '/other']!r}: tried(path, lambda: to(path))\nprint(os.environ['SSH_AUTH_SOCK'])")
                check_equal("reached", out, "".join(f"{p} REACHED\n" for p in paths) + f"{folder}/other refused EACCES\n{path}\n")
                check_equal("connections", (len(got), other), (1, []))
            events = bench.turn(call("run_command", command="true"), allow=False)
            holds("the request", named(events, "permission.request")[0]["preview"], f"and reach the socket {path}")
    finally:
        shutil.rmtree(folder)


def test_the_broker_is_out_of_a_tools_reach():
    bench = Bench()
    path = os.path.join(bench.home.root, "s")
    with stranger(path) as got:
        out = python(bench, TRY + f"""
others = [int(p) for p in os.listdir('/proc') if p.isdigit() and int(p) not in (1, os.getpid(), os.getppid())]
print('others', len(others) >= 1)
for pid in others:
    print('traced', libc.ptrace(16, pid, 0, 0) == 0)
    try: print('memory', open(f'/proc/{{pid}}/mem', 'r+b'))
    except OSError: pass
    for n in range(10):
        try: print('descriptors', os.open(f'/proc/{{pid}}/fd/{{n}}', os.O_PATH))
        except OSError: pass
    if not os.path.exists(f'/proc/{{pid}}'): continue
    print('taken', libc.syscall(438, libc.syscall(434, pid, 0), 3, 0) >= 0)
    try: os.kill(pid, 9)
    except OSError: pass
tried('after that', lambda: to({path!r}))
""")
        lines = out.splitlines()
        check("others True" in lines, f"no broker: {out!r}")
        check(not any(line in ("traced True", "taken True") or line.startswith(("memory", "descriptors")) for line in lines), f"reached: {out!r}")
        holds("after that", out, "after that refused")
        check_equal("connections", got, [])


def test_programs_that_use_sockets_work():
    bench = Bench()
    if shutil.which("node"):
        bench.write("n.js", "const net=require('net'),s=net.createServer(c=>c.end('hi')).listen('n.sock',()=>net.connect('n.sock').on('data',d=>{console.log(''+d);s.close()}));"
                            "require('child_process').fork('m.js').on('message',m=>console.log(m)).on('exit',()=>0)")
        bench.write("m.js", "process.send('from the child')")
        check_equal("node", sorted(bench.run("node n.js")["result"].splitlines()), ["from the child", "hi"])
    if shutil.which("ssh-agent") and shutil.which("ssh-add"):
        out = bench.run("eval $(ssh-agent -a $PWD/agent) >/dev/null; ssh-add -l; ssh-keygen -q -t ed25519 -N '' -f key && ssh-add -q key && ssh-add -l | wc -l")["result"]
        check(out.endswith("1\n"), f"ssh-agent: {out!r}")
    if shutil.which("gpg") and shutil.which("gpg-agent"):
        out = bench.run("mkdir -m 700 g; export GNUPGHOME=$PWD/g; gpg --batch --quiet --passphrase '' --quick-gen-key me default default never 2>&1; "
                        "echo x | gpg --batch --armor --sign 2>&1 | head -1")["result"]
        holds("gpg", out, "BEGIN PGP MESSAGE")
    check_equal("git", subprocess.run(["git", "--version"], capture_output=True, check=False).returncode, 0)
    holds("git", bench.run("git init -q r && cd r && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log --format=%s")["result"], "x")
