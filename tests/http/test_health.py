"""Health: never well without having asked the database."""

import asyncio

import asyncpg
import httpx
import pytest

from app.db.pool import DatabaseError
from app.main import check
from tests.support.fixtures import Hearth, Serve

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]


async def _get(url: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url) as client:
        return await client.get(path)


async def test_all_is_well_when_it_is(service: str, hearth: Hearth) -> None:
    response = await _get(service, "/health")

    connection = await asyncpg.connect(hearth.superuser_url)
    version = await connection.fetchval("show server_version")
    await connection.close()
    report = response.json()
    assert response.status_code == 200
    assert report["state"] == "healthy"
    assert all(one["ok"] for one in report["checks"].values())
    assert report["checks"]["database"]["server_version"] == version
    newer = int(version.split(".")[0]) >= 18
    assert report["checks"]["database"]["new_id"] == ("uuidv7" if newer else "gen_random_uuid")


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/health/database"])
async def test_without_its_database_only_live_answers_well(
    own_hearth: Hearth, serve: Serve, path: str
) -> None:
    with serve(own_hearth.settings(connect_timeout=0)) as url:
        before = await _get(url, path)
        connection = await asyncpg.connect(
            own_hearth.cluster.url(own_hearth.cluster.user, "postgres")
        )
        await connection.execute(f'alter database "{own_hearth.name}" with allow_connections false')
        await connection.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1",
            own_hearth.name,
        )
        after = await _get(url, path)
        live = await _get(url, "/health/live")
        await connection.execute(f'alter database "{own_hearth.name}" with allow_connections true')
        back = await _get(url, path)
        await connection.close()

    assert (before.status_code, after.status_code, back.status_code) == (200, 503, 200)
    assert live.status_code == 200


async def test_a_database_that_hangs_is_told_within_the_time_limit(
    own_hearth: Hearth, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.http.health.TIME_LIMIT", 0.5)
    with serve(own_hearth.settings()) as url:
        blocker = await asyncpg.connect(own_hearth.superuser_url)
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("lock table yoyo.files in access exclusive mode")
        async with asyncio.timeout(3):
            response = await _get(url, "/health")
        await transaction.rollback()
        await blocker.close()

    assert response.status_code == 503
    assert response.json()["checks"]["database"]["because"] == "TimeoutError"


async def test_a_database_behind_the_files_is_degraded_and_says_which(
    own_hearth: Hearth, serve: Serve
) -> None:
    connection = await asyncpg.connect(own_hearth.superuser_url)
    await connection.execute("update yoyo.files set sha256 = 'old' where name = 'tg_touch'")
    await connection.close()

    with serve(own_hearth.settings()) as url:
        response = await _get(url, "/health")

    assert response.status_code == 200
    assert response.json()["state"] == "degraded"
    assert response.json()["checks"]["migrations"]["differing"] == ["function/tg_touch"]


async def test_the_service_refuses_a_login_that_must_not_serve_tenants(hearth: Hearth) -> None:
    with pytest.raises(DatabaseError, match=r"must not serve tenants: it is a superuser"):
        await check(hearth.settings(database_url=hearth.superuser_url))


@pytest.mark.parametrize(
    ("grant", "revoke", "because"),
    [
        (
            "alter role app_api bypassrls",
            "alter role app_api nobypassrls",
            "it bypasses row level security",
        ),
        (
            "grant app_ops to app_api",
            "revoke app_ops from app_api",
            "it is a member of other roles",
        ),
    ],
)
async def test_a_login_made_unsafe_while_serving_is_unhealthy(
    own_hearth: Hearth, serve: Serve, grant: str, revoke: str, because: str
) -> None:
    connection = await asyncpg.connect(own_hearth.superuser_url)
    with serve(own_hearth.settings()) as url:
        await connection.execute(grant)
        try:
            response = await _get(url, "/health")
        finally:
            await connection.execute(revoke)
            await connection.close()

    assert response.status_code == 503
    assert response.json()["state"] == "unhealthy"
    assert response.json()["checks"]["role"]["unsafe_because"] == [because]


async def test_metrics_count_requests_by_route_and_never_by_path(service: str) -> None:
    missing = "/v1/tasks/00000000-0000-0000-0000-000000000000"
    await _get(service, missing)

    figures = (await _get(service, "/metrics")).text

    assert "hearth_request_duration_seconds_count{" in figures
    assert 'route="/v1/tasks/{task_id:uuid}"' in figures
    assert missing not in figures
    assert 'hearth_pool_connections{which="max"} 10.0' in figures
