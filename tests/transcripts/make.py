#!/usr/bin/env python3
"""Records connections between two tests/interop/peer.py processes, byte for byte, as *.hex beside this file.

    make.py            writes all of them again (needs the package `cryptography`)

upseal takes no part in the recording. `cargo test` replays the client's bytes to upseal's server, and the
server's answers to upseal's client. So upseal is tested against another implementation without Python.

A transcript is text: `#` comments, `file NAME SIZE SHA256` for each file, then hexadecimal lines under
`client` and, in the transcripts of answers, under `server`.
"""

import hashlib
import re
import socket
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))
import run as interop  # noqa: E402

CERTS = HERE.parent / "fixtures" / "identity-v1"
TIMING = ("--pause", "--gap-bytes", "--glue", "--reply-gap")  # options that change no bytes
SIZES = (0, 62, 300)


class Recorder(threading.Thread):
    """Relays one connection to a server and keeps both directions."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.sent = port, {"client": bytearray(), "server": bytearray()}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(30)
        self.address = self.listener.getsockname()[1]

    def run(self):
        client, _ = self.listener.accept()
        server = socket.create_connection(("127.0.0.1", self.port), 30)
        for sock in (client, server):
            sock.settimeout(30)
        ways = [threading.Thread(target=self.pass_on, args=way)
                for way in ((client, server, "client"), (server, client, "server"))]
        for way in ways:
            way.start()
        for way in ways:
            way.join()
        client.close()
        server.close()

    def pass_on(self, source, sink, who):
        while data := source.recv(65536):
            self.sent[who] += data
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def record(dialect, work):
    python = interop.Python()
    certs = None if dialect.combo == interop.PLAIN else CERTS
    sizes = [size for size in dialect.sizes if size in SIZES] or [min(dialect.sizes)]
    files = []
    for size in sizes:
        interop.make_file(work / "source", f"size-{size}.bin", size)
        files.append(work / "source" / f"size-{size}.bin")
    combo = dialect.combo
    if dialect.sniffed:
        combo = interop.Combo(combo.variant, combo.padding)
    with python.serve(work, combo, certs, extra=dialect.server) as server:
        recorder = Recorder(server.port)
        recorder.start()
        extra = (*dialect.client, *dialect.python_client)
        python.send(work, dialect.combo, certs, recorder.address, [str(file) for file in files], extra=extra).expect(0)
        recorder.join(30)
        interop.expect_stored(server, work / "source", [file.name for file in files])
    return files, recorder.sent


def lines(data):
    text = bytes(data).hex()
    return [text[at:at + 96] for at in range(0, len(text), 96)]


def main():
    for old in HERE.glob("*.hex"):
        old.unlink()
    plain = [interop.Dialect(interop.SPECIFIED, combo) for combo in interop.COMBOS]
    received = [(dialect, False) for dialect in plain + interop.client_dialects()]
    answers = [(dialect, True) for dialect in interop.server_dialects()
               if dialect.combo == interop.AP and not dialect.what.startswith("name ")]
    for dialect, answer in received + answers:
        if any(word in TIMING for word in (*dialect.client, *dialect.server)) or max(dialect.sizes) > 1000:
            continue
        if "blocks of 1 byte" in dialect.what and dialect.combo.framing not in ("A", "E"):
            continue  # long, and covered by A and E
        if dialect.what.startswith("terminator ") and dialect.combo.framing != "D" and "," in dialect.what:
            continue  # covered by D
        with tempfile.TemporaryDirectory() as work:
            files, sent = record(dialect, Path(work))
            name = re.sub(r"[^a-z0-9]+", "-", f"{'answer' if answer else 'upload'} {dialect}".lower()).strip("-")
            text = [f"# {dialect}: recorded between two tests/interop/peer.py by tests/transcripts/make.py"]
            for file in files:
                data = file.read_bytes()
                text.append(f"file {file.name} {len(data)} {hashlib.sha256(data).hexdigest()}")
            text += ["client", *lines(sent["client"])]
            if answer:
                text += ["server", *lines(sent["server"])]
            (HERE / f"{name}.hex").write_text("\n".join(text) + "\n")
            print(name, len(sent["client"]), flush=True)


if __name__ == "__main__":
    main()
