"""What every endpoint promises, read from the table of endpoints.

What is special to one of them is in the tests of its resource.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.http import models, openapi
from app.http.endpoint import Endpoint
from app.resources import ENDPOINTS
from app.resources.accounts import SignUp
from app.resources.conversations import ConversationCreate, MessageCreate
from app.resources.exercises import ExerciseCreate, ExerciseLogCreate
from app.resources.habits import HabitCreate, HabitLogPut
from app.resources.invitations import InvitationCreate, InvitationToken
from app.resources.routines import RoutineCreate
from app.resources.sessions import Refresh, SignIn
from app.resources.tasks import TaskCreate
from tests.support.examples import BODIES, DAY, path_to
from tests.support.fixtures import PASSWORD, Hearth, Join, NewPerson, Person
from tests.support.rows import all_rows, by_hand


def _name(row: Endpoint) -> str:
    return f"{row.method} {openapi.path_of(row)}"


ROWS = {_name(row): row for row in ENDPOINTS}
SIGNED_IN = {name: row for name, row in ROWS.items() if row.signed_in}
IN_FAMILY = {name: row for name, row in SIGNED_IN.items() if row.in_family}
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


@dataclass
class Home:
    """A person's family with one of each thing in it, by the names that paths have for them."""

    person: Person
    ids: Mapping[str, UUID]


async def _furnish(person: Person) -> Home:
    async def make(path: str, body: type[models.Request]) -> UUID:
        response = await person.client.post(path, json=BODIES[body])
        assert response.status_code == 201, response.text
        made = response.json()
        return UUID(made.get("invitation", made)["id"])

    conversation_id = await make("/v1/conversations", ConversationCreate)
    habit_id = await make("/v1/habits", HabitCreate)
    body = BODIES[HabitLogPut]
    await person.client.put(f"/v1/habits/{habit_id}/logs/{DAY}", json=body)
    exercise_id = await make("/v1/exercises", ExerciseCreate)
    routine_id = await make("/v1/routines", RoutineCreate)
    await person.client.put(f"/v1/routines/{routine_id}/completions/{DAY}")
    ids = {
        "task_id": await make("/v1/tasks", TaskCreate),
        "conversation_id": conversation_id,
        "message_id": await make(f"/v1/conversations/{conversation_id}/messages", MessageCreate),
        "invitation_id": await make("/v1/invitations", InvitationCreate),
        "habit_id": habit_id,
        "exercise_id": exercise_id,
        "log_id": await make(f"/v1/exercises/{exercise_id}/logs", ExerciseLogCreate),
        "routine_id": routine_id,
        "family_id": person.family_id,
        "member_id": person.user_id,
    }
    return Home(person, ids)


async def _send(
    client: httpx.AsyncClient,
    row: Endpoint,
    ids: Mapping[str, UUID] | None = None,
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
    home = await _furnish(ann)
    await ann.client.delete(f"/v1/members/{bob.user_id}")
    before = await all_rows(hearth)

    responses = {
        name: _said(await _send(bob.client, row, home.ids)) for name, row in IN_FAMILY.items()
    }

    assert responses == dict.fromkeys(IN_FAMILY, (401, "outdated-token"))
    assert await all_rows(hearth) == before


async def test_what_is_another_familys_is_not_there(
    ann: Person, bob: Person, hearth: Hearth
) -> None:
    home = await _furnish(bob)
    before = await all_rows(hearth)

    foreign = {name: await _send(ann.client, row, home.ids) for name, row in OF_ONE_THING.items()}
    missing = {name: await _send(ann.client, row) for name, row in OF_ONE_THING.items()}

    def same(responses: Mapping[str, httpx.Response]) -> Mapping[str, Any]:
        return {
            name: {**response.json(), "request_id": None} for name, response in responses.items()
        }

    assert {_said(response) for response in foreign.values()} == {(404, "not-found")}
    assert same(foreign) == same(missing)
    assert await all_rows(hearth) == before


async def test_no_answer_names_anything_of_another_family(ann: Person, bob: Person) -> None:
    theirs = (await _furnish(bob)).ids.values()
    own = await _furnish(ann)

    responses = {
        name: (await _send(ann.client, row, own.ids)).text
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
    home = await _furnish(ann)
    fields: dict[str, object] = {}
    if "{member_id" in row.path:
        bob = await new_person()
        await join(bob, ann, "member")
        home = Home(ann, {**home.ids, "member_id": bob.user_id})
        if name.endswith("/restore"):
            await ann.client.delete(f"/v1/members/{bob.user_id}")
    if row.body is InvitationToken:
        bob = await new_person()
        invited = await bob.client.post("/v1/invitations", json={"email": ann.email})
        fields["token"] = invited.json()["token"]
    if row.path.endswith("/restore"):
        thing = path_to(row, home.ids).removesuffix("/restore")
        await ann.client.delete(thing)
    if row.body is Refresh:
        fields["refresh_token"] = ann.signed_in["refresh_token"]
    if row.body is SignIn:
        fields["email"] = ann.email
    if row.body is SignUp:
        fields["email"] = f"{uuid4()}@example.com"
    if row.path.endswith("_id:uuid}/restore"):
        thing = row.path.removesuffix("/restore").replace(":uuid", "").format(**home.ids)
        await ann.client.delete(thing)
    if row.is_upsert:
        await ann.client.delete(path_to(row, home.ids))
    if row.body is ExerciseCreate:
        fields["name"] = "Squat"
    before = await all_rows(hearth)

    answer = await _send(ann.client, row, home.ids, **fields)

    assert answer.status_code == (201 if row.is_upsert else row.status), answer.text
    assert (await all_rows(hearth) == before) == (row.method == "GET")
    if row.response is None:
        assert answer.content == b""
        return
    row.response.model_validate_json(answer.content, strict=True)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", LISTS)
async def test_a_page_takes_only_what_it_knows(name: str, ann: Person) -> None:
    home = await _furnish(ann)
    path = path_to(ROWS[name], home.ids)
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


# Seven rows of which some fall on one microsecond: then the id decides.
_TIMES = "now() + (n / 3) * interval '1 microsecond'"
_SEVEN = {
    "GET /v1/members": f"""
        with someone as materialized (select app.new_id() as id, n from generate_series(1, 7) as n),
        account as (
            insert into app.users (id, email, full_name)
            select id, id || '@example.com', 'Someone' from someone where id <> $2
        )
        insert into app.family_memberships (family_id, user_id, role, display_name, created_at)
        select $1, id, 'member', 'Someone', {_TIMES} from someone
    """,
    "GET /v1/invitations": f"""
        insert into app.invitations
            (family_id, user_id, email, role, token_hash, created_at)
        select $1, $2, n || '@example.com', 'member', sha256(n::text::bytea), {_TIMES}
        from generate_series(1, 7) as n
    """,
    "GET /v1/tasks": f"""
        insert into app.tasks (family_id, user_id, title, created_at, visibility)
        select $1, $2, 'Task', {_TIMES}, (array['private', 'family']::app.visibility[])[n % 2 + 1]
        from generate_series(1, 7) as n
    """,
    "GET /v1/conversations": f"""
        insert into app.conversations (family_id, user_id, title, created_at)
        select $1, $2, 'Conversation', {_TIMES} from generate_series(1, 7) as n
    """,
    "GET /v1/conversations/{conversation_id}/messages": f"""
        insert into app.messages (family_id, user_id, conversation_id, role, content, created_at)
        select $1, $2, c.id, 'user', 'Message', {_TIMES}
        from app.conversations as c, generate_series(1, 7) as n
        where c.family_id = $1
    """,
    "GET /v1/habits": f"""
        insert into app.habits (
            family_id, user_id, name, type, times_per_week, created_at, visibility
        )
        select $1, $2, 'Habit', 'boolean', 3, {_TIMES},
            (array['private', 'family']::app.visibility[])[n % 2 + 1]
        from generate_series(1, 7) as n
    """,
    "GET /v1/habits/{habit_id}/logs": f"""
        insert into app.habit_logs (
            family_id, user_id, habit_id, logged_on, visibility, type, value, target_value, is_done,
            entered_on, created_at
        )
        select $1, $2, h.id, date '2026-01-01' + n, h.visibility, h.type, n, 20, false,
            date '2026-01-01' + n, {_TIMES}
        from app.habits as h, generate_series(1, 7) as n
        where h.family_id = $1
    """,
    "GET /v1/exercises": f"""
        insert into app.exercises (family_id, user_id, name, created_at)
        select $1, $2, 'Exercise ' || n, {_TIMES} from generate_series(1, 7) as n
    """,
    "GET /v1/exercises/{exercise_id}/logs": f"""
        insert into app.exercise_logs
            (family_id, user_id, exercise_id, performed_on, reps, created_at)
        select $1, $2, e.id, date '2025-11-21' + n / 3, n, {_TIMES}
        from app.exercises as e, generate_series(1, 7) as n
        where e.family_id = $1
    """,
    "GET /v1/routines": f"""
        with made as (
            insert into app.routines (family_id, user_id, name, created_at, visibility)
            select $1, $2, 'Routine', {_TIMES},
                (array['private', 'family']::app.visibility[])[n % 2 + 1]
            from generate_series(1, 7) as n
            returning *
        )
        insert into app.routine_versions (family_id, routine_id, version, user_id, visibility)
        select family_id, id, version, user_id, visibility from made
    """,
    "GET /v1/scores": f"""
        insert into app.score_entries
            (family_id, user_id, kind, source_id, scored_on, sequence, points, created_at)
        select $1, $2, 'task', app.new_id(), date '2026-01-01', 1, 5, {_TIMES}
        from generate_series(1, 7) as n
    """,
    "GET /v1/audit": f"""
        insert into app.audit_log
            (family_id, action_type, table_name, row_key, after, private_to, occurred_at)
        select $1, 'insert', 'tasks', jsonb_build_object('id', n), '{{}}',
            case when n % 2 = 0 then $2::uuid end, {_TIMES}
        from generate_series(1, 7) as n
    """,
}


@pytest.mark.parametrize("name", LISTS)
async def test_pages_show_every_row_once_and_in_order(
    name: str, ann: Person, hearth: Hearth
) -> None:
    home = await _furnish(ann)
    path = path_to(ROWS[name], home.ids)
    await by_hand(hearth, _SEVEN[name], ann.family_id, ann.user_id)
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
    home = await _furnish(ann)
    paths = [path_to(row, home.ids) for row in ENDPOINTS if row.method == "GET"]

    for path in paths:
        whole, head = await ann.client.get(path), await ann.client.head(path)

        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == str(len(whole.content))
