-- Scores: the ledger of points, and who leads.

-- name: list_scores
-- Of one member, of the reader if nobody is named, from the newest to the oldest, with the sum of
-- all pages, which is taken from an index alone. Entries for some days are found by these, and then
-- sorted; together they are few, and the server shall not look for them among all the others.
with within as materialized (
    select e, e.created_at, e.id
    from app.score_entries as e
    where
        e.family_id = :family_id
        and e.user_id = case when :member_id::uuid is null then :user_id else :member_id end
        and e.scored_on >= case when :from_day::date is null then '-infinity' else :from_day end
        and e.scored_on <= case when :to_day::date is null then 'infinity' else :to_day end
        and (:from_day::date is not null or :to_day::date is not null)
),

seen as (
    (
        select e, e.created_at, e.id
        from app.score_entries as e
        where
            e.family_id = :family_id
            and e.user_id = case when :member_id::uuid is null then :user_id else :member_id end
            and (e.created_at, e.id) < (:after_at, :after_id)
            and (:from_day::date is null and :to_day::date is null)
        order by e.created_at desc, e.id desc
        limit :limit::integer + 1
    )
    union all
    (
        select e, created_at, id
        from within
        where (created_at, id) < (:after_at, :after_id)
    )
)

select concat(
    left(
        app.page_of(
            array_agg(shown), :limit::integer,
            app.cursor_of((array_agg(created_at))[:limit], (array_agg(id))[:limit])
        ),
        -1
    ),
    ',"total":',
    (
        select coalesce(sum(e.points), 0)
        from app.score_entries as e
        where
            e.family_id = :family_id
            and e.user_id = case when :member_id::uuid is null then :user_id else :member_id end
            and e.scored_on >= case when :from_day::date is null then '-infinity' else :from_day end
            and e.scored_on <= case when :to_day::date is null then 'infinity' else :to_day end
    ),
    '}'
) as body
from (
    select e, created_at, id
    from seen
    order by created_at desc, id desc
    limit :limit::integer + 1
) as page
cross join app.score_json(e) as shown;

-- name: get_leaderboard
-- Every active member, with the points of the period that holds the day: the family's today, if
-- none is given. Who has as many points has the same rank, and the ranks after it are left out.
--
-- A member's sum is taken from an index alone, of the entries in the period. For a week or a month
-- these are few. For everything they are the whole life of the family: a hundred thousand entries
-- are 10 MB of that index, and some tens of milliseconds.
with span as (
    select
        f.time_zone,
        case :period::app.score_period
            when 'week' then date_trunc('week', day.day)::date
            when 'month' then date_trunc('month', day.day)::date
        end as first_on,
        case :period
            when 'week' then (date_trunc('week', day.day) + interval '6 days')::date
            when 'month' then (date_trunc('month', day.day) + interval '1 month - 1 day')::date
        end as last_on
    from app.families as f
    cross join lateral (
        select coalesce(:day::date::timestamp, now() at time zone f.time_zone) as day
    ) as day
    where f.id = :family_id
),

ranked as (
    select
        m.user_id,
        m.display_name,
        earned.points,
        rank() over (order by earned.points desc) as rank
    from app.family_memberships as m
    cross join lateral (
        select coalesce(sum(e.points), 0) as points
        from app.score_entries as e
        where
            e.family_id = :family_id
            and e.user_id = m.user_id
            and e.scored_on >= (select coalesce(s.first_on, '-infinity') from span as s)
            and e.scored_on <= (select coalesce(s.last_on, 'infinity') from span as s)
    ) as earned
    where m.family_id = :family_id and m.is_active
)

select to_json(response)::text as body
from (
    select
        :period as period,
        s.first_on,
        s.last_on,
        s.time_zone,
        (
            select to_json(array_agg(to_json(r) order by r.rank, r.display_name, r.user_id))
            from (
                select rank, user_id, display_name, points
                from ranked
            ) as r
        ) as items
    from span as s
) as response;
