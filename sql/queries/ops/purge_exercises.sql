-- What `hearth purge` deletes for good of exercises.

-- name: count_exercises_to_purge
select count(*) as number
from app.exercises as x
where x.deleted_at < :retired_before::timestamptz;

-- name: purge_exercises
with purged as (
    delete from app.exercises as x
    where
        x.deleted_at < :retired_before::timestamptz
        and (x.family_id, x.id) in (
            select old.family_id, old.id
            from app.exercises as old
            where old.deleted_at < :retired_before::timestamptz
            order by old.deleted_at
            limit :batch_size::integer
        )
    returning x.id
)

select count(*) as number from purged;
