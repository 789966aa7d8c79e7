-- What the enum doctor asks of the catalog. Each block also runs by hand in psql once its
-- %(placeholders)s are filled in. Sources: PostgreSQL documentation, "System Catalogs".

-- name: enum_types
-- Every enum type of the database with its labels in their sort order.
SELECT n.nspname::text AS schema,
       t.typname::text AS name,
       t.oid::bigint AS oid,
       pg_catalog.pg_has_role(t.typowner, 'USAGE') AS owned,
       pg_catalog.pg_get_userbyid(t.typowner)::text AS owner,
       ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e
             WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype = 'e' AND n.nspname NOT LIKE 'pg\_temp\_%'
ORDER BY n.nspname, t.typname;

-- name: enum_columns
-- The columns that hold values of an enum type: directly, through domains, arrays, composites, ranges.
-- "plain" and "array" can be asked for a label; "buried" ones (composites, ranges) cannot.
WITH RECURSIVE carrier (enum, type, shape) AS (
    SELECT t.oid, t.oid, 'plain' FROM pg_catalog.pg_type t WHERE t.oid = ANY (%(oids)s::bigint[]::oid[])
    UNION
    SELECT c.enum, u.type, u.shape
    FROM carrier c
    CROSS JOIN LATERAL (
        SELECT d.oid, c.shape FROM pg_catalog.pg_type d WHERE d.typtype = 'd' AND d.typbasetype = c.type
        UNION ALL
        SELECT a.oid, CASE c.shape WHEN 'plain' THEN 'array' ELSE 'buried' END
        FROM pg_catalog.pg_type a WHERE a.typelem = c.type AND a.typcategory = 'A'
        UNION ALL
        SELECT r.rngtypid, 'buried' FROM pg_catalog.pg_range r WHERE r.rngsubtype = c.type
        UNION ALL
        SELECT m.rngmultitypid, 'buried' FROM pg_catalog.pg_range m WHERE m.rngtypid = c.type
        UNION ALL
        SELECT s.reltype, 'buried' FROM pg_catalog.pg_attribute f
        JOIN pg_catalog.pg_class s ON s.oid = f.attrelid
        WHERE f.atttypid = c.type AND f.attnum > 0 AND NOT f.attisdropped AND s.reltype <> 0
    ) AS u (type, shape)
)
SELECT k.enum::bigint AS oid,
       n.nspname::text AS schema,
       r.relname::text AS table,
       a.attname::text AS column,
       k.shape AS shape,
       coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), pg_catalog.pg_get_expr(y.typdefaultbin, 0)) AS default_text
FROM carrier k
JOIN pg_catalog.pg_attribute a ON a.atttypid = k.type AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_class r ON r.oid = a.attrelid AND r.relkind IN ('r', 'p', 'm', 'f')
    AND r.relispopulated
JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE NOT r.relispartition AND r.relpersistence <> 't'
ORDER BY k.enum, n.nspname, r.relname, a.attnum;

-- name: enum_fingerprint
-- What a rename must leave as it was: each label's oid and place, and the file of every table that
-- has a column of these types and of its indexes. %(types)s is an array of type names.
SELECT pg_catalog.concat_ws('|',
    (SELECT pg_catalog.md5(pg_catalog.string_agg(
                pg_catalog.concat_ws(':', e.enumtypid, e.oid, e.enumsortorder), ',' ORDER BY e.oid))
     FROM pg_catalog.pg_enum e
     WHERE e.enumtypid = ANY (%(types)s::regtype[])),
    (SELECT pg_catalog.md5(pg_catalog.string_agg(
                pg_catalog.concat_ws(':', f.oid, pg_catalog.pg_relation_filenode(f.oid)), ',' ORDER BY f.oid))
     FROM (SELECT a.attrelid AS oid
           FROM pg_catalog.pg_attribute a
           JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
           WHERE t.oid = ANY (%(types)s::regtype[]) OR t.typelem = ANY (%(types)s::regtype[])) AS holder
     CROSS JOIN LATERAL (SELECT holder.oid
                         UNION
                         SELECT i.indexrelid FROM pg_catalog.pg_index i WHERE i.indrelid = holder.oid) AS f)
) AS fingerprint;
