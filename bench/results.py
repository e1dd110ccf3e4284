"""What was measured, kept as JSON: all rounds, the machine, the versions, the settings."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

DIRECTORY = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Yardstick:
    """Processor seconds of the pieces of work of `yardstick.py`."""

    python: float
    database: float


def grouped(
    rows: Sequence[Mapping[str, Any]], **of: object
) -> dict[str, dict[str, list[Mapping[str, float]]]]:
    """Return the rounds by peer and workload, of the rows that have certain values."""
    found: dict[str, dict[str, list[Mapping[str, float]]]] = {}
    for row in rows:
        if all(row[name] == value for name, value in of.items()):
            found.setdefault(row["peer"], {}).setdefault(row["workload"], []).append(row)
    return found


def median_of(rounds: Sequence[Mapping[str, float]], name: str) -> float:
    """Return the median of a figure over the rounds."""
    return median(each[name] for each in rounds)


def range_of(rounds: Sequence[Mapping[str, float]], name: str) -> tuple[float, float]:
    """Return the least and the greatest of a figure over the rounds."""
    return min(each[name] for each in rounds), max(each[name] for each in rounds)


def ratios(rows: Sequence[Mapping[str, Any]], workload: str, without: str) -> Sequence[float]:
    """Return what a transaction takes over what it takes without something, of each round.

    Args:
        rows: All that was measured.
        workload: What is sent.
        without: What was switched off for it; see `costs.SWITCHES`.
    """
    some = [row for row in rows if row["section"] == "costs" and row["what"] == "transactions"]
    found: dict[str, dict[float, float]] = {"": {}, without: {}}
    for row in some:
        if row["workload"] == workload:
            found.setdefault(row["without"], {})[row["round"]] = row["database_us"]
    return [
        found[""][index] / found[without][index] for index in found[""] if index in found[without]
    ]


def machine() -> Mapping[str, Any]:
    """Return what this machine is."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(_memory() / 2**30),
        "system": f"{platform.system()} {platform.release()}",
    }


def slug(text: str) -> str:
    """Return a text as a part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def commit() -> str:
    """Return which commit is measured, and whether something was changed since."""
    root = Path(__file__).parents[1]

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=root, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + (" and changes" * bool(git("status", "--short")))


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write results, a round a line, so that a new round is a line of a diff."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1)
    # What has no list or object in it fits a line.
    text = re.sub(r"\{[^{}\[\]]*\}", lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text)
    path.write_text(text + "\n", "utf-8")


def read(path: Path) -> Mapping[str, Any]:
    """Read results."""
    content: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def newest() -> Path | None:
    """Return the results that the page is made from: the last by name, which begins with a day."""
    return max(DIRECTORY.glob("*.json"), default=None)


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
