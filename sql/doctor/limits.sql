-- What a look may take: it waits for nobody who changes a table, and no check for long.

select set_config('lock_timeout', '200ms', true), set_config('statement_timeout', '5s', true);
