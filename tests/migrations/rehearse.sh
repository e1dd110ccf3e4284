#!/bin/sh
# Rehearse the migrations on an empty database: up, up again, all the way down, up. What stands
# after the second way up must be what stood after the first: schema, roles and grants.
#
#     DIRECT_URL=postgresql://hearth_deployer:…@127.0.0.1/rehearsal sh tests/migrations/rehearse.sh
#
# sql/bootstrap.sql makes such a database (HEARTH_DATABASE=rehearsal). One that has been migrated
# is refused, because the way down loses all data.
#
# Exit codes: 0 done; 1 failed; 2 wrong usage.
set -eu
if [ -z "${DIRECT_URL:-}" ]; then
    echo "rehearse: DIRECT_URL is not set: the URL of hearth_deployer on an empty database" >&2
    exit 2
fi

cd "$(dirname "$0")/../.."
PATH=$PWD/.venv/bin:$PATH

# psql and pg_dump of 18 know every older server too; those of the system may not know this one.
programs=$(python3 -c 'from app.embedded import cluster, system_user
print(cluster.programs(18, reader=system_user.current_user()))')
PATH=$programs:$PATH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "rehearse: $*" >&2
    exit 1
}

schemas() {
    psql -XAtq -v ON_ERROR_STOP=1 -c "select count(*) from pg_namespace where nspname in ($1)" \
        "$DIRECT_URL"
}

# hearth migrate, with what it says of each file kept for the case that it fails.
migrate() {
    hearth migrate "$@" 2> "$work/progress" || fail "failed after: $(cat "$work/progress")"
}

migrate_twice() {
    migrate
    again=$(migrate)
    case $again in
        "nothing to do"*) ;;
        *) fail "a second hearth migrate found something to do: $again" ;;
    esac
    hearth status > "$work/status" || fail "the database differs: $(cat "$work/status")"
}

dump() {
    python3 -m tests.sql.schema "$DIRECT_URL" > "$1"
}

found=$(schemas "'app', 'yoyo'")
if [ "$found" != 0 ]; then
    echo "rehearse: this database has been migrated before; make an empty one" >&2
    exit 2
fi

echo "rehearse: up"
migrate_twice
dump "$work/first"

set -- sql/migrations/*.rollback.sql
echo "rehearse: down, $# migrations"
migrate --rollback $# --yes
found=$(schemas "'app'")
[ "$found" = 0 ] || fail "the way down left schema app behind"

echo "rehearse: up once more"
migrate_twice
dump "$work/second"

diff -u "$work/first" "$work/second" || fail "the two ways up differ"
echo "rehearse: done, the same $(grep -c '^CREATE' "$work/first") objects after both ways up"
