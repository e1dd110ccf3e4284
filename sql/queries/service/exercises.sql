-- Exercises, the family's catalogue, and each member's own logs of them. Below an exercise that is
-- retired there is nothing to see, until it is restored.

-- name: list_exercises
-- From the newest to the oldest: those in use, or those retired.
select app.page_of(
    array_agg(shown), :limit::integer,
    app.cursor_of((array_agg(created_at))[:limit], (array_agg(id))[:limit])
) as body
from (
    select shown, e.created_at, e.id
    from app.exercises as e
    cross join app.exercise_json(e) as shown
    where
        e.family_id = :family_id
        and e.is_active = :is_active::boolean
        and (e.created_at, e.id) < (:after_at, :after_id)
    order by e.created_at desc, e.id desc
    limit :limit::integer + 1
) as page;


-- name: create_exercise
insert into app.exercises as e (family_id, user_id, name, description, points)
values (:family_id, :user_id, :name, :description, :points)
returning (select shown from app.exercise_json(e) as shown)::text as body, e.row_version;

-- name: get_exercise
select shown::text as body, e.row_version
from app.exercises as e
cross join app.exercise_json(e) as shown
where e.family_id = :family_id and e.id = :exercise_id and e.is_active;

-- name: get_retired_exercise
select shown::text as body, e.row_version
from app.exercises as e
cross join app.exercise_json(e) as shown
where e.family_id = :family_id and e.id = :exercise_id and not e.is_active;

-- name: update_exercise
update app.exercises as e
set
    (name, description, points) = (
        select n.name, n.description, n.points
        from jsonb_populate_record(e, :patch::jsonb) as n
    )
where
    e.family_id = :family_id
    and e.id = :exercise_id
    and e.is_active
    and (:if_match::bigint[] is null or e.row_version = any(:if_match))
returning (select shown from app.exercise_json(e) as shown)::text as body, e.row_version;

-- name: retire_exercise
update app.exercises as e
set deleted_at = now()
where
    e.family_id = :family_id
    and e.id = :exercise_id
    and e.is_active
    and (:if_match::bigint[] is null or e.row_version = any(:if_match))
returning 'true' as body, null::bigint as row_version;

-- name: restore_exercise
update app.exercises as e
set deleted_at = null
where e.family_id = :family_id and e.id = :exercise_id and not e.is_active
returning (select shown from app.exercise_json(e) as shown)::text as body, e.row_version;

-- name: list_exercise_logs
-- The reader's own, from the last day to the first; those of a day by their ids. Of an exercise
-- that is not there, null; of one that they have no logs of, an empty list.
select app.page_of(
    array_agg(shown), :limit::integer,
    app.cursor_of(
        (array_agg(performed_on))[:limit]::timestamp at time zone 'UTC', (array_agg(id))[:limit]
    )
) as body
from (
    select shown, l.performed_on, l.id
    from app.exercise_logs as l
    cross join app.exercise_log_json(l) as shown
    where
        l.family_id = :family_id
        and l.user_id = :user_id
        and l.exercise_id = :exercise_id
        and l.performed_on >= case when :from_day::date is null then '-infinity' else :from_day end
        and l.performed_on <= case when :to_day::date is null then 'infinity' else :to_day end
        and (l.performed_on, l.id)
            < ((:after_at::timestamptz at time zone 'UTC')::date, :after_id)
    order by l.performed_on desc, l.id desc
    limit :limit::integer + 1
) as page
having exists (
    select from app.exercises as e
    where e.family_id = :family_id and e.id = :exercise_id and e.is_active
);


-- name: create_exercise_log
-- Of an exercise that is in use, else nothing is written and nothing comes back. Unless it is said,
-- the day is today's where the family lives.
insert into app.exercise_logs as l (
    family_id, user_id, exercise_id, performed_on,
    sets, reps, weight_kg, duration_s, distance_m, note
)
select
    :family_id, :user_id, e.id,
    coalesce(:performed_on::date, (now() at time zone f.time_zone)::date),
    :sets::integer, :reps::integer, :weight_kg::numeric, :duration_s::integer,
    :distance_m::numeric, :note
from app.exercises as e
cross join app.families as f
where
    e.family_id = :family_id
    and e.id = :exercise_id
    and e.is_active
    and f.id = :family_id
returning (select shown from app.exercise_log_json(l) as shown)::text as body, l.row_version;

-- name: get_exercise_log
select shown::text as body, l.row_version
from app.exercise_logs as l
join app.exercises as e on e.family_id = :family_id and e.id = l.exercise_id
cross join app.exercise_log_json(l) as shown
where
    l.family_id = :family_id
    and l.id = :log_id
    and l.exercise_id = :exercise_id
    and e.is_active;

-- name: update_exercise_log
-- A measure that is absent keeps its value, a null takes it away.
update app.exercise_logs as l
set
    (performed_on, sets, reps, weight_kg, duration_s, distance_m, note) = (
        select n.performed_on, n.sets, n.reps, n.weight_kg, n.duration_s, n.distance_m, n.note
        from jsonb_populate_record(l, :patch::jsonb) as n
    )
from app.exercises as e
where
    l.family_id = :family_id
    and l.id = :log_id
    and l.exercise_id = :exercise_id
    and e.family_id = :family_id
    and e.id = :exercise_id
    and e.is_active
    and (:if_match::bigint[] is null or l.row_version = any(:if_match))
returning (select shown from app.exercise_log_json(l) as shown)::text as body, l.row_version;

-- name: delete_exercise_log
delete from app.exercise_logs as l
using app.exercises as e
where
    l.family_id = :family_id
    and l.id = :log_id
    and l.exercise_id = :exercise_id
    and e.family_id = :family_id
    and e.id = :exercise_id
    and e.is_active
    and (:if_match::bigint[] is null or l.row_version = any(:if_match))
returning 'true' as body, null::bigint as row_version;

-- name: get_exercise_records
-- The best that the reader has done, by measure, and when first; null for what they have not done.
-- Best of a set, but for the volume, which is that of a whole log.
--
-- The one-repetition maximum is estimated as Brzycki did it (Strength testing: predicting a one-rep
-- max from reps-to-fatigue, JOPERD 64(1), 1993), and as he says from no more than ten repetitions.
with best as (
    select distinct on (of_one.measure) of_one.measure, of_one.value, l.performed_on, l.id
    from app.exercise_logs as l
    cross join lateral (
        values
            ('weight_kg', l.weight_kg),
            ('reps', l.reps),
            ('duration_s', l.duration_s),
            ('distance_m', l.distance_m),
            ('volume_kg', l.volume_kg),
            (
                'one_rep_max_kg',
                case when l.reps <= 10 then round(l.weight_kg / (1.0278 - 0.0278 * l.reps), 2) end
            )
    ) as of_one (measure, value)
    where
        l.family_id = :family_id
        and l.user_id = :user_id
        and l.exercise_id = :exercise_id
        and of_one.value is not null
    order by of_one.measure, of_one.value desc, l.performed_on, l.created_at, l.id
),

records as (
    select best.measure, to_json(shown) as record
    from best
    cross join lateral (select best.value, best.performed_on, best.id as log_id) as shown
)

select to_json(response)::text as body
from (
    select
        (select record from records where measure = 'weight_kg') as weight_kg,
        (select record from records where measure = 'reps') as reps,
        (select record from records where measure = 'duration_s') as duration_s,
        (select record from records where measure = 'distance_m') as distance_m,
        (select record from records where measure = 'volume_kg') as volume_kg,
        (select record from records where measure = 'one_rep_max_kg') as one_rep_max_kg
    from app.exercises as e
    where e.family_id = :family_id and e.id = :exercise_id and e.is_active
) as response;

-- name: get_exercise_volume
-- What the reader has done, by ISO week; a week without logs has zeros. Whole weeks, from the one
-- of the first day to the one of the last; none where that week comes first, and of more than ten
-- years the last ten. Where one end is not said there are twelve weeks, where none is, the last
-- twelve where the family lives.
--
-- The weeks are materialized, so that their ends are plain values that the index looks up. What is
-- computed on the way PostgreSQL 15 takes for a thing that might leak what the policy hides.
with weeks as materialized (
    select of_all.starts_on::date, of_all.starts_on::date + 6 as ends_on
    from app.families as f
    cross join lateral (select (now() at time zone f.time_zone)::date as day) as today
    cross join lateral generate_series(
        date_trunc(
            'week',
            case
                when :from_day::date < :to_day::date - 3660 then :to_day::date - 3660
                else coalesce(:from_day::date, :to_day::date - 77, today.day - 77)
            end::timestamp
        ),
        coalesce(:to_day::date, :from_day::date + 77, today.day)::timestamp,
        interval '1 week'
    ) as of_all (starts_on)
    where f.id = :family_id
)

select to_json(response)::text as body
from (
    select
        coalesce(to_json(array_agg(to_json(shown) order by w.starts_on)), '[]') as items,
        null as next
    from weeks as w
    cross join lateral (
        select
            to_char(w.starts_on, 'IYYY"-W"IW') as week,
            w.starts_on,
            count(*) as logs,
            coalesce(sum(l.volume_kg), 0) as volume_kg,
            coalesce(sum(coalesce(l.sets, 1) * l.duration_s), 0) as duration_s,
            coalesce(sum(coalesce(l.sets, 1) * l.distance_m), 0) as distance_m
        from app.exercise_logs as l
        where
            l.family_id = :family_id
            and l.user_id = :user_id
            and l.exercise_id = :exercise_id
            and l.performed_on between w.starts_on and w.ends_on
    ) as shown
    having exists (
        select from app.exercises as e
        where e.family_id = :family_id and e.id = :exercise_id and e.is_active
    )
) as response;
