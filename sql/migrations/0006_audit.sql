-- The audit trail: what was done to a family's rows, and to accounts; by whom, when, through what.
--
-- Append-only three times over: nobody is granted update, delete or truncate; row triggers refuse
-- the first two and statement triggers the third, also for those whom grants do not bind. Old
-- months leave by detaching their partition.
--
-- No foreign keys: the record of a deletion must outlive what was deleted.
--
-- locks: app.families access exclusive, because its policy file runs again
-- depends: 0005_sessions

set local role app_owner;

create type app.audit_action as enum ('insert', 'update', 'delete');

comment on type app.audit_action is 'What was done to a row.';

create table app.audit_log (
    family_id uuid not null,
    occurred_at timestamptz not null default clock_timestamp(),
    id uuid not null default app.new_id(),

    action_type app.audit_action not null,
    table_name text not null,
    row_key jsonb not null,
    before jsonb,
    after jsonb,

    actor_id uuid,
    actor_role app.member_role,
    private_to uuid,
    metadata jsonb not null default '{}',

    -- The partition key has to be part of it, and comes last: a key in the order of time would
    -- tempt the planner to read the trail through it, past everything that is private to others.
    primary key (family_id, id, occurred_at),

    constraint audit_log_before_and_after_fit_the_action check (
        (before is null) = (action_type = 'insert') and (after is null) = (action_type = 'delete')
    )
) partition by range (occurred_at);
alter table app.audit_log enable row level security;
alter table app.audit_log force row level security;

-- Serves list_audit: what the family shares. Every record is in one of these two indexes; together
-- they leave out what is private to others.
create index audit_log_shared_idx
    on app.audit_log (family_id, occurred_at, id) where private_to is null;

-- Serves list_audit: what is private to the reader.
create index audit_log_private_idx
    on app.audit_log (family_id, private_to, occurred_at, id) where private_to is not null;

-- Takes what no month's partition takes, so that a forgotten month never stops a write.
-- app.ensure_audit_partitions() makes the months; a partition inherits neither policies
-- nor grants, so each is shut by itself: nobody is granted anything on one.
create table app.audit_log_default partition of app.audit_log default;
alter table app.audit_log_default enable row level security;
alter table app.audit_log_default force row level security;

comment on table app.audit_log is
    'Every write to a family''s rows, whichever client made it. Append-only, a partition a month.';
comment on column app.audit_log.occurred_at is
    'When the row was written (not when its transaction began).';
comment on column app.audit_log.table_name is 'The table, without its schema.';
comment on column app.audit_log.row_key is 'The primary key of the row, without family_id.';
comment on column app.audit_log.before is
    'The changed columns before: all of them for a delete, null for an insert.';
comment on column app.audit_log.after is
    'The changed columns after: all of them for an insert, null for a delete.';
comment on column app.audit_log.actor_id is
    'The user in whose context it was done; null when there was none.';
comment on column app.audit_log.actor_role is
    'The role that user acted in; null when there was none.';
comment on column app.audit_log.private_to is
    'The user whose private row it is: nobody else reads the record. Null when shared.';
comment on column app.audit_log.metadata is
    'login, database_role, application and request_id, as far as they are known.';
comment on constraint audit_log_before_and_after_fit_the_action on app.audit_log is
    'An insert has only an after, a delete only a before, an update both.';
comment on table app.audit_log_default is
    'What no month''s partition takes. Should be empty: hearth migrate makes the months ahead.';

create type app.account_event as enum (
    'signed_up',
    'signed_in',
    'signed_out',
    'password_changed',
    'session_revoked',
    'token_reused',
    'account_retired',
    'account_restored',
    'account_purged'
);

comment on type app.account_event is 'What happened to an account.';

create table app.account_events (
    id uuid not null default app.new_id(),
    user_id uuid not null,

    event_type app.account_event not null,
    occurred_at timestamptz not null default clock_timestamp(),
    metadata jsonb not null default '{}',

    primary key (id)
);
alter table app.account_events enable row level security;
alter table app.account_events force row level security;

-- For the people who look into one account.
create index account_events_user_id_occurred_at_idx on app.account_events (user_id, occurred_at);

comment on table app.account_events is
    'What happened to accounts, which belong to no family: sign-ups, sign-ins. Append-only.';
comment on column app.account_events.user_id is 'No foreign key: the event outlives the account.';
comment on column app.account_events.metadata is
    'login, database_role, session_id and request_id, as far as they are known.';
