-- tg_score: keeps the ledger of points: what was completed is awarded, what was taken back is
-- reversed.
--
-- The trigger's argument is the kind. Its condition says that something became done, ceased to be
-- or was done on another day; here stands for each kind which thing that is, whose the points are,
-- on which day they count and how many there are. Before an award is written, the ledger is asked
-- whether it stands already; should two ask at once, the unique indexes on the ledger let one of
-- them write.
--
-- Definer, owned by app_auth: it lends appending to the ledger, which is granted to no login, and
-- reading what things are worth and what day it is in a family. It writes only of the row at hand,
-- which the caller has just changed.
--
-- owner: app_auth
-- requires: 0015_scores current_user_id current_family_id

create or replace function app.tg_score()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_row record := coalesce(NEW, OLD);
    v_kind app.score_kind := TG_ARGV[0];
    v_is_done boolean;
    v_source_id uuid;
    v_user_id uuid;
    v_scored_on date;
    v_points integer;
    v_last app.score_entries;
    v_is_awarded boolean;
begin
    case v_kind
        when 'task' then
            v_is_done := v_row.is_completed;
            v_source_id := v_row.id;
            -- Of a shared task to whoever did it; without a context to its owner.
            v_user_id := coalesce(
                case when v_row.family_id = app.current_family_id() then app.current_user_id() end,
                v_row.user_id
            );
            v_scored_on := (
                select (v_row.completed_at at time zone f.time_zone)::date
                from app.families as f
                where f.id = v_row.family_id
            );
            v_points := v_row.points;
        when 'habit' then
            v_is_done := TG_OP <> 'DELETE' and v_row.is_done;
            v_source_id := v_row.habit_id;
            v_user_id := v_row.user_id;
            v_scored_on := v_row.logged_on;
            v_points := (
                select h.points
                from app.habits as h
                where h.family_id = v_row.family_id and h.id = v_row.habit_id
            );
        when 'routine' then
            v_is_done := TG_OP <> 'DELETE';
            v_source_id := v_row.routine_id;
            v_user_id := v_row.user_id;
            v_scored_on := v_row.completed_on;
            v_points := (
                select r.points
                from app.routines as r
                where r.family_id = v_row.family_id and r.id = v_row.routine_id
            );
        when 'exercise' then
            v_is_done := TG_OP <> 'DELETE';
            v_source_id := v_row.id;
            v_user_id := v_row.user_id;
            v_scored_on := v_row.performed_on;
            v_points := (
                select x.points
                from app.exercises as x
                where x.family_id = v_row.family_id and x.id = v_row.exercise_id
            );
    end case;

    -- The kinds are named again, for a partial index serves only a query that says so.
    if v_kind in ('task', 'exercise') then
        select * into v_last
        from app.score_entries as e
        where
            e.family_id = v_row.family_id
            and e.kind in ('task', 'exercise')
            and e.kind = v_kind
            and e.source_id = v_source_id
        order by e.sequence desc
        limit 1;
    else
        select * into v_last
        from app.score_entries as e
        where
            e.family_id = v_row.family_id
            and e.kind in ('habit', 'routine')
            and e.kind = v_kind
            and e.source_id = v_source_id
            and e.user_id = v_user_id
            and e.scored_on = v_scored_on
        order by e.sequence desc
        limit 1;
    end if;

    v_is_awarded := coalesce(v_last.sequence % 2 = 1, false);

    if v_is_awarded and (not v_is_done or v_last.scored_on <> v_scored_on) then
        insert into app.score_entries (
            family_id, user_id, kind, source_id, scored_on, sequence, points
        )
        values (
            v_last.family_id, v_last.user_id, v_last.kind, v_last.source_id, v_last.scored_on,
            v_last.sequence + 1, -v_last.points
        );

        -- What was only moved to another day takes as many points along as it had.
        v_is_awarded := false;
        v_last.sequence := v_last.sequence + 1;
        v_points := v_last.points;
    end if;

    if v_is_done and not v_is_awarded and v_points > 0 then
        insert into app.score_entries (
            family_id, user_id, kind, source_id, scored_on, sequence, points
        )
        values (
            v_row.family_id, v_user_id, v_kind, v_source_id, v_scored_on,
            coalesce(v_last.sequence, 0) + 1, v_points
        );
    end if;

    return null;
end
$$;

comment on function app.tg_score() is
    'Trigger: awards the points of what was completed, or reverses what was awarded.';

revoke all on function app.tg_score() from public;
grant execute on function app.tg_score() to app_owner;  -- who makes the triggers
