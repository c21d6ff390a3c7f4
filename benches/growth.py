#!/usr/bin/env python3
"""Measures the cost of an upload by file size and number of clients, for docs/growth.md and its picture.

    growth.py --upseal BIN [--out docs] [--sizes 1,8,64,512,2048,8192] [--clients 1,2,4,8,16,32,64]

Wall seconds run from the start of the first client to the end of the last one. CPU seconds are user and system,
for all clients together and for the server from its start to its end. Sizes up to 512 MiB are sent three times
and the fastest counts; larger ones are sent once. Sizes are in MiB. The folder needs up to 12 GiB.
"""

import argparse
import contextlib
import dataclasses
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
import bed as beds  # noqa: E402
import chart  # noqa: E402
from bed import GIB, MIB, Broken, size_words  # noqa: E402

VARIANTS = {"cp2": "CP2", "plain": "Plain"}
EACH = 64 * MIB     # bytes that each of many clients sends
DATA = 4 * GIB      # the rest of a file is a hole, so that a tmpfs can hold both copies
AGAIN = 512 * MIB   # up to this size the best of three counts


@dataclasses.dataclass
class Point:
    size: int         # bytes, of all clients together
    seconds: float
    client_cpu: float
    server_cpu: float
    client_rss: int   # bytes, the largest client
    server_rss: int

    @property
    def rate(self):
        return self.size / self.seconds / 1e6


def one_file(bed, variant, size):
    source = bed.file(size, DATA)
    points = []
    for _ in range(3 if size <= AGAIN else 1):
        client, server = bed.upload(variant, [source], lean=True)
        points.append(Point(size, client.seconds, client.cpu, server.cpu, client.rss, server.rss))
    return min(points, key=lambda point: point.seconds)


def many_clients(bed, count):
    """Uploads from `count` clients, each with its own home and its own file name for the same bytes."""
    source = bed.file(EACH)
    with bed.scratch() as names, bed.server(lean=True) as server, contextlib.ExitStack() as running:
        for number in range(count):
            os.link(source, names / f"{number}.bin")
            bed.environment(f"client-{number}")
        begun = time.monotonic()
        clients = [running.enter_context(bed.sender(server, "cp2", [names / f"{number}.bin"], lean=True,
                                                    who=f"client-{number}")) for number in range(count)]
        costs = [client.wait() for client in clients]
        seconds = time.monotonic() - begun
        there = [entry for entry in server.store.iterdir() if entry.stat().st_size == EACH]
        if len(there) != count:
            raise Broken(f"{count} clients sent a file each, but the store has {len(there)}")
        ended = server.stop()
        return Point(count * EACH, seconds, sum(cost.cpu for cost in costs), ended.cpu,
                     max(cost.rss for cost in costs), ended.rss)


# ---------------------------------------------------------------- what is written

HEAD = ("wall s", "client CPU s", "server CPU s", "MB/s", "client MiB", "server MiB")


def cells(point):
    return (f"{point.seconds:.2f}", f"{point.client_cpu:.2f}", f"{point.server_cpu:.2f}", f"{point.rate:.0f}",
            f"{point.client_rss / MIB:.1f}", f"{point.server_rss / MIB:.1f}")


def table(first, rows):
    lines = [f"| {' | '.join((*first, *HEAD))} |", "|" + "---|" * len(first) + "---:|" * len(HEAD)]
    return "\n".join(lines + [f"| {' | '.join((*names, *cells(point)))} |" for names, point in rows])


def summary(by_variant, by_count):
    """Returns sentences that summarise the figures."""
    said = []
    for variant, points in by_variant.items():
        small, large = points[0], points[-1]
        peaks = [rss / MIB for point in points for rss in (point.client_rss, point.server_rss)]
        said.append(f"- {VARIANTS[variant]}: a file with {large.size / small.size:,.0f} times the bytes takes "
                    f"{large.seconds / small.seconds:,.0f} times as long; no process used more than "
                    f"{max(peaks):.1f} MiB at any size.")
    if by_count:
        few, many = (by_count[edge] for edge in (min(by_count), max(by_count)))
        cpu = (many.server_cpu / many.size) / (few.server_cpu / few.size)
        said.append(f"- {max(by_count)} clients at the same time, compared with {min(by_count)}: "
                    f"{many.rate / few.rate:.2f} times the bytes per second, {cpu:.2f} times the server's CPU time per "
                    f"byte, and a server peak of {many.server_rss / MIB:.1f} MiB instead of "
                    f"{few.server_rss / MIB:.1f} MiB.")
    return "\n".join(said)


def page(machine, by_variant, by_count):
    sizes = [((size_words(point.size), VARIANTS[variant]), point)
             for of_one_size in zip(*by_variant.values()) for variant, point in zip(by_variant, of_one_size)]
    counts = [((str(count),), point) for count, point in by_count.items()]
    return f"""# Cost by size and number of clients

![Seconds over the file's size, and bytes per second over the number of clients](growth.svg)

`benches/growth.py` writes this page and its picture (`just growth`). Client and server run on one
machine and share its cores. Files are in a tmpfs and hashed on both sides; the part of a file over
{size_words(DATA)} is a hole. Times are wall-clock times from the start of the client process to its end,
CPU time is user and system together, memory is the peak RSS, and MB are 10^6 bytes. The shortest
times include a few milliseconds of the shell that starts each process; it gives each process its own
memory peak.

```text
{chr(10).join(machine)}
```

{summary(by_variant, by_count)}

## By file size

{table(("file", "variant"), sizes)}

## By number of clients

CP2, {size_words(EACH)} from each client, all at the same time, to one server. The clients' CPU time is the
sum, their memory the largest.

{table(("clients",), counts)}
"""


def picture(by_variant, by_count):
    parts = []
    lines = [(VARIANTS[variant], [(point.size, point.seconds) for point in points])
             for variant, points in by_variant.items()]
    points = [point for _, line in lines for point in line]
    sizes = [size for size, _ in lines[0][1]]
    seconds = [second for _, second in points]
    steps = chart.decades(min(seconds), max(seconds))
    # A line for cost in proportion to the size, above all others, across the plot.
    each = 3 * max(second / size for size, second in points if size == sizes[-1])
    begin, end = max(sizes[0], steps[0] / each), min(sizes[-1], steps[-1] / each)
    parts += chart.panel(
        0, 470, 360, title="Time over size", x_words="size of the file (logarithmic)",
        y_words="seconds (logarithmic)", x_ticks=[(size, size_words(size)) for size in sizes],
        y_ticks=[(value, f"{value:g}") for value in steps], y_log=True, lines=lines,
        guide=("proportional to the size", [(begin, begin * each), (end, end * each)]))
    if by_count:
        rates = [(count, point.rate) for count, point in by_count.items()]
        ticks = chart.even(max(rate for _, rate in rates))
        parts += chart.panel(
            480, 400, 360, title="Clients at once", x_words=f"connections, {size_words(EACH)} of CP2 each",
            y_words="MB/s in total", x_ticks=[(count, str(count)) for count in by_count],
            y_ticks=[(value, f"{value:g}") for value in ticks], y_log=False, lines=[("CP2", rates)])
    return chart.svg(880 if by_count else 470, 360, "Seconds over the file's size for CP2 and Plain, and MB/s over "
                     "the number of clients", parts)


# ---------------------------------------------------------------- the command line

def numbers(words):
    return sorted({int(word) for word in words.split(",") if word})


def command_line():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--upseal", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=None, help="folder for growth.md and growth.svg; without it none are written")
    parser.add_argument("--folder", default="/dev/shm", help="working folder, on a tmpfs")
    parser.add_argument("--sizes", type=numbers, default=numbers("1,8,64,512,2048,8192"), help="MiB")
    parser.add_argument("--clients", type=numbers, default=numbers("1,2,4,8,16,32,64"))
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one process")
    return parser.parse_args()


def main():
    options = command_line()
    machine = beds.machine(options.upseal.resolve())
    print("\n".join(machine) + "\n")
    form = "{:<22}" + " {:>13}" * len(HEAD)
    print(form.format("", *HEAD), flush=True)
    by_variant, by_count = {variant: [] for variant in VARIANTS}, {}
    with beds.Bed(options.upseal, options.folder, options.timeout) as bed:
        try:
            for size in (mib * MIB for mib in options.sizes):
                for variant, points in by_variant.items():
                    points.append(one_file(bed, variant, size))
                    print(form.format(f"{VARIANTS[variant]} {size_words(size)}", *cells(points[-1])), flush=True)
                bed.drop(bed.file(size, DATA))
            for count in options.clients:
                by_count[count] = many_clients(bed, count)
                print(form.format(f"{count} of {size_words(EACH)}", *cells(by_count[count])), flush=True)
        except (Broken, OSError) as error:
            sys.exit(f"growth.py: {error}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "growth.md").write_text(page(machine, by_variant, by_count))
        (options.out / "growth.svg").write_text(picture(by_variant, by_count))
        print(f"\n{options.out}/growth.md, {options.out}/growth.svg")


if __name__ == "__main__":
    main()
