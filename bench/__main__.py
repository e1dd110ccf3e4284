"""Measure what Hearth costs, beside its peers, on one database and one machine.

Everybody is measured in every round, in an order of its own, and started anew for it. Results are
medians over the rounds. Exit code 1 where something cannot be measured or is behind its bar.
"""

import argparse
import secrets
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

from app.auth.tokens import Tokens
from app.settings import load
from bench import load as loads
from bench import pgbench, services, yardstick
from bench.data import Loaded, loaded
from bench.errors import BenchError
from bench.load import Measured
from bench.population import Person, Population
from bench.services import HEARTH, PGBENCH, Peer
from bench.workloads import PEOPLE, WORKLOADS, tape, values

# Of these, the quick run.
QUICK_PEERS = (HEARTH, PGBENCH, "fastapi-sqlalchemy", "fastify")
QUICK_WORKLOADS = ("list_20", "me", "create")

# Seconds of load before each measurement.
WARM_UP = 1

Rounds = dict[tuple[str, str], list[Measured]]


@dataclass
class Bench:
    """A run of the bench.

    Args:
        data: The database.
        options: What the command line says.
        place: A directory for what is sent.
    """

    data: Loaded
    options: argparse.Namespace
    place: Path

    def __post_init__(self) -> None:
        population, seed = self.data.population, self.options.seed
        self.secret = secrets.token_hex(32)
        self.tokens = _tokens(self.secret, population, seed)
        self._drawn = values(population, self.tokens, seed)
        self._sent: dict[tuple[str, str], int] = {}

    def round(self, peer: Peer, workloads: Sequence[str], found: Rounds) -> None:
        """Measure a peer in each workload that it has, and add what comes of it."""
        asked = [workload for workload in workloads if not _lacks(peer, workload)]
        if not asked:
            return
        if peer.name == PGBENCH:
            for workload in asked:
                found.setdefault((peer.name, workload), []).append(self._pgbench(workload))
            return
        with services.serving(
            peer,
            url=self.data.url("app_api"),
            secret=self.secret,
            port=self.options.port,
            workers=self.options.workers,
            pool=self.options.pool,
            token=next(iter(self.tokens.values())),
        ) as process:
            for workload in asked:
                try:
                    self._wrk(peer, workload, process, WARM_UP)
                    measured = self._wrk(peer, workload, process, self.options.seconds)
                except BenchError as error:
                    raise BenchError(f"{peer.title}, {workload}: {error}") from error
                found.setdefault((peer.name, workload), []).append(measured)

    def _wrk(self, peer: Peer, workload: str, process: int, seconds: float) -> Measured:
        file = self.place / f"{peer.name}-{workload}.tsv"
        if not file.exists():
            lines = tape(workload, peer.all_requests, self._drawn, self.options.seed)
            file.write_text(lines, "utf-8")
        # Each goes on where the one before stopped, whoever that was: what was completed is open
        # again, and what is logged anew was not logged by somebody else a moment ago.
        key = (workload, "")
        measured = loads.wrk(
            f"http://127.0.0.1:{self.options.port}",
            file,
            start=self._sent.get(key, 0),
            seconds=seconds,
            clients=self.options.clients,
            server=process,
            postmaster=self.data.postmaster,
        )
        self._sent[key] = self._sent.get(key, 0) + measured.requests
        return measured

    def _pgbench(self, workload: str) -> Measured:
        return loads.pgbench(
            self.data.pgbench,
            self.data.url("app_api"),
            pgbench.script(workload, self.data.population),
            seconds=self.options.seconds,
            clients=self.options.clients,
            postmaster=self.data.postmaster,
        )


def _lacks(peer: Peer, workload: str) -> bool:
    return workload in peer.absent or (peer.name == PGBENCH and workload not in pgbench.QUERIES)


def _tokens(secret: str, population: Population, seed: int) -> Mapping[int, str]:
    """Return a token for each person that sends requests, good for a day."""
    makes = Tokens(load(jwt_secret=secret, access_token_minutes=1440))
    people: list[Person] = population.some_people(PEOPLE, Random(seed))
    return {person.number: makes.make(person.context) for person in people}


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small data set, few workloads")
    parser.add_argument("--tasks", type=int, help="1,000,000; --quick: 100,000")
    parser.add_argument("--families", type=int, help="of ten people; tasks / 1000 by default")
    parser.add_argument("--peers", type=_names, help="separated by commas; all by default")
    parser.add_argument("--workloads", type=_names, help="separated by commas; all by default")
    parser.add_argument("--rounds", type=int, help="5; --quick: 3")
    parser.add_argument("--seconds", type=int, help="of each measurement: 8; --quick: 3")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1, help="processes of each peer")
    parser.add_argument("--pool", type=int, default=8, help="connections of each process")
    parser.add_argument("--port", type=int, default=8790)
    parser.add_argument("--seed", type=int, default=15)
    options = parser.parse_args(words)
    quick = options.quick
    options.tasks = options.tasks or (100_000 if quick else 1_000_000)
    options.families = options.families or max(options.tasks // 1000, 2)
    options.rounds = options.rounds or (3 if quick else 5)
    options.seconds = options.seconds or (3 if quick else 8)
    options.workloads = options.workloads or (QUICK_WORKLOADS if quick else WORKLOADS)
    if unknown := [each for each in options.workloads if each not in WORKLOADS]:
        parser.error(f"--workloads: {', '.join(unknown)}: there are {', '.join(WORKLOADS)}")
    if options.families < 2 or options.tasks < 40 * options.families:
        parser.error("--families: at least 2, and 40 tasks for each")
    return options


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _peers(options: argparse.Namespace) -> Sequence[Peer]:
    """Return who is measured; tell who is not, and why."""
    known = services.all_peers()
    wanted = options.peers or (QUICK_PEERS if options.quick else tuple(known))
    chosen = []
    for name in wanted:
        if name not in known:
            if options.peers:
                raise BenchError(f"--peers: {name}: there are {', '.join(known)}")
            continue
        if missing := known[name].missing:
            _tell(f"not run: {known[name].title}: {', '.join(missing)} not on PATH")
            continue
        services.install(known[name])
        chosen.append(known[name])
    return chosen


def _table(found: Rounds) -> str:
    lines = [
        f"{'':22}{'':12}{'requests/s':>11}{'server us':>11}{'PG us':>9}{'p50 ms':>9}{'p99 ms':>9}"
    ]
    for (peer, workload), rounds in sorted(found.items(), key=lambda item: item[0][1]):
        of = {
            name: median(getattr(each, name) for each in rounds)
            for name in ("per_second", "server_us", "database_us", "p50_ms", "p99_ms")
        }
        lines.append(
            f"{peer:22}{workload:12}{of['per_second']:11,.0f}{of['server_us']:11,.0f}"
            f"{of['database_us']:9,.0f}{of['p50_ms']:9.2f}{of['p99_ms']:9.2f}"
        )
    return "\n".join(lines)


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - it is what the command is for


def run(options: argparse.Namespace) -> int:
    """Measure, and tell."""
    peers = _peers(options)
    found: Rounds = {}
    chance = Random(options.seed)
    with (
        loaded(Population(options.families, options.tasks), _tell) as data,
        tempfile.TemporaryDirectory(prefix="hearth-bench-") as place,
    ):
        bench = Bench(data, options, Path(place))
        python, database = (
            yardstick.python_seconds(),
            yardstick.database_seconds(data.url("postgres")),
        )
        _tell(f"yardstick: Python {python:.3f} s, PostgreSQL {database:.3f} s")
        for number in range(1, options.rounds + 1):
            for peer in chance.sample(peers, len(peers)):
                _tell(f"round {number} of {options.rounds}: {peer.title}")
                bench.round(peer, options.workloads, found)
    _tell(_table(found))
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return run(_arguments(words))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)  # noqa: T201
        return 130


if __name__ == "__main__":
    sys.exit(main())
