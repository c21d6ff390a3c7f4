#!/usr/bin/env python3
"""How the cost of an upload grows, with the file's size and with the number of clients: docs/growth.md and .svg.

    growth.py --upseal BIN [--out docs] [--sizes 1,8,64,512,2048,8192] [--clients 1,2,4,8,16,32,64]

Wall seconds are from the first client's spawn to the last one's end; CPU seconds are user and system, those of all
clients together and of the server from its start to its end. Each size is sent three times, up to 512 MiB, and
the fastest counts; the rest once. Sizes are MiB. At most 12 GiB of the folder are in use.
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
EACH = 64 * MIB     # what one of many clients sends
DATA = 4 * GIB      # more than that of a file is a hole, so that a tmpfs holds both copies
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
    """Each is a user of their own, with a name of their own for the same bytes."""
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
            raise Broken(f"{count} clients sent a file each, and {len(there)} are there")
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
    """What the figures say, in sentences made of them."""
    said = []
    for variant, points in by_variant.items():
        small, large = points[0], points[-1]
        peaks = [rss / MIB for point in points for rss in (point.client_rss, point.server_rss)]
        said.append(f"- {VARIANTS[variant]}: {large.size / small.size:,.0f} times the bytes take "
                    f"{large.seconds / small.seconds:,.0f} times as long; no process had more than "
                    f"{max(peaks):.1f} MiB, at any size.")
    if by_count:
        few, many = (by_count[edge] for edge in (min(by_count), max(by_count)))
        cpu = (many.server_cpu / many.size) / (few.server_cpu / few.size)
        said.append(f"- {max(by_count)} clients at once, against {min(by_count)}: {many.rate / few.rate:.2f} times the "
                    f"bytes a second, {cpu:.2f} times the server's CPU for each byte, and {many.server_rss / MIB:.1f} "
                    f"MiB at the server's peak instead of {few.server_rss / MIB:.1f} MiB.")
    return "\n".join(said)


def page(machine, by_variant, by_count):
    sizes = [((size_words(point.size), VARIANTS[variant]), point)
             for of_one_size in zip(*by_variant.values()) for variant, point in zip(by_variant, of_one_size)]
    counts = [((str(count),), point) for count, point in by_count.items()]
    return f"""# How the cost grows

![Seconds over the file's size, and bytes a second over the number of clients](growth.svg)

`benches/growth.py` made this page and its picture (`just growth`). Client and server are on one machine and share its
cores; files are in a tmpfs, hashed on both sides; what is over {size_words(DATA)} of a file is a hole. Wall clock
from the client's spawn to its end, CPU time as user and system together, memory as the peak RSS; MB are 10^6 bytes.
The shortest times hold a few milliseconds of the shell that starts each process, so that its memory is its own.

```
{chr(10).join(machine)}
```

{summary(by_variant, by_count)}

## With the file's size

{table(("file", "variant"), sizes)}

## With the number of clients

CP2, {size_words(EACH)} from each, all at once, to one server. The clients' CPU is the sum, their memory the largest.

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
    # The slope of what costs in proportion to the size, above all lines, as far as the plot goes.
    each = 3 * max(second / size for size, second in points if size == sizes[-1])
    begin, end = max(sizes[0], steps[0] / each), min(sizes[-1], steps[-1] / each)
    parts += chart.panel(
        0, 470, 360, title="Time over size", x_words="size of the file (logarithmic)",
        y_words="seconds (logarithmic)", x_ticks=[(size, size_words(size)) for size in sizes],
        y_ticks=[(value, f"{value:g}") for value in steps], y_log=True, lines=lines,
        guide=("in proportion to the size", [(begin, begin * each), (end, end * each)]))
    if by_count:
        rates = [(count, point.rate) for count, point in by_count.items()]
        ticks = chart.even(max(rate for _, rate in rates))
        parts += chart.panel(
            480, 400, 360, title="Clients at once", x_words=f"connections, {size_words(EACH)} by CP2 each",
            y_words="MB/s of all together", x_ticks=[(count, str(count)) for count in by_count],
            y_ticks=[(value, f"{value:g}") for value in ticks], y_log=False, lines=[("CP2", rates)])
    return chart.svg(880 if by_count else 470, 360, "Seconds over the file's size for CP2 and Plain, and MB/s over "
                     "the number of clients", parts)


# ---------------------------------------------------------------- the command line

def numbers(words):
    return sorted({int(word) for word in words.split(",") if word})


def command_line():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--upseal", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=None, help="where growth.md and growth.svg go; without: nowhere")
    parser.add_argument("--folder", default="/dev/shm", help="where to work: a tmpfs")
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
