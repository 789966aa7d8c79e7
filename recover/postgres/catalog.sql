-- Every question recover asks of PostgreSQL's catalog. Each block also runs by hand in psql
-- once its %(placeholders)s are filled in. Sources: PostgreSQL documentation, "System Catalogs".

-- name: identity
-- Which cluster and database this is: the run is bound to the answer.
SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system_identifier,
       pg_catalog.current_database()::text AS database,
       pg_catalog.current_setting('server_version') AS server_version,
       pg_catalog.current_setting('server_version_num') AS server_version_num;

-- name: server
-- Whether it can be written, and what it can do.
SELECT pg_catalog.pg_is_in_recovery() AS standby,
       pg_catalog.current_setting('server_version_num')::int AS version;

-- name: backends
-- The connections of one application name's family: ours, in this database, but not this very one.
SELECT pid, state, application_name
FROM pg_catalog.pg_stat_activity
WHERE datname = pg_catalog.current_database()
  AND usename = current_user
  AND pid <> pg_catalog.pg_backend_pid()
  AND pg_catalog.left(application_name, pg_catalog.length(%(prefix)s)) = %(prefix)s;

-- name: end_backends
-- End them; a role may end its own connections.
SELECT pid, pg_catalog.pg_terminate_backend(pid) AS signalled
FROM pg_catalog.pg_stat_activity
WHERE datname = pg_catalog.current_database()
  AND usename = current_user
  AND pid <> pg_catalog.pg_backend_pid()
  AND pg_catalog.left(application_name, pg_catalog.length(%(prefix)s)) = %(prefix)s;

-- name: blocked
-- A row while that connection waits for a lock.
SELECT pid FROM pg_catalog.pg_stat_activity WHERE pid = %(pid)s AND wait_event_type = 'Lock';

-- name: lease
-- Who holds the advisory lock of that key in this database, and for how many seconds its connection has been there.
SELECT a.pid, a.application_name::text AS name,
       pg_catalog.round(extract(epoch FROM pg_catalog.clock_timestamp() - a.backend_start))::int AS seconds
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %(classid)s::int::oid AND l.objid = %(objid)s::int::oid
  AND l.objsubid = 2
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database());

-- name: rehearsals
-- The copies of a database that nobody is connected to: what a killed rehearsal left, known by its name or,
-- if it was made by an older version, by its comment.
SELECT d.datname::text AS name
FROM pg_catalog.pg_database d
LEFT JOIN pg_catalog.pg_shdescription c ON c.objoid = d.oid AND c.classoid = 'pg_catalog.pg_database'::regclass
WHERE (pg_catalog.left(d.datname, pg_catalog.length(%(own)s)) = %(own)s
       OR (pg_catalog.left(d.datname, pg_catalog.length(%(prefix)s)) = %(prefix)s AND c.description = %(note)s))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid);
