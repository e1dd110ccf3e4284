-- Families: the one of the context, and those the user may switch to.

-- name: list_families
-- A person has few families, so this list has no pages.
select to_json(response)::text as body
from (
    select
        coalesce(
            to_json(
                array_agg(to_json(shown) order by (mine.family).created_at, (mine.family).id)
            ),
            '[]'
        ) as items,
        null as next
    from app.my_families() as mine
    cross join lateral (
        select family, mine.role
        from app.family_json(mine.family) as family
    ) as shown
) as response;

-- name: create_family
select shown::text as body, f.row_version
from app.create_family(:name, :time_zone) as f
cross join app.family_json(f) as shown;

-- name: get_family
select shown::text as body, f.row_version
from app.families as f
cross join app.family_json(f) as shown
where f.id = :family_id;

-- name: update_family
update app.families as f
set
    (name, time_zone) = (
        select n.name, n.time_zone
        from jsonb_populate_record(f, :patch::jsonb) as n
    )
where
    f.id = :family_id
    and (:if_match::bigint[] is null or f.row_version = any(:if_match))
returning (select shown from app.family_json(f) as shown)::text as body, f.row_version;

-- name: retire_family
with unchanged as materialized (
    select
    from app.families as f
    where
        f.id = :family_id
        and (:if_match::bigint[] is null or f.row_version = any(:if_match))
    for update
)

select case when app.retire_family() then 'true' end as body, null::bigint as row_version
where exists (select from unchanged);

-- name: list_members
-- Those who are members, or those who were.
select app.page_of(
    array_agg(shown), :limit::integer,
    app.cursor_of((array_agg(created_at))[:limit], (array_agg(user_id))[:limit])
) as body
from (
    select shown, m.created_at, m.user_id
    from app.family_memberships as m
    cross join app.member_json(m) as shown
    where
        m.family_id = :family_id
        and m.is_active = :is_active
        and (m.created_at, m.user_id) > (:after_at, :after_id)
    order by m.created_at, m.user_id
    limit :limit::integer + 1
) as page;


-- name: get_member
select shown::text as body, m.row_version
from app.family_memberships as m
cross join app.member_json(m) as shown
where m.family_id = :family_id and m.user_id = :member_id and m.is_active;

-- name: update_member
update app.family_memberships as m
set
    (role, display_name) = (
        select n.role, n.display_name
        from jsonb_populate_record(m, :patch::jsonb) as n
    )
where
    m.family_id = :family_id
    and m.user_id = :member_id
    and (:if_match::bigint[] is null or m.row_version = any(:if_match))
returning (select shown from app.member_json(m) as shown)::text as body, m.row_version;

-- name: get_member_or_former
select shown::text as body, m.row_version
from app.family_memberships as m
cross join app.member_json(m) as shown
where m.family_id = :family_id and m.user_id = :member_id;

-- name: retire_member
-- Also who has gone already, with their account: restore_account brings back what still has the
-- time at which the account retired, and who was removed since has another.
update app.family_memberships as m
set deleted_at = now()
where
    m.family_id = :family_id
    and m.user_id = :member_id
    and (:if_match::bigint[] is null or m.row_version = any(:if_match))
returning 'true' as body, null::bigint as row_version;

-- name: get_retired_member
select shown::text as body, m.row_version
from app.family_memberships as m
cross join app.member_json(m) as shown
where m.family_id = :family_id and m.user_id = :member_id and not m.is_active;

-- name: restore_member
update app.family_memberships as m
set deleted_at = null
where m.family_id = :family_id and m.user_id = :member_id and not m.is_active
returning (select shown from app.member_json(m) as shown)::text as body, m.row_version;
