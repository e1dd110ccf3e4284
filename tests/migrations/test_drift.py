"""Every kind of object that the SQL files own, changed by hand: it is named, with its file.

What a function or policy file owns is put right by the next `hearth migrate`. The structure is not:
an index that somebody built in an emergency, or a column somebody needed, is told of and left alone
until a person takes it back or a migration takes it over.
"""

import shutil
from collections.abc import Iterator

import psycopg
import pytest

from app import migrations
from app.migrations import MigrationError
from app.migrations.sources import FOLDERS, Tree
from app.settings import sql_directory
from tests.conftest import Cluster
from tests.support.fixtures import Hearth, copy_of_template
from tests.support.tally import tally

pytestmark = pytest.mark.no_judge

# Kind of change: what somebody does, the file that owns it.
MENDED = {
    "policy dropped": ("drop policy tenant_floor on app.tasks", "policies/tasks"),
    "policy added": (
        "create policy everything on app.tasks for select to app_api using (true)",
        "policies/tasks",
    ),
    "policy renamed": ("alter policy insert_own on app.tasks rename to mine", "policies/tasks"),
    "policy, its condition": (
        "alter policy tenant_floor on app.messages using (true)",
        "policies/messages",
    ),
    "policy, its check": (
        "alter policy update_own on app.conversations with check (true)",
        "policies/conversations",
    ),
    "policy, its roles": ("alter policy tenant_floor on app.tasks to app_api", "policies/tasks"),
    "policy, its command": (
        "drop policy select_family on app.families;"
        " create policy select_family on app.families to app_api, app_reader"
        " using (id = app.current_family_id())",
        "policies/families",
    ),
    "policy, restrictive or not": (
        "drop policy tenant_floor on app.audit_log;"
        " create policy tenant_floor on app.audit_log to app_api, app_reader"
        " using (family_id = app.current_family_id())",
        "policies/audit_log",
    ),
    "policy, its comment": (
        "comment on policy tenant_floor on app.tasks is null",
        "policies/tasks",
    ),
    "row security disabled": (
        "alter table app.credentials disable row level security",
        "policies/credentials",
    ),
    "row security not forced": (
        "alter table app.sessions no force row level security",
        "policies/sessions",
    ),
    "grant on a table added": ("grant truncate on app.tasks to app_api", "policies/tasks"),
    "grant on a table taken": ("revoke select on app.tasks from app_reader", "policies/tasks"),
    "grant on a table to all": ("grant select on app.users to public", "policies/users"),
    "grant on a table, to grant on": (
        "grant select on app.tasks to app_api with grant option",
        "policies/tasks",
    ),
    "grant on a column added": (
        "grant select (password_hash) on app.credentials to app_api",
        "policies/credentials",
    ),
    "grant on a column taken": (
        "revoke insert (title) on app.tasks from app_api",
        "policies/tasks",
    ),
    "trigger added": (
        "create trigger mine before insert on app.tasks for each row"
        " execute function app.tg_touch()",
        "policies/tasks",
    ),
    "trigger dropped": ("drop trigger _900_audit on app.tasks", "policies/tasks"),
    "trigger renamed": ("alter trigger _900_audit on app.tasks rename to mine", "policies/tasks"),
    "trigger disabled": (
        "alter table app.tasks disable trigger _900_audit",
        "policies/tasks",
    ),
    "trigger, for whose writes": (
        "alter table app.tasks enable replica trigger _900_audit",
        "policies/tasks",
    ),
    "trigger, its events": (
        "create or replace trigger _900_audit after insert on app.conversations for each row"
        " execute function app.tg_record_audit('private')",
        "policies/conversations",
    ),
    "trigger, its condition": (
        "create or replace trigger _900_audit after insert or update or delete on app.tasks"
        " for each row when (pg_trigger_depth() = 0) execute function app.tg_record_audit()",
        "policies/tasks",
    ),
    "trigger, its arguments": (
        "create or replace trigger _900_audit after insert or delete on app.messages for each row"
        " execute function app.tg_record_audit('private')",
        "policies/messages",
    ),
    "trigger, its comment": (
        "comment on trigger _900_audit on app.tasks is 'mine'",
        "policies/tasks",
    ),
    "trigger of a partition, its argument": (
        "create or replace trigger _100_refuse_truncate before truncate on app.audit_log_default"
        " for each statement execute function app.tg_refuse_change('no')",
        "policies/audit_log",
    ),
    "trigger of a partition dropped": (
        "drop trigger _100_refuse_truncate on app.audit_log_default",
        "policies/audit_log",
    ),
    "trigger of a partition disabled": (
        "alter table app.audit_log_default disable trigger _100_refuse_change",
        "policies/audit_log",
    ),
    "function dropped": ("drop function app.my_families()", "functions/my_families"),
    "function overloaded": (
        "create function app.my_families(integer) returns integer return 1",
        "functions/my_families",
    ),
    "function, its body": (
        "create or replace function app.current_family_id() returns uuid language sql stable"
        " as 'select null::uuid'",
        "functions/current_family_id",
    ),
    "function, its rights": (
        "alter function app.open_session security invoker",
        "functions/open_session",
    ),
    "function, its volatility": (
        "alter function app.current_user_id() immutable",
        "functions/current_user_id",
    ),
    "function, its settings": (
        "alter function app.tg_record_audit() reset search_path",
        "functions/tg_record_audit",
    ),
    "function, its comment": ("comment on function app.tg_touch() is 'mine'", "functions/tg_touch"),
    "grant on a function added": (
        "grant execute on function app.tg_record_audit() to app_api",
        "functions/tg_record_audit",
    ),
    "grant on a function taken": (
        "revoke execute on function app.open_session from app_api",
        "functions/open_session",
    ),
    "grant on a function to all": (
        "grant execute on function app.find_credentials to public",
        "functions/find_credentials",
    ),
}

# Kind of change: what somebody does, the migration that owns it, what `hearth status` says of it.
NAMED = {
    "table dropped": (
        "drop table app.refresh_tokens",
        "0005",
        "table app.refresh_tokens is missing",
    ),
    "table, its owner": (
        "alter table app.messages owner to app_ops",
        "0008",
        "table app.messages was changed by hand: owner app_owner became owner app_ops",
    ),
    "table, its comment": (
        "comment on table app.messages is 'Talk.'",
        "0008",
        "table app.messages was changed by hand",
    ),
    "table, its storage parameters": (
        "alter table app.messages set (autovacuum_enabled = off)",
        "0008",
        "table app.messages was changed by hand",
    ),
    "table, its replica identity": (
        "alter table app.messages replica identity full",
        "0008",
        "table app.messages was changed by hand",
    ),
    "table unlogged": ("alter table app.messages set unlogged", "0008", "table app.messages was"),
    "column added": (
        "alter table app.tasks add column colour text",
        "0007",
        "column app.tasks.colour was added by hand",
    ),
    "column dropped": (
        "alter table app.families drop column time_zone cascade",
        "0004",
        "column app.families.time_zone is missing",
    ),
    "column renamed": (
        "alter table app.tasks rename column description to details",
        "0007",
        "column app.tasks.description is missing",
    ),
    "column, its type": (
        "alter table app.families alter column time_zone type varchar(64)",
        "0004",
        "column app.families.time_zone was changed by hand: text not null default 'UTC'::text"
        " became character varying(64) not null",
    ),
    "column, its collation": (
        'alter table app.users alter column full_name type text collate "C"',
        "0003",
        "column app.users.full_name was changed by hand",
    ),
    "column, its default": (
        "alter table app.users alter column time_zone set default 'Europe/Vienna'",
        "0003",
        "column app.users.time_zone was changed by hand",
    ),
    "column, its expression": (
        "alter table app.tasks alter column is_completed drop expression",
        "0007",
        "column app.tasks.is_completed was changed by hand",
    ),
    "column, null or not": (
        "alter table app.tasks alter column title drop not null",
        "0007",
        "column app.tasks.title was changed by hand: text not null became text",
    ),
    "column, what the planner is told": (
        "alter table app.tasks alter column family_id reset (n_distinct)",
        "0007",
        "column app.tasks.family_id was changed by hand",
    ),
    "column, its comment": (
        "comment on column app.tasks.due_on is null",
        "0007",
        "column app.tasks.due_on was changed by hand",
    ),
    "constraint added": (
        "alter table app.tasks add constraint short check (length(title) < 90) not valid",
        "0007",
        "constraint short on app.tasks was added by hand",
    ),
    "constraint dropped": (
        "alter table app.tasks drop constraint tasks_family_id_user_id_fkey",
        "0007",
        "constraint tasks_family_id_user_id_fkey on app.tasks is missing",
    ),
    "constraint, its rule": (
        "alter table app.users drop constraint users_full_name_is_1_to_200_characters,"
        " add constraint users_full_name_is_1_to_200_characters check (true)",
        "0003",
        "constraint users_full_name_is_1_to_200_characters on app.users was changed by hand:"
        " CHECK ((app.is_line(full_name)",
    ),
    "constraint, its comment": (
        "comment on constraint tasks_due_on_is_in_the_calendar on app.tasks is null",
        "0007",
        "constraint tasks_due_on_is_in_the_calendar on app.tasks was changed by hand",
    ),
    "foreign key not enforced": (
        "alter table app.messages disable trigger all;"
        " alter table app.messages enable trigger user",
        "0008",
        "constraint messages_family_id_user_id_conversation_id_fkey on app.messages was changed",
    ),
    "index added": (
        "create index emergency on app.tasks (title)",
        "0007",
        "index app.emergency was added by hand",
    ),
    "index dropped": (
        "drop index app.tasks_family_id_due_on_idx",
        "0007",
        "index app.tasks_family_id_due_on_idx is missing",
    ),
    "index, its columns": (
        "drop index app.sessions_user_id_idx;"
        " create index sessions_user_id_idx on app.sessions (user_id, created_at)",
        "0005",
        "index app.sessions_user_id_idx was changed by hand:"
        " CREATE INDEX sessions_user_id_idx ON app.sessions USING btree (user_id) became",
    ),
    "index invalid": (
        "update pg_index set indisvalid = false where indexrelid = 'app.users_email_key'::regclass",
        "0003",
        "index app.users_email_key was changed by hand",
    ),
    "index, its comment": (
        "comment on index app.users_email_key is null",
        "0003",
        "index app.users_email_key was changed by hand",
    ),
    "statistics added": (
        "create statistics app.guess on user_id, due_on from app.tasks",
        "0007",
        "statistics app.guess was added by hand",
    ),
    "rule added": (
        "create rule deaf as on delete to app.tasks do instead nothing",
        "0007",
        "rule deaf on app.tasks was added by hand",
    ),
    "partition without row security": (
        "alter table app.audit_log_default disable row level security",
        "0006",
        "partitions of table app.audit_log were changed by hand",
    ),
    "partition without forced row security": (
        "alter table app.audit_log_default no force row level security",
        "0006",
        "partitions of table app.audit_log were changed by hand",
    ),
    "policy on a partition": (
        "create policy mine on app.audit_log_default for select to app_api using (true)",
        "0006",
        "partitions of table app.audit_log were changed by hand",
    ),
    "grant on a partition": (
        "grant select on app.audit_log_default to app_api",
        "0006",
        "partitions of table app.audit_log were changed by hand",
    ),
    "grant on a column of a partition": (
        "grant select (family_id) on app.audit_log_default to app_api",
        "0006",
        "partitions of table app.audit_log were changed by hand",
    ),
    "partition, its owner": (
        "alter table app.audit_log_default owner to app_api",
        "0006",
        "partitions of table app.audit_log were changed by hand",
    ),
    "constraint on a partition": (
        "alter table app.audit_log_default add constraint mine check (true)",
        "0006",
        "partitions of table app.audit_log were changed by hand",
    ),
    "index on a partition": (
        "create index mine on app.audit_log_default (table_name)",
        "0006",
        "partitions of table app.audit_log were changed by hand",
    ),
    "partition, its storage parameters": (
        "alter table app.audit_log_default set (autovacuum_enabled = off)",
        "0006",
        "partitions of table app.audit_log were changed by hand",
    ),
    "default partition gone": (
        "alter table app.audit_log detach partition app.audit_log_default",
        "0006",
        "partitions of table app.audit_log are missing",
    ),
    "default partition gone, another there": (
        "set local role app_owner;"
        " create table app.audit_log_2001_01 partition of app.audit_log"
        " for values from ('2001-01-01') to ('2001-02-01');"
        " alter table app.audit_log_2001_01 enable row level security;"
        " alter table app.audit_log_2001_01 force row level security;"
        " create trigger _100_refuse_truncate before truncate on app.audit_log_2001_01 for each"
        " statement execute function app.tg_refuse_change('the audit trail is append-only');"
        " alter table app.audit_log detach partition app.audit_log_default;"
        " reset role",
        "0006",
        "partitions of table app.audit_log were changed by hand: removed default",
    ),
    "type, its labels": (
        "alter type app.member_role add value 'guest'",
        "0004",
        "type app.member_role was changed by hand: owner, admin, member became"
        " owner, admin, member, guest",
    ),
    "type, its comment": (
        "comment on type app.visibility is null",
        "0007",
        "type app.visibility was changed by hand",
    ),
    "grant on a type": (
        "revoke usage on type app.visibility from public",
        "0007",
        "type app.visibility was changed by hand",
    ),
    "schema, its owner": (
        "alter schema app owner to app_ops",
        "0002",
        "schema app was changed by hand",
    ),
    "grant on the schema": (
        "grant create on schema app to app_api",
        "0002",
        "schema app was changed by hand: added grant CREATE to app_api",
    ),
    "grant on the schema, to grant on": (
        "grant usage on schema app to app_api with grant option",
        "0002",
        "schema app was changed by hand: grant USAGE to app_api became"
        " grant USAGE to app_api with grant option",
    ),
    "schema, its comment": ("comment on schema app is null", "0002", "schema app was changed"),
    "default privileges": (
        "alter default privileges for role app_owner grant execute on functions to app_api",
        "0002",
        "default privileges were changed by hand: of app_owner in every schema on f",
    ),
    "default privileges of another kind": (
        "alter default privileges for role app_owner grant select on tables to app_api",
        "0002",
        "default privileges were changed by hand: added of app_owner",
    ),
    "grant on the database": (
        "do $$ begin execute format('grant temporary on database %I to public',"
        " current_database()); end $$",
        "0001",
        "database was changed by hand: added grant TEMPORARY to public",
    ),
    "database, its settings": (
        "do $$ begin execute format('alter database %I set row_security = off',"
        " current_database()); end $$",
        "0001",
        "database was changed by hand: added set row_security=off",
    ),
    "role, what it may create": (
        "alter role app_api createdb",
        "0001",
        "role app_api was changed by hand: create roles f, create databases f",
    ),
    "role, its attributes": (
        "alter role app_api bypassrls",
        "0001",
        "role app_api was changed by hand",
    ),
    "role, its settings": (
        "alter role app_api set row_security = off",
        "0001",
        "role app_api was changed by hand: added set row_security=off",
    ),
    "role, its settings here": (
        "do $$ begin execute format('alter role app_api in database %I set app.user_id = %L',"
        " current_database(), gen_random_uuid()); end $$",
        "0001",
        "role app_api was changed by hand: added set app.user_id=",
    ),
    "role, its memberships": (
        "grant app_owner to app_reader",
        "0001",
        "role app_reader was changed by hand: added member of app_owner",
    ),
    "role, its comment": (
        "comment on role app_ops is 'Ops.'",
        "0001",
        "role app_ops was changed by hand",
    ),
}

# Kinds of objects that there are none of yet. A migration makes them in a copy of the files.
LATER = """-- Later: one object of each kind that there is none of yet.
--
-- depends: {head}

set local role app_owner;

create domain app.shade as text default 'red' not null check (value <> '');
create sequence app.turns;
create view app.names with (security_invoker = true) as select id, full_name from app.users;
create materialized view app.counts as select count(*) from app.users;
create table app.shelves (number integer, shade text) partition by list (shade);
create table app.marks (number integer generated always as identity, size integer, shade app.shade);
create statistics app.guess on number, size from app.marks;
create rule deaf as on delete to app.marks do instead nothing;
"""

# Kind of change: what somebody does, what `hearth status` says of it.
NAMED_LATER = {
    "domain, its type": (
        "drop domain app.shade cascade;"
        " create domain app.shade as varchar default 'red' not null check (value <> '')",
        "type app.shade was changed by hand: text not null default 'red'::text, owner app_owner"
        " became character varying not null default 'red'::character varying",
    ),
    "domain, null or not": (
        "alter domain app.shade drop not null",
        "type app.shade was changed by hand: text not null default 'red'::text became"
        " text default 'red'::text",
    ),
    "domain, its default": (
        "alter domain app.shade set default 'blue'",
        "type app.shade was changed by hand",
    ),
    "domain, its check": (
        "alter domain app.shade drop constraint shade_check",
        "constraint shade_check on app.shade is missing",
    ),
    "grant on a sequence": (
        "grant usage on sequence app.turns to app_api",
        "sequence app.turns was changed by hand: added grant USAGE to app_api",
    ),
    "view, its query": (
        "create or replace view app.names with (security_invoker = true)"
        " as select id, email as full_name from app.users",
        "view app.names was changed by hand",
    ),
    "view, whose rights": (
        "alter view app.names reset (security_invoker)",
        "view app.names was changed by hand: removed with {security_invoker=true}",
    ),
    "materialized view, its query": (
        "drop materialized view app.counts;"
        " create materialized view app.counts as select count(*) from app.families",
        "materialized view app.counts was changed by hand",
    ),
    "column, its identity": (
        "alter table app.marks alter number set generated by default",
        "column app.marks.number was changed by hand: integer not null always became"
        " integer not null by default",
    ),
    "statistics, their columns": (
        "drop statistics app.guess;"
        " set local role app_owner; create statistics app.guess on number, shade from app.marks",
        "statistics app.guess was changed by hand",
    ),
    "rule, what it does": (
        "create or replace rule deaf as on delete to app.marks do also nothing",
        "rule deaf on app.marks was changed by hand",
    ),
    "rule disabled": (
        "alter table app.marks disable rule deaf",
        "rule deaf on app.marks was changed by hand",
    ),
    "table, how it is divided": (
        "drop table app.shelves;"
        " create table app.shelves (number integer, shade text) partition by list (number)",
        "table app.shelves was changed by hand: partition by LIST (shade), owner app_owner became"
        " partition by LIST (number)",
    ),
}

# What the next `hearth migrate` cannot put right: what somebody does, and what it says.
REFUSED = {
    "function, its owner": (
        "alter function app.tg_touch() owner to app_ops",
        r"functions/.*tg_touch\.sql: must be owner of function tg_touch",
    ),
    "column that a policy file grants": (
        "alter table app.tasks rename column description to details",
        r'policies/tasks\.sql: column "description" of relation "tasks" does not exist',
    ),
}


@pytest.fixture(scope="module")
def mended_hearth(cluster: Cluster, template: str) -> Iterator[Hearth]:
    """Yield a database that is broken and mended again and again."""
    with copy_of_template(cluster, template, "hearth_mended") as hearth:
        yield hearth


@pytest.fixture(scope="module")
def later(
    cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Hearth, Tree]]:
    """Yield a database with one more migration, and the files that made it."""
    sql = tmp_path_factory.mktemp("later") / "sql"
    shutil.copytree(sql_directory(), sql)
    head = Tree.read(sql).migrations[-1].name
    (sql / "migrations/9999_later.sql").write_text(LATER.format(head=head))
    (sql / "migrations/9999_later.rollback.sql").write_text("-- Never run.")
    with copy_of_template(cluster, template, "hearth_later") as hearth:
        migrations.migrate(hearth.url("hearth_deployer"), sql)
        yield hearth, Tree.read(sql)


def _by_hand(hearth: Hearth, change: str) -> None:
    with psycopg.connect(hearth.superuser_url) as connection:
        connection.execute(change)


def _status(hearth: Hearth) -> migrations.Status:
    return migrations.status(hearth.url("hearth_deployer"), sql_directory())


def _items(hearth: Hearth) -> list[str]:
    """Return what `hearth status` lists; it exits with 3 unless all of that is unmanaged."""
    report = _status(hearth)
    assert report.is_consistent is not bool(report.diff)
    assert report.is_consistent == all(item.action == "unmanaged" for item in report.items)
    return [str(item) for item in report.items]


def _migrate(hearth: Hearth) -> list[str]:
    """Return what `hearth migrate` says while it works."""
    said: list[str] = []
    migrations.migrate(hearth.url("hearth_deployer"), sql_directory(), progress=said.append)
    return said


def _recorded(hearth: Hearth) -> set[tuple[str, ...]]:
    with psycopg.connect(hearth.superuser_url) as connection:
        return set(connection.execute("select kind, name, definition from yoyo.files"))


@pytest.mark.parametrize(("change", "file"), MENDED.values(), ids=MENDED)
def test_a_change_to_what_a_file_owns_is_named_and_mended(
    mended_hearth: Hearth, change: str, file: str
) -> None:
    before = _recorded(mended_hearth)
    _by_hand(mended_hearth, change)

    told = _status(mended_hearth)
    _migrate(mended_hearth)

    assert [f"{item.action} {FOLDERS[item.kind]}/{item.name}" for item in told.items] == [
        f"apply {file}"
    ]
    assert told.diff
    assert _items(mended_hearth) == []
    assert _recorded(mended_hearth) == before


@pytest.mark.parametrize(("change", "migration", "says"), NAMED.values(), ids=NAMED)
def test_a_change_to_the_structure_is_named(
    hearth: Hearth, change: str, migration: str, says: str
) -> None:
    _is_named(hearth, Tree.read(sql_directory()), change, migration, says)

    named = len(NAMED) + len(NAMED_LATER)
    tally("drift", f"{len(MENDED)} kinds mended, {named} named, {len(REFUSED)} refused")


@pytest.mark.parametrize(("change", "says"), NAMED_LATER.values(), ids=NAMED_LATER)
def test_a_change_to_what_there_is_none_of_yet_is_named(
    later: tuple[Hearth, Tree], change: str, says: str
) -> None:
    _is_named(*later, change, "9999", says)


def _is_named(hearth: Hearth, tree: Tree, change: str, migration: str, says: str) -> None:
    with psycopg.connect(hearth.superuser_url) as connection:
        connection.execute(change)  # also roles, which are the server's, so it is not to last
        connection.execute("set local search_path to yoyo")
        report = migrations.compare(connection, tree)
        connection.rollback()

    named = [str(item) for item in report.items]
    theirs = [item for item in named if item.startswith(f"differs migrations/{migration}_")]
    assert any(f".sql: {says}" in item for item in theirs), f"status lists {named}, and not: {says}"
    assert not report.is_consistent
    assert report.diff


def test_migrate_says_what_it_leaves_alone(own_hearth: Hearth) -> None:
    _by_hand(own_hearth, "create index emergency on app.tasks (title)")
    _by_hand(own_hearth, "alter policy tenant_floor on app.tasks using (true)")

    said = _migrate(own_hearth)

    left = "differs migrations/0007_tasks.sql: index app.emergency was added by hand"
    assert said == ["apply policies/tasks.sql: it was changed by hand in the database", left]
    assert _items(own_hearth) == [left]


@pytest.mark.parametrize(("change", "says"), REFUSED.values(), ids=REFUSED)
def test_what_migrate_cannot_put_right_it_refuses_to_work_on(
    own_hearth: Hearth, change: str, says: str
) -> None:
    _by_hand(own_hearth, change)
    named = _items(own_hearth)

    with pytest.raises(MigrationError, match=says):
        _migrate(own_hearth)
    assert named
    assert _items(own_hearth) == named


def test_what_is_taken_back_by_hand_is_drift_no_more(own_hearth: Hearth) -> None:
    _by_hand(own_hearth, "alter table app.tasks alter column title drop not null")
    _by_hand(own_hearth, "alter table app.tasks alter column title set not null")

    assert _items(own_hearth) == []


def test_what_stands_beside_ours_is_unmanaged_and_no_difference(own_hearth: Hearth) -> None:
    _by_hand(own_hearth, "create table app.strays (id integer primary key)")

    assert _items(own_hearth) == ["unmanaged table app.strays: no file makes it"]


def test_new_months_of_the_audit_trail_are_no_drift(own_hearth: Hearth) -> None:
    _by_hand(own_hearth, "select app.ensure_audit_partitions(2)")

    assert _items(own_hearth) == []
