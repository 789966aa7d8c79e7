#!/usr/bin/env bash
# At the first start: the role `app`, which owns the application's database.
set -euo pipefail
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" << 'SQL'
\set password `cat /tmp/app_password`
CREATE ROLE app LOGIN PASSWORD :'password';
ALTER DATABASE aiwfe OWNER TO app;
SQL
