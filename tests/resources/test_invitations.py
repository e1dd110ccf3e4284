"""Invitations: who may give, see and revoke them, who may accept, and what comes of it."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.support.addresses import SAME_ADDRESS
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
from tests.support.rows import all_rows, by_hand

Made = dict[str, Any]

ACCEPT = "/v1/invitations/accept"


async def _invite(person: Person, email: str, role: str = "member") -> Made:
    """Invite an address; return the invitation with its token."""
    body = {"email": email, "role": role}
    response = await person.client.post("/v1/invitations", json=body)
    assert response.status_code == 201, response.text
    return {**response.json()["invitation"], "token": response.json()["token"]}


async def _accept(person: Person, made: Made) -> httpx.Response:
    return await person.client.post(ACCEPT, json={"token": made["token"]})


async def _revoke(person: Person, made: Made) -> httpx.Response:
    return await person.client.delete(f"/v1/invitations/{made['id']}")


async def _sign_up(anybody: httpx.AsyncClient, email: str, **fields: object) -> httpx.Response:
    body = {"email": email, "password": PASSWORD, "full_name": "New Comer", **fields}
    return await anybody.post("/v1/auth/signup", json=body)


async def _members(person: Person) -> dict[str, str]:
    """Return the roles in a person's family by user."""
    items = (await person.client.get("/v1/members")).json()["items"]
    return {item["user_id"]: item["role"] for item in items}


async def _emails(person: Person) -> list[str]:
    """Return whom a person's family has invited and waits for."""
    response = await person.client.get("/v1/invitations")
    return [item["email"] for item in response.json()["items"]]


async def _expire(hearth: Hearth, made: Made) -> None:
    await by_hand(hearth, "update app.invitations set expires_at = now() where id = $1", made["id"])


def _said(response: httpx.Response) -> tuple[int, str | None]:
    return response.status_code, response.json().get("code") if response.content else None


NOT_VALID = (403, "invalid-invitation")


# Giving.


async def test_an_invitation_is_shown_as_it_was_made_but_for_its_token(ann: Person) -> None:
    response = await ann.client.post("/v1/invitations", json={"email": "Grandma@Example.com"})

    made = response.json()["invitation"]
    given = {name: made[name] for name in made if not name.endswith("_at") and name != "id"}
    assert given == {
        "user_id": str(ann.user_id),
        "email": "Grandma@Example.com",
        "role": "member",
        "is_pending": True,
        "member_id": None,
        "row_version": 1,
    }
    assert (await ann.client.get("/v1/invitations")).json() == {"items": [made], "next": None}
    assert (await ann.client.get(f"/v1/invitations/{made['id']}")).json() == made


async def test_a_token_is_random_and_its_hash_is_all_that_is_kept(
    ann: Person, hearth: Hearth, as_role: AsRole
) -> None:
    made = [await _invite(ann, f"{n}@example.com") for n in range(2)]

    tokens = [one["token"] for one in made]
    rows = await all_rows(hearth)
    assert len(set(tokens)) == 2
    assert {len(token) for token in tokens} == {43}  # 32 bytes in base64
    assert not [row for _, row in rows if any(token in row for token in tokens)]
    stored = await by_hand(
        hearth,
        "select token_hash = sha256(convert_to($2, 'UTF8')) from app.invitations where id = $1",
        *(made[0]["id"], tokens[0]),
    )
    assert stored[0][0] is True
    for login in ("app_api", "app_reader"):
        connection = await as_role(login, **as_role.of(ann))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select token_hash from app.invitations")


async def test_the_trail_keeps_neither_the_address_nor_the_token(
    ann: Person, bob: Person, hearth: Hearth
) -> None:
    made = await _invite(ann, bob.email)
    await _accept(bob, made)

    hash_ = await by_hand(
        hearth, "select token_hash::text from app.invitations where id = $1", made["id"]
    )
    trail = (await ann.client.get("/v1/audit")).json()["items"]
    about = [record for record in trail if record["table_name"] == "invitations"]
    assert [(record["action_type"], record["actor_id"]) for record in about] == [
        ("update", str(bob.user_id)),
        ("insert", str(ann.user_id)),
    ]
    assert about[1]["after"]["email"].startswith("sha256:")
    assert about[1]["after"]["token_hash"].startswith("sha256:")
    assert bob.email not in str(trail)
    assert hash_[0][0] not in str(trail)


async def test_nothing_personal_and_no_secret_of_an_invitation_is_logged(
    ann: Person, bob: Person, logged: list[Any]
) -> None:
    made = await _invite(ann, bob.email)
    await _accept(bob, made)
    await _accept(bob, made)

    assert logged
    assert bob.email not in str(logged)
    assert made["token"] not in str(logged)


WHO_MAY_INVITE_WHOM = """
           owner  admin  member
    owner    201    201     201
    admin    403    201     201
    member   403    403     403
"""


async def test_who_may_invite_into_which_role(
    ann: Person, new_person: NewPerson, join: Join, hearth: Hearth
) -> None:
    people = {"owner": ann, "admin": await new_person(), "member": await new_person()}
    for role in ("admin", "member"):
        await join(people[role], ann, role)
    table = WHO_MAY_INVITE_WHOM.strip("\n").splitlines()
    seen = table[:1]

    for line in table[1:]:
        statuses = []
        for role in table[0].split():
            before = await all_rows(hearth, about=ann.family_id)
            body = {"email": f"{uuid4()}@example.com", "role": role}
            response = await people[line.split()[0]].client.post("/v1/invitations", json=body)
            statuses.append(response.status_code)
            changed = await all_rows(hearth, about=ann.family_id) != before
            assert changed == (response.status_code == 201)
        seen.append(line[:10] + "{:6}{:7}{:8}".format(*statuses))

    assert seen == table


async def test_an_address_that_is_invited_again_gets_another_token_and_the_old_one_ends(
    ann: Person, bob: Person
) -> None:
    first = await _invite(ann, bob.email)

    second = await _invite(ann, bob.email.upper(), "admin")

    assert await _emails(ann) == [bob.email.upper()]
    assert _said(await _accept(bob, first)) == NOT_VALID
    assert (await _accept(bob, second)).json()["role"] == "admin"


@pytest.mark.parametrize(("one", "other"), SAME_ADDRESS)
async def test_an_address_is_invited_once_however_it_is_written(
    one: str, other: str, ann: Person, new_person: NewPerson
) -> None:
    some = uuid4().hex
    bob = await new_person(email=some + one)
    first = await _invite(ann, some + one)

    second = await _invite(ann, some + other)

    assert _said(await _accept(bob, first)) == NOT_VALID
    assert (await _accept(bob, second)).status_code == 200
    again = await ann.client.post("/v1/invitations", json={"email": some + other})
    assert _said(again) == (409, "conflict")


async def test_an_admin_does_not_take_the_place_of_an_owners_invitation(
    ann: Person, bob: Person, new_person: NewPerson, join: Join
) -> None:
    await join(bob, ann, "admin")
    carol = await new_person()
    made = await _invite(ann, carol.email, "owner")

    again = await bob.client.post("/v1/invitations", json={"email": carol.email})

    assert _said(again) == (409, "conflict")
    sentence = "This e-mail address already has a pending invitation."
    assert again.json()["detail"] == sentence
    assert again.json()["errors"] == [{"pointer": "/email", "detail": sentence}]
    assert _said(await _revoke(bob, made)) == (403, "forbidden")
    assert (await _accept(carol, made)).json()["role"] == "owner"


async def test_nobody_is_invited_who_is_a_member(
    ann: Person, bob: Person, join: Join, hearth: Hearth
) -> None:
    await join(bob, ann, "member")
    before = await all_rows(hearth)

    response = await ann.client.post("/v1/invitations", json={"email": bob.email.upper()})

    sentence = "This person already belongs to the family."
    assert _said(response) == (409, "conflict")
    assert response.json()["detail"] == sentence
    assert response.json()["errors"] == [{"pointer": "/email", "detail": sentence}]
    assert await all_rows(hearth) == before


async def test_who_may_not_invite_does_not_learn_who_is_a_member(
    ann: Person, bob: Person, join: Join, as_role: AsRole
) -> None:
    await join(bob, ann, "member")
    member = await bob.client.post("/v1/invitations", json={"email": ann.email})
    elsewhere = await as_role(
        "app_api", user_id=bob.user_id, family_id=uuid4(), member_role="owner"
    )

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await elsewhere.execute(
            "insert into app.invitations (family_id, user_id, email, role, token_hash)"
            " values ($1, $2, $3, 'member', sha256('token'))",
            *(ann.family_id, ann.user_id, ann.email),
        )

    assert _said(member) == (403, "forbidden")


async def test_the_answer_with_the_token_is_kept_under_no_key(ann: Person) -> None:
    body, key = {"email": "grandma@example.com"}, {"Idempotency-Key": "spring"}

    response = await ann.client.post("/v1/invitations", json=body, headers=key)

    assert _said(response) == (400, "malformed")
    assert await _emails(ann) == []


# Seeing and revoking.


@pytest.mark.parametrize("role", ["owner", "admin", "member"])
async def test_owners_and_admins_see_invitations_and_members_do_not(
    role: str, ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, role)
    made = await _invite(ann, "grandma@example.com")

    listed = await bob.client.get("/v1/invitations")
    shown = await bob.client.get(f"/v1/invitations/{made['id']}")
    revoked = await _revoke(bob, made)

    statuses = [response.status_code for response in (listed, shown, revoked)]
    assert statuses == ([403, 404, 404] if role == "member" else [200, 200, 204])


async def test_lists_tell_what_is_pending_from_what_was(
    ann: Person, bob: Person, hearth: Hearth
) -> None:
    revoked = await _invite(ann, "revoked@example.com")
    await _revoke(ann, revoked)
    expired = await _invite(ann, "expired@example.com")
    await _expire(hearth, expired)
    await _accept(bob, await _invite(ann, bob.email))
    await _invite(ann, "open@example.com")

    assert await _emails(ann) == ["open@example.com", "expired@example.com"]
    ended = await ann.client.get("/v1/invitations", params={"is_pending": "false"})
    assert [
        (item["email"], item["is_pending"], item["member_id"], item["revoked_at"] is not None)
        for item in ended.json()["items"]
    ] == [
        (bob.email, False, str(bob.user_id), False),
        ("revoked@example.com", False, None, True),
    ]


async def test_a_revoked_invitation_is_gone(ann: Person, bob: Person) -> None:
    made = await _invite(ann, bob.email)

    response = await _revoke(ann, made)

    assert response.status_code == 204
    assert _said(await _accept(bob, made)) == NOT_VALID
    assert _said(await _revoke(ann, made)) == (404, "not-found")
    assert _said(await ann.client.get(f"/v1/invitations/{made['id']}")) == (404, "not-found")


async def test_what_is_revoked_or_accepted_stays_so_also_at_a_prompt(
    ann: Person, bob: Person, as_role: AsRole
) -> None:
    made = await _invite(ann, bob.email)
    await _accept(bob, made)
    await _revoke(ann, await _invite(ann, "grandma@example.com"))

    for role, change in (
        ("app_api", "revoked_at = null"),
        ("app_api", "revoked_at = now()"),
        ("app_auth", "accepted_at = null, member_id = null"),
    ):
        connection = await as_role(role, **as_role.of(ann))
        response = await connection.execute(
            f"update app.invitations set {change} where family_id = $1", ann.family_id
        )
        assert response == "UPDATE 0"


# Accepting.


@pytest.mark.parametrize("role", ["owner", "admin", "member"])
async def test_who_accepts_is_a_member_and_may_go_there(
    role: str, ann: Person, bob: Person
) -> None:
    made = await _invite(ann, bob.email.upper(), role)

    response = await _accept(bob, made)

    family = (await ann.client.get("/v1/family")).json()
    assert (response.status_code, response.json()) == (200, {"family": family, "role": role})
    assert (await _members(ann))[str(bob.user_id)] == role
    moved = (await bob.client.post(f"/v1/families/{ann.family_id}/token")).json()
    assert (moved["family_id"], moved["role"]) == (str(ann.family_id), role)


async def test_who_stands_in_no_family_may_accept(ann: Person, bob: Person) -> None:
    await bob.client.delete("/v1/family")
    body = {"email": bob.email, "password": PASSWORD}
    bob.take((await bob.client.post("/v1/auth/signin", json=body)).json())
    made = await _invite(ann, bob.email)

    response = await _accept(bob, made)

    assert bob.signed_in["family_id"] is None
    assert response.status_code == 200
    refreshed = {"refresh_token": bob.signed_in["refresh_token"]}
    bob.take((await bob.client.post("/v1/auth/refresh", json=refreshed)).json())
    assert (bob.family_id, bob.role) == (ann.family_id, "member")


@pytest.mark.parametrize(
    "what",
    [
        "unknown",
        "revoked",
        "expired",
        "accepted",
        "of a retired family",
        "of a removed admin",
        "of an admin who is none any more",
        "into a role the inviter may not give any more",
    ],
)
async def test_a_token_that_does_not_count_gets_one_answer_and_nothing_is_written(
    what: str, ann: Person, bob: Person, new_person: NewPerson, join: Join, hearth: Hearth
) -> None:
    host, guest = await new_person(), bob
    role = "owner" if what.startswith("into") else "admin"
    await join(host, ann, role)
    made = await _invite(host, guest.email, role)
    if what == "unknown":
        made["token"] = made["token"][::-1]
    if what == "revoked":
        await _revoke(ann, made)
    if what == "expired":
        await _expire(hearth, made)
    if what == "accepted":
        await _accept(guest, made)
        await ann.client.delete(f"/v1/members/{guest.user_id}")
    if what == "of a retired family":
        await ann.client.delete("/v1/family")
    if what == "of a removed admin":
        await ann.client.delete(f"/v1/members/{host.user_id}")
    if what == "of an admin who is none any more":
        await ann.client.patch(f"/v1/members/{host.user_id}", json={"role": "member"})
    if what.startswith("into"):
        await ann.client.patch(f"/v1/members/{host.user_id}", json={"role": "admin"})
    before = await all_rows(hearth)

    response = await _accept(guest, made)

    assert {**response.json(), "request_id": None} == {
        "type": "/problems/invalid-invitation",
        "title": "The invitation is not valid.",
        "status": 403,
        "code": "invalid-invitation",
        "request_id": None,
    }
    assert await all_rows(hearth) == before


async def test_who_is_a_member_already_keeps_the_role_and_the_token(
    ann: Person, bob: Person, join: Join, hearth: Hearth
) -> None:
    made = await _invite(ann, bob.email, "admin")
    await join(bob, ann, "member")
    before = await all_rows(hearth)

    response = await _accept(bob, made)

    assert _said(response) == (409, "conflict")
    assert response.json()["detail"] == "This person already belongs to the family."
    assert await all_rows(hearth) == before


async def test_who_was_a_member_comes_back_to_what_was_theirs_in_the_role_invited_to(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "admin")
    task = (await bob.client.post("/v1/tasks", json={"title": "Stay"})).json()
    await bob.client.delete(f"/v1/members/{bob.user_id}")
    made = await _invite(ann, bob.email, "member")
    body = {"email": bob.email, "password": PASSWORD}
    bob.take((await bob.client.post("/v1/auth/signin", json=body)).json())

    response = await _accept(bob, made)

    assert response.status_code == 200
    bob.take((await bob.client.post(f"/v1/families/{ann.family_id}/token")).json())
    assert bob.role == "member"
    assert (await bob.client.get("/v1/tasks")).json()["items"] == [task]
    shown = (await bob.client.get(f"/v1/members/{bob.user_id}")).json()
    assert shown["display_name"] == "Somebody"  # as the family called them before


async def test_who_was_removed_does_not_come_back_by_what_was_sent_before(
    ann: Person, bob: Person, new_person: NewPerson, join: Join
) -> None:
    carol = await new_person()
    await join(carol, ann, "member")
    await join(bob, ann, "admin")
    await ann.client.delete(f"/v1/members/{bob.user_id}")
    made = await _invite(ann, bob.email, "admin")
    await ann.client.post(f"/v1/members/{bob.user_id}/restore")
    await ann.client.delete(f"/v1/members/{bob.user_id}")
    body = {"email": bob.email, "password": PASSWORD}
    bob.take((await bob.client.post("/v1/auth/signin", json=body)).json())

    before = await _accept(bob, made)
    anew = await _invite(ann, bob.email, "member")
    await ann.client.delete(f"/v1/members/{carol.user_id}")  # of whom it says nothing
    after = await _accept(bob, anew)

    assert _said(before) == NOT_VALID
    assert (after.status_code, after.json()["role"]) == (200, "member")


async def test_a_token_counts_for_whoever_has_it_whatever_their_address(
    ann: Person, bob: Person, new_person: NewPerson
) -> None:
    invited = f"{uuid4()}@example.com"
    stranger = await new_person(email=invited)  # took the address and never had the token
    made = await _invite(ann, invited)

    response = await _accept(bob, made)

    assert (response.status_code, response.json()["role"]) == (200, "member")
    assert await _members(ann) == {str(ann.user_id): "owner", str(bob.user_id): "member"}
    assert _said(await _accept(stranger, made)) == NOT_VALID


# Accepting at sign-up.


async def test_who_was_invited_at_an_address_that_a_stranger_took_signs_up_with_another(
    ann: Person, new_person: NewPerson, anybody: httpx.AsyncClient
) -> None:
    invited = f"{uuid4()}@example.com"
    await new_person(email=invited)
    made = await _invite(ann, invited, "admin")
    taken = await _sign_up(anybody, invited, invitation=made["token"])

    response = await _sign_up(anybody, f"{uuid4()}@example.com", invitation=made["token"])

    assert _said(taken) == (409, "conflict")
    assert response.status_code == 201
    assert (response.json()["family_id"], response.json()["role"]) == (str(ann.family_id), "admin")


async def test_who_signs_up_by_an_invitation_joins_and_makes_no_family(
    ann: Person, anybody: httpx.AsyncClient
) -> None:
    made = await _invite(ann, "Newcomer@Example.org", "admin")

    response = await _sign_up(anybody, "newcomer@example.org", invitation=made["token"])

    signed_in = response.json()
    assert response.status_code == 201
    assert (signed_in["family_id"], signed_in["role"]) == (str(ann.family_id), "admin")
    anybody.headers["Authorization"] = f"Bearer {signed_in['access_token']}"
    families = (await anybody.get("/v1/families")).json()["items"]
    assert [item["family"]["id"] for item in families] == [str(ann.family_id)]
    assert (await _members(ann))[signed_in["user_id"]] == "admin"


@pytest.mark.parametrize("what", ["unknown", "revoked"])
async def test_a_sign_up_with_an_invitation_that_does_not_count_makes_nothing(
    what: str, ann: Person, anybody: httpx.AsyncClient, hearth: Hearth
) -> None:
    email = f"{uuid4()}@example.com"
    made = await _invite(ann, email)
    if what == "unknown":
        made["token"] = made["token"][::-1]
    if what == "revoked":
        await _revoke(ann, made)
    before = await all_rows(hearth)

    response = await _sign_up(anybody, email, invitation=made["token"])

    assert _said(response) == NOT_VALID
    assert await all_rows(hearth) == before


# At once.


async def test_of_two_who_accept_at_once_with_one_token_one_is_let_in(
    ann: Person, bob: Person, as_role: AsRole, hearth: Hearth
) -> None:
    made = await _invite(ann, bob.email)
    holder = await as_role("app_auth")
    await holder.execute("select from app.invitations where id = $1 for update", made["id"])
    accepting = [asyncio.create_task(_accept(bob, made)) for _ in range(2)]
    await wait_until_requests_block(holder, 2)

    await holder.execute("commit")

    said = sorted(_said(response) for response in await asyncio.gather(*accepting))
    assert said == [(200, None), NOT_VALID]
    assert (await _members(ann))[str(bob.user_id)] == "member"


@pytest.mark.parametrize("first", ["accept", "revoke"])
async def test_of_accepting_and_revoking_at_once_the_first_counts(
    first: str, ann: Person, bob: Person, as_role: AsRole
) -> None:
    made = await _invite(ann, bob.email)
    by_ann = await as_role("app_api", **as_role.of(ann))
    by_bob = await as_role("app_api", **as_role.of(bob))
    revoke = "update app.invitations set revoked_at = now() where id = $1"
    accept = "select from app.accept_invitation(sha256(convert_to($1, 'UTF8')))"
    if first == "accept":
        await by_bob.execute(accept, made["token"])
        second = asyncio.create_task(_revoke(ann, made))
        await wait_until_requests_block(by_bob, 1)
        await by_bob.execute("commit")
    else:
        await by_ann.execute(revoke, made["id"])
        second = asyncio.create_task(_accept(bob, made))
        await wait_until_requests_block(by_ann, 1)
        await by_ann.execute("commit")

    said = _said(await second)

    assert said == ((404, "not-found") if first == "accept" else NOT_VALID)
    assert (str(bob.user_id) in await _members(ann)) == (first == "accept")


async def test_of_two_who_invite_one_address_at_once_one_is_told_so(
    ann: Person, as_role: AsRole
) -> None:
    first = await as_role("app_api", **as_role.of(ann))
    await first.execute(
        "insert into app.invitations (family_id, user_id, email, role, token_hash)"
        " values ($1, $2, 'grandma@example.com', 'member', sha256('token'))",
        *(ann.family_id, ann.user_id),
    )
    body = {"email": "Grandma@example.com"}
    second = asyncio.create_task(ann.client.post("/v1/invitations", json=body))
    await wait_until_requests_block(first, 1)

    await first.execute("commit")

    assert _said(await second) == (409, "conflict")
    assert await _emails(ann) == ["grandma@example.com"]


async def test_an_account_does_not_retire_while_it_joins(
    ann: Person, bob: Person, as_role: AsRole
) -> None:
    made = await _invite(ann, bob.email)
    joining = await as_role("app_api", **as_role.of(bob))
    await joining.execute(
        "select from app.accept_invitation(sha256(convert_to($1, 'UTF8')))", made["token"]
    )
    retiring = await as_role("app_api", user_id=bob.user_id)
    waiting = asyncio.create_task(retiring.fetchval("select app.retire_account()"))
    await wait_until_blocked(joining, retiring.get_server_pid())

    await joining.execute("commit")

    assert await waiting
    await retiring.execute("commit")
    assert await _members(ann) == {str(ann.user_id): "owner"}


@pytest.mark.parametrize("way", ["accept", "restore"])
async def test_a_lone_family_does_not_retire_with_its_owner_while_it_is_joined(
    way: str, ann: Person, bob: Person, as_role: AsRole
) -> None:
    made = await _invite(ann, bob.email)
    joining = await as_role("app_api", **as_role.of(bob if way == "accept" else ann))
    if way == "accept":
        await joining.execute(
            "select from app.accept_invitation(sha256(convert_to($1, 'UTF8')))", made["token"]
        )
    else:
        await _accept(bob, made)
        await ann.client.delete(f"/v1/members/{bob.user_id}")
        restore = "update app.family_memberships set deleted_at = null where user_id = $1"
        assert await joining.execute(restore, bob.user_id) == "UPDATE 1"
    retiring = await as_role("app_api", user_id=ann.user_id)
    waiting = asyncio.create_task(retiring.fetchval("select app.retire_account()"))
    await wait_until_blocked(joining, retiring.get_server_pid())

    await joining.execute("commit")

    with pytest.raises(asyncpg.PostgresError, match="the last owner"):
        await waiting
    assert await _members(ann) == {str(ann.user_id): "owner", str(bob.user_id): "member"}


async def test_who_accepts_while_the_lone_owner_retires_finds_no_invitation(
    ann: Person, bob: Person, as_role: AsRole
) -> None:
    made = await _invite(ann, bob.email)
    retiring = await as_role("app_api", user_id=ann.user_id)
    assert await retiring.fetchval("select app.retire_account()")
    accepting = asyncio.create_task(_accept(bob, made))
    await wait_until_requests_block(retiring, 1)

    await retiring.execute("commit")

    assert _said(await accepting) == NOT_VALID
