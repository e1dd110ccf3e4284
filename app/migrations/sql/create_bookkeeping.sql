-- The tables of the migrator beside yoyo's own four: what ran, when, and what it left behind.
--
-- Every login may read them, so that `hearth status` and /health need no privilege; only the
-- deployer, who owns them, writes. `if not exists`, because stock yoyo may have made the schema and
-- an older Hearth some of the tables.

create schema if not exists yoyo;
grant usage on schema yoyo to public;
comment on schema yoyo is 'Bookkeeping of migrations: written by the deployer, read by all.';

create table if not exists yoyo.files (
    kind text,
    name text,
    state text not null,
    sha256 text not null,
    requires text,
    made_on text,
    definition text,

    primary key (kind, name)
);
comment on table yoyo.files is
    'The SQL files that ran, and what the catalog said of their objects afterwards.';
comment on column yoyo.files.kind is 'migration, function or policy.';
comment on column yoyo.files.state is 'applying, applied, rolling back or rolled back.';
comment on column yoyo.files.requires is 'The latest migration that a repeatable file needs.';
comment on column yoyo.files.made_on is
    'The server and the feature flag that a repeatable file ran with.';
comment on column yoyo.files.definition is
    'What the catalog said of the objects of a repeatable file once it had run.';

create table if not exists yoyo.history (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    who text not null default session_user,
    host text not null,
    kind text not null,
    name text not null,
    action text not null,
    reason text not null,
    sha256 text,
    milliseconds integer not null,
    overwritten text
);
comment on table yoyo.history is 'Who ran which file, when and why.';
comment on column yoyo.history.overwritten is
    'The definition that somebody had changed by hand, and that the file replaced.';

create table if not exists yoyo.structure (
    migration text,
    object text,
    parent text,
    definition text,
    made_on text not null,

    primary key (migration, object)
);
comment on table yoyo.structure is 'What each migration left of the objects that it changed.';
comment on column yoyo.structure.parent is 'The object that this one is a part of.';
comment on column yoyo.structure.definition is
    'What the catalog said of the object; null: the migration dropped it.';
comment on column yoyo.structure.made_on is
    'The server that said so; another major version may use other words.';
