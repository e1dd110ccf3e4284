"""What Hearth is held to, and whether it holds."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.errors import BenchError
from bench.results import Yardstick, ratios
from bench.services import HEARTH

PATH = Path(__file__).parent / "bars.toml"

# How far behind what is held the quick run may be: what a busy machine does to a measurement.
LEEWAY = 0.2

# The share of the machine beyond which others make a ratio of requests per second worthless.
BUSY = 0.15

# What the quick run fails for. Latency is the machine's as much as ours.
_FAILING = ("ratio", "server_us", "database_us", "rls", "audit")

_WORDS = {
    "ratio": "requests/s on {workload} over {peer}",
    "server_us": "server, us of CPU for {workload}",
    "database_us": "PostgreSQL, us of CPU for {workload}",
    "p99_ms": "p99 of {workload}, ms",
    "p99_over_p50": "p99 over p50 of {workload}",
    "growth": "p50 of {workload} with the most tasks over that with the fewest",
    "clients": "clients at once, none refused",
    "rls": "PostgreSQL, CPU for {workload} over that without row level security",
    "audit": "PostgreSQL, CPU for {workload} over that without the audit trail",
}

# Ratios of one thing with and without another, in the same round.
_COSTS = ("rls", "audit")

# What was measured, a row a round.
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Bar:
    """A bar; see bars.toml."""

    row: str
    measure: str
    workload: str
    peer: str = ""
    wanted: float | None = None
    held: float | None = None
    why: str = ""

    @property
    def words(self) -> str:
        """What is measured."""
        return _WORDS[self.measure].format(workload=self.workload, peer=self.peer)

    @property
    def is_floor(self) -> bool:
        """Whether more is better."""
        return self.measure in ("ratio", "clients")

    def found(self, rows: Rows, *, best: bool = False) -> float | None:
        """Return what was measured; `None` if it was not.

        Args:
            rows: All that was measured.
            best: Whether of the best round, which others disturbed least, or the median.
        """
        if self.measure in _COSTS:
            found = ratios(rows, self.workload, self.measure)
            return (min(found) if best else median(found)) if found else None
        ours = self._rounds(rows, HEARTH)
        theirs = self._rounds(rows, self.peer) if self.peer else ours
        if not ours or not theirs:
            return None
        least: Callable[[Sequence[float]], float] = min if best else median
        greatest: Callable[[Sequence[float]], float] = max if best else median
        match self.measure:
            case "ratio":
                return greatest([each["per_second"] for each in ours]) / greatest(
                    [each["per_second"] for each in theirs]
                )
            case "p99_over_p50":
                return least([each["p99_ms"] / each["p50_ms"] for each in ours])
            case "growth":
                sizes = sorted({each["tasks"] for each in ours})
                few, many = (
                    least([each["p50_ms"] for each in ours if each["tasks"] == size])
                    for size in (sizes[0], sizes[-1])
                )
                return many / few if len(sizes) > 1 else None
            case "clients":
                return float(max(each["clients"] for each in ours))
            case _:
                return least([each[self.measure] for each in ours])

    def busy(self, rows: Rows) -> float:
        """Return the share of the machine that others took, in the quietest round of each."""
        if self.measure in _COSTS:
            some = [row for row in rows if row["section"] == "costs"]
            return float(min(row["others"] for row in some if row["workload"] == self.workload))
        of_each = [self._rounds(rows, peer) for peer in (HEARTH, self.peer) if peer]
        return float(max(min(each["others"] for each in ours) for ours in of_each))

    def _rounds(self, rows: Rows, peer: str) -> Rows:
        section = self.measure if self.measure in ("growth", "clients") else "throughput"
        return [
            row
            for row in rows
            if row["section"] == section and (row["peer"], row["workload"]) == (peer, self.workload)
        ]

    def scaled(self, value: float, of_bars: Yardstick, here: Yardstick) -> float:
        """Return a value for the machine whose yardstick took what it took here."""
        match self.measure:
            case "server_us":
                return value * here.python / of_bars.python
            case "database_us":
                return value * here.database / of_bars.database
            case _:
                return value

    def is_met(self, found: float, bar: float, leeway: float = 0.0) -> bool:
        """Say whether what was found is no worse than a bar, or than so much behind it."""
        return found >= bar * (1 - leeway) if self.is_floor else found <= bar * (1 + leeway)


@dataclass(frozen=True)
class Bars:
    """All bars, and how fast the machine is that they are for."""

    yardstick: Yardstick
    bars: Sequence[Bar]

    def behind(self, rows: Rows, here: Yardstick) -> tuple[Sequence[str], Sequence[str]]:
        """Return what is more than the leeway behind what is held, and what cannot be judged.

        Each is a line. The best round counts: what others do on the machine only adds to a cost.
        Where they took more than `BUSY` of it even then, a ratio is not judged, for whoever has
        one process loses more to them than who has many; and a cost has as much more leeway, for
        they take caches as well.
        """
        lines, open_ = [], []
        for bar in self.bars:
            found = bar.found(rows, best=True)
            if bar.held is None or found is None or bar.measure not in _FAILING:
                continue
            busy = bar.busy(rows)
            if bar.measure == "ratio" and busy > BUSY:
                open_.append(f"{bar.row}: {bar.words}: others took {busy:.0%} of the machine")
                continue
            held = bar.scaled(bar.held, self.yardstick, here)
            leeway = LEEWAY + (busy if busy > BUSY else 0.0)
            if not bar.is_met(found, held, leeway):
                lines.append(
                    f"{bar.row}: {bar.words}: {shown(found)}, more than {leeway:.0%} behind"
                    f" {shown(held)}"
                )
        return lines, open_


def load_bars(path: Path = PATH) -> Bars:
    """Read the bars.

    Raises:
        BenchError: The file is wrong.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        yardstick = Yardstick(content["yardstick"]["python"], content["yardstick"]["database"])
        bars = [Bar(**bar) for bar in content["bar"]]
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise BenchError(f"{path}: {error}") from error
    if unknown := [bar.measure for bar in bars if bar.measure not in _WORDS]:
        raise BenchError(f"{path}: measure: {unknown[0]}: there are {', '.join(_WORDS)}")
    return Bars(yardstick, bars)


def shown(value: float) -> str:
    """Return a number as it is told: three digits of it."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
