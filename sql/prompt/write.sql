-- :write: transactions may write. In whose name stands in red.

select set_config('default_transaction_read_only', 'off', false) \g /dev/null
\set PROMPT1 '%/ as %[%033[1;31m%]%:hearth_who:, WRITING%[%033[0m%]%R%x%# '
