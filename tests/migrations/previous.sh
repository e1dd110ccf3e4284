#!/bin/sh
# Try whether the service of an earlier release goes on working on the schema of this one: its API
# tests, with its own code and its own queries, on a database made of the migrations, functions and
# policies that are here.
#
#     COMMIT=v1.4 sh tests/migrations/previous.sh [ARGUMENTS OF PYTEST]
#
# By default the newest tag that is not on this commit; before the first, what origin/main has.
#
# Exit codes: 0 it does; 1 it does not; 2 there is no such commit.
set -eu
cd "$(dirname "$0")/../.."
here=$PWD

tag=$(git describe --tags --abbrev=0 HEAD^ 2>/dev/null || true)
commit=${COMMIT:-${tag:-origin/main}}
if ! git rev-parse --quiet --verify "$commit^{commit}" >/dev/null; then
    echo "previous: there is no commit $commit here" >&2
    exit 2
fi

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
trap 'exit 1' HUP INT TERM

git archive "$commit" | tar -x -C "$place"
for part in migrations functions policies; do
    rm -rf "$place/sql/$part"
    cp -R "sql/$part" "$place/sql/$part"
done

echo "the API tests of $(git log -1 --format='%h, %s' "$commit") on the schema that is here"
cd "$place"
PYTHONPATH=$place "$here/.venv/bin/python" -m pytest --numprocesses logical --dist loadfile \
    tests/resources tests/http "$@"
