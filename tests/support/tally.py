"""What a run has counted, said again after pytest's own summary of failures.

Where pytest-xdist runs the tests in several processes, each tells the first what it has counted.
"""

from collections import Counter, defaultdict

Counted = tuple[dict[str, str], dict[str, dict[str, int]]]

_LINES: dict[str, str] = {}
_MET: defaultdict[str, Counter[str]] = defaultdict(Counter)


def tally(what: str, line: str) -> None:
    """Keep a line for the end of the run, such as "isolation matrix", "1,234 cells"."""
    _LINES[what] = line


def meet(what: str, item: str, line: str) -> None:
    """Count an item, anywhere in the tests; the line says `{times}` of `{items}`."""
    _LINES[what] = line
    _MET[what][item] += 1


def counted() -> Counted:
    """Return what this process has counted, in values that can be sent to another."""
    return dict(_LINES), {what: dict(items) for what, items in _MET.items()}


def add(elsewhere: Counted) -> None:
    """Add what another process has counted."""
    lines, met = elsewhere
    _LINES.update(lines)
    for what, items in met.items():
        _MET[what].update(items)


def lines() -> list[str]:
    """Return the lines, in the order of their names."""
    return [
        f"{what}: "
        + (line.format(times=_MET[what].total(), items=len(_MET[what])) if what in _MET else line)
        for what, line in sorted(_LINES.items())
    ]
