-- What `hearth purge` deletes for good of habits.

-- name: count_habits_to_purge
select count(*) as number
from app.habits as h
where h.deleted_at < :retired_before::timestamptz;

-- name: purge_habits
with purged as (
    delete from app.habits as h
    where
        h.deleted_at < :retired_before::timestamptz
        and (h.family_id, h.id) in (
            select old.family_id, old.id
            from app.habits as old
            where old.deleted_at < :retired_before::timestamptz
            order by old.deleted_at
            limit :batch_size::integer
        )
    returning h.id
)

select count(*) as number from purged;
