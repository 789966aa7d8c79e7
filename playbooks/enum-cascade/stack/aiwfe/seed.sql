-- The replica's rows: 2,500 users, and at least 2,000 rows in every other table. The hashes of the
-- passwords come as seed.known and seed.bulk.

INSERT INTO users (id, email, password_hash, role, status, created_at) VALUES
    (1, 'admin@example.com', current_setting('seed.known'), 'admin', 'active', '2025-01-01 00:00:00Z'),
    (2, 'probe@example.com', current_setting('seed.known'), 'user', 'active', '2025-01-01 00:00:00Z'),
    (3, 'disabled@example.com', current_setting('seed.known'), 'user', 'disabled', '2025-01-01 00:00:00Z'),
    (4, 'pending@example.com', current_setting('seed.known'), 'user', 'pending_approval', '2025-01-01 00:00:00Z');

INSERT INTO users (id, email, password_hash, role, status, created_at)
SELECT n, format('user%s@example.com', n), current_setting('seed.bulk'),
       (CASE WHEN n % 50 = 0 THEN 'admin' ELSE 'user' END)::userrole,
       (ARRAY['pending_approval', 'disabled', 'active', 'active', 'active', 'active'])[1 + n % 6]::userstatus,
       timestamptz '2025-01-01 00:00:00Z' + n * interval '1 hour'
FROM generate_series(5, 2500) AS n;

INSERT INTO user_profiles (id, user_id, full_name, biography)
SELECT n, n, format('User %s', n), CASE WHEN n % 3 = 0 THEN md5(n::text) END FROM generate_series(1, 2500) AS n;

INSERT INTO user_settings (id, user_id, name, value)
SELECT n, 1 + n % 2500, (ARRAY['theme', 'language', 'time_zone'])[1 + n % 3], md5(n::text)
FROM generate_series(1, 3000) AS n;

INSERT INTO user_oauth_tokens (id, user_id, service, access_token, expires_at)
SELECT n, 1 + n % 2500, (ARRAY['calendar', 'drive', 'gmail'])[1 + n % 3]::googleservice, md5('token' || n),
       timestamptz '2025-08-10 00:00:00Z' + n * interval '1 minute'
FROM generate_series(1, 2500) AS n;

INSERT INTO user_sessions (id, user_id, user_agent, last_seen_at)
SELECT n, 1 + n % 2500, format('browser/%s', n % 7), timestamptz '2025-08-01 00:00:00Z' + n * interval '1 minute'
FROM generate_series(1, 3000) AS n;

INSERT INTO invitations (id, user_id, email, role, created_at)
SELECT n, 1 + n % 2500, format('guest%s@example.com', n), (ARRAY['admin', 'user', 'user'])[1 + n % 3]::userrole,
       timestamptz '2025-08-01 00:00:00Z' + n * interval '1 minute'
FROM generate_series(1, 2000) AS n;

INSERT INTO api_keys (id, user_id, label, digest)
SELECT n, 1 + n % 2500, format('key %s', n), encode(sha256(n::text::bytea), 'hex') FROM generate_series(1, 2000) AS n;

INSERT INTO audit_logs (id, user_id, action, created_at)
SELECT n, 1 + n % 2500, (ARRAY['login', 'logout', 'upload', 'edit'])[1 + n % 4],
       timestamptz '2025-08-01 00:00:00Z' + n * interval '1 minute'
FROM generate_series(1, 5000) AS n;

INSERT INTO notifications (id, user_id, message, is_read)
SELECT n, 1 + n % 2500, format('Notification %s', n), n % 2 = 0 FROM generate_series(1, 3000) AS n;

INSERT INTO projects (id, user_id, name, created_at)
SELECT n, 1 + n % 2500, format('Project %s', n),
       timestamptz '2025-08-01 00:00:00Z' + n * interval '1 minute'
FROM generate_series(1, 2500) AS n;

INSERT INTO tasks (id, user_id, project_id, title, status, priority, type, created_at)
SELECT n, 1 + n % 2500, CASE WHEN n % 4 > 0 THEN 1 + n % 2500 END, format('Task %s', n),
       (ARRAY['pending', 'in_progress', 'completed', 'cancelled'])[1 + n % 4]::taskstatus,
       (ARRAY['low', 'medium', 'high', 'urgent'])[1 + n / 4 % 4]::taskpriority,
       (ARRAY['general', 'research', 'coding', 'meeting'])[1 + n / 16 % 4]::tasktype,
       timestamptz '2025-08-01 00:00:00Z' + n * interval '1 minute'
FROM generate_series(1, 6000) AS n;

INSERT INTO task_comments (id, task_id, user_id, body)
SELECT n, 1 + n % 6000, 1 + n % 2500, format('Comment %s', n) FROM generate_series(1, 3000) AS n;

INSERT INTO task_history (id, task_id, user_id, status, created_at)
SELECT n, 1 + n % 6000, 1 + n % 2500, (ARRAY['pending', 'in_progress', 'completed', 'cancelled'])[1 + n % 4]::taskstatus,
       timestamptz '2025-08-01 00:00:00Z' + n * interval '1 minute'
FROM generate_series(1, 5000) AS n;

INSERT INTO tags (id, name) SELECT n, format('tag-%s', n) FROM generate_series(1, 2000) AS n;

INSERT INTO task_tags (task_id, tag_id) SELECT n, 1 + n % 2000 FROM generate_series(1, 3000) AS n;

INSERT INTO calendars (id, user_id, name) SELECT n, n, format('Calendar of user %s', n) FROM generate_series(1, 2500) AS n;

INSERT INTO events (id, calendar_id, title, category, starts_at)
SELECT n, 1 + n % 2500, format('Event %s', n),
       (ARRAY['work', 'personal', 'health', 'deadline'])[1 + n % 4]::eventcategory,
       timestamptz '2025-08-01 08:00:00Z' + n * interval '15 minutes'
FROM generate_series(1, 5000) AS n;

INSERT INTO event_attendees (id, event_id, email)
SELECT n, 1 + n % 5000, format('guest%s@example.com', n) FROM generate_series(1, 3000) AS n;

INSERT INTO documents (id, user_id, name, size, status, created_at)
SELECT n, 1 + n % 2500, format('document-%s.pdf', n), n * 1024,
       (ARRAY['uploaded', 'processing', 'completed', 'failed'])[1 + n % 4]::documentstatus,
       timestamptz '2025-08-01 00:00:00Z' + n * interval '1 minute'
FROM generate_series(1, 4000) AS n;

INSERT INTO document_chunks (id, document_id, position, body)
SELECT n, 1 + n % 4000, n / 4000, md5('chunk' || n) FROM generate_series(1, 5000) AS n;

INSERT INTO chat_sessions (id, user_id, title, created_at)
SELECT n, 1 + n % 2500, format('Chat %s', n),
       timestamptz '2025-08-01 00:00:00Z' + n * interval '1 minute'
FROM generate_series(1, 2500) AS n;

INSERT INTO chat_history (id, user_id, session_id, message, created_at)
SELECT n, 1 + n % 2500, 1 + n % 2500, format('Message %s', n),
       timestamptz '2025-08-01 00:00:00Z' + n * interval '1 minute'
FROM generate_series(1, 5000) AS n;

-- The rows brought their own ids: the sequences go on after them.
DO $$
DECLARE the_table text;
DECLARE last_id bigint;
BEGIN
    FOR the_table IN SELECT table_name FROM information_schema.columns
                     WHERE table_schema = 'public' AND column_default LIKE 'nextval(%' AND column_name = 'id' LOOP
        EXECUTE format('SELECT max(id) FROM %I', the_table) INTO last_id;
        PERFORM setval(pg_get_serial_sequence(the_table, 'id'), last_id);
    END LOOP;
END $$;
