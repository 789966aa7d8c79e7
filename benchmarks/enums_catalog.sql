-- 500 enum types, 2,000 tables with two columns of them, 100 views, 100 functions; for psql.
select format('create type kind_%s as enum (%L, %L, %L, %L, %L);', n, 'new', 'open', 'held', 'done', 'gone')
    from generate_series(0, 499) n \gexec
select format('create table t_%s (id int primary key, a kind_%s not null default %L, b kind_%s, note text)',
    n, n % 500, 'new', (n * 7 + 1) % 500) from generate_series(0, 1999) n \gexec
select format('create view v_%s as select id, note from t_%s where b = %L', n, n, 'open')
    from generate_series(0, 99) n \gexec
select format('create function f_%s() returns bigint language sql as %L', n,
    format('select count(*) from t_%s where note is null', n)) from generate_series(0, 99) n \gexec
analyze;
