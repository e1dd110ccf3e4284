#!/bin/sh
# Start PgBouncer with the password of app_api from the environment, in a file that only it reads.
set -eu
: "${API_PASSWORD:?is the password of app_api}"

umask 077
password=$(printf '%s' "$API_PASSWORD" | sed 's/"/""/g')
printf '"app_api" "%s"\n' "$password" > "${TMPDIR:-/tmp}/userlist.txt"

exec pgbouncer "$(dirname "$0")/pgbouncer.ini"
