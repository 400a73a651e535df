"""A disk of a few megabytes, seen by this test's processes alone."""
import ctypes
import os
import shutil
import subprocess

from clock import Skip
from private_mounts import private_mounts

MS_RDONLY, MS_REMOUNT = 1, 32


def own_mounts(home):
    """The directory of the sessions, to be mounted on: what is mounted from now on only this test's processes see."""
    path = os.path.join(home.dir, "sessions")
    os.makedirs(path, mode=0o700)
    return private_mounts(), path


def small_disk(home, kilobytes):
    """Puts sessions/ on a disk of that size."""
    libc, path = own_mounts(home)
    if libc.mount(b"tmpfs", path.encode(), b"tmpfs", 0, f"size={kilobytes}k,mode=700".encode()) != 0:
        raise Skip("this machine allows no tmpfs: " + os.strerror(ctypes.get_errno()))
    home.mounts.append(path)
    return path


def quota_disk(home, kilobytes):
    """Puts sessions/ on a large disk of which we may use that much. A btrfs, whose quotas hold for root too."""
    _, path = own_mounts(home)
    if not shutil.which("mkfs.btrfs"):
        raise Skip("there is no mkfs.btrfs (package btrfs-progs)")
    image = os.path.join(home.root, "disk.img")
    with open(image, "wb") as file:
        file.truncate(256 << 20)
    for command in (["mkfs.btrfs", "-q", image], ["mount", "-o", "loop", image, path], ["btrfs", "quota", "enable", path],
                    ["btrfs", "qgroup", "limit", f"{kilobytes}k", path]):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise Skip(f"this machine allows no btrfs with a quota: {command[0]}: {ran.stderr.strip()[-200:]}")
        if command[0] == "mount":
            home.mounts.append(path)
    os.chmod(path, 0o700)
    return path


def read_only(path):
    """Nothing on it can be changed any more."""
    if ctypes.CDLL(None, use_errno=True).mount(b"none", path.encode(), None, MS_REMOUNT | MS_RDONLY, None) != 0:
        raise Skip("this machine allows no read-only tmpfs: " + os.strerror(ctypes.get_errno()))
