-- :ops: the role of operators, who read the keys of all families, and little of what people write.

\ir login.sql
\set hearth_role app_ops
select set_config('role', :'hearth_role', false) \g /dev/null
\set hearth_who :hearth_role
