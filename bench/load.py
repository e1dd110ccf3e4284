"""Load on a peer: wrk for services, pgbench for the database alone."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.cpu import cpu_seconds, machine_seconds
from bench.errors import BenchError


@dataclass(frozen=True)
class Measured:
    """What a run came to.

    Args:
        requests: How many were answered.
        per_second: Of them, in the time of the run.
        server_us: Processor time of the server's processes per request, in microseconds.
        database_us: The same of PostgreSQL's.
        p50_ms: The latency that half of them had at most.
        p99_ms: That 99 of 100 had.
        others: The share of the machine's processors that others took meanwhile, from 0 to 1.
    """

    requests: int
    per_second: float
    server_us: float
    database_us: float
    p50_ms: float
    p99_ms: float
    others: float

    def as_json(self) -> dict[str, float]:
        """Return it for the results."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def require_wrk() -> None:
    """Raise `BenchError` if wrk is not installed."""
    if shutil.which("wrk") is None:
        raise BenchError("wrk is missing: apt-get install wrk, or brew install wrk")


def wrk(
    url: str, tape: Path, *, start: int, seconds: float, clients: int, server: int, postmaster: int
) -> Measured:
    """Send the requests of a tape, in turn, as fast as they are answered.

    Args:
        url: Where to.
        tape: What `workloads.tape` returns.
        start: The line to begin with.
        seconds: For how long; whole ones.
        clients: Connections, of which each waits for its answer.
        server: The first process of the server.
        postmaster: The first process of PostgreSQL.

    Raises:
        BenchError: A request was refused or not answered.
    """
    command = [
        *("wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{seconds:.0f}s"),
        *("--timeout", "10s", "--script", str(Path(__file__).parent / "wrk.lua"), url, "--"),
        *(str(tape), str(start)),
    ]
    meter = Meter(server, postmaster)
    text = _output(command)
    taken = meter.read()
    found = re.search(r"^bench (.*)$", text, re.MULTILINE)
    if found is None:
        raise BenchError(f"wrk said nothing that can be read:\n{text}")
    told = json.loads(found[1])
    if told["refused"] or told["broken"] or not told["requests"]:
        raise BenchError(
            f"{told['refused']} of {told['requests']} requests were refused,"
            f" {told['broken']} not answered"
        )
    return Measured(
        told["requests"],
        told["requests"] / told["seconds"],
        taken.server / told["requests"] * 1e6,
        taken.database / told["requests"] * 1e6,
        told["p50_us"] / 1000,
        told["p99_us"] / 1000,
        taken.others,
    )


def pgbench(
    program: Path, url: str, script: str, *, seconds: float, clients: int, postmaster: int
) -> Measured:
    """Run a script of pgbench as fast as it goes; there is no server, so `server_us` is 0.

    Raises:
        BenchError: It failed.
    """
    with tempfile.TemporaryDirectory(prefix="hearth-bench-") as place:
        file = Path(place, "script.sql")
        file.write_text(script, "utf-8")
        command = [
            *(str(program), "--no-vacuum", "--protocol", "simple", "--define", "is_prepared=0"),
            *("--client", str(clients), "--jobs", "1", "--time", f"{seconds:.0f}"),
            *("--log", "--log-prefix", str(Path(place, "log")), "--sampling-rate", "0.2"),
            *("--file", str(file), url),
        ]
        meter = Meter(0, postmaster)
        text = _output(command)
        taken = meter.read()
        found = re.search(r"actually processed: (\d+)", text)
        speed = re.search(r"tps = ([\d.]+)", text)
        if found is None or speed is None or int(found[1]) == 0:
            raise BenchError(f"pgbench said nothing that can be read:\n{text}")
        if (failed := re.search(r"failed transactions: (\d+)", text)) and failed[1] != "0":
            raise BenchError(f"pgbench: {failed[1]} transactions failed")
        lines = [line for log in Path(place).glob("log.*") for line in log.read_text().splitlines()]
        times = sorted(int(line.split()[2]) / 1000 for line in lines)
    number = int(found[1])
    return Measured(
        number,
        float(speed[1]),
        0.0,
        taken.database / number * 1e6,
        percentile(times, 50),
        percentile(times, 99),
        taken.others,
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the value that so many of a hundred do not exceed; 0 of nothing."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


@dataclass(frozen=True)
class Taken:
    """Processor seconds of the server and of PostgreSQL, and the share that others took."""

    server: float
    database: float
    others: float


class Meter:
    """Tells what is taken from now on.

    Args:
        server: The first process of the server; 0 for none.
        postmaster: The first process of PostgreSQL.
    """

    def __init__(self, server: int, postmaster: int) -> None:
        self._roots = (server, postmaster)
        self._before = self._look()

    def read(self) -> Taken:
        """Return what has been taken; of us, and of programs that we have waited for."""
        now = self._look()
        server, database, ours, all_of_it, clock = (
            late - early for early, late in zip(self._before, now, strict=True)
        )
        others = (all_of_it - ours - server - database) / (clock * (os.cpu_count() or 1))
        return Taken(server, database, max(others, 0.0))

    def _look(self) -> tuple[float, ...]:
        of_roots = [cpu_seconds(root) if root else 0.0 for root in self._roots]
        return (*of_roots, sum(os.times()[:4]), machine_seconds(), time.monotonic())


def _output(command: Sequence[str]) -> str:
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    )
    try:
        text = process.communicate()[0].decode("utf-8", "replace")
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
    if process.returncode != 0:
        raise BenchError(f"{command[0]} failed:\n{text[-2000:]}")
    return text
