"""A mount namespace of our own: what is mounted from now on only this test's processes see."""
import ctypes
import os

from clock import Skip

CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000


def private_mounts():
    """Moves this test's process into one. Returns libc, for mount()."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        raise Skip("this machine allows no mount namespace: " + os.strerror(ctypes.get_errno()))
    return libc


def private_file(path, place):
    """Puts the file at path in the place of another, for this test's processes alone."""
    if private_mounts().mount(path.encode(), os.path.realpath(place).encode(), None, MS_BIND, None) != 0:
        raise Skip(f"this machine allows no mount over {place}: {os.strerror(ctypes.get_errno())}")
