"""What a run has counted, said again after pytest's own summary of failures."""

_COUNTED: dict[str, str] = {}


def tally(what: str, counted: str) -> None:
    """Keep a line for the end of the run, such as "isolation matrix", "1,234 cells"."""
    _COUNTED[what] = counted


def lines() -> list[str]:
    """Return the lines, in the order of their names."""
    return [f"{what}: {counted}" for what, counted in sorted(_COUNTED.items())]
