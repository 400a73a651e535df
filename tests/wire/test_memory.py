"""daemon.toolMemoryMb: whatever kind of memory it is, all of a call together has so much and no more."""
from opta_test import Skip, check, check_equal, SLOW
from tools import Bench, holds, namespaces, needs_namespaces

LIMIT = 240
STEP = 4        # MB a step, so that what was had is known

HEAD = f"""
import ctypes, errno, mmap, multiprocessing, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
MB, STEP = 1 << 20, {STEP}
piece = os.urandom(4096) * (256 * STEP)
had = os.open('had', os.O_CREAT | os.O_WRONLY, 0o644)
n = 0
def got(more=STEP):
    global n
    n += more
    os.pwrite(had, b'%d' % n, 0)
    time.sleep(0.002)
"""

KINDS = {
    "memory of its own": "keep = []\nwhile n < 1000: keep.append(bytearray(piece)); got()",
    "a memfd that is not mapped": "fd = os.memfd_create('m')\nwhile n < 1000: os.write(fd, piece); got()",
    "many memfds": "fds = []\nwhile n < 1000: fds.append(os.memfd_create('m')); os.write(fds[-1], piece); got()",
    "a memfd whose descriptor is closed": "fd = os.memfd_create('m'); os.ftruncate(fd, 1000 * MB); m = mmap.mmap(fd, 1000 * MB); os.close(fd)\n"
                                          "while n < 1000: m.write(piece); got()",
    "a shared mapping": "m = mmap.mmap(-1, 1000 * MB)\nwhile n < 1000: m.write(piece); got()",
    "shared mappings of several children": """
maps, counts = [mmap.mmap(-1, 300 * MB) for _ in range(4)], mmap.mmap(-1, 4096)
def child(i):
    for k in range(300 // STEP):
        maps[i].write(piece); counts[i] = k + 1; time.sleep(0.008)
started = [multiprocessing.Process(target=child, args=(i,)) for i in range(4)]
for p in started: p.start()
while any(p.is_alive() for p in started):
    os.pwrite(had, b'%d ' % (sum(counts[:4]) * STEP), 0); time.sleep(0.002)
""",
    "System V segments": "libc.shmat.restype = ctypes.c_void_p\nwhile n < 1000:\n    i = libc.shmget(0, STEP * MB, 0o1600); a = libc.shmat(i, None, 0); ctypes.memmove(a, piece, STEP * MB); "
                         "libc.shmdt(ctypes.c_void_p(a)); got()",
    "files in the private /tmp": "f = open('/tmp/f', 'wb', 0)\nwhile n < 1000: f.write(piece); got()",
    "files in /dev/shm": "f = open('/dev/shm/f', 'wb', 0)\nwhile n < 1000: f.write(piece); got()",
    "deleted files in /tmp": "f = open('/tmp/f', 'wb', 0); os.unlink('/tmp/f')\nwhile n < 1000: f.write(piece); got()",
    "memfds on their way, in nobody's table": "import socket\na, c = socket.socketpair()\n"
        "while n < 1000: fd = os.memfd_create('m'); os.write(fd, piece); socket.send_fds(a, [b'x'], [fd]); os.close(fd); got()",
    "files of /tmp on their way": "import socket\na, c = socket.socketpair()\n"
        "while n < 1000: fd = os.open('/tmp', os.O_TMPFILE | os.O_RDWR); os.write(fd, piece); socket.send_fds(a, [b'x'], [fd]); os.close(fd); got()",
    "a mixture": """
keep, fd, m, f = [], os.memfd_create('m'), mmap.mmap(-1, 1000 * MB), open('/tmp/f', 'wb', 0)
while n < 1000:
    keep.append(bytearray(piece)); got(); os.write(fd, piece); got(); m.write(piece); got(); f.write(piece); got()
""",
}


def one_kind(bench, name, code):
    bench.write("probe.py", HEAD + code)
    bench.write("had", "0")
    end = bench.run("/usr/bin/python3 probe.py", seconds=120)
    check_equal(f"{name}: ok", end["ok"], False)
    had = int(bench.read("had").strip("\0") or 0)
    # The interpreter itself takes about 12 MB, four of them more.
    check(LIMIT * 0.8 - 45 <= had <= LIMIT * 1.2, f"{name}: it had {had} MB of {LIMIT}; {end['result'][-300:]!r}")


def test_the_limit_holds_for_every_kind_of_memory():
    if SLOW != 1:
        raise Skip("sanitizers have memory of their own")
    bench = Bench({"daemon.toolMemoryMb": LIMIT})
    for name, code in KINDS.items():
        # Without namespaces nothing may be written to /tmp, and there are neither segments nor memfds.
        if "several children" not in name and (namespaces() or not any(word in name for word in ("/tmp", "/dev/shm", "segments", "mixture", "memfd"))):
            one_kind(bench, name, code)


# What the kernel keeps for a call: how many things of how many bytes each.
TABLES = {
    "semaphores": "for i in range(700): libc.semget(0, 32000, 0o600)",
    "empty files in /tmp": "for i in range(2000000):\n    if i % 2000 == 0: os.mkdir(f'/tmp/d{i}'); os.chdir(f'/tmp/d{i}')\n    os.close(os.open(str(i), os.O_CREAT | os.O_WRONLY))",
    "mappings": """
for child in range(100):
    if os.fork() == 0:
        size = 65000 * 4096
        libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
        libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        at = libc.mmap(None, size, 1, 0x4022, -1, 0)
        for i in range(0, size, 8192):
            if libc.mprotect(at + i, 4096, 0): break
        time.sleep(60); os._exit(0)
time.sleep(60)
""",
}


def test_what_the_kernel_keeps_for_a_call_counts():
    needs_namespaces()
    if SLOW != 1:
        raise Skip("sanitizers have memory of their own")
    bench = Bench({"daemon.toolMemoryMb": 128})
    for name, code in TABLES.items():
        bench.write("probe.py", HEAD + code + "\nprint('all of it')")
        end = bench.run("/usr/bin/python3 probe.py", seconds=120)
        check_equal(f"{name}: {end['result'][-300:]!r}", end["ok"], False)
        check("all of it" not in end["result"], f"{name}: it had all of it")
        holds(name, end["result"], "more than the 128 MB of daemon.toolMemoryMb")


# How many MB went into sockets and pipes before it was over; each part is far below the limit.
QUEUES = {
    "pairs that are not read, with large buffers": """
keep = []
while n < 1000:
    for _ in range(8):
        a, c = pair(); keep.append((a, c)); fill(a)
        a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MB); fill(a)
""",
    "pairs whose sender is closed": """
keep = []
while n < 1000:
    for _ in range(8): a, c = pair(); keep.append(c); fill(a); a.close()
""",
    "pairs with small messages": """
keep = []
while n < 1000:
    for _ in range(8): a, c = pair(socket.SOCK_SEQPACKET); keep.append(c); fill(a, 1); a.close()
""",
    "connections that nobody accepts": """
listener = socket.socket(socket.AF_UNIX); listener.bind(os.environ['TMPDIR'] + '/l'); listener.listen(4096)
while n < 1000:
    for _ in range(8):
        a = socket.socket(socket.AF_UNIX); a.connect(os.environ["TMPDIR"] + "/l"); a.setblocking(False); fill(a); a.close()
""",
    "full pairs on their way": """
keep = [pair() for _ in range(40)]
for i in range(4000):
    b, d = pair(); fill(b); fill(d)
    socket.send_fds(keep[i % 40][0], [b'x'], [b.fileno(), d.fileno()]); b.close(); d.close()
""",
    "pipes": """
keep = []
while n < 1000:
    for _ in range(16):
        r, w = os.pipe(); keep.append((r, w)); os.set_blocking(w, False)
        try:
            while had_more(os.write(w, piece)): pass
        except BlockingIOError: pass
""",
}

QUEUE_HEAD = """
import resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
sent = 0
def had_more(count):
    global sent
    sent += count
    os.pwrite(had, b'%-12d' % (sent // MB), 0)
    return count
def pair(kind=socket.SOCK_STREAM):
    a, c = socket.socketpair(socket.AF_UNIX, kind); a.setblocking(False); c.setblocking(False)
    return a, c
def fill(a, size=65536):
    time.sleep(0.0005)
    try:
        while had_more(a.send(piece[:size])): pass
    except BlockingIOError: pass
"""


def test_what_lies_unread_in_sockets_and_pipes_counts():
    needs_namespaces()
    if SLOW != 1:
        raise Skip("sanitizers have memory of their own")
    bench = Bench({"daemon.toolMemoryMb": LIMIT})
    for name, code in QUEUES.items():
        bench.write("probe.py", HEAD + QUEUE_HEAD + code)
        bench.write("had", "0")
        end = bench.run("/usr/bin/python3 probe.py", seconds=60)
        had = int(bench.read("had").strip("\0 ") or 0)
        check(had <= LIMIT * 1.2, f"{name}: it had {had} MB of {LIMIT}; {end['result'][-300:]!r}")
        # The kernel itself bounds the pipes of a user, to less than this limit.
        if name != "pipes":
            holds(name, end["result"], "toolMemoryMb")


def test_a_file_in_memory_serves_as_usual():
    needs_namespaces()
    bench = Bench()
    bench.write("probe.py", HEAD + """
fd = os.memfd_create('name')
check = [os.get_inheritable(fd), os.get_inheritable(os.memfd_create('n', 0)), os.fstat(fd).st_nlink]
os.ftruncate(fd, 8192)
m = mmap.mmap(fd, 8192, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
m[:4] = b'here'
again = os.open(f'/proc/self/fd/{fd}', os.O_RDONLY)
print(*check, os.pread(again, 4, 0))
program = os.memfd_create('program')
os.write(program, open('/bin/echo', 'rb').read())
readable = os.open(f'/proc/self/fd/{program}', os.O_RDONLY)
os.close(program)
for flags in (2, 4):
    try: print(os.memfd_create('n', flags))
    except OSError as e: print(errno.errorcode[e.errno])
sys.stdout.flush()
os.execve(readable, ['echo', 'ran'], {})
""")
    check_equal("what it saw", bench.run("/usr/bin/python3 probe.py")["result"], "False True 0 b'here'\nENOSYS\nENOSYS\nran\n")


def test_many_idle_sockets_and_pipes_are_no_memory():
    bench = Bench({"daemon.toolMemoryMb": LIMIT})
    bench.write("probe.py", HEAD + QUEUE_HEAD + """
keep = [pair() for _ in range(1000)] + [os.pipe() for _ in range(100)]
for a, c in keep[:1000]: a.send(b'x'); c.recv(1)
time.sleep(0.3)
print('done')
""")
    holds("it ran to its end", bench.run("/usr/bin/python3 probe.py", seconds=60)["result"], "done")


def test_a_mapping_that_several_children_share_counts_once():
    bench = Bench({"daemon.toolMemoryMb": LIMIT})
    bench.write("probe.py", HEAD + """
m = mmap.mmap(-1, 100 * MB)
def child():
    m.seek(0); sum(m[i] for i in range(0, 100 * MB, 4096)); time.sleep(0.5)
for _ in range(100 // STEP): m.write(piece)
started = [multiprocessing.Process(target=child) for _ in range(6)]
for p in started: p.start()
for p in started: p.join()
print('shared')
""")
    end = bench.run("/usr/bin/python3 probe.py", seconds=60)
    holds("it ran to its end", end["result"], "shared")


def test_shared_mappings_of_several_children_count_together():
    if SLOW != 1:
        raise Skip("sanitizers have memory of their own")
    one_kind(Bench({"daemon.toolMemoryMb": LIMIT}), "shared mappings of several children", KINDS["shared mappings of several children"])


def test_memory_that_is_given_back_does_not_count():
    bench = Bench({"daemon.toolMemoryMb": LIMIT})
    bench.write("probe.py", HEAD + """
for _ in range(20):
    try: fd = os.memfd_create('m')
    except OSError: fd = -1     # there are none without namespaces
    if fd >= 0:
        for _ in range(100 // STEP): os.write(fd, piece)
        os.close(fd)
    m = mmap.mmap(-1, 100 * MB)
    for _ in range(100 // STEP): m.write(piece)
    m.close()
    path = os.environ['TMPDIR'] + '/f'
    with open(path, 'wb') as f: f.write(piece * (100 // STEP))
    os.unlink(path)
print('done')
""")
    holds("it ran to its end", bench.run("/usr/bin/python3 probe.py", seconds=60)["result"], "done")
