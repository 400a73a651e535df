"""daemon.toolMemoryMb: whatever kind of memory it is, all of a call together has so much and no more."""
from opta_test import Skip, check, check_equal, SLOW
from tools import Bench, holds, namespaces

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
        # Without namespaces nothing may be written to /tmp, and there are no segments.
        if "several children" not in name and (namespaces() or not any(word in name for word in ("/tmp", "/dev/shm", "segments", "mixture"))):
            one_kind(bench, name, code)


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
    fd = os.memfd_create('m')
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
