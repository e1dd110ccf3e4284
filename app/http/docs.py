"""The pages for people: the OpenAPI document, a page to try it out on, a page for every problem.

None of them changes while the service runs, none needs a token, and none loads anything from
anywhere else: Swagger UI comes with the package offapi.

They alone are compressed. A response with somebody's data is not: beside text that an attacker
chose, its length would tell what else is in it (BREACH).
"""

import gzip
import hashlib
import html
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.http import openapi, problems
from app.http.endpoint import Handler, Resource
from app.http.problems import Problem, ProblemType, problem_response
from app.http.requests import if_none_match

# As tight as Swagger UI can bear: it has pictures in `data:` URLs.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

PAGES = Path(__file__).parent / "pages"


def routes(resources: Sequence[Resource]) -> list[Route]:
    """Return the routes to what describes the resources."""
    # Found and not imported: the package puts all its pages together, of which this uses none.
    offapi = find_spec("offapi")
    assert offapi and offapi.origin  # noqa: S101 - a dependency
    swagger = Path(offapi.origin).parent
    document = json.dumps(openapi.document(resources), ensure_ascii=False, separators=(",", ":"))
    texts = {
        "/openapi.json": (document, "application/json"),
        "/docs": ((PAGES / "docs.html").read_text("utf-8"), "text/html"),
        "/docs/docs.js": ((PAGES / "docs.js").read_text("utf-8"), "text/javascript"),
        "/docs/style.css": ((PAGES / "style.css").read_text("utf-8"), "text/css"),
        "/docs/icon.svg": ((PAGES / "icon.svg").read_text("utf-8"), "image/svg+xml"),
        "/docs/swagger.js": ((swagger / "swagger_bundle.js").read_text("utf-8"), "text/javascript"),
        "/docs/swagger.css": ((swagger / "swagger_style.css").read_text("utf-8"), "text/css"),
        "/problems": (_page("Problems", _all_kinds()), "text/html"),
        **{
            kind.uri: (_page(kind.title, _one_kind(kind)), "text/html")
            for kind in problems.PROBLEM_TYPES
        },
    }
    return [Route(path, _constant(text.encode(), kind)) for path, (text, kind) in texts.items()]


def _constant(content: bytes, media_type: str) -> Handler:
    """Return what serves a content that does not change, to whoever does not have it."""
    digest = hashlib.sha256(content).hexdigest()[:32]

    async def serve(request: Request) -> Response:
        zips = _accepts_gzip(request)
        headers = {
            # A strong tag is of the bytes that are sent (RFC 9110, 8.8.3.3).
            "ETag": f'"{digest}-gzip"' if zips else f'"{digest}"',
            "Cache-Control": "public, max-age=300",
            "Content-Security-Policy": POLICY,
            "Vary": "Accept-Encoding",
        }
        if if_none_match(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        if zips:
            headers["Content-Encoding"] = "gzip"
        return Response(_gzipped(content) if zips else content, 200, headers, media_type)

    return serve


@cache
def _gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def _accepts_gzip(request: Request) -> bool:
    """Say whether the client takes gzip; a weight of 0 means that it does not."""
    for accepted in ",".join(request.headers.getlist("Accept-Encoding")).lower().split(","):
        coding, _, weight = accepted.partition(";")
        if coding.strip() == "gzip":
            return re.fullmatch(r"\s*q=0(\.0*)?\s*", weight) is None
    return False


def _all_kinds() -> str:
    rows = "".join(
        f'<tr><td><a href="{kind.uri}">{kind.code}</a><td>{kind.status}<td>{_html(kind.when)}'
        for kind in problems.PROBLEM_TYPES
    )
    return (
        "<p>Every error is a problem document (RFC 9457); <code>code</code> is what to program"
        f" against.<table><tr><th>code<th>status<th>when{rows}</table>"
    )


def _one_kind(kind: ProblemType) -> str:
    document = json.loads(bytes(problem_response(Problem(kind), None).body))
    return (
        f"<p><code>{kind.code}</code>, status {kind.status}: {_html(kind.when)}."
        f"<pre>{html.escape(json.dumps(document, indent=4))}</pre>"
        '<p><a href="/problems">All problems</a>'
    )


def _html(markdown: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(markdown, quote=False))


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)} · Hearth</title>"
        '<link rel="icon" href="/docs/icon.svg" type="image/svg+xml">'
        '<link rel="stylesheet" href="/docs/style.css">'
        '<header><a href="/docs"><img src="/docs/icon.svg" alt="" width="28" height="28"> Hearth'
        f"</a></header><main><h1>{html.escape(title)}</h1>{body}</main></html>"
    )
