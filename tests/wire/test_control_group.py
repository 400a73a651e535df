"""What commands may do to control groups: look at them."""
import os

from opta_test import check_equal
from tools import Bench, holds, python

MOUNT = "/sys/fs/cgroup"


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
