"""Measure what Hearth costs, beside its peers, on one database and one machine.

Everybody is measured in every round, in an order of its own, and started anew for it. Results are
medians over the rounds. Exit code 1 where something cannot be measured or, in the quick run, is
more than a fifth behind what bars.toml holds.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from bench import costs, services, yardstick
from bench.bars import load_bars, shown
from bench.data import PLACE, SETTINGS, Loaded, loaded
from bench.errors import BenchError
from bench.load import require_wrk
from bench.measuring import Bench, Row, cases
from bench.plans import plans
from bench.population import Population
from bench.results import (
    DIRECTORY,
    Yardstick,
    commit,
    grouped,
    machine,
    median_of,
    read,
    save,
    slug,
)
from bench.services import HEARTH, PGBENCH, Peer
from bench.workloads import WORKLOADS

SECTIONS = ("throughput", "workers", "latency", "clients", "pools", "growth", "costs")

# Of all there are, what the quick run takes.
QUICK_PEERS = (HEARTH, PGBENCH, "fastapi_sqlalchemy", "fastify")
QUICK_SECTIONS = ("throughput", "costs")
QUICK_WORKLOADS = ("list_20", "me", "create")

# Who shows how it goes with more clients, and with more data.
CURVES = (HEARTH, "fastify")

_SIZES = """of the growth, in tasks: 10000,100000,1000000,10000000
the last takes 20 GB of disk meanwhile, and six minutes to load, each time"""

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="a small data set, few workloads, no results kept")
    add("--sections", type=_names, help=f"of {', '.join(SECTIONS)}; --quick: throughput, costs")
    add("--peers", type=_names, help="by name, separated by commas; all there are")
    add("--workloads", type=_names, help="all there are; --quick: list_20, me, create")
    add("--tasks", type=_positive, help="1000000; --quick: 100000")
    add("--families", type=_positive, help="of ten people; one for each 1000 tasks")
    add("--sizes", type=_numbers, help=_SIZES)
    add("--rounds", type=_positive, help="5; --quick, costs: 3")
    add("--seconds", type=_positive, help="of each measurement: 8; --quick: 3; costs: 2")
    add("--pool", type=_positive, default=8, help="connections of each process: 8")
    add("--port", type=_positive, default=8790, help="where peers serve: 8790")
    add("--seed", type=int, default=15, help="of the requests and of the orders: 15")
    add("--machine", help="what results call this machine; by default after its processor")
    options = parser.parse_args(words)
    quick = options.quick
    options.sections = options.sections or (QUICK_SECTIONS if quick else SECTIONS)
    options.workloads = options.workloads or (QUICK_WORKLOADS if quick else WORKLOADS)
    options.tasks = options.tasks or (100_000 if quick else 1_000_000)
    options.families = options.families or _families(options.tasks)
    options.sizes = options.sizes or SIZES
    options.cost_rounds, options.cost_seconds = options.rounds or 3, options.seconds or 2
    options.rounds = options.rounds or (3 if quick else 5)
    options.seconds = options.seconds or (3 if quick else 8)
    options.machine = options.machine or slug(f"{machine()['processor']} {os.cpu_count()} cores")
    for name, known in (("sections", SECTIONS), ("workloads", WORKLOADS)):
        if unknown := [each for each in getattr(options, name) if each not in known]:
            parser.error(f"--{name}: {unknown[0]}: there are {', '.join(known)}")
    for section in options.sections:
        if section != "costs" and not cases(section, options.workloads):
            parser.error(f"--workloads: {section} measures none of them")
    for tasks, families in [
        (options.tasks, options.families),
        *((size, _families(size)) for size in options.sizes),
    ]:
        if families < 2 or tasks < 40 * families:
            parser.error("there must be two families, and 40 tasks for each")
    return options


def _families(tasks: int) -> int:
    return max(tasks // (1000 if tasks < SIZES[-1] else 100), 2)


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _numbers(text: str) -> list[int]:
    return [_positive(part) for part in _names(text)]


def _peers(options: argparse.Namespace) -> tuple[list[Peer], dict[str, str]]:
    """Return who is measured, installed; and who is not, with the reason."""
    known = services.all_peers()
    wanted = options.peers or (QUICK_PEERS if options.quick else tuple(known))
    chosen, not_run = [], {}
    for name in wanted:
        peer = known.get(name)
        if peer is None:
            if options.peers:
                raise BenchError(f"--peers: {name}: there are {', '.join(known)}")
        elif peer.missing:
            not_run[peer.title] = f"{' and '.join(peer.missing)} not on PATH"
            _tell(f"not run: {peer.title}: {not_run[peer.title]}")
        else:
            if services.is_to_be_installed(peer):
                _tell(f"installing {peer.title}")
                services.install(peer)
            chosen.append(peer)
    return chosen, not_run


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - it is what the command is for


def _run(options: argparse.Namespace) -> int:
    of_services = [each for each in options.sections if each != "costs"]
    if of_services:
        require_wrk()
    peers, not_run = _peers(options) if of_services else ([], None)
    of = {section: _of(section, peers) for section in options.sections}
    if nobody := [section for section in of_services if not of[section]]:
        raise BenchError(f"--peers: {nobody[0]} measures none of them, but {', '.join(CURVES)}")
    rows: list[Row] = []
    grown: dict[str, list[Any]] = {"populations": [], "plans": []}
    content: dict[str, Any] = {
        "machine": {"name": options.machine, **machine()},
        "peers": {
            peer.name: {
                "title": peer.title,
                "versions": services.versions(peer),
                "absent": peer.absent,
            }
            for peer in peers
        },
        **({} if not_run is None else {"not_run": not_run}),
        "settings": {
            "pool": options.pool,
            "seed": options.seed,
            "postgresql": SETTINGS,
        },
        "sections": {},
    }
    today = date.today().isoformat()  # noqa: DTZ011 - the day here
    about: dict[str, Any] = {
        "taken_on": today,
        "commit": commit(),
        "rounds": options.rounds,
        "seconds": options.seconds,
    }
    path = DIRECTORY / f"{today}-{options.machine}.json"
    if options.quick:
        path = PLACE / "quick.json"
    growing = [each for each in options.sections if each == "growth"]
    still = [each for each in options.sections if each != "growth"]
    sizes = [(options.families, options.tasks, still)] if still else []
    sizes += [(_families(size), size, growing) for size in options.sizes if growing]
    for families, tasks, sections in sizes:
        with (
            loaded(Population(families, tasks), _tell) as data,
            tempfile.TemporaryDirectory(prefix="hearth-bench-") as place,
        ):
            content["postgresql"] = data.version
            if "yardstick" not in about:
                about["yardstick"] = {
                    "python": round(yardstick.python_seconds(), 3),
                    "database": round(yardstick.database_seconds(data.url("postgres")), 3),
                }
            bench = Bench(
                data, Path(place), options.port, options.pool, options.seed, options.seconds, _tell
            )
            bench.rows = rows
            bench.compare([peer for peer in peers if any(peer in of[each] for each in sections)])
            if sections is growing:
                some_workloads = [each.workload for each in cases("growth", options.workloads)]
                grown["plans"] += plans(
                    data.url("app_api"), data.population, some_workloads, options.seed
                )
                grown["populations"].append(data.population.as_json())
            of_data = grown if sections is growing else {"population": data.population.as_json()}
            for section in sections:
                if section == "costs":
                    of_costs = _costs(data, options, rows)
                    content["sections"][section] = {**about, **of_data, **of_costs}
                    content["rows"] = rows
                    _keep(path, content, options.quick)
                    continue
                bench.rounds(options.rounds, of[section], cases(section, options.workloads))
                behind = sorted(set(bench.behind))
                content["sections"][section] = {**about, **of_data, "behind": behind}
                bench.behind.clear()
                content["rows"] = rows
                _keep(path, content, options.quick)
    _tell(_table(rows))
    return _judge(rows, Yardstick(**about["yardstick"]), options)


_CURVED = ("clients", "pools", "growth")


def _of(section: str, peers: Sequence[Peer]) -> Sequence[Peer]:
    """Return who is measured in a section; in that of costs nobody serves."""
    if section == "costs":
        return []
    return [peer for peer in peers if peer.name in CURVES or section not in _CURVED]


def _costs(data: Loaded, options: argparse.Namespace, rows: list[Row]) -> dict[str, Any]:
    """Measure what the database's parts cost; return what is to be said of it.

    The quick run has what the bars are about, and no more.
    """
    rounds, seconds = options.cost_rounds, options.cost_seconds
    measured = costs.Costs(costs.place_of(data), seconds, options.seed, _tell)
    measured.rows = rows
    said = {"rounds": rounds, "seconds": seconds}
    if options.quick:
        measured.switches = ("rls", "audit")
        measured.transactions(rounds, options.workloads)
        return said
    measured.transactions(rounds, options.workloads)
    measured.ids(rounds)
    return {**said, "alembic": measured.migrations(data, rounds)}


def _keep(path: Path, content: dict[str, Any], is_whole: bool) -> None:
    """Write the results; of the same day, sections that were not measured now stay."""
    # Who looked for no peer does not know whom one could not run.
    content = {"not_run": {}, **content} if is_whole or not path.exists() else content
    if path.exists() and not is_whole:
        before, new = read(path), content["sections"]
        old = [row for row in before["rows"] if row["section"] not in new]
        content = {
            "not_run": before["not_run"],
            **content,
            "peers": {**before["peers"], **content["peers"]},
            "sections": {**before["sections"], **new},
            "rows": [*old, *content["rows"]],
        }
    save(path, content)


def _judge(rows: Sequence[Row], here: Yardstick, options: argparse.Namespace) -> int:
    bars = load_bars()
    _tell(
        f"\nyardstick: Python {here.python} s, PostgreSQL {here.database} s; of the bars:"
        f" {bars.yardstick.python} s, {bars.yardstick.database} s"
    )
    for bar in bars.bars:
        found = bar.found(rows)
        if found is None:
            continue
        line = f"{bar.row:4}{bar.words}: {shown(found)}"
        if bar.wanted is not None:
            wanted = bar.scaled(bar.wanted, bars.yardstick, here)
            word = "met" if bar.is_met(found, wanted) else "missed"
            line += f"; wanted {'>=' if bar.is_floor else '<='} {shown(wanted)}: {word}"
        if bar.held is not None:
            line += f"; held {shown(bar.scaled(bar.held, bars.yardstick, here))}"
        _tell(line)
    if not options.quick:
        return 0
    behind, not_judged = bars.behind(rows, here)
    for line in not_judged:
        _tell(f"not judged: {line}")
    for line in behind:
        _tell(f"behind: {line}")
    return 1 if behind else 0


def _table(rows: Sequence[Row]) -> str:
    lines = costs.table(rows)
    kinds = dict.fromkeys(
        tuple(row[name] for name in ("section", "tasks", "workers", "clients", "rate", "pool"))
        for row in rows
        if row["section"] != "costs"
    )
    for section, tasks, workers, clients, rate, pool in kinds:
        how = f"{clients} clients" if clients else f"{rate} requests a second"
        lines.append(
            f"\n{section}: {tasks:,} tasks, {workers} worker(s) of {pool} connections, {how}"
        )
        heads = ("requests/s", "server us", "PG us", "p50 ms", "p99 ms", "others %")
        lines.append(" " * 34 + "".join(f"{head:>11}" for head in heads))
        chosen = grouped(
            rows,
            section=section,
            tasks=tasks,
            workers=workers,
            clients=clients,
            rate=rate,
            pool=pool,
        )
        for workload in dict.fromkeys(each for of_peer in chosen.values() for each in of_peer):
            for peer, of_peer in chosen.items():
                if workload in of_peer:
                    figures = [
                        median_of(of_peer[workload], name)
                        for name in (
                            *("per_second", "server_us", "database_us"),
                            *("p50_ms", "p99_ms", "others"),
                        )
                    ]
                    lines.append(
                        f"  {peer:20}{workload:12}{figures[0]:11,.0f}{figures[1]:11,.0f}"
                        f"{figures[2]:11,.0f}{figures[3]:11.2f}{figures[4]:11.2f}"
                        f"{100 * figures[5]:11.0f}"
                    )
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return _run(_arguments(words))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)  # noqa: T201
        return 130


if __name__ == "__main__":
    sys.exit(main())
