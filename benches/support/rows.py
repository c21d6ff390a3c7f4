"""A table whose rows are measured one after the other; each row is printed before the next is measured."""

import argparse
import dataclasses
import subprocess
from pathlib import Path

from bed import Bed, Broken, Missing, first_line, machine

WIDTHS = "{:<58} {:>15} {:>15} {:>10} {:>14} {}"


@dataclasses.dataclass
class Row:
    what: str
    ours: str
    theirs: str = "—"
    ratio: str = "—"
    asked: str = "—"
    mark: str = ""

    @classmethod
    def of(cls, what, ours, theirs, ratio, asked):
        """Makes a row from two figures as text, their ratio, and the target for the ratio."""
        return cls(what, ours, theirs, f"{ratio:.2f}", f">= {asked:.2f}", "ok" if ratio >= asked else "SLOW")


def turns(rounds, *sides):
    """Calls the sides in turn, so that noise affects all of them; returns a list of results for each."""
    return list(zip(*([side() for side in sides] for _ in range(rounds))))


def table(makers, names):
    """Prints the rows that the named functions yield. Returns whether one failed, and whether one was SLOW."""
    print(WIDTHS.format("what", "ours", "theirs", "ratio", "asked", ""), flush=True)
    failed = slow = False
    for name in names:
        try:
            for row in makers[name]():
                print(WIDTHS.format(*dataclasses.astuple(row)).rstrip(), flush=True)
                slow |= row.mark == "SLOW"
        except Missing as missing:
            print(f"{name:<58} not measured: {missing}", flush=True)
        except (Broken, OSError, subprocess.SubprocessError) as error:
            failed = True
            print(f"{name:<58} FAILED: {error}", flush=True)
    return failed, slow


def command_line(description, rows, *, timeout, more=lambda parser: None):
    """Parses the options of a bench; `more` adds further ones."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(rows)}; without: all")
    parser.add_argument("--upseal", type=Path, required=True)
    parser.add_argument("--python", help="a Python with `cryptography`, for the Python peer")
    parser.add_argument("--folder", default="/dev/shm", help="where to work: a tmpfs")
    parser.add_argument("--rounds", type=int, default=None, help="of which the best counts; 3, with --quick 1")
    parser.add_argument("--timeout", type=float, default=timeout, help="seconds for one process")
    parser.add_argument("--quick", action="store_true", help="small sizes: whether it runs, not how fast it is")
    parser.add_argument("--strict", action="store_true", help="exit code 1 when something is SLOW")
    more(parser)
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    if options.python and "/" in options.python:
        options.python = str(Path(options.python).absolute())  # not resolved: a link to Python selects the virtual environment
    if unknown := set(options.rows) - set(rows):
        parser.error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(rows)}")
    return options


def run(options, make, rows):
    """Measures `rows`, functions by name that take the result of `make(options, bed)`. Returns the exit code."""
    print("\n".join(machine(options.upseal.resolve())))
    if options.python:
        words = "import cryptography as c, platform as p; print(p.python_version() + ', cryptography', c.__version__)"
        print("the Python peer:", first_line(options.python, "-c", words))
    print(f"best of {options.rounds}" + (", small sizes: the ratios say nothing" if options.quick else "") + "\n")
    with Bed(options.upseal, options.folder, options.timeout) as bed:
        bench = make(options, bed)
        makers = {name: (lambda row=row: row(bench)) for name, row in rows.items()}
        failed, slow = table(makers, options.rows or rows)
    return 1 if failed or (slow and options.strict) else 0
