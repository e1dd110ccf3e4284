-- What `hearth purge` deletes for good of routines.

-- name: count_routines_to_purge
select count(*) as number
from app.routines as r
where r.deleted_at < :retired_before::timestamptz;

-- name: purge_routines
with purged as (
    delete from app.routines as r
    where
        r.deleted_at < :retired_before::timestamptz
        and (r.family_id, r.id) in (
            select old.family_id, old.id
            from app.routines as old
            where old.deleted_at < :retired_before::timestamptz
            order by old.deleted_at
            limit :batch_size::integer
        )
    returning r.id
)

select count(*) as number from purged;
