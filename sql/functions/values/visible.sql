-- visible: what can be seen of a text. Characters that draw nothing go (controls, formats, what
-- Unicode calls default-ignorable, the empty Braille pattern); blanks of any kind, and as many as
-- there are, become one space between words. It is for comparing and asking, never for storing: a
-- joiner that draws nothing can still shape the letters beside it.
--
-- The characters are listed: \s and [:cntrl:] depend on the collation, and know no U+200B.
--
-- No `set search_path`, so that the planner inlines it into the checks of every row.
--
-- requires: 0002_schema

create or replace function app.visible(value text)
    returns text
    language sql
    immutable
    strict
    parallel safe
as $$
    select btrim(
        regexp_replace(
            regexp_replace(
                value collate "C",
                '[\u0001-\u0008\u000E-\u001B\u007F-\u0084\u0086-\u009F\u00AD\u034F\u061C'
                '\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E\u2060-\u206F'
                '\u2800\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U00013430-\U0001343F'
                '\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]+',
                '', 'g'
            ),
            '[\u0009-\u000D\u001C-\u0020\u0085\u00A0\u1680\u2000-\u200A'
            '\u2028\u2029\u202F\u205F\u3000]+',
            ' ', 'g'
        )
    )
$$;

comment on function app.visible(text) is
    'A text without what draws nothing, and with one space for blanks of any kind.';

revoke all on function app.visible(text) from public;
grant execute on function app.visible(text) to app_api, app_auth, app_ops;
