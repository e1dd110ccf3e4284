-- What is recorded of every object of the structure. The last migration that changed an object
-- counts: when it is rolled back its records go, and those of the one before count again.

select distinct on (object) object, parent, migration, definition, made_on
from yoyo.structure
order by object, migration desc
