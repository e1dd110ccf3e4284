-- Families and who belongs to them. A family is the tenant.
--
-- From here on every table of a family leads with family_id: in its primary key, in every foreign
-- key, in every index. PostgreSQL checks keys without regard to row level security; a key that
-- carries the tenant cannot point into, probe for, or cascade into another family's rows.
--
-- depends: 0003_users

set local role app_owner;

create type app.member_role as enum ('owner', 'admin', 'member');

comment on type app.member_role is
    'owner: everything; admin: all but what concerns owners; member: what is their own.';

-- The stub of the rule that a family keeps an owner; sql/functions has the function itself.
grant create on schema app to app_auth;

set local role app_auth;

create function app.tg_keep_an_owner()
    returns trigger
    language plpgsql
as $$
begin
    raise exception 'functions are not installed yet' using hint = 'Run: hearth migrate';
end
$$;

grant execute on function app.tg_keep_an_owner() to app_owner;

set local role app_owner;

revoke create on schema app from app_auth;

create table app.families (
    id uuid not null default app.new_id(),

    name text not null,
    time_zone text not null default 'UTC',

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    deleted_at timestamptz,
    is_active boolean not null generated always as (deleted_at is null) stored,

    primary key (id),

    constraint families_name_is_1_to_100_characters
        check (name ~ '\S' and length(name) <= 100),
    constraint families_time_zone_is_known
        check (app.is_time_zone(time_zone))
);
alter table app.families enable row level security;
alter table app.families force row level security;

-- Serves count_purgeable and purge_families: nothing but what is retired, the oldest first.
create index families_deleted_at_idx on app.families (deleted_at) where deleted_at is not null;

create trigger _100_touch before update on app.families
    for each row execute function app.tg_touch();
create trigger _110_refuse_truncate before truncate on app.families
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');
create trigger _900_audit after insert or update or delete on app.families
    for each row execute function app.tg_record_audit();

comment on table app.families is
    'A household, and the tenant: what belongs to one family no other ever sees.';
comment on column app.families.id is
    'The tenant key: every table of a family carries it as family_id.';
comment on column app.families.name is 'What the family calls itself.';
comment on column app.families.time_zone is
    'IANA name; a day of this family begins at midnight there.';
comment on column app.families.created_at is 'When the row was made; never changes.';
comment on column app.families.updated_at is 'When the row last changed; strictly increasing.';
comment on column app.families.row_version is 'Counts the changes of the row, from 1.';
comment on column app.families.deleted_at is
    'When the family was retired; null while it is active.';
comment on column app.families.is_active is 'True until the family is retired.';
comment on constraint families_pkey on app.families is 'This family exists already.';
comment on constraint families_name_is_1_to_100_characters on app.families is
    'The family name must have 1 to 100 characters and not only blanks.';
comment on constraint families_time_zone_is_known on app.families is
    'The time zone must be a name such as Europe/Vienna.';
comment on index app.families_deleted_at_idx is 'Serves count_purgeable and purge_families.';
comment on trigger _100_touch on app.families is 'Keeps created_at, updated_at and row_version.';
comment on trigger _110_refuse_truncate on app.families is
    'Rows leave one by one, so that the audit trail sees them.';
comment on trigger _900_audit on app.families is 'Writes the audit trail.';

create table app.family_memberships (
    family_id uuid not null,
    user_id uuid not null,

    role app.member_role not null,
    display_name text not null,

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    deleted_at timestamptz,
    is_active boolean not null generated always as (deleted_at is null) stored,

    primary key (family_id, user_id),
    foreign key (family_id) references app.families (id) on delete cascade,
    foreign key (user_id) references app.users (id) on delete cascade,

    constraint family_memberships_display_name_is_1_to_100_characters
        check (display_name ~ '\S' and length(display_name) <= 100)
);
alter table app.family_memberships enable row level security;
alter table app.family_memberships force row level security;

-- Queries have one plan for all families (plan_cache_mode of app_api), and it shall suit the large
-- ones: the planner takes a family for a hundred members, not for the average of a few, at which
-- an index in the wrong order looks as good as the right one.
alter table app.family_memberships alter column family_id set (n_distinct = -0.01);

-- Serves list_members.
create index family_memberships_family_id_created_at_user_id_idx
    on app.family_memberships (family_id, created_at, user_id) where is_active;

-- Serves my_families, and the cascade from users.
create index family_memberships_user_id_family_id_idx
    on app.family_memberships (user_id, family_id);

-- Serves count_purgeable and purge_memberships: nothing but what is retired, the oldest first.
create index family_memberships_deleted_at_idx
    on app.family_memberships (deleted_at) where deleted_at is not null;

create trigger _100_touch before update on app.family_memberships
    for each row execute function app.tg_touch();
create trigger _200_keep_an_owner before update on app.family_memberships
    for each row execute function app.tg_keep_an_owner();
create trigger _110_refuse_truncate before truncate on app.family_memberships
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');
create trigger _900_audit after insert or update or delete on app.family_memberships
    for each row execute function app.tg_record_audit();

comment on table app.family_memberships is
    'Who belongs to which family, and as what. Everything a member makes hangs on this row.';
comment on column app.family_memberships.family_id is 'The tenant.';
comment on column app.family_memberships.user_id is 'The member.';
comment on column app.family_memberships.role is 'What the member may do here.';
comment on column app.family_memberships.display_name is 'What this family calls the member.';
comment on column app.family_memberships.created_at is 'When the row was made; never changes.';
comment on column app.family_memberships.updated_at is
    'When the row last changed; strictly increasing.';
comment on column app.family_memberships.row_version is 'Counts the changes of the row, from 1.';
comment on column app.family_memberships.deleted_at is
    'When the member left or was removed; null while they belong.';
comment on column app.family_memberships.is_active is 'True until the member leaves or is removed.';
comment on constraint family_memberships_pkey on app.family_memberships is
    'This person belongs to the family already.';
comment on constraint family_memberships_family_id_fkey on app.family_memberships is
    'The family does not exist.';
comment on constraint family_memberships_user_id_fkey on app.family_memberships is
    'The user does not exist.';
comment on constraint family_memberships_display_name_is_1_to_100_characters
    on app.family_memberships is
    'The name must have 1 to 100 characters and not only blanks.';
comment on index app.family_memberships_family_id_created_at_user_id_idx is
    'Serves list_members.';
comment on index app.family_memberships_user_id_family_id_idx is
    'Serves my_families, and the cascade from users.';
comment on index app.family_memberships_deleted_at_idx is
    'Serves count_purgeable and purge_memberships.';
comment on trigger _100_touch on app.family_memberships is
    'Keeps created_at, updated_at and row_version.';
comment on trigger _200_keep_an_owner on app.family_memberships is
    'A family keeps at least one owner.';
comment on trigger _110_refuse_truncate on app.family_memberships is
    'Rows leave one by one, so that the audit trail sees them.';
comment on trigger _900_audit on app.family_memberships is 'Writes the audit trail.';
