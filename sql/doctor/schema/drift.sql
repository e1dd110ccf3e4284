-- Nothing was changed by hand.
--
-- What differs from the files was not reviewed and not tested, and is not there after a restore
-- from them.
--
-- level: warning

select
    s.step ->> 'file' as object,
    s.step ->> 'reason' as says,
    'put it back, or write the migration that makes it official' as remedy
from jsonb_array_elements($1 -> 'status') as s (step)
where s.step ->> 'action' = 'differs';
