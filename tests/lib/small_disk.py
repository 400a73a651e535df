"""A disk of a few megabytes, seen by this test's processes alone."""
import ctypes
import os

from clock import Skip

CLONE_NEWNS, MS_RDONLY, MS_REMOUNT, MS_REC, MS_PRIVATE = 0x20000, 1, 32, 0x4000, 0x40000


def small_disk(home, kilobytes):
    """Puts sessions/ on a disk of that size, seen by this test's processes alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    path = os.path.join(home.dir, "sessions")
    os.makedirs(path, mode=0o700)
    if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        raise Skip("this machine allows no mount namespace: " + os.strerror(ctypes.get_errno()))
    if libc.mount(b"tmpfs", path.encode(), b"tmpfs", 0, f"size={kilobytes}k,mode=700".encode()) != 0:
        raise Skip("this machine allows no tmpfs: " + os.strerror(ctypes.get_errno()))
    home.mounts.append(path)
    return path


def read_only(path):
    """Nothing on it can be changed any more."""
    if ctypes.CDLL(None, use_errno=True).mount(b"none", path.encode(), None, MS_REMOUNT | MS_RDONLY, None) != 0:
        raise Skip("this machine allows no read-only tmpfs: " + os.strerror(ctypes.get_errno()))
