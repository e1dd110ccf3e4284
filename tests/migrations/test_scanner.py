"""The scanner finds statements as psql does, and its work grows with the text and no faster."""

import sys

import pytest

from app.migrations import scanner
from app.migrations.scanner import UnfinishedError, statements


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" ;; -- nothing\n /* nor /* here */ */ ;", []),
        ("Select 1; COMMIT and chain", ["select", "commit and chain"]),
        ("select ';' || \"a;b\" || e'\\';' ; end", ["select", "end"]),
        ("do $a$ ; $$ ; $b$ $a$; do $$;$$", ["do", "do"]),
        ("select a$b$; select $1; select 1;", ["select a$b$", "select", "select"]),
        ("create rule r as on insert to t do (delete from u; select 1)", ["create rule r as on"]),
        (
            "create or replace function f() begin atomic select case 1 when 1 then 2 end; end;"
            " select 1",
            ["create or replace function f", "select"],
        ),
        ("select case when a then b end; begin", ["select case when a then", "begin"]),
    ],
)
def test_statements_are_told_by_their_first_words(text: str, words: list[str]) -> None:
    assert [" ".join(found.words) for found in statements(text)] == words


@pytest.mark.parametrize("text", ["select '", 'select "', "/* /* */", "do $a$ $b$", "select e'\\'"])
def test_what_is_not_closed_is_told(text: str) -> None:
    with pytest.raises(UnfinishedError, match="is not closed"):
        list(statements(text))


@pytest.mark.parametrize(
    "piece",
    [
        *("(1, 'a'), ", "/*", "/* */", "(", ")", ";", "''", "e'\\'", "$a", "$a$", '"', "--", "\n"),
        *("create ", "create function begin case ", "a.b$", "1e", "\\'", "-", "/"),
    ],
)
def test_twice_the_text_is_at_most_twice_the_work(piece: str) -> None:
    def work(times: int) -> int:
        """Count the lines that run; what a pattern does in itself, the test below bounds."""
        lines = 0

        def trace(frame: object, event: str, _: object) -> object:
            nonlocal lines
            lines += event == "line"
            return trace

        sys.settrace(trace)  # type: ignore[arg-type]
        try:
            list(statements(piece * times))
        except UnfinishedError:
            pass
        finally:
            sys.settrace(None)
        return lines

    assert work(400) <= 2.2 * work(200) + 100


def test_no_quantifier_of_the_scanner_gives_back_what_it_took() -> None:
    pattern = scanner._TOKEN.pattern

    assert pattern.count("*") == pattern.count("*+") + pattern.count("\\*")
