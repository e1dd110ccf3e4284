"""Spans for OpenTelemetry, where its variables say where to send them; else nothing of it is there.

They are made when a request is over, of what was measured anyway, and sent by a thread. They name
routes and queries, and hold no values.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from threading import Thread
from typing import TypeAlias
from urllib.parse import urlsplit

from starlette.types import Scope

from app.db.figures import Step
from app.http.observation import Observation
from app.settings import SettingsError

# Either one turns it on; the second one is for spans alone.
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")

# Seconds that the end of the process waits for the spans that have not been sent.
END_LIMIT = 1.0

# Makes the spans of a request: its scope, its status and what was observed; returns the trace's id.
Trace: TypeAlias = Callable[[Scope, int, Observation], str]


@contextmanager
def exporting() -> Iterator[Trace | None]:
    """Yield what makes spans while the block runs; `None` if no variable asks for them.

    Raises:
        SettingsError: A variable cannot be used, or the packages are missing.
    """
    given = [name for name in _ENDPOINTS if os.environ.get(name)]
    if not given or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        yield None
        return
    for name in given:
        if urlsplit(os.environ[name]).scheme not in {"http", "https"}:
            raise SettingsError(f"{name}: must begin with http:// or https://")
    for name in _PROTOCOLS:
        if os.environ.get(name, "http/protobuf") != "http/protobuf":
            raise SettingsError(f"{name}: must be http/protobuf")
    try:
        from opentelemetry import propagate, trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        package = "is set, but what sends spans is not installed; run: pip install 'hearth[otel]'"
        raise SettingsError(f"{given[0]}: {package}") from None
    release = version("hearth")
    try:
        about = {"service.name": "hearth", "service.version": release}
        resource = Resource.create({**about, **OTELResourceDetector().detect().attributes})
        # Without `shutdown_on_exit`, which waits for as long as the collector likes.
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except ValueError as error:
        raise SettingsError(f"OTEL_…: a variable cannot be used ({error})") from None
    tracer = provider.get_tracer("hearth", release)

    def make(scope: Scope, status: int, observation: Observation) -> str:
        epoch = time.time_ns() - time.perf_counter_ns()

        def at(seconds: float) -> int:
            return epoch + int(seconds * 1e9)

        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        parent = propagate.extract(headers)
        route = getattr(scope.get("route"), "path", None)
        method = scope["method"] if route else "HTTP"
        request = tracer.start_span(
            f"{method} {route}" if route else method,
            parent,
            trace.SpanKind.SERVER,
            {
                "http.request.method": scope["method"] if route else "_OTHER",
                **({"http.route": route} if route else {}),
                "http.response.status_code": status,
                "hearth.request_id": str(scope["state"]["request_id"]),
            },
            start_time=at(observation.started),
        )
        inside = trace.set_span_in_context(request, parent)
        for taken in observation.steps if request.is_recording() else ():
            is_local = taken.step in {Step.QUEUE, Step.ACQUIRE}
            span = tracer.start_span(
                taken.name,
                inside,
                trace.SpanKind.INTERNAL if is_local else trace.SpanKind.CLIENT,
                {} if is_local else {"db.system.name": "postgresql"},
                start_time=at(taken.started),
            )
            if taken.error is not None:
                span.set_attribute("error.type", taken.error)
                span.set_status(trace.StatusCode.ERROR)
            span.end(at(taken.started + taken.seconds))
        if status >= 500:
            request.set_status(trace.StatusCode.ERROR)
        request.end(at(time.perf_counter()))
        return trace.format_trace_id(request.get_span_context().trace_id)

    try:
        yield make
    finally:
        ending = Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(END_LIMIT)
