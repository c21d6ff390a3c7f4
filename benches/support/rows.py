"""A table whose rows are measured one after the other; a figure that is there is printed before the next is measured."""

import dataclasses
import subprocess

from bed import Broken, Missing

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
        """Two figures in words, and how many times ours is theirs."""
        return cls(what, ours, theirs, f"{ratio:.2f}", f">= {asked:.2f}", "ok" if ratio >= asked else "SLOW")


def turns(rounds, *sides):
    """What each side returns, in turn, for each a list: a bad moment of the machine meets all of them."""
    return list(zip(*([side() for side in sides] for _ in range(rounds))))


def table(makers, names):
    """Prints the rows that these make: functions by name that yield some. Whether one failed, and whether one was SLOW."""
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
