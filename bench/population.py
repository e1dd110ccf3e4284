"""Who is in the data that `load.sql` makes, and what is whose: arithmetic, as it is there."""

from dataclasses import dataclass
from random import Random
from uuid import UUID

from app.db.context import Context, MemberRole

USER, FAMILY, SESSION, TASK, HABIT = range(1, 6)

OF_FAMILY = 10

# As many different people as send requests, at most.
SENDERS = 1000

# Added to the number of an id, so that it has twelve digits.
FIRST = 100_000_000_000

PASSWORD = "correct horse battery staple"


def id_of(kind: int, number: int | str) -> str:
    """Return the id of the thing of a kind with a number; `number` may be a part of a script."""
    digits = FIRST + number if isinstance(number, int) else number
    return f"{kind:08}-0000-7000-8000-{digits}"


@dataclass(frozen=True)
class Person:
    """Somebody, by their number from 1 on; ten in a row are a family."""

    number: int

    @property
    def family(self) -> int:
        return (self.number - 1) // OF_FAMILY + 1

    @property
    def context(self) -> Context:
        role = {1: MemberRole.OWNER, 2: MemberRole.ADMIN}.get(self.number % 10, MemberRole.MEMBER)
        return Context(
            user_id=UUID(id_of(USER, self.number)),
            session_id=UUID(id_of(SESSION, self.number)),
            family_id=UUID(id_of(FAMILY, self.family)),
            role=role,
        )

    @property
    def email(self) -> str:
        return f"person{self.number}@bench.example"

    @property
    def pages_habit(self) -> str:
        """The id of the habit that has a value."""
        return id_of(HABIT, self.number * 2 - 1)


@dataclass(frozen=True)
class Population:
    """The sizes of a data set.

    Args:
        families: How many, of ten people each.
        tasks: How many, of which a tenth are the first family's.
    """

    families: int
    tasks: int

    @property
    def people(self) -> int:
        return self.families * OF_FAMILY

    def as_json(self) -> dict[str, int]:
        """Return it for the results, with who sends requests."""
        return {
            "tasks": self.tasks,
            "families": self.families,
            "first_has": self.tasks // 10,
            "senders": min(SENDERS, self.people),
            "of_first": OF_FAMILY,
        }

    def some_people(self, number: int, chance: Random) -> list[Person]:
        """Return so many different people, or all there are; the first family is among them.

        Args:
            number: At least ten.
            chance: Says who.
        """
        first, others = range(1, OF_FAMILY + 1), range(OF_FAMILY + 1, self.people + 1)
        some = [*first, *chance.sample(others, min(number, self.people) - OF_FAMILY)]
        return [Person(each) for each in chance.sample(some, len(some))]

    def own_task(self, person: Person, chance: Random) -> str:
        """Return the id of a task of a person's own, which the family sees.

        It is their own, for a plain member may not open again what others have completed.
        """
        first_has = self.tasks // 10
        others_have = (self.tasks - first_has) // (self.families - 1)
        is_first = person.family == 1
        start = 0 if is_first else first_has + (person.family - 2) * others_have
        many = first_has if is_first else others_have
        k = 20 * chance.randrange(1, many // 20) + (person.number - 1) % 10
        return id_of(TASK, start + k)
