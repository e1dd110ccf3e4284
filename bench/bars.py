"""What Hearth is held to, and whether it holds."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.results import Yardstick, median_of
from bench.services import HEARTH

PATH = Path(__file__).parent / "bars.toml"

# How far behind what is held the quick run may be: what a busy machine does to a measurement.
LEEWAY = 0.2

# What the quick run fails for. Latency is the machine's as much as ours.
_FAILING = ("ratio", "server_us", "database_us")

_WORDS = {
    "ratio": "requests/s on {workload} over {peer}",
    "server_us": "server, us of CPU for {workload}",
    "database_us": "PostgreSQL, us of CPU for {workload}",
    "p99_ms": "p99 of {workload}, ms",
    "p99_over_p50": "p99 over p50 of {workload}",
}

Rounds = Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]


@dataclass(frozen=True)
class Bar:
    """A bar; see bars.toml."""

    row: str
    measure: str
    workload: str
    peer: str = ""
    wanted: float | None = None
    held: float | None = None

    @property
    def words(self) -> str:
        """What is measured."""
        return _WORDS[self.measure].format(workload=self.workload, peer=self.peer)

    @property
    def is_floor(self) -> bool:
        """Whether more is better."""
        return self.measure == "ratio"

    def found(self, rounds: Rounds) -> float | None:
        """Return what was measured; `None` if it was not."""
        ours = rounds.get(HEARTH, {}).get(self.workload)
        if not ours:
            return None
        match self.measure:
            case "ratio":
                theirs = rounds.get(self.peer, {}).get(self.workload)
                if not theirs:
                    return None
                return median_of(ours, "per_second") / median_of(theirs, "per_second")
            case "p99_over_p50":
                return median_of(ours, "p99_ms") / median_of(ours, "p50_ms")
            case _:
                return median_of(ours, self.measure)

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

    def behind(self, rounds: Rounds, here: Yardstick) -> Sequence[str]:
        """Return what is more than the leeway behind what is held, a line each."""
        lines = []
        for bar in self.bars:
            found = bar.found(rounds)
            if bar.held is None or found is None or bar.measure not in _FAILING:
                continue
            held = bar.scaled(bar.held, self.yardstick, here)
            if not bar.is_met(found, held, LEEWAY):
                lines.append(
                    f"{bar.row}: {bar.words}: {shown(found)}, more than {LEEWAY:.0%} behind"
                    f" {shown(held)}"
                )
        return lines


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
