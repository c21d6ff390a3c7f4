#!/usr/bin/env python3
"""Measures the terminal UI in a pseudo-terminal of 80x24: the time to the first frame, and the processor time of an idle
screen. Linux, standard library only; `just screen` runs it."""

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

    def close(self):
        os.write(self.fd, b"q")
        for _ in range(100):
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--upseal", required=True, help="the program")
    options.add_argument("--seconds", type=float, default=20, help="time to watch an idle screen [default: 20]")
    options.add_argument("--starts", type=int, default=11, help="starts to take the median of [default: 11]")
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
    sys.exit(failed)


if __name__ == "__main__":
    main()
