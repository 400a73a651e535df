"""A model server behind TLS: trusted chain and name, or nothing."""
import os
import socket
import ssl
import subprocess
import threading

from opta_test import Daemon, Demo, Home, check, check_equal, check_in


def make_certificate(home, name):
    """A self-signed certificate for name. Returns the paths of certificate and key."""
    cert, key = os.path.join(home.root, "cert.pem"), os.path.join(home.root, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=" + name, "-addext", "subjectAltName=" + ("IP:" if name[0].isdigit() else "DNS:") + name,
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


class TlsProxy:
    """Terminates TLS in front of a plain port."""

    def __init__(self, port, cert, key):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        self.behind, self.seen = port, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        try:
            client = self.context.wrap_socket(client, server_side=True)
        except (ssl.SSLError, OSError) as error:
            self.seen.append(str(error))
            return
        server = socket.create_connection(("127.0.0.1", self.behind))
        threading.Thread(target=self.copy, args=(server, client), daemon=True).start()
        self.copy(client, server)

    def copy(self, source, sink):
        try:
            while data := source.recv(65536):
                self.seen.append(data[:40])
                sink.sendall(data)
        except OSError:
            pass
        try:
            sink.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def turn_over_tls(name, host, trust):
    home = Home()
    demo = Demo(home)
    cert, key = make_certificate(home, name)
    proxy = TlsProxy(demo.port, cert, key)
    home.write_config({"connection.host": f"https://{host}:{proxy.port}", "connection.port": None})
    daemon = Daemon(home, env={"SSL_CERT_FILE": cert} if trust else {"SSL_CERT_FILE": "/dev/null"})
    return home, proxy, daemon.run_turn(daemon.create()["id"], "demo:tokens=3000 demo:think=2")


def test_a_trusted_server_is_talked_to_over_tls():
    _, proxy, events = turn_over_tls("localhost", "localhost", True)
    check_equal("the last event", events[-1]["event"], "turn.done")
    text = "".join(e["payload"]["text"] for e in events if e["event"] == "turn.token")
    check_equal("the answer", text, "".join(f"w{i} " for i in range(3000)))
    check(proxy.seen, "expected the bytes to go through the TLS proxy")


def test_an_address_in_the_certificate_is_verified_too():
    _, _, events = turn_over_tls("127.0.0.1", "127.0.0.1", True)
    check_equal("the last event", events[-1]["event"], "turn.done")


def test_an_unknown_certificate_is_refused_and_named():
    home, proxy, events = turn_over_tls("localhost", "localhost", False)
    check_equal("the last event", (events[-1]["event"], events[-1]["payload"].get("code")), ("turn.error", "LMX_UNREACHABLE"))
    check_in("the sentence", "certificate", events[-1]["payload"]["message"])
    check_in("the log", "certificate", home.log())
    check(not any(isinstance(one, bytes) for one in proxy.seen), f"expected not a byte of a request, got {proxy.seen[:2]}")


def test_a_certificate_for_another_name_is_refused():
    _, proxy, events = turn_over_tls("somebody.example", "localhost", True)
    check_equal("the last event", (events[-1]["event"], events[-1]["payload"].get("code")), ("turn.error", "LMX_UNREACHABLE"))
    check(not any(isinstance(one, bytes) for one in proxy.seen), f"expected not a byte of a request, got {proxy.seen[:2]}")
