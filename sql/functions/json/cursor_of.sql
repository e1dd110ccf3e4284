-- cursor_of: where a page ends, as text for the client to hand back: microseconds since 1970 and
-- id.
--
-- Together they are the sort key of every list. The client should treat it as opaque; it holds
-- nothing that the last row of the page did not. No `set search_path`, so that it inlines.
--
-- requires: 0002_schema

create or replace function app.cursor_of(at timestamptz, id uuid)
    returns text
    language sql
    stable
as $$ select (extract(epoch from at) * 1000000)::bigint || '_' || id $$;

comment on function app.cursor_of(timestamptz, uuid) is 'The cursor that stands after this row.';

revoke all on function app.cursor_of(timestamptz, uuid) from public;
grant execute on function app.cursor_of(timestamptz, uuid) to app_api;
