-- The incident's tables: as many users as :rows, the others smaller; for psql.
set synchronous_commit = off;
insert into users (email, password_hash, role, status) select 'user' || n || '@example.com', md5(n::text),
    case when n % 50 = 0 then 'admin' else 'user' end::userrole,
    (array['pending_approval', 'active', 'active', 'disabled'])[n % 4 + 1]::userstatus
    from generate_series(1, :rows) n;
insert into invitations (user_id, email, role) select n, 'x', 'user' from generate_series(1, :rows / 50) n;
insert into user_oauth_tokens (user_id, service, access_token, expires_at)
    select n, 'drive', 'x', now() from generate_series(1, :rows / 50) n;
insert into tasks (user_id, title, status, priority, type)
    select n, 'x', 'pending', 'low', 'coding' from generate_series(1, :rows / 10) n;
insert into task_history (task_id, user_id, status) select n, n, 'pending' from generate_series(1, :rows / 10) n;
insert into calendars (user_id, name) select n, 'x' from generate_series(1, :rows / 100) n;
insert into events (calendar_id, title, category, starts_at)
    select n, 'x', 'work', now() from generate_series(1, :rows / 100) n;
insert into documents (user_id, name, size, status)
    select n, 'x', 1, 'uploaded' from generate_series(1, :rows / 50) n;
vacuum analyze;
checkpoint;
