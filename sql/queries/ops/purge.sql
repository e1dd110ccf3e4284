-- What `hearth purge` finds and deletes for good, as the deployer in the role of app_ops: what was
-- retired so long ago, and invitations and sessions that expired so long ago.
--
-- Each kind has a query that counts, and one that deletes a batch, the oldest first. What hangs on
-- a row goes with it by its foreign keys, and the trail keeps the record. The policies of app_ops
-- let go only what is retired or has expired. Of the row its time is asked again, beside the list:
-- whoever restores one at this moment is waited for, and wins.
--
-- These go last, from the leaves to the root, so that each batch takes little along. The kinds that
-- hang on them have a file of their own each.

-- name: begin_purge
-- What counts as long ago, for the whole of a purge. Null if there is another: two would delete the
-- same rows, and each wonder where they have gone. The lock is given back with the connection.
select
    case
        when pg_try_advisory_lock(hashtextextended('app.purge', 0)) then now() - :age::interval
    end as retired_before;

-- name: count_memberships_to_purge
select count(*) as number
from app.family_memberships as m
where m.deleted_at < :retired_before::timestamptz;

-- name: purge_memberships
with purged as (
    delete from app.family_memberships as m
    where
        m.deleted_at < :retired_before::timestamptz
        and (m.family_id, m.user_id) in (
            select old.family_id, old.user_id
            from app.family_memberships as old
            where old.deleted_at < :retired_before::timestamptz
            order by old.deleted_at
            limit :batch_size::integer
        )
    returning m.user_id
)

select count(*) as number from purged;

-- name: count_families_to_purge
select count(*) as number
from app.families as f
where f.deleted_at < :retired_before::timestamptz;

-- name: purge_families
with purged as (
    delete from app.families as f
    where
        f.deleted_at < :retired_before::timestamptz
        and f.id in (
            select old.id
            from app.families as old
            where old.deleted_at < :retired_before::timestamptz
            order by old.deleted_at
            limit :batch_size::integer
        )
    returning f.id
)

select count(*) as number from purged;

-- name: count_accounts_to_purge
select count(*) as number
from app.users as u
where u.deleted_at < :retired_before::timestamptz;

-- name: purge_accounts
-- The trail has nothing about accounts; their events have.
with metadata as materialized (
    select app.event_metadata() as metadata
),

purged as (
    delete from app.users as u
    where
        u.deleted_at < :retired_before::timestamptz
        and u.id in (
            select old.id
            from app.users as old
            where old.deleted_at < :retired_before::timestamptz
            order by old.deleted_at
            limit :batch_size::integer
        )
    returning u.id
),

noted as (
    insert into app.account_events (user_id, event_type, metadata)
    select p.id, 'account_purged', m.metadata
    from purged as p
    cross join metadata as m
)

select count(*) as number from purged;

-- name: count_invitations_to_purge
select count(*) as number
from app.invitations as i
where i.expires_at < :retired_before::timestamptz;

-- name: purge_invitations
-- One that was accepted or revoked expires too, so its expiry is all there is to ask.
with purged as (
    delete from app.invitations as i
    where
        i.expires_at < :retired_before::timestamptz
        and (i.family_id, i.id) in (
            select old.family_id, old.id
            from app.invitations as old
            where old.expires_at < :retired_before::timestamptz
            order by old.expires_at
            limit :batch_size::integer
        )
    returning i.id
)

select count(*) as number from purged;

-- name: count_sessions_to_purge
select count(*) as number
from app.sessions as s
where s.expires_at < :retired_before::timestamptz;

-- name: purge_sessions
-- One that was revoked expires too, so its expiry is all there is to ask.
with purged as (
    delete from app.sessions as s
    where
        s.expires_at < :retired_before::timestamptz
        and s.id in (
            select old.id
            from app.sessions as old
            where old.expires_at < :retired_before::timestamptz
            order by old.expires_at
            limit :batch_size::integer
        )
    returning s.id
)

select count(*) as number from purged;
