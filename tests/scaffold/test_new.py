"""`make new`: what it refuses, and that what it writes is green without an edit."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from tests.scaffold.__main__ import main, parse, paths, plan
from tests.scaffold.table import RefusedError, singular_of
from tests.support.checkout import ROOT, copy_checkout

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]

FIELDS = "title:text:200 due_on:date?"

# Each command of CONTRIBUTING.md that makes a table, and shapes that it does not show.
COMMANDS = [
    *re.findall(r"^\$ (make new .*)$", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.M),
    "make new NAME=errand_kinds VISIBILITY=family"
    " FIELDS='name:text:100 is_urgent:boolean place_number:integer? instructions_in_full:text:2000?"
    " one_more_number:integer?'",
    "make new NAME=errand_hints FIELDS='content:text:1000'"
    " VISIBILITY=private RETIRED=yes PARENT=errand_places",
]

# What goes through every table, query or endpoint.
SWEEPS = (
    *("sql/test_catalog.py", "sql/test_functions.py", "sql/test_query_contract.py"),
    *("sql/test_schema.py", "sql/test_audit.py", "sql/test_examples.py", "sql/test_plans.py"),
    *("security/test_access_matrix.py", "security/test_proofs.py", "security/test_judges.py"),
    *("security/test_isolation.py", "security/test_depth.py", "cli/test_purge_command.py"),
    *("http/test_endpoints.py", "http/test_openapi.py", "http/test_conditional.py"),
    *("migrations/test_migration_proofs.py", "resources"),
)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["tasks", FIELDS], "NAME: there is a table app.tasks already"),
        (["unheard_of", FIELDS], "NAME: unheard_of is no plural"),
        (["Unheard", FIELDS], "NAME: 'Unheard' is no name"),
        (["../unheard_ofs", FIELDS], "NAME: '../unheard_ofs' is no name"),
        (["unheard_ofs; drop", FIELDS], "NAME: 'unheard_ofs; drop' is no name"),
        (["e" * 30 + "s", FIELDS], "is no name"),
        (["users_", FIELDS], "is no name"),
        (["wheres", FIELDS], "NAME: wheres is a word of SQL"),
        (["unheard_ofs", ""], "FIELDS: need a text"),
        (["unheard_ofs", "due_on:date"], "FIELDS: need a text"),
        (["unheard_ofs", "title"], "FIELDS: 'title' is no field"),
        (["unheard_ofs", "title:varchar:20"], "FIELDS: 'title:varchar:20' is no field"),
        (["unheard_ofs", "title:text"], "FIELDS: title: a text, and only a text, has a length"),
        (["unheard_ofs", "title:text:0"], "FIELDS: title: a text has 1 to 10000 characters"),
        (["unheard_ofs", f"{FIELDS} title:text:5"], "FIELDS: title is taken"),
        (["unheard_ofs", f"{FIELDS} family_id:integer"], "FIELDS: family_id is taken"),
        (["unheard_ofs", f"{FIELDS} limit:integer"], "FIELDS: 'limit' is no name for a column"),
        (["unheard_ofs", f"{FIELDS} order:integer"], "FIELDS: 'order' is no name for a column"),
        (["unheard_ofs", f"{FIELDS} n:integer"], "FIELDS: n is taken"),
        (["unheard_ofs", f"{FIELDS} due:date"], "FIELDS: due: a date is called due_on"),
        (["unheard_ofs", f"{FIELDS} done:boolean"], "FIELDS: done: a boolean is called is_done"),
        (["unheard_ofs", FIELDS, "--parent", "nothings"], "PARENT: there is no table app.nothings"),
        (["unheard_ofs", FIELDS, "--parent", "users"], "PARENT: the rows of app.users have no id"),
        (["unheard_ofs", FIELDS, "--parent", "tasks"], "VISIBILITY: what hangs on app.tasks"),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_is_written(
    arguments: list[str],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = _files(ROOT)
    monkeypatch.setattr(sys, "argv", ["make new", *arguments])

    code = main()

    assert code == 2
    assert complaint in capsys.readouterr().err
    assert _files(ROOT) == before


def test_a_file_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    table = plan(parse(["unheard_ofs", FIELDS]))
    test = paths(table)["test.py"]
    test.write_text("")
    try:
        with pytest.raises(
            RefusedError, match=r"tests/resources/test_unheard_ofs\.py exists already"
        ):
            plan(parse(["unheard_ofs", FIELDS]))
    finally:
        test.unlink()


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("errands", "errand"),
        ("shopping_items", "shopping_item"),
        ("diaries", "diary"),
        ("addresses", "address"),
        ("lunches", "lunch"),
        ("boxes", "box"),
    ],
)
def test_the_singular_of_a_table_is_found(plural: str, singular: str) -> None:
    assert singular_of(plural) == singular


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the checkout in which the commands of CONTRIBUTING.md were given."""
    if (ROOT / "app/resources/errands.py").exists():
        pytest.skip("the tables of CONTRIBUTING.md are made here already")
    place = copy_checkout(tmp_path_factory.mktemp("checkout"))
    (place / ".venv").symlink_to(ROOT / ".venv")
    # Each refreshes what is generated; of three, the last one is enough.
    for command in COMMANDS[:-1]:
        _shell(f"{command} GENERATED=", place)
    _shell(COMMANDS[-1], place)
    return place


@pytest.mark.whole
def test_what_is_made_is_green_and_touches_nothing_else(made: Path) -> None:
    tests = [f"tests/{name}" for name in SWEEPS]

    lint = "make --no-print-directory lint types squawk"
    _shell(
        f"{lint} && .venv/bin/python -m pytest -n logical --dist loadfile {' '.join(tests)}", made
    )

    before, after = _files(ROOT), _files(made)
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert {name for name in changed if "errand" not in name} == {
        "sql/schema.sql",
        "docs/generated/access-matrix.md",
        "docs/generated/query-plans.md",
    }


@pytest.mark.whole
@pytest.mark.parametrize("policy", ["select_own_or_shared", "insert_own", "delete_own_or_admin"])
def test_a_policy_that_is_missing_is_noticed(made: Path, policy: str) -> None:
    file = made / "sql/policies/errands.sql"
    text = file.read_text("utf-8")
    block = rf"drop policy if exists {policy} on.*?;\ncomment on policy {policy} on.*?;\n"
    assert re.search(block, text, re.S)
    file.write_text(re.sub(block, "", text, flags=re.S), "utf-8")
    try:
        tests = "tests/sql/test_catalog.py tests/resources/test_errands.py"
        done = _run(f".venv/bin/python -m pytest {tests}", made)
    finally:
        file.write_text(text, "utf-8")

    assert done.returncode == 1, done.stdout[-3000:]
    assert "errand" in done.stdout


def _run(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HEARTH_TEST_PG": "18", "PYTHONPATH": str(cwd)}
    for name in [name for name in environment if name.startswith("PYTEST_")]:
        del environment[name]
    return subprocess.run(
        ["sh", "-c", command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _shell(command: str, cwd: Path) -> None:
    done = _run(command, cwd)
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"


def _files(place: Path) -> Mapping[str, str]:
    """Return what could be committed, by name, as checksums."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    made = (path for path in place.rglob("*errand*") if ".venv" not in path.parts)
    names = {*filter(None, listed), *(str(path.relative_to(place)) for path in made)}
    return {
        name: sha256((place / name).read_bytes()).hexdigest()
        for name in names
        if (place / name).is_file() and "__pycache__" not in name
    }
