"""A network namespace of our own, so that a test can use ports that other programs may hold; and a name server in it."""
import ctypes
import fcntl
import os
import socket
import struct

from clock import Skip
from private_mounts import private_file

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def private_network():
    """Moves this test's process (and all it starts from now on) into an empty network with its own loopback."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNET) != 0:
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
            raise Skip("this machine allows no network namespace: " + os.strerror(ctypes.get_errno()))
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"{uid} {uid} 1")
        write("/proc/self/gid_map", f"{gid} {gid} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sH14s", b"lo", 0, b"")
        flags = struct.unpack("16sH14s", fcntl.ioctl(sock, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", flags | IFF_UP, b""))


def silent_name_server(home):
    """A private network whose one name server takes questions and answers none. Its socket: what can be read there was asked."""
    private_network()
    for name, text in (("resolv.conf", "nameserver 127.0.0.1\n"), ("nsswitch.conf", "hosts: dns\n")):
        path = os.path.join(home.root, name)
        write(path, text)
        private_file(path, "/etc/" + name)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    server.settimeout(10)
    return server
