"""No call of a tool leaves a file that gives its user's power to whoever runs it: setuid, setgid, file capabilities."""
import os
import stat

from opta_test import check, check_equal
from tools import Bench, call, python

# Every way to a mode, as a raw system call: none may set a bit, whatever else it does.
TRIES = """
import itertools, struct
libc.syscall.restype = ctypes.c_long
def tried(what, nr, *args):
    ctypes.set_errno(0)
    got = libc.syscall(ctypes.c_long(nr), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    print(what, 'ALLOWED' if got >= 0 else 'refused', errno.errorcode.get(ctypes.get_errno()))
AT, CREATE, TEMPORARY = -100, os.O_CREAT | os.O_RDWR, os.O_TMPFILE | os.O_RDWR
n = itertools.count()
def name(): return b'made%d' % next(n)
def there():
    path = name(); open(path, 'w').close(); return path
for bit in (0o4000, 0o2000, 0o6000, 0o5000):
    mode = bit | 0o755
    tried('chmod', 90, there(), mode)
    tried('chmod with more bits', 90, there(), mode | 1 << 40)
    tried('fchmod', 91, os.open(there(), os.O_RDWR), mode)
    tried('fchmodat', 268, AT, there(), mode)
    tried('fchmodat2', 452, AT, there(), mode, 0)
    tried('open', 2, name(), CREATE, mode)
    tried('openat', 257, AT, name(), CREATE, mode)
    tried('openat temporary', 257, AT, b'.', TEMPORARY, mode)
    tried('creat', 85, name(), mode)
    tried('mknod', 133, name(), stat_file | mode, 0)
    tried('mknod without a type', 133, name(), mode, 0)
    tried('mknodat', 259, AT, name(), 0o10000 | mode, 0)
    tried('mkdir', 83, name(), mode)
    tried('mkdirat', 258, AT, name(), mode)
    tried('openat2', 437, AT, name(), struct.pack('QQQ', CREATE, mode, 0), 24)
    tried('x32 chmod', 0x40000000 + 90, there(), mode)
    s = socket.socket(socket.AF_UNIX)
    tried('fchmod of a socket', 91, s.fileno(), mode)
    ring = ctypes.create_string_buffer(120)
    tried('io_uring_setup', 425, 4, ring)
caps = struct.pack('<IIIII', 0x02000001, 0xffffffff, 0, 0xffffffff, 0)
f = os.open(there(), os.O_RDWR)
tried('setxattr', 188, there(), b'security.capability', caps, len(caps), 0)
tried('lsetxattr', 189, there(), b'security.capability', caps, len(caps), 0)
tried('fsetxattr', 190, f, b'security.capability', caps, len(caps), 0)
value = ctypes.create_string_buffer(caps)
tried('setxattrat', 463, AT, there(), 0, b'security.capability', struct.pack('QII', ctypes.addressof(value), len(caps), 0), 16)
""".replace("stat_file", str(stat.S_IFREG))


def powerful(top):
    found = []
    for folder, folders, files in os.walk(top):
        for name in files + folders:
            path = os.path.join(folder, name)
            if os.lstat(path).st_mode & (stat.S_ISUID | stat.S_ISGID):
                found.append(name)
            try:
                if "security.capability" in os.listxattr(path, follow_symlinks=False):
                    found.append(name)
            except OSError:
                pass
    return found


def test_no_call_sets_setuid_setgid_or_capabilities():
    bench = Bench()
    out = python(bench, TRIES)
    check_equal("what was allowed", [line for line in out.splitlines() if " refused" not in line], [])
    check("setxattr refused" in out, f"not all was tried: {out!r}")
    check_equal("files of power", powerful(bench.ws), [])
    out = bench.run("cp /bin/sh sh; chmod u+s sh; chmod g+s sh; chmod 6755 sh; install -m 4755 /bin/sh sh2; mkdir -m 2755 d; "
                    "setcap cap_setuid+ep sh 2>/dev/null; tar cf x.tar sh && tar xpf x.tar; true")["result"]
    check_equal("files of power", powerful(bench.ws), [])
    check("Operation not permitted" in out, f"no word about it: {out!r}")


def test_ordinary_modes_are_set_as_ever():
    bench = Bench()
    bench.run("touch a; chmod 755 a; mkdir -m 1777 d; mkdir e; chmod 700 e; umask 0; touch b")
    for name, want in (("a", 0o755), ("d", 0o1777), ("e", 0o700), ("b", 0o666)):
        check_equal(name, os.stat(bench.path(name)).st_mode & 0o7777, want)
    out = python(bench, "open('made', 'w').close()\nfd = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o600)\n"
                        "fd = libc.syscall(257, -100, b'made', 0, 0o6000)\nprint('opened', fd >= 0)\n")
    check_equal("a mode that nothing looks at", out, "opened True\n")


def test_a_setuid_file_that_lies_there_loses_the_bit_when_its_content_changes():
    bench = Bench()
    bench.write("tool", "#!/bin/sh\nold\n")
    os.chmod(bench.path("tool"), 0o6755)
    for name, args in (("edit_file", {"old": "old", "new": "new"}), ("write_file", {"content": "other\n"})):
        os.chmod(bench.path("tool"), 0o6755)
        bench.turn(call(name, path="tool", **args), overrides={"auto": True})
        check_equal(name, os.stat(bench.path("tool")).st_mode & 0o7777, 0o755)
