-- Record what a migration left of one object.

insert into yoyo.structure (object, parent, definition, migration, made_on)
values ($1, $2, $3, $4, $5)
on conflict (migration, object) do update
set
    parent = excluded.parent,
    definition = excluded.definition,
    made_on = excluded.made_on
