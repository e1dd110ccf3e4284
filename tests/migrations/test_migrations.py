"""The migration engine, on small trees of SQL files and on the real one."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import yoyo

from app import migrations
from app.migrations import (
    MigrationError,
    Status,
    Step,
    compare,
    lock,
    migrate,
    plan,
    statements,
    status,
)
from app.migrations.sources import Tree
from app.settings import sql_directory
from tests.conftest import Cluster
from tests.support.deployers import deployer, sessions, until
from tests.support.fixtures import bootstrap

REPOSITORY = Path(__file__).parents[2]

TREE = {
    "migrations/0001_schema.sql": """
        do $$
        declare
            v_role text;
        begin
            foreach v_role in array array['app_owner', 'app_auth'] loop
                if not exists (select from pg_roles where rolname = v_role) then
                    execute format('create role %I', v_role);
                    execute format('grant %I to current_user', v_role);
                end if;
            end loop;
        end
        $$;
        create schema app authorization app_owner;
        """,
    "migrations/0001_schema.rollback.sql": "set local role app_owner; drop schema app;",
    "migrations/0002_notes.sql": """-- depends: 0001_schema
        set local role app_owner;
        grant usage on schema app to app_auth;
        create table app.notes (id integer primary key, body text);
        """,
    "migrations/0002_notes.rollback.sql": """
        set local role app_owner;
        drop table app.notes;
        revoke usage on schema app from app_auth;
        """,
    "migrations/0003_tags.sql": """-- depends: 0002_notes
        set local role app_owner;
        create table app.tags (id integer primary key);
        """,
    "migrations/0003_tags.rollback.sql": "set local role app_owner; drop table app.tags;",
    "functions/greeting.sql": """-- requires: 0002_notes
        create or replace function app.greeting() returns text language sql as 'select ''hello''';
        revoke all on function app.greeting() from public;
        grant execute on function app.greeting() to app_api;
        """,
    "functions/tag_of.sql": """-- requires: 0003_tags
        create or replace function app.tag_of(tag app.tags) returns integer
            language sql as 'select 1';
        """,
    "functions/tg_touch.sql": """-- requires: 0002_notes
        create or replace function app.tg_touch() returns trigger language plpgsql
            as 'begin return new; end';
        """,
    # Sorts before the function it requires, and belongs to somebody else.
    "functions/a_sum.sql": """-- requires: greeting
        -- owner: app_auth
        create or replace function app.a_sum(a integer) returns integer
            language sql security definer as 'select a + 1';
        """,
    "policies/notes.sql": """-- requires: 0002_notes greeting
        grant select (id), update (body) on app.notes to app_api;
        drop policy if exists select_all on app.notes;
        create policy select_all on app.notes for select to app_api using (id > 0);
        create or replace trigger touch before update on app.notes
            for each row execute function app.tg_touch();
        """,
    "policies/tags.sql": """-- requires: 0003_tags
        grant select on app.tags to app_api;
        """,
}


TRIGGERS = """
    select string_agg(concat_ws(' ', tgname, tgfoid::regproc), ', ' order by tgname, tgrelid)
    from pg_trigger
    where not tgisinternal
"""


@dataclass(frozen=True)
class House:
    """A database, the deployer's URL and the superuser's, and a tree of SQL files to write to."""

    url: str
    root: str
    sql: Path

    def write(self, name: str, text: str) -> None:
        path = self.sql / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line.removeprefix("        ") for line in text.split("\n")))

    def add(self, name: str, text: str, *, rollback: str = "select 1;") -> None:
        """Write a migration that depends on the last one."""
        names = sorted((self.sql / "migrations").glob("*.rollback.sql"))
        last = names[-1].name.removesuffix(".rollback.sql")
        self.write(f"migrations/{name}.sql", f"-- depends: {last}\n{text}")
        self.write(f"migrations/{name}.rollback.sql", rollback)

    def migrate(self, **options: Any) -> list[Step]:
        return migrate(self.url, self.sql, **options)

    def plan(self, **options: Any) -> list[Step]:
        return plan(self.url, self.sql, **options)

    def status(self, **options: Any) -> Status:
        return status(self.url, self.sql, **options)

    def by_hand(self, statement: str) -> None:
        with psycopg.connect(self.root) as connection:
            connection.execute(statement)

    def ask(self, query: str) -> Any:
        with psycopg.connect(self.root) as connection:
            row = connection.execute(query).fetchone()
        return row and row[0]

    def differences(self) -> list[str]:
        return [str(item).partition(": ")[0] for item in self.status().items]

    def yoyo(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the yoyo of the command line with the repository's yoyo.ini, but on our files."""
        settings = RawConfigParser()
        settings.read(REPOSITORY / "yoyo.ini")
        settings["DEFAULT"]["sources"] = str(self.sql / "migrations")
        config = self.sql.parent / "yoyo.ini"
        with config.open("w") as file:
            settings.write(file)
        run = [sys.executable, "-m", "yoyo", command, "--config", str(config), *arguments]
        return subprocess.run(
            run, env=os.environ | {"DIRECT_URL": self.url}, capture_output=True, text=True
        )


@pytest.fixture(scope="session")
def shared(cluster: Cluster) -> str:
    """A database that belongs to a deployer who is no superuser, for one test after another."""
    bootstrap(cluster, "migrations")
    return "migrations"


@pytest.fixture
def bare(cluster: Cluster, shared: str, tmp_path: Path) -> Iterator[House]:
    """The database without anything of ours in it, and no files."""
    superuser = cluster.url(cluster.user, shared)
    house = House(cluster.url("hearth_deployer", shared), superuser, tmp_path / "sql")
    yield house
    house.by_hand("drop schema if exists app, yoyo cascade")


@pytest.fixture
def real(cluster: Cluster) -> House:
    """A database of its own, and the repository's files."""
    name = f"real_{uuid4().hex[:12]}"
    bootstrap(cluster, name)
    superuser = cluster.url(cluster.user, name)
    return House(cluster.url("hearth_deployer", name), superuser, sql_directory())


@pytest.fixture
def house(bare: House) -> House:
    """The same, with the small tree."""
    for name, text in TREE.items():
        bare.write(name, text)
    return bare


@pytest.fixture
def built(house: House) -> House:
    """The small tree, migrated."""
    house.migrate()
    return house


def texts(steps: list[Step]) -> list[str]:
    return [f"{step.action} {step.kind} {step.name}" for step in steps]


# Up, down, and what is told about it.


def test_a_fresh_database_gets_structure_then_functions_in_order_then_policies(
    house: House,
) -> None:
    done = house.migrate()

    assert texts(done) == [
        "apply migration 0001_schema",
        "apply migration 0002_notes",
        "apply migration 0003_tags",
        "apply function greeting",
        "apply function tag_of",
        "apply function tg_touch",
        "apply function a_sum",
        "apply policy notes",
        "apply policy tags",
    ]
    assert house.ask("select app.greeting()") == "hello"
    assert house.status().is_consistent


def test_a_second_run_finds_nothing_to_do(built: House) -> None:
    assert built.migrate() == []


def test_everything_belongs_to_whom_the_files_say(built: House) -> None:
    owners = built.ask(
        "select string_agg(distinct proname || ' ' || proowner::regrole, ', ')"
        " from pg_proc where pronamespace = 'app'::regnamespace"
    )
    may_create = built.ask("select has_schema_privilege('app_auth', 'app', 'create')")

    assert owners == "a_sum app_auth, greeting app_owner, tag_of app_owner, tg_touch app_owner"
    assert may_create is False


def test_plan_says_what_migrate_then_does(house: House) -> None:
    for options in ({}, {"to": "0002"}, {}, {"rollback": 2}, {"rollback": 9}, {"to": "0001"}):
        expected = house.plan(**options)

        assert house.migrate(**options) == expected
        assert expected


def test_plan_and_status_write_nothing_to_an_empty_database(house: House) -> None:
    steps, seen = house.plan(), house.status()

    assert len(steps) == 9
    assert (seen.version, seen.is_consistent, seen.history) == (None, False, [])
    assert set(seen.migrations.values()) == {"pending"}
    assert house.ask("select count(*) from pg_namespace where nspname in ('app', 'yoyo')") == 0


def test_a_login_without_rights_can_read_the_status(built: House, cluster: Cluster) -> None:
    name = built.ask("select current_database()")

    seen = status(cluster.url("app_api", name), built.sql)

    assert seen.is_consistent
    assert seen.version == "0003_tags"


def test_down_and_up_again_by_prefix(built: House) -> None:
    down = built.migrate(to="0002")

    assert texts(down) == [
        "drop policy tags",
        "drop function tag_of",
        "roll back migration 0003_tags",
    ]
    assert built.ask("select to_regclass('app.tags')") is None
    assert built.status().migrations["0003_tags"] == "rolled back"
    assert texts(built.migrate()) == [
        "apply migration 0003_tags",
        "apply function tag_of",
        "apply policy tags",
    ]


def test_rolling_all_back_leaves_nothing(built: House) -> None:
    built.migrate(rollback=3)

    assert built.ask("select count(*) from pg_namespace where nspname = 'app'") == 0
    assert built.ask("select count(*) from yoyo.files where kind <> 'migration'") == 0
    assert built.ask("select count(*) from yoyo._yoyo_migration") == 0
    assert built.status().version is None


@pytest.mark.parametrize(("to", "why"), [("0009", "no such migration"), ("000", "begin so: 0001")])
def test_an_unknown_or_ambiguous_target_is_refused(house: House, to: str, why: str) -> None:
    with pytest.raises(MigrationError, match=why):
        house.migrate(to=to)


def test_history_tells_who_did_what_and_when(built: House) -> None:
    newest = built.status(lines=1).history[0]

    assert (newest.kind, newest.name, newest.action) == ("policy", "tags", "apply")
    assert newest.who == "hearth_deployer"
    assert newest.at.tzinfo is not None
    assert newest.sha256 is not None
    assert newest.milliseconds >= 0


def test_listeners_hear_of_a_migration_once_it_is_committed(house: House) -> None:
    with psycopg.connect(house.root, autocommit=True) as listener:
        listener.execute("listen hearth_migrated")
        house.migrate()
        heard = list(listener.notifies(timeout=5, stop_after=1))

    assert [notice.channel for notice in heard] == ["hearth_migrated"]


# What is refused, with the file's name and nothing written.


def test_an_edited_applied_file_is_refused(built: House) -> None:
    built.write("migrations/0002_notes.sql", TREE["migrations/0002_notes.sql"] + "-- edited")
    built.add("0004_more", "create table app.more ();")

    with pytest.raises(MigrationError, match=r"migrations/0002_notes\.sql: it was edited"):
        built.migrate()
    assert built.ask("select to_regclass('app.more')") is None
    assert "refused migrations/0002_notes.sql" in built.differences()


def test_a_repeatable_file_is_known_by_its_name_in_whatever_folder(house: House) -> None:
    house.write("functions/words/greeting.sql", TREE["functions/greeting.sql"])
    with pytest.raises(MigrationError, match=r"greeting\.sql and .*: two files must not have"):
        house.migrate()

    (house.sql / "functions/greeting.sql").unlink()
    said: list[str] = []
    house.migrate(progress=said.append)
    (house.sql / "functions/words").rename(house.sql / "functions/phrases")

    assert "apply functions/words/greeting.sql: new" in said
    assert house.migrate() == []


def test_line_ends_are_no_edit(built: House) -> None:
    path = built.sql / "migrations/0002_notes.sql"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    assert built.migrate() == []


def test_a_rollback_may_be_mended(built: House) -> None:
    built.write("migrations/0003_tags.rollback.sql", "drop table app.tag;")

    with pytest.raises(MigrationError, match=r"0003_tags\.rollback\.sql: "):
        built.migrate(rollback=1)
    built.write(
        "migrations/0003_tags.rollback.sql", TREE["migrations/0003_tags.rollback.sql"] + "\n"
    )
    assert built.migrate(rollback=1)


def test_a_missing_file_of_an_applied_migration_is_refused(built: House) -> None:
    for path in (built.sql / "migrations").glob("0003*"):
        path.unlink()

    with pytest.raises(MigrationError, match=r"requires 0003_tags"):
        built.migrate()
    for name in ("functions/tag_of.sql", "policies/tags.sql"):
        (built.sql / name).unlink()
    with pytest.raises(MigrationError, match=r"0003_tags\.sql: it is applied, but its file"):
        built.migrate()


def test_a_gap_is_refused(built: House) -> None:
    built.by_hand("delete from yoyo._yoyo_migration where migration_id = '0002_notes'")

    with pytest.raises(
        MigrationError, match=r"0002_notes\.sql: it is not applied, but the later 0003_tags"
    ):
        built.migrate()


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("migrations/0003_tags.sql", "-- depends: 0001_schema\nselect 1;", "must say .*0002_notes"),
        ("migrations/0003_tags.sql", "select 1;", "must say .*0002_notes"),
        (
            "migrations/0001_schema.sql",
            "-- depends: 0000\nselect 1;",
            "no `-- depends:`, as the first",
        ),
        ("migrations/0003_tags.sql", "\ufeff-- depends: 0002_notes\n", "byte order mark"),
        ("migrations/0003_tags.sql", "/* a */\n-- depends: 0002_notes\n", "comment"),
        ("migrations/0003_tags.sql", "select 1;\n-- depends: 0002_notes\n", "below the head"),
        (
            "migrations/0003_tags.sql",
            "-- depends: 0002_notes\n-- transactional: false\nselect 1; select 2;",
            "one statement",
        ),
        (
            "migrations/0003_tags.sql",
            "-- depends: 0002_notes\nCreate  Or Replace Trigger late before update on app.notes"
            " for each row execute function app.tg_touch();",
            "a migration must not create a trigger: the policy file of its table",
        ),
        (
            "migrations/0003_tags.rollback.sql",
            "create constraint trigger late after update on app.notes"
            " for each row execute function app.tg_touch();",
            "a migration must not create a trigger",
        ),
        (
            "migrations/0003_tags.sql",
            "-- depends: 0002_notes\nselect 1; create /* */ trigger late before update on app.notes"
            " for each row execute function app.tg_touch();",
            "a migration must not create a trigger",
        ),
        ("migrations/0003_tags.sql", "-- depends: 0002_notes\nselect 'a\0b';", "NUL"),
        ("migrations/0003_tags.sql", "-- depends: 0002_notes\nselect 'a;", "a ' is not closed"),
        ("migrations/0003_tags.sql", "-- depends: 0002_notes\nselect /* /* */ 1", "is not closed"),
        ("functions/greeting.sql", "-- requires: 0009_none\nselect 1;", "requires 0009_none"),
        ("functions/greeting.sql", "-- requires: a_sum\nselect 1;", "is circular: .* requires "),
        ("functions/greeting.sql", "-- depends: 0001_schema\nselect 1;", "has no meaning"),
        ("functions/greeting.sql", "-- owner: postgres\nselect 1;", "starts with app_"),
    ],
)
def test_a_file_that_could_be_misread_is_refused(
    house: House, name: str, text: str, why: str
) -> None:
    house.write(name, text)

    with pytest.raises(MigrationError, match=why) as refused:
        house.migrate()
    assert refused.match(name.split("/")[0])
    assert house.ask("select count(*) from pg_namespace where nspname = 'yoyo'") == 0


def test_a_migration_without_a_rollback_is_refused(house: House) -> None:
    (house.sql / "migrations/0003_tags.rollback.sql").unlink()

    with pytest.raises(MigrationError, match=r"0003_tags\.rollback\.sql: the file does not exist"):
        house.migrate()


def test_an_absent_folder_is_no_reason_to_drop_its_functions(built: House) -> None:
    (built.sql / "functions").rename(built.sql / "funktions")

    with pytest.raises(MigrationError, match="functions: the directory does not exist"):
        built.migrate()


def test_an_error_in_sql_names_file_and_line(house: House) -> None:
    house.add("0004_wrong", "\nset local role app_owner;\nselect nothing from nowhere;")

    with pytest.raises(MigrationError, match=r'^migrations/0004_wrong\.sql:4: relation "nowhere"'):
        house.migrate()


@pytest.mark.parametrize(
    "name",
    ["functions/greeting.sql", "migrations/0003_tags.sql", "migrations/0003_tags.rollback.sql"],
)
@pytest.mark.parametrize(
    "ending",
    [
        "\ncommit;",
        "select 1; commit;",
        "commit and chain;",
        "CoMmIt -- now\n work",
        "begin",
        "/* /* */ ; */ Begin; select 1; end;",
        "select $$;$$; START\nTRANSACTION",
        "rollback and chain;",
        "abort;",
        "prepare transaction 'half';",
        "commit prepared 'half';",
    ],
)
def test_a_file_must_neither_end_nor_begin_a_transaction(
    house: House, name: str, ending: str
) -> None:
    house.write(name, f"{TREE[name]}\nselect 1; {ending}")

    with pytest.raises(MigrationError, match=rf"{name}: the file must not say `[a-z]+`: it runs"):
        house.migrate()
    assert house.ask("select to_regnamespace('yoyo')") is None


def test_a_file_may_say_those_words_where_they_mean_something_else(house: House) -> None:
    house.add(
        "0004_words",
        """
        set local role app_owner;
        comment on table app.notes is 'x; commit; begin; it''s $$ "';
        comment on column app.notes.id is e'\\'; commit; /*';
        do $commit$ begin perform $$; rollback; $$; end $commit$;
        create table app."commit; /*" ("end" integer); -- ; commit;
        savepoint a; rollback to savepoint a; prepare q as select 1; deallocate q;
        create function app.atomic(a integer) returns integer begin atomic
            select case when a > 0 then 1 else 2 end;
            select 2;
        end;
        drop function app.atomic(integer); drop table app."commit; /*";
        """,
    )

    house.migrate()

    assert house.status().is_consistent


# As pg_dump writes it, and then some.
STRAY = """
    set statement_timeout = 5000;
    set lock_timeout = 1;
    set client_encoding = 'LATIN1';
    set standard_conforming_strings = off;
    select pg_catalog.set_config('search_path', '', false);
    set check_function_bodies = false;
    set client_min_messages = error;
    set row_security = off;
    set datestyle = 'German';
    set quote_all_identifiers = on;
    set default_transaction_read_only = off;
    set time zone 'Asia/Kolkata';
"""


@pytest.mark.parametrize("alone", [False, True])
def test_what_a_file_sets_for_its_session_ends_with_it(built: House, alone: bool) -> None:
    built.write("functions/greeting.sql", TREE["functions/greeting.sql"] + STRAY)
    built.add("0004_stray", STRAY + "set role app_owner;", rollback=STRAY)
    if alone:
        built.add(
            "0005_alone",
            "-- transactional: false\nselect set_config('search_path', '', false);",
        )
    built.add(
        "0006_more",
        "set local role app_owner; create table app.\"mörä\" (a date default '2026-02-03');",
        rollback='set local role app_owner; drop table app."mörä";',
    )

    built.migrate()

    assert built.status().is_consistent
    assert built.ask("select count(*) from yoyo.yoyo_lock") == 0
    assert "'2026-02-03'" in built.ask(
        "select definition from yoyo.structure where object like 'column app.%.a'"
    )
    built.migrate(to="0003")
    assert built.migrate()


def test_a_long_insert_is_read_in_time_that_grows_with_it(house: House) -> None:
    rows = ", ".join(f"({number}, 'it''s (one')" for number in range(20_000))
    house.add("0004_rows", f"set local role app_owner; insert into app.notes values {rows};")

    house.migrate()

    assert house.ask("select count(*) from app.notes") == 20_000


def test_a_changed_return_type_says_what_to_do(built: House) -> None:
    changed = TREE["functions/greeting.sql"].replace("returns text", "returns varchar")
    built.write("functions/greeting.sql", changed)

    with pytest.raises(MigrationError, match=r"greeting\.sql: cannot change return type.*drop"):
        built.migrate()
    built.add("0004_drop", "set local role app_owner; drop function if exists app.greeting();")
    built.migrate()
    assert built.status().is_consistent


def test_a_file_must_make_what_it_is_named_for(house: House) -> None:
    house.write("functions/misnamed.sql", TREE["functions/greeting.sql"])

    with pytest.raises(
        MigrationError, match=r"functions/misnamed\.sql: the file must create app\.misnamed"
    ):
        house.migrate()


def test_a_connection_error_is_one_line_without_the_password(house: House) -> None:
    for url in ("postgresql://me:hunter2@127.0.0.1:1/x", "postgresql//me:hunter2@127.0.0.1"):
        with pytest.raises(MigrationError) as refused:
            status(url, house.sql)
        assert "\n" not in str(refused.value)
        assert "hunter2" not in str(refused.value)


# All or nothing.


def test_a_failing_policy_file_takes_the_table_change_and_its_mark_back(built: House) -> None:
    built.add("0004_colour", "set local role app_owner; alter table app.notes add colour text;")
    built.write(
        "policies/notes.sql",
        TREE["policies/notes.sql"] + "grant select (hue) on app.notes to app_api;",
    )

    with pytest.raises(MigrationError, match=r'policies/notes\.sql: column "hue"'):
        built.migrate()
    assert built.status().version == "0003_tags"
    assert built.ask("select count(*) from pg_policies where schemaname = 'app'") == 1
    assert (
        built.ask(
            "select count(*) from pg_attribute"
            " where attrelid = 'app.notes'::regclass and attname = 'colour'"
        )
        == 0
    )


def test_an_index_is_built_concurrently_between_two_transactions(built: House) -> None:
    built.add(
        "0004_index",
        "-- transactional: false\ncreate index concurrently if not exists by_body"
        " on app.notes (body);",
        rollback="drop index concurrently if exists app.by_body;",
    )
    built.add(
        "0005_more",
        "set local role app_owner; create table app.more ();",
        rollback="set local role app_owner; drop table app.more;",
    )

    built.migrate()

    assert built.ask("select indisvalid from pg_index where indexrelid = 'app.by_body'::regclass")
    assert built.status().is_consistent
    built.migrate(to="0003")
    assert built.ask("select to_regclass('app.by_body')") is None
    actions = [event.action for event in built.status().history if event.name == "0004_index"]
    assert actions == ["roll back", "rolling back", "apply", "applying"]


def test_a_failed_index_is_applying_until_it_is_built_whole(built: House) -> None:
    built.by_hand("insert into app.notes values (1, 'same'), (2, 'same')")
    built.add(
        "0004_index",
        "-- transactional: false\ncreate unique index concurrently if not exists by_body"
        " on app.notes (body);",
        rollback="drop index concurrently if exists app.by_body;",
    )

    with pytest.raises(MigrationError, match=r"0004_index\.sql: could not create unique index"):
        built.migrate()
    assert built.status().migrations["0004_index"] == "applying"
    assert built.plan()[0].reason == "it was interrupted while it was applied"
    built.by_hand("delete from app.notes where id = 2")
    built.migrate()
    assert built.ask("select indisvalid from pg_index where indexrelid = 'app.by_body'::regclass")


def test_trying_again_drops_no_index_but_its_own(built: House) -> None:
    built.by_hand("insert into app.notes values (1, 'same'), (2, 'same')")
    built.add(
        "0004_index",
        "-- transactional: false\ncreate unique index concurrently if not exists By_Body"
        " on app.notes (body);",
        rollback="drop index concurrently if exists app.by_body;",
    )
    with psycopg.connect(built.root, autocommit=True) as administrator:
        for name in ("by_body_2", "body_by"):
            with pytest.raises(psycopg.errors.UniqueViolation):
                administrator.execute(
                    f"create unique index concurrently {name} on app.notes (body)"
                )
    for _ in range(2):
        with pytest.raises(MigrationError, match=r"0004_index\.sql: could not create unique"):
            built.migrate()
    built.by_hand("delete from app.notes where id = 2")

    built.migrate()

    assert (
        built.ask(
            "select string_agg(concat(c.relname, ' ', indisvalid), ', ' order by c.relname)"
            " from pg_index join pg_class as c on c.oid = indexrelid"
            " where indrelid = 'app.notes'::regclass and not indisprimary"
        )
        == "body_by f, by_body t, by_body_2 f"
    )


# Killed, and two at once.


def test_killed_during_a_migration_nothing_of_it_remains(built: House) -> None:
    built.add("0004_more", "set local role app_owner; create table app.more ();")
    built.add("0005_wide", "set local role app_owner; alter table app.notes add colour text;")
    with psycopg.connect(built.root) as blocker, deployer(built.url, built.sql) as victim:
        blocker.execute("lock table app.notes in row exclusive mode")
        until(lambda: sessions(built.root, waiting=True) == 1)

        seen = built.status()
        assert victim.poll() is None
        victim.kill()
        until(lambda: sessions(built.root, waiting=False) == 0)

    assert seen.deployer is not None
    assert built.status().deployer is None
    assert built.status().version == "0003_tags"
    assert built.ask("select to_regclass('app.more')") is None
    assert texts(built.migrate()) == ["apply migration 0004_more", "apply migration 0005_wide"]
    assert built.status().is_consistent


def test_killed_between_two_migrations_the_first_stands_marked(built: House) -> None:
    built.add("0004_more", "set local role app_owner; create table app.more ();")
    built.add(
        "0005_index",
        "-- transactional: false\ncreate index concurrently if not exists by_body"
        " on app.notes (body);",
        rollback="drop index concurrently if exists app.by_body;",
    )
    built.add("0006_last", "set local role app_owner; create table app.last ();")
    with psycopg.connect(built.root) as blocker, deployer(built.url, built.sql) as victim:
        blocker.execute("insert into app.notes values (1)")
        until(lambda: sessions(built.root, waiting=True) == 1)

        victim.kill()
        until(lambda: sessions(built.root, waiting=False) == 0)

    seen = built.status()
    assert [*seen.migrations.values()][3:] == ["applied", "applying", "pending"]
    assert (
        built.ask("select indisvalid from pg_index where indexrelid = 'app.by_body'::regclass")
        is False
    )
    assert texts(built.migrate()) == ["apply migration 0005_index", "apply migration 0006_last"]
    assert built.ask("select indisvalid from pg_index where indexrelid = 'app.by_body'::regclass")
    assert built.status().is_consistent


def test_killed_during_functions_no_function_and_no_table_remains(built: House) -> None:
    built.add("0004_more", "set local role app_owner; create table app.more ();")
    built.write("functions/greeting.sql", TREE["functions/greeting.sql"].replace("hello", "bye"))
    built.write("functions/tg_touch.sql", TREE["functions/tg_touch.sql"] + "lock table app.notes;")
    with psycopg.connect(built.root) as blocker, deployer(built.url, built.sql) as victim:
        blocker.execute("lock table app.notes in row exclusive mode")
        until(lambda: sessions(built.root, waiting=True) == 1)

        victim.kill()

    assert texts(built.migrate()) == [  # at once: it waits until the dead one's session has ended
        "apply migration 0004_more",
        "apply function greeting",
        "apply function tg_touch",
    ]
    assert built.ask("select app.greeting()") == "bye"
    assert built.status().is_consistent


def test_two_deployers_at_once_one_works_and_the_other_finds_nothing_to_do(built: House) -> None:
    built.add("0004_wide", "set local role app_owner; alter table app.notes add colour text;")
    with deployer(built.url, built.sql) as first, deployer(built.url, built.sql) as second:
        with psycopg.connect(built.root) as blocker:
            blocker.execute("lock table app.notes in row exclusive mode")
            until(lambda: sessions(built.root, waiting=True) == 1)
            until(lambda: sessions(built.root, waiting=False) == 2)
        told = [first.communicate()[0], second.communicate()[0]]

    assert first.returncode == second.returncode == 0
    (waited,) = (one for one in told if "apply" not in one)
    assert waited.startswith("waiting for pid ")
    assert waited.count("\n") == 1


def test_status_does_not_wait_for_a_deployer_at_work(built: House) -> None:
    with psycopg.connect(built.root) as holder:
        holder.execute("select pg_advisory_xact_lock(%s)", [lock.KEY])
        holder.execute("lock table app.notes")
        pid = holder.info.backend_pid

        seen = built.status()

    assert seen.deployer is not None
    assert seen.deployer.startswith(f"pid {pid} (")


def test_who_waits_too_long_is_told_for_whom(built: House) -> None:
    with psycopg.connect(built.root, autocommit=True) as holder:
        holder.execute("select pg_advisory_lock(%s)", [lock.KEY])
        pid = holder.info.backend_pid
        heard: list[str] = []

        with pytest.raises(
            MigrationError, match=f"^pid {pid} .* is migrating; gave up after 0.3 s"
        ):
            built.migrate(timeout=0.3, progress=heard.append)
    assert len(heard) == 1
    assert heard[0].startswith(f"waiting for pid {pid} ")


# Drift. Every kind of it is in test_drift.py.


def test_the_text_that_was_overwritten_is_kept(built: House) -> None:
    built.by_hand("alter policy select_all on app.notes using (id = 42)")
    built.migrate()

    newest = built.status().history[0]

    assert newest.reason == "it was changed by hand in the database"
    assert newest.overwritten is not None
    assert "id = 42" in newest.overwritten


def test_an_edited_function_file_is_run_again(built: House) -> None:
    built.write("functions/greeting.sql", TREE["functions/greeting.sql"].replace("hello", "bye"))

    assert texts(built.migrate()) == ["apply function greeting"]
    assert built.ask("select app.greeting()") == "bye"


def test_a_deleted_function_file_takes_its_function_along(built: House) -> None:
    (built.sql / "functions/a_sum.sql").unlink()

    assert built.differences() == ["drop function app.a_sum"]
    built.migrate(drop=True)
    assert built.ask("select to_regprocedure('app.a_sum(integer)')") is None
    assert built.status().is_consistent


def test_a_deleted_function_file_whose_function_is_in_use_is_refused(built: House) -> None:
    (built.sql / "functions/tg_touch.sql").unlink()

    complaint = r"app\.tg_touch\(\).*trigger touch on table app\.notes"
    with pytest.raises(MigrationError, match=complaint):
        built.migrate(drop=True)


def test_files_that_have_less_than_the_database_are_refused_unless_it_is_to_go(
    built: House,
) -> None:
    older = TREE["functions/a_sum.sql"]
    for name in ("functions/a_sum.sql", "policies/notes.sql"):
        (built.sql / name).unlink()
    before = built.ask("select array_agg(f::text order by f) from yoyo.files as f")

    with pytest.raises(
        MigrationError, match=r"policies of app\.notes, function app\.a_sum: .*--drop"
    ):
        built.migrate()

    assert built.ask("select array_agg(f::text order by f) from yoyo.files as f") == before
    built.write("functions/a_sum.sql", older)
    built.write("policies/notes.sql", TREE["policies/notes.sql"])
    assert built.migrate() == []


def test_a_deleted_policy_file_leaves_the_table_shut(built: House) -> None:
    (built.sql / "policies/notes.sql").unlink()

    built.migrate(drop=True)

    assert built.ask("select has_any_column_privilege('app_api', 'app.notes', 'select')") is False
    assert built.ask("select count(*) from pg_policies where tablename = 'notes'") == 0
    assert built.ask(TRIGGERS) is None
    assert built.ask("select relforcerowsecurity from pg_class where oid = 'app.notes'::regclass")


def test_a_trigger_that_its_file_no_longer_makes_is_dropped(built: House) -> None:
    text = TREE["policies/notes.sql"]
    built.write("policies/notes.sql", text.replace("trigger touch", "trigger keep"))

    assert texts(built.migrate()) == ["apply policy notes"]
    assert built.ask(TRIGGERS) == "keep app.tg_touch"
    assert built.status().is_consistent


def test_a_trigger_function_gets_another_name_without_a_migration(built: House) -> None:
    (built.sql / "functions/tg_touch.sql").unlink()
    for name in ("functions/tg_touch", "policies/notes"):
        text = TREE[f"{name}.sql"].replace("app.tg_touch()", "app.stamp()")
        built.write(f"{name.replace('tg_touch', 'stamp')}.sql", text)

    assert texts(built.migrate(drop=True)) == [
        "apply function stamp",
        "apply policy notes",
        "drop function tg_touch",
    ]
    assert built.ask(TRIGGERS) == "touch app.stamp"
    assert built.status().is_consistent


def _mark(built: House, requires: str) -> None:
    built.add("0004_marks", "")
    built.write(
        "functions/mark.sql",
        """-- requires: 0004_marks
        create or replace function app.mark() returns trigger language plpgsql
            as 'begin return new; end';
        """,
    )
    built.write(
        "policies/notes.sql",
        f"-- requires: {requires}\n{TREE['policies/notes.sql']}"
        "create or replace trigger mark before insert on app.notes"
        " for each row execute function app.mark();",
    )
    built.migrate()


def test_a_rollback_takes_the_triggers_that_need_the_migration(built: House) -> None:
    _mark(built, requires="mark")
    assert built.ask(TRIGGERS) == "mark app.mark, touch app.tg_touch"

    built.migrate(rollback=1)

    assert built.ask(TRIGGERS) is None
    assert built.ask("select to_regproc('app.mark')") is None
    assert built.ask("select count(*) from pg_policies where tablename = 'notes'") == 0


def test_a_rollback_stops_at_a_trigger_that_needs_the_migration_and_does_not_say_so(
    built: House,
) -> None:
    _mark(built, requires="greeting")

    with pytest.raises(MigrationError, match=r"app\.mark\(\).*trigger mark on table app\.notes"):
        built.migrate(rollback=1)
    assert built.ask(TRIGGERS) == "mark app.mark, touch app.tg_touch"


def test_a_trigger_on_one_partition_more_or_less_is_mended_on_all(built: House) -> None:
    built.add(
        "0004_days",
        """
        set local role app_owner;
        create table app.days (day integer) partition by list (day);
        create table app.days_1 partition of app.days for values in (1);
        create table app.days_2 partition of app.days for values in (2);
        """,
        rollback="drop table app.days",
    )
    built.write(
        "policies/days.sql",
        """-- requires: 0004_days
        create or replace trigger mark before insert on app.days
            for each row execute function app.tg_touch();
        create or replace trigger wipe before truncate on app.days_1
            for each statement execute function app.tg_touch();
        create or replace trigger wipe before truncate on app.days_2
            for each statement execute function app.tg_touch();
        """,
    )
    built.migrate()
    assert built.status().is_consistent
    whole = built.ask(TRIGGERS)
    for change in (
        "drop trigger wipe on app.days_2",
        "alter table app.days_1 disable trigger mark",
        "create trigger mine before update on app.days_1 for each row"
        " execute function app.tg_touch()",
    ):
        built.by_hand(change)
        assert built.differences() == ["apply policies/days.sql"], change

        built.migrate()

        assert built.ask(TRIGGERS) == whole, change
        assert built.ask("select count(*) from pg_trigger where tgenabled <> 'O'") == 0, change
        assert built.status().is_consistent


def test_a_function_without_a_file_is_told_of_and_left_alone(built: House) -> None:
    built.by_hand("create function app.stray() returns int language sql as 'select 1'")

    assert built.differences() == ["unmanaged function app.stray"]
    assert built.status().is_consistent
    assert built.migrate() == []
    assert built.ask("select app.stray()") == 1


def test_a_change_to_a_kind_of_object_that_the_real_files_have_none_of_is_named(
    built: House,
) -> None:
    changes = {
        "alter view app.short reset (security_invoker)": "view app.short was changed",
        "create or replace view app.short as select 1 as id": "view app.short was changed",
        "grant select on app.counted to public": "materialized view app.counted was changed",
        "grant usage on sequence app.numbers to public": "sequence app.numbers was changed",
        "alter domain app.score set not null": "type app.score was changed",
        "alter domain app.score drop constraint positive": "constraint positive on app.score is",
        "alter type app.place add attribute country text": "column app.place.country was added",
        "alter table app.kinds alter id set generated by default": "column app.kinds.id was",
        "drop statistics app.guess": "statistics app.guess is missing",
        "drop rule nothing on app.kinds": "rule nothing on app.kinds is missing",
        "alter table app.kinds disable rule nothing": "rule nothing on app.kinds was changed",
    }
    built.add(
        "0004_kinds",
        """
        set local role app_owner;
        create view app.short with (security_invoker = true) as select 1 as id;
        create materialized view app.counted as select count(*) from app.notes;
        create sequence app.numbers;
        create domain app.score as integer constraint positive check (value > 0);
        create type app.place as (street text);
        create table app.kinds (id integer generated always as identity, name text);
        create statistics app.guess on id, name from app.kinds;
        create rule nothing as on update to app.kinds do also nothing;
        """,
    )
    built.migrate()

    named = {}
    for change in changes:
        with psycopg.connect(built.root) as connection:
            connection.execute(change)
            connection.execute("set local search_path to yoyo")
            report = compare(connection, Tree.read(built.sql))
            connection.rollback()
        named[change] = [item.reason for item in report.items if item.name == "0004_kinds"]

    for change, says in changes.items():
        assert [reason[: len(says)] for reason in named[change]] == [says], change


def test_a_migration_takes_over_what_it_changes(built: House) -> None:
    built.add(
        "0004_wider",
        "set local role app_owner; alter table app.notes alter column body set not null;",
        rollback="set local role app_owner; alter table app.notes alter column body drop not null;",
    )
    built.migrate()
    built.by_hand("alter table app.notes alter column body type varchar(9)")

    assert built.differences() == ["differs migrations/0004_wider.sql"]
    built.by_hand("alter table app.notes alter column body type text")
    built.migrate(to="0003")
    assert built.differences() == ["apply migrations/0004_wider.sql"]


def test_an_enum_label_that_no_rollback_takes_is_its_migrations_when_it_comes_again(
    built: House,
) -> None:
    built.add(
        "0004_mood",
        "set local role app_owner; create type app.mood as enum ('good');",
        rollback="set local role app_owner; drop type app.mood;",
    )
    built.add(
        "0005_bad",
        "set local role app_owner; alter type app.mood add value if not exists 'bad';",
    )
    built.migrate()
    built.migrate(rollback=1)
    left = [str(item) for item in built.status().items]

    built.migrate()

    assert any("type app.mood was changed by hand: good became good, bad" in item for item in left)
    assert built.status().is_consistent


def test_a_rollback_that_leaves_something_behind_is_told_of(built: House) -> None:
    built.add("0004_more", "set local role app_owner; create index by_body on app.notes (body);")
    built.migrate()
    built.migrate(rollback=1)

    assert "differs migrations/0002_notes.sql" in built.differences()


def test_an_index_made_in_an_emergency_is_taken_over_by_the_migration_for_it(built: House) -> None:
    built.by_hand("set role app_owner; create index by_body on app.notes (body)")
    before = built.differences()
    built.add(
        "0004_index",
        "-- transactional: false\ncreate index concurrently if not exists by_body"
        " on app.notes (body);",
        rollback="drop index concurrently if exists app.by_body;",
    )
    built.migrate()

    assert before == ["differs migrations/0002_notes.sql"]
    assert built.differences() == []
    built.by_hand("drop index app.by_body")
    assert built.differences() == ["differs migrations/0004_index.sql"]


def test_who_killed_the_deployer_between_an_index_and_its_mark_sees_no_drift(built: House) -> None:
    built.add(
        "0004_index",
        "-- transactional: false\ncreate index concurrently if not exists by_body"
        " on app.notes (body);",
        rollback="drop index concurrently if exists app.by_body;",
    )
    built.migrate()
    built.by_hand(
        "delete from yoyo.structure where migration = '0004_index';"
        "delete from yoyo._yoyo_migration where migration_id = '0004_index';"
        "update yoyo.files set state = 'applying' where name = '0004_index'"
    )

    built.migrate()

    assert built.status().is_consistent


@pytest.mark.parametrize(
    "forgotten",
    [
        "drop table yoyo.structure",
        "delete from yoyo.structure",
        "update yoyo.structure set made_on = 'PostgreSQL 9'",
    ],
    ids=["made before it was recorded", "marked by stock yoyo", "upgraded"],
)
def test_a_structure_not_recorded_by_this_server_is_baselined(built: House, forgotten: str) -> None:
    built.by_hand(forgotten)

    assert built.differences() == ["baseline migrations/0003_tags.sql"]
    planned = built.plan()
    assert texts(built.migrate()) == texts(planned) == ["baseline migration 0003_tags"]
    assert built.differences() == []
    built.by_hand("alter table app.notes add column colour text")
    assert built.status().is_consistent is False


def test_after_an_upgrade_what_was_lost_on_the_way_is_taken_when_asked_for(built: House) -> None:
    built.by_hand("update yoyo.structure set made_on = 'PostgreSQL 9'")
    built.by_hand("drop table app.tags cascade; alter table app.notes alter body set not null")
    differs = [item for item in built.status().items if item.action == "differs"]

    with pytest.raises(MigrationError, match=r"body was changed by hand.*--baseline") as refused:
        built.migrate()

    assert {item.reason for item in differs} >= {
        "table app.tags is missing",
        "column app.notes.body was changed by hand: text became text not null",
    }
    assert "table app.tags is missing" in str(refused.value)
    assert built.ask("select min(made_on) from yoyo.structure") == "PostgreSQL 9"


def test_a_newer_server_that_says_the_same_in_other_words_is_taken_when_asked_for(
    built: House,
) -> None:
    built.by_hand("update yoyo.structure set made_on = 'PostgreSQL 9', definition = 'other words'")
    with pytest.raises(MigrationError, match=r"and [0-9]+ more"):
        built.migrate()

    built.migrate(baseline=True)

    assert built.status().is_consistent
    assert built.migrate() == []


def test_switching_a_feature_flag_makes_the_functions_again(built: House) -> None:
    assert built.migrate(uuidv7=False)
    assert built.status(uuidv7=False).is_consistent
    assert not built.status(uuidv7=True).is_consistent


def test_another_major_version_of_the_server_makes_them_again(built: House) -> None:
    built.by_hand(
        "update yoyo.files set made_on = replace(made_on, 'PostgreSQL 1', 'PostgreSQL 0')"
    )

    assert len(built.migrate()) == 6


# yoyo itself.


def test_bare_yoyo_and_migrate_agree(house: House) -> None:
    applied = house.yoyo("apply")

    assert (applied.returncode, applied.stderr) == (0, "")
    assert house.status().version == "0003_tags"
    done = texts(house.migrate())
    assert done[0] == "apply function greeting"
    assert len(done) == 6
    listed = house.yoyo("list")
    assert listed.stdout.count("A ") == 3


def test_bare_yoyo_rolls_back_what_migrate_did(built: House) -> None:
    undone = built.yoyo("rollback", "--all")

    assert (undone.returncode, undone.stderr) == (0, "")
    assert built.ask("select count(*) from pg_namespace where nspname = 'app'") == 0
    assert built.ask("select count(*) from yoyo.files where kind <> 'migration'") == 0
    assert len(built.migrate()) == 9


def test_bare_yoyo_refuses_an_edited_file_too(built: House) -> None:
    built.write("migrations/0002_notes.sql", TREE["migrations/0002_notes.sql"] + "-- edited")
    built.add("0004_more", "create table app.more ();")

    refused = built.yoyo("apply")

    assert refused.returncode != 0
    assert "0002_notes.sql: it was edited" in refused.stderr
    assert built.ask("select to_regclass('app.more')") is None


def test_a_login_that_the_system_does_not_know_matters_to_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: 1 / 0)

    house.migrate()

    assert house.ask("select max(username) from yoyo._yoyo_log") == "hearth_deployer"


def test_what_stock_yoyo_marked_is_baselined(house: House) -> None:
    with psycopg.connect(house.url) as connection:
        connection.execute("create schema yoyo")
    stock = house.url.replace("postgresql:", "postgresql+psycopg:") + "&schema=yoyo"
    with yoyo.get_backend(stock) as backend, backend.lock():
        found = yoyo.read_migrations(str(house.sql / "migrations"))
        backend.apply_migrations(backend.to_apply(found))

    assert house.differences()[:3] == [
        "baseline migrations/0001_schema.sql",
        "baseline migrations/0002_notes.sql",
        "baseline migrations/0003_tags.sql",
    ]
    assert texts(house.migrate())[2:4] == [
        "baseline migration 0003_tags",
        "apply function greeting",
    ]
    assert house.status().is_consistent


def test_a_lock_row_that_a_dead_yoyo_left_is_cleared(built: House) -> None:
    built.by_hand("insert into yoyo.yoyo_lock values (1, now(), 4711)")

    assert built.migrate() == []


def test_a_living_stock_yoyo_is_waited_for(built: House) -> None:
    stock = psycopg.connect(built.root, application_name="yoyo", autocommit=True)
    with stock:
        stock.execute("insert into yoyo.yoyo_lock values (1, now(), 4711)")

        with pytest.raises(MigrationError, match="Process 4711 has locked"):
            built.migrate(timeout=0.2)


# The migrator's own files.


def test_statements_longer_than_a_line_stand_in_files_that_say_what_they_are_for() -> None:
    is_sql = re.compile(r"\s*(select|insert|update|delete|create|alter|drop|grant|with|set)\b")
    package = Path(migrations.__file__).parent
    strings = [
        (path.name, node.value)
        for path in package.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]

    long = [(name, text) for name, text in strings if is_sql.match(text) and len(text) > 100]

    assert long == []
    assert [name for name, text in statements.TEXTS.items() if not text.startswith("-- ")] == []


def test_every_statement_in_a_file_is_used() -> None:
    package = Path(migrations.__file__).parent
    python = "".join(path.read_text() for path in package.glob("*.py"))

    assert [name for name in statements.TEXTS if f'"{name}"' not in python] == []


# The real files.


def test_a_deployer_who_inherits_what_was_granted_can_install_them_too(real: House) -> None:
    real.by_hand("alter role hearth_deployer inherit")
    try:
        real.migrate()
        real.migrate(rollback=99)
        real.migrate()
    finally:
        real.by_hand("alter role hearth_deployer noinherit")

    assert real.status().is_consistent
