"""Clients we did not write: Python's websockets, npm's ws and a browser read what our own do."""
import http.server
import json
import os
import shutil
import subprocess
import threading

from clock import needs_plain_build
from opta_test import SLOW, Skip, check, check_equal, send, stack, wait_for

PYTHON = """
import asyncio, json, sys
import websockets

async def main(url, submit):
    # Without a queue of any length the library reads no further while it waits for its pong: events may be before that.
    async with websockets.connect(url, max_size=None, max_queue=None) as ws:
        await ws.send(submit)
        await (await ws.ping())
        async for message in ws:
            if '"event"' in message:
                print(message)
            if '"turn.done"' in message:
                break

asyncio.run(main(*sys.argv[1:]))
"""

NODE = """
const WebSocket = require('ws');
const ws = new WebSocket(process.argv[1], { perMessageDeflate: true });
let pong = false, over = false;
ws.on('open', () => { ws.send(process.argv[2]); ws.ping('are you there'); });
ws.on('pong', data => { pong = data.toString() === 'are you there'; });
ws.on('message', data => {
  const text = data.toString();
  if (text.includes('"event"')) console.log(text);
  if (text.includes('"turn.done"')) { over = true; ws.close(1000); }
});
ws.on('error', error => { console.error(error); process.exit(1); });
ws.on('close', code => process.exit(over && pong && code === 1000 && ws.extensions === '' ? 0 : 1));
"""

PAGE = """<!doctype html><title>a page</title><script>
const port = PORT, token = 'TOKEN', sid = 'SID', base = `127.0.0.1:${port}/v3`;
const out = { socket: [], source: [] };
const auth = { headers: { Authorization: `Bearer ${token}` } };
const said = promise => promise.then(value => value, error => String(error));
const socket = () => new Promise(resolve => {
  const ws = new WebSocket(`ws://${base}/ws?sessionId=${sid}&afterSeq=0&token=${token}`);
  ws.onopen = () => ws.send(JSON.stringify(SUBMIT));
  ws.onmessage = e => {
    if (!e.data.includes('"event"')) return;
    out.socket.push(e.data);
    if (e.data.includes('"turn.done"')) { ws.close(); resolve('done'); }
  };
  ws.onerror = () => resolve('error');
});
const source = () => new Promise(resolve => {
  const es = new EventSource(`http://${base}/sse/events?sessionId=${sid}&afterSeq=0&token=${token}`);
  es.onmessage = e => { out.source.push(e.data); if (e.data.includes('"turn.done"')) { es.close(); resolve('done'); } };
  es.onerror = () => { es.close(); resolve('error'); };
});
const form = () => new Promise(resolve => {
  const frame = document.createElement('iframe'); frame.name = 'f'; document.body.append(frame);
  const form = document.createElement('form');
  Object.assign(form, { method: 'POST', action: `http://${base}/sessions?token=${token}`, target: 'f', enctype: 'text/plain' });
  const field = document.createElement('input'); field.name = '{"title":"from a form","x":"'; field.value = '"}'; form.append(field);
  document.body.append(form); frame.onload = () => resolve('loaded'); form.submit(); setTimeout(() => resolve('late'), 2000);
});
addEventListener('load', async () => {
  out.socketEnd = await socket();
  out.sourceEnd = out.socketEnd === 'done' ? await source() : await source();
  out.sessions = await said(fetch(`http://${base}/sessions`, auth).then(r => r.json()).then(list => list.length));
  out.simple = await said(fetch(`http://${base}/sessions`, { method: 'POST', mode: 'no-cors', body: '{"title":"from a page"}' }).then(r => r.type));
  out.form = await form();
  await fetch('/result', { method: 'POST', body: JSON.stringify(out) });
});
</script><body></body>"""


def session_with(daemon):
    sid = daemon.create()["id"]
    daemon.run_turn(sid, "demo:tokens=20 \u00e9\U0001f600")
    return sid


def submit(sid, tokens=2000):
    return json.dumps({"type": "turn.submit", "sessionId": sid, "content": f"demo:tokens={tokens}"})


def url(daemon, sid):
    return f"ws://127.0.0.1:{daemon.port}/v3/ws?sessionId={sid}&afterSeq=0&token={daemon.token}"


def events_of(lines):
    return [line for line in lines if '"event"' in line]


def run_peer(daemon, sid, command, env=None):
    done = subprocess.run(command, capture_output=True, timeout=30 * SLOW, env={**os.environ, **(env or {})}, check=False)
    check_equal(f"the peer's exit code; it said {done.stderr[-500:]!r}", done.returncode, 0)
    seen = done.stdout.split(b"\n")[:-1]
    stored = daemon.raw_events(sid)
    # It leaves at the first end of a turn it hears of, and that is the one in the history.
    check(len(seen) >= 20, f"expected the history, got {len(seen)} events")
    check_equal("events, byte for byte", seen, stored[:len(seen)])


def test_the_websockets_of_python_read_the_log():
    if subprocess.run(["/usr/bin/python3", "-c", "import websockets"], capture_output=True, check=False).returncode != 0:
        raise Skip("python3-websockets is not installed")
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    run_peer(daemon, sid, ["/usr/bin/python3", "-c", PYTHON, url(daemon, sid), submit(sid)])


def test_the_ws_of_npm_reads_the_log_without_compression():
    env = {"NODE_PATH": "/usr/share/nodejs"}
    node = shutil.which("node") or shutil.which("nodejs")
    if not node or subprocess.run([node, "-e", "require('ws')"], capture_output=True, env={**os.environ, **env}, check=False).returncode != 0:
        raise Skip("node-ws is not installed")
    _, _, daemon = stack()
    sid = daemon.create()["id"]
    run_peer(daemon, sid, [node, "-e", NODE, url(daemon, sid), submit(sid)], env)


class Site:
    """A web site of one page, which posts what it saw."""

    def __init__(self, page):
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(page.encode() if self.path == "/" else b"")

            def do_POST(self):
                site.result = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.result = None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def in_browser(home, daemon, sid, name):
    """What the page saw when the browser took it from http://name:port/."""
    chromium = shutil.which("chromium")
    if not chromium:
        raise Skip("chromium is not installed")
    page = PAGE.replace("PORT", str(daemon.port)).replace("TOKEN", daemon.token).replace("SID", sid).replace("SUBMIT", submit(sid, 300))
    site = Site(page)
    browser = subprocess.Popen(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
         f"--user-data-dir={home.root}/browser", f"--host-resolver-rules=MAP {name} 127.0.0.1", f"http://{name}:{site.port}/"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": home.home, "TMPDIR": home.env["TMPDIR"]}, start_new_session=True)
    try:
        wait_for(lambda: site.result is not None or browser.poll() is not None, 40, "the page to tell what it saw")
        check(site.result is not None, f"the browser ended with {browser.poll()}")
    finally:
        if browser.poll() is None:
            send(browser.pid, 15)
            browser.wait(20 * SLOW)
        site.server.shutdown()
        site.server.server_close()
    return site.result


def test_a_browser_reads_the_log_from_a_page_of_this_machine():
    needs_plain_build()
    home, _, daemon = stack()
    sid = daemon.create()["id"]
    saw = in_browser(home, daemon, sid, "localhost")
    stored = [event.decode() for event in daemon.raw_events(sid)]
    check_equal("how the socket ended", saw["socketEnd"], "done")
    check_equal("events over the WebSocket", saw["socket"], stored)
    check_equal("events over EventSource", saw["source"], stored)
    check(saw["sessions"] >= 1, f"expected the sessions, got {saw['sessions']!r}")


def test_a_browser_is_refused_everything_from_a_page_of_somebody_else():
    needs_plain_build()
    home, _, daemon = stack()
    sid = session_with(daemon)
    before = [(s["id"], s["title"], s["lastSeq"]) for s in daemon.http("GET", "/v3/sessions").json()]
    saw = in_browser(home, daemon, sid, "evil.example")
    check_equal("how the socket ended", saw["socketEnd"], "error")
    check_equal("how the source ended", saw["sourceEnd"], "error")
    check_equal("events it saw", saw["socket"] + saw["source"], [])
    check("Error" in str(saw["sessions"]), f"expected no answer, got {saw['sessions']!r}")
    after = [(s["id"], s["title"], s["lastSeq"]) for s in daemon.http("GET", "/v3/sessions").json()]
    check_equal("the sessions", after, before)
