-- tg_score_habit_log: awards the points of a habit for a day that was done, and reverses them when
-- it is not any more.
--
-- Definer, owned by app_auth: it lends appending to the ledger, which is granted to no login, and
-- reading what a habit is worth. It writes only of the row at hand, which the caller has just
-- changed.
--
-- owner: app_auth
-- requires: record_score

create or replace function app.tg_score_habit_log()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_log app.habit_logs := coalesce(NEW, OLD);
begin
    perform app.record_score(
        'habit',
        v_log.family_id,
        v_log.habit_id,
        v_log.user_id,
        v_log.logged_on,
        (
            select h.points
            from app.habits as h
            where h.family_id = v_log.family_id and h.id = v_log.habit_id
        ),
        TG_OP <> 'DELETE' and v_log.is_done
    );

    return null;
end
$$;

comment on function app.tg_score_habit_log() is
    'Trigger: awards the points of a habit for a day, or reverses them.';

revoke all on function app.tg_score_habit_log() from public;
grant execute on function app.tg_score_habit_log() to app_owner;  -- who makes the triggers
