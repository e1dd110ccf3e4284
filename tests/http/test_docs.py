"""The pages: /docs in a real browser, /problems, and the document itself."""

import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import ConsoleMessage, Page, Request, async_playwright, expect

from app.http.docs import POLICY
from app.http.problems import PROBLEM_TYPES
from tests.support.documented import DOCUMENT
from tests.support.fixtures import PASSWORD

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PAGES = ("/docs", "/problems", *(kind.uri for kind in PROBLEM_TYPES))


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
            if line.type in {"error", "warning"}:
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
    await expect(page.locator("#who")).to_have_text("Nobody is signed in")


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


async def test_every_problem_leads_to_its_page(anybody: httpx.AsyncClient) -> None:
    problem = (await anybody.get("/v1/me")).json()

    page = await anybody.get(problem["type"])

    assert problem["title"] in page.text
