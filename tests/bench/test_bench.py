"""The bench measures what it says: data, scripts, answers, processes and bars, without a clock."""

import asyncio
import json
import os
import select
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest

from app.embedded.cluster import programs
from app.embedded.system_user import current_user
from bench import __main__ as command
from bench import cpu, pgbench, processes, rate, services
from bench.answers import Answers, differences, without_made
from bench.bars import Bars, load_bars
from bench.chart import chart
from bench.cpu import cpu_seconds, seconds_of_tree
from bench.data import loading
from bench.errors import BenchError, FellBehindError
from bench.measuring import POOLS, cases
from bench.plans import plans
from bench.population import Person, Population
from bench.processes import require_free, running
from bench.report import PAGE, ROOT, documents
from bench.results import Yardstick, newest, read, save
from bench.workloads import REQUESTS_OF, WORKLOADS, Request, kinds_of, tape, values
from tests.support.fixtures import Hearth

# The schema is not what they are about.
pytestmark = pytest.mark.no_judge

POPULATION = Population(families=3, tasks=400)


@pytest.fixture
def loaded(own_hearth: Hearth) -> Hearth:
    """Return a database with the data of the bench, of three families."""
    psql = programs(18, reader=current_user()) / "psql"
    done = subprocess.run(
        [psql, *loading(POPULATION), own_hearth.superuser_url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return own_hearth


def _context(root: psycopg.Connection[Any], person: Person) -> None:
    context = person.context
    assert context.role is not None
    for name, value in (
        ("user_id", context.user_id),
        ("session_id", context.session_id),
        ("family_id", context.family_id),
        ("member_role", context.role.value),
    ):
        root.execute("select set_config(%s, %s, true)", (f"app.{name}", str(value)))


@pytest.mark.newest
def test_everybody_whom_the_arithmetic_names_is_there(loaded: Hearth) -> None:
    people = POPULATION.some_people(POPULATION.people, Random(1))  # noqa: S311 - no secret
    with psycopg.connect(loaded.url("app_api")) as connection:
        for person in people:
            with connection.transaction():
                _context(connection, person)
                connection.execute("select app.assert_membership()")
                task = POPULATION.own_task(person, Random(person.number))  # noqa: S311
                found = connection.execute(
                    "select user_id, visibility from app.tasks where id = %s", (task,)
                ).fetchall()
                habits = connection.execute(
                    "select type from app.habits where id = %s and user_id = %s",
                    (person.pages_habit, person.context.user_id),
                ).fetchall()

                assert found == [(person.context.user_id, "family")]
                assert habits == [("numeric",)]


@pytest.mark.newest
def test_the_first_family_has_a_tenth_of_the_tasks_and_all_of_them_are_told(
    loaded: Hearth,
) -> None:
    with psycopg.connect(loaded.superuser_url) as root:
        counts = root.execute(
            "select count(*) from app.tasks group by family_id order by family_id"
        ).fetchall()
        told = root.execute(
            """
            select
                (select count(*) from app.audit_log),
                (select count(*) from app.score_entries),
                (select count(*) from app.tasks where is_completed)
                    + (select count(*) from app.habit_logs where is_done)
            """
        ).fetchone()

    assert counts == [(40,), (180,), (180,)]
    assert told is not None
    assert told[0] == 400
    assert told[1] == told[2] > 400


@pytest.mark.newest
def test_what_is_loaded_breaks_no_foreign_key_and_is_in_every_index(loaded: Hearth) -> None:
    with psycopg.connect(loaded.superuser_url) as root:
        unready = root.execute(
            "select indexrelid::regclass from pg_index where not (indisvalid and indisready)"
        ).fetchall()
        keys = root.execute(
            """
            select conrelid::regclass::text, conname
            from pg_constraint
            where contype = 'f' and connamespace = 'app'::regnamespace and conparentid = 0
            """
        ).fetchall()
        # Which looks at every row.
        for table, name in keys:
            root.execute(f"update pg_constraint set convalidated = false where conname = '{name}'")
            root.execute(f"alter table {table} validate constraint {name}")

    assert unready == []
    assert len(keys) > 10


@pytest.mark.newest
def test_the_plans_are_of_the_services_queries_for_the_first_family_and_another(
    loaded: Hearth,
) -> None:
    found = plans(loaded.url("app_api"), POPULATION, ["list_20", "one", "create", "today"], 1)
    shapes = {
        each["workload"]: str(each["shape"]).splitlines()
        for each in found
        if each["family"] == "another family"
    }

    assert [(each["workload"], each["family"]) for each in found] == [
        (workload, family)
        for workload in ("list_20", "one", "create", "today")
        for family in ("the first family", "another family")
    ]
    assert {each["tasks"] for each in found} == {400}
    assert all(int(each["pages"]) > 0 for each in found)
    assert [line.strip() for line in shapes["one"]][-1] == "Index Scan tasks_pkey"
    assert any(line.endswith(" tasks_shared_idx") for line in shapes["list_20"])
    assert any(line.strip() == "Insert tasks" for line in shapes["create"])
    assert any(line.endswith(" tasks_private_today_idx") for line in shapes["today"])
    with psycopg.connect(loaded.superuser_url) as root:
        assert root.execute("select count(*) from app.tasks").fetchone() == (400,)


def test_the_first_family_is_among_those_who_send_requests() -> None:
    some = Population(100_000, 10_000_000).some_people(1000, Random(1))  # noqa: S311 - no secret
    numbers = [person.number for person in some]

    assert len(set(numbers)) == 1000
    assert set(range(1, 11)) < set(numbers)
    assert numbers[:10] != list(range(1, 11))
    assert max(numbers) > 900_000


@pytest.mark.newest
@pytest.mark.straight("pgbench prepares on its connection, which a pooler would change")
@pytest.mark.parametrize("workload", pgbench.QUERIES)
def test_the_script_of_pgbench_runs_and_does_what_the_service_does(
    loaded: Hearth, workload: str, tmp_path: Path
) -> None:
    file = tmp_path / "script.sql"
    file.write_text(pgbench.script(workload, POPULATION), "utf-8")
    program = programs(18, reader=current_user()) / "pgbench"
    done = subprocess.run(
        [
            *(program, "--no-vacuum", "--protocol", "simple", "--define", "is_prepared=0"),
            *("--client", "2", "--transactions", "5", "--file", file, loaded.url("app_api")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "actually processed: 10/10" in done.stdout
    with psycopg.connect(loaded.superuser_url) as root:
        made = root.execute(
            """
            select count(*)
            from app.audit_log
            where row_key ->> 'id' in (select id::text from app.tasks where title ~ 'rubbish')
                and metadata ->> 'login' = 'app_api' and actor_role = 'member'
            """
        ).fetchone()
    assert made == (10 if workload == "create" else 0,)


def test_a_script_of_pgbench_sends_as_many_messages_as_the_service() -> None:
    read, write = (
        pgbench.script(name, POPULATION).partition("\\endif\n")[2].strip().split(";\n")
        for name in ("list_20", "create")
    )

    assert len(read) == 1
    assert read[0].startswith("execute begin_request(")
    assert "\\; execute list_tasks(" in read[0]
    assert len(write) == 2
    assert write[0].startswith("BEGIN ISOLATION LEVEL READ COMMITTED\\; execute begin_request(")
    assert write[1] == "commit;"


def test_every_request_is_one_that_hearth_has() -> None:
    from app.resources import ENDPOINTS

    drawn = values(POPULATION, dict.fromkeys(range(1, 31), "a token"), 1, number=2)[0]
    for name, request in REQUESTS_OF.items():
        filled = request.filled(drawn)
        path = filled.path.partition("?")[0]
        rows = [
            row
            for row in ENDPOINTS
            if row.method == request.method
            and len(row.path.split("/")) == len(path.split("/"))
            and all(
                theirs.startswith("{") or ours == theirs
                for ours, theirs in zip(path.split("/"), row.path.split("/"), strict=True)
            )
        ]

        assert len(rows) == 1, name
        if rows[0].body is not None:
            rows[0].body.model_validate_json(filled.body, strict=True)
        assert "{" not in filled.path


def test_the_second_half_of_the_requests_opens_what_the_first_completed() -> None:
    drawn = values(POPULATION, dict.fromkeys(range(1, 31), "a token"), 1, number=200)
    first, second = drawn[:100], drawn[100:]

    assert [each["task_id"] for each in first] == [each["task_id"] for each in second]
    assert {each["is_completed"] for each in first} == {"true"}
    assert {each["is_completed"] for each in second} == {"false"}
    assert len({each["token"] for each in first}) == 1
    assert len({each["email"] for each in first}) == POPULATION.people


def test_a_tape_has_a_line_for_each_request_and_four_of_five_of_the_mixed_read() -> None:
    drawn = values(POPULATION, dict.fromkeys(range(1, 31), "a token"), 1, number=2000)
    lines = tape("mixed", REQUESTS_OF, drawn, 1).splitlines()
    reads = sum(line.startswith("GET\t") for line in lines)

    assert len(lines) == 2000
    assert all(len(line.split("\t")) == 4 for line in lines)
    assert 0.75 < reads / 2000 < 0.85
    assert kinds_of("mixed", 50, 1) == kinds_of("mixed", 50, 1)


BODY: dict[str, Any] = {
    "items": [{"id": "a", "at": "2026-01-01T00:00:00.1+00:00", "points": 5, "is_done": False}],
    "next": None,
}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"next": "x"}, 'list: /next is "x", not null'),
        ({"more": 1}, "list: /more is too much"),
        ({"items": []}, "list: /items has 0 items, not 1"),
        ({"items": [{**BODY["items"][0], "points": "5"}]}, 'list: /items/0/points is "5", not 5'),
        ({"items": [{**BODY["items"][0], "is_done": 0}]}, "list: /items/0/is_done is 0, not false"),
        ({"items": [{"id": "a"}]}, "list: /items/0/at is missing"),
    ],
)
def test_an_answer_that_differs_is_told_by_its_place(change: dict[str, Any], line: str) -> None:
    found = differences(Answers({"list": BODY}), Answers({"list": {**BODY, **change}}))

    assert line in found


def test_a_moment_is_the_same_however_it_is_written() -> None:
    other = {**BODY, "items": [{**BODY["items"][0], "at": "2026-01-01T01:00:00.100000+01:00"}]}

    assert differences(Answers({"list": BODY}), Answers({"list": other})) == []


def test_a_peer_that_leaves_no_record_differs() -> None:
    expected = Answers({"create": {}}, {"create": (1, 1)})
    found = Answers({"create": {}}, {"create": (0, 1)})

    assert "leaves 0 records in the trail" in differences(expected, found)[0]


def test_of_what_is_made_anew_only_the_kind_is_compared() -> None:
    body = {"id": "x", "completed_at": None, "title": "y", "row_version": 3}

    assert without_made(body) == {
        "id": "str",
        "completed_at": "NoneType",
        "title": "y",
        "row_version": "int",
    }


def _row(peer: str, **figures: object) -> dict[str, Any]:
    costs = dict.fromkeys(("per_second", "server_us", "database_us", "p99_ms", "p50_ms"), 100.0)
    of = {"section": "throughput", "peer": peer, "workload": "list_20", "tasks": 10, "others": 0.0}
    return {**of, "clients": 16, **costs, **figures}


@pytest.mark.parametrize(
    ("figures", "here", "behind"),
    [
        ({}, 1.0, 0),
        ({"server_us": 119.0}, 1.0, 0),
        ({"server_us": 121.0}, 1.0, 1),
        ({"server_us": 121.0}, 1.2, 0),  # on a slower machine
        ({"database_us": 121.0}, 1.0, 1),
        ({"per_second": 81.0}, 1.0, 0),
        ({"per_second": 79.0}, 1.0, 1),
    ],
)
def test_the_quick_run_fails_where_the_best_round_is_a_fifth_behind_what_is_held(
    tmp_path: Path, figures: dict[str, float], here: float, behind: int
) -> None:
    worse = {"server_us": 999.0, "database_us": 999.0, "per_second": 1.0, "others": 0.5}
    rows = [_row("hearth", **worse), _row("hearth", **figures), _row("fastify")]
    found, not_judged = _bars(tmp_path, *HELD).behind(rows, Yardstick(here, 1.0))

    assert (len(found), not_judged) == (behind, [])


@pytest.mark.parametrize("busy", ["hearth", "fastify"])
def test_no_ratio_is_judged_where_others_took_the_machine(tmp_path: Path, busy: str) -> None:
    rows = [_row("hearth", per_second=10.0), _row("fastify")]
    rows = [{**row, "others": 0.2 * (row["peer"] == busy)} for row in rows]
    found, not_judged = _bars(tmp_path, *HELD).behind(rows, Yardstick(1.0, 1.0))

    assert found == []
    assert not_judged == ["D: requests/s on list_20 over fastify: others took 20% of the machine"]


@pytest.mark.parametrize(("cost", "behind"), [(139.0, 0), (141.0, 1)])
def test_a_cost_has_as_much_more_leeway_as_others_took(
    tmp_path: Path, cost: float, behind: int
) -> None:
    rows = [_row("hearth", server_us=cost, others=0.2), _row("fastify")]
    found, _ = _bars(tmp_path, *HELD).behind(rows, Yardstick(1.0, 1.0))

    assert len(found) == behind


def test_growth_is_from_the_fewest_tasks_to_the_most(tmp_path: Path) -> None:
    bar = _bars(tmp_path, 'measure = "growth"').bars[0]
    times = {10: 2.0, 1000: 3.0, 100: 9.0}
    rows = [_row("hearth", section="growth", tasks=size, p50_ms=ms) for size, ms in times.items()]

    assert bar.found(rows) == 1.5
    assert bar.found(rows[:1]) is None
    assert bar.found([_row("hearth")]) is None


HELD = (
    'measure = "server_us"\nheld = 100',
    'measure = "database_us"\nheld = 100',
    'measure = "ratio"\npeer = "fastify"\nheld = 1.0',
    'measure = "p99_ms"\nheld = 1',  # told, and never a failure
)


def _bars(place: Path, *bars: str) -> Bars:
    head = '[yardstick]\nmachine = "a"\npython = 1.0\ndatabase = 1.0\n'
    file = place / "bars.toml"
    file.write_text(
        head + "".join(f'[[bar]]\nrow = "D"\nworkload = "list_20"\n{bar}\n' for bar in bars)
    )
    return load_bars(file)


def test_a_bar_of_something_unknown_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"bars\.toml: measure: speed: there are ratio, "):
        _bars(tmp_path, 'measure = "speed"')


def test_the_bars_of_the_repository_are_of_workloads_that_there_are() -> None:
    for bar in load_bars().bars:
        assert bar.workload in WORKLOADS
        assert (bar.measure == "ratio") == bool(bar.peer)
        assert bar.words


def test_a_page_is_what_the_results_make() -> None:
    path = newest()
    assert path is not None
    made = documents(path.name, read(path))
    curves = {str(file.relative_to(ROOT)) for file in ROOT.glob("docs/images/performance-*.svg")}

    assert made.keys() == {PAGE, *curves}
    for name, text in made.items():
        assert (ROOT / name).read_text("utf-8") == text, f"{name}: make performance"


def _grown(*shapes: str) -> dict[str, Any]:
    """Return results of as many sizes, with a plan of each."""
    content = dict(read(newest() or Path()))
    sizes = [10_000 * 10**index for index in range(len(shapes))]
    of = {"section": "growth", "workers": 1, "rate": 0, "pool": 8}
    populations = [
        {"tasks": size, "families": size // 100, "first_has": size // 10, "senders": 100}
        for size in sizes
    ]
    section = {
        **content["sections"]["throughput"],
        "populations": [{**each, "of_first": 10} for each in populations],
        "plans": [
            {
                "tasks": size,
                "workload": "one",
                "family": "another family",
                "pages": 5,
                "shape": text,
            }
            for size, text in zip(sizes, shapes, strict=True)
        ],
    }
    rows = [_row("hearth", **{**of, "tasks": size}) for size in sizes]
    return {**content, "sections": {"growth": section}, "rows": rows}


def test_the_page_says_that_plans_are_the_same_and_who_sends(tmp_path: Path) -> None:
    save(tmp_path / "results.json", _grown("Limit\n  Index Scan a", "Limit\n  Index Scan a"))
    made = documents("results.json", read(tmp_path / "results.json"))

    assert "Each is the same at every size." in made[PAGE]
    assert "| one | another family | the same | 5 | 5 |" in made[PAGE]
    assert "Among those who send requests are all ten of the family that has most." in made[PAGE]
    assert "| 100,000 | 1,000 | 10,000 | 100 | 10 (10%) |" in made[PAGE]
    assert {path for path in made if "growth" in path} == {
        f"docs/images/performance-growth-{figure}.svg"
        for figure in ("p50-ms", "p99-ms", "database-us")
    }


def test_the_page_shows_what_changed_of_a_plan() -> None:
    page = documents("results.json", _grown("Limit\n  Seq Scan b", "Limit\n  Index Scan a"))[PAGE]

    assert "Not each is the same at every size: what changes is below." in page
    assert "--- one, 10,000 tasks" in page
    assert "-  Seq Scan b\n+  Index Scan a\n" in page
    assert "| one | another family | not | 5 | 5 |" in page


@pytest.mark.parametrize(("section", "name"), [("pools", "pool"), ("clients", "clients")])
def test_clients_and_pools_have_curves_of_throughput_and_of_both_latencies(
    section: str, name: str
) -> None:
    content = _grown("Limit")
    of = {"section": section, "workers": 1, "rate": 0}
    rows = [_row("hearth", **of, **{name: number}) for number in (1, 8)]
    sections = {section: content["sections"]["growth"]}
    made = documents("results.json", {**content, "rows": rows, "sections": sections})

    for figure in ("per-second", "p50-ms", "p99-ms"):
        assert f"docs/images/performance-{section}-list-20-{figure}.svg" in made


def test_a_curve_follows_the_reader_and_quotes_names() -> None:
    text = chart("p99, ms", "clients", {"a < b": [(1, 3.0), (1000, 700.0)]})

    assert "prefers-color-scheme: dark" in text
    assert "a &lt; b" in text
    assert text.count("<circle") == 2


def test_the_time_of_a_tree_holds_all_that_hangs_below() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    table = {1: (0, 5), 10: (1, ticks), 11: (10, ticks), 12: (11, ticks), 20: (1, 7 * ticks)}

    assert seconds_of_tree(10, table) == 3.0


def test_the_time_of_a_child_that_has_ended_counts() -> None:
    before = cpu_seconds(os.getpid())
    work = "while sum(__import__('os').times()[:2]) < 0.3: pass"
    subprocess.run([sys.executable, "-c", work], check=True)

    assert cpu_seconds(os.getpid()) - before >= 0.25


def test_a_child_that_ends_while_the_time_is_read_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    # Its parent was read before it was waited for, and it itself afterwards: it is nowhere.
    tables = [{10: (1, ticks)}, {10: (1, 3 * ticks)}]
    waited_for = [0, 2 * ticks, 2 * ticks, 2 * ticks]
    monkeypatch.setattr(cpu, "_processes", lambda: tables.pop(0))
    monkeypatch.setattr(cpu, "_of_children", lambda root: waited_for.pop(0))

    assert cpu_seconds(10) == 3.0


def test_a_program_ends_with_its_block_and_so_do_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LAST_WORDS", 0.1)
    log, pipe = tmp_path / "log", tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    # Neither hears SIGTERM; both hold the pipe open as long as they live.
    script = f"trap '' TERM; exec 3> {pipe}; sleep 1000 & echo began; wait"
    with running(
        ["sh", "-c", script],
        place=tmp_path,
        environment={},
        log=log,
        is_ready=lambda: bool(log.read_text()),
    ):
        assert not select.select([reading], [], [], 0)[0]

    assert select.select([reading], [], [], 30)[0]
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_a_program_that_does_not_begin_is_told_with_its_last_words(tmp_path: Path) -> None:
    with (
        pytest.raises(BenchError, match="did not begin to serve:\nno such luck"),
        running(
            ["sh", "-c", "echo no such luck; exit 1"],
            place=tmp_path,
            environment={},
            log=tmp_path / "log",
            is_ready=lambda: False,
        ),
    ):
        pass


def test_a_port_in_use_is_told() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(BenchError, match=rf"port {port} of 127\.0\.0\.1 .* --port="):
            require_free(port)


async def _serve(answer: bytes, *, then: Any) -> Any:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionResetError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        return await asyncio.to_thread(then, port)


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
REFUSED = b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize("answer", [WHOLE, CHUNKED])
async def test_at_a_constant_rate_each_request_is_answered_once(answer: bytes) -> None:
    request = rate.encoded(Request("GET", "/", has_token=False))

    def send(port: int) -> Any:
        return rate.at_rate(
            port, [request], per_second=2000, seconds=0.1, server=os.getpid(), postmaster=1
        )

    measured = await _serve(answer, then=send)

    assert measured.requests == 200
    assert 0 < measured.p50_ms <= measured.p99_ms


async def test_at_a_constant_rate_a_refusal_fails_the_run() -> None:
    request = rate.encoded(Request("GET", "/", has_token=False))

    def send(port: int) -> Any:
        return rate.at_rate(
            port, [request], per_second=2000, seconds=0.01, server=os.getpid(), postmaster=1
        )

    with pytest.raises(BenchError, match="20 of 20 requests were refused"):
        await _serve(REFUSED, then=send)


async def test_at_a_constant_rate_who_is_not_answered_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate, "PATIENCE", 0.1)
    request = rate.encoded(Request("GET", "/", has_token=False))

    def send(port: int) -> Any:
        return rate.at_rate(
            port, [request], per_second=2000, seconds=0.01, server=os.getpid(), postmaster=1
        )

    with pytest.raises(FellBehindError, match="20 of 20 requests were not answered after"):
        await _serve(b"", then=send)


def test_a_request_carries_its_length_and_its_token() -> None:
    request = Request("POST", "/v1/{what}", '{"a": "{what}"}').filled({"what": "é", "token": "t"})
    head, _, body = rate.encoded(request).partition(b"\r\n\r\n")

    assert b"Authorization: Bearer t" in head
    assert b"Content-Length: 11" in head
    assert json.loads(body) == {"a": "é"}


def test_every_peer_can_be_read_and_has_what_it_needs() -> None:
    peers = services.all_peers()

    assert list(peers)[:2] == ["hearth", "pgbench"]
    for peer in peers.values():
        assert peer.title
        assert peer.name == "pgbench" or peer.start
        assert set(peer.absent) | set(peer.requests) | set(peer.answers) <= set(WORKLOADS)


def test_a_version_that_cannot_be_told_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "PLACE", tmp_path)
    (tmp_path / "peers" / "slow").mkdir(parents=True)
    peer = services.Peer("slow", "Slow", version={"slow": ["sh", "-c", "echo no >&2; exit 1"]})

    with pytest.raises(BenchError, match=r"Slow: sh -c .* failed:\nno"):
        services.versions(peer)


def test_a_peer_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "peer.toml").write_text('title = "Slow"\nspeed = 1\n')
    monkeypatch.setattr(services, "DIRECTORY", tmp_path)

    with pytest.raises(BenchError, match=r"slow/peer\.toml: .*speed"):
        services.all_peers()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sections", "speed"], "--sections: speed: there are throughput, "),
        (["--workloads", "list_5"], "--workloads: list_5: there are list_20, "),
        (["--families", "1"], "two families"),
        (["--rounds", "0"], "must be 1 or more"),
        (["--workloads", "me", "--sections", "growth"], "--workloads: growth measures none of"),
    ],
)
def test_an_argument_that_cannot_be_is_told(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(words)

    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_an_unknown_peer_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--peers", "nobody"]) == 1
    assert "bench: --peers: nobody: there are hearth, pgbench" in capsys.readouterr().err


def test_a_section_without_the_peers_that_are_asked_for_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["--peers", "pgbench", "--sections", "throughput,growth"]) == 1
    assert "--peers: growth measures none of them, but hearth, f" in capsys.readouterr().err


def test_ci_runs_the_quick_bench_after_the_tests_and_counts_what_is_behind() -> None:
    text = (ROOT / ".ci" / "run").read_text("utf-8")

    assert text.index("\nmake test-all ") < text.index("\nmake bench QUICK=1 ") < text.index("awk")
    assert "/^(behind|bench): / { failed += 1 }" in text
    assert " wrk " in text


@pytest.mark.parametrize("section", [each for each in command.SECTIONS if each != "costs"])
def test_every_section_has_something_to_measure(section: str) -> None:
    assert cases(section, WORKLOADS)
    assert all(case.section == section for case in cases(section, WORKLOADS))


def test_pools_of_each_size_are_measured_with_more_clients_than_the_largest_has() -> None:
    found = cases("pools", WORKLOADS)

    assert [case.pool for case in found if case.workload == "create"] == list(POOLS)
    assert {case.workers for case in found} == {1}
    assert all(case.clients > max(POOLS) for case in found)


def test_the_largest_size_has_a_hundred_thousand_families_and_a_family_with_a_million() -> None:
    size = command.SIZES[-1]

    assert command._families(size) == 100_000
    assert Population(100_000, size).as_json()["first_has"] == 1_000_000
    assert command._families(command.SIZES[0]) == 10


def test_ids_are_uuids_that_grow() -> None:
    ids = [Person(number).context.user_id for number in (1, 2, 10_000_000)]

    assert all(isinstance(each, UUID) for each in ids)
    assert ids == sorted(ids)
