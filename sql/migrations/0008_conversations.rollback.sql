-- Loses every conversation and every message.

set local role app_owner;
drop table app.messages;
drop type app.message_role;
drop table app.conversations;
