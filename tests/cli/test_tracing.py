"""Spans: of whoever asks for them by OpenTelemetry's variables, and of nobody else."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.cli.test_shutdown import SERVE, ask, end_of, free_port, serving, token_at
from tests.support.fixtures import JWT_SECRET, Hearth

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class _Collector:
    """Takes spans by OTLP over HTTP, as a collector does."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def spans(self) -> list[Span]:
        """All spans, in the order in which they began."""
        parts = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        scopes = [
            scope for part in parts for one in part.resource_spans for scope in one.scope_spans
        ]
        spans = [span for scope in scopes for span in scope.spans]
        return sorted(spans, key=lambda span: span.start_time_unix_nano)


@pytest.fixture
def collector() -> Iterator[_Collector]:
    """Yield a collector that listens."""
    found = _Collector()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


async def test_a_request_is_a_trace_that_goes_on_from_its_caller(
    own_hearth: Hearth, collector: _Collector
) -> None:
    with serving(own_hearth, log_level="info", otel_exporter_otlp_endpoint=collector.url) as (
        process,
        port,
    ):
        headers = {"Authorization": f"Bearer {await token_at(port)}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await client.post(
                "/v1/tasks",
                headers={**headers, "traceparent": f"00-{TRACE}-{CALLER}-01"},
                json={"title": "Water the plants"},
            )
            await client.get("/v1/tasks/hunter2")
            await client.get("/health/live")
        process.send_signal(signal.SIGTERM)
        code, told = await end_of(process)

    assert code == 0
    content = b"".join(collector.bodies)
    assert b"Water the plants" not in content
    assert b"hunter2" not in content
    assert b"ann@example.com" not in content
    spans = [span for span in collector.spans if span.trace_id.hex() == TRACE]
    request, *steps = spans
    assert request.name == "POST /v1/tasks"
    assert request.parent_span_id.hex() == CALLER
    attributes = {one.key: one.value for one in request.attributes}
    assert attributes["http.response.status_code"].int_value == 201
    assert attributes["http.route"].string_value == "/v1/tasks"
    assert [span.name for span in steps] == ["acquire", "create_task", "commit"]
    assert {span.parent_span_id for span in steps} == {request.span_id}
    assert all(span.end_time_unix_nano <= request.end_time_unix_nano for span in steps)
    roots = [span.name for span in collector.spans if not span.parent_span_id]
    assert roots == ["POST /v1/auth/signup", "HTTP"]  # a path that no route has is not repeated
    lines = [json.loads(line) for line in told.splitlines() if '"event": "request"' in line]
    assert [line["route"] for line in lines if line.get("trace_id") == TRACE] == ["/v1/tasks"]


async def test_a_collector_that_does_not_answer_keeps_nobody_waiting(own_hearth: Hearth) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        asked = {"traces_endpoint": url, "timeout": 300}
        variables = {f"otel_exporter_otlp_{name}": value for name, value in asked.items()}
        with serving(own_hearth, port=free_port(), **variables) as (process, port):
            await token_at(port)
            live = await ask(port, "/health/live")
            process.send_signal(signal.SIGTERM)
            # The exporter itself would wait for half a minute.
            code = await asyncio.to_thread(process.wait, timeout=25)

    assert (live[0], code) == (200, 0)


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
            "OTEL_EXPORTER_OTLP_ENDPOINT: must begin with http:// or https://",
        ),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            },
            "OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf",
        ),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
                "OTEL_BSP_MAX_QUEUE_SIZE": "1",
            },
            "OTEL_…: a variable cannot be used"
            " (max_export_batch_size must be less than or equal to max_queue_size.)",
        ),
    ],
)
def test_variables_that_cannot_be_used_are_told_in_one_line(
    hearth: Hearth, variables: dict[str, str], why: str
) -> None:
    assert _stderr_of_serve(hearth, variables) == f"hearth: {why}\n"


def test_packages_that_are_missing_are_told_in_one_line(hearth: Hearth, tmp_path: Path) -> None:
    package = tmp_path / "opentelemetry"
    package.mkdir()
    (package / "__init__.py").write_text("raise ModuleNotFoundError(name='opentelemetry')\n")
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }

    assert _stderr_of_serve(hearth, variables) == (
        "hearth: OTEL_EXPORTER_OTLP_ENDPOINT: is set, but what sends spans is not installed;"
        " run: pip install 'hearth[otel]'\n"
    )


def _stderr_of_serve(hearth: Hearth, variables: dict[str, str]) -> str:
    environment = {
        **os.environ,
        "DATABASE_URL": hearth.url("app_api"),
        "JWT_SECRET": JWT_SECRET,
        "PORT": str(free_port()),
        **variables,
    }
    done = subprocess.run(
        SERVE, env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_without_a_variable_nothing_of_it_is_imported() -> None:
    code = (
        "import sys, app.main\n"
        "from app.http.tracing import exporting\n"
        "with exporting() as trace:\n"
        "    print(trace, [name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    environment = {name: text for name, text in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout == "None []\n"
