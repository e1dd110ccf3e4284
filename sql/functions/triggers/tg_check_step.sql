-- tg_check_step: a step comes with its version, and names only what its writer sees.
--
-- A version is complete when it is made, and immutable: nobody adds a step to it later. It and its
-- steps have the time of the same transaction. Of a version that the writer does not see the answer
-- is that of one that is not there: its keys would tell how many steps it has.
--
-- A foreign key is checked without row level security, and would tell whoever guesses an id that
-- somebody has such a habit. So this looks first, as the invoker, under their own policies. What
-- the routine already names may stay: a member who changes a shared routine need not see everything
-- that its owner sees.
--
-- The error points into the list of steps, which counts from 0.
--
-- requires: 0014_routines

create or replace function app.tg_check_step()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_saved_at timestamptz;
begin
    select v.created_at
    into v_saved_at
    from app.routine_versions as v
    where
        v.family_id = NEW.family_id
        and v.routine_id = NEW.routine_id
        and v.version = NEW.version;
    if not found then
        raise exception 'there is no such version that you see'
            using errcode = 'insufficient_privilege';
    end if;

    if v_saved_at <> now() then
        raise exception 'a step comes with its version' using errcode = 'ZH003';
    end if;

    if NEW.habit_id is not null
        and not exists (
            select from app.habits as h
            where h.family_id = NEW.family_id and h.id = NEW.habit_id and h.is_active
        )
        and not exists (
            select from app.routine_steps as s
            where
                s.family_id = NEW.family_id
                and s.habit_id = NEW.habit_id
                and s.routine_id = NEW.routine_id
        )
    then
        raise exception 'is no habit that you see'
            using errcode = 'ZH005', detail = format('/steps/%s/habit_id', NEW.position - 1);
    end if;

    if NEW.exercise_id is not null
        and not exists (
            select from app.exercises as e
            where e.family_id = NEW.family_id and e.id = NEW.exercise_id and e.is_active
        )
        and not exists (
            select from app.routine_steps as s
            where
                s.family_id = NEW.family_id
                and s.exercise_id = NEW.exercise_id
                and s.routine_id = NEW.routine_id
        )
    then
        raise exception 'is no exercise that you see'
            using errcode = 'ZH005', detail = format('/steps/%s/exercise_id', NEW.position - 1);
    end if;

    return NEW;
end
$$;

comment on function app.tg_check_step() is
    'Trigger: a step comes with its version, and names only what its writer sees.';

revoke all on function app.tg_check_step() from public;
