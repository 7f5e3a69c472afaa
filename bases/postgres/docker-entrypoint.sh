#!/bin/bash
# Starts PostgreSQL; makes a cluster first where PGDATA holds none.
set -euo pipefail

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

# setting NAME [DEFAULT]: the variable NAME, or the content of the file that NAME_FILE names.
setting() {
  local name=$1 file=${1}_FILE value=${2:-}
  if [[ -n ${!name:-} && -n ${!file:-} ]]; then
    fail "error: both $name and $file are set, one of them is wanted"
  fi
  if [[ -n ${!name:-} ]]; then
    value=${!name}
  elif [[ -n ${!file:-} ]]; then
    value=$(<"${!file}")
  fi
  export "$name=$value"
  unset "$file"
}

# What needs root: the directories belong to the server, which then runs without rights.
become_postgres() {
  mkdir -p "$PGDATA" /run/postgresql
  chmod 700 "$PGDATA"
  chmod 3775 /run/postgresql
  find "$PGDATA" /run/postgresql \! -user postgres -exec chown postgres:postgres {} +
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$BASH_SOURCE" "$@"
}

check_password() {
  if [[ -n $POSTGRES_PASSWORD || ${POSTGRES_HOST_AUTH_METHOD:-} == trust ]]; then
    return
  fi
  fail 'error: the database has no superuser password, and without one nobody can log in' \
    '  Set POSTGRES_PASSWORD: "-e POSTGRES_PASSWORD=password".' \
    '  POSTGRES_HOST_AUTH_METHOD=trust lets everybody in without one; that is not recommended.'
}

make_cluster() {
  local arguments=()
  read -ra arguments <<<"${POSTGRES_INITDB_ARGS:-}"
  if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then
    arguments+=(--waldir "$POSTGRES_INITDB_WALDIR")
  fi
  initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --encoding=UTF8 "${arguments[@]}"
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
  # A server in a container is reached from outside of it.
  sed -i "s/^#listen_addresses = .*/listen_addresses = '*'/" "$PGDATA/postgresql.conf"
}

sql() {
  PGHOST= PGHOSTADDR= PGPASSWORD=$POSTGRES_PASSWORD psql -v ON_ERROR_STOP=1 --no-psqlrc \
    --username "$POSTGRES_USER" --no-password --dbname "${1:-$POSTGRES_DB}" "${@:2}"
}

make_database() {
  if [[ $POSTGRES_DB == postgres ]]; then
    return
  fi
  sql postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db" ;'
}

run_scripts() {
  local script
  for script in /docker-entrypoint-initdb.d/*; do
    case $script in
      *.sh)
        if [[ -x $script ]]; then "$script"; else . "$script"; fi ;;
      *.sql) sql "$POSTGRES_DB" -f "$script" ;;
      *.sql.gz) gunzip -c "$script" | sql "$POSTGRES_DB" ;;
    esac
  done
}

initialize() {
  check_password
  make_cluster
  # Nobody but this script reaches the server before everything is in place.
  PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p 5432" -w start
  make_database
  run_scripts
  PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -m fast -w stop
  printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

if [[ ${1:-} == -* ]]; then
  set -- postgres "$@"
fi
if [[ ${1:-} == postgres ]]; then
  if [[ $(id -u) == 0 ]]; then
    become_postgres "$@"
  fi
  setting POSTGRES_PASSWORD
  setting POSTGRES_USER postgres
  setting POSTGRES_DB "$POSTGRES_USER"
  if [[ ! -s $PGDATA/PG_VERSION ]]; then
    initialize
  fi
  unset POSTGRES_PASSWORD
fi
exec "$@"
