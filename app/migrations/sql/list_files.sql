-- What is recorded of every SQL file.

select kind, name, state, sha256, requires, made_on, definition
from yoyo.files
