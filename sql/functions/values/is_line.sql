-- is_line: for the checks on names and titles: a text in which something can be seen, without
-- blanks at its ends. Which characters are blanks stands in app.visible too, and a test holds the
-- two together. A blank at an end is refused and not cut off: what is stored is what was sent.
--
-- In plpgsql, which keeps its plan. The checks of a table are planned for every statement, and the
-- text of a function that inlines is parsed there each time: a tenth of what a new task costs.
--
-- requires: 0002_schema visible

create or replace function app.is_line(value text)
    returns boolean
    language plpgsql
    immutable
    parallel safe
    set search_path = pg_catalog, pg_temp
as $$
begin
    return value collate "C" !~ (
            '^[\u0009-\u000D\u001C-\u0020\u0085\u00A0\u1680\u2000-\u200A'
            '\u2028\u2029\u202F\u205F\u3000]'
            '|[\u0009-\u000D\u001C-\u0020\u0085\u00A0\u1680\u2000-\u200A'
            '\u2028\u2029\u202F\u205F\u3000]$'
        )
        and app.visible(value) <> '';
end
$$;

comment on function app.is_line(text) is
    'Whether something can be seen of a text, and no blank is at its ends.';

revoke all on function app.is_line(text) from public;
grant execute on function app.is_line(text) to app_api, app_auth, app_ops;
