-- tg_score_exercise_log: awards the points of an exercise that was logged, reverses them when the
-- log is deleted, and moves them with it to another day: as many as it had, whatever the exercise
-- is worth by then.
--
-- Definer, owned by app_auth: it lends appending to the ledger, which is granted to no login, and
-- reading what an exercise is worth. It writes only of the row at hand, which the caller has just
-- changed.
--
-- owner: app_auth
-- requires: record_score

create or replace function app.tg_score_exercise_log()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_log app.exercise_logs := coalesce(NEW, OLD);
begin
    perform app.record_score(
        'exercise',
        v_log.family_id,
        v_log.id,
        v_log.user_id,
        v_log.performed_on,
        case
            when TG_OP = 'UPDATE' then 0
            else (
                select x.points
                from app.exercises as x
                where x.family_id = v_log.family_id and x.id = v_log.exercise_id
            )
        end,
        TG_OP <> 'DELETE'
    );

    return null;
end
$$;

comment on function app.tg_score_exercise_log() is
    'Trigger: awards the points of an exercise log, moves them or reverses them.';

revoke all on function app.tg_score_exercise_log() from public;
grant execute on function app.tg_score_exercise_log() to app_owner;  -- who makes the triggers
