"""Families and their members: who may do what to whom, and what happens to those who go."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from tests.support.fixtures import (
    PASSWORD,
    AsRole,
    Hearth,
    Join,
    NewPerson,
    Person,
    wait_until_blocked,
    wait_until_requests_block,
)
from tests.support.rows import all_rows


async def _change(person: Person, target: Person, **fields: object) -> httpx.Response:
    return await person.client.patch(f"/v1/members/{target.user_id}", json=fields)


async def _remove(person: Person, target: Person) -> httpx.Response:
    return await person.client.delete(f"/v1/members/{target.user_id}")


async def _restore(person: Person, target: Person) -> httpx.Response:
    return await person.client.post(f"/v1/members/{target.user_id}/restore")


async def _members(person: Person) -> dict[str, str]:
    """Return the roles in a person's family by user."""
    items = (await person.client.get("/v1/members")).json()["items"]
    return {item["user_id"]: item["role"] for item in items}


async def _sign_in(person: Person) -> dict[str, Any]:
    body = {"email": person.email, "password": PASSWORD}
    return dict((await person.client.post("/v1/auth/signin", json=body)).json())


async def _refresh(person: Person, token: str) -> httpx.Response:
    return await person.client.post("/v1/auth/refresh", json={"refresh_token": token})


def _said(response: httpx.Response) -> tuple[int, str | None]:
    return response.status_code, response.json().get("code") if response.content else None


# Families.


async def test_a_family_is_made_beside_the_one_of_the_context(ann: Person) -> None:
    await ann.client.patch("/v1/me", json={"time_zone": "Asia/Tokyo"})

    made = await ann.client.post("/v1/families", json={"name": "The cabin"})

    assert made.status_code == 201
    assert (made.json()["name"], made.json()["time_zone"]) == ("The cabin", "Asia/Tokyo")
    assert (await ann.client.get("/v1/family")).json()["id"] == str(ann.family_id)
    listed = (await ann.client.get("/v1/families")).json()
    assert [item["role"] for item in listed["items"]] == ["owner", "owner"]
    assert listed["items"][1]["family"] == made.json()
    assert listed["next"] is None


async def test_families_are_listed_with_the_role_in_each(
    ann: Person, bob: Person, join: Join
) -> None:
    home = bob.family_id
    await join(bob, ann, "member")

    listed = (await bob.client.get("/v1/families")).json()["items"]

    assert {item["family"]["id"]: item["role"] for item in listed} == {
        str(home): "owner",
        str(ann.family_id): "member",
    }


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("admin", 200), ("member", 403)])
async def test_owners_and_admins_change_the_family(
    role: str, status: int, ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, role)
    before = (await ann.client.get("/v1/family")).json()

    response = await bob.client.patch("/v1/family", json={"name": "The house"})

    after = (await ann.client.get("/v1/family")).json()
    changed = {name for name in before if before[name] != after[name]}
    assert response.status_code == status
    assert changed == ({"name", "updated_at", "row_version"} if status == 200 else set())


@pytest.mark.parametrize("role", ["owner", "admin", "member"])
async def test_owners_retire_the_family_and_with_it_the_sessions_in_it(
    role: str, ann: Person, bob: Person, join: Join
) -> None:
    tokens = [ann.signed_in["refresh_token"], bob.signed_in["refresh_token"]]
    at_home = await _sign_in(bob)
    await join(bob, ann, role)

    response = await bob.client.delete("/v1/family")

    if role == "owner":
        assert response.status_code == 204
        assert _said(await ann.client.get("/v1/me")) == (401, "outdated-token")
        assert [(await _refresh(bob, token)).status_code for token in tokens] == [401, 401]
    else:
        assert _said(response) == (403, "forbidden")
        assert (await ann.client.get("/v1/family")).status_code == 200
    assert (await _refresh(bob, at_home["refresh_token"])).status_code == 200


async def test_nobody_gets_into_a_retired_family_until_it_is_restored(
    ann: Person, bob: Person, join: Join, as_role: AsRole
) -> None:
    family_id = ann.family_id
    await join(bob, ann, "member")
    task = (await ann.client.post("/v1/tasks", json={"title": "Stay"})).json()
    await ann.client.delete("/v1/family")
    ann.take(await _sign_in(ann))
    bob.take(await _sign_in(bob))

    async def enter(person: Person) -> tuple[int, int]:
        families = (await person.client.get("/v1/families")).json()["items"]
        response = await person.client.post(f"/v1/families/{family_id}/token")
        if response.status_code == 200:
            person.take(response.json())
        return len(families), response.status_code

    assert ann.signed_in["family_id"] is None
    assert [await enter(ann), await enter(bob)] == [(0, 404), (1, 404)]
    ops = await as_role("app_ops")
    assert await ops.fetchval("select app.restore_family($1)", family_id)
    await ops.execute("commit")
    assert [await enter(ann), await enter(bob)] == [(1, 200), (2, 200)]
    assert (await ann.client.get("/v1/tasks")).json()["items"] == [task]


# Members.


@dataclass(frozen=True)
class Relatives:
    """A family in which each role is there twice."""

    people: dict[str, Person]
    superuser: asyncpg.Connection

    async def members(self) -> list[asyncpg.Record]:
        """Return the rows of all its members, those that have left included."""
        return list(
            await self.superuser.fetch(
                "select * from app.family_memberships where family_id = $1 order by user_id",
                self.people["owner"].family_id,
            )
        )

    async def reset(self) -> None:
        """Give everybody their role again."""
        await self.superuser.executemany(
            "update app.family_memberships set role = $1, deleted_at = null"
            " where family_id = $2 and user_id = $3",
            [
                (name.removeprefix("other "), person.family_id, person.user_id)
                for name, person in self.people.items()
            ],
        )


@pytest.fixture
async def relatives(new_person: NewPerson, join: Join, hearth: Hearth) -> AsyncIterator[Relatives]:
    people = {"owner": await new_person()}
    for name in ("other owner", "admin", "other admin", "member", "other member"):
        people[name] = await new_person()
        await join(people[name], people["owner"], name.removeprefix("other "))
    superuser = await asyncpg.connect(hearth.superuser_url)
    yield Relatives(people, superuser)
    await superuser.close()


WHO_MAY_CHANGE_WHOM = """
                         rename  owner  admin  member  remove
    owner  themself         200    200    200     200     204
    owner  other owner      200    200    200     200     204
    owner  other admin      200    200    200     200     204
    owner  other member     200    200    200     200     204
    admin  themself         200    403    200     200     204
    admin  other owner      403    403    403     403     403
    admin  other admin      200    403    200     200     204
    admin  other member     200    403    200     200     204
    member themself         200    403    403     200     204
    member other owner      403    403    403     403     403
    member other admin      403    403    403     403     403
    member other member     403    403    403     403     403
"""


async def test_who_may_change_whom_depends_on_both_roles(relatives: Relatives) -> None:
    table = WHO_MAY_CHANGE_WHOM.strip("\n").splitlines()
    seen = table[:1]

    for line in table[1:]:
        actor = relatives.people[line[4:10].strip()]
        target = relatives.people.get(line[11:23].strip(), actor)
        statuses = []
        for action in table[0].split():
            before = await relatives.members()
            if action == "remove":
                response = await _remove(actor, target)
            elif action == "rename":
                response = await _change(actor, target, display_name="Another")
            else:
                response = await _change(actor, target, role=action)
            statuses.append(response.status_code)
            assert (await relatives.members() == before) == (response.status_code == 403)
            await relatives.reset()
        seen.append(line[:23] + "{:8}{:7}{:7}{:8}{:8}".format(*statuses))

    assert seen == table


async def test_who_was_removed_is_no_member_to_anybody(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "member")

    await _remove(ann, bob)

    assert await _members(ann) == {str(ann.user_id): "owner"}
    assert _said(await ann.client.get(f"/v1/members/{bob.user_id}")) == (404, "not-found")
    assert (await _remove(ann, bob)).status_code == 204  # and does not come back by it
    assert (await _change(ann, bob, role="admin")).status_code == 200
    assert await _members(ann) == {str(ann.user_id): "owner"}


@pytest.mark.parametrize("by", ["ann", "themself"])
async def test_who_is_no_member_any_more_is_out_at_once_and_goes_on_at_home(
    by: str, ann: Person, bob: Person, join: Join
) -> None:
    home, token = bob.family_id, bob.signed_in["refresh_token"]
    await join(bob, ann, "member")
    inside = await bob.client.get("/v1/tasks")

    await _remove(ann if by == "ann" else bob, bob)

    assert inside.status_code == 200
    assert _said(await bob.client.get("/v1/tasks")) == (401, "outdated-token")
    assert _said(await bob.client.post("/v1/tasks", json={"title": "x"})) == (401, "outdated-token")
    bob.take((await _refresh(bob, token)).json())
    assert (bob.family_id, bob.role) == (home, "owner")
    again = await bob.client.post(f"/v1/families/{ann.family_id}/token")
    assert again.status_code == 404


async def test_who_has_another_role_acts_in_the_old_one_no_more(
    ann: Person, bob: Person, join: Join
) -> None:
    token = bob.signed_in["refresh_token"]
    await join(bob, ann, "admin")
    as_admin = await bob.client.patch("/v1/family", json={"name": "Bob's castle"})

    await _change(ann, bob, role="member")

    assert as_admin.status_code == 200
    assert _said(await bob.client.patch("/v1/family", json={"name": "x"})) == (
        401,
        "outdated-token",
    )
    bob.take((await _refresh(bob, token)).json())
    assert (bob.family_id, bob.role) == (ann.family_id, "member")
    assert _said(await bob.client.patch("/v1/family", json={"name": "x"})) == (403, "forbidden")


WHO_MAY_TAKE_WHOM_BACK_IN = """
                         restore
    owner  other owner       200
    owner  other admin       200
    owner  other member      200
    admin  other owner       403
    admin  other admin       200
    admin  other member      200
    member other owner       403
    member other admin       403
    member other member      403
"""


async def test_who_may_take_whom_back_in_depends_on_both_roles(relatives: Relatives) -> None:
    table = WHO_MAY_TAKE_WHOM_BACK_IN.strip("\n").splitlines()
    seen = table[:1]

    for line in table[1:]:
        actor, target = (relatives.people[name.strip()] for name in (line[4:11], line[11:25]))
        await _remove(relatives.people["owner"], target)
        before = await relatives.members()
        response = await _restore(actor, target)
        assert (await relatives.members() == before) == (response.status_code == 403)
        await relatives.reset()
        seen.append(f"{line[:25]}{response.status_code:7}")

    assert seen == table


async def test_who_is_taken_back_in_finds_everything_as_it_was(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "admin")
    task = (await bob.client.post("/v1/tasks", json={"title": "Stay"})).json()
    before = (await ann.client.get(f"/v1/members/{bob.user_id}")).json()
    await _remove(ann, bob)

    response = await _restore(ann, bob)

    changed = {name for name in before if before[name] != response.json()[name]}
    assert (response.status_code, changed) == (200, {"updated_at", "row_version"})
    assert await _members(ann) == {str(ann.user_id): "owner", str(bob.user_id): "admin"}
    assert (await bob.client.get("/v1/tasks")).json()["items"] == [task]


async def test_those_who_were_members_have_a_list_of_their_own(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "member")
    await _remove(bob, bob)

    retired = await ann.client.get("/v1/members", params={"is_active": "false"})

    assert [item["user_id"] for item in retired.json()["items"]] == [str(bob.user_id)]
    assert await _members(ann) == {str(ann.user_id): "owner"}


async def test_nobody_is_taken_back_in_who_never_left_or_never_came(
    ann: Person, bob: Person, new_person: NewPerson, join: Join
) -> None:
    await join(bob, ann, "member")
    carol = await new_person()

    responses = [await _restore(ann, bob), await _restore(ann, carol)]

    assert [_said(response) for response in responses] == [(404, "not-found")] * 2


async def test_nobody_takes_themselves_back_in(ann: Person, bob: Person, join: Join) -> None:
    await join(bob, ann, "owner")
    await _remove(bob, bob)

    response = await _restore(bob, bob)

    assert _said(response) == (401, "outdated-token")


async def test_nobody_is_taken_back_in_whose_account_is_retired(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "owner")
    await bob.client.delete("/v1/me")

    response = await _restore(ann, bob)

    assert _said(response) == (409, "conflict")
    assert response.json()["detail"] == "The user does not exist."
    assert _said(await _remove(ann, ann)) == (409, "last-owner")


async def test_an_account_that_retires_takes_along_a_membership_that_comes_back_meanwhile(
    ann: Person, bob: Person, join: Join, as_role: AsRole
) -> None:
    home = bob.family_id
    await join(bob, ann, "member")
    bob.take((await bob.client.post(f"/v1/families/{home}/token")).json())
    await _remove(ann, bob)
    restoring = await as_role("app_api", **as_role.of(ann))
    await restoring.execute(
        "update app.family_memberships set deleted_at = null where user_id = $1", bob.user_id
    )
    retiring = asyncio.create_task(bob.client.delete("/v1/me"))
    await wait_until_requests_block(restoring, 1)

    await restoring.execute("commit")

    assert (await retiring).status_code == 204
    assert await _members(ann) == {str(ann.user_id): "owner"}


# The last owner.


async def test_the_last_owner_stays(ann: Person, bob: Person, join: Join, hearth: Hearth) -> None:
    await join(bob, ann, "admin")
    before = await all_rows(hearth)

    responses = [
        await _change(ann, ann, role="admin"),
        await _change(ann, ann, role="member"),
        await _remove(ann, ann),
    ]

    assert [_said(response) for response in responses] == [(409, "last-owner")] * 3
    assert await all_rows(hearth) == before
    await _change(ann, bob, role="owner")
    assert (await _remove(ann, ann)).status_code == 204


@pytest.mark.parametrize(
    "acts",
    [
        ("ann demotes bob", "bob demotes ann"),
        ("ann removes bob", "bob removes ann"),
        ("ann removes ann", "bob demotes bob"),  # one leaves, the other steps down
        ("ann removes ann", "bob removes bob"),
    ],
    ids=" while ".join,
)
async def test_two_owners_cannot_both_go_at_once(
    acts: tuple[str, str], ann: Person, bob: Person, join: Join, as_role: AsRole
) -> None:
    await join(bob, ann, "owner")
    people = {"ann": ann, "bob": bob}

    async def do(act: str) -> httpx.Response:
        actor, verb, target = act.split()
        if verb == "demotes":
            return await _change(people[actor], people[target], role="member")
        return await _remove(people[actor], people[target])

    holder = await as_role("app_auth")
    await holder.fetch("select from app.families where id = $1 for update", ann.family_id)
    attempts = [asyncio.create_task(do(act)) for act in acts]
    await wait_until_requests_block(holder, 2)

    await holder.execute("commit")
    responses = await asyncio.gather(*attempts)

    assert sorted(_said(response) for response in responses)[1] == (409, "last-owner")
    assert sorted(response.status_code // 100 for response in responses) == [2, 4]
    owners = await holder.fetch(
        "select from app.family_memberships where family_id = $1 and role = 'owner' and is_active",
        ann.family_id,
    )
    assert len(owners) == 1


async def test_an_account_does_not_retire_while_it_becomes_an_owner(
    hearth: Hearth, ann: Person, as_role: AsRole
) -> None:
    making = await as_role("app_api", user_id=ann.user_id)
    retiring = await as_role("app_api", user_id=ann.user_id)
    await making.fetchval("select app.create_family('Raced', null)")
    waiting = asyncio.create_task(retiring.fetchval("select app.retire_account()"))
    await wait_until_blocked(making, retiring.get_server_pid())

    await making.execute("commit")
    retired = await waiting
    await retiring.execute("commit")

    ops = await as_role("app_ops")
    raced = await ops.fetchval("select is_active from app.families where name = 'Raced'")
    assert (retired, raced) == (True, False)


async def test_owners_cannot_change_where_the_other_ones_change_would_stay_unseen(
    ann: Person, as_role: AsRole
) -> None:
    connection = await as_role("app_api", **as_role.of(ann))
    await connection.execute("rollback; begin isolation level repeatable read")
    for name, value in as_role.of(ann).items():
        await connection.execute(f"set local app.{name} = '{value}'")

    with pytest.raises(asyncpg.FeatureNotSupportedError):
        await connection.execute("update app.family_memberships set role = 'member'")
