-- The newest lines of the history, newest first.

select at, who, host, kind, name, action, reason, sha256, milliseconds, overwritten
from yoyo.history
order by id desc
limit $1
