"""A household's life, over HTTP only; the numbers it reads back are computed here as well.

The month is that of March 2026, in which the clocks of Vienna go forward on the 29th.
"""

from collections import Counter
from datetime import date, timedelta
from typing import Any

from tests.support.fixtures import NewPerson, Person

MARCH = [date(2026, 3, 1) + timedelta(days=n) for n in range(31)]
WORKDAYS = [1, 2, 3, 4, 5]


async def ask(person: Person, method: str, path: str, expected: int = 200, **body: Any) -> Any:
    """Send a request; return the answer's JSON, if it has any."""
    response = await person.client.request(method, f"/v1/{path}", json=body or None)
    is_put = method == "PUT" and response.status_code == 201  # made there, and not replaced
    assert response.status_code == expected or is_put, f"{method} {path}: {response.text}"
    return response.json() if response.content else None


def longest_run(turns: list[bool]) -> int:
    """Return how many are true in a row, at most."""
    longest = running = 0
    for is_done in turns:
        running = running + 1 if is_done else 0
        longest = max(longest, running)
    return longest


async def test_a_household_lives_through_a_month(new_person: NewPerson) -> None:
    points: Counter[str] = Counter()  # by who won them

    # Ann signs up, and asks Bob in.
    ann = await new_person(full_name="Ann", time_zone="Europe/Vienna")
    family = await ask(ann, "PATCH", "family", name="The Examples", time_zone="Europe/Vienna")
    invited = await ask(ann, "POST", "invitations", 201, email="bob@example.org", role="member")
    bob = await new_person(full_name="Bob", email="bob@example.org", invitation=invited["token"])
    members = (await ask(bob, "GET", "members"))["items"]
    assert (bob.family_id, bob.role) == (ann.family_id, "member")
    assert [(member["display_name"], member["role"]) for member in members] == [
        ("Ann", "owner"),
        ("Bob", "member"),
    ]

    # Habits: one on workdays, which is not done on every seventh of the month; one by the week.
    read = await ask(
        ann,
        *("POST", "habits", 201),
        name="Read",
        type="numeric",
        target_value=20,
        unit="pages",
        points=3,
        weekdays=WORKDAYS,
        visibility="family",
    )
    swim = await ask(
        ann,
        *("POST", "habits", 201),
        name="Swim",
        type="boolean",
        times_per_week=2,
        points=10,
    )
    pages = {day: 15 if day.day % 7 == 0 else 20 + day.day for day in MARCH}
    for day, value in pages.items():
        log = await ask(ann, "PUT", f"habits/{read['id']}/logs/{day}", value=value)
        assert log["is_done"] == (value >= 20)
        points[str(ann.user_id)] += 3 * log["is_done"]
    swum = [day for day in MARCH if day.isoweekday() in (2, 6)]
    for day in swum:
        for _ in range(2):  # sent twice, done once
            await ask(ann, "PUT", f"habits/{swim['id']}/logs/{day}", is_done=True)
        points[str(ann.user_id)] += 10

    stats = await ask(bob, "GET", f"habits/{read['id']}/stats?from=2026-03-01&to=2026-03-31")
    due = [day for day in MARCH if day.isoweekday() in WORKDAYS]
    done = [day for day in due if pages[day] >= 20]
    assert stats["longest_streak"] == longest_run([day in done for day in due])
    assert (stats["due"], stats["done"]) == (len(due), len(done))
    assert stats["completion_rate"] == round(len(done) / len(due), 4)
    assert stats["sum"] == sum(pages.values())
    assert stats["mean"] == round(sum(pages.values()) / len(pages), 3)
    stats = await ask(ann, "GET", f"habits/{swim['id']}/stats?from=2026-03-02&to=2026-03-29")
    assert stats["due"] == stats["done"] == 2 * 4  # of four weeks, all of them done
    assert stats["completion_rate"] == 1
    times = Counter(day.isocalendar().week for day in swum)
    assert stats["longest_streak"] == longest_run([times[week] >= 2 for week in range(10, 15)])

    # A routine, changed twice; the first version comes back as the fourth.
    steps = [[{"title": "Wash up", "minutes": 15}]]
    steps.append([{"title": "Clear the table", "minutes": 5}, *steps[0]])
    steps.append([*steps[1], {"title": "Read to each other", "minutes": 10}])
    steps[2][-1] = {**steps[2][-1], "habit_id": read["id"]}
    routine = await ask(
        ann,
        *("POST", "routines", 201),
        name="Evening",
        visibility="family",
        points=4,
        steps=steps[0],
    )
    path = f"routines/{routine['id']}"
    for saved in steps[1:]:
        await ask(ann, "PUT", f"{path}/steps", steps=saved)
    await ask(ann, "POST", f"{path}/versions/1/restore")
    versions = (await ask(bob, "GET", f"{path}/versions"))["items"]
    assert [version["version"] for version in versions] == [4, 3, 2, 1]
    for version, expected in enumerate([*steps, steps[0]], start=1):
        shown = await ask(bob, "GET", f"{path}/versions/{version}")
        assert [step["title"] for step in shown["steps"]] == [step["title"] for step in expected]
    for day in MARCH[::3]:
        await ask(bob, "PUT", f"{path}/completions/{day}")
        points[str(bob.user_id)] += 4
    await ask(bob, "DELETE", f"{path}/completions/{MARCH[0]}", 204)  # that was somebody else
    points[str(bob.user_id)] -= 4

    # Exercise, and what comes of it.
    bench = await ask(bob, "POST", "exercises", 201, name="Bench press", points=5)
    weights = {day: 60 + 2.5 * week for week, day in enumerate(MARCH[1::7])}
    for day, weight in weights.items():
        body = {"performed_on": str(day), "sets": 3, "reps": 8, "weight_kg": weight}
        await ask(bob, "POST", f"exercises/{bench['id']}/logs", 201, **body)
        points[str(bob.user_id)] += 5
    records = await ask(bob, "GET", f"exercises/{bench['id']}/records")
    best = max(weights, key=lambda day: weights[day])
    assert records["weight_kg"]["value"] == weights[best]
    assert records["weight_kg"]["performed_on"] == str(best)
    volume = await ask(bob, "GET", f"exercises/{bench['id']}/volume?from=2026-03-02&to=2026-03-31")
    by_week = {
        f"{day.isocalendar().year}-W{day.isocalendar().week:02}": 3 * 8 * weight
        for day, weight in weights.items()
    }
    assert {week["week"]: week["volume_kg"] for week in volume["items"]} == by_week
    assert (await ask(ann, "GET", f"exercises/{bench['id']}/logs"))["items"] == []  # Bob's alone

    # A task that both could do: it is done once, and undone.
    chore = {"title": "Take out the rubbish", "visibility": "family", "points": 7}
    task = await ask(ann, "POST", "tasks", 201, **chore)
    await ask(bob, "PATCH", f"tasks/{task['id']}", is_completed=True)
    await ask(ann, "PATCH", f"tasks/{task['id']}", is_completed=True)
    points[str(bob.user_id)] += 7
    other = await ask(ann, "POST", "tasks", 201, **chore)
    for is_completed in (True, False, True, False):
        await ask(bob, "PATCH", f"tasks/{other['id']}", is_completed=is_completed)

    # The leaderboard, all in all and in the last week of the month.
    board = await ask(bob, "GET", "leaderboard?period=all")
    assert [(place["user_id"], place["points"]) for place in board["items"]] == (
        points.most_common()
    )
    for user_id, won in points.items():
        assert (await ask(ann, "GET", f"scores?limit=1&member_id={user_id}"))["total"] == won
    board = await ask(bob, "GET", "leaderboard?period=week&day=2026-03-29")
    week = [day for day in MARCH if date(2026, 3, 23) <= day <= date(2026, 3, 29)]
    assert {place["user_id"]: place["points"] for place in board["items"]} == {
        str(ann.user_id): sum(3 * (pages[day] >= 20) + 10 * (day in swum) for day in week),
        str(bob.user_id): sum(4 * (day in MARCH[3::3]) + 5 * (day in weights) for day in week),
    }
    assert board["time_zone"] == family["time_zone"]

    # Retired, it is gone from the lists and from today; restored, it is as it was.
    before = await ask(ann, "GET", f"habits/{read['id']}/stats?from=2026-03-01&to=2026-03-31")
    await ask(ann, "DELETE", f"habits/{read['id']}", 204)
    assert [habit["id"] for habit in (await ask(ann, "GET", "habits"))["items"]] == [swim["id"]]
    today = await ask(ann, "GET", "today")
    assert read["id"] not in {item["habit"]["id"] for item in today["habits"]}
    await ask(ann, "GET", f"habits/{read['id']}/stats", 404)
    await ask(ann, "POST", f"habits/{read['id']}/restore")
    after = await ask(ann, "GET", f"habits/{read['id']}/stats?from=2026-03-01&to=2026-03-31")
    assert after == before
    for kind, thing, who in (("routines", routine, ann), ("exercises", bench, bob)):
        await ask(who, "DELETE", f"{kind}/{thing['id']}", 204)
        retired = await ask(who, "GET", f"{kind}?is_active=false")
        assert [item["id"] for item in retired["items"]] == [thing["id"]]
        await ask(who, "POST", f"{kind}/{thing['id']}/restore")
    assert len((await ask(bob, "GET", f"exercises/{bench['id']}/logs"))["items"]) == len(weights)

    # The last owner stays; Bob leaves, and with that he is out.
    await ask(ann, "DELETE", f"members/{ann.user_id}", 409)
    await ask(bob, "DELETE", f"members/{bob.user_id}", 204)
    await ask(bob, "GET", "members", 401)
    board = await ask(ann, "GET", "leaderboard?period=all")
    assert [(place["user_id"], place["points"]) for place in board["items"]] == [
        (str(ann.user_id), points[str(ann.user_id)])
    ]
    await ask(ann, "POST", f"members/{bob.user_id}/restore")
    board = await ask(ann, "GET", "leaderboard?period=all")
    assert {place["user_id"]: place["points"] for place in board["items"]} == points
