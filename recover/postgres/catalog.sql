-- Every question recover asks of PostgreSQL's catalog. Each block also runs by hand in psql
-- once its %(placeholders)s are filled in. Sources: PostgreSQL documentation, "System Catalogs".

-- name: identity
-- Which cluster and database this is: the run is bound to the answer.
SELECT (SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()) AS system_identifier,
       pg_catalog.current_database()::pg_catalog.text AS database,
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

-- name: holders
-- Who holds the advisory lock of that key in this database, strangers first. A prepared transaction has no backend
-- and holds the lock all the same. Without pg_read_all_stats address and times of other roles' backends are NULL.
SELECT l.pid, coalesce(x.gid, '') AS prepared, coalesce(r.rolname::pg_catalog.text, '') AS role,
       me.rolname::pg_catalog.text AS me, coalesce(r.rolsuper, false) AS superuser,
       coalesce(r.rolsuper OR r.oid = me.oid OR pg_catalog.pg_has_role(r.oid, me.oid, 'MEMBER')
                OR (NOT me.rolsuper AND pg_catalog.pg_has_role(me.oid, r.oid, 'MEMBER')), false) AS ours,
       coalesce(pg_catalog.host(a.client_addr), CASE WHEN a.backend_start IS NOT NULL THEN 'this server' END) AS address,
       pg_catalog.round(extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(a.backend_start, x.prepared)))::int
           AS seconds,
       coalesce(a.application_name, '')::pg_catalog.text AS claim
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_roles me ON me.rolname = current_user
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_catalog.pg_prepared_xacts x ON l.pid IS NULL AND l.virtualtransaction = '-1/' || x.transaction::pg_catalog.text
LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid OR r.rolname = x.owner
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %(classid)s::int::pg_catalog.oid
  AND l.objid = %(objid)s::int::pg_catalog.oid AND l.objsubid = %(objsubid)s::int
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
ORDER BY 6, 8 DESC NULLS FIRST;

-- name: rehearsals
-- The copies of a database that nobody is connected to: what a killed rehearsal left, known by its name or,
-- if it was made by an older version, by its comment.
SELECT d.datname::pg_catalog.text AS name
FROM pg_catalog.pg_database d
LEFT JOIN pg_catalog.pg_shdescription c ON c.objoid = d.oid AND c.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass
WHERE (pg_catalog.left(d.datname, pg_catalog.length(%(own)s)) = %(own)s
       OR (pg_catalog.left(d.datname, pg_catalog.length(%(prefix)s)) = %(prefix)s AND c.description = %(note)s))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid);

-- name: foreign_code
-- What writing rows of these tables, or for NULL copying those of all, would run as this superuser though a lesser
-- role has written it: in checks, domains, generated columns, keys of partitions, indexes and rules. The server's own
-- volatile functions are among it, since some of them run SQL (query_to_xml). Sources: pg_node_tree names functions and
-- operators by oid; an operator class, which MinMax and its like use, is a superuser's.
WITH held (class, object, owner, tree) AS (
    SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid, coalesce(r.relowner, t.typowner),
           k.conbin::pg_catalog.text
    FROM pg_catalog.pg_constraint k
    LEFT JOIN pg_catalog.pg_class r ON r.oid = k.conrelid
    LEFT JOIN pg_catalog.pg_type t ON t.oid = k.contypid
    WHERE k.conbin IS NOT NULL
      AND (k.conrelid = ANY (%(relations)s::bigint[]::pg_catalog.oid[])
           OR (k.conrelid <> 0 AND %(relations)s::bigint[] IS NULL)
           OR EXISTS (  -- a domain that a column, an expression, a composite or another domain is made of
               SELECT FROM pg_catalog.pg_depend d
               LEFT JOIN pg_catalog.pg_class u
                    ON u.oid = d.objid AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
               LEFT JOIN pg_catalog.pg_constraint c
                    ON c.oid = d.objid AND d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
               WHERE d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid IN (t.oid, t.typarray)
                 AND (u.relkind = 'c' OR u.oid = ANY (%(relations)s::bigint[]::pg_catalog.oid[])
                      OR (u.oid IS NOT NULL AND %(relations)s::bigint[] IS NULL) OR c.conrelid <> 0
                      OR d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
                      OR (d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid <> t.typarray))))
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, r.oid, r.relowner, e.tree
    FROM pg_catalog.pg_class r
    CROSS JOIN LATERAL (
        SELECT d.adbin::pg_catalog.text
        FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
        WHERE d.adrelid = r.oid AND a.attgenerated <> ''
        UNION ALL
        SELECT pg_catalog.concat(i.indexprs, i.indpred) FROM pg_catalog.pg_index i WHERE i.indrelid = r.oid
        UNION ALL
        SELECT p.partexprs::pg_catalog.text FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid = r.oid
        UNION ALL
        SELECT pg_catalog.concat(w.ev_qual, w.ev_action) FROM pg_catalog.pg_rewrite w
        WHERE w.ev_class = r.oid AND w.ev_type <> '1' AND %(relations)s::bigint[] IS NOT NULL
    ) AS e (tree)
    WHERE r.relkind IN ('r', 'p') AND r.oid >= 16384
      AND (r.oid = ANY (%(relations)s::bigint[]::pg_catalog.oid[]) OR %(relations)s::bigint[] IS NULL)
)
SELECT DISTINCT pg_catalog.pg_describe_object(h.class, h.object, 0) AS object, o.rolname::pg_catalog.text AS owner,
       p.oid::pg_catalog.regprocedure::pg_catalog.text AS function
FROM held h
JOIN pg_catalog.pg_roles o ON o.oid = h.owner AND NOT o.rolsuper
JOIN pg_catalog.pg_roles me ON me.rolname = current_user AND me.rolsuper
CROSS JOIN LATERAL pg_catalog.regexp_matches(h.tree, ':(funcid|opno) (\d+)', 'g') AS f (found)
LEFT JOIN pg_catalog.pg_operator x ON f.found[1] = 'opno' AND x.oid = f.found[2]::pg_catalog.oid
JOIN pg_catalog.pg_proc p ON p.oid = coalesce(x.oprcode::pg_catalog.oid, f.found[2]::pg_catalog.oid)
JOIN pg_catalog.pg_roles w ON w.oid = p.proowner
WHERE NOT w.rolsuper OR p.provolatile = 'v'
ORDER BY 1, 2, 3;

-- name: lock_waits
-- Who waits for a lock in this database, since when, and for whom (PostgreSQL documentation, pg_blocking_pids).
SELECT w.pid, pg_catalog.round(extract(epoch FROM pg_catalog.clock_timestamp() - w.query_start))::int AS waits,
       w.query::pg_catalog.text AS query, b.pid AS blocker, b.state::pg_catalog.text AS state, b.application_name::pg_catalog.text AS application,
       b.usename::pg_catalog.text AS role, b.query::pg_catalog.text AS blocker_query,
       pg_catalog.round(extract(epoch FROM pg_catalog.clock_timestamp() - b.xact_start))::int AS age
FROM pg_catalog.pg_stat_activity w
CROSS JOIN LATERAL pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) AS by(pid)
JOIN pg_catalog.pg_stat_activity b ON b.pid = by.pid
WHERE w.wait_event_type = 'Lock' AND w.datname = pg_catalog.current_database()
ORDER BY waits DESC;

-- name: idle_holders
-- Transactions that do nothing and hold a lock which keeps readers out of a table.
SELECT a.pid, a.application_name::pg_catalog.text AS application, a.usename::pg_catalog.text AS role, a.query::pg_catalog.text AS query,
       pg_catalog.round(extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change))::int AS age,
       pg_catalog.string_agg(DISTINCT l.relation::pg_catalog.regclass::pg_catalog.text, ', ') AS tables
FROM pg_catalog.pg_stat_activity a
JOIN pg_catalog.pg_locks l ON l.pid = a.pid AND l.granted AND l.mode = 'AccessExclusiveLock' AND l.relation >= 16384
WHERE a.state LIKE 'idle in transaction%' AND a.datname = pg_catalog.current_database()
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
GROUP BY a.pid, a.application_name, a.usename, a.query, a.state_change;

-- name: databases
-- The databases of this cluster that can be connected to.
SELECT datname::pg_catalog.text AS name FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1;
