"""The command line through lost connections: nothing lost, nothing doubled, said once."""
import json
import os
import select
import signal
import socket
import threading

from opta_test import check, check_equal, check_in, slurp, stack, wait_for

TEXT = b"".join(b"w%d " % i for i in range(60))


class CuttingProxy:
    """A TCP proxy to the daemon that cuts each WebSocket after so many bytes from the daemon."""

    def __init__(self, port, cuts):
        self.port_of_daemon, self.cuts, self.cut = port, list(cuts), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        server = socket.create_connection(("127.0.0.1", self.port_of_daemon))
        first = client.recv(65536)
        server.sendall(first)
        limit = self.cuts.pop(0) if b"/v3/ws" in first and self.cuts else None
        done = 0
        with client, server:
            while True:
                for sock in select.select([client, server], [], [])[0]:
                    data = sock.recv(65536)
                    if not data:
                        return
                    if sock is client:
                        server.sendall(data)
                        continue
                    if limit is not None and done + len(data) > limit:
                        client.sendall(data[:limit - done])
                        self.cut += 1
                        return
                    client.sendall(data)
                    done += len(data)


def behind_proxy(daemon, proxy):
    """state.json as if the daemon listened on the proxy's port."""
    state = daemon.home.state()
    state["port"] = proxy.port
    with open(daemon.home.state_path, "w", encoding="utf-8") as file:
        json.dump(state, file)


def test_text_through_five_cut_connections_is_neither_lost_nor_doubled():
    home, _, daemon = stack()
    proxy = CuttingProxy(daemon.port, (700, 900, 1500, 2500, 4000))
    behind_proxy(daemon, proxy)
    ran = home.opta("do", "demo:tokens=60 demo:delay=20", seconds=30).expect(0)
    check(proxy.cut >= 3, f"expected at least three cuts, got {proxy.cut}")
    check_equal("the answer", ran.out, TEXT + b"\n")
    check_in("standard error", "Connection interrupted, reconnecting...", ran.errors)


def test_the_lines_of_json_have_no_gap_and_no_double_over_cuts():
    home, _, daemon = stack()
    proxy = CuttingProxy(daemon.port, (650, 1200, 3000))
    behind_proxy(daemon, proxy)
    ran = home.opta("do", "--json", "demo:tokens=60 demo:delay=10", seconds=30).expect(0)
    seqs = [json.loads(line)["seq"] for line in ran.out.splitlines()]
    check(proxy.cut >= 2, f"expected at least two cuts, got {proxy.cut}")
    check_equal("the numbers of the events", seqs, list(range(seqs[0], seqs[0] + len(seqs))))


def test_a_daemon_that_dies_is_started_again_and_the_turn_is_reported_as_interrupted():
    home, _, daemon = stack()
    process = home.popen("do", "demo:tokens=1000 demo:delay=20")
    wait_for(lambda: b"w3 " in slurp(process.out_path), 10, "the first words of the answer")
    daemon.kill()
    ran = home.ended(process, ("do",))
    check_equal("the exit code", ran.code, 1)
    check_in("standard error", "interrupted", ran.errors)
    check_equal("the answer so far, once", ran.out.split()[:4], [b"w0", b"w1", b"w2", b"w3"])
    check_equal("no word twice", len(set(ran.out.split())), len(ran.out.split()))
    home.opta("daemon", "status").expect(0)


def test_a_daemon_that_was_stopped_is_not_brought_back_by_one_who_followed_it():
    home, _, daemon = stack({"daemon.shutdownGraceMs": 0})
    process = home.popen("do", "demo:tokens=1000 demo:delay=20")
    wait_for(lambda: b"w3 " in slurp(process.out_path), 10, "the first words of the answer")
    home.opta("daemon", "stop").expect(0)
    ran = home.ended(process, ("do",))
    check_equal("the exit code", ran.code, 1)
    check_in("standard error", "interrupted", ran.errors)
    home.opta("daemon", "status").expect(3)


def test_ctrl_c_twice_ends_at_once_even_when_nobody_answers():
    home, _, daemon = stack()
    process = home.popen("do", "demo:tokens=1000 demo:delay=20")
    wait_for(lambda: b"w3 " in slurp(process.out_path), 10, "the first words of the answer")
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        check_equal("the exit code", home.ended(process, ("do",), seconds=15).code, 130)
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
