-- What the enum doctor asks of the catalog. Each block also runs by hand in psql once its
-- %(placeholders)s are filled in. Sources: PostgreSQL documentation, "System Catalogs".

-- name: enum_types
-- Every enum type of the database with its labels in their sort order.
SELECT n.nspname::pg_catalog.text AS schema,
       t.typname::pg_catalog.text AS name,
       t.oid::bigint AS oid,
       pg_catalog.pg_has_role(t.typowner, 'USAGE') AS owned,
       pg_catalog.pg_get_userbyid(t.typowner)::pg_catalog.text AS owner,
       ARRAY(SELECT e.enumlabel::pg_catalog.text FROM pg_catalog.pg_enum e
             WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype = 'e' AND n.nspname NOT LIKE 'pg\_temp\_%'
ORDER BY n.nspname, t.typname;

-- name: carriers
-- The types that carry values of these enums: themselves, domains over them, arrays, ranges, composites and rows.
-- Asked once and handed to the other questions: the planner takes a recursion for far bigger than it is.
-- A table's row is one only where something holds or takes such rows: else each table would be one.
WITH RECURSIVE used (type) AS MATERIALIZED (
    SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT d.typbasetype FROM pg_catalog.pg_type d WHERE d.typtype = 'd'
    UNION
    SELECT pg_catalog.unnest(p.proargtypes::pg_catalog.oid[]) FROM pg_catalog.pg_proc p WHERE p.oid >= 16384
),
edge (below, above, step) AS MATERIALIZED (
    SELECT d.typbasetype, d.oid, 'domain' FROM pg_catalog.pg_type d WHERE d.typtype = 'd'
    UNION ALL
    SELECT a.typelem, a.oid, 'array' FROM pg_catalog.pg_type a WHERE a.typcategory = 'A' AND a.oid >= 16384
    UNION ALL
    SELECT r.rngsubtype, r.rngtypid, 'buried' FROM pg_catalog.pg_range r
    UNION ALL  -- from 14 on; as JSON, for older servers have no such column
    SELECT m.rngtypid, (pg_catalog.to_jsonb(m) ->> 'rngmultitypid')::pg_catalog.oid, 'buried' FROM pg_catalog.pg_range m
    WHERE pg_catalog.to_jsonb(m) ? 'rngmultitypid'
    UNION ALL
    SELECT f.atttypid, s.reltype, 'buried' FROM pg_catalog.pg_attribute f
    JOIN pg_catalog.pg_class s ON s.oid = f.attrelid
    WHERE f.attrelid >= 16384 AND f.attnum > 0 AND NOT f.attisdropped
      AND s.reltype IN (SELECT u.type FROM used u UNION ALL
                        SELECT t.typelem FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.type AND t.typcategory = 'A')
),
carrier (enum, type, shape) AS (
    SELECT t.oid, t.oid, 'plain' FROM pg_catalog.pg_type t WHERE t.oid = ANY (%(oids)s::bigint[]::pg_catalog.oid[])
    UNION
    SELECT c.enum, e.above, CASE e.step WHEN 'domain' THEN c.shape
                                        WHEN 'array' THEN CASE c.shape WHEN 'plain' THEN 'array' ELSE 'buried' END
                                        ELSE 'buried' END
    FROM carrier c JOIN edge e ON e.below = c.type
)
SELECT c.enum::bigint AS enum, c.type::bigint AS type, c.shape FROM carrier c ORDER BY 1, 2, 3;

-- name: enum_columns
-- The columns that hold values of an enum type: directly, through domains, arrays, composites, ranges.
-- "plain" and "array" can be asked for a label; "buried" ones (composites, ranges) cannot. Looked at `closely` they
-- come with their default and with who may read and write them, which costs the most.
WITH carrier (enum, type, shape) AS MATERIALIZED (
    SELECT * FROM ROWS FROM (pg_catalog.unnest(%(enums)s::bigint[]::pg_catalog.oid[]),
        pg_catalog.unnest(%(types)s::bigint[]::pg_catalog.oid[]), pg_catalog.unnest(%(shapes)s::pg_catalog.text[]))
)
SELECT k.enum::bigint AS oid,
       n.nspname::pg_catalog.text AS schema,
       r.relname::pg_catalog.text AS table,
       a.attname::pg_catalog.text AS column,
       k.shape AS shape,
       r.oid::bigint AS relation,
       r.relkind::pg_catalog.text AS relkind,
       a.attgenerated <> '' AS generated,
       c.*
FROM carrier k
JOIN pg_catalog.pg_attribute a ON a.atttypid = k.type AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_class r ON r.oid = a.attrelid AND r.relkind IN ('r', 'p', 'm', 'f')
    AND r.relispopulated
JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
LEFT JOIN LATERAL (
    SELECT d.adbin IS NOT NULL AS own_default,
           pg_catalog.has_column_privilege(r.oid, a.attnum, 'SELECT') AS readable,
           pg_catalog.row_security_active(r.oid) AS hides_rows,
           pg_catalog.pg_has_role(r.relowner, 'USAGE') AS owned,
           pg_catalog.pg_get_userbyid(r.relowner)::pg_catalog.text AS owner,
           pg_catalog.format_type(a.atttypid, NULL) AS type,
           coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid),
                    pg_catalog.pg_get_expr(y.typdefaultbin, 0)) AS default_text
    FROM (SELECT) AS one
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
) AS c ON %(closely)s::pg_catalog.bool
WHERE NOT r.relispartition AND r.relpersistence <> 't'
ORDER BY k.enum, n.nspname, r.relname, a.attnum;

-- name: enum_fingerprint
-- What a rename must leave as it was: each label's oid and place, and the file of every table that
-- has a column of these types and of its indexes. %(types)s is an array of type names.
SELECT pg_catalog.concat_ws('|',
    (SELECT pg_catalog.md5(pg_catalog.string_agg(
                pg_catalog.concat_ws(':', e.enumtypid, e.oid, e.enumsortorder), ',' ORDER BY e.oid))
     FROM pg_catalog.pg_enum e
     WHERE e.enumtypid = ANY (%(types)s::pg_catalog.regtype[])),
    (SELECT pg_catalog.md5(pg_catalog.string_agg(
                pg_catalog.concat_ws(':', f.oid, pg_catalog.pg_relation_filenode(f.oid)), ',' ORDER BY f.oid))
     FROM (SELECT a.attrelid AS oid
           FROM pg_catalog.pg_attribute a
           JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
           WHERE t.oid = ANY (%(types)s::pg_catalog.regtype[]) OR t.typelem = ANY (%(types)s::pg_catalog.regtype[])) AS holder
     CROSS JOIN LATERAL (SELECT holder.oid
                         UNION
                         SELECT i.indexrelid FROM pg_catalog.pg_index i WHERE i.indrelid = holder.oid) AS f)
) AS fingerprint;

-- name: enum_constants
-- Every object that holds a constant of these types (or of a carrier of them): such an object is bound to a
-- label by oid. Sources: "pg_depend"; a constant depends on its type. Partition bounds have no such entry.
WITH carrier (enum, type) AS MATERIALIZED (
    SELECT * FROM ROWS FROM (pg_catalog.unnest(%(enums)s::bigint[]::pg_catalog.oid[]), pg_catalog.unnest(%(types)s::bigint[]::pg_catalog.oid[]))
),
holder (enum, class, object) AS (
    SELECT DISTINCT c.enum, d.classid, d.objid
    FROM carrier c
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid = c.type
)
SELECT h.enum::bigint AS oid,
       pg_catalog.pg_describe_object(h.class, h.object, 0) AS object,
       e.definition AS definition
FROM holder h
CROSS JOIN LATERAL (
    SELECT pg_catalog.pg_get_ruledef(h.object) WHERE h.class = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    UNION ALL
    SELECT pg_catalog.pg_get_constraintdef(h.object) WHERE h.class = 'pg_catalog.pg_constraint'::pg_catalog.regclass
    UNION ALL
    SELECT pg_catalog.pg_get_triggerdef(h.object) WHERE h.class = 'pg_catalog.pg_trigger'::pg_catalog.regclass
    UNION ALL
    SELECT pg_catalog.pg_get_indexdef(i.indexrelid) FROM pg_catalog.pg_index i
    WHERE h.class = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.indexrelid = h.object
    UNION ALL
    SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE h.class = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.oid = h.object AND a.attgenerated <> ''
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
                                pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_catalog.pg_policy p WHERE h.class = 'pg_catalog.pg_policy'::pg_catalog.regclass AND p.oid = h.object
    UNION ALL
    SELECT pg_catalog.pg_get_functiondef(f.oid) FROM pg_catalog.pg_proc f
    WHERE h.class = 'pg_catalog.pg_proc'::pg_catalog.regclass AND f.oid = h.object AND f.prokind IN ('f', 'p')
) AS e (definition)
UNION ALL
SELECT c.enum::bigint, 'partition ' || b.oid::pg_catalog.regclass::pg_catalog.text, pg_catalog.pg_get_expr(b.relpartbound, b.oid)
FROM carrier c
JOIN pg_catalog.pg_attribute a ON a.atttypid = c.type AND NOT a.attisdropped
JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = a.attrelid AND a.attnum = ANY (p.partattrs)
JOIN pg_catalog.pg_inherits i ON i.inhparent = p.partrelid
JOIN pg_catalog.pg_class b ON b.oid = i.inhrelid;

-- name: tables
-- What an UPDATE of these tables has to mind: a key to find a row again, the triggers that would fire (also
-- those of partitions and other heirs), and unique indexes; `foreign` is what their condition would run as this role,
-- and neither a superuser nor this role has written.
WITH RECURSIVE tree (root, relation) AS (
    SELECT r.oid, r.oid FROM pg_catalog.pg_class r WHERE r.oid = ANY (%(relations)s::bigint[]::pg_catalog.oid[])
    UNION
    SELECT t.root, i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.relation
)
SELECT r.oid::bigint AS relation,
       pg_catalog.has_table_privilege(r.oid, 'UPDATE') AS updatable,
       coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                            'column', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
                            'equal', coalesce((
                                -- The index's own: an operator of that name may be none of the system's.
                                SELECT CASE WHEN o.oid < 16384 THEN '=' ELSE pg_catalog.format(
                                    'OPERATOR(%%I.%%s)', n.nspname, o.oprname) END
                                FROM pg_catalog.pg_opclass c
                                JOIN pg_catalog.pg_amop s ON s.amopfamily = c.opcfamily AND s.amopstrategy = 3
                                    AND s.amoplefttype = c.opcintype AND s.amoprighttype = c.opcintype
                                JOIN pg_catalog.pg_operator o ON o.oid = s.amopopr
                                JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
                                WHERE c.oid = k.class), '='))
                            ORDER BY k.place)
                 FROM (SELECT i.indkey, i.indclass FROM pg_catalog.pg_index i
                       WHERE i.indrelid = r.oid AND i.indisunique AND i.indimmediate AND i.indisvalid
                         AND i.indpred IS NULL AND NOT 0 = ANY (i.indkey)
                         AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute n
                                         WHERE n.attrelid = r.oid AND n.attnum = ANY (i.indkey)
                                           AND NOT n.attnotnull)
                       ORDER BY i.indisprimary DESC, i.indnatts, i.indexrelid LIMIT 1) AS i
                 CROSS JOIN LATERAL ROWS FROM (
                     pg_catalog.unnest(i.indkey::pg_catalog.int2[]), pg_catalog.unnest(i.indclass::pg_catalog.oid[]))
                     WITH ORDINALITY AS k (attnum, class, place)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum = k.attnum
                 WHERE k.class IS NOT NULL), '[]') AS key,
       coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                            'relation', t.tgrelid::pg_catalog.regclass::pg_catalog.text, 'name', t.tgname, 'enabled', t.tgenabled::pg_catalog.text)
                            ORDER BY t.tgrelid, t.tgname)
                 FROM tree h
                 JOIN pg_catalog.pg_trigger t ON t.tgrelid = h.relation
                 WHERE h.root = r.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'), '[]') AS triggers,
       coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                            'name', i.indexrelid::pg_catalog.regclass::pg_catalog.text,
                            'columns', (SELECT pg_catalog.jsonb_agg(a.attname ORDER BY k.place)
                                        FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (attnum, place)
                                        JOIN pg_catalog.pg_attribute a
                                          ON a.attrelid = r.oid AND a.attnum = k.attnum
                                        WHERE k.place <= i.indnkeyatts),
                            'foreign', (SELECT pg_catalog.min(pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0)
                                                              || ' of ' || w.rolname)
                                        FROM pg_catalog.pg_depend d
                                        LEFT JOIN pg_catalog.pg_proc p ON p.oid = d.refobjid
                                             AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                                        LEFT JOIN pg_catalog.pg_operator o ON o.oid = d.refobjid
                                             AND d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass
                                        LEFT JOIN pg_catalog.pg_type t ON t.oid = d.refobjid AND t.typtype = 'd'
                                             AND d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass
                                        JOIN pg_catalog.pg_roles w ON w.oid IN (p.proowner, o.oprowner, t.typowner)
                                        JOIN pg_catalog.pg_roles me ON me.rolname = current_user
                                        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                                          AND d.objid = i.indexrelid AND i.indpred IS NOT NULL
                                          AND NOT w.rolsuper AND w.oid <> me.oid
                                          AND (me.rolsuper OR NOT pg_catalog.pg_has_role(w.oid, 'USAGE'))),
                            'where', pg_catalog.pg_get_expr(i.indpred, i.indrelid)))
                 FROM pg_catalog.pg_index i
                 WHERE i.indrelid = r.oid AND i.indisunique AND NOT 0 = ANY (i.indkey)), '[]') AS uniques
FROM pg_catalog.pg_class r
WHERE r.oid = ANY (%(relations)s::bigint[]::pg_catalog.oid[]);

-- name: ledger
-- Whether recover's own tables are there, and whether this role could make them.
SELECT pg_catalog.to_regclass('recover.enum_repairs') IS NOT NULL AS there, current_user::pg_catalog.text AS role,
       -- Named by somebody else's tables, or not to be read by this role.
       EXISTS (SELECT FROM pg_catalog.unnest(ARRAY['recover.enum_repairs', 'recover.kept_rows']) AS n (name)
               JOIN pg_catalog.pg_class r ON r.oid = pg_catalog.to_regclass(n.name)
               WHERE NOT pg_catalog.has_table_privilege(r.oid, 'SELECT, INSERT, UPDATE, DELETE')
                  OR NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = r.oid AND NOT a.attisdropped
                                 AND a.attname IN ('rows_written', 'was'))) AS foreign,
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
           OR coalesce((SELECT pg_catalog.has_schema_privilege(n.oid, 'CREATE') FROM pg_catalog.pg_namespace n
                        WHERE n.nspname = 'recover'), false) AS possible;

-- name: around
-- What else has to be minded when labels change: other sessions (their cached plans go on with the old
-- labels), prepared transactions (they hold locks without a process), logical replication out and in.
SELECT 'session' AS kind,
       coalesce(nullif(a.application_name, ''), 'unnamed') || ' (' || coalesce(a.usename::pg_catalog.text, '?') || ')' AS name,
       pg_catalog.count(*)::pg_catalog.text AS detail
FROM pg_catalog.pg_stat_activity a
WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid()
  AND a.backend_type = 'client backend'
GROUP BY 2
UNION ALL
SELECT 'prepared transaction', p.gid, p.owner::pg_catalog.text FROM pg_catalog.pg_prepared_xacts p
WHERE p.database = pg_catalog.current_database()
UNION ALL
SELECT 'replication slot', s.slot_name::pg_catalog.text, coalesce(s.plugin::pg_catalog.text, '') FROM pg_catalog.pg_replication_slots s
WHERE s.slot_type = 'logical' AND s.database = pg_catalog.current_database()
UNION ALL
SELECT 'subscription', s.subname::pg_catalog.text, '' FROM pg_catalog.pg_subscription s
JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE d.datname = pg_catalog.current_database()
ORDER BY 1, 2;

-- name: blockers
-- Who holds a lock that an ALTER TYPE of these types, or a change of these tables, would wait for.
SELECT l.pid, a.application_name::pg_catalog.text AS application, a.usename::pg_catalog.text AS role, a.state,
       pg_catalog.date_trunc('second', pg_catalog.now() - a.xact_start)::pg_catalog.text AS age,
       pg_catalog.left(a.query, 200) AS query
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
  AND ((l.locktype = 'object' AND l.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND l.objid IN (SELECT t::pg_catalog.regtype FROM pg_catalog.unnest(%(types)s::pg_catalog.text[]) AS t)
        AND l.mode NOT IN ('AccessShareLock', 'RowShareLock'))
       OR (l.locktype = 'relation' AND l.relation IN (SELECT r::pg_catalog.regclass FROM pg_catalog.unnest(%(relations)s::pg_catalog.text[]) AS r)
           AND l.mode IN ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock',
                          'ExclusiveLock', 'AccessExclusiveLock')))
ORDER BY a.xact_start NULLS FIRST;

-- name: casts
-- The casts of these types whose function neither a superuser nor this role has written. Wherever a value is cast it
-- is run as this role, whatever the search_path.
SELECT t.name, c.castsource::pg_catalog.regtype::pg_catalog.text AS source,
       c.casttarget::pg_catalog.regtype::pg_catalog.text AS target,
       p.oid::pg_catalog.regprocedure::pg_catalog.text AS function, w.rolname::pg_catalog.text AS owner
FROM pg_catalog.unnest(%(types)s::pg_catalog.text[]) AS t (name)
JOIN pg_catalog.pg_type y ON y.oid = pg_catalog.to_regtype(t.name)
JOIN pg_catalog.pg_cast c ON c.castsource IN (y.oid, y.typarray) OR c.casttarget IN (y.oid, y.typarray)
JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc
JOIN pg_catalog.pg_roles w ON w.oid = p.proowner AND NOT w.rolsuper
JOIN pg_catalog.pg_roles me ON me.rolname = current_user AND w.oid <> me.oid
WHERE me.rolsuper OR NOT pg_catalog.pg_has_role(w.oid, 'USAGE')
ORDER BY 1, 2, 3;

-- name: done
-- The renames of repairs that were made here and not taken back.
SELECT r.type, r.old, r.new
FROM recover.enum_repairs e
CROSS JOIN LATERAL pg_catalog.jsonb_to_recordset(e.renames) AS r (type pg_catalog.text, old pg_catalog.text, new pg_catalog.text)
WHERE e.undone_at IS NULL
ORDER BY e.made_at, r.type;

-- name: repairs
-- The repairs that can be taken back, the latest first, and whether a later one was.
SELECT e.id, e.made_at::pg_catalog.text AS made_at, e.labels_after, e.undo, e.locked,
       EXISTS (SELECT FROM recover.enum_repairs l WHERE l.undone_at IS NOT NULL AND l.made_at > e.made_at) AS older
FROM recover.enum_repairs e
WHERE e.undone_at IS NULL
ORDER BY e.made_at DESC;

-- name: standing
-- The repairs made by that plan that were not taken back.
SELECT e.id FROM recover.enum_repairs e WHERE e.plan = %(plan)s AND e.undone_at IS NULL;

-- name: text_columns
-- The named columns (schema.table.column), whether they hold text, whether a plain index leads with one, and the
-- checks that are about one alone.
SELECT n.nspname::pg_catalog.text AS schema,
       r.relname::pg_catalog.text AS table,
       a.attname::pg_catalog.text AS column,
       r.oid::bigint AS relation,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       CASE WHEN t.typtype = 'e' THEN pg_catalog.format('"%%s"."%%s"', pg_catalog.replace(e.nspname, '"', '""'),
                                                        pg_catalog.replace(t.typname, '"', '""')) ELSE '' END AS enum,
       greatest(r.reltuples, 0)::bigint AS rows,
       ARRAY(SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, 0) FROM pg_catalog.pg_depend d
             WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = r.oid AND d.refobjsubid = a.attnum
               AND (d.classid IN ('pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass,
                                  'pg_catalog.pg_trigger'::pg_catalog.regclass)
                    OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
                               AND k.oid = d.objid AND k.contype IN ('c', 'f', 'x')))) AS bound,
       t.typcategory = 'S' AND t.typtype = 'b' AND r.relkind IN ('r', 'p') AS textual,
       EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
               JOIN pg_catalog.pg_am m ON m.oid = x.relam
               WHERE i.indrelid = r.oid AND i.indkey[0] = a.attnum AND i.indpred IS NULL AND i.indisvalid
                 AND m.amname = 'btree' AND e.nspname = 'pg_catalog') AS indexed,
       pg_catalog.pg_has_role(r.relowner, 'USAGE') AS owned,
       pg_catalog.pg_get_userbyid(r.relowner)::pg_catalog.text AS owner,
       pg_catalog.has_column_privilege(r.oid, a.attnum, 'SELECT') AS readable,
       pg_catalog.row_security_active(r.oid) AS hides_rows,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS default_text,
       coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                            'name', c.conname, 'definition', pg_catalog.pg_get_constraintdef(c.oid),
                            'validated', c.convalidated) ORDER BY c.conname)
                 FROM pg_catalog.pg_constraint c
                 WHERE c.conrelid = r.oid AND c.contype = 'c' AND c.conkey = ARRAY[a.attnum]), '[]') AS checks
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class r ON r.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_namespace e ON e.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = ''
WHERE a.attnum > 0 AND NOT a.attisdropped
  AND n.nspname || '.' || r.relname || '.' || a.attname = ANY (%(names)s::pg_catalog.text[]);

-- name: bridges
-- The triggers that map old labels on write; the comment of each one's function says what it maps.
SELECT t.tgrelid::pg_catalog.regclass::pg_catalog.text AS table, t.tgname::pg_catalog.text AS trigger, p.oid::pg_catalog.regproc::pg_catalog.text AS function,
       pg_catalog.pg_get_triggerdef(t.oid) AS trigger_sql, pg_catalog.pg_get_functiondef(p.oid) AS function_sql,
       pg_catalog.obj_description(p.oid, 'pg_proc') AS comment
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'recover'
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid AND NOT c.relispartition
WHERE pg_catalog.left(t.tgname, 16) = '_recover_bridge_' AND NOT t.tgisinternal
ORDER BY 1, 2;

-- name: sql_functions
-- Every function in SQL with a text body: its validator tells whether it still works.
SELECT p.oid::pg_catalog.regprocedure::pg_catalog.text AS name
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_language l ON l.oid = p.prolang AND l.lanname = 'sql'
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'recover') AND p.prosrc <> ''
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
                  AND d.deptype = 'e')
ORDER BY 1;

-- name: guesses
-- How many rows of big tables hold a label, as the planner's statistics have it ("pg_stats", most_common_vals).
SELECT r.oid::bigint AS relation, s.attname::pg_catalog.text AS column, v.label,
       greatest(1, (v.frequency * r.reltuples))::bigint AS rows
FROM pg_catalog.pg_class r
JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
JOIN pg_catalog.pg_stats s ON s.schemaname = n.nspname AND s.tablename = r.relname AND s.inherited = (r.relkind = 'p')
CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(s.most_common_vals::pg_catalog.text::pg_catalog.text[]),
                              pg_catalog.unnest(s.most_common_freqs)) AS v (label, frequency)
WHERE r.oid = ANY (%(relations)s::bigint[]::pg_catalog.oid[]) AND r.reltuples >= %(least)s::int
  AND v.label = ANY (%(labels)s::pg_catalog.text[]);
