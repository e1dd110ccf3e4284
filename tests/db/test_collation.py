"""A database may sort and fold in any language; words of ours stay what they are."""

import re
from uuid import uuid4

import psycopg

from app import migrations
from app.settings import sql_directory
from tests.conftest import Cluster
from tests.support.addresses import OTHER_ADDRESS, SAME_ADDRESS
from tests.support.fixtures import PASSWORD, Hearth, NewPerson, Person, Serve, bootstrap

FOLDS = re.compile(r"\b(?:lower|upper|initcap)\(.*|\bilike\b|~\*", re.IGNORECASE)


def test_nothing_is_folded_by_a_language() -> None:
    lines = [
        (path.name, line)
        for path in sorted(sql_directory().rglob("*.sql"))
        if path.name != "schema.sql"
        for line in path.read_text("utf-8").splitlines()
        if not line.lstrip().startswith("--")
    ]

    lines = [
        (name, re.sub(r"\b(lower|upper)\(retired\)", "", line)) for name, line in lines
    ]  # ranges
    found = [(name, line) for name, line in lines if FOLDS.search(line)]
    assert [name for name, line in found if 'collate "C"' not in line] == []
    assert len(found) > 0


def _turkish(root: psycopg.Connection) -> str:
    """Return how to make a database in Turkish, by ICU or libc, or else in what there is."""
    root.autocommit = True
    name = f"can_{uuid4().hex[:8]}"
    for how in ("locale_provider icu icu_locale 'tr-TR'", "locale 'tr_TR.UTF-8'"):
        try:
            root.execute(f"create database {name} template template0 encoding 'UTF8' {how}")
        except psycopg.Error:
            continue
        root.execute(f"drop database {name}")
        return how
    return "locale 'C'"


async def _are_one_account(
    ann: Person, new_person: NewPerson, service: str, one: str, other: str
) -> bool:
    """Say whether the address of somebody new, written in another way, finds the account."""
    some = uuid4().hex
    await new_person(at=service, email=some + one)
    body = {"email": some + other, "password": PASSWORD}
    found = await ann.client.post("/v1/auth/signin", json=body)
    assert found.status_code in {200, 401}, found.text
    return found.status_code == 200


async def test_in_a_turkish_database_people_sign_up_and_write(
    cluster: Cluster, serve: Serve, new_person: NewPerson
) -> None:
    hearth = Hearth(cluster, f"turkish_{uuid4().hex[:8]}")
    with psycopg.connect(cluster.url(cluster.user, "postgres"), autocommit=True) as root:
        how = _turkish(root)
        root.execute(f"create database {hearth.name} template template0 encoding 'UTF8' {how}")
        bootstrap(cluster, hearth.name)
        migrations.migrate(hearth.url("hearth_deployer"), sql_directory())
        try:
            with serve(hearth.settings()) as service:
                ann = await new_person(at=service)
                made = await ann.client.post("/v1/tasks", json={"title": "I"})
                trail = await ann.client.get("/v1/audit")
                same = [
                    await _are_one_account(ann, new_person, service, one, other)
                    for one, other in SAME_ADDRESS
                ]
                others = [
                    await _are_one_account(ann, new_person, service, one, other)
                    for one, other in OTHER_ADDRESS
                ]
                names = [
                    (await ann.client.post("/v1/exercises", json={"name": name})).status_code
                    for name in ("Sit up", "SIT UP", "s\u0131t up")
                ]
        finally:
            root.execute(f"drop database {hearth.name} with (force)")

    assert made.status_code == 201
    assert {row["action_type"] for row in trail.json()["items"]} == {"insert"}
    assert same == [True] * len(SAME_ADDRESS)
    assert others == [False] * len(OTHER_ADDRESS)
    assert names == [201, 409, 201]
