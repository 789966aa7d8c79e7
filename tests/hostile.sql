-- What the owner of a hostile database lays behind every name that he may make; tests/hostile.py runs it, with the
-- names of the functions that recover calls in place of NAMES.

set search_path = pg_catalog;
set check_function_bodies = off;

-- What everything leads to: a line in the server's log, which no ROLLBACK takes back.
create function public.trap(what text) returns bool language plpgsql set search_path = pg_catalog as $$
begin raise log 'TRAP%', 'PED ' || what || ' as ' || current_user; return true; end $$;
create function public.trap_text(what text) returns text language sql set search_path = pg_catalog
    as $$ select case when public.trap(what) then 'x' end $$;

-- What a superuser is asked to look at and to repair.
create type public.userrole as enum ('admin', 'user');
create type public.mood as enum ('sad', 'SAD');
create table public.users (id pg_catalog.int4 primary key, role public.userrole default 'user', state pg_catalog.text);
insert into public.users values (1, 'admin', 'on '), (2, 'user', 'on ');
create view public.admins as select id from public.users where role::pg_catalog.text = 'admin';
create function public.is_admin(public.userrole) returns pg_catalog.bool language sql as $$ select $1 = 'admin'::userrole $$;
create table public.moods (id pg_catalog.int4 primary key, mood public.mood);
insert into public.moods values (1, 'sad'), (2, 'SAD');

-- Casts, which are found whatever the search_path.
create function public.cast_to_text(public.mood) returns pg_catalog.text language plpgsql set search_path = pg_catalog
    as $$ begin return public.trap_text('cast to text'); end $$;
create function public.cast_to_json(public.mood) returns pg_catalog.json language plpgsql set search_path = pg_catalog
    as $$ begin perform public.trap('cast to json'); return '{}'; end $$;
create function public.cast_from_text(pg_catalog.text) returns public.mood language plpgsql set search_path = pg_catalog
    as $$ begin perform public.trap('cast from text'); return 'sad'; end $$;
create function public.cast_array(public.mood[]) returns pg_catalog.text language plpgsql set search_path = pg_catalog
    as $$ begin return public.trap_text('cast of an array'); end $$;
create cast (public.mood as pg_catalog.text) with function public.cast_to_text(public.mood) as implicit;
create cast (public.mood as pg_catalog.json) with function public.cast_to_json(public.mood) as implicit;
create cast (pg_catalog.text as public.mood) with function public.cast_from_text(pg_catalog.text) as implicit;
create cast (public.mood[] as pg_catalog.text) with function public.cast_array(public.mood[]) as implicit;

-- Operators: with an exact match that only counts where public comes before pg_catalog, and without one.
do $$
declare
    op text; pair text[];
begin
    foreach op in array array['=', '<>', '>', '||', '~', '~~', '&&', '->>', '*'] loop
        foreach pair slice 1 in array array[
            ['oid', 'regclass'], ['oid', 'regtype'], ['oid', 'regproc'], ['oid', 'int4'], ['oid', 'int8'], ['oid', 'oid'],
            ['name', 'text'], ['text', 'name'], ['name', 'name'], ['text', 'text'], ['name', 'varchar'], ['"char"', 'text'],
            ['"char"', '"char"'], ['int2', 'int2'], ['int2', 'int4'], ['int2', 'int8'], ['int4', 'int4'], ['int8', 'int8'],
            ['int4', 'int8'], ['float4', 'float4'], ['numeric', 'numeric'], ['bool', 'bool'], ['text[]', 'text[]'],
            ['jsonb', 'text'], ['jsonb', 'int4'], ['oidvector', 'oid'], ['int2vector', 'int2'], ['regclass', 'regclass'],
            ['public.userrole', 'public.userrole'], ['public.userrole', 'text'], ['public.userrole[]', 'public.userrole[]'],
            ['timestamptz', 'timestamptz'], ['xid', 'xid'], ['tid', 'tid']]
        loop
            execute format('create function public.%I(%s, %s) returns bool language plpgsql set search_path = pg_catalog'
                ' as $f$ begin return public.trap(%L); end $f$', 'op ' || op || array_to_string(pair, ' '), pair[1], pair[2],
                'operator ' || op || ' ' || array_to_string(pair, ' '));
            execute format('create operator public.%s (procedure = public.%I, leftarg = %s, rightarg = %s)', op,
                'op ' || op || array_to_string(pair, ' '), pair[1], pair[2]);
        end loop;
    end loop;
end $$;

-- Functions: every one that recover calls, and one that matches better.
do $$
declare
    f record;
begin
    for f in select p.proname, pg_get_function_identity_arguments(p.oid) as args, p.pronargs as n
             from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f' and p.proname = any (NAMES)
    loop
        begin
            execute format('create function public.%I(%s) returns text language plpgsql set search_path = pg_catalog'
                ' as $f$ begin return public.trap_text(%L); end $f$', f.proname, f.args, 'function ' || f.proname);
        exception when others then null;
        end;
        continue when f.n <> 1;
        begin
            execute format('create function public.%I(regclass) returns text language plpgsql set search_path = pg_catalog'
                ' as $f$ begin return public.trap_text(%L); end $f$', f.proname, 'function ' || f.proname);
        exception when others then null;
        end;
    end loop;
end $$;

-- Views of the catalog's names, and domains of the types'.
do $$
declare
    r text; columns text;
begin
    foreach r in array array['pg_type', 'pg_class', 'pg_namespace', 'pg_attribute', 'pg_enum', 'pg_depend', 'pg_proc',
        'pg_stat_activity', 'pg_locks', 'pg_database', 'pg_index', 'pg_constraint', 'pg_roles', 'pg_settings'] loop
        select string_agg(attname, ', ') from pg_attribute into columns where attrelid = ('pg_catalog.' || r)::regclass
            and attnum > 0 and atttypid <> 'anyarray'::regtype;
        execute format('create view public.%I as select %s from pg_catalog.%I where public.trap(%L)',
            r, columns, r, 'view ' || r);
    end loop;
    foreach r in array array['text', 'oid', 'name', 'regclass', 'regtype', 'regprocedure', 'jsonb', 'int8', 'int4', 'bool'] loop
        execute format('create domain public.%I as pg_catalog.%I check (public.trap(%L))', r, r, 'domain ' || r);
    end loop;
end $$;
