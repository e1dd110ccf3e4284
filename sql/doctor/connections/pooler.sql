-- DATABASE_POOLER says through what DATABASE_URL leads.
--
-- Through a transaction pooler that it does not know of, the service finds what others prepared,
-- and not what it has itself. Where there is none, each request pays for being careful.
--
-- level: error

with service as (
    select
        $1 #>> '{service, unseen}' as unseen,
        ($1 #>> '{service, is_pooled}')::boolean as is_pooled,
        $1 ->> 'pooler' as pooler
)

select
    case when s.unseen is not null then 'unseen' when not s.is_pooled then 'notice' end as level,
    null as object,
    case
        when s.unseen is not null then 'where DATABASE_URL leads: ' || s.unseen
        when s.is_pooled then 'DATABASE_URL leads to a pooler, and DATABASE_POOLER is none'
        else format('DATABASE_POOLER is %s, and DATABASE_URL leads to no pooler', s.pooler)
    end as says,
    case
        when s.unseen is not null then 'run it where the service runs, with its environment'
        when s.is_pooled
            then 'set it to transaction, or to prepared if the pooler follows prepared statements'
        else 'set it to none'
    end as remedy
from service as s
where s.unseen is not null or s.is_pooled <> (s.pooler <> 'none');
