"""The harness of tests/security/mutations.py: that it finds what it should, and says what it
found."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.security.mutations import (
    HERE,
    Explanation,
    Verdict,
    complaints,
    find_mutants,
    why_impossible,
)
from tests.support.fixtures import Hearth
from tests.support.tally import tally

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]

# No rule of the catalog sees it.
WEAK = "policy clause true: insert_auth on app.users, with check"
TEST = "test_isolation.py::test_that_is_red"


def test_every_kind_finds_mutants_and_every_mutant_can_be_made(own_hearth: Hearth) -> None:
    kinds = set(re.findall(r"^-- name: (\w+)$", (HERE / "mutations.sql").read_text(), re.M))

    with psycopg.connect(own_hearth.superuser_url) as connection:
        mutants = find_mutants(connection)
        impossible = {m.name: why for m in mutants if (why := why_impossible(connection, m))}
        connection.rollback()

    tally("mutations", f"{len(mutants):,} mutants of {len(kinds) - 1} kinds, see `make mutations`")
    assert {mutant.kind for mutant in mutants} == kinds - {"views"}
    assert len({mutant.name for mutant in mutants}) == len(mutants)
    assert impossible == {}


@pytest.mark.parametrize(
    ("verdict", "explained", "complaint"),
    [
        (Verdict(WEAK, killer=TEST), "nothing", None),
        (Verdict(WEAK), WEAK, None),
        (Verdict(WEAK), "policy clause true: *", None),
        (Verdict(WEAK), "nothing", f"SURVIVES   {WEAK}: write a test that fails, or explain it"),
        (Verdict(WEAK, killer=TEST), WEAK, f"EXPLAINED  {WEAK}, but {TEST} kills it"),
        (Verdict(WEAK, trouble="why"), WEAK, f"NOT TRIED  {WEAK}: why"),
    ],
)
def test_a_mutant_is_killed_or_explained_and_not_both(
    verdict: Verdict, explained: str, complaint: str | None
) -> None:
    found = complaints([verdict], [Explanation(explained, "because")], complete=False)

    assert found == ([complaint] if complaint else [])


def test_an_explanation_of_no_mutant_is_out_of_date() -> None:
    explanation = Explanation("table dropped: *", "because")

    assert complaints([], [explanation], complete=False) == []
    assert complaints([], [explanation], complete=True) == [
        "EXPLAINED  table dropped: *, but there is no such mutant"
    ]


def run(*arguments: str) -> tuple[int, str]:
    """Run the harness on one mutant; return its exit code and what it printed."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.security.mutations",
            "--jobs",
            "1",
            "--only",
            f"^{WEAK}$",
            *arguments,
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_mutant_is_killed_by_the_test_that_proves_the_policy() -> None:
    test = "test_who_may_write_every_column_makes_nothing_that_is_retired_already"
    proof = f"security/test_depth.py::{test}"

    code, said = run("--killers", "--proofs", proof)

    assert code == 0, said
    assert f"{WEAK} <- tests/{proof}" in said
    assert "1 of 1 mutants killed" in said


def test_a_mutant_that_no_test_kills_is_named_and_counts_as_failure(tmp_path: Path) -> None:
    proof = tmp_path / "test_green.py"
    proof.write_text("def test_nothing() -> None: pass")

    code, said = run("--proofs", str(proof))

    assert code == 1
    assert f"SURVIVES   {WEAK}" in said
    assert "0 of 1 mutants killed" in said


def test_who_ends_it_ends_its_servers(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.security.mutations", "--jobs", "2"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    with process:
        begun = process.stdout.readline()
        places = [place.name for place in tmp_path.glob("hearth-tests-*")]
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()

    assert "mutants on PostgreSQL" in begun
    assert len(places) == 2
    assert process.returncode == 1
    assert [*tmp_path.glob("hearth-tests-*")] == []


def test_tests_that_fail_without_a_mutation_show_nothing(tmp_path: Path) -> None:
    proof = tmp_path / "test_red.py"
    proof.write_text("def test_everything() -> None: assert False")

    code, said = run("--proofs", str(proof))

    assert code == 1
    assert re.search(r"^without a mutation fails .*::test_everything$", said, re.M)
