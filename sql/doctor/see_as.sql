-- Whether this session has the privileges of the role $1, which it takes for the rest of the
-- transaction if it must. $2 is what says whether it may: `set`, or `member` before PostgreSQL 16.

select
    case
        when pg_has_role(current_user, $1, 'usage') then true
        when pg_has_role(current_user, $1, $2) then set_config('role', $1, true) is not null
        else false
    end as sees;
