-- Signs everybody out: loses every session and refresh token.

set local role app_owner;
drop table app.refresh_tokens;
drop table app.sessions;
