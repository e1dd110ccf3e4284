"""`hearth health`: whether a running service is ready."""

import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Annotated

import typer
from rich.markup import escape

from app.cli.shared import err, fail, out, plain_errors
from app.settings import Settings, load


def health(
    url: Annotated[
        str | None,
        typer.Option(help="What to ask; by default /health on OPERATOR_PORT, else /health/ready."),
    ] = None,
) -> None:
    """Ask a running service whether it is ready, as a container's health check does."""
    with plain_errors():
        url = url or _default(load())
    try:
        # The service itself and no proxy, whatever the environment says: it is on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=6) as answer:
            out.print(escape(answer.read().decode()))
    except urllib.error.HTTPError as error:
        err.print(escape(error.read().decode()))
        raise typer.Exit(1) from None
    except ValueError:
        fail(f"{url} is not a URL")
        raise typer.Exit(1) from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        why = getattr(reason, "strerror", None) or type(reason).__name__
        fail(f"{url} does not answer ({why})")
        raise typer.Exit(1) from None


def _default(settings: Settings) -> str:
    if settings.operator_port is None:
        return f"http://127.0.0.1:{settings.port}/health/ready"
    host = settings.operator_host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.operator_port}/health"
