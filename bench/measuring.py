"""The sections of the bench: who is measured with what, in which order."""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from app.auth.tokens import Tokens
from app.settings import load
from bench import load as loads
from bench import pgbench, rate, services
from bench.answers import Answers, ask, differences
from bench.data import Loaded
from bench.errors import BenchError, FellBehindError
from bench.load import Measured
from bench.population import SENDERS, Population
from bench.services import HEARTH, PGBENCH, Peer
from bench.workloads import kinds_of, tape, values

# Seconds of load before each measurement, and before the first of a server that was just started:
# a compiler at run time takes its time.
WARM_UP = 1
FIRST_WARM_UP = 3

CLIENTS = 16

# Who signs in. Of one network sixteen may wait for a hash, and those whom the warm-up left behind
# are hashed to the end.
SIGNING_IN = 8

# Of the constant-rate runs: requests a second, and what they are.
RATES = (100, 200, 400, 800, 1200)
AT_RATES = ("list_20", "mixed")

MANY_CLIENTS = (1, 4, 16, 64, 256, 1000)

WITH_WORKERS = ("list_20", "me", "create", "mixed")

# As many connections of one process; and so many clients, for whom they never suffice.
POOLS = (1, 2, 4, 8, 16, 32)
OF_POOLS = ("list_20", "create")
CLIENTS_OF_POOLS = 64

WHILE_GROWING = ("list_20", "one", "create", "today")

# Whatever the round: by section, peer, workload and so on, with what was measured.
Row = Mapping[str, str | float]


@dataclass(frozen=True)
class Case:
    """What is measured at once.

    Args:
        section: Which part of the bench it belongs to.
        workload: What is sent.
        workers: Processes of the peer.
        clients: Connections, each of which waits for its answer; 0 at a constant rate.
        rate: Requests a second; 0 where they are as many as are answered.
        pool: Connections of each process to PostgreSQL; 0 for what the bench has.
    """

    section: str
    workload: str
    workers: int = 1
    clients: int = CLIENTS
    rate: int = 0
    pool: int = 0


@dataclass
class Bench:
    """Measures peers on a database.

    Args:
        data: The database.
        place: A directory for what is sent.
        port: Where peers serve.
        pool: Connections of each process of theirs.
        seed: The same gives the same requests and the same orders.
        seconds: Of each measurement.
        tell: Gets a line for each step.
        rows: What was measured.
        behind: Who did not keep up with what.
    """

    data: Loaded
    place: Path
    port: int
    pool: int
    seed: int
    seconds: int
    tell: Callable[[str], None]
    rows: list[Row] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._secret = secrets.token_hex(32)
        self._tokens = _tokens(self._secret, self.data.population, self.seed)
        self._drawn = values(self.data.population, self._tokens, self.seed)
        self._sent: dict[str, int] = {}

    def compare(self, peers: Sequence[Peer]) -> None:
        """Ask every peer what Hearth is asked.

        Raises:
            BenchError: One answers something else.
        """
        others = [peer for peer in peers if peer.name not in (HEARTH, PGBENCH)]
        if not others:
            return
        hearth = services.all_peers()[HEARTH]
        expected = self._answers(hearth)
        lines = []
        for peer in others:
            self.tell(f"what {peer.title} answers")
            lines += [
                f"{peer.title}: {line}" for line in differences(expected, self._answers(peer))
            ]
        if lines:
            raise BenchError("a peer answers something else than Hearth:\n" + "\n".join(lines[:40]))

    def _answers(self, peer: Peer) -> Answers:
        with self._serving(peer, 1, self.pool):
            return ask(peer, self.data, self.port, self._tokens)

    def rounds(self, number: int, peers: Sequence[Peer], cases: Sequence[Case]) -> None:
        """Measure the peers in all cases, so many times; each round in an order of its own.

        Raises:
            BenchError: A request was refused or not answered.
        """
        chance = Random(self.seed)
        for index in range(1, number + 1):
            for peer in chance.sample(peers, len(peers)):
                self.tell(f"{cases[0].section}: round {index} of {number}: {peer.title}")
                # In an order of their own as well: the first finds everything cold.
                own = [case for case in chance.sample(cases, len(cases)) if _has(peer, case)]
                self._round(index, peer, own)

    def _round(self, index: int, peer: Peer, cases: Sequence[Case]) -> None:
        for workers, pool in sorted({(case.workers, case.pool) for case in cases}):
            with self._serving(peer, workers, pool or self.pool) as process:
                some = [case for case in cases if (case.workers, case.pool) == (workers, pool)]
                for case in some:
                    try:
                        self._warm_up(peer, case, process, is_first=case is some[0])
                        measured = self._measure(peer, case, process)
                    except FellBehindError as error:
                        words = f"{peer.title} fell behind {case.rate} a second of {case.workload}"
                        self.tell(f"{words}: {error}")
                        self.behind.append(words)
                        continue
                    except BenchError as error:
                        raise BenchError(f"{peer.title}, {case.workload}: {error}") from error
                    self._note(index, peer, case, measured)

    def _note(self, index: int, peer: Peer, case: Case, measured: Measured) -> None:
        self.rows.append(
            {
                "section": case.section,
                "tasks": self.data.population.tasks,
                "workers": case.workers,
                "clients": case.clients,
                "rate": case.rate,
                "pool": case.pool or self.pool,
                "peer": peer.name,
                "workload": case.workload,
                "round": index,
                **measured.as_json(),
            }
        )

    @contextmanager
    def _serving(self, peer: Peer, workers: int, pool: int) -> Iterator[int]:
        if peer.name == PGBENCH:
            yield 0
            return
        with services.serving(
            peer,
            url=self.data.url("app_api"),
            secret=self._secret,
            port=self.port,
            workers=workers,
            pool=pool,
            token=next(iter(self._tokens.values())),
        ) as process:
            yield process

    def _warm_up(self, peer: Peer, case: Case, process: int, *, is_first: bool) -> None:
        if peer.name != PGBENCH:
            seconds = FIRST_WARM_UP if is_first else WARM_UP
            self._wrk(peer, replace(case, clients=case.clients or CLIENTS), process, seconds)

    def _measure(self, peer: Peer, case: Case, process: int) -> Measured:
        if peer.name == PGBENCH:
            return loads.pgbench(
                self.data.pgbench,
                self.data.url("app_api"),
                pgbench.script(case.workload, self.data.population),
                seconds=self.seconds,
                clients=case.clients,
                postmaster=self.data.postmaster,
            )
        if case.rate:
            kinds = kinds_of(case.workload, len(self._drawn), self.seed)
            number = case.rate * self.seconds
            start = self._next(case.workload, number)
            filled = [
                peer.all_requests[kinds[at % len(kinds)]].filled(self._drawn[at % len(kinds)])
                for at in range(start, start + number)
            ]
            return rate.at_rate(
                self.port,
                [rate.encoded(request) for request in filled],
                per_second=case.rate,
                seconds=self.seconds,
                server=process,
                postmaster=self.data.postmaster,
            )
        return self._wrk(peer, case, process, self.seconds)

    def _wrk(self, peer: Peer, case: Case, process: int, seconds: float) -> Measured:
        file = self.place / f"{peer.name}-{case.workload}.tsv"
        if not file.exists():
            lines = tape(case.workload, peer.all_requests, self._drawn, self.seed)
            file.write_text(lines, "utf-8")
        measured = loads.wrk(
            f"http://127.0.0.1:{self.port}",
            file,
            start=self._next(case.workload, 0),
            seconds=seconds,
            clients=case.clients,
            server=process,
            postmaster=self.data.postmaster,
        )
        self._next(case.workload, measured.requests)
        return measured

    def _next(self, workload: str, number: int) -> int:
        """Return the request to begin with, and go so many further.

        Each goes on where the one before stopped, whoever that was: what was completed is opened
        again next, and completed after that.
        """
        at = self._sent.get(workload, 0)
        self._sent[workload] = at + number
        return at


def cases(section: str, workloads: Sequence[str]) -> Sequence[Case]:
    """Return what a section measures, of some workloads.

    Args:
        section: throughput, workers, latency, clients, pools or growth.
        workloads: Those that were asked for.
    """
    match section:
        case "throughput":
            return [
                Case(section, each, clients=SIGNING_IN if each == "sign_in" else CLIENTS)
                for each in workloads
            ]
        case "workers":
            cores = os.cpu_count() or 1
            some = [each for each in WITH_WORKERS if each in workloads]
            return [
                Case(section, workload, workers=number)
                for workload in some
                for number in sorted({1, 2, cores})
            ]
        case "latency":
            some = [each for each in AT_RATES if each in workloads]
            return [
                Case(section, workload, clients=0, rate=each) for workload in some for each in RATES
            ]
        case "clients":
            return [Case(section, "list_20", clients=number) for number in MANY_CLIENTS]
        case "pools":
            some = [each for each in OF_POOLS if each in workloads]
            return [
                Case(section, workload, clients=CLIENTS_OF_POOLS, pool=number)
                for workload in some
                for number in POOLS
            ]
        case _:
            return [Case(section, each) for each in WHILE_GROWING if each in workloads]


def _has(peer: Peer, case: Case) -> bool:
    if peer.name == PGBENCH:
        return case.workload in pgbench.QUERIES and case.section in ("throughput", "growth")
    if case.workload == "mixed":
        return not any(workload in peer.absent for workload in set(kinds_of("mixed", 1000, 0)))
    return case.workload not in peer.absent


def _tokens(secret: str, population: Population, seed: int) -> Mapping[int, str]:
    """Return a token for each person that sends requests, good for a day."""
    makes = Tokens(load(jwt_secret=secret, access_token_minutes=1440))
    people = population.some_people(SENDERS, Random(seed))
    return {person.number: makes.make(person.context) for person in people}
