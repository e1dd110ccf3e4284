-- The clocks of the database and of this machine agree.
--
-- Tokens are dated by the service's clock, sessions and everything else by the database's. It is
-- compared with the machine on which this command runs, within a second, the way there included.
--
-- level: warning

with clock as (
    select extract(epoch from clock_timestamp() - ($1 ->> 'time')::timestamptz) as ahead
)

select
    null as object,
    format(
        'the database''s clock is %s s %s this machine''s',
        round(abs(c.ahead), 1), case when c.ahead > 0 then 'ahead of' else 'behind' end
    ) as says,
    'let both follow the same time servers (chrony, systemd-timesyncd)' as remedy
from clock as c
where abs(c.ahead) > 1;
