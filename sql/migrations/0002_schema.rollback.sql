-- Loses no rows: by now there are none. `if exists`, because the functions' own files may have been
-- withdrawn already.

set local role app_auth;
alter default privileges grant execute on functions to public;
set local role app_audit;
alter default privileges grant execute on functions to public;
set local role app_owner;
alter default privileges grant execute on functions to public;
drop function if exists app.text_key(text);
drop function if exists app.is_line(text);
drop function if exists app.visible(text);
drop function if exists app.is_time_zone(text);
drop function if exists app.new_id();
drop schema app;
