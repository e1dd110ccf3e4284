-- :read: every transaction from now on is refused to write, as at the start.

select set_config('default_transaction_read_only', 'on', false) \g /dev/null
\set PROMPT1 '%/ as %:hearth_who:, reading%R%x%# '
