"""The pages: /docs in a real browser, /problems, and the document itself."""

import gzip
import json
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import ConsoleMessage, Page, Request, async_playwright, expect

from app.http.docs import POLICY
from app.http.problems import PROBLEM_TYPES
from tests.support.documented import DOCUMENT
from tests.support.fixtures import PASSWORD, Person

pytestmark = [
    pytest.mark.newest,
    pytest.mark.no_judge,
    pytest.mark.straight("it is about pages, which do not come from the database"),
]

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PAGES = ("/docs", "/problems", *(kind.uri for kind in PROBLEM_TYPES))
ASSETS = (
    "/openapi.json",
    "/docs/docs.js",
    "/docs/style.css",
    "/docs/icon.svg",
    "/docs/swagger.js",
    "/docs/swagger.css",
)
OPERATIONS = {
    f"{row['tags'][0]}-{row['operationId']}": f"{row['tags'][0]} {method} {path} {row['summary']}"
    for path, methods in DOCUMENT["paths"].items()
    for method, row in methods.items()
}


@pytest.fixture
async def page(service: str, cheap_passwords: None) -> AsyncIterator[Page]:
    """Yield a page of a headless Chromium that fails on errors and on requests to elsewhere."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = await browser.new_page(
            base_url=service, viewport={"width": 1200, "height": 1000}, locale="en-GB"
        )

        def hear(line: ConsoleMessage) -> None:
            # What the service refuses is an error to the browser, and no mistake of the page.
            if line.type in {"error", "warning"} and "status of 401" not in line.text:
                complaints.append(line.text)

        def watch(request: Request) -> None:
            if not request.url.startswith((service, "data:", "blob:")):
                complaints.append(f"asks {request.url}")

        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", watch)
        yield page
        await browser.close()
    assert complaints == []


async def _execute(page: Page, operation: str, body: object = None) -> str:
    """Try an operation out, as a person does, and return what its answer shows."""
    block = page.locator(f"#operations-{operation}")
    await block.locator(".opblock-summary-control").click()
    if body is not None:
        await block.locator("textarea.body-param__text").fill(json.dumps(body, indent=2))
    await block.locator("button.execute").click()
    response = block.locator(".live-responses-table")
    await expect(response).to_be_visible()
    return await response.inner_text()


async def test_a_person_signs_up_and_makes_a_task_in_the_browser(
    page: Page, tmp_path: Path
) -> None:
    await page.goto("/docs")
    await expect(page.locator("#who")).to_have_text("Nobody is signed in")
    await expect(page.locator("#operations-Tasks-list_tasks")).to_be_visible()
    await page.screenshot(path=tmp_path / "docs.png")

    account = {"email": f"{uuid4()}@example.com", "password": PASSWORD, "full_name": "Ann"}
    signed_up = await _execute(page, "Accounts-sign_up", account)
    await expect(page.locator("#who")).to_have_text("Signed in, as owner")
    made = await _execute(page, "Tasks-create_task", {"title": "Sweep the hearth"})
    listed = await _execute(page, "Tasks-list_tasks")

    assert "201" in signed_up
    assert "201" in made
    assert "Sweep the hearth" in listed
    await page.screenshot(path=tmp_path / "listed.png")
    await page.locator("button.authorize").first.click()
    await expect(page.locator(".modal-ux")).to_contain_text("Logout")  # it has the token
    await page.screenshot(path=tmp_path / "authorized.png")
    await page.locator(".modal-ux .btn-done").click()
    signed_out = await _execute(page, "Sessions-sign_out")
    assert "204" in signed_out
    await _sees_the_end(page, "You have signed out")


async def _open_as(page: Page, person: Person) -> None:
    await page.goto("/docs")
    await expect(page.locator("#operations-Tasks-list_tasks")).to_be_visible()
    await page.evaluate("token => authorize(token)", person.signed_in["access_token"])
    await expect(page.locator("#who")).to_have_text("Signed in, as owner")


async def _sees_the_end(page: Page, text: str) -> None:
    """See the page say that nobody is signed in any more, mean it, and lead to the sign-in."""
    await expect(page.locator("#who")).to_have_text(text)
    await expect(page.locator("#who")).to_have_class("ended")
    await expect(page.locator(".authorize.locked")).to_have_count(0)
    await page.get_by_role("button", name="Sign in again").click()
    await expect(page.locator("#operations-Sessions-sign_in textarea")).to_be_in_viewport()


async def _end_from_elsewhere(person: Person, anybody: httpx.AsyncClient) -> None:
    account = {"email": person.email, "password": PASSWORD}
    signed_in = await anybody.post("/v1/auth/signin", json=account)
    changed = await anybody.post(
        "/v1/auth/password",
        json={"old_password": PASSWORD, "new_password": f"{PASSWORD}!"},
        headers={"Authorization": f"Bearer {signed_in.json()['access_token']}"},
    )
    assert changed.status_code == 204


async def test_a_session_that_was_ended_elsewhere_is_shown_as_ended_when_it_is_used(
    page: Page, ann: Person, anybody: httpx.AsyncClient
) -> None:
    await _open_as(page, ann)
    await _end_from_elsewhere(ann, anybody)

    refused = await _execute(page, "Families-list_families")

    assert "401" in refused
    await _sees_the_end(page, "Your session has ended")


async def test_a_session_that_was_ended_elsewhere_is_shown_as_ended_when_one_comes_back(
    page: Page, ann: Person, anybody: httpx.AsyncClient
) -> None:
    await _open_as(page, ann)
    await _end_from_elsewhere(ann, anybody)

    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    await _sees_the_end(page, "Your session has ended")


async def test_a_session_that_a_change_ended_is_shown_as_ended(page: Page, ann: Person) -> None:
    await _open_as(page, ann)

    retired = await _execute(page, "Families-retire_family")

    assert "204" in retired
    await _sees_the_end(page, "Your session has ended")


async def test_a_token_that_has_expired_is_shown_as_expired(page: Page, ann: Person) -> None:
    await page.clock.install()
    await _open_as(page, ann)

    await page.clock.fast_forward("14:00")
    await expect(page.locator("#who")).to_have_text("Signed in, as owner")
    await page.clock.fast_forward("01:01")

    await _sees_the_end(page, "Your access token has expired")


async def test_a_token_can_be_pasted_and_taken_back(page: Page, ann: Person) -> None:
    await page.goto("/docs")
    await page.locator("button.authorize").first.click()
    dialog = page.locator(".modal-ux")

    await dialog.locator("input").fill("nonsense")
    await dialog.get_by_role("button", name="Apply credentials").click()
    await expect(page.locator("#who")).to_have_text("This token is not valid")
    await dialog.locator("input").fill(ann.signed_in["access_token"])
    await dialog.get_by_role("button", name="Apply credentials").click()
    await expect(page.locator("#who")).to_have_text("Signed in, as owner")
    await dialog.get_by_role("button", name="Remove authorization").click()

    await expect(page.locator("#who")).to_have_text("Nobody is signed in")


async def test_the_filter_leaves_what_has_all_the_words(page: Page) -> None:
    summary = DOCUMENT["paths"]["/v1/tasks"]["get"]["summary"]
    await page.goto("/docs")
    box = page.get_by_role("searchbox", name="Filter the endpoints")
    operations = page.locator(".opblock")
    await expect(operations).to_have_count(len(OPERATIONS))

    for phrase in ("leaderboard", "POST  /v1/Tasks", summary, "invitations"):
        words = phrase.lower().split()
        fitting = [
            name for name, text in OPERATIONS.items() if all(word in text.lower() for word in words)
        ]
        await box.fill(phrase)

        assert 0 < len(fitting) < len(OPERATIONS)
        await expect(operations).to_have_count(len(fitting))
        await expect(page.locator("#found")).to_have_text(f"{len(fitting)} found")
        for name in fitting:
            await expect(page.locator(f"#operations-{name}")).to_be_visible()

    await box.fill("no such thing")
    await expect(operations).to_have_count(0)
    await expect(page.locator("#found")).to_have_text("Nothing found")
    await expect(page.get_by_text("No operations defined")).to_be_hidden()
    await box.fill("")
    await expect(operations).to_have_count(len(OPERATIONS))
    await expect(page.locator("#found")).to_be_empty()


_WIDTHS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"


async def test_the_pages_fit_a_phone(page: Page, ann: Person) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await _open_as(page, ann)
    assert await page.evaluate(_WIDTHS) == [390, 390]
    await _execute(page, "Tasks-create_task", {"title": "Sweep the hearth"})  # it has links
    assert await page.evaluate(_WIDTHS) == [390, 390]
    await page.get_by_role("searchbox", name="Filter the endpoints").fill("no such thing")
    await expect(page.locator("#found")).to_be_in_viewport(ratio=1)
    await page.evaluate("end('Your access token has expired')")  # the longest
    await expect(page.get_by_role("button", name="Sign in again")).to_be_in_viewport(ratio=1)

    for path in PAGES:
        await page.goto(path)
        assert await page.evaluate(_WIDTHS) == [390, 390], path


# Of an element's colour and of the paper below it: 0 is black, 1 is white.
_LIGHTNESS = """async element => {
    const drawn = () => new Promise(requestAnimationFrame);
    await drawn().then(drawn);
    await Promise.allSettled(document.getAnimations().map((change) => change.finished));
    const lightness = (colour) => Math.max(...colour.match(/[\\d.]+/g).slice(0, 3)) / 255;
    const seen = (colour) => !/, 0\\)$/.test(colour);
    let paper = element;
    while (!seen(getComputedStyle(paper).backgroundColor)) paper = paper.parentElement;
    return [
        lightness(getComputedStyle(element).color),
        lightness(getComputedStyle(paper).backgroundColor),
    ];
}"""


async def test_the_pages_are_as_dark_as_the_person_wishes(page: Page) -> None:
    schemes: tuple[Literal["light", "dark"], ...] = ("dark", "light")
    for path, texts in {
        "/docs": (".info p", ".info a", ".opblock-summary-path", ".opblock-tag", ".headers td"),
        "/problems": ("h1", "td", "td a"),
        PROBLEM_TYPES[0].uri: ("h1", "pre"),
    }.items():
        await page.emulate_media(color_scheme="dark")
        await page.goto(path)
        if path == "/docs":
            await page.locator("#operations-Today-get_today .opblock-summary-control").click()
        for scheme in schemes:
            await page.emulate_media(color_scheme=scheme)
            for text in texts:
                ink, paper = await page.locator(text).first.evaluate(_LIGHTNESS)

                is_dark = ink > 0.65 and paper < 0.3
                is_light = ink < 0.65 < paper
                assert (is_dark, is_light) == (scheme == "dark", scheme == "light"), text


async def test_the_pages_about_problems_are_shown(page: Page) -> None:
    await page.goto("/problems")
    await page.get_by_role("link", name="last-owner").click()

    await expect(page.get_by_role("heading")).to_have_text("A family needs at least one owner.")
    await expect(page.locator("pre")).to_contain_text('"code": "last-owner"')


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_needs_no_token_and_loads_nothing_from_elsewhere(
    path: str, anybody: httpx.AsyncClient
) -> None:
    response = await anybody.get(path)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Content-Security-Policy"] == POLICY
    links = re.findall(r'(?:src|href)="([^"]+)"', response.text)
    assert links
    assert all(link.startswith("/") and not urlsplit(link).netloc for link in links)
    for link in links:
        assert (await anybody.get(link)).status_code == 200, link


async def test_the_document_is_served_to_anybody_once(anybody: httpx.AsyncClient) -> None:
    first = await anybody.get("/openapi.json")
    again = await anybody.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})

    assert first.json() == DOCUMENT
    assert first.headers["Content-Type"] == "application/json"
    assert first.headers["Cache-Control"] == "public, max-age=300"
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", [*PAGES, *ASSETS])
async def test_what_is_public_is_compressed_for_whoever_takes_it(
    path: str, anybody: httpx.AsyncClient
) -> None:
    plain = await _raw(anybody, path, "identity")
    zipped = await _raw(anybody, path, "br, GZIP;q=0.5")

    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.content) == plain.content
    assert len(zipped.content) < len(plain.content)
    for response in (plain, zipped):
        assert "Accept-Encoding" in response.headers["Vary"].split(", ")
        assert response.headers["Cache-Control"] == "public, max-age=300"
        assert response.headers["Content-Length"] == str(len(response.content))
    assert plain.headers["ETag"] != zipped.headers["ETag"]
    again = await _raw(anybody, path, "gzip", {"If-None-Match": zipped.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "Accept-Encoding" in again.headers["Vary"].split(", ")
    assert again.headers["ETag"] == zipped.headers["ETag"]


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "deflate, gzip; q=0.000"])
async def test_what_is_public_comes_plain_to_whoever_does_not_take_gzip(
    accepted: str, anybody: httpx.AsyncClient
) -> None:
    response = await _raw(anybody, "/openapi.json", accepted)

    assert "Content-Encoding" not in response.headers
    assert json.loads(response.content) == DOCUMENT


async def test_nothing_with_a_persons_data_is_compressed(ann: Person) -> None:
    for number in range(10):
        await ann.client.post("/v1/tasks", json={"title": f"Sweep the hearth {number}"})
    paths = ["/health", "/metrics", "/v1/nothing"]
    paths += [path for path, row in DOCUMENT["paths"].items() if "get" in row and "{" not in path]

    zips = {"Accept-Encoding": "gzip"}
    responses = {path: await ann.client.get(path, headers=zips) for path in paths}

    assert len(responses["/v1/tasks"].content) > 2000
    for path, response in responses.items():
        assert "Content-Encoding" not in response.headers, path
        assert response.headers["Cache-Control"] == "no-store", path


async def _raw(
    client: httpx.AsyncClient, path: str, accepted: str, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Return a response whose content is as it came, compressed or not."""
    headers = {**(headers or {}), "Accept-Encoding": accepted}
    async with client.stream("GET", path, headers=headers) as response:
        content = b"".join([part async for part in response.aiter_raw()])
    raw = httpx.Response(response.status_code, content=content)
    raw.headers = response.headers
    return raw


async def test_every_problem_leads_to_its_page(anybody: httpx.AsyncClient) -> None:
    problem = (await anybody.get("/v1/me")).json()

    page = await anybody.get(problem["type"])

    assert problem["title"] in page.text
