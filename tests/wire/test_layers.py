"""Each layer of the tools' sandbox alone: the others are switched off, as a kernel may lack them."""
import os

from opta_test import Skip, check, check_equal
from tools import bench_with, python

def as_root():
    if os.geteuid() != 0:
        raise Skip("root's own files")


def same(path):
    """Shell that tries to write what the setting is already: a layer that lets it through must not change the machine."""
    return f"v=$(cat {path}); printf '%s\\n' \"$v\" 2>/dev/null >{path} && echo wrote; "


KERNEL = ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/swappiness", "/proc/sys/net/ipv4/ip_forward",
          "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/proc/bus/pci/devices", "/proc/fs")


def test_namespaces_alone_keep_root_from_the_kernels_settings():
    as_root()
    bench = bench_with("namespaces")
    out = python(bench, f"""
for path in {KERNEL!r}:
    if not os.path.exists(path): continue
    print(path, bool(os.statvfs(path).f_flag & os.ST_RDONLY))
    if os.path.isdir(path): continue
    try: os.close(os.open(path, os.O_WRONLY)); print('OPENED', path)
    except OSError as e: pass
print(open('/proc/self/comm').read().strip(), os.path.exists('/proc/self/status'))
""")
    lines = out.splitlines()
    check_equal("what is not read-only", [line for line in lines[:-1] if not line.endswith(" True")], [])
    check(len(lines) > 4, f"nothing was looked at: {out!r}")
    check_equal("the rest of /proc", lines[-1], "python3 True")


def test_namespaces_without_a_capability_dropped_keep_the_mounts():
    """The tool has lost its capabilities by then; without that layer the read-only mounts still hold for files."""
    as_root()
    bench = bench_with("namespaces", "seccomp")
    out = bench.run("touch /etc/x /usr/x /sys/x /proc/sys/kernel/x 2>/dev/null; " + same("/proc/sys/kernel/core_pattern") +
                    "mount -o remount,rw /proc/sys 2>/dev/null && echo mounted; umount /proc/sys 2>/dev/null && echo unmounted; echo done")["result"]
    check_equal("what was done", out, "done\n")


def test_landlock_alone_keeps_files_outside_from_being_written():
    bench = bench_with("landlock")
    outside = os.path.join(bench.home.root, "outside")
    out = bench.run(f"echo x 2>/dev/null >{outside} && echo wrote; echo x >inside && cat inside; "
                    + same("/proc/sys/vm/swappiness") + "cat /etc/hostname >/dev/null && echo read")["result"]
    check_equal("what was done", out, "x\nread\n")
    check(not os.path.exists(outside), "written")
    check("opta_dk_" not in bench.run(f"cat {bench.home.state_path}")["result"], "the token was seen")


def test_namespaces_alone_keep_files_outside_from_being_written():
    bench = bench_with("namespaces")
    outside = os.path.join("/var/tmp", f"opta-test-{os.getpid()}")
    out = bench.run(f"echo x 2>/dev/null >{outside} && echo wrote; echo x >inside && cat inside; cat /etc/hostname >/dev/null && echo read")["result"]
    check_equal("what was done", out, "x\nread\n")
    check(not os.path.exists(outside), "written")
    check("opta_dk_" not in bench.run(f"cat {bench.home.state_path}")["result"], "the token was seen")


def test_seccomp_alone_is_not_enough_for_a_command():
    bench = bench_with("seccomp", "capabilities")
    check("neither Landlock nor namespaces" in bench.run("echo ran")["result"], "it ran")


def test_capabilities_are_gone_without_the_other_layers():
    bench = bench_with("landlock", "capabilities")
    status = bench.run("grep -E '^Cap' /proc/self/status")["result"]
    # An ordinary user may not give up what he could be given: no_new_privs sees to it that he never is.
    held = [line for line in status.splitlines() if os.geteuid() == 0 or not line.startswith("CapBnd")]
    check(status.count("Cap") == 5 and all(int(line.split()[1], 16) == 0 for line in held), f"power: {status!r}")
