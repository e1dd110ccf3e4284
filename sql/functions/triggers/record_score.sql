-- record_score: appends to the ledger of points: what was done is awarded, what was taken back is
-- reversed, and what was moved to another day is both.
--
-- For the trigger functions tg_score_task, tg_score_habit_log, tg_score_routine_completion and
-- tg_score_exercise_log, which say whose the points are, on which day they count and how many there
-- are; nobody else may call it. The last entry for the thing says whether an award stands. Should
-- two transactions ask at once, the unique indexes on the ledger let one of them write.
--
-- Nobody wins more than 1,000 points a day of the family's clock, on whatever days they count: what
-- would be more is cut. Those of one person take turns, so that two at once are not more.
--
-- Invoker, but only ever run by app_auth's definer functions.
--
-- owner: app_auth
-- requires: 0015_scores

create or replace function app.record_score(
    kind app.score_kind,
    family_id uuid,
    source_id uuid,
    user_id uuid,
    scored_on date,
    points integer,
    is_done boolean
)
    returns void
    language plpgsql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_last app.score_entries;
    v_is_awarded boolean;
    v_points integer := record_score.points;
    v_day_began_at timestamptz;
begin
    -- The kinds are named again, for a partial index serves only a query that says so.
    if record_score.kind in ('task', 'exercise') then
        select * into v_last
        from app.score_entries as e
        where
            e.family_id = record_score.family_id
            and e.kind in ('task', 'exercise')
            and e.kind = record_score.kind
            and e.source_id = record_score.source_id
        order by e.sequence desc
        limit 1;
    else
        select * into v_last
        from app.score_entries as e
        where
            e.family_id = record_score.family_id
            and e.kind in ('habit', 'routine')
            and e.kind = record_score.kind
            and e.source_id = record_score.source_id
            and e.user_id = record_score.user_id
            and e.scored_on = record_score.scored_on
        order by e.sequence desc
        limit 1;
    end if;

    v_is_awarded := coalesce(v_last.sequence % 2 = 1, false);

    if v_is_awarded and (not is_done or v_last.scored_on <> record_score.scored_on) then
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

    if is_done and not v_is_awarded and v_points > 0 then
        perform pg_advisory_xact_lock(
            hashtextextended(format('app.record_score %s %s', family_id, user_id), 0)
        );
        v_day_began_at := (
            select date_trunc('day', now(), f.time_zone)
            from app.families as f
            where f.id = record_score.family_id
        );
        v_points := least(v_points, 1000 - (
            select coalesce(sum(e.points), 0)
            from app.score_entries as e
            where
                e.family_id = record_score.family_id
                and e.user_id = record_score.user_id
                and e.created_at >= v_day_began_at
        ));

        if v_points > 0 then
            insert into app.score_entries (
                family_id, user_id, kind, source_id, scored_on, sequence, points
            )
            values (
                record_score.family_id, record_score.user_id, record_score.kind,
                record_score.source_id, record_score.scored_on,
                coalesce(v_last.sequence, 0) + 1, v_points
            );
        end if;
    end if;
end
$$;

comment on function app.record_score(app.score_kind, uuid, uuid, uuid, date, integer, boolean) is
    'Awards the points of what was done, or reverses what was awarded; for trigger functions.';

revoke all on function app.record_score(app.score_kind, uuid, uuid, uuid, date, integer, boolean)
    from public;
