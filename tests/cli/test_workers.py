"""Several workers: one service, whatever becomes of one of them."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.http.metrics import DIRECTORY
from tests.cli.test_shutdown import SERVE, ask, end_of, free_port, serving, token_at
from tests.support.fixtures import JWT_SECRET, Hearth
from tests.support.load import Load, get

pytestmark = [
    pytest.mark.newest,
    pytest.mark.no_judge,
    pytest.mark.first,
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc"),
]


def _workers(supervisor: subprocess.Popen[str]) -> set[int]:
    """Return the processes that the supervisor has begun and not buried."""
    found = Path(f"/proc/{supervisor.pid}/task/{supervisor.pid}/children").read_text()
    return {int(pid) for pid in found.split()}


def _files_of_figures(worker: int) -> list[Path]:
    variables = Path(f"/proc/{worker}/environ").read_text().split("\0")
    (directory,) = [one.partition("=")[2] for one in variables if one.startswith(DIRECTORY)]
    return [*Path(directory).iterdir()]


def _is_there(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


async def _until_others_serve(supervisor: subprocess.Popen[str], port: int, gone: set[int]) -> None:
    """Wait until none of these workers is left, as many others are, and they have figures."""
    async with asyncio.timeout(60):
        while (
            _workers(supervisor) & gone or len(_workers(supervisor)) < 2 or await _most(port) < 20
        ):
            await ask(port, "/health/live")


async def _figures(port: int) -> str:
    return (await ask(port, "/metrics"))[2].decode()


async def _most(port: int) -> float:
    found = re.search(r'hearth_pool_connections{which="max"} (\S+)', await _figures(port))
    return float(found[1]) if found else 0.0


async def _counted(port: int) -> float:
    """Return how many requests of the load the figures know of."""
    name = "hearth_request_duration_seconds_count"
    routes = "/v1/tasks|/health/ready"
    pattern = rf'{name}{{method="GET",route="(?:{routes})",status="200"}} (\S+)'
    return sum(map(float, re.findall(pattern, await _figures(port))))


async def _until_counted(port: int, number: int) -> None:
    """Wait until the figures say so: a request is counted after its response."""
    async with asyncio.timeout(10):
        while await _counted(port) < number:
            pass


@contextmanager
def _two_workers(hearth: Hearth) -> Iterator[tuple[subprocess.Popen[str], int]]:
    with serving(hearth, "--workers", "2") as running:
        yield running


async def test_a_worker_that_is_killed_is_replaced_and_the_service_goes_on(
    own_hearth: Hearth,
) -> None:
    with _two_workers(own_hearth) as (supervisor, port):
        before = _workers(supervisor)
        victim = min(before)

        os.kill(victim, signal.SIGKILL)
        await _until_others_serve(supervisor, port, {victim})

        after = _workers(supervisor)
        assert (await ask(port, "/health/ready"))[0] == 200
        supervisor.send_signal(signal.SIGTERM)
        code, told = await end_of(supervisor)

    assert len(before) == len(after) == 2
    assert before & after == before - {victim}
    assert code == 0
    (line,) = told.splitlines()
    assert f'"pid": {victim}, "status": -9' in line


async def test_workers_are_replaced_one_by_one_and_nobody_notices(own_hearth: Hearth) -> None:
    with _two_workers(own_hearth) as (supervisor, port):
        before = _workers(supervisor)
        load = Load(
            lambda: port, [get("/v1/tasks", await token_at(port)), get("/health/ready")], 30
        )
        await load.until(answered=300)

        supervisor.send_signal(signal.SIGHUP)
        most = 0
        async with asyncio.timeout(90):
            while _workers(supervisor) & before:
                most = max(most, len(_workers(supervisor)))
                await load.until(answered=1)
        counts = await load.stop()
        await _until_counted(port, counts["200"])
        counted = await _counted(port)
        after = _workers(supervisor)
        supervisor.send_signal(signal.SIGTERM)
        code, told = await end_of(supervisor)

    assert set(counts) == {"200"}
    assert (len(after), most) == (2, 3)
    assert counted == counts["200"]  # those of the workers that are gone, too
    assert (code, told) == (0, "")


async def test_connections_are_shared_out_and_nobody_waits_for_a_worker_that_is_stuck(
    own_hearth: Hearth,
) -> None:
    with _two_workers(own_hearth) as (supervisor, port):
        responses = []
        for stuck in sorted(_workers(supervisor)):
            os.kill(stuck, signal.SIGSTOP)
            async with asyncio.timeout(60):
                responses += [await ask(port, "/health/live") for _ in range(20)]
            os.kill(stuck, signal.SIGCONT)

        supervisor.send_signal(signal.SIGTERM)
        code, told = await end_of(supervisor)

    assert {status for status, _, _ in responses} == {200}
    assert (code, told) == (0, "")


async def test_a_port_of_others_with_workers_is_taken(own_hearth: Hearth) -> None:
    with _two_workers(own_hearth) as (_, port):
        environment = {**os.environ, "PORT": str(port), "WORKERS": "2"}
        done = await asyncio.to_thread(
            subprocess.run, SERVE, env=environment, capture_output=True, text=True, check=False
        )

    assert done.returncode == 1
    assert done.stderr == (
        f"hearth: PORT: cannot listen on 127.0.0.1:{port} (Address already in use)\n"
    )


async def test_any_worker_tells_the_figures_of_all(own_hearth: Hearth) -> None:
    with _two_workers(own_hearth) as (supervisor, port):
        await _until_others_serve(supervisor, port, set())
        load = Load(lambda: port, [get("/v1/tasks", await token_at(port))], clients=20)
        await load.until(answered=400)
        counts = await load.stop()

        await _until_counted(port, counts["200"])
        told = {await _counted(port) for _ in range(20)}

    assert told == {counts["200"]}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_all_workers_drain_together(own_hearth: Hearth, number: signal.Signals) -> None:
    with _two_workers(own_hearth) as (supervisor, port):
        load = Load(lambda: port, [get("/v1/tasks", await token_at(port))], clients=40)
        await load.until(answered=400)

        supervisor.send_signal(number)
        for worker in _workers(supervisor):  # as who signals all processes does
            os.kill(worker, number)
        await load.ended()
        code, told = await end_of(supervisor)

    assert load.counts.pop("200") >= 400
    assert load.counts == {"refused": 40}
    assert (code, told) == (0, "")


async def test_workers_end_when_their_supervisor_is_killed(own_hearth: Hearth) -> None:
    with _two_workers(own_hearth) as (supervisor, port):
        workers = _workers(supervisor)
        files = _files_of_figures(min(workers))

        supervisor.kill()
        async with asyncio.timeout(30):
            while any(_is_there(pid) for pid in workers):
                await asyncio.to_thread(os.sched_yield)

        with pytest.raises(ConnectionRefusedError):
            await ask(port, "/health/live")
        assert files
        assert not any(map(os.path.exists, files))


def test_what_can_never_start_is_told_in_one_line(hearth: Hearth) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": hearth.url("hearth_deployer"),
        "JWT_SECRET": JWT_SECRET,
        "LOG_LEVEL": "error",  # a busy machine warns of slow queries
        "PORT": str(free_port()),
        "WORKERS": "3",
    }
    done = subprocess.run(SERVE, env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "hearth: DATABASE_URL: this login may not use schema app; it should be app_api\n"
    )


async def test_a_successor_that_cannot_start_changes_nothing(
    own_hearth: Hearth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with _two_workers(own_hearth) as (supervisor, port):
        before = _workers(supervisor)
        (tmp_path / ".env").write_text("REQUEST_TIMEOUT=never\n")

        supervisor.send_signal(signal.SIGHUP)
        assert supervisor.stderr is not None
        lines = [await asyncio.to_thread(supervisor.stderr.readline) for _ in range(2)]

        assert _workers(supervisor) == before
        assert (await ask(port, "/health/ready"))[0] == 200
        supervisor.send_signal(signal.SIGTERM)
        code, _ = await end_of(supervisor)

    assert lines[0].startswith("hearth: REQUEST_TIMEOUT: ")
    assert "worker did not start, the others stay" in lines[1]
    assert code == 0


def test_the_code_is_ours_whatever_the_working_directory_has(
    own_hearth: Hearth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise SystemExit('another app')\n")
    monkeypatch.chdir(tmp_path)
    program = str(Path(sys.executable).with_name("hearth"))
    monkeypatch.setattr("tests.cli.test_shutdown.SERVE", [program, "serve"])

    with _two_workers(own_hearth) as (supervisor, _):
        assert len(_workers(supervisor)) == 2
