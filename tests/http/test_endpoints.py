"""What every endpoint promises, read from the table of endpoints.

What is special to one of them is in the tests of its resource.
"""

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.http import models, openapi
from app.http.endpoint import Endpoint
from app.resources import ENDPOINTS
from app.resources.accounts import SignUp
from app.resources.invitations import InvitationToken
from app.resources.sessions import Refresh, SignIn
from tests.examples import EXAMPLE_OF
from tests.support.calls import QUERIES
from tests.support.examples import BODIES, furnish, path_to
from tests.support.fixtures import PASSWORD, Hearth, Join, NewPerson, Person
from tests.support.rows import all_rows, by_hand


def _name(row: Endpoint) -> str:
    return f"{row.method} {openapi.path_of(row)}"


ROWS = {_name(row): row for row in ENDPOINTS}
SIGNED_IN = {name: row for name, row in ROWS.items() if row.signed_in}
IN_FAMILY = {name: row for name, row in SIGNED_IN.items() if row.in_family}
PERSONAL = {name: row for name, row in SIGNED_IN.items() if not row.in_family}
OF_ONE_THING = {name: row for name, row in SIGNED_IN.items() if "{" in row.path}
LISTS = {
    name: row
    for name, row in ROWS.items()
    if row.parameters and issubclass(row.parameters, models.Paging)
}
BACKWARD = {
    name
    for name, row in LISTS.items()
    if row.parameters and issubclass(row.parameters, models.NewestFirst)
}


async def _send(
    client: httpx.AsyncClient,
    row: Endpoint,
    ids: Mapping[str, object] | None = None,
    **fields: object,
) -> httpx.Response:
    """Send what the row takes, to ids that are invented where none are given."""
    body = {**BODIES[row.body], **fields} if row.body else None
    return await client.request(row.method, path_to(row, ids), json=body)


def _said(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def test_without_a_token_nobody_gets_in(anybody: httpx.AsyncClient) -> None:
    for header in (None, "Bearer", "Bearer nonsense", "Basic YTpi", "bearer a.b.c"):
        anybody.headers = httpx.Headers({} if header is None else {"Authorization": header})

        responses = {name: await _send(anybody, row) for name, row in SIGNED_IN.items()}

        said = {name: _said(response) for name, response in responses.items()}
        assert said == dict.fromkeys(SIGNED_IN, (401, "unauthenticated"))
        assert all(
            "Bearer" in response.headers["WWW-Authenticate"] for response in responses.values()
        )


async def test_who_stands_in_no_family_is_told_so(ann: Person) -> None:
    await ann.client.delete("/v1/family")
    signed_in = await ann.client.post(
        "/v1/auth/signin", json={"email": ann.email, "password": PASSWORD}
    )
    ann.take(signed_in.json())

    responses = {name: _said(await _send(ann.client, row)) for name, row in IN_FAMILY.items()}

    assert responses == dict.fromkeys(IN_FAMILY, (403, "no-family"))


async def test_a_removed_member_is_refused_everywhere(
    ann: Person, bob: Person, join: Join, hearth: Hearth
) -> None:
    await join(bob, ann, "admin")
    ids = await furnish(ann)
    await ann.client.delete(f"/v1/members/{bob.user_id}")
    before = await all_rows(hearth)

    responses = {name: _said(await _send(bob.client, row, ids)) for name, row in IN_FAMILY.items()}

    assert responses == dict.fromkeys(IN_FAMILY, (401, "outdated-token"))
    assert await all_rows(hearth) == before


@pytest.mark.parametrize("change", ["another role", "removed"])
@pytest.mark.parametrize("name", PERSONAL)
async def test_what_is_the_persons_own_does_not_ask_for_the_role(
    name: str, change: str, ann: Person, bob: Person, join: Join
) -> None:
    home = bob.family_id
    await join(bob, ann, "admin")
    member = f"/v1/members/{bob.user_id}"
    if change == "removed":
        await ann.client.delete(member)
    else:
        await ann.client.patch(member, json={"role": "member"})
    # Each succeeds.
    fields: Mapping[str, Mapping[str, object]] = {
        "POST /v1/auth/password": {"old_password": PASSWORD},
        "POST /v1/batch": {"operations": [{"method": "GET", "path": "/v1/me"}]},
    }
    if name == "POST /v1/invitations/accept":
        cabin = (await ann.client.post("/v1/families", json={"name": "The cabin"})).json()["id"]
        ann.take((await ann.client.post(f"/v1/families/{cabin}/token")).json())
        made = await ann.client.post("/v1/invitations", json={"email": bob.email})
        fields = {name: {"token": made.json()["token"]}}

    row = PERSONAL[name]
    response = await _send(bob.client, row, {"family_id": home}, **fields.get(name, {}))

    assert response.status_code == row.status, response.text


async def test_what_is_another_familys_is_not_there(
    ann: Person, bob: Person, hearth: Hearth
) -> None:
    ids = await furnish(bob)
    before = await all_rows(hearth)

    foreign = {name: await _send(ann.client, row, ids) for name, row in OF_ONE_THING.items()}
    missing = {name: await _send(ann.client, row) for name, row in OF_ONE_THING.items()}

    def same(responses: Mapping[str, httpx.Response]) -> Mapping[str, Any]:
        return {
            name: {**response.json(), "request_id": None} for name, response in responses.items()
        }

    assert {_said(response) for response in foreign.values()} == {(404, "not-found")}
    assert same(foreign) == same(missing)
    assert await all_rows(hearth) == before


async def test_no_answer_names_anything_of_another_family(ann: Person, bob: Person) -> None:
    theirs = (await furnish(bob)).values()
    own = await furnish(ann)

    responses = {
        name: (await _send(ann.client, row, own)).text
        for name, row in SIGNED_IN.items()
        if row.method == "GET"
    }

    assert [
        name for name, text in responses.items() if any(str(id_) in text for id_ in theirs)
    ] == []


@pytest.mark.parametrize("name", ROWS)
async def test_success_is_what_the_table_says_and_only_writes_write(
    name: str, ann: Person, new_person: NewPerson, join: Join, hearth: Hearth
) -> None:
    row = ROWS[name]
    ids = await furnish(ann, but=row)
    fields: dict[str, object] = {}
    if "{member_id" in row.path:
        bob = await new_person()
        await join(bob, ann, "member")
        ids["member_id"] = bob.user_id
    if row.path.endswith("/restore"):
        await ann.client.delete(path_to(row, ids).removesuffix("/restore"))
    if row.body is InvitationToken:
        bob = await new_person()
        invited = await bob.client.post("/v1/invitations", json={"email": ann.email})
        fields["token"] = invited.json()["token"]
    if row.body is Refresh:
        fields["refresh_token"] = ann.signed_in["refresh_token"]
    if row.body is SignIn:
        fields["email"] = ann.email
    if row.body is SignUp:
        fields["email"] = f"{uuid4()}@example.com"
    before = await all_rows(hearth)

    answer = await _send(ann.client, row, ids, **fields)

    assert answer.status_code == (201 if row.is_upsert else row.status), answer.text
    assert (await all_rows(hearth) == before) == (row.method == "GET")
    location = answer.headers.get("Location")
    assert (location is not None) == (answer.status_code == 201 and _is_shown(row))
    if row.response is None:
        assert answer.content == b""
        return
    row.response.model_validate_json(answer.content, strict=True)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    if location is not None:
        shown = (await ann.client.get(location)).json()
        assert shown in (answer.json(), *answer.json().values())


def _is_shown(row: Endpoint) -> bool:
    """Say whether what a row creates is shown, by its own path or by an id below it."""
    own = row.path if row.method == "PUT" else row.path + "/{"
    return any(
        other.path.startswith(own) and other.path.count("/") == own.count("/")
        for other in ENDPOINTS
        if other.method == "GET"
    )


@pytest.mark.parametrize("name", LISTS)
async def test_a_page_takes_only_what_it_knows(name: str, ann: Person) -> None:
    ids = await furnish(ann)
    path = path_to(ROWS[name], ids)
    row_id = uuid4()
    wrong = [
        *(("limit", value) for value in ("0", "101", "-1", "1.5", "many", "", "1e1", "9" * 30)),
        *(
            ("cursor", value)
            for value in (
                "",
                "nonsense",
                "_",
                f"1_{row_id}0",
                f"--1_{row_id}",
                f"-{'9' * 17}_{row_id}",
                f"1_{'-' * 36}",
                f"{'9' * 18}_{row_id}",
                f"{'9' * 17}_{row_id};drop table app.tasks",
                f"1_{row_id}\n",
                f"1_{row_id}\0",
            )
        ),
        ("offset", "1"),
    ]

    responses = [
        (parameter, value, await ann.client.get(path, params={parameter: value}))
        for parameter, value in wrong
    ]
    right = [(await ann.client.get(path, params={"limit": limit})) for limit in ("1", "100")]

    for parameter, value, response in responses:
        assert (value, *_said(response)) == (value, 422, "validation-failed")
        assert [error["parameter"] for error in response.json()["errors"]] == [parameter]
    assert [response.status_code for response in right] == [200, 200]


def _seven_rows_of(row: Endpoint) -> str:
    """Return what inserts seven rows into the table that a list shows: which it reads first."""
    found = re.search(r"from app\.(\w+)", QUERIES[row.query or ""].text)
    assert found
    statement = EXAMPLE_OF[found[1]].seven
    assert statement, f"tests/examples has no seven rows of {found[1]}, for the pages of its list"
    return statement


@pytest.mark.parametrize("name", LISTS)
async def test_pages_show_every_row_once_and_in_order(
    name: str, ann: Person, hearth: Hearth
) -> None:
    ids = await furnish(ann)
    path = path_to(ROWS[name], ids)
    await by_hand(hearth, _seven_rows_of(ROWS[name]), ann.family_id, ann.user_id)
    whole = (await ann.client.get(path, params={"limit": "100"})).json()

    for limit in (1, 3, len(whole["items"]), len(whole["items"]) - 1):
        parameters = {"limit": str(limit)}
        seen: list[Any] = []
        while len(seen) <= len(whole["items"]):
            page = (await ann.client.get(path, params=parameters)).json()
            assert 0 < len(page["items"]) <= limit
            seen += page["items"]
            if page["next"] is None:
                break
            parameters["cursor"] = page["next"]

        assert seen == whole["items"]
    keys = ("logged_on", "created_at", "occurred_at")
    times = [next(item[key] for key in keys if key in item) for item in whole["items"]]
    backwards = name in BACKWARD
    assert len(times) > 7
    assert times == sorted(times, reverse=backwards)
    assert whole["next"] is None


async def test_another_method_is_refused_with_those_there_are(ann: Person) -> None:
    methods: dict[str, set[str]] = {}
    for row in ENDPOINTS:
        methods.setdefault(row.path, set()).add(row.method)

    responses = {row.path: await ann.client.request("TRACE", path_to(row)) for row in ENDPOINTS}

    assert {_said(response) for response in responses.values()} == {(405, "method-not-allowed")}
    assert {
        path: set(response.headers["Allow"].split(", ")) - {"HEAD"}
        for path, response in responses.items()
    } == methods


async def test_head_is_get_without_the_body(ann: Person) -> None:
    ids = await furnish(ann)
    paths = [path_to(row, ids) for row in ENDPOINTS if row.method == "GET"]

    for path in paths:
        whole, head = await ann.client.get(path), await ann.client.head(path)

        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == str(len(whole.content))
