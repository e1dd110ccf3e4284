"""A fixed piece of work, whose processor time tells how fast a machine is."""

import hashlib
import hmac
import json
import time

import psycopg

from bench.cpu import cpu_seconds

# How often each piece is done; the fastest counts, for nobody can be faster than the machine.
TIMES = 2

_QUERY = """
    select count(*)
    from (
        select md5(n::text), row_to_json(row(n, n::text, now()))::text
        from generate_series(1, 3000000) as n
        order by 1
    ) as sorted
"""


def python_seconds() -> float:
    """Return the processor seconds of a piece of Python: JSON, hashes, dictionaries, calls."""
    return min(_python() for _ in range(TIMES))


def database_seconds(url: str) -> float:
    """Return the processor seconds of a piece of PostgreSQL: texts, JSON, a sort.

    Args:
        url: Of a database, as the superuser.
    """
    found = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set work_mem = '256MB'; set max_parallel_workers_per_gather = 0")
        process = connection.info.backend_pid
        for _ in range(TIMES):
            before = cpu_seconds(process)
            connection.execute(_QUERY)
            found.append(cpu_seconds(process) - before)
    return min(found)


def _python() -> float:
    began = time.process_time()
    counts: dict[str, int] = {}
    for number in range(300_000):
        text = json.dumps({"number": number, "text": "a piece of work", "rest": [1, 2, None]})
        key = hmac.new(b"key", text.encode(), hashlib.sha256).hexdigest()[:2]
        counts[key] = counts.get(key, 0) + len(json.loads(text)["rest"])
    return time.process_time() - began
