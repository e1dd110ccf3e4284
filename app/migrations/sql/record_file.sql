-- Record how far a file has come; a repeatable file with what the catalog says of its objects.

insert into yoyo.files (kind, name, state, sha256, requires, made_on, definition)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (kind, name) do update
set
    state = excluded.state,
    sha256 = excluded.sha256,
    requires = excluded.requires,
    made_on = excluded.made_on,
    definition = excluded.definition
