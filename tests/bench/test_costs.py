"""What the database's parts cost: each is switched off, measured, and on again as it was."""

import ast
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.embedded.cluster import programs
from app.embedded.system_user import current_user
from app.migrations.sources import Tree
from app.settings import sql_directory
from bench import __main__ as command
from bench import costs, pgbench, services
from bench.bars import load_bars
from bench.costs import BY_HAND, READS, SWITCHES, Costs, Place
from bench.data import loading
from bench.errors import BenchError
from bench.population import FIRST, TASK, Population, id_of
from bench.report import PAGE, documents
from bench.results import newest, ratios, read
from bench.workloads import WORKLOADS
from tests.support.fixtures import Hearth

# The schema is not what they are about, and pgbench prepares on its connection.
pytestmark = [
    pytest.mark.no_judge,
    pytest.mark.newest,
    pytest.mark.straight("pgbench prepares on its connection, which a pooler would change"),
]

POPULATION = Population(families=3, tasks=2400)


@pytest.fixture
def place(own_hearth: Hearth) -> Place:
    """Return a database with the data of the bench, of three families."""
    binaries = programs(18, reader=current_user())
    command = [str(binaries / "psql"), *loading(POPULATION), own_hearth.superuser_url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with psycopg.connect(own_hearth.superuser_url) as root:
        pid = root.execute("select split_part(pg_read_file('postmaster.pid'), e'\\n', 1)")
        (postmaster,) = pid.fetchall()[0]
    return Place(
        binaries, own_hearth.superuser_url, own_hearth.url("app_api"), int(postmaster), POPULATION
    )


@pytest.fixture
def measured(place: Place) -> Costs:
    """Return what measures costs there."""
    return Costs(place, seconds=1, seed=1, tell=lambda line: None)


def _asked(place: Place, query: str) -> Any:
    with psycopg.connect(place.root) as root:
        return root.execute(query).fetchall()[0]


@pytest.mark.parametrize("workload", pgbench.ALL_QUERIES)
def test_the_script_of_each_workload_does_what_it_is_called(
    place: Place, workload: str, tmp_path: Path
) -> None:
    file = tmp_path / "script.sql"
    file.write_text(pgbench.script(workload, POPULATION), "utf-8")
    command = [
        *(str(place.programs / "pgbench"), "--no-vacuum", "--protocol", "simple"),
        *("--define", "is_prepared=0", "--client", "1", "--transactions", "20"),
        *("--file", str(file), place.api),
    ]
    before = _asked(place, "select max(created_at) from app.score_entries")[0]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "actually processed: 20/20" in done.stdout
    with psycopg.connect(place.root) as root:
        trail = root.execute(
            """
            select table_name || ' ' || action_type, count(*)
            from app.audit_log
            where metadata ? 'request_id'
            group by 1
            """
        ).fetchall()
        points = root.execute(
            """
            select coalesce(sum(points), 0), count(*)
            from app.score_entries
            where created_at > %s
            """,
            (before,),
        ).fetchall()
    written: dict[str, int] = dict(trail)
    match workload:
        case "create":
            assert written == {"tasks insert": 20}
        case "patch":
            assert written == {"tasks update": 20}
        case "complete":
            assert written == {"tasks update": 40, "score_entries insert": 40}
            assert points == [(0, 40)]
        case "habit_log":
            assert written.pop("score_entries insert", 0) <= 20
            assert written.keys() <= {"habit_logs insert", "habit_logs update"}
            assert sum(written.values()) == 20
        case _:
            assert written == {}


@pytest.mark.parametrize("name", SWITCHES)
def test_what_is_switched_off_is_on_again_as_it_was(measured: Costs, name: str) -> None:
    before = measured._state()

    with pytest.raises(KeyError), measured.without(name):
        assert measured._state() != before
        raise KeyError

    assert measured._state() == before


def test_what_stays_off_is_told(measured: Costs, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = replace(SWITCHES["rls"], on=["-c", "select"])
    monkeypatch.setattr(costs, "SWITCHES", {**SWITCHES, "rls": stuck})

    with (
        pytest.raises(BenchError, match="rls is not as it was before it was switched off"),
        measured.without("rls"),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("rls", "select count(*) from pg_class where relnamespace = 'app'::regnamespace"
                " and relrowsecurity"),
        ("floor", "select count(*) from pg_policy where polname = 'tenant_floor'"
                  " and 'app_api'::regrole = any(polroles)"),
        ("assertion", "select count(*) from pg_proc where proname = 'assert_membership'"
                      " and prosrc ~ 'ZH001'"),
        ("audit", "select count(*) from pg_trigger where tgname = '_900_audit'"
                  " and tgenabled = 'O'"),
        ("points", "select count(*) from pg_trigger where tgname ~ '_score_'"
                   " and tgenabled = 'O'"),
        ("bookkeeping", "select count(*) from pg_trigger where tgname = '_100_touch'"
                        " and tgenabled = 'O'"),
    ],
)  # fmt: skip
def test_all_of_it_is_switched_off(measured: Costs, place: Place, name: str, query: str) -> None:
    assert _asked(place, query)[0] > 0
    with measured.without(name):
        assert _asked(place, query) == (0,)


def test_the_answers_are_the_same_without_row_level_security(measured: Costs) -> None:
    measured.compare(READS)

    for workload in READS:
        answers = measured.answers(workload)
        assert None not in answers
        assert len(answers) == 4


def test_another_answer_without_row_level_security_is_told(measured: Costs, place: Place) -> None:
    with psycopg.connect(place.root) as root:
        root.execute("alter policy select_own_or_shared on app.tasks using (false)")

    with pytest.raises(BenchError, match="list_20: another answer without row level security"):
        measured.compare(["list_20"])


def test_the_condition_by_hand_hides_what_the_policy_hides(measured: Costs, place: Place) -> None:
    (private,) = _asked(
        place,
        f"""
        select id
        from app.tasks
        where
            visibility = 'private' and family_id = '{id_of(2, 2)}' and user_id <> '{id_of(1, 14)}'
        limit 1
        """,
    )
    drawn = {"person": FIRST + 14, "family": FIRST + 2, "task": int(str(private)[-12:])}
    plain = pgbench.sent_by("one", drawn)
    by_hand = pgbench.sent_by("one", drawn, costs.by_hand()["one"])

    assert str(private).startswith(f"{TASK:08}")
    assert measured._answer(plain) is None
    with measured.without("rls"):
        assert measured._answer(plain) is not None
        assert measured._answer(by_hand) is None


def test_each_thing_that_a_workload_has_is_measured_in_each_round(measured: Costs) -> None:
    measured.switches = ("rls", "assertion", "audit")
    measured.transactions(2, ["me", "one", "patch"])

    found = sorted((row["workload"], row["round"], row["without"]) for row in measured.rows)
    assert found == sorted(
        (workload, index, without)
        for workload, names in {
            "me": ("", "rls", "assertion"),
            "one": ("", "rls", BY_HAND),
            "patch": ("", "audit"),
        }.items()
        for without in names
        for index in (1, 2)
    )
    for row in measured.rows:
        assert float(row["database_us"]) > 0
        assert float(row["per_second"]) > 0
        assert row["section"] == "costs"
    assert len(costs.table(measured.rows)) == 2 + 8


def test_a_script_that_fails_is_told(measured: Costs, place: Place) -> None:
    with psycopg.connect(place.root) as root:
        root.execute("revoke select on app.tasks from app_api")

    with pytest.raises(BenchError, match=r"pgbench, one:\n[^$]*permission denied for table tasks"):
        measured._slot("one", None)


@pytest.mark.parametrize("key", costs.KEYS)
@pytest.mark.parametrize("version", costs.IDS)
def test_rows_are_measured_by_the_version_of_their_ids(
    place: Place, key: str, version: str
) -> None:
    figures = costs.ids_of(
        place.programs,
        place.root,
        place.postmaster,
        key=key,
        version=version,
        before=1000,
        more=500,
    )
    made = _asked(place, "select count(*), min(uuid_extract_version(id)) from ids")
    columns = _asked(place, "select pg_get_indexdef('ids_pkey'::regclass)")[0]

    assert made == (1500, int(version[-1]))
    assert f"({key})" in columns
    assert figures["wal_bytes"] > 50
    assert figures["index_mib"] > 0


def test_alembic_gets_every_file_that_the_migrator_has(tmp_path: Path) -> None:
    script = services.DIRECTORY / "alembic" / "make_revisions.py"
    (tmp_path / script.name).write_bytes(script.read_bytes())
    command = [sys.executable, script.name]
    subprocess.run(command, cwd=tmp_path, input=costs._revisions(), text=True, check=True)

    before = None
    texts = []
    for path in sorted((tmp_path / "versions").iterdir()):
        values = _assigned(path)
        assert values == {"revision": path.stem, "down_revision": before}
        before = path.stem
        texts.append(path.read_text("utf-8"))
    tree = Tree.read(sql_directory())
    assert len(texts) == len(tree.migrations) + 1
    for file in (*tree.migrations, *tree.files):
        assert sum(f"run({str(file.path)!r})" in text for text in texts) == 1


def _assigned(path: Path) -> Mapping[str, object]:
    """Return the values of the assignments of a module."""
    return {
        str(node.targets[0].id): ast.literal_eval(node.value)
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def _row(without: str, index: int, cost: float, **of: object) -> dict[str, Any]:
    about = {"section": "costs", "tasks": 10, "what": "transactions", "workload": "patch"}
    return {
        **about,
        "round": index,
        "without": without,
        "database_us": cost,
        "per_second": 1000.0,
        "others": 0.0,
        **of,
    }


ROWS = [
    *(_row("", index, cost) for index, cost in enumerate((200.0, 320.0, 150.0))),
    *(_row("audit", index, cost) for index, cost in enumerate((100.0, 100.0, 100.0))),
    _row("bookkeeping", 7, 1.0),
]


def test_a_ratio_is_of_one_round() -> None:
    assert ratios(ROWS, "patch", "audit") == [2.0, 3.2, 1.5]
    assert ratios(ROWS, "patch", "bookkeeping") == []
    assert ratios(ROWS, "create", "audit") == []


def test_a_bar_of_a_cost_is_of_the_median_of_the_rounds_and_held_by_the_best() -> None:
    bars = {(bar.measure, bar.workload): bar for bar in load_bars().bars}
    bar = bars["audit", "patch"]

    assert bar.found(ROWS) == 2.0
    assert bar.found(ROWS, best=True) == 1.5
    assert bar.found([]) is None
    assert not bar.is_floor
    assert bar.busy([*ROWS, _row("audit", 3, 1.0, others=0.3)]) == 0.0
    assert bars["rls", "list_20"].found(ROWS) is None


def test_there_is_a_bar_for_each_read_and_each_write() -> None:
    bars = {(bar.measure, bar.workload) for bar in load_bars().bars if bar.row == "D6"}

    assert bars == {("rls", each) for each in READS} | {("audit", each) for each in costs.WRITES}
    assert {*READS, *costs.WRITES} <= set(WORKLOADS)


def test_who_looked_for_no_peer_leaves_what_is_said_of_them(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    peers = {"hearth": {"title": "Hearth"}}
    before = {
        "peers": peers,
        "not_run": {"Go": "go not on PATH"},
        "sections": {"throughput": {"rounds": 5}, "costs": {"rounds": 1}},
        "rows": [{"section": "throughput"}, {"section": "costs", "round": 9}],
    }
    command._keep(path, before, False)
    command._keep(
        path, {"peers": {}, "sections": {"costs": {"rounds": 3}}, "rows": list(ROWS)}, False
    )
    kept = read(path)

    assert kept["peers"] == peers
    assert kept["not_run"] == {"Go": "go not on PATH"}
    assert kept["sections"] == {"throughput": {"rounds": 5}, "costs": {"rounds": 3}}
    assert kept["rows"] == [{"section": "throughput"}, *ROWS]
    path.unlink()
    command._keep(path, {"peers": {}, "sections": {}, "rows": []}, False)
    assert read(path)["not_run"] == {}


def test_the_page_has_a_table_of_each_cost_that_was_measured() -> None:
    path = newest()
    assert path is not None
    content = dict(read(path))
    about = next(iter(content["sections"].values()))
    content["sections"] = {**content["sections"], "costs": {**about, "alembic": "alembic 1"}}
    of_ids = {"what": "ids", "workload": "id", "elapsed_us": 2.0, "wal_bytes": 200.0}
    of_ids |= {"blocks_read": 0.5, "index_mib": 50.0}
    took = {"what": "migrate", "seconds": 1.0, "program_s": 0.5, "database_s": 0.25}
    content["rows"] = [
        *(row for row in content["rows"] if row["section"] != "costs"),
        *ROWS,
        *(_row("", 1, 4.0, **of_ids, version=version) for version in costs.IDS),
        *(_row("", 1, 0.0, **{**took, "workload": name}) for name in costs.MIGRATORS),
    ]
    page = documents(path.name, content)[PAGE]

    assert "## What it costs in the database" in page
    assert "| patch | 200 (150-320) | 100 (100-100) | 2.00 (1.50-3.20) | 50% |" in page
    assert "### updated_at and row_version" not in page
    assert page.index("| (id) | version 7 |") < page.index("| (id) | version 4 |")
    assert "| `hearth migrate` | 1 (1-1) | 0.5 (0.5-0.5) | 0.25 (0.25-0.25) |" in page
    assert "Alembic: alembic 1." in page
    assert "PostgreSQL, CPU for patch over that without the audit trail" in page
