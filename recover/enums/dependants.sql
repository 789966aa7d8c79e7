-- What is bound to an enum type: by oid (it follows a rename) or by text (it breaks). Each block also runs by hand
-- in psql once its %(placeholders)s are filled in. Sources: PostgreSQL documentation, "System Catalogs", pg_depend.

-- name: spelled
-- How the server spells the types in the definitions that it gives to this session.
SELECT t.oid::bigint AS oid, pg_catalog.format_type(t.oid, NULL) AS spelled
FROM pg_catalog.pg_type t WHERE t.oid = ANY (%(oids)s::bigint[]::pg_catalog.oid[]);

-- name: made
-- Columns of text that views made of columns of these types (or of one another), to judge by their names.
WITH RECURSIVE made (enum, relation, number, name) AS (
    SELECT c.enum, a.attrelid, a.attnum, a.attname
    FROM ROWS FROM (pg_catalog.unnest(%(enums)s::bigint[]::pg_catalog.oid[]), pg_catalog.unnest(%(types)s::bigint[]::pg_catalog.oid[]))
        AS c (enum, type)
    JOIN pg_catalog.pg_attribute a ON a.atttypid = c.type AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT m.enum, a.attrelid, a.attnum, a.attname
    FROM made m
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = m.relation
        AND d.refobjsubid = m.number AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND r.rulename = '_RETURN'
    JOIN pg_catalog.pg_attribute a ON a.attrelid = r.ev_class AND a.attname = m.name
        AND a.atttypid IN ('pg_catalog.text'::pg_catalog.regtype, 'pg_catalog.varchar'::pg_catalog.regtype,
                       'pg_catalog.bpchar'::pg_catalog.regtype)
)
SELECT m.enum::bigint AS enums, m.relation::bigint AS relations, m.number::bigint AS numbers, m.name::pg_catalog.text AS names
FROM made m JOIN pg_catalog.pg_attribute a ON a.attrelid = m.relation AND a.attnum = m.number
WHERE a.atttypid IN ('pg_catalog.text'::pg_catalog.regtype, 'pg_catalog.varchar'::pg_catalog.regtype,
                       'pg_catalog.bpchar'::pg_catalog.regtype);

-- name: definitions
-- Every object that depends on a column of these types and whose definition, as the server spells it, holds one of
-- the labels. `names` are the columns of the type that it uses, `others` its other columns of the same names, `made`
-- texts of that name that views made of it, `texts` its columns of text in tables.
WITH carrier (enum, type) AS MATERIALIZED (
    SELECT * FROM ROWS FROM (pg_catalog.unnest(%(enums)s::bigint[]::pg_catalog.oid[]), pg_catalog.unnest(%(types)s::bigint[]::pg_catalog.oid[]))
),
field (enum, relation, number, name) AS (
    SELECT c.enum, a.attrelid, a.attnum, a.attname
    FROM carrier c JOIN pg_catalog.pg_attribute a ON a.atttypid = c.type AND a.attnum > 0 AND NOT a.attisdropped
),
made (enum, relation, number, name) AS MATERIALIZED (
    SELECT * FROM ROWS FROM (
        pg_catalog.unnest(%(made_enums)s::bigint[]::pg_catalog.oid[]), pg_catalog.unnest(%(made_relations)s::bigint[]::pg_catalog.oid[]),
        pg_catalog.unnest(%(made_numbers)s::bigint[]::pg_catalog.int2[]), pg_catalog.unnest(%(made_names)s::pg_catalog.text[]::pg_catalog.name[]))
),
held (enum, class, object, names, made) AS (
    SELECT f.enum, d.classid, d.objid,
           coalesce(pg_catalog.array_agg(DISTINCT f.name::pg_catalog.text) FILTER (WHERE f.is_enum), '{}'),
           coalesce(pg_catalog.array_agg(DISTINCT f.name::pg_catalog.text) FILTER (WHERE NOT f.is_enum), '{}')
    FROM (SELECT *, true AS is_enum FROM field UNION SELECT *, false FROM made) AS f
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = f.relation
        AND d.refobjsubid = f.number
    GROUP BY 1, 2, 3
),
defined AS (
    SELECT h.enum, h.class, h.object, h.names, h.made, e.*
    FROM held h
    CROSS JOIN LATERAL (
        SELECT CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END AS kind, n.nspname AS schema,
               c.relname AS name, c.oid AS relation, c.relowner AS role, pg_catalog.pg_get_viewdef(c.oid) AS definition,
               c.reloptions AS options, '' AS more, true AS plain
        FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE h.class = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = h.object AND c.relkind IN ('v', 'm')
            AND r.rulename = '_RETURN'
        UNION ALL
        SELECT 'rule', n.nspname, r.rulename, c.oid, c.relowner, pg_catalog.pg_get_ruledef(r.oid), NULL, '', true
        FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE h.class = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = h.object AND r.rulename <> '_RETURN'
        UNION ALL
        SELECT 'policy', n.nspname, p.polname, c.oid, c.relowner,
               coalesce(pg_catalog.pg_get_expr(p.polqual, p.polrelid), ''), NULL,
               coalesce(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), ''), true
        FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE h.class = 'pg_catalog.pg_policy'::pg_catalog.regclass AND p.oid = h.object
        UNION ALL
        SELECT 'check', n.nspname, k.conname, c.oid, c.relowner, pg_catalog.pg_get_constraintdef(k.oid), NULL,
               coalesce(pg_catalog.obj_description(k.oid, 'pg_constraint'), ''),
               NOT EXISTS (SELECT FROM pg_catalog.pg_constraint i JOIN pg_catalog.pg_inherits b ON b.inhrelid = i.conrelid
                           WHERE i.conname = k.conname AND i.contype = 'c' AND i.coninhcount > 0
                             AND (b.inhparent = c.oid OR b.inhparent IN (
                                  SELECT g.inhrelid FROM pg_catalog.pg_inherits g WHERE g.inhparent = c.oid))
                             AND (i.conislocal OR pg_catalog.obj_description(i.oid, 'pg_constraint') IS NOT NULL))
        FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE h.class = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = h.object AND k.contype = 'c'
            AND k.coninhcount = 0  -- an heir's follows its parent's
        UNION ALL
        SELECT 'trigger', n.nspname, t.tgname, c.oid, c.relowner, pg_catalog.pg_get_triggerdef(t.oid),
               ARRAY[pg_catalog.obj_description(t.oid, 'pg_trigger')],
               t.tgenabled::pg_catalog.text,
               t.tgconstraint = 0 AND c.relkind = 'r'
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend x WHERE x.classid = h.class AND x.objid = t.oid
                               AND x.deptype IN ('x', 'P', 'S'))
        FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE h.class = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND t.oid = h.object AND NOT t.tgisinternal
    ) AS e
    UNION ALL
    SELECT f.enum, 'pg_catalog.pg_attrdef'::pg_catalog.regclass, d.oid, ARRAY[f.name::pg_catalog.text], '{}', 'default', n.nspname, f.name, c.oid, c.relowner,
           pg_catalog.pg_get_expr(d.adbin, d.adrelid), NULL, '', true
    FROM field f JOIN pg_catalog.pg_class c ON c.oid = f.relation AND c.relkind IN ('r', 'p', 'f', 'v')
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = f.relation AND a.attnum = f.number AND a.attgenerated = ''
    JOIN pg_catalog.pg_attrdef d ON d.adrelid = f.relation AND d.adnum = f.number
    UNION ALL
    SELECT c.enum, 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid, ARRAY['value'], '{}', 'domain check', n.nspname, k.conname, t.oid, t.typowner,
           pg_catalog.pg_get_constraintdef(k.oid), NULL, coalesce(pg_catalog.obj_description(k.oid, 'pg_constraint'), ''),
           true
    FROM carrier c JOIN pg_catalog.pg_constraint k ON k.contypid = c.type AND k.contype = 'c'
    JOIN pg_catalog.pg_type t ON t.oid = c.type JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    UNION ALL
    SELECT c.enum, 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, '{}', '{}', 'domain default', n.nspname, t.typname, t.oid,
           t.typowner, pg_catalog.pg_get_expr(t.typdefaultbin, 0), NULL, '', true
    FROM carrier c JOIN pg_catalog.pg_type t ON t.oid = c.type AND t.typdefaultbin IS NOT NULL
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
)
SELECT DISTINCT d.enum::bigint AS oid, d.kind, d.schema::pg_catalog.text, d.name::pg_catalog.text, d.definition, d.options, d.more, d.plain, d.names, d.made,
       CASE WHEN d.kind LIKE 'domain%%' THEN d.relation::pg_catalog.regtype::pg_catalog.text ELSE d.relation::pg_catalog.regclass::pg_catalog.text END AS relation,
       CASE d.kind WHEN 'materialized view' THEN d.relation::bigint END AS place,
       pg_catalog.pg_has_role(d.role, 'USAGE') AS owned,
       pg_catalog.pg_get_userbyid(d.role)::pg_catalog.text AS owner,
       ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_depend g
             JOIN pg_catalog.pg_attribute a ON a.attrelid = g.refobjid AND a.attnum = g.refobjsubid
             WHERE g.classid = d.class AND g.objid = d.object AND g.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
               AND a.attname::pg_catalog.text = ANY (d.names)
               AND NOT EXISTS (SELECT FROM carrier c WHERE c.enum = d.enum AND c.type = a.atttypid)) AS others,
       ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_depend g
             JOIN pg_catalog.pg_class r ON r.oid = g.refobjid AND r.relkind IN ('r', 'p', 'f')
             JOIN pg_catalog.pg_attribute a ON a.attrelid = g.refobjid AND a.attnum = g.refobjsubid
             JOIN pg_catalog.pg_type t ON t.oid = a.atttypid AND t.typcategory = 'S'
             WHERE g.classid = d.class AND g.objid = d.object AND g.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass) AS texts
FROM defined d
WHERE d.kind = 'materialized view'
   -- The server spells every text with a cast; a constant of an enum has its own type there, and follows.
   OR (d.definition || ' ' || d.more ~ '''::(text|character|bpchar|varchar|name)'
       AND EXISTS (SELECT FROM pg_catalog.unnest(%(labels)s::pg_catalog.text[]) AS l (label)
                   WHERE pg_catalog.strpos(d.definition, l.label) > 0 OR pg_catalog.strpos(d.more, l.label) > 0))
ORDER BY 1, 2, place, 3, 4;

-- name: bodies
-- Functions and procedures whose body, as text, holds one of the labels. Bodies of BEGIN ATOMIC have no such text.
-- `homonyms` are names of the types that another type has too, `domains` the names and oids of domains over each type.
WITH carrier (enum, type) AS MATERIALIZED (
    SELECT * FROM ROWS FROM (pg_catalog.unnest(%(enums)s::bigint[]::pg_catalog.oid[]), pg_catalog.unnest(%(types)s::bigint[]::pg_catalog.oid[]))
)
SELECT p.oid::bigint AS oid,
       CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END AS kind,
       p.oid::pg_catalog.regprocedure::pg_catalog.text AS name,
       l.lanname::pg_catalog.text AS language,
       p.prosrc AS body,
       pg_catalog.pg_get_functiondef(p.oid) AS definition,
       pg_catalog.pg_has_role(p.proowner, 'USAGE') AS owned,
       pg_catalog.pg_get_userbyid(p.proowner)::pg_catalog.text AS owner,
       p.prorettype::bigint AS returns,
       p.proargtypes::pg_catalog.oid[]::bigint[] AS inputs,
       h.homonyms,
       h.domains,
       coalesce(p.proargnames, '{}') AS arguments,
       coalesce(p.proallargtypes, p.proargtypes::pg_catalog.oid[])::bigint[] AS types,
       ARRAY(SELECT DISTINCT t.tgrelid::bigint FROM pg_catalog.pg_trigger t WHERE t.tgfoid = p.oid) AS fires_on
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
CROSS JOIN (
    SELECT ARRAY(SELECT t.typname::pg_catalog.text FROM pg_catalog.pg_type t
                 WHERE t.typname IN (SELECT c.typname FROM carrier k JOIN pg_catalog.pg_type c ON c.oid = k.type)
                 GROUP BY t.typname HAVING pg_catalog.count(*) > 1) AS homonyms,
           (SELECT coalesce(pg_catalog.jsonb_object_agg(d.enum, d.names), '{}')
            FROM (SELECT k.enum, pg_catalog.jsonb_object_agg(t.typname, t.oid::bigint) AS names
                  FROM carrier k JOIN pg_catalog.pg_type t ON t.oid = k.type AND t.typtype = 'd'
                  GROUP BY k.enum) AS d) AS domains
) AS h
WHERE p.prokind IN ('f', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'recover')
  AND l.lanname NOT IN ('internal', 'c')
  AND EXISTS (SELECT FROM pg_catalog.unnest(%(labels)s::pg_catalog.text[]) AS q (label) WHERE pg_catalog.strpos(p.prosrc, q.label) > 0)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
                  AND d.deptype = 'e')
ORDER BY 3;

-- name: fields
-- Every column of a user's table or view that is called like a column of these types, and of which type it is.
WITH carrier (enum, type) AS MATERIALIZED (
    SELECT * FROM ROWS FROM (pg_catalog.unnest(%(enums)s::bigint[]::pg_catalog.oid[]), pg_catalog.unnest(%(types)s::bigint[]::pg_catalog.oid[]))
)
SELECT r.oid::bigint AS relation, r.relname::pg_catalog.text AS table, a.attname::pg_catalog.text AS name, a.attnum::int AS number,
       pg_catalog.min(c.enum::bigint) AS enum
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class r ON r.oid = a.attrelid AND r.relkind IN ('r', 'p', 'v', 'm', 'f')
JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
JOIN (SELECT DISTINCT f.attname FROM carrier c JOIN pg_catalog.pg_attribute f ON f.atttypid = c.type
      WHERE f.attnum > 0 AND NOT f.attisdropped) AS named ON named.attname = a.attname
LEFT JOIN carrier c ON c.type = a.atttypid
WHERE a.attnum > 0 AND NOT a.attisdropped AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'recover')
GROUP BY 1, 2, 3, 4
ORDER BY 1, 4;

-- name: wrapped
-- Indexes, stored generated columns and partition keys over a function of a user's that takes such a type and gives
-- another: what the function gave is kept, and a rename does not change it. Also aggregates that start from a label.
WITH carrier (enum, type) AS MATERIALIZED (
    SELECT * FROM ROWS FROM (pg_catalog.unnest(%(enums)s::bigint[]::pg_catalog.oid[]), pg_catalog.unnest(%(types)s::bigint[]::pg_catalog.oid[]))
),
own AS (
    SELECT p.oid, p.prorettype, t.type, y.typtype = 'p' AS takes_any
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'recover')
    CROSS JOIN LATERAL pg_catalog.unnest(p.proargtypes::pg_catalog.oid[]) AS t (type)
    JOIN pg_catalog.pg_type y ON y.oid = t.type
),
wrapper (enum, oid, takes_any) AS (
    SELECT DISTINCT c.enum, p.oid, p.takes_any
    FROM carrier c JOIN own p ON p.type = c.type OR p.takes_any
    WHERE NOT EXISTS (SELECT FROM carrier k WHERE k.enum = c.enum AND k.type = p.prorettype)
),
uses (enum, class, object) AS (
    SELECT c.enum, d.classid, d.objid
    FROM carrier c JOIN pg_catalog.pg_attribute a ON a.atttypid = c.type AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = a.attrelid
        AND d.refobjsubid = a.attnum
)
SELECT w.enum::bigint AS oid, e.*
FROM wrapper w
JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid = w.oid
CROSS JOIN LATERAL (
    SELECT 'index' AS kind, i.indexrelid::pg_catalog.regclass::pg_catalog.text AS name, pg_catalog.pg_get_indexdef(i.indexrelid) AS definition,
           pg_catalog.pg_has_role(x.relowner, 'USAGE') AS owned, pg_catalog.pg_get_userbyid(x.relowner)::pg_catalog.text AS owner,
           i.indrelid::pg_catalog.regclass::pg_catalog.text AS relation, pg_catalog.pg_get_indexdef(i.indexrelid, 1, true) AS key
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid AND x.relkind = 'i'
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.indexrelid = d.objid
    UNION ALL
    SELECT 'generated column', c.oid::pg_catalog.regclass::pg_catalog.text || '.' || pg_catalog.quote_ident(a.attname),
           pg_catalog.pg_get_expr(g.adbin, g.adrelid), pg_catalog.pg_has_role(c.relowner, 'USAGE'),
           pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text, c.oid::pg_catalog.regclass::pg_catalog.text, ''
    FROM pg_catalog.pg_attrdef g JOIN pg_catalog.pg_class c ON c.oid = g.adrelid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = g.adrelid AND a.attnum = g.adnum AND a.attgenerated = 's'
    WHERE (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND g.oid = d.objid)
       OR (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND g.adrelid = d.objid AND g.adnum = d.objsubid)
    UNION ALL
    SELECT 'partition', c.oid::pg_catalog.regclass::pg_catalog.text, pg_catalog.pg_get_partkeydef(c.oid),
           pg_catalog.pg_has_role(c.relowner, 'USAGE'), pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text, c.oid::pg_catalog.regclass::pg_catalog.text,
           ''
    FROM pg_catalog.pg_class c
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = d.objid AND c.relkind = 'p' AND d.objsubid = 0
) AS e
WHERE NOT w.takes_any OR (w.enum, d.classid, d.objid) IN (TABLE uses)
UNION
SELECT c.enum::bigint, 'aggregate', g.aggfnoid::pg_catalog.regprocedure::pg_catalog.text, g.agginitval,
       pg_catalog.pg_has_role(p.proowner, 'USAGE'), pg_catalog.pg_get_userbyid(p.proowner)::pg_catalog.text, '', ''
FROM carrier c
JOIN pg_catalog.pg_aggregate g ON g.aggtranstype = c.type AND EXISTS (
    SELECT FROM pg_catalog.unnest(%(labels)s::pg_catalog.text[]) AS l (label) WHERE pg_catalog.strpos(g.agginitval, l.label) > 0)
JOIN pg_catalog.pg_proc p ON p.oid = g.aggfnoid
ORDER BY 1, 2, 3;

-- name: follows
-- Everything that is bound to these types by oid, in words.
WITH carrier (enum, type) AS MATERIALIZED (
    SELECT * FROM ROWS FROM (pg_catalog.unnest(%(enums)s::bigint[]::pg_catalog.oid[]), pg_catalog.unnest(%(types)s::bigint[]::pg_catalog.oid[]))
),
field AS (
    SELECT c.enum, a.attrelid, a.attnum
    FROM carrier c JOIN pg_catalog.pg_attribute a ON a.atttypid = c.type AND a.attnum > 0 AND NOT a.attisdropped
),
bound (enum, class, object, part) AS (
    SELECT c.enum, d.classid, d.objid, d.objsubid FROM carrier c
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid = c.type
    UNION
    SELECT f.enum, d.classid, d.objid, d.objsubid FROM field f
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = f.attrelid
        AND d.refobjsubid = f.attnum
)
SELECT b.enum::bigint AS oid, pg_catalog.pg_describe_object(b.class, b.object, b.part) AS object
FROM bound b
WHERE NOT (b.class = 'pg_catalog.pg_type'::pg_catalog.regclass
           AND EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.oid = b.object AND t.typcategory = 'A'))
ORDER BY 1, 2;
