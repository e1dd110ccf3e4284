"""Conversations, each its owner's alone, and their messages, which never change."""

from typing import Any

from tests.support.fixtures import Hearth, Join, Person
from tests.support.rows import all_rows, by_hand, tables_of


async def _begin(person: Person, title: str = "Dinner") -> dict[str, Any]:
    response = await person.client.post("/v1/conversations", json={"title": title})
    assert response.status_code == 201, response.text
    return dict(response.json())


async def _say(person: Person, conversation: dict[str, Any], content: str) -> dict[str, Any]:
    response = await person.client.post(
        f"/v1/conversations/{conversation['id']}/messages",
        json={"role": "user", "content": content},
    )
    assert response.status_code == 201, response.text
    return dict(response.json())


async def _messages(person: Person, conversation: dict[str, Any]) -> list[dict[str, Any]]:
    response = await person.client.get(
        f"/v1/conversations/{conversation['id']}/messages", params={"limit": 100}
    )
    return list(response.json()["items"])


async def test_conversations_are_listed_from_the_newest_to_the_oldest(ann: Person) -> None:
    begun = [await _begin(ann, title) for title in ("one", "two", "three")]

    listed = (await ann.client.get("/v1/conversations")).json()

    assert listed == {"items": begun[::-1], "next": None}


async def test_a_conversation_gets_another_title(ann: Person) -> None:
    before = await _begin(ann)

    after = await ann.client.patch(f"/v1/conversations/{before['id']}", json={"title": "Supper"})

    changed = {name for name in before if before[name] != after.json()[name]}
    assert changed == {"title", "updated_at", "row_version"}
    assert (await ann.client.get(f"/v1/conversations/{before['id']}")).json() == after.json()


async def test_messages_are_listed_from_the_oldest_to_the_newest(ann: Person) -> None:
    conversation = await _begin(ann)

    said = [await _say(ann, conversation, content) for content in ("one", "two", "three")]

    assert await _messages(ann, conversation) == said


async def test_a_conversation_without_messages_lists_none(ann: Person) -> None:
    conversation = await _begin(ann)

    response = await ann.client.get(f"/v1/conversations/{conversation['id']}/messages")

    assert response.json() == {"items": [], "next": None}


async def test_not_even_the_owner_of_the_family_reads_along(
    ann: Person, bob: Person, join: Join, hearth: Hearth
) -> None:
    await join(bob, ann, "member")
    conversation = await _begin(bob)
    await _say(bob, conversation, "a secret")
    path = f"/v1/conversations/{conversation['id']}"
    before = await all_rows(hearth)

    responses = [
        await ann.client.get(path),
        await ann.client.patch(path, json={"title": "Mine"}),
        await ann.client.delete(path),
        await ann.client.get(f"{path}/messages"),
        await ann.client.post(f"{path}/messages", json={"role": "user", "content": "hello"}),
    ]

    assert [response.status_code for response in responses] == [404] * 5
    assert (await ann.client.get("/v1/conversations")).json()["items"] == []
    assert await all_rows(hearth) == before


async def test_no_endpoint_changes_a_message(ann: Person) -> None:
    conversation = await _begin(ann)
    message = await _say(ann, conversation, "for good")
    messages = f"/v1/conversations/{conversation['id']}/messages"

    responses = {
        (method, path): (await ann.client.request(method, path, json={"content": "x"})).status_code
        for method in ("PUT", "PATCH", "DELETE")
        for path in (messages, f"{messages}/{message['id']}")
    }

    assert responses == {
        (method, path): 405 if path == messages else 404 for method, path in responses
    }
    assert await _messages(ann, conversation) == [message]


async def test_a_conversation_takes_its_messages_along_and_nothing_else(
    ann: Person, hearth: Hearth
) -> None:
    kept = await _begin(ann, "Kept")
    await _say(ann, kept, "stay")
    conversation = await _begin(ann)
    for number in range(100):
        await _say(ann, conversation, f"message {number}")
    before = await all_rows(hearth)

    response = await ann.client.delete(f"/v1/conversations/{conversation['id']}")

    after = await all_rows(hearth)
    assert response.status_code == 204
    assert tables_of(before - after) == {"conversations": 1, "messages": 100}
    assert tables_of(after - before) == {"audit_log": 101}
    gone = {text for table, text in before - after}
    assert all(conversation["id"] in text for text in gone)
    records = await by_hand(
        hearth,
        "select table_name, count(*) from app.audit_log where family_id = $1 and actor_id = $2"
        " and action_type = 'delete' and metadata ->> 'request_id' = $3"
        " group by table_name order by table_name",
        ann.family_id,
        ann.user_id,
        response.headers["X-Request-Id"],
    )
    assert [tuple(record) for record in records] == [("conversations", 1), ("messages", 100)]
