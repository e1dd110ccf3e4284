-- tg_score_task: awards the points of a task that was completed, and reverses them when it is open
-- again. They are those of whoever did it, on the day that it was in the family.
--
-- Definer, owned by app_auth: it lends appending to the ledger, which is granted to no login, and
-- reading what day it is in a family. It writes only of the row at hand, which the caller has just
-- changed.
--
-- owner: app_auth
-- requires: current_user_id current_family_id record_score

create or replace function app.tg_score_task()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform app.record_score(
        'task',
        NEW.family_id,
        NEW.id,
        -- Without a context, of a DBA's, it is its owner's.
        coalesce(
            case when NEW.family_id = app.current_family_id() then app.current_user_id() end,
            NEW.user_id
        ),
        (
            select (NEW.completed_at at time zone f.time_zone)::date
            from app.families as f
            where f.id = NEW.family_id
        ),
        NEW.points,
        NEW.is_completed
    );

    return null;
end
$$;

comment on function app.tg_score_task() is
    'Trigger: awards the points of a task, or reverses them.';

revoke all on function app.tg_score_task() from public;
grant execute on function app.tg_score_task() to app_owner;  -- who makes the triggers
