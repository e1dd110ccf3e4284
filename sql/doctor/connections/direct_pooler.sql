-- DIRECT_URL leads to PostgreSQL itself.
--
-- A transaction pooler gives every transaction another session: the deployers' lock would be held
-- by nobody, and `hearth migrate` refuses it.
--
-- level: error

select
    null as object,
    'DIRECT_URL leads to a pooler' as says,
    'let it lead to PostgreSQL, past the pooler' as remedy
where ($1 #>> '{direct, is_pooled}')::boolean;
