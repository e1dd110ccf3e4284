-- Whatever is in schema app is made by a file.
--
-- An object beside ours has no tests, and may have no policies. It may stay if somebody knows why.
--
-- level: warning

select
    s.step ->> 'file' as object,
    format('no file makes the %s', s.step ->> 'file') as says,
    'drop it, move it to another schema, or write its migration' as remedy
from jsonb_array_elements($1 -> 'status') as s (step)
where s.step ->> 'action' = 'unmanaged';
