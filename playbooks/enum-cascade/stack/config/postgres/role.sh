#!/usr/bin/env bash
# At the first start: the role `app`, which owns the application's database and may make a copy to rehearse on.
set -euo pipefail
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" << 'SQL'
\set password `cat /tmp/app_password`
CREATE ROLE app LOGIN CREATEDB PASSWORD :'password';
ALTER DATABASE aiwfe OWNER TO app;
SQL
