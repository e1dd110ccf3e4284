"""The plans of the service's queries, to see whether they are the same however much there is."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import psycopg

from app.db.session import pins
from app.db.transaction import Beginning
from bench.pgbench import call, literal, row_of
from bench.population import OF_FAMILY, Person, Population

Plan = Mapping[str, Any]

FIRST_FAMILY, ANOTHER = "the first family", "another family"


def plans(
    url: str, population: Population, workloads: Sequence[str], seed: int
) -> Sequence[Mapping[str, str | int]]:
    """Explain the query of each workload, for a member of the first family and of another.

    Each is run, as `app_api` in a context, and undone.

    Args:
        url: Of the database, as the service's login.
        population: Who is in it.
        workloads: Those that have one query.
        seed: Says which task it is about.

    Returns:
        For each: `tasks`, `workload`, `family`, `pages` touched by the query, of 8 kB, and its
        `shape`: a node and its index a line, indented below what it feeds.
    """
    found: list[Mapping[str, str | int]] = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(pins())
        for workload in workloads:
            for number, family in ((3, FIRST_FAMILY), (OF_FAMILY + 3, ANOTHER)):
                person = Person(number)
                task = population.own_task(person, Random(seed))
                plan = _explained(connection, workload, person, task)
                found.append(
                    {
                        "tasks": population.tasks,
                        "workload": workload,
                        "family": family,
                        "pages": plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
                        "shape": "\n".join(shape(plan)),
                    }
                )
    return found


def _explained(
    connection: psycopg.Connection[Any], workload: str, person: Person, task: str
) -> Plan:
    context = person.context
    about = {"token": "", "number": "1", "task_id": task}
    query, arguments = call(workload, context, about)
    beginning = Beginning(context, read_only=row_of(workload).method == "GET")
    signs = ", ".join(["%s"] * len(beginning.values))
    given = ", ".join(literal(each) for each in arguments)
    with connection.transaction(force_rollback=True):
        connection.execute(f"select app.begin_request({signs})", beginning.values)
        # As asyncpg does; the role has it planned without the values.
        connection.execute(f"prepare explained as {query.text}".encode())
        try:
            row = connection.execute(
                "explain (analyze, buffers, costs off, timing off, summary off, format json)"
                f" execute explained {f'({given})' if given else ''}".encode()
            ).fetchall()[0]
        finally:
            connection.execute("deallocate explained")
    plan: Plan = row[0][0]["Plan"]
    return plan


def shape(plan: Plan) -> list[str]:
    """Return the nodes of a plan, with their indexes, as indented lines in order."""
    title = str(plan.get("Operation", plan["Node Type"]))
    if plan.get("Scan Direction") == "Backward":
        title += " backward"
    for key in ("Index Name", "Relation Name", "Function Name"):
        if key in plan:
            title += f" {plan[key]}"
            break
    if "Subplan Name" in plan:
        title = f"{plan['Subplan Name']}: {title}"
    return [title, *("  " + line for child in plan.get("Plans", []) for line in shape(child))]
