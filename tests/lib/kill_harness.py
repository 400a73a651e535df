"""The model of what the log of a session may contain, and the clients that stream, submit and reconnect."""
import json
import random
import threading

from http_client import Gone
from opta_test import check, ended_turns, short
from stream_client import Refused

LOST = (Gone, OSError, AssertionError, Refused)     # what a client sees when the daemon dies under it


class Story:
    """One session: what clients received, what was accepted, and the log as verified so far."""

    def __init__(self, sid):
        self.sid = sid
        self.lock = threading.Lock()
        self.received = {}              # seq -> bytes, not yet compared with the log
        self.log = []                   # raw envelopes, verified
        self.accepted = {}              # turnId -> idempotencyKey or None, 202 or ack seen
        self.open_keys = set()          # idempotencyKeys sent and not answered
        self.contents = {}              # idempotencyKey -> what was submitted with it
        self.turn_of_key = {}
        self.problems = []
        self.tools = False              # do turns call tools too?
        self.large = False              # are tokens so large that the write-ahead log is soon full?
        # the state machine over the log
        self.running = None
        self.queued, self.started, self.stopped = [], [], {}

    def receive(self, raw, who):
        """Called by a client with every whole envelope it has got."""
        envelope = json.loads(raw)
        seq = envelope.get("seq")
        with self.lock:
            if not isinstance(seq, int):
                self.problems.append(f"{who} got a frame that is no envelope: {short(raw)}")
                return 0
            known = self.received.get(seq) or (self.log[seq - 1] if seq <= len(self.log) else None)
            if known is not None and known != raw:
                self.problems.append(f"{who}: seq {seq} came twice with different bytes: {short(known)} and {short(raw)}")
            self.received[seq] = raw
        return seq

    def accept(self, turn, key, who):
        with self.lock:
            first = self.turn_of_key.setdefault(key, turn) if key else turn
            if first != turn:
                self.problems.append(f"{who}: the idempotencyKey {key} gave the turn {first} and later the turn {turn}")
            self.accepted[turn] = key
            self.open_keys.discard(key)

    def extend(self, raws):
        """New events of the log, in order: no gap, one turn at a time, one stop event for each turn."""
        for raw in raws:
            envelope = json.loads(raw)
            seq, event, payload = envelope["seq"], envelope["event"], envelope["payload"]
            check(seq == len(self.log) + 1, f"{self.sid}: expected seq {len(self.log) + 1} in the log, got {seq}: {short(raw)}")
            check(envelope["sessionId"] == self.sid, f"an event of another session in {self.sid}: {short(raw)}")
            self.log.append(raw)
            turn = payload.get("turnId")
            if event == "turn.queued":
                check(turn not in self.queued, f"{self.sid}: turn {turn} queued twice (seq {seq})")
                self.queued.append(turn)
            elif event == "turn.start":
                check(self.running is None, f"{self.sid}: turn.start of {turn} inside the turn {self.running} (seq {seq})")
                check(turn not in self.started, f"{self.sid}: turn {turn} started twice (seq {seq})")
                check(turn not in self.stopped, f"{self.sid}: turn {turn} started after its stop event (seq {seq})")
                self.running = turn
                self.started.append(turn)
            elif event in ("turn.token", "turn.thinking"):
                check(turn == self.running, f"{self.sid}: a token of {turn} while {self.running} runs (seq {seq})")
            for ended in ended_turns(envelope):
                check(ended not in self.stopped, f"{self.sid}: a second stop event for {ended}: seq {self.stopped.get(ended)} and seq {seq}")
                self.stopped[ended] = seq
                if ended == self.running:
                    self.running = None

    def verify(self, daemon, when):
        """After a restart, before anybody submits: the log against all that clients know."""
        self.extend(daemon.raw_events(self.sid, len(self.log)))
        for seq, raw in sorted(self.received.items()):
            check(seq <= len(self.log), f"{when}: {self.sid}: a client received seq {seq}, but the log ends at {len(self.log)}: {short(raw)}")
            check(self.log[seq - 1] == raw, f"{when}: {self.sid}: seq {seq} differs: a client received {short(raw)}, the log has {short(self.log[seq - 1])}")
        self.received.clear()
        check(not self.problems, f"{when}: {self.problems[:3]}")
        check(self.running is None, f"{when}: {self.sid}: turn {self.running} was started and has no stop event after the restart")
        lost = [turn for turn in self.accepted if turn not in self.stopped]
        check(not lost, f"{when}: {self.sid}: accepted turns without a stop event after the restart: {lost}")
        lost = [turn for turn in self.queued if turn not in self.stopped]
        check(not lost, f"{when}: {self.sid}: queued turns without a stop event after the restart: {lost}")
        order = [turn for turn in self.queued if turn in set(self.started)]
        begun = [turn for turn in self.started if turn in set(self.queued)]
        check(order == begun, f"{when}: {self.sid}: turns started in the order {short(begun[-10:])}, queued in the order {short(order[-10:])}")

    def replay(self, daemon, after, when):
        """The same bytes over every transport."""
        want = self.log[after:]
        with daemon.ws(self.sid, after) as ws:
            got = [ws.recv_raw() for _ in want]
            check(got == want, f"{when}: {self.sid}: WebSocket replay after {after} differs from the log: {difference(got, want)}")
        with daemon.sse(self.sid, after) as sse:
            frames = [sse.recv() for _ in want]
            got = [frame and frame[1] for frame in frames]
            check(got == want, f"{when}: {self.sid}: SSE replay after {after} differs from the log: {difference(got, want)}")
            check([int(f[0]) for f in frames] == list(range(after + 1, after + 1 + len(want))), f"{when}: {self.sid}: SSE ids are not the seqs")
        got = daemon.raw_events(self.sid, after)
        check(got == want, f"{when}: {self.sid}: HTTP replay after {after} differs from the log: {difference(got, want)}")


def difference(got, want):
    for at, (one, two) in enumerate(zip(got, want)):
        if one != two:
            return f"at {at}: {short(one)} instead of {short(two)}"
    return f"{len(got)} events instead of {len(want)}"


def read_ws(daemon, story, cursor, stop):
    """Streams from its cursor, which was verified, until the daemon dies. A resync would mean that the log has lost something."""
    daemon_id = json.loads(story.log[cursor - 1])["daemonId"] if cursor else None
    try:
        with daemon.ws(story.sid, cursor, sync=True, daemon_id=daemon_id) as ws:
            stop.append(ws)
            seq = cursor
            while (raw := ws.recv_raw()) is not None:
                if raw.startswith(b'{"type"'):
                    if b'"resync"' in raw:
                        story.problems.append(f"{story.sid}: a resync for the cursor {cursor}: {short(raw)}")
                    continue
                got = story.receive(raw, "a WebSocket client")
                if got != seq + 1:
                    story.problems.append(f"{story.sid}: a WebSocket client got seq {got} after seq {seq}")
                seq = got
    except LOST:
        pass


def read_sse(daemon, story, cursor, stop):
    try:
        with daemon.sse(story.sid, 0, headers={"Last-Event-ID": str(cursor)}) as sse:
            stop.append(sse)
            seq = cursor
            while (frame := sse.recv()) is not None:
                got = story.receive(frame[1], "an SSE client")
                if got != seq + 1:
                    story.problems.append(f"{story.sid}: an SSE client got seq {got} after seq {seq}")
                seq = got
    except LOST:
        pass


def submit_http(daemon, story, number, rng, over):
    """Submits turn after turn over HTTP, cancels now and then, and sends keys again whose answer it never saw."""
    count = 0
    try:
        while not over.is_set():
            with story.lock:
                retry = rng.choice(sorted(story.open_keys)) if story.open_keys and rng.random() < 0.5 else None
                if retry is None and story.turn_of_key and rng.random() < 0.1:
                    retry = rng.choice(list(story.turn_of_key))
            key = retry or f"{story.sid}-{number}-{count}"
            count += 1
            with story.lock:
                words = f"demo:tokens={rng.randint(1, 40)} demo:delay={rng.randint(0, 4)}"
                if story.tools and rng.random() < 0.5:
                    words = "demo:step=list_dir:{} demo:step=search_files:{\"pattern\":\"x\"} " + words
                if story.large:
                    words = "demo:size=20000 " + words
                content = story.contents.setdefault(key, words)
                if key not in story.turn_of_key:
                    story.open_keys.add(key)
            answer = daemon.post_turn(story.sid, content, idempotencyKey=key)
            if answer.status == 202:
                story.accept(answer.json()["turnId"], key, "an HTTP client")
            else:
                story.problems.append(f"{story.sid}: a turn was refused with {answer!r}")
                return
            if rng.random() < 0.15:
                daemon.http("POST", f"/v3/sessions/{story.sid}/cancel", {})
            over.wait(rng.random() * 0.03)
    except LOST:
        pass


def submit_ws(daemon, story, rng, over, stop):
    """Submits over a WebSocket that streams too; what it receives counts."""
    try:
        with daemon.ws(story.sid, len(story.log)) as ws:
            stop.append(ws)
            for _ in range(3):
                ws.send_json({"type": "turn.submit", "clientId": "k", "writerId": "k", "sessionId": story.sid, "mode": "chat",
                              "content": f"demo:tokens={rng.randint(1, 30)} demo:delay={rng.randint(0, 3)}"})
                while (raw := ws.recv_raw()) is not None:
                    if raw.startswith(b'{"v"'):
                        story.receive(raw, "a submitting WebSocket client")
                        continue
                    ack = json.loads(raw)
                    if ack.get("type") == "ack":
                        story.accept(ack["turnId"], None, "a WebSocket client")
                    else:
                        story.problems.append(f"{story.sid}: a turn was refused with {short(raw)}")
                    break
            while not over.is_set() and (raw := ws.recv_raw()) is not None:
                story.receive(raw, "a submitting WebSocket client")
    except LOST:
        pass


def clients(daemon, stories, number, rng, over, stop):
    """The threads of one round."""
    threads = []
    for story in stories:
        jobs = [(read_ws, daemon, story, rng.choice((len(story.log), max(0, len(story.log) - 20))), stop),
                (read_sse, daemon, story, rng.choice((len(story.log), max(0, len(story.log) - 5))), stop),
                (submit_http, daemon, story, number, random.Random(rng.random()), over)]
        if rng.random() < 0.4:
            jobs.append((submit_ws, daemon, story, random.Random(rng.random()), over, stop))
        threads += [threading.Thread(target=job, args=args, daemon=True) for job, *args in jobs]
    for thread in threads:
        thread.start()
    return threads
