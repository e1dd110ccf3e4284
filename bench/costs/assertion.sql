-- A membership that nobody asserts; run by psql as a superuser. Its own file puts it back.

\set ON_ERROR_STOP on

create or replace function app.assert_membership()
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
end
$$;
