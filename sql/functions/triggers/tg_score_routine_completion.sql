-- tg_score_routine_completion: awards the points of a routine for a day on which somebody did it,
-- and reverses them when the completion is deleted.
--
-- Definer, owned by app_auth: it lends appending to the ledger, which is granted to no login, and
-- reading what a routine is worth. It writes only of the row at hand, which the caller has just
-- changed.
--
-- owner: app_auth
-- requires: record_score

create or replace function app.tg_score_routine_completion()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_completion app.routine_completions := coalesce(NEW, OLD);
begin
    perform app.record_score(
        'routine',
        v_completion.family_id,
        v_completion.routine_id,
        v_completion.user_id,
        v_completion.completed_on,
        (
            select r.points
            from app.routines as r
            where r.family_id = v_completion.family_id and r.id = v_completion.routine_id
        ),
        TG_OP <> 'DELETE'
    );

    return null;
end
$$;

comment on function app.tg_score_routine_completion() is
    'Trigger: awards the points of a routine for a day, or reverses them.';

revoke all on function app.tg_score_routine_completion() from public;
grant execute on function app.tg_score_routine_completion() to app_owner;  -- who makes the triggers
