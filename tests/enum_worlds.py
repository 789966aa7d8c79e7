"""A database as the enum doctor must leave it: everything of the catalog and every row, to compare byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Sql = Callable[..., list[tuple[Any, ...]]]

# Everything that a repair could change by mistake, spelled by the server; recover's own schema apart.
CATALOG = """
with mine as (
    select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname not in ('pg_catalog', 'information_schema', 'recover') and n.nspname !~ '^pg_(toast|temp)')
select 'label ' || e.enumtypid::regtype::text || ' ' || e.enumsortorder || ' ' || e.oid, e.enumlabel::text
    from pg_enum e
union all select 'file ' || c.relname || ' ' || c.oid, coalesce(pg_relation_filenode(c.oid), 0)::text
    from pg_class c join mine using (oid) where c.relkind <> 'm'
union all select 'options ' || c.oid::regclass::text, coalesce(array_to_string(c.reloptions, ','), '') || ' '
    || coalesce(c.relacl::text, '') || ' ' || coalesce(obj_description(c.oid), '') from pg_class c join mine using (oid)
union all select 'view ' || c.oid::regclass::text, pg_get_viewdef(c.oid)
    from pg_class c join mine using (oid) where c.relkind in ('v', 'm')
union all select 'rule ' || r.rulename || ' ' || r.ev_class::regclass::text, pg_get_ruledef(r.oid)
    from pg_rewrite r join mine on mine.oid = r.ev_class where r.rulename <> '_RETURN'
union all select 'index ' || i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
    from pg_index i join mine on mine.oid = i.indrelid
union all select 'constraint ' || c.conname || ' ' || c.conrelid::regclass::text || ' ' || c.contypid::regtype::text,
    pg_get_constraintdef(c.oid) || ' ' || c.convalidated || ' ' || coalesce(obj_description(c.oid), '')
    from pg_constraint c join pg_namespace n on n.oid = c.connamespace
    where n.nspname not in ('pg_catalog', 'information_schema', 'recover')
union all select 'default ' || d.adrelid::regclass::text || ' ' || d.adnum, pg_get_expr(d.adbin, d.adrelid)
    from pg_attrdef d join mine on mine.oid = d.adrelid
union all select 'policy ' || p.polname || ' ' || p.polrelid::regclass::text,
    concat_ws(' / ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) from pg_policy p
union all select 'trigger ' || t.tgname || ' ' || t.tgrelid::regclass::text,
    pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
    from pg_trigger t join mine on mine.oid = t.tgrelid where not t.tgisinternal
union all select 'function ' || p.oid::regprocedure::text, pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '')
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname not in ('pg_catalog', 'information_schema', 'recover') and p.prokind in ('f', 'p')
union all select 'domain ' || t.oid::regtype::text, coalesce(pg_get_expr(t.typdefaultbin, 0), '')
    from pg_type t where t.typtype = 'd'
    and t.typnamespace not in (select oid from pg_namespace where nspname in ('pg_catalog', 'information_schema'))
union all select 'bound ' || c.oid::regclass::text, pg_get_expr(c.relpartbound, c.oid)
    from pg_class c join mine using (oid) where c.relispartition
order by 1, 2
"""

TABLES = """
select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'recover')
order by 1
"""


def catalog(sql: Sql) -> dict[str, str]:
    """Every object and its definition. `sql` has to see all of it."""
    return dict(sql(CATALOG))


def rows(sql: Sql) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table and materialized view, as text, in an order of its own."""
    return {table: sql(f"select t::text from {table} t order by 1") for (table,) in sql(TABLES)}


def labels(sql: Sql, type: str) -> list[str]:
    """The labels of the type in their sort order."""
    query = "select enumlabel::text from pg_enum where enumtypid = %s::regtype order by enumsortorder"
    return [label for (label,) in sql(query, type)]
