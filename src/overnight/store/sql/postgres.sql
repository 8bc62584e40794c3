-- What PostgreSQL must say differently, each with the reason, and what only a server has: locks, notices, sessions.

-- name: outputs_claimed
-- json_each is SQLite's table function.
SELECT c.id, c.name, count(*), min(o.path) FROM outputs o JOIN runs r ON r.id = o.run_id
JOIN campaigns c ON c.id = r.campaign_id
WHERE o.path IN (SELECT json_array_elements_text(CAST(:paths AS json))) AND c.state = 'active'
GROUP BY c.id, c.name ORDER BY c.id LIMIT :limit;

-- name: session_settings
-- Bounded waits, and commits that are on disk when they return, whatever the server's defaults say.
SELECT set_config('statement_timeout', :statement, false), set_config('lock_timeout', :lock, false),
  set_config('idle_in_transaction_session_timeout', :idle, false),
  set_config('synchronous_commit',
    CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false);

-- name: server_durability
SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name;

-- name: chain_lock
-- One writer of the event log at a time, over all processes; held until the transaction ends. Also names the transaction.
SELECT pg_advisory_xact_lock(:key), CAST(pg_current_xact_id() AS text);

-- name: chain_notify
-- Delivered by the server when, and only when, the transaction commits.
SELECT pg_notify(:channel, CAST(CAST(:seq AS bigint) AS text));

-- name: chain_has
SELECT 1 FROM events WHERE seq = :seq AND hash = :hash;

-- name: transaction_status
SELECT pg_xact_status(CAST(:xid AS xid8));

-- name: session_lock
-- Held until the connection ends.
SELECT pg_advisory_lock(:key);

-- name: session_lock_holder
-- A key of 64 bits is shown as two halves.
SELECT a.application_name, coalesce(host(a.client_addr), 'a local socket'), a.backend_start::timestamp(0)::text
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.classid::bigint = :key >> 32 AND l.objid::bigint = :key & 4294967295;

-- name: tables_here
SELECT tablename FROM pg_tables WHERE schemaname = current_schema();
