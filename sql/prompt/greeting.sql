-- What a person reads first.

\if :{?hearth_writes}
\else
\echo 'Nothing can be written until you say :write (or start with --write).'
\endif
\echo 'Tables are found without their schema. :help has recipes, :who asks the server who you are.'
