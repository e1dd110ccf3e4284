"""The page about performance and its curves, made from the newest results."""

from collections.abc import Mapping, Sequence
from difflib import unified_diff
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from bench.bars import BUSY, Bar, load_bars, shown
from bench.chart import chart
from bench.costs import IDS_BEFORE, IDS_MORE, IDS_SETTINGS
from bench.results import Yardstick, grouped, median_of, newest, range_of, ratios, read
from bench.workloads import MIXED, REQUESTS_OF, WORKLOADS

ROOT = Path(__file__).parents[1]
PAGE = "docs/reference/performance.md"

_FIGURES = {
    "requests/s": "per_second",
    "server, us": "server_us",
    "PostgreSQL, us": "database_us",
    "p50, ms": "p50_ms",
    "p99, ms": "p99_ms",
}

Rows = Sequence[Mapping[str, Any]]


def documents(name: str, content: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the files that results make, by their path in the checkout.

    Args:
        name: The file that the results are in.
        content: What `results.read` returns.
    """
    page = _Page(content)
    parts = [_HEAD.format(name=name)]
    if (busy := median_of(content["rows"], "others")) > BUSY:
        parts.append(_BUSY.format(share=f"{busy:.0%}"))
    for title, part in (
        ("Against what is asked for", page.bars),
        ("One process each", page.throughput),
        ("More processes", page.workers),
        ("Latency at a constant rate", page.latency),
        ("More clients", page.clients),
        ("More connections to PostgreSQL", page.pools),
        ("More data", page.growth),
        ("What it costs in the database", page.costs),
        ("How it was measured", page.method),
    ):
        if text := part():
            parts.append(f"## {title}\n\n{text}")
    return {PAGE: "\n".join(parts), **page.images}


_HEAD = """\
# Performance

What a request costs, beside what it costs others on the same database, with the same row level
security, tokens, membership check and answers.

Written by `make performance` from
[{name}](../../bench/results/{name}); do not edit. What was not measured is not here.
"""


_BUSY = """\
**Taken on a busy machine: others took {share} of it.** Requests a second, their ratios and
latencies are not those of a quiet one, and processor time is more, by up to half.
"""


class _Page:
    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self._rows: Rows = content["rows"]
        self._titles = {name: peer["title"] for name, peer in content["peers"].items()}
        self.images: dict[str, str] = {}

    def bars(self) -> str:
        bars = load_bars()
        sections = self._content["sections"]
        taken = sections.get("throughput", next(iter(sections.values())))
        here = Yardstick(**taken["yardstick"])
        lines, reasons = [], []
        for bar in bars.bars:
            found = bar.found(self._rows)
            if bar.wanted is None:
                continue
            sign = "at least" if bar.is_floor else "at most"
            wanted = bar.scaled(bar.wanted, bars.yardstick, here)
            start = f"| {bar.row} | {self._words(bar)} | {sign} {shown(wanted)} |"
            if found is None:
                lines.append(f"{start} | not measured |")
                continue
            is_met = bar.is_met(found, wanted)
            lines.append(f"{start} {shown(found)} | {'met' if is_met else 'missed'} |")
            if bar.why and not is_met:
                reasons.append(f"{bar.row}, {self._words(bar)}: {bar.why}\n")
        text = _table(["row", "what", "wanted", "measured", ""], lines)
        if reasons:
            text += "\nWhy what is missed is missed:\n\n" + "\n".join(
                f"- {each}" for each in reasons
            )
        return text + (
            "\nProcessor time is wanted of the machine whose yardstick is in `bench/bars.toml`,\n"
            "and is scaled here by this one's.\n"
        )

    def _words(self, bar: Bar) -> str:
        title = self._titles.get(bar.peer, bar.peer)
        return bar.words.replace(bar.peer, title) if bar.peer else bar.words

    def throughput(self) -> str:
        rounds = grouped(self._rows, section="throughput")
        if not rounds:
            return ""
        text = (
            "Sixteen clients, or eight that sign in, each of which waits for its answer. The median"
            " of the rounds, and the range. Processor time is per request, of all processes of the"
            " server and of all of PostgreSQL; on a busy machine it holds better than the rest"
            " does.\n"
        )
        for workload in WORKLOADS:
            lines = [
                _line(self._titles[peer], of_peer[workload])
                for peer, of_peer in rounds.items()
                if workload in of_peer
            ]
            if lines:
                text += f"\n### {workload}\n\n{_what(workload)}\n\n"
                text += _table(["", *_FIGURES], lines)
        return text

    def workers(self) -> str:
        return self._by("workers", "workers", "processes")

    def latency(self) -> str:
        text = (
            "Requests come at a constant rate, whatever becomes of those before; a latency counts"
            " from the moment a request was meant for. Where a server cannot keep up, it grows with"
            " the length of the run.\n\n"
        )
        table = self._by("latency", "rate", "asked for a second")
        for workload in ("list_20", "mixed"):
            text += self._image(
                "latency", "rate", "p99_ms", workload, "requests a second", f"p99 of {workload}, ms"
            )
        if not table:
            return ""
        behind = self._content["sections"]["latency"].get("behind", ())
        return text + "".join(f"- {each}.\n" for each in behind) + table

    def clients(self) -> str:
        table = self._by("clients", "clients", "clients")
        if not table:
            return ""
        return self._curves("clients", "clients", "clients", "list_20") + table

    def pools(self) -> str:
        table = self._by("pools", "pool", "connections")
        if not table:
            return ""
        text = "One process, of as many connections, and 64 clients.\n\n"
        for workload in ("list_20", "create"):
            text += self._curves("pools", "pool", "connections", workload)
        return text + table

    def _curves(self, section: str, name: str, x: str, workload: str) -> str:
        """Return a workload's three curves: how many are answered, and how long they wait."""
        return "".join(
            self._image(section, name, figure, workload, x, f"{workload}: {words}")
            for figure, words in (
                ("per_second", "requests a second"),
                ("p50_ms", "p50, ms"),
                ("p99_ms", "p99, ms"),
            )
        )

    def growth(self) -> str:
        table = self._by("growth", "tasks", "tasks")
        if not table:
            return ""
        section = self._content["sections"]["growth"]
        text = "The first family has a tenth of all tasks. Families are of ten people.\n\n"
        if populations := section.get("populations"):
            text += _of_populations(populations)
        rows = [row for row in self._rows if row["section"] == "growth" and row["peer"] == "hearth"]
        for figure, words in (
            ("p50_ms", "p50, ms"),
            ("p99_ms", "p99, ms"),
            ("database_us", "PostgreSQL, us of CPU"),
        ):
            series = {
                workload: _points(rows, "tasks", figure, workload)
                for workload in dict.fromkeys(row["workload"] for row in rows)
            }
            text += self._drawn(f"growth-{figure}", f"Hearth: {words}", "tasks", series)
        return text + table + _of_plans(section.get("plans", ()))

    def costs(self) -> str:
        rows = [row for row in self._rows if row["section"] == "costs"]
        if not rows:
            return ""
        text = _COSTS
        for without, (title, words) in _SWITCHED.items():
            lines = []
            for workload in WORKLOADS:
                if found := ratios(rows, workload, without):
                    share = round(100 - 100 / median(found))
                    lines.append(
                        f"| {workload} | {_cost(rows, workload, '')}"
                        f" | {_cost(rows, workload, without)} | {_ratio(found)} | {share}% |"
                    )
            if lines:
                heads = ["", "as it is, us", "without, us", "ratio", "its part"]
                text += f"\n### {title}\n\n{words}\n\n" + _table(heads, lines)
        return text + self._ids(rows) + self._migrations(rows)

    def _ids(self, rows: Rows) -> str:
        ids = [row for row in rows if row["what"] == "ids"]
        if not ids:
            return ""
        lines = []
        for key in dict.fromkeys(row["workload"] for row in ids):
            for version in sorted({row["version"] for row in ids}, reverse=True):
                some = [row for row in ids if (row["workload"], row["version"]) == (key, version)]
                lines.append(_cells(f"({key}) | {version}", some, _ID_FIGURES))
        return f"\n### Ids\n\n{_IDS}\n\n" + _table(["primary key", "ids", *_ID_FIGURES], lines)

    def _migrations(self, rows: Rows) -> str:
        done = [row for row in rows if row["what"] == "migrate"]
        if not done:
            return ""
        packages = self._content["sections"]["costs"]["alembic"]
        lines = [
            _cells(title, [row for row in done if row["workload"] == name], _MIGRATION_FIGURES)
            for name, title in (("hearth", "`hearth migrate`"), ("alembic", "Alembic"))
        ]
        text = _table(["", *_MIGRATION_FIGURES], lines)
        return f"\n### Migrations\n\n{_MIGRATIONS}\n\n{text}\nAlembic: {packages}.\n"

    def _by(self, section: str, name: str, words: str) -> str:
        """Return a table of a section, whose lines differ by one more thing."""
        rows = [row for row in self._rows if row["section"] == section]
        text = ""
        for workload in dict.fromkeys(row["workload"] for row in rows):
            lines = []
            of_workload = [row for row in rows if row["workload"] == workload]
            for value in sorted({row[name] for row in of_workload}):
                found = grouped(of_workload, **{name: value})
                lines += [
                    _line(f"{value:,} | {self._titles[peer]}", of_peer[workload])
                    for peer, of_peer in found.items()
                ]
            text += f"\n### {workload}, by {words}\n\n"
            text += _table([words, "", *_FIGURES], lines)
        return text

    def _image(
        self, section: str, name: str, figure: str, workload: str, x: str, words: str
    ) -> str:
        rows = [row for row in self._rows if row["section"] == section]
        series = {
            self._titles[peer]: _points(
                [row for row in rows if row["peer"] == peer], name, figure, workload
            )
            for peer in dict.fromkeys(row["peer"] for row in rows)
        }
        series = {peer: points for peer, points in series.items() if points}
        return self._drawn(f"{section}-{workload}-{figure}", words, x, series)

    def _drawn(self, name: str, title: str, x: str, series: Mapping[str, Sequence[Any]]) -> str:
        if not series:
            return ""
        file = f"performance-{name.replace('_', '-')}.svg"
        self.images[f"docs/images/{file}"] = chart(title, x, series)
        return f"![{title}](../images/{file})\n\n"

    def method(self) -> str:
        content, machine = self._content, self._content["machine"]
        rows = self._rows
        tasks = max((row["tasks"] for row in rows if row["section"] != "growth"), default=0)
        lines = [
            f"- Machine: {machine['processor']}, {machine['cores']} cores,"
            f" {machine['memory_gib']} GiB, {machine['system']}. Server, PostgreSQL and load are on"
            " it together.",
            "- In each round everybody is measured, in an order of its own, started anew and warm."
            " A yardstick is processor time of a fixed piece of Python and of PostgreSQL"
            " (`bench/yardstick.py`).",
            f"- {content['settings']['pool']} connections of each process, where nothing else is"
            " said.",
        ]
        if tasks:
            lines.append(
                f"- {tasks:,} tasks; families of ten people, one of which has a tenth of all tasks;"
                " two habits of each person, logged on two days of three. A thousand people send"
                " requests."
            )
        if any(
            {"population", "populations"} & each.keys() for each in content["sections"].values()
        ):
            lines.append(
                "- Among those who send requests are all ten of the family that has most. The data"
                " are loaded without triggers, which would have written the same points and trail;"
                " of the trail only what tells of tasks. Indexes are built after the rows, so they"
                " are as dense at one size as at another."
            )
        for name, section in content["sections"].items():
            python, database = section["yardstick"].values()
            lines.append(
                f"- {name}: on {section['taken_on']}, of commit {section['commit']};"
                f" {section['rounds']} rounds of {section['seconds']} seconds; yardstick {python} s"
                f" and {database} s; others took {_others(self._rows, name)} of the machine."
            )
        values = ", ".join(
            f"`{key} = {value}`" for key, value in content["settings"]["postgresql"].items()
        )
        lines.append(
            f"- PostgreSQL {content['postgresql']}, the same for all: {values}; what is not said is"
            " as it comes, so a commit waits for the disk."
        )
        for peer in content["peers"].values():
            if versions := ", ".join(f"{key} {value}" for key, value in peer["versions"].items()):
                lines.append(f"- {peer['title']}: {versions}.")
            lines += [
                f"- {peer['title']} has no {name}: {why}." for name, why in peer["absent"].items()
            ]
        lines += [f"- {title} was not run: {why}." for title, why in content["not_run"].items()]
        return "\n".join(lines) + _REPEAT


_REPEAT = """

Before anything is measured every peer is asked the same as Hearth, and what it answers, and leaves
in the trail and in the ledger, has to be the same ([bench/README.md](../../bench/README.md)).

To repeat it, with `wrk` (a Debian package) and whatever else a peer needs on the path:

```console
$ make bench
$ make performance
```

`make bench QUICK=1` is the short form that CI runs, with bars of its own (`bench/bars.toml`).
`make bench ARGS=--help` says what can be chosen.
"""


def _of_populations(populations: Rows) -> str:
    lines = [
        f"| {each['tasks']:,} | {each['families']:,} | {each['first_has']:,} | {each['senders']:,}"
        f" | {each['of_first']} ({each['of_first'] / each['senders']:.0%}) |"
        for each in populations
    ]
    heads = ["tasks", "families", "tasks of the first", "people that send requests"]
    return _table([*heads, "of them in the first family"], lines) + "\n"


def _of_plans(plans: Rows) -> str:
    """Return whether each query has the same plan at every size, and the pages that it touches."""
    if not plans:
        return ""
    of_query: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for plan in plans:
        of_query.setdefault((plan["workload"], plan["family"]), []).append(plan)
    sizes = sorted({plan["tasks"] for plan in plans})
    lines, changes = [], []
    for (workload, family), alike in of_query.items():
        pages = {plan["tasks"]: plan["pages"] for plan in alike}
        for less, more in pairwise(sorted(alike, key=lambda plan: int(plan["tasks"]))):
            if less["shape"] != more["shape"]:
                before, after = (f"{workload}, {plan['tasks']:,} tasks" for plan in (less, more))
                shapes = (less["shape"].splitlines(), more["shape"].splitlines())
                diff = unified_diff(*shapes, before, after, n=2, lineterm="")
                changes.append("```diff\n" + "\n".join(diff) + "\n```\n")
        is_same = len({plan["shape"] for plan in alike}) == 1
        cells = " | ".join(f"{pages[size]:,}" if size in pages else "" for size in sizes)
        lines.append(f"| {workload} | {family} | {'the same' if is_same else 'not'} | {cells} |")
    verdict = (
        "Not each is the same at every size: what changes is below."
        if changes
        else "Each is the same at every size."
    )
    text = (
        "\n### The plans\n\n"
        "Of the service's own queries, as `app_api`, in the name of a member of the first family"
        f" and of another; and how many pages of 8 kB the query touches. {verdict}\n\n"
    )
    heads = ["", "of somebody in", "plan", *(f"pages, {size:,} tasks" for size in sizes)]
    return text + _table(heads, lines) + "".join(f"\n{each}" for each in dict.fromkeys(changes))


_COSTS = """\
Hearth's own transactions by pgbench, with four connections, as they are and with one thing switched
off in the same database; processor time of PostgreSQL for each, without what a connection takes to
begin. Both are measured one right after the other in each round. A ratio is of one round; here are
the medians, and the ranges.
"""

_SWITCHED = {
    "rls": (
        "Row level security",
        "Off for all tables, those that the assertion reads among them. The queries name the family"
        " by themselves, and the lists whose the private things are; the answers are the same. What"
        " only a policy says is whether others see one thing by its id: see the next table.",
    ),
    "rls_by_hand": (
        "Row level security, against a condition in the query",
        "Off, and the query itself asks whether the thing is the family's or the caller's own.",
    ),
    "floor": (
        "The tenant floor",
        "Without the restrictive policy of each table, which says the family once more, for the day"
        " on which another is wrong. `me` is asked without a family.",
    ),
    "assertion": (
        "The membership",
        "With an `app.assert_membership` that looks for nothing: what it costs that a session that"
        " was ended, or a member who was removed, is refused at once.",
    ),
    "audit": (
        "The audit trail",
        "Without the triggers that record each change. Its part is what a write would be cheaper.",
    ),
    "points": (
        "Points",
        "Without the triggers that award them. A task is completed in one transaction and opened"
        " again in the next; habits get a value that reaches their target, or does not.",
    ),
    "bookkeeping": (
        "updated_at and row_version",
        "Without the triggers that keep them. A task cannot be completed without: a check holds the"
        " one time against the other.",
    ),
}

_ID_FIGURES = {
    "CPU, us a row": "database_us",
    "elapsed, us a row": "elapsed_us",
    "WAL, bytes a row": "wal_bytes",
    "blocks read a row": "blocks_read",
    "index, MiB": "index_mib",
}

_IDS = f"""\
Rows for a table whose primary key does not fit into `shared_buffers`, of which there are
{IDS_SETTINGS["shared_buffers"]} here, in a server of its own. {IDS_BEFORE:,} rows are there, made
one after the other in the same way; {IDS_MORE:,} more are measured, after a checkpoint. The next id
of version 7, which `app.new_id` makes, belongs beside the last. Hearth's keys begin with the
family, here one of a thousand in turn: the rows of each grow at an end of their own, where pages
are split in the middle. That makes a larger index, of which few pages are read."""

_MIGRATION_FIGURES = {
    "elapsed, s": "seconds",
    "program, s of CPU": "program_s",
    "PostgreSQL, s of CPU": "database_s",
}

_MIGRATIONS = """\
An empty database to head, by the command. Alembic has the same files: a revision of each migration,
and one of all functions and policies, by `op.execute`. The schemas are the same afterwards, as
`pg_dump` tells them. Besides, `hearth migrate` looks in each file for what must not be in it,
records its checksum and what it made in the catalog, compares the two at the end, keeps a history
of who did what, and makes the partitions of the months to come. Less than 2 s are wanted."""


def _cost(rows: Rows, workload: str, without: str) -> str:
    some = [row for row in rows if (row["workload"], row.get("without")) == (workload, without)]
    return _range(some, "database_us")


def _ratio(found: Sequence[float]) -> str:
    return f"{median(found):.2f} ({min(found):.2f}-{max(found):.2f})"


def _cells(start: str, rounds: Rows, figures: Mapping[str, str]) -> str:
    return f"| {start} | {' | '.join(_range(rounds, name) for name in figures.values())} |"


def _range(rounds: Rows, name: str) -> str:
    low, high = range_of(rounds, name)
    return f"{shown(median_of(rounds, name))} ({shown(low)}-{shown(high)})"


def _others(rows: Rows, section: str) -> str:
    some = [row for row in rows if row["section"] == section]
    low, high = range_of(some, "others")
    return f"{median_of(some, 'others'):.0%} ({low:.0%}-{high:.0%})"


def _what(workload: str) -> str:
    if workload == "mixed":
        shares = ", ".join(f"{share} {kind}" for kind, share in MIXED.items())
        return f"Of a hundred requests: {shares}."
    request = REQUESTS_OF[workload]
    body = f" with `{request.body}`" if request.body and workload != "sign_in" else ""
    return f"`{request.method} {request.path}`{body}"


def _points(rows: Rows, name: str, figure: str, workload: str) -> Sequence[tuple[float, float]]:
    some = [row for row in rows if row["workload"] == workload]
    found = []
    for value in sorted({row[name] for row in some}):
        median = median_of([row for row in some if row[name] == value], figure)
        if median > 0:
            found.append((value, median))
    return found


def _line(start: str, rounds: Sequence[Mapping[str, float]]) -> str:
    cells = []
    for figure in _FIGURES.values():
        median, (low, high) = median_of(rounds, figure), range_of(rounds, figure)
        # pgbench has no server between itself and PostgreSQL.
        cells.append(f"{shown(median)} ({shown(low)}-{shown(high)})" if high > 0 else "")
    return f"| {start} | {' | '.join(cells)} |"


def _table(heads: Sequence[str], lines: Sequence[str]) -> str:
    rule = " | ".join("---" for _ in heads)
    return "\n".join([f"| {' | '.join(heads)} |", f"| {rule} |", *lines]) + "\n"


def main() -> None:
    """Write the page and its curves."""
    path = newest()
    if path is None:
        raise SystemExit("bench: there are no results: make bench")
    for old in (ROOT / "docs/images").glob("performance-*.svg"):
        old.unlink()
    for name, text in documents(path.name, read(path)).items():
        (ROOT / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
