"""Installing with no more rights than managed services give, and leaving nothing behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pytest

from app import migrations
from app.settings import sql_directory
from tests.conftest import Cluster, temporary_server
from tests.support.fixtures import bootstrap

# What a database may still say of our roles, here and in the catalogs that databases share.
TRACES = """
    with ours as (
        select oid from pg_roles where rolname like 'app\\_%'
    ), here as (
        select oid from pg_database where datname = current_database()
    )
    select 'schema', nspname from pg_namespace where nspname = 'app'
    union all
    select 'default privileges', defaclrole::regrole::text from pg_default_acl
    union all
    select d.classid::regclass::text, d.refobjid::regrole::text
    from pg_shdepend as d, here
    where d.refobjid in (select oid from ours)
        and (d.dbid = here.oid or (d.classid, d.objid) = ('pg_database'::regclass, here.oid))
"""

# Who else than its owner may do what with the database.
DOORS = """
    select case grantee when 0 then 'public' else grantee::regrole::text end, privilege_type
    from pg_database as d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba)))
    where d.datname = current_database() and grantee <> d.datdba
"""


@dataclass(frozen=True)
class Site:
    """A database, its deployer, and the superuser's server around it."""

    cluster: Cluster
    name: str
    deployer: str

    def url(self, login: str) -> str:
        """Return the URL for a login."""
        return self.cluster.url(login, self.name)

    def ask(self, query: str) -> set[tuple[object, ...]]:
        """Return what the superuser finds."""
        with psycopg.connect(self.url(self.cluster.user)) as connection:
            return set(connection.execute(query).fetchall())

    def migrate(self, *, rollback: int = 0) -> None:
        """Go to head, or so many migrations back."""
        migrations.migrate(self.url(self.deployer), sql_directory(), rollback=rollback)


@contextmanager
def bootstrapped(cluster: Cluster) -> Iterator[Site]:
    """Make a database as sql/bootstrap.sql does, among others that use the same roles."""
    name = "hearth_bootstrapped"
    bootstrap(cluster, name)
    yield Site(cluster, name, "hearth_deployer")
    with psycopg.connect(cluster.url(cluster.user, "postgres"), autocommit=True) as root:
        root.execute(f"drop database {name}")


@contextmanager
def managed(_: Cluster) -> Iterator[Site]:
    """Make one as managed services do: its owner is a login that inherits and may create roles.

    On a server of its own, because roles are the server's, and here nobody has made any yet.
    """
    with temporary_server() as server:
        cluster = Cluster(str(server.socket), 5432, "postgres")
        with psycopg.connect(cluster.url("postgres", "postgres"), autocommit=True) as root:
            root.execute("create role customer login createrole")
            root.execute("create database managed owner customer")
        yield Site(cluster, "managed", "customer")


@pytest.fixture(scope="module", params=[bootstrapped, managed], ids=["bootstrapped", "managed"])
def site(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Site]:
    """Yield a database of either kind, migrated."""
    with request.param(cluster) as site:
        site.migrate()
        yield site


def test_on_a_server_of_its_own_the_logins_enter_no_other_database() -> None:
    query = "select has_database_privilege('app_api', datname, 'connect') from pg_database"
    with temporary_server() as server:
        cluster = Cluster(str(server.socket), 5432, "postgres")
        with psycopg.connect(cluster.url("postgres", "postgres"), autocommit=True) as root:
            others = f"{query} where datname in ('postgres', 'template1')"
            root.execute("create role customer login")
            bootstrap(cluster, "hearth")
            beside_others = root.execute(others).fetchall()
            root.execute("drop role customer")
            bootstrap(cluster, "hearth")

            assert beside_others == [(True,), (True,)]
            assert root.execute(others).fetchall() == [(False,), (False,)]


@pytest.mark.parametrize(
    ("taken", "given_back", "says"),
    [
        ("alter role app_ops bypassrls", "alter role app_ops nobypassrls", "app_ops .* BYPASSRLS"),
        ("alter role app_owner login", "alter role app_owner nologin", "app_owner .* LOGIN"),
        ("alter role app_reader nologin", "alter role app_reader login", "app_reader .* NOLOGIN"),
        ("alter role app_api createdb", "alter role app_api nocreatedb", "app_api .* CREATEDB"),
        (
            "grant pg_read_all_data to app_api",
            "revoke pg_read_all_data from app_api",
            "app_api .* membership of pg_read_all_data",
        ),
    ],
)
def test_a_role_that_may_more_is_not_taken_over(
    cluster: Cluster, template: str, taken: str, given_back: str, says: str
) -> None:
    assert template  # a Hearth beside it, which made the roles
    with bootstrapped(cluster) as site:
        with psycopg.connect(cluster.url(cluster.user, "postgres"), autocommit=True) as root:
            root.execute(taken)
            try:
                with pytest.raises(migrations.MigrationError, match=f"role {says}"):
                    site.migrate()
            finally:
                root.execute(given_back)

        assert site.ask("select to_regnamespace('app')") == {(None,)}


def test_the_deployer_owns_the_database_and_may_create_roles_and_no_more(site: Site) -> None:
    rights = """
        select r.rolname, rolsuper, rolbypassrls, rolreplication, rolcreatedb, rolcreaterole
        from pg_database as d
        join pg_roles as r on r.oid = d.datdba
        where d.datname = current_database()
    """

    assert site.ask(rights) == {(site.deployer, False, False, False, False, True)}


def test_everything_is_installed_as_the_files_say(site: Site) -> None:
    status = migrations.status(site.url(site.deployer), sql_directory())

    assert status.is_consistent
    assert status.items == []


def test_the_logins_have_their_limits(site: Site) -> None:
    limits = """
        select rolname, unnest(rolconfig)
        from pg_roles
        where rolname in ('app_api', 'app_reader')
    """

    assert site.ask(limits) == {
        ("app_api", "statement_timeout=5s"),
        ("app_api", "lock_timeout=2s"),
        ("app_api", "idle_in_transaction_session_timeout=10s"),
        ("app_api", "TimeZone=UTC"),
        ("app_api", "search_path=pg_catalog"),
        ("app_api", "plan_cache_mode=force_generic_plan"),
        ("app_reader", "default_transaction_read_only=on"),
        ("app_reader", "statement_timeout=60s"),
        ("app_reader", "idle_in_transaction_session_timeout=60s"),
    }


def test_every_role_says_what_it_is_for(site: Site) -> None:
    silent = """
        select rolname from pg_roles
        where rolname like 'app\\_%' and shobj_description(oid, 'pg_authid') is null
    """

    assert site.ask(silent) == set()


def test_only_the_logins_may_connect_and_nobody_makes_temporary_tables(site: Site) -> None:
    assert site.ask(DOORS) == {("app_api", "CONNECT"), ("app_reader", "CONNECT")}


def test_each_role_does_its_work(site: Site) -> None:
    with psycopg.connect(site.url(site.deployer)) as deployer:
        deployer.execute("set role app_ops")
        made = deployer.execute("select app.ensure_audit_partitions(1)").fetchall()
        deployer.rollback()
    with psycopg.connect(site.url("app_api")) as api:
        signed_up = api.execute(
            "select app.sign_up('ann@example.com', '$argon2id$', 'Ann', 'The Anns', 'UTC', null,"
            " sha256('token'), now() + interval '1 day', null)"
        ).fetchone()
        api.rollback()
    with psycopg.connect(site.url("app_reader")) as reader:
        read = reader.execute("select from app.families").rowcount

    assert len(made) == 2
    assert signed_up is not None and signed_up[0]["role"] == "owner"
    assert read == 0


def test_rolled_back_to_nothing_it_leaves_no_trace(site: Site) -> None:
    site.migrate(rollback=99)
    try:
        traces, doors = site.ask(TRACES), site.ask(DOORS)
        roles = site.ask("select rolname from pg_roles where rolname like 'app\\_%'")
    finally:
        site.migrate()

    assert traces == set()
    assert doors == {("public", "CONNECT"), ("public", "TEMPORARY")}
    # The logins stay, with their passwords; what other databases of the server use stays as well.
    assert roles >= {("app_api",), ("app_reader",)}
    assert len(roles) == 2 or site.deployer == "hearth_deployer"
