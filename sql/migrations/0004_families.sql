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
        check (app.is_line(name) and length(name) <= 100),
    constraint families_time_zone_is_known
        check (app.is_time_zone(time_zone))
);
alter table app.families enable row level security;
alter table app.families force row level security;

-- Serves count_families_to_purge and purge_families: what is retired, the oldest first.
create index families_deleted_at_idx on app.families (deleted_at) where deleted_at is not null;

comment on table app.families is
    'A household, and the tenant: what belongs to one family no other ever sees.';
comment on column app.families.time_zone is
    'IANA name; a day of this family begins at midnight there.';
comment on constraint families_name_is_1_to_100_characters on app.families is
    'The family name must have 1 to 100 characters, not all invisible, and no blank at its ends.';
comment on constraint families_time_zone_is_known on app.families is
    'The time zone must be a name such as Europe/Vienna.';

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
        check (app.is_line(display_name) and length(display_name) <= 100)
);
alter table app.family_memberships enable row level security;
alter table app.family_memberships force row level security;

-- Queries have one plan for all families (plan_cache_mode of app_api), and it has to suit the large
-- ones. So the planner is told that a family has a hundred members (in other tables, a thousand
-- rows), and not the average of a few, where an index in the wrong order looks as good as the right
-- one.
alter table app.family_memberships alter column family_id set (n_distinct = -0.01);

-- Serves list_members.
create index family_memberships_family_id_created_at_user_id_idx
    on app.family_memberships (family_id, created_at, user_id) where is_active;

-- Serves my_families, and the cascade from users.
create index family_memberships_user_id_family_id_idx
    on app.family_memberships (user_id, family_id);

-- Serves count_memberships_to_purge and purge_memberships: what is retired, the oldest first.
create index family_memberships_deleted_at_idx
    on app.family_memberships (deleted_at) where deleted_at is not null;

comment on table app.family_memberships is
    'Who belongs to which family, and as what. Everything a member makes hangs on this row.';
comment on column app.family_memberships.display_name is 'What this family calls the member.';
comment on column app.family_memberships.deleted_at is
    'When the member left or was removed; null while they belong.';
comment on constraint family_memberships_pkey on app.family_memberships is
    'This person already belongs to the family.';
comment on constraint family_memberships_family_id_fkey on app.family_memberships is
    'The family does not exist.';
comment on constraint family_memberships_user_id_fkey on app.family_memberships is
    'The user does not exist.';
comment on constraint family_memberships_display_name_is_1_to_100_characters
    on app.family_memberships is
    'The name must have 1 to 100 characters, not all invisible, and no blank at its ends.';
