#!/bin/sh
# Compare who may do what in this checkout with the commit where it left BASE: policies, row level
# security and grants, of the databases that `hearth migrate` makes of the one and of the other.
#
#     sh tests/security/compare_policies.sh origin/main
#
# It prints what changed as Markdown, graded by pgrls. DANGEROUS is a policy that lets more rows
# pass, a new permissive one on a table that was there, a floor that is gone, row level security
# that is off: where it is meant, a person merges it nevertheless. A new grant is REQUIRES REVIEW:
# without a policy it shows nothing. What a function does is not compared.
#
# Exit codes: 0 nothing is dangerous; 1 something is, or it failed; 2 wrong usage.
set -eu
if [ $# != 1 ]; then
    echo "usage: sh tests/security/compare_policies.sh BASE" >&2
    exit 2
fi

cd "$(dirname "$0")/../.."
PATH=$PWD/.venv/bin:$PATH
base=$(git merge-base "$1" HEAD) || exit 2

work=$(mktemp -d)
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Each side has a server of its own, since roles are everybody's on a server, and is migrated by its
# own engine: python3 -m finds the app of the directory it runs in.
start() {
    python3 -c 'import sys
from pathlib import Path
from app import embedded
data, script = map(Path, sys.argv[1:])
server = embedded.start(data, durable=False)
embedded.prepare(server, script)
print(server.url("hearth_deployer", "hearth"), server.url("postgres", "hearth"))' "$work/data" "$1"
}

stop() {
    python3 -c 'import sys
from pathlib import Path
from app import embedded
if server := embedded.find(Path(sys.argv[1])):
    embedded.stop(server)' "$work/data"
    rm -rf "$work/data"
}

snapshot() {
    urls=$(start "$2/sql/bootstrap.sql")
    if ! (cd "$2" && DIRECT_URL=${urls% *} python3 -m app.cli migrate) > "$work/progress" 2>&1; then
        echo "compare_policies: cannot migrate the $1: $(cat "$work/progress")" >&2
        exit 1
    fi
    pgrls snapshot --database-url "${urls#* }" --output "$work/$1.json" > "$work/progress"
    stop
}

mkdir "$work/tree"
git archive "$base" app sql yoyo.ini pyproject.toml | tar -x -C "$work/tree"
snapshot base "$work/tree"
snapshot head .

echo "## Policies and grants since $(git log -1 --format='%h, %s' "$base")"
echo
pgrls diff "$work/base.json" "$work/head.json" --fail-on dangerous --format markdown
