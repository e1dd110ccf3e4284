"""What tests/examples says is of something that there is, and does not contradict itself."""

from collections import Counter

import asyncpg

from tests.examples import EXAMPLES
from tests.sql.plans import calls
from tests.support.example import Leave


async def test_every_table_has_an_example_and_every_example_its_table(
    root: asyncpg.Connection,
) -> None:
    tables = await root.fetch(
        "select relname from pg_class where relnamespace = 'app'::regnamespace"
        " and relkind in ('r', 'p') and not relispartition"
    )

    assert Counter(example.table for example in EXAMPLES) == Counter(name for (name,) in tables)


def test_what_a_call_may_take_is_said_of_a_call() -> None:
    told = {call for example in EXAMPLES for call in example.leaves}

    assert told - {str(call).rpartition(": ")[2] for call in calls()} == set()


def test_what_two_tables_add_to_a_call_is_added_up() -> None:
    both = Leave(rows=2500, why="Messages go with it.") + Leave(
        budget=100, rows=1100, why="And notes."
    )

    assert both == Leave(budget=100, rows=3500, why="Messages go with it. And notes.")


def test_what_is_asked_of_a_query_is_said_once_and_of_a_query() -> None:
    told = Counter(query for example in EXAMPLES for query in example.variants)

    assert {query for query, times in told.items() if times > 1} == set()
    assert told.keys() - {call.name.rpartition(": ")[2] for call in calls()} == set()


def test_a_fact_has_one_value() -> None:
    facts = {fact for example in EXAMPLES for fact in example.facts.items()}

    assert Counter(name for name, _ in facts).most_common(1)[0][1] == 1


async def test_an_index_that_no_call_misses_is_there(root: asyncpg.Connection) -> None:
    indexes = await root.fetch("""
        select t.relname, i.relname
        from pg_index as x
        join pg_class as i on i.oid = x.indexrelid
        join pg_class as t on t.oid = x.indrelid
        where i.relnamespace = 'app'::regnamespace
    """)

    told = {(example.table, index) for example in EXAMPLES for index in example.unread}
    assert told - {(table, index) for table, index in indexes} == set()
