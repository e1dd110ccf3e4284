"""The SQL of the migration engine: its session, its tables, and how it reads the catalog.

yoyo keeps its own four tables in schema `yoyo`; beside them stand `files` (what was run, and what
the catalog said afterwards) and `history`. Anybody may read them; nothing in them is secret.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple
from socket import gethostname
from typing import Any

import psycopg
from psycopg.rows import class_row
from yoyo.exceptions import LockTimeout

from app.migrations import structure
from app.migrations.sources import File, Key, MigrationError
from app.migrations.steps import Event, Live, Part, Record, State, Step
from app.migrations.structure import Connection

LOCK = int.from_bytes(b"hrth", "big")  # the advisory lock of deployers, one per database

# How long a migration waits for a lock, and with it whoever has queued behind it.
LOCK_TIMEOUT = "3s"

SESSION = f"""
    set search_path to yoyo;
    set lock_timeout to '{LOCK_TIMEOUT}';
    set statement_timeout to 0;
    set client_min_messages to warning;
"""

TABLES = f"""
    create schema if not exists yoyo;
    create table if not exists yoyo.files (
        kind text, name text, state text not null, sha256 text not null,
        requires text, made_on text, definition text, primary key (kind, name)
    );
    create table if not exists yoyo.history (
        id bigint generated always as identity primary key,
        at timestamptz not null default clock_timestamp(),
        who text not null default session_user, host text not null, kind text not null,
        name text not null, action text not null, reason text not null,
        sha256 text, milliseconds integer not null, overwritten text
    );
    comment on schema yoyo is 'Bookkeeping of migrations: written by the deployer, read by all.';
    comment on table yoyo.files is 'What was run, and what the catalog said afterwards.';
    comment on table yoyo.history is 'Who ran what and when, and the hand-made texts it overwrote.';
    {structure.TABLE}
    grant usage on schema yoyo to public;
"""

# Every function and table of schema app, as a text to compare and to keep, and the SQL that strips
# it of all that its file gives anew. Left out: the owner's own privileges, which it can grant back
# at any time; partitions, which belong to their parent; comments on tables, which are structure.
CATALOG = """
    with objects as (
        select 'function' as kind, proname::text as name, 'routine' as type, oid,
            oid::regprocedure::text as object, proowner as owner,
            ctid::text as version,
            concat_ws(E'\n', pg_get_functiondef(oid) || 'owner ' || proowner::regrole,
                'comment ' || obj_description(oid, 'pg_proc')) as body, null as forced
        from pg_proc
        where pronamespace = to_regnamespace('app') and prokind <> 'a'
        union all
        select 'policy', relname::text, 'table', oid, oid::regclass::text, relowner, ctid::text,
            format('row security %s, forced %s', relrowsecurity, relforcerowsecurity),
            case when relkind <> 'v' then format('alter table %1$s enable row level security;'
                ' alter table %1$s force row level security;', oid::regclass) end
        from pg_class
        where relnamespace = to_regnamespace('app')
            and relkind in ('r', 'p', 'v') and not relispartition
    ), grants as (
        select 'routine' as type, p.oid, '' as part, a.*
        from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        union all
        select 'table', c.oid, '', a.* from pg_class c, aclexplode(c.relacl) a
        union all
        select 'table', c.attrelid, format(' (%I)', c.attname), a.*
        from pg_attribute c, aclexplode(c.attacl) a
    ), acl as (
        select type, oid,
            string_agg(format('grant %s to %s%s', privilege_type || part, who,
                case when is_grantable then ' with grant option' end), E'\n'
                order by who, privilege_type, part) as granted,
            string_agg(
                distinct format('revoke all on %s %s from %s cascade;', type, object, who), ' '
            ) filter (where who <> 'public' or type = 'table') as stripped
        from objects
        join grants using (type, oid)
        cross join lateral coalesce(nullif(grantee::regrole::text, '-'), 'public') who
        where grantee <> owner
        group by type, oid
    ), policies as (
        select 'table' as type, p.polrelid as oid,
            string_agg(format(E'policy %I as %s for %s to %s\n using %s\n check %s\n comment %s',
                v.policyname, v.permissive, v.cmd, v.roles, v.qual, v.with_check,
                obj_description(p.oid, 'pg_policy')), E'\n' order by v.policyname) as made,
            string_agg(format('drop policy %I on app.%I;', v.policyname, v.tablename), ' ')
                as dropped
        from pg_policies v
        join pg_class t on t.relnamespace = to_regnamespace('app') and t.relname = v.tablename
        join pg_policy p on p.polrelid = t.oid and p.polname = v.policyname
        where v.schemaname = 'app'
        group by p.polrelid
    )
    select kind, name, object, version,
        concat_ws(E'\n', body, granted, made) as definition,
        concat_ws(' ', dropped, stripped, forced) as strip,
        type = 'routine' and exists (
            select from pg_depend d
            where d.refclassid = 'pg_proc'::regclass and d.refobjid = oid
                and d.classid not in ('pg_proc'::regclass, 'pg_policy'::regclass)
        ) as is_used
    from objects
    left join acl using (type, oid)
    left join policies using (type, oid)
    order by object
"""

# What is left of an index whose concurrent building broke off; `if not exists` would keep it.
BROKEN_INDEXES = """
    select format('drop index concurrently %s', indexrelid::regclass)
    from pg_index
    join pg_class on pg_class.oid = indexrelid
    where relnamespace = to_regnamespace('app') and relkind = 'i' and not indisvalid
"""

DEPLOYER = """
    select format('pid %%s (%%s%%s)', pid, usename,
        to_char(coalesce(xact_start, backend_start), '", since" YYYY-MM-DD HH24:MI:SS TZ'))
    from pg_locks
    join pg_stat_activity using (pid)
    where locktype = 'advisory' and granted and objsubid = 1 and classid = 0 and objid = %s
        and pg_locks.database = (select oid from pg_database where datname = current_database())
"""

# SQLSTATE: what to do about it.
ADVICE = {
    "2BP01": "let a new migration take away first what depends on it",
    "42P13": "if its signature changed, let a new migration drop the old one (if exists)",
    "55P03": "another session is using it; nothing was changed, try again",
}


def connect(url: str, **parts: Any) -> Connection:
    """Open a session for migrations; raise MigrationError, whose text never holds the password."""
    parts.pop("schema", None)  # yoyo's, not libpq's; ours is always `yoyo`
    parts.update(autocommit=True, prepare_threshold=None, application_name="hearth-migrate")
    try:
        connection = psycopg.connect(url, **parts)
    except psycopg.ProgrammingError:
        example = "postgresql://user:password@host:5432/database"
        raise MigrationError(f"the database URL cannot be understood; write {example}") from None
    except psycopg.Error as error:
        raise MigrationError(" ".join(str(error).split())) from None
    connection.execute(SESSION)
    with suppress(psycopg.Error):  # not on every platform; it ends the session of a killed deployer
        connection.execute("set client_connection_check_interval to '500ms'")
    return connection


def look(connection: Connection, *, uuidv7: bool, trusting: bool = False) -> State:
    """Read what is marked, what is recorded and what lives in schema app.

    Describing a policy takes a lock on its table. `trusting` takes the recorded texts for the
    living ones instead, and so does not wait for a deployer at work.
    """
    tables = "select tablename from pg_tables where schemaname = 'yoyo'"
    there = {name for (name,) in connection.execute(tables)}
    marked: frozenset[str] = frozenset()
    if "_yoyo_migration" in there:
        marks = connection.execute("select migration_id from yoyo._yoyo_migration")
        marked = frozenset(name for (name,) in marks)
    records: dict[Key, Record] = {}
    if "files" in there:
        rows = connection.cursor(row_factory=class_row(Record)).execute(
            "select kind, name, state, sha256, requires, made_on, definition from yoyo.files"
        )
        records = {(record.kind, record.name): record for record in rows}
    recorded: dict[str, Part] = {}
    if "structure" in there:
        recorded = structure.recorded(connection)
    live: dict[Key, list[Live]] = defaultdict(list)
    if trusting:
        for key, record in records.items():
            live[key].append(Live(*key, "", "", record.definition or "", "", is_used=False))
        parts = {name: part for name, part in recorded.items() if part.definition is not None}
    else:
        for item in connection.cursor(row_factory=class_row(Live)).execute(CATALOG):
            live[item.kind, item.name].append(item)
        parts = structure.look(connection)
    made_on = f"PostgreSQL {connection.info.server_version // 10000}"
    made_on += f", uuidv7 {'on' if uuidv7 else 'off'}"
    return State(marked, records, live, parts, recorded, made_on)


def is_there(connection: Connection) -> bool:
    """Tell whether our tables have been made, down to the newest of them."""
    return _value(connection, "select to_regclass('yoyo.structure')") is not None


def acquire(connection: Connection, timeout: float, progress: Callable[[str], None]) -> None:
    """Take the lock of deployers; it ends with the session, so a killed deployer frees it.

    Polled: a session blocked in pg_advisory_lock deadlocks with an index built concurrently.
    """
    until, told = time.monotonic() + timeout, False
    while not _value(connection, "select pg_try_advisory_lock(%s)", LOCK):
        holder = deployer(connection) or "another deployer"
        if time.monotonic() > until:
            raise MigrationError(f"{holder} is at work; gave up after {timeout:g} s")
        if not told:
            progress(f"waiting for {holder}")
        told = True
        time.sleep(0.1)


def release(connection: Connection) -> None:
    """Give the lock of deployers back."""
    connection.execute("select pg_advisory_unlock(%s)", [LOCK])


def deployer(connection: Connection) -> str | None:
    """Say who holds the lock: pid, login and since when."""
    found: str | None = _value(connection, DEPLOYER, LOCK)
    return found


def has_stock_yoyo(connection: Connection) -> bool:
    """Tell whether somebody works with yoyo as it comes, whose URI names its sessions so."""
    sessions = "select count(*) from pg_stat_activity where application_name = 'yoyo'"
    return bool(_value(connection, f"{sessions} and datname = current_database()"))


def history(connection: Connection, lines: int) -> list[Event]:
    """Return the newest lines of history, newest first."""
    if not is_there(connection):
        return []
    query = (
        "select at, who, host, kind, name, action, reason, sha256, milliseconds, overwritten"
        " from yoyo.history order by id desc limit %s"
    )
    return connection.cursor(row_factory=class_row(Event)).execute(query, [lines]).fetchall()


def record(
    connection: Connection,
    file: File,
    state: str,
    requires: str | None = None,
    made_on: str | None = None,
    definition: str | None = None,
) -> None:
    """Write a row of yoyo.files."""
    connection.execute(
        "insert into yoyo.files (kind, name, state, sha256, requires, made_on, definition)"
        " values (%s, %s, %s, %s, %s, %s, %s)"
        " on conflict (kind, name) do update set state = excluded.state, sha256 = excluded.sha256,"
        " requires = excluded.requires, made_on = excluded.made_on,"
        " definition = excluded.definition",
        [*file.key, state, file.sha256, requires, made_on, definition],
    )


def note(
    connection: Connection,
    step: Step,
    began: float,
    file: File | None = None,
    overwritten: str | None = None,
) -> None:
    """Write a line of history and tell listeners, once the transaction commits."""
    took = round((time.monotonic() - began) * 1000)
    connection.execute(
        "insert into yoyo.history"
        " (host, kind, name, action, reason, sha256, milliseconds, overwritten)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s) returning pg_notify('hearth_migrated', '')",
        [gethostname(), *astuple(step), file and file.sha256, took, overwritten],
    )


def describe(error: psycopg.Error, where: str, sql: str = "") -> str:
    """Say in one line what the server said, where, and what to do about it."""
    diag = error.diag
    if sql and diag.statement_position:
        where += f":{sql.count(chr(10), 0, int(diag.statement_position) - 1) + 1}"
    advice = ADVICE.get(error.sqlstate or "", diag.message_hint)
    parts = [diag.message_primary or str(error), diag.message_detail, advice]
    said = "; ".join(part for part in parts if part)
    return " ".join(f"{where}: {said}".split())


@contextmanager
def plainly() -> Iterator[None]:
    """Let nothing out but MigrationError, in one line."""
    try:
        yield
    except psycopg.Error as error:
        raise MigrationError(describe(error, "database")) from error
    except LockTimeout as error:
        raise MigrationError(str(error)) from error


def _value(connection: Connection, query: str, *parameters: object) -> Any:
    row = connection.execute(query, parameters or None).fetchone()
    return row and row[0]
