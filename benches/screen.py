#!/usr/bin/env python3
"""Measures the terminal UI in a pseudo-terminal of 80x24: the time to the first frame, the processor time of an idle
screen, the first rows of a folder of 100,000 files, the time from a key to the picture, and the memory and the pictures
per second of a queue of 50,000 uploads. Linux, standard library only; `just screen` runs it."""

import argparse
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

FIRST_FRAME_MS = 50
IDLE_PERCENT = 0.1
FIRST_ROWS_MS = 100
KEY_MS = 16
QUEUE_MIB = 80
DRAWS = 60  # pictures a second
FRAME = b"\x1b[?2026l"  # the end of a synchronized update
BY_NAME = rb"by( name|\x1b\[2;)"  # the title of a folder that was read; cells that do not change are not drawn again
WATCH = 20  # seconds to watch a queue
SETTLE = 3  # seconds: the calibration of the first start has ended after them


def cpu_seconds(pid):
    """Processor time of a process, user and system, to the nanosecond where the kernel gives it."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def ticks(pid):
    """The same in /proc/PID/stat, in seconds: what `top` shows."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Screen:
    """The program in a pseudo-terminal, with its own home."""

    def __init__(self, upseal, folder, home):
        self.seen, self.first, self.began = b"", None, time.monotonic()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve(upseal, [upseal], {"HOME": home, "TERM": "xterm-256color", "LANG": "C.UTF-8"})
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while True:
            try:
                data = os.read(self.fd, 1 << 16)
            except OSError:
                return
            if not data:
                return
            self.seen += data
            # The end of a synchronized update: the frame is on the screen.
            if self.first is None and re.search(rb"Upload.*\x1b\[\?2026l", self.seen, re.S):
                self.first = time.monotonic() - self.began

    def until(self, text, start, patience):
        """Waits for a pattern behind this position; returns the time since the start of the program in ms, or None."""
        while time.monotonic() - self.began < patience:
            if re.search(text, self.seen[start:]):
                return (time.monotonic() - self.began) * 1000
            time.sleep(0.001)
        return None

    def key(self, key):
        """Presses a key; returns the time until the next picture has ended, in ms."""
        start, began = len(self.seen), time.monotonic()
        os.write(self.fd, key)
        while FRAME not in self.seen[start:]:
            if time.monotonic() - began > 5:
                sys.exit(f"no picture in 5 s after {key!r}")
            time.sleep(0.0002)
        return (time.monotonic() - began) * 1000

    def memory(self):
        """Anonymous memory in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", status)[1]) / 1024

    def close(self):
        os.write(self.fd, b"q\r")
        for _ in range(100):
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def many(upseal, scratch, files):
    """First rows of a large folder, and keys in it. Returns whether a limit was passed."""
    folder, home = os.path.join(scratch, "many"), os.path.join(scratch, "many-home")
    os.makedirs(folder), os.makedirs(home)
    for n in range(files):
        os.close(os.open(os.path.join(folder, f"entry{n}.dat"), os.O_CREAT | os.O_WRONLY))
    screen = Screen(upseal, folder, home)
    rows = screen.until(b"entry", 0, 30)
    whole = screen.until(BY_NAME, 0, 60)
    if rows is None or whole is None:
        sys.exit(f"the folder was not listed: {screen.seen[-2000:]!r}")
    listing = rows - screen.first * 1000
    print(f"first rows     {listing:8.1f} ms   after the first frame, of {files} files; all after {whole:.0f} ms, "
          f"limit {FIRST_ROWS_MS} ms")
    time.sleep(SETTLE)
    keys = []
    for n in range(300):
        # As a held key repeats; without a pause, each key would wait for the shortest time between two pictures.
        time.sleep(0.03)
        keys.append(screen.key(b"j" if n % 7 else b"k"))
    keys.sort()
    p99 = keys[int(len(keys) * 0.99)]
    print(f"key to picture {p99:8.1f} ms   p99 of {len(keys)}, median {keys[len(keys) // 2]:.1f} ms, limit {KEY_MS} ms")
    screen.close()
    return listing > FIRST_ROWS_MS or p99 > KEY_MS


def queue(upseal, scratch, uploads, in_a_folder):
    """Memory and pictures of a long queue. Returns whether a limit was passed."""
    what = "folder" if in_a_folder else "queue"
    top, home = os.path.join(scratch, what), os.path.join(scratch, what + "-home")
    folder = os.path.join(top, "inside") if in_a_folder else top
    os.makedirs(folder), os.makedirs(home)
    for n in range(uploads):
        Path(folder, f"upload{n}.txt").write_bytes(b"%d" % n)
    screen = Screen(upseal, top, home)
    if screen.until(BY_NAME, 0, 60) is None:
        sys.exit("the folder was not listed")
    time.sleep(SETTLE)
    before, start, began = screen.memory(), len(screen.seen), time.monotonic()
    # All files are marked one by one, or the folder is.
    os.write(screen.fd, b" u" if in_a_folder else b"au")
    highest, stored = before, Path(home, ".local/share/upseal/received")
    # The title is drawn cell by cell where it changes, so the queue is watched for a while instead of its text.
    while time.monotonic() - began < WATCH:
        highest = max(highest, screen.memory())
        time.sleep(0.05)
    draws = screen.seen[start:].count(FRAME) / (time.monotonic() - began)
    arrived = sum(1 for path in stored.rglob("*") if path.is_file()) if stored.is_dir() else 0
    print(f"{what:<15}{highest:8.1f} MiB  of {uploads} uploads, {highest - before:.0f} MiB of them for the queue, "
          f"{arrived} stored after {WATCH} s, limit {QUEUE_MIB} MiB")
    print(f"pictures       {draws:8.1f} /s   while they are sent, limit {DRAWS} /s")
    if arrived == 0:
        sys.exit("nothing was sent")
    screen.close()
    return highest > QUEUE_MIB or draws > DRAWS


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--upseal", required=True, help="the program")
    options.add_argument("--seconds", type=float, default=20, help="time to watch an idle screen [default: 20]")
    options.add_argument("--starts", type=int, default=11, help="starts to take the median of [default: 11]")
    options.add_argument("--files", type=int, default=100_000, help="files of the large folder [default: 100000]")
    options.add_argument("--uploads", type=int, default=50_000, help="uploads of the queue [default: 50000]")
    options = options.parse_args()
    upseal = os.path.abspath(options.upseal)
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        folder, home = os.path.join(scratch, "files"), os.path.join(scratch, "home")
        os.makedirs(folder), os.makedirs(home)
        for n in range(30):
            Path(folder, f"file {n}.bin").write_bytes(bytes(n))
        firsts = []
        for _ in range(options.starts):
            screen = Screen(upseal, folder, home)
            deadline = time.monotonic() + 10
            while screen.first is None and time.monotonic() < deadline:
                time.sleep(0.002)
            if screen.first is None:
                sys.exit(f"no frame in 10 s: {screen.seen!r}")
            firsts.append(screen.first * 1000)
            screen.close()
        first = sorted(firsts)[len(firsts) // 2]
        print(f"first frame    {first:8.1f} ms   median of {len(firsts)}, worst {max(firsts):.1f} ms, limit {FIRST_FRAME_MS} ms")
        failed |= first > FIRST_FRAME_MS

        screen = Screen(upseal, folder, home)
        time.sleep(SETTLE)
        before, stat, drawn = cpu_seconds(screen.pid), ticks(screen.pid), len(screen.seen)
        time.sleep(options.seconds)
        used, stat = cpu_seconds(screen.pid) - before, ticks(screen.pid) - stat
        percent = 100 * used / options.seconds
        print(f"idle processor {percent:8.4f} %    {used * 1000:.2f} ms in {options.seconds:g} s "
              f"({stat:g} s in /proc/PID/stat), {len(screen.seen) - drawn} bytes drawn, limit {IDLE_PERCENT} %")
        failed |= percent > IDLE_PERCENT
        screen.close()
        failed |= many(upseal, scratch, options.files)
        failed |= queue(upseal, scratch, options.uploads, False)
        failed |= queue(upseal, scratch, options.uploads, True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
