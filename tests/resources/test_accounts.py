"""Accounts and sessions: sign-up, sign-in, refresh, sign-out, password, switching, retiring."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.support.addresses import NO_ADDRESS, OTHER_ADDRESS, SAME_ADDRESS
from tests.support.fixtures import (
    PASSWORD,
    AsRole,
    Hearth,
    Join,
    NewPerson,
    Person,
    wait_until_requests_block,
)
from tests.support.rows import all_rows, by_hand, tables_of

OTHER_PASSWORD = "staple " + PASSWORD


async def _sign_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> Any:
    return await client.post("/v1/auth/signin", json={"email": email, "password": password})


async def _refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/v1/auth/refresh", json={"refresh_token": token})


async def _change_password(person: Person, old: str, new: str) -> httpx.Response:
    body = {"old_password": old, "new_password": new}
    return await person.client.post("/v1/auth/password", json=body)


async def _me(client: httpx.AsyncClient, signed_in: dict[str, Any]) -> str:
    """Say what `GET /v1/me` answers to a token: "200", or the code of the problem."""
    token = signed_in["access_token"]
    response = await client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    return str(response.json().get("code", response.status_code))


async def _restore(as_role: AsRole, function: str, person: Person) -> None:
    connection = await as_role("app_ops")
    assert await connection.fetchval(f"select app.{function}($1)", person.user_id)
    await connection.execute("commit")


# Sign-up.


async def test_sign_up_makes_a_user_a_family_and_its_owner(new_person: NewPerson) -> None:
    ann = await new_person(full_name="Ann", family_name="The Smiths", time_zone="Europe/Vienna")

    me = (await ann.client.get("/v1/me")).json()
    family = (await ann.client.get("/v1/family")).json()
    members = (await ann.client.get("/v1/members")).json()["items"]
    assert (me["id"], me["email"], me["full_name"]) == (str(ann.user_id), ann.email, "Ann")
    assert (family["id"], family["name"]) == (str(ann.family_id), "The Smiths")
    assert me["time_zone"] == family["time_zone"] == "Europe/Vienna"
    assert [(m["user_id"], m["role"], m["display_name"]) for m in members] == [
        (str(ann.user_id), "owner", "Ann")
    ]


@pytest.mark.parametrize(
    ("full_name", "family_name", "display_name"),
    [
        ("Ann", "Ann's home", "Ann"),
        ("🏡" * 200, "🏡" * 91 + "'s home", "🏡" * 100),
        ("\u200b" * 150 + "Ann", "\u200b" * 91 + "'s home", "Ann"),
    ],
)
async def test_names_that_are_not_given_come_from_the_full_name(
    full_name: str, family_name: str, display_name: str, new_person: NewPerson
) -> None:
    ann = await new_person(full_name=full_name)

    family = (await ann.client.get("/v1/family")).json()
    member = (await ann.client.get("/v1/members")).json()["items"][0]
    assert (family["name"], member["display_name"]) == (family_name, display_name)


@pytest.mark.parametrize(("one", "other"), SAME_ADDRESS)
async def test_an_address_has_one_account_however_it_is_written(
    one: str, other: str, new_person: NewPerson, anybody: httpx.AsyncClient, hearth: Hearth
) -> None:
    some = uuid4().hex
    ann = await new_person(email=some + one)
    before = await all_rows(hearth)

    body = {"email": some + other, "password": PASSWORD, "full_name": "Ann Too"}
    again = await anybody.post("/v1/auth/signup", json=body)

    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    sentence = "This e-mail address already has an account."
    assert again.json()["detail"] == sentence
    assert again.json()["errors"] == [{"pointer": "/email", "detail": sentence}]
    assert await all_rows(hearth) == before
    signed_in = await _sign_in(anybody, some + other)
    assert signed_in.json()["user_id"] == str(ann.user_id)


async def test_a_domain_is_stored_in_ascii(new_person: NewPerson) -> None:
    ann = await new_person(email=f"{uuid4().hex}@B\u00dcCHER\u3002example")

    me = (await ann.client.get("/v1/me")).json()
    assert me["email"].partition("@")[2] == "xn--bcher-kva.example"


@pytest.mark.parametrize(("one", "other"), OTHER_ADDRESS)
async def test_what_only_looks_like_an_address_has_another_account(
    one: str, other: str, new_person: NewPerson
) -> None:
    some = uuid4().hex
    people = [await new_person(email=some + email) for email in (one, other)]

    assert len({person.user_id for person in people}) == 2


@pytest.mark.parametrize("email", NO_ADDRESS)
async def test_an_address_of_what_cannot_be_seen_is_refused(
    email: str, ann: Person, anybody: httpx.AsyncClient, hearth: Hearth
) -> None:
    before = await all_rows(hearth)

    body = {"email": email, "password": PASSWORD, "full_name": "Ann Too"}
    responses = [
        await anybody.post("/v1/auth/signup", json=body),
        await _sign_in(anybody, email),
        await ann.client.post("/v1/invitations", json={"email": email}),
    ]

    for response in responses:
        assert response.status_code == 422, response.text
        assert [error["pointer"] for error in response.json()["errors"]] == ["/email"]
    assert await all_rows(hearth) == before


# Sign-in.


async def test_sign_in_is_by_address_in_any_case_and_begins_another_session(
    ann: Person, anybody: httpx.AsyncClient
) -> None:
    response = await _sign_in(anybody, ann.email.upper())

    assert response.status_code == 200
    signed_in = response.json()
    same = ("user_id", "family_id", "role", "token_type", "expires_in")
    assert {name: signed_in[name] for name in same} == {name: ann.signed_in[name] for name in same}
    assert await _me(anybody, signed_in) == await _me(anybody, ann.signed_in) == "200"


async def test_a_wrong_password_and_a_wrong_address_get_the_same_answer(
    ann: Person, anybody: httpx.AsyncClient, hearth: Hearth
) -> None:
    before = await all_rows(hearth)

    responses = [
        await _sign_in(anybody, ann.email, OTHER_PASSWORD),
        await _sign_in(anybody, "nobody@example.com"),
    ]

    documents = [{**response.json(), "request_id": None} for response in responses]
    assert documents[0] == documents[1]
    assert documents[0]["code"] == "invalid-credentials"
    assert await all_rows(hearth) == before


# Refresh.


async def test_refresh_gives_new_tokens_for_the_same_session(
    ann: Person, anybody: httpx.AsyncClient
) -> None:
    response = await _refresh(anybody, ann.signed_in["refresh_token"])

    assert response.status_code == 200
    refreshed = response.json()
    assert refreshed["refresh_token"] != ann.signed_in["refresh_token"]
    assert (refreshed["family_id"], refreshed["role"]) == (str(ann.family_id), "owner")
    assert await _me(anybody, refreshed) == await _me(anybody, ann.signed_in) == "200"
    assert (await _refresh(anybody, refreshed["refresh_token"])).status_code == 200


async def test_a_token_that_comes_back_ends_its_session_and_no_other(
    ann: Person, anybody: httpx.AsyncClient
) -> None:
    other = (await _sign_in(anybody, ann.email)).json()
    second = (await _refresh(anybody, ann.signed_in["refresh_token"])).json()
    third = (await _refresh(anybody, second["refresh_token"])).json()

    reused = await _refresh(anybody, ann.signed_in["refresh_token"])

    assert (reused.status_code, reused.json()["code"]) == (401, "invalid-refresh-token")
    assert (await _refresh(anybody, third["refresh_token"])).status_code == 401
    assert [await _me(anybody, tokens) for tokens in (ann.signed_in, second, third)] == [
        "outdated-token"
    ] * 3
    assert await _me(anybody, other) == "200"
    assert (await _refresh(anybody, other["refresh_token"])).status_code == 200


async def test_of_two_uses_at_once_one_is_reuse(
    ann: Person, anybody: httpx.AsyncClient, as_role: AsRole
) -> None:
    holder = await as_role("app_auth")
    await holder.fetch("select from app.sessions where user_id = $1 for update", ann.user_id)
    uses = [
        asyncio.create_task(_refresh(anybody, ann.signed_in["refresh_token"])) for _ in range(2)
    ]
    await wait_until_requests_block(holder, 2)

    await holder.execute("commit")
    responses = sorted(await asyncio.gather(*uses), key=lambda response: response.status_code)

    assert [response.status_code for response in responses] == [200, 401]
    assert await _me(anybody, responses[0].json()) == "outdated-token"
    assert (await _refresh(anybody, responses[0].json()["refresh_token"])).status_code == 401


async def test_a_refresh_token_works_until_it_expires(
    ann: Person, anybody: httpx.AsyncClient, hearth: Hearth
) -> None:
    await by_hand(
        hearth, "update app.sessions set expires_at = now() where user_id = $1", ann.user_id
    )

    late = await _refresh(anybody, ann.signed_in["refresh_token"])

    assert (late.status_code, late.json()["code"]) == (401, "invalid-refresh-token")


async def test_no_token_is_refreshed_for_an_account_that_was_retired_at_a_prompt(
    ann: Person, anybody: httpx.AsyncClient, hearth: Hearth
) -> None:
    await by_hand(hearth, "update app.users set deleted_at = now() where id = $1", ann.user_id)

    late = await _refresh(anybody, ann.signed_in["refresh_token"])

    assert (late.status_code, late.json()["code"]) == (401, "invalid-refresh-token")


# Sign-out.


async def test_sign_out_ends_this_session_at_once_and_no_other(
    ann: Person, anybody: httpx.AsyncClient
) -> None:
    other = (await _sign_in(anybody, ann.email)).json()

    response = await ann.client.post("/v1/auth/signout")

    assert response.status_code == 204
    assert await _me(anybody, ann.signed_in) == "outdated-token"
    assert (await _refresh(anybody, ann.signed_in["refresh_token"])).status_code == 401
    assert (await ann.client.post("/v1/auth/signout")).status_code == 401
    assert await _me(anybody, other) == "200"


@pytest.mark.parametrize("change", ["another role", "removed"])
async def test_sign_out_ends_the_session_whatever_the_family_has_changed(
    change: str, ann: Person, bob: Person, join: Join, anybody: httpx.AsyncClient
) -> None:
    await join(bob, ann, "admin")
    refresh_token = (await _sign_in(anybody, bob.email)).json()["refresh_token"]
    bob.take((await _refresh(anybody, refresh_token)).json())
    bob.take(
        {
            **(await bob.client.post(f"/v1/families/{ann.family_id}/token")).json(),
            "refresh_token": bob.signed_in["refresh_token"],
        }
    )
    path = f"/v1/members/{bob.user_id}"
    if change == "removed":
        await ann.client.delete(path)
    else:
        await ann.client.patch(path, json={"role": "member"})

    response = await bob.client.post("/v1/auth/signout")

    assert response.status_code == 204
    late = await _refresh(anybody, bob.signed_in["refresh_token"])
    assert (late.status_code, late.json()["code"]) == (401, "invalid-refresh-token")


# Password.


async def test_a_new_password_ends_the_other_sessions_and_counts_from_now_on(
    ann: Person, anybody: httpx.AsyncClient
) -> None:
    other = (await _sign_in(anybody, ann.email)).json()

    response = await _change_password(ann, PASSWORD, OTHER_PASSWORD)

    assert response.status_code == 204
    assert await _me(anybody, ann.signed_in) == "200"
    assert await _me(anybody, other) == "outdated-token"
    assert (await _refresh(anybody, other["refresh_token"])).status_code == 401
    assert (await _sign_in(anybody, ann.email)).status_code == 401
    assert (await _sign_in(anybody, ann.email, OTHER_PASSWORD)).status_code == 200


async def test_a_new_password_needs_the_old_one(ann: Person, hearth: Hearth) -> None:
    before = await all_rows(hearth)

    response = await _change_password(ann, "not the password", OTHER_PASSWORD)

    assert (response.status_code, response.json()["code"]) == (422, "validation-failed")
    assert [error["pointer"] for error in response.json()["errors"]] == ["/old_password"]
    assert await all_rows(hearth) == before


@pytest.mark.parametrize("password", ["password", "12345678", " " * 8, "hearth 1", "Oddname1"])
async def test_what_everybody_guesses_is_no_password(
    password: str, new_person: NewPerson, anybody: httpx.AsyncClient, hearth: Hearth
) -> None:
    ann = await new_person(full_name="Ann Oddname")
    before = await all_rows(hearth)

    body = {"email": "oddname@x.example", "password": password, "full_name": "Bob Oddname"}
    responses = [
        (await anybody.post("/v1/auth/signup", json=body), "/password"),
        (await _change_password(ann, PASSWORD, password), "/new_password"),
    ]

    for response, pointer in responses:
        assert (response.status_code, response.json()["code"]) == (422, "validation-failed")
        assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert await all_rows(hearth) == before


@pytest.mark.parametrize("password", ["of {address} 1", "The {family} 1"])
async def test_a_password_is_not_of_the_address_or_the_family(
    password: str, anybody: httpx.AsyncClient
) -> None:
    body = {
        "email": "roundabout@x.example",
        "password": password.format(address="roundabout", family="Hullabaloos"),
        "full_name": "Bob",
        "family_name": "The Hullabaloos",
    }
    response = await anybody.post("/v1/auth/signup", json=body)

    assert response.status_code == 422
    assert "besides your name" in response.json()["errors"][0]["detail"]


async def test_a_password_may_be_typed_on_another_keyboard(
    new_person: NewPerson, anybody: httpx.AsyncClient
) -> None:
    ann = await new_person(password="caf\u00e9 au lait")

    assert (await _sign_in(anybody, ann.email, "cafe\u0301 au lait")).status_code == 200
    changed = await _change_password(ann, "cafe\u0301 au lait", "cafe\u0301 au rhum")
    assert changed.status_code == 204
    assert (await _sign_in(anybody, ann.email, "caf\u00e9 au rhum")).status_code == 200


async def test_a_new_password_has_at_least_eight_characters(ann: Person) -> None:
    response = await _change_password(ann, PASSWORD, "1234567")

    assert [error["pointer"] for error in response.json()["errors"]] == ["/new_password"]


async def test_a_sign_in_that_overlaps_a_change_gets_nowhere_with_the_old_password(
    ann: Person, anybody: httpx.AsyncClient, as_role: AsRole
) -> None:
    change = await as_role("app_api", **as_role.of(ann))
    assert await change.fetchval(
        "select app.change_password(password_hash, '$argon2id$another') from app.own_credentials()"
    )
    sign_in = asyncio.create_task(_sign_in(anybody, ann.email))
    await wait_until_requests_block(change, 1)

    await change.execute("commit")

    assert (await sign_in).json()["code"] == "invalid-credentials"


async def test_of_two_changes_at_once_one_counts(ann: Person, as_role: AsRole) -> None:
    holder = await as_role("app_auth")
    await holder.fetch("select from app.credentials where user_id = $1 for update", ann.user_id)
    changes = [
        asyncio.create_task(_change_password(ann, PASSWORD, OTHER_PASSWORD)) for _ in range(2)
    ]
    await wait_until_requests_block(holder, 2)

    await holder.execute("commit")

    assert sorted(response.status_code for response in await asyncio.gather(*changes)) == [204, 422]


# Switching between families.


async def test_switching_moves_the_session_to_the_other_family(
    ann: Person, bob: Person, join: Join, anybody: httpx.AsyncClient
) -> None:
    home = bob.family_id

    await join(bob, ann, "admin")  # and switches

    assert (bob.family_id, bob.role) == (ann.family_id, "admin")
    assert bob.signed_in["refresh_token"] is None
    assert (await bob.client.get("/v1/family")).json()["id"] == str(ann.family_id)
    back = await bob.client.post(f"/v1/families/{home}/token")
    assert (back.json()["family_id"], back.json()["role"]) == (str(home), "owner")


async def test_refresh_stays_in_the_family_switched_to(
    ann: Person, anybody: httpx.AsyncClient
) -> None:
    cabin = (await ann.client.post("/v1/families", json={"name": "The cabin"})).json()["id"]
    await ann.client.post(f"/v1/families/{cabin}/token")

    refreshed = await _refresh(anybody, ann.signed_in["refresh_token"])

    assert (refreshed.json()["family_id"], refreshed.json()["role"]) == (cabin, "owner")


# The account.


async def test_a_person_changes_the_given_fields_and_no_others(ann: Person) -> None:
    before = (await ann.client.get("/v1/me")).json()

    after = (await ann.client.patch("/v1/me", json={"time_zone": "Asia/Tokyo"})).json()

    assert after == (await ann.client.get("/v1/me")).json()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"time_zone", "updated_at", "row_version"}
    assert after["time_zone"] == "Asia/Tokyo"


async def test_nobody_gets_into_a_retired_account(
    ann: Person, anybody: httpx.AsyncClient, hearth: Hearth
) -> None:
    other = (await _sign_in(anybody, ann.email)).json()
    await ann.client.post("/v1/tasks", json={"title": "Stay"})
    rows = tables_of(await all_rows(hearth, about=ann.user_id))

    response = await ann.client.delete("/v1/me")

    assert response.status_code == 204
    assert [await _me(anybody, tokens) for tokens in (ann.signed_in, other)] == [
        "outdated-token"
    ] * 2
    assert (await _refresh(anybody, other["refresh_token"])).status_code == 401
    assert (await _sign_in(anybody, ann.email)).json()["code"] == "invalid-credentials"
    after = tables_of(await all_rows(hearth, about=ann.user_id))
    assert all(after[table] >= number for table, number in rows.items())


async def test_the_address_of_a_retired_account_is_free_and_leads_to_the_new_one(
    ann: Person, bob: Person, anybody: httpx.AsyncClient, hearth: Hearth
) -> None:
    await ann.client.delete("/v1/me")
    kept = await all_rows(hearth, about=ann.user_id)
    invite = {"email": ann.email.upper()}
    token = (await bob.client.post("/v1/invitations", json=invite)).json()["token"]

    body = {"email": ann.email.upper(), "password": OTHER_PASSWORD, "full_name": "Ann Again"}
    response = await anybody.post("/v1/auth/signup", json={**body, "invitation": token})

    assert response.status_code == 201
    assert response.json()["family_id"] == str(bob.family_id)
    assert response.json()["user_id"] != str(ann.user_id)
    signed_in = await _sign_in(anybody, ann.email, OTHER_PASSWORD)
    assert signed_in.json()["user_id"] == response.json()["user_id"]
    assert (await _sign_in(anybody, ann.email)).json()["code"] == "invalid-credentials"
    assert (await anybody.post("/v1/auth/signup", json=body)).status_code == 409
    assert await all_rows(hearth, about=ann.user_id) == kept


async def test_an_account_whose_address_was_taken_meanwhile_is_not_restored(
    ann: Person, new_person: NewPerson, as_role: AsRole, hearth: Hearth
) -> None:
    await ann.client.delete("/v1/me")
    again = await new_person(email=ann.email.upper())
    before = await all_rows(hearth)

    with pytest.raises(asyncpg.UniqueViolationError, match="has another account by now") as refused:
        await _restore(as_role, "restore_account", ann)

    assert refused.value.hint == "That one has to retire before this one is restored."
    assert refused.value.constraint_name == "users_email_key"
    assert await all_rows(hearth) == before
    await again.client.delete("/v1/me")
    await _restore(as_role, "restore_account", ann)


async def test_who_is_removed_after_retiring_stays_removed_when_the_account_is_restored(
    ann: Person, bob: Person, join: Join, new_person: NewPerson, as_role: AsRole
) -> None:
    carol = await new_person()
    for person in (bob, carol):
        await join(person, ann, "admin")
    await bob.client.delete("/v1/me")
    path = f"/v1/members/{bob.user_id}"

    removed = await ann.client.delete(path, headers={"If-Match": '"2"'})
    stale = await ann.client.delete(path, headers={"If-Match": '"2"'})
    await _restore(as_role, "restore_account", bob)

    assert (removed.status_code, stale.status_code) == (204, 412)
    members = (await ann.client.get("/v1/members")).json()["items"]
    assert {item["user_id"] for item in members} == {str(ann.user_id), str(carol.user_id)}
    former = (await ann.client.get("/v1/members", params={"is_active": "false"})).json()["items"]
    assert [item["user_id"] for item in former] == [str(bob.user_id)]


async def test_who_retired_as_an_admin_comes_back_in_the_role_that_an_owner_has_given_since(
    ann: Person, bob: Person, join: Join, as_role: AsRole
) -> None:
    await join(bob, ann, "admin")
    await bob.client.delete("/v1/me")
    path = f"/v1/members/{bob.user_id}"

    changed = await ann.client.patch(path, json={"role": "member"})
    await _restore(as_role, "restore_account", bob)

    assert changed.status_code == 200
    assert (await ann.client.get(path)).json()["role"] == "member"


@pytest.mark.parametrize("role", ["admin", "member"])
async def test_who_may_not_remove_an_owner_may_not_either_when_the_account_is_retired(
    role: str, ann: Person, bob: Person, join: Join, new_person: NewPerson, hearth: Hearth
) -> None:
    other = await new_person()
    await join(bob, ann, "owner")
    await join(other, ann, role)
    await bob.client.delete("/v1/me")
    before = await all_rows(hearth)

    path = f"/v1/members/{bob.user_id}"
    responses = [
        await other.client.delete(path),
        await other.client.patch(path, json={"role": "member"}),
    ]

    assert [response.status_code for response in responses] == [403, 403]
    assert await all_rows(hearth) == before


async def test_a_restored_account_is_as_it_was(
    ann: Person, anybody: httpx.AsyncClient, as_role: AsRole
) -> None:
    cabin = (await ann.client.post("/v1/families", json={"name": "The cabin"})).json()["id"]
    gone = (await ann.client.post("/v1/families", json={"name": "Gone"})).json()["id"]
    ann.take((await ann.client.post(f"/v1/families/{gone}/token")).json())
    await ann.client.delete("/v1/family")  # was retired before the account
    ann.take((await _sign_in(anybody, ann.email)).json())
    task = (await ann.client.post("/v1/tasks", json={"title": "Stay"})).json()
    await ann.client.delete("/v1/me")

    await _restore(as_role, "restore_account", ann)

    assert await _me(anybody, ann.signed_in) == "outdated-token"
    ann.take((await _sign_in(anybody, ann.email)).json())
    assert (await ann.client.get("/v1/tasks")).json()["items"] == [task]
    families = (await ann.client.get("/v1/families")).json()["items"]
    assert [(f["family"]["id"], f["role"]) for f in families] == [
        (str(ann.family_id), "owner"),
        (cabin, "owner"),
    ]


async def test_a_member_who_retires_leaves_the_family_as_it_was(
    ann: Person, bob: Person, join: Join, as_role: AsRole, anybody: httpx.AsyncClient
) -> None:
    home = bob.family_id
    await join(bob, ann, "member")

    async def members() -> list[str]:
        items = (await ann.client.get("/v1/members")).json()["items"]
        return [item["user_id"] for item in items]

    await bob.client.delete("/v1/me")
    without = await members()
    await _restore(as_role, "restore_account", bob)

    assert without == [str(ann.user_id)]
    assert await members() == [str(ann.user_id), str(bob.user_id)]
    assert (await _sign_in(anybody, bob.email)).json()["family_id"] == str(home)


async def test_the_last_owner_cannot_retire_while_there_are_others(
    ann: Person, bob: Person, join: Join, hearth: Hearth
) -> None:
    await join(bob, ann, "admin")
    before = await all_rows(hearth)

    refused = await ann.client.delete("/v1/me")

    assert (refused.status_code, refused.json()["code"]) == (409, "last-owner")
    assert await all_rows(hearth) == before
    await ann.client.patch(f"/v1/members/{bob.user_id}", json={"role": "owner"})
    assert (await ann.client.delete("/v1/me")).status_code == 204


async def test_what_happens_to_an_account_is_kept(
    ann: Person, anybody: httpx.AsyncClient, as_role: AsRole
) -> None:
    signed_in = (await _sign_in(anybody, ann.email)).json()
    await _refresh(anybody, signed_in["refresh_token"])
    await _refresh(anybody, signed_in["refresh_token"])
    await _sign_in(anybody, ann.email)
    await _change_password(ann, PASSWORD, OTHER_PASSWORD)
    await ann.client.post("/v1/auth/signout")
    ann.take((await _sign_in(anybody, ann.email, OTHER_PASSWORD)).json())
    last = await ann.client.delete("/v1/me")
    await _restore(as_role, "restore_account", ann)

    events = await (await as_role("app_ops")).fetch(
        "select event_type, metadata ->> 'request_id' as request_id from app.account_events"
        " where user_id = $1 order by occurred_at",
        ann.user_id,
    )

    assert [event["event_type"] for event in events] == [
        "signed_up",
        "signed_in",
        "token_reused",
        "signed_in",
        "password_changed",
        "session_revoked",
        "signed_out",
        "signed_in",
        "account_retired",
        "session_revoked",
        "account_restored",
    ]
    assert events[8]["request_id"] == last.headers["X-Request-Id"]


async def test_a_session_that_has_expired_serves_nothing_any_more(
    hearth: Hearth, ann: Person
) -> None:
    connection = await asyncpg.connect(hearth.superuser_url)
    await connection.execute(
        "update app.sessions set expires_at = now() where user_id = $1", ann.user_id
    )
    await connection.close()

    me = await ann.client.get("/v1/me")
    switched = await ann.client.post(f"/v1/families/{ann.family_id}/token")

    assert [response.json()["code"] for response in (me, switched)] == ["outdated-token"] * 2
