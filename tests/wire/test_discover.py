"""The first run, when no setting names a model server."""
import os
import socket
import threading

from opta_test import Demo, Home, check, check_equal, check_in


def new_home(*ports):
    """A home without a configuration, where only these ports are looked at."""
    home = Home(env={"OPTA_DISCOVER_PORTS": ",".join(map(str, ports))})
    os.unlink(home.config_path)
    return home


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_a_server_on_this_machine_is_used_and_that_is_said_once():
    home = Home()
    demo = Demo(home)
    home.env["OPTA_DISCOVER_PORTS"] = f"{free_port()},{demo.port}"
    os.unlink(home.config_path)
    ran = home.opta("do", "say hello").expect(0)
    check_in("the answer", "You said", ran.text)
    check_in("a word about it", f"127.0.0.1:{demo.port}", ran.errors)
    check_equal("the setting", home.opta("config", "get", "connection.port").text, f"{demo.port}\n")
    again = home.opta("do", "say hello").expect(0)
    check("found" not in again.errors, f"it is said again: {again.errors!r}")


def test_none_is_three_lines_and_nothing_is_written():
    home = new_home(free_port())
    ran = home.opta("do", "say hello").expect(1)
    check_equal("lines", len(ran.errors.splitlines()), 3)
    check_in("how to get one", "Ollama", ran.errors)
    check_in("how to name one", "opta config set connection.host", ran.errors)
    check_in("how to try", "opta lmx demo", ran.errors)
    check(not os.path.exists(home.config_path), "a configuration was written")


def test_another_program_on_the_port_is_no_model_server():
    home = new_home()
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>")
            connection.close()
    threading.Thread(target=serve, daemon=True).start()
    home.env["OPTA_DISCOVER_PORTS"] = str(server.getsockname()[1])
    check_in("none", "No model server answers", home.opta("do", "hi").expect(1).errors)
    server.close()


def test_a_server_that_is_named_is_believed():
    home = Home({"connection.port": 1})
    demo = Demo(home)
    ran = home.opta("do", "hi", env={"OPTA_DISCOVER_PORTS": str(demo.port)}).expect(1)
    check_in("the named one", "127.0.0.1:1", ran.errors)
