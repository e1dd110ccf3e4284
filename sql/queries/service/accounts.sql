-- Accounts: what the sign-in endpoints run. All of it goes through the functions of app_auth.

-- name: hit_rate_limit
select app.hit_rate_limit(
    :rate_limit, :subject_hash, :max_attempts::integer, make_interval(secs => :seconds)
)::text;

-- name: reset_rate_limit
select app.reset_rate_limit(:rate_limit, :subject_hash, :newest::integer);

-- name: knows_network
select app.knows_network(:network_hash);

-- name: sign_up
select app.sign_up(
    :email, :password_hash, :full_name, :family_name, :time_zone, :invitation_hash, :token_hash,
    now() + :lifetime, :network_hash
)::text;

-- name: get_email_key
-- Which account an address means: what is counted has to be what is found.
select app.text_key(:email);

-- name: find_credentials
select user_id, password_hash
from app.find_credentials(:email);

-- name: open_session
select app.open_session(
    :user_id, :password_hash, :token_hash, now() + :lifetime, :network_hash
)::text;

-- name: refresh_session
select app.refresh_session(:token_hash, :new_token_hash, now() + :lifetime)::text;

-- name: close_session
select nullif(app.close_session(), false)::text;

-- name: own_credentials
select user_id, password_hash
from app.own_credentials();

-- name: change_password
select nullif(app.change_password(:old_hash, :new_hash), false)::text;

-- name: switch_family
select app.switch_family(:to_family_id)::text;

-- name: get_me
select shown::text as body, u.row_version
from app.users as u
cross join app.user_json(u) as shown
where u.id = :user_id;

-- name: update_me
update app.users as u
set
    (full_name, time_zone, is_notified) = (
        select n.full_name, n.time_zone, n.is_notified
        from jsonb_populate_record(u, :patch::jsonb) as n
    )
where
    u.id = :user_id
    and (:if_match::bigint[] is null or u.row_version = any(:if_match))
returning (select shown from app.user_json(u) as shown)::text as body, u.row_version;

-- name: retire_account
with unchanged as materialized (
    select
    from app.users as u
    where
        u.id = :user_id
        and (:if_match::bigint[] is null or u.row_version = any(:if_match))
    for update
)

select case when app.retire_account() then 'true' end as body, null::bigint as row_version
where exists (select from unchanged);
