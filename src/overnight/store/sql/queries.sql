-- Named queries, shared by SQLite and PostgreSQL; postgres.sql overrides the few that must differ.
-- `-- name: NAME` starts a query; `:name` is an argument. No clock, no random, no triggers, no policy.

-- name: meta_get
SELECT value FROM meta WHERE name = :name;

-- name: meta_put
INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: meta_drop
DELETE FROM meta WHERE name = :name;

-- name: fence_next
UPDATE fence SET value = value + 1 RETURNING value;

-- name: fence_read
SELECT value FROM fence;

-- name: fence_raise
UPDATE fence SET value = :floor WHERE value < :floor;

-- name: event_head
SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1;

-- name: event_append
INSERT INTO events (seq, wall, mono, boot_id, actor, request_id, kind, subject, token, payload, prev_hash, hash)
VALUES (:seq, :wall, :mono, :boot_id, :actor, :request_id, :kind, :subject, :token, :payload, :prev_hash, :hash);

-- name: events_after
SELECT seq, wall, boot_id, actor, request_id, kind, subject, token, payload, hash
FROM events WHERE seq > :after ORDER BY seq LIMIT :limit;

-- name: events_last
SELECT seq, wall, boot_id, actor, request_id, kind, subject, token, payload, hash
FROM events ORDER BY seq DESC LIMIT :limit;

-- name: events_of
SELECT seq, wall, boot_id, actor, request_id, kind, subject, token, payload, hash
FROM events WHERE subject = :subject AND seq > :after ORDER BY seq LIMIT :limit;

-- name: events_raw
SELECT seq, wall, mono, boot_id, actor, request_id, kind, subject, token, payload, prev_hash, hash
FROM events WHERE seq > :after ORDER BY seq LIMIT :limit;

-- name: answer_get
SELECT fingerprint, answer FROM answers WHERE principal = :principal AND route = :route AND key = :key;

-- name: answer_put
INSERT INTO answers (principal, route, key, fingerprint, answer, created_at)
VALUES (:principal, :route, :key, :fingerprint, :answer, :now);

-- name: campaign_last_seq
SELECT coalesce(max(seq), 0) FROM campaigns;

-- name: campaign_insert
INSERT INTO campaigns (seq, id, name, state, gate, digest, path, source, settings, attempts_used, created_at, actor,
  origin, chat, attributed)
VALUES (:seq, :id, :name, 'active', 'open', :digest, :path, :source, :settings, 0, :now, :actor, :origin, :chat,
  :attributed);

-- name: campaign_get
SELECT id, seq, name, state, gate, digest, path, settings, attempts_used, created_at, started_at, settled_at, actor,
  origin, chat, attributed
FROM campaigns WHERE id = :id;

-- name: campaign_source
SELECT source FROM campaigns WHERE id = :id;

-- name: campaign_by_digest
SELECT id FROM campaigns WHERE digest = :digest AND state = 'active'
  AND (CAST(:scope_actor AS TEXT) IS NULL OR id IN (SELECT value FROM json_each(:scope_campaigns)))
ORDER BY seq DESC LIMIT 1;

-- name: campaigns_by_prefix
SELECT id FROM campaigns WHERE id >= :low AND id < :high LIMIT 3;

-- name: campaigns_latest
SELECT id, seq, name, state, gate, digest, path, settings, attempts_used, created_at, started_at, settled_at, actor,
  origin, chat, attributed
FROM campaigns WHERE seq < :before ORDER BY seq DESC LIMIT :limit;

-- name: campaigns_active
SELECT id, seq, name, state, gate, digest, path, settings, attempts_used, created_at, started_at, settled_at, actor,
  origin, chat, attributed
FROM campaigns WHERE state = 'active' ORDER BY seq;

-- name: campaign_used
UPDATE campaigns SET attempts_used = attempts_used + 1, started_at = coalesce(started_at, :now) WHERE id = :id;

-- name: campaign_settled_at
UPDATE campaigns SET settled_at = :now WHERE id = :id;

-- name: campaign_counts
SELECT t.state, sum(t.number) FROM sweeps s JOIN tallies t ON t.sweep_id = s.id
WHERE s.campaign_id = :id GROUP BY t.state;

-- name: sweep_last_seq
SELECT coalesce(max(seq), 0) FROM sweeps;

-- name: sweep_insert
INSERT INTO sweeps (seq, id, campaign_id, name, state, gate, priority, settings, created_at)
VALUES (:seq, :id, :campaign_id, :name, 'active', 'open', :priority, :settings, :now);

-- name: sweep_get
SELECT id, seq, campaign_id, name, state, gate, priority, settings, created_at, settled_at, started_at
FROM sweeps WHERE id = :id;

-- name: sweep_alone
SELECT id, state FROM sweeps WHERE campaign_id IS NULL AND name = :name;

-- name: sweeps_by_prefix
SELECT id FROM sweeps WHERE id >= :low AND id < :high LIMIT 3;

-- name: sweeps_of
SELECT id, seq, campaign_id, name, state, gate, priority, settings, created_at, settled_at, started_at
FROM sweeps WHERE campaign_id = :campaign_id ORDER BY seq;

-- name: sweep_settled_at
UPDATE sweeps SET settled_at = :now WHERE id = :id;

-- name: sweep_need_insert
INSERT INTO sweep_needs (sweep_id, needs_id) VALUES (:sweep_id, :needs_id);

-- name: sweep_needs
SELECT needs_id FROM sweep_needs WHERE sweep_id = :id;

-- name: sweep_dependants
SELECT sweep_id FROM sweep_needs WHERE needs_id = :id;

-- name: sweep_counts
SELECT state, number FROM tallies WHERE sweep_id = :id AND number > 0;

-- name: tally_add
INSERT INTO tallies (sweep_id, state, number) VALUES (:sweep_id, :state, :change)
ON CONFLICT (sweep_id, state) DO UPDATE SET number = tallies.number + excluded.number;

-- name: tallies_add
-- Runs that left one state of a sweep and entered another.
INSERT INTO tallies (sweep_id, state, number)
VALUES (:sweep_id, :left, -CAST(:number AS BIGINT)), (:sweep_id, :entered, CAST(:number AS BIGINT))
ON CONFLICT (sweep_id, state) DO UPDATE SET number = tallies.number + excluded.number;

-- name: run_last_seq
SELECT coalesce(max(seq), 0) FROM runs;

-- name: run_insert
INSERT INTO runs (seq, id, campaign_id, sweep_id, name, state, priority, config, attempts, failures, interruptions,
  created_at, fence, actor, origin, chat, attributed, parent_id, queued_at)
VALUES (:seq, :id, :campaign_id, :sweep_id, :name, :state, :priority, :config, 0, 0, 0, :now, 0, :actor, :origin, :chat,
  :attributed, :parent_id, :queued_at);

-- name: run_standing
SELECT state, sweep_id, campaign_id, failures, interruptions FROM runs WHERE id = :id;

-- name: run_config
SELECT config, rung FROM runs WHERE id = :id;

-- name: run_need_insert
INSERT INTO run_needs (run_id, needs_id) VALUES (:run_id, :needs_id);

-- name: run_get
SELECT id, seq, campaign_id, sweep_id, name, state, reason, detail, priority, config, attempts, failures,
  interruptions, not_before, created_at, started_at, ended_at, fence, rung, hint,
  actor, origin, chat, attributed, parent_id, queued_at, archived_at
FROM runs WHERE id = :id;

-- name: runs_by_prefix
SELECT id FROM runs WHERE id >= :low AND id < :high LIMIT 3;

-- name: runs_latest
SELECT id, seq, campaign_id, sweep_id, name, state, reason, detail, priority, config, attempts, failures,
  interruptions, not_before, created_at, started_at, ended_at, fence, rung, hint,
  actor, origin, chat, attributed, parent_id, queued_at, archived_at
FROM runs WHERE seq < :before ORDER BY seq DESC LIMIT :limit;

-- name: runs_of_campaign
SELECT id, seq, campaign_id, sweep_id, name, state, reason, detail, priority, config, attempts, failures,
  interruptions, not_before, created_at, started_at, ended_at, fence, rung, hint,
  actor, origin, chat, attributed, parent_id, queued_at, archived_at
FROM runs WHERE campaign_id = :campaign_id AND seq > :after ORDER BY seq LIMIT :limit;

-- name: runs_of_sweep
SELECT id, seq, campaign_id, sweep_id, name, state, reason, detail, priority, config, attempts, failures,
  interruptions, not_before, created_at, started_at, ended_at, fence, rung, hint,
  actor, origin, chat, attributed, parent_id, queued_at, archived_at
FROM runs WHERE sweep_id = :sweep_id AND seq > :after ORDER BY seq LIMIT :limit;

-- name: runs_queued_head
-- The next runs of a sweep. The partial index is forced: SQLite's planner prefers the one on sweep_id (7,000 x slower).
-- Left out is what a paused loop of its conversation holds back.
SELECT id, seq, priority, attempts, created_at, hint FROM runs INDEXED BY runs_queued
WHERE sweep_id = :sweep_id AND state = 'queued' AND NOT EXISTS (SELECT 1 FROM wild_sessions w
  WHERE w.status = 'paused' AND w.chat = runs.chat AND (w.scoped = 0 OR w.actor = runs.actor))
ORDER BY priority DESC, seq LIMIT :limit;

-- name: runs_waiting
SELECT id FROM runs INDEXED BY runs_waiting
WHERE sweep_id = :sweep_id AND state = 'waiting' ORDER BY seq LIMIT :limit;

-- name: runs_waiting_with_cell_needs_met
-- Waiting runs of a sweep whose own needs (cell by cell) have all succeeded and whose conditions are met.
SELECT r.id FROM runs r INDEXED BY runs_waiting WHERE r.sweep_id = :sweep_id AND r.state = 'waiting'
  AND NOT EXISTS (SELECT 1 FROM conditions c WHERE c.run_id = r.id AND c.met = 0)
  AND NOT EXISTS (SELECT 1 FROM run_needs n JOIN runs d ON d.id = n.needs_id
    WHERE n.run_id = r.id AND d.state <> 'succeeded')
ORDER BY r.seq LIMIT :limit;

-- name: runs_waiting_with_cell_needs_lost
-- Waiting runs of a sweep one of whose needs is final but did not succeed.
SELECT r.id, d.id, d.name, d.state FROM runs r INDEXED BY runs_waiting
JOIN run_needs n ON n.run_id = r.id JOIN runs d ON d.id = n.needs_id
WHERE r.sweep_id = :sweep_id AND r.state = 'waiting' AND d.state IN ('failed', 'cancelled', 'blocked')
ORDER BY r.seq LIMIT :limit;

-- name: runs_waiting_for
SELECT r.id, r.sweep_id FROM run_needs n JOIN runs r ON r.id = n.run_id
WHERE n.needs_id = :needs_id AND r.state = 'waiting';

-- name: runs_blocked_by
SELECT r.id FROM run_needs n JOIN runs r ON r.id = n.run_id
WHERE n.needs_id = :needs_id AND r.state = 'blocked' AND r.reason = 'need_failed';

-- name: runs_in_states_of_sweep
SELECT id FROM runs WHERE sweep_id = :sweep_id AND state IN (SELECT value FROM json_each(:states)) ORDER BY seq;

-- name: runs_due
SELECT id FROM runs INDEXED BY runs_delayed WHERE state = 'delayed' AND not_before <= :now ORDER BY not_before LIMIT :limit;

-- name: runs_due_after
-- Delayed runs whose back-off ends late: too late, when the wall clock was set back meanwhile.
SELECT id, sweep_id, failures, not_before FROM runs INDEXED BY runs_delayed
WHERE state = 'delayed' AND not_before > :after ORDER BY not_before DESC LIMIT :limit;

-- name: runs_next_due
SELECT min(not_before) FROM runs INDEXED BY runs_delayed WHERE state = 'delayed';

-- name: run_needs
SELECT d.id, d.name, d.sweep_id, d.state FROM run_needs n JOIN runs d ON d.id = n.needs_id WHERE n.run_id = :run_id ORDER BY d.seq;

-- name: run_upstream
-- Folders of the accepted attempts of what a run needs cell by cell: sweep name, folder, target.
SELECT s.name, a.folder, a.target FROM run_needs n JOIN runs d ON d.id = n.needs_id JOIN sweeps s ON s.id = d.sweep_id
JOIN attempts a ON a.run_id = d.id AND a.fence = d.fence WHERE n.run_id = :run_id ORDER BY d.seq;

-- name: run_unmet
-- How many runs and conditions of its own one waiting run still waits for.
SELECT (SELECT count(*) FROM run_needs n JOIN runs d ON d.id = n.needs_id
  WHERE n.run_id = :run_id AND d.state <> 'succeeded')
+ (SELECT count(*) FROM conditions c WHERE c.run_id = :run_id AND c.met = 0);

-- name: run_claimed
UPDATE runs SET attempts = attempts + 1, fence = :fence, started_at = coalesce(started_at, :now), not_before = NULL,
  reason = NULL, detail = NULL WHERE id = :id;

-- name: run_judged
UPDATE runs SET reason = :reason, detail = :detail, failures = :failures, interruptions = :interruptions,
  not_before = :not_before, ended_at = :ended_at, rung = :rung, hint = :hint WHERE id = :id;

-- name: run_reset
UPDATE runs SET reason = NULL, detail = NULL, failures = 0, interruptions = 0, not_before = NULL, started_at = NULL,
  ended_at = NULL, rung = 0, hint = NULL WHERE id = :id;

-- name: attempt_insert
INSERT INTO attempts (id, run_id, number, state, fence, target, folder, devices, claimed_at)
VALUES (:id, :run_id, :number, 'launching', :fence, :target, :folder, :devices, :now);

-- name: attempt_get
SELECT id, run_id, number, state, reason, detail, fence, target, boot_id, folder, devices, claimed_at, started_at,
  ended_at, observed_at, pid, code, signal, record, signature FROM attempts WHERE id = :id;

-- name: attempts_of
SELECT id, run_id, number, state, reason, detail, fence, target, boot_id, folder, devices, claimed_at, started_at,
  ended_at, observed_at, pid, code, signal, record, signature FROM attempts WHERE run_id = :run_id ORDER BY number;

-- name: attempts_live
SELECT id, run_id, number, state, reason, detail, fence, target, boot_id, folder, devices, claimed_at, started_at,
  ended_at, observed_at, pid, code, signal, record, signature FROM attempts
WHERE target = :target AND state IN ('launching', 'running', 'stopping') ORDER BY fence;

-- name: attempt_live_of_run
SELECT id FROM attempts WHERE run_id = :run_id AND state IN ('launching', 'running', 'stopping');

-- name: attempt_started
UPDATE attempts SET started_at = :started_at, observed_at = :now, pid = :pid, boot_id = :boot_id
WHERE id = :id AND fence = :fence;

-- name: attempt_observed
UPDATE attempts SET observed_at = :now WHERE id = :id AND fence = :fence;

-- name: attempt_ended
UPDATE attempts SET reason = :reason, detail = :detail, started_at = coalesce(:started_at, started_at),
  ended_at = :ended_at, pid = coalesce(:pid, pid), code = :code, signal = :signal, record = :record,
  signature = :signature
WHERE id = :id AND fence = :fence;

-- name: result_delete
DELETE FROM results WHERE run_id = :run_id;

-- name: result_insert
INSERT INTO results (run_id, metric, number, text) VALUES (:run_id, :metric, :number, :text);

-- name: results_of_run
SELECT metric, text FROM results WHERE run_id = :run_id ORDER BY metric;

-- name: results_of_campaign
SELECT r.run_id, r.metric, r.text FROM results r JOIN runs u ON u.id = r.run_id WHERE u.campaign_id = :campaign_id;

-- name: device_upsert
INSERT INTO devices (id, target, kind, position, uuid, name, memory_mib, state, diagnosis, busy, seen_at, used_mib, strangers)
VALUES (:id, :target, :kind, :position, :uuid, :name, :memory_mib, 'healthy', NULL, :busy, :now, :used_mib, :strangers)
ON CONFLICT (id) DO UPDATE SET position = excluded.position, name = excluded.name, memory_mib = excluded.memory_mib,
  busy = excluded.busy, seen_at = excluded.seen_at, used_mib = excluded.used_mib, strangers = excluded.strangers;

-- name: device_is_busy
-- Until the next look: somebody else has it.
UPDATE devices SET busy = :busy, strangers = 1 WHERE id = :id;

-- name: device_diagnosis
UPDATE devices SET diagnosis = :diagnosis WHERE id = :id;

-- name: devices_of
SELECT id, target, kind, position, uuid, name, memory_mib, state, diagnosis, busy, seen_at, used_mib, strangers
FROM devices WHERE target = :target ORDER BY kind, position;

-- name: device_get
SELECT id, target, kind, position, uuid, name, memory_mib, state, diagnosis, busy, seen_at, used_mib, strangers FROM devices WHERE id = :id;

-- name: devices_free
-- Devices of a target that nobody of ours holds: healthy and seen lately. Whether others use them is for the planner.
SELECT d.id, d.kind, d.position, d.memory_mib, d.name, d.busy, d.used_mib, d.strangers FROM devices d
WHERE d.target = :target AND d.state = 'healthy' AND (d.kind = 'slot' OR d.seen_at >= :seen_since)
  AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.device_id = d.id AND l.state = 'held')
ORDER BY d.kind, d.position;

-- name: lease_insert
INSERT INTO leases (device_id, attempt_id, state, acquired_at, part)
VALUES (:device_id, :attempt_id, 'held', :now, :part);

-- name: leases_release
UPDATE leases SET state = 'released', released_at = :now WHERE attempt_id = :attempt_id AND state = 'held' RETURNING device_id;

-- name: leases_of_ended
-- Leases whose attempt has ended: kept until the device is proven clean.
SELECT l.attempt_id, l.device_id FROM leases l JOIN devices d ON d.id = l.device_id JOIN attempts a ON a.id = l.attempt_id
WHERE l.state = 'held' AND d.target = :target AND a.state IN ('exited', 'lost', 'refused');

-- name: leases_held
SELECT l.device_id, l.attempt_id, d.kind, a.state, a.ended_at FROM leases l JOIN devices d ON d.id = l.device_id
JOIN attempts a ON a.id = l.attempt_id WHERE l.state = 'held' AND d.target = :target;

-- name: sweeps_with_waiting
-- Active sweeps that have waiting runs: what the level-triggered look at dependencies goes through.
SELECT s.id FROM sweeps s JOIN tallies t ON t.sweep_id = s.id AND t.state = 'waiting'
WHERE s.state = 'active' AND t.number > 0 ORDER BY s.seq;

-- name: sweeps_unsettled
-- Active sweeps none of whose runs goes on by itself.
SELECT s.id, s.campaign_id FROM sweeps s WHERE s.state = 'active' AND NOT EXISTS (SELECT 1 FROM tallies t
  WHERE t.sweep_id = s.id AND t.state IN ('waiting', 'queued', 'delayed', 'running', 'cancelling', 'collecting')
    AND t.number > 0)
ORDER BY s.seq;

-- name: runs_blocked_of_sweep
SELECT id FROM runs WHERE sweep_id = :sweep_id AND state = 'blocked' AND reason = :reason ORDER BY seq;

-- name: run_blocked
UPDATE runs SET reason = :reason, detail = :detail WHERE id = :id;

-- name: audit_next_seq
-- For verify-log, as all audit_ queries: where the log goes on after an event that cannot be decoded.
SELECT min(seq) FROM events WHERE seq > :after;

-- name: audit_campaigns
SELECT id, state, gate FROM campaigns;

-- name: audit_sweeps
SELECT id, state, gate FROM sweeps;

-- name: audit_devices
SELECT id, state FROM devices;

-- name: audit_runs
SELECT seq, id, state, sweep_id, attempts, fence FROM runs WHERE seq > :after ORDER BY seq LIMIT :limit;

-- name: audit_attempts
SELECT fence, id, state, run_id, target, devices FROM attempts WHERE fence > :after ORDER BY fence LIMIT :limit;

-- name: audit_leases
SELECT attempt_id, device_id, state FROM leases;

-- name: audit_tallies
SELECT sweep_id, state, number FROM tallies WHERE number <> 0;

-- name: audit_counts
SELECT sweep_id, state, count(*) FROM runs GROUP BY sweep_id, state;

-- name: run_cancelled
UPDATE runs SET reason = :reason, detail = :detail, ended_at = :now WHERE id = :id;

-- name: runs_live
-- Forced to the index of live attempts: for the sake of the order SQLite would walk through all attempts ever made.
SELECT r.id, r.seq, r.campaign_id, r.sweep_id, r.name, r.state, r.reason, r.detail, r.priority, r.config, r.attempts, r.failures,
  r.interruptions, r.not_before, r.created_at, r.started_at, r.ended_at, r.fence, r.rung, r.hint,
  r.actor, r.origin, r.chat, r.attributed, r.parent_id, r.queued_at, r.archived_at
FROM attempts a INDEXED BY attempts_live_target JOIN runs r ON r.id = a.run_id
WHERE a.state IN ('launching', 'running', 'stopping') ORDER BY a.fence LIMIT :limit;

-- name: runs_queued_before
-- How many queued runs of the same sweep go first.
SELECT count(*) FROM runs WHERE sweep_id = :sweep_id AND state = 'queued'
AND (priority > :priority OR (priority = :priority AND seq < :seq));

-- name: run_unmet_names
SELECT d.name, d.state FROM run_needs n JOIN runs d ON d.id = n.needs_id
WHERE n.run_id = :run_id AND d.state <> 'succeeded' ORDER BY d.seq LIMIT 20;

-- name: sweep_unmet_names
SELECT s.name, s.state FROM sweep_needs n JOIN sweeps s ON s.id = n.needs_id WHERE n.sweep_id = :sweep_id ORDER BY s.seq;

-- name: devices_all
SELECT id, target, kind, position, uuid, name, memory_mib, state, diagnosis, busy, seen_at, used_mib, strangers FROM devices
ORDER BY target, kind, position;

-- name: leases_live
SELECT device_id, attempt_id FROM leases WHERE state = 'held';

-- name: run_first_in_state
SELECT id, seq, campaign_id, sweep_id, name, state, reason, detail, priority, config, attempts, failures,
  interruptions, not_before, created_at, started_at, ended_at, fence, rung, hint,
  actor, origin, chat, attributed, parent_id, queued_at, archived_at
FROM runs WHERE sweep_id = :sweep_id AND state = :state ORDER BY seq LIMIT 1;

-- name: condition_insert
INSERT INTO conditions (run_id, sweep_id, requires, skip, met) VALUES (:run_id, :sweep_id, :requires, :skip, 0);

-- name: output_insert
INSERT INTO outputs (path, run_id) VALUES (:path, :run_id) ON CONFLICT (path, run_id) DO NOTHING;

-- name: mark_insert
INSERT INTO marks (attempt_id, kind, run_id, detail, at) VALUES (:attempt_id, :kind, :run_id, :detail, :now)
ON CONFLICT (attempt_id, kind) DO NOTHING RETURNING kind;

-- name: marks_of_run
SELECT attempt_id, kind, detail, at FROM marks WHERE run_id = :run_id ORDER BY at, kind;

-- name: marks_of_campaign
SELECT m.run_id, m.attempt_id, m.kind, m.detail FROM runs r JOIN marks m ON m.run_id = r.id
WHERE r.campaign_id = :campaign_id ORDER BY m.at, m.kind;

-- name: alert_last_seq
SELECT coalesce(max(seq), 0) FROM alerts;

-- name: alert_insert
INSERT INTO alerts (seq, kind, subject, campaign_id, title, detail, at, tries, next_at)
VALUES (:seq, :kind, :subject, :campaign_id, :title, :detail, :now, 0, :now)
ON CONFLICT (kind, subject) DO NOTHING RETURNING seq;

-- name: hold_put
INSERT INTO holds (subject, code, detail, since) VALUES (:subject, :code, :detail, :now)
ON CONFLICT (subject) DO UPDATE SET code = excluded.code, detail = excluded.detail;

-- name: hold_drop
DELETE FROM holds WHERE subject = :subject RETURNING code;

-- name: holds_all
SELECT subject, code, detail, since FROM holds ORDER BY subject;

-- name: sweep_started
-- The barrier of a sweep is open from its first start on.
UPDATE sweeps SET started_at = :now WHERE id = :id AND started_at IS NULL;

-- name: sweep_by_name
SELECT id FROM sweeps WHERE campaign_id = :campaign_id AND name = :name ORDER BY seq DESC LIMIT 1;

-- name: run_by_name
SELECT id FROM runs WHERE campaign_id = :campaign_id AND name = :name ORDER BY seq DESC LIMIT 1;

-- name: run_of_sweep_by_name
SELECT id FROM runs WHERE sweep_id = :sweep_id AND name = :name ORDER BY seq DESC LIMIT 1;

-- name: run_names
-- Names of all runs of a campaign, to find many of them at once; of equal names the newest comes last.
SELECT name, id FROM runs WHERE campaign_id = :campaign_id ORDER BY seq;

-- name: run_prioritise
UPDATE runs SET priority = :priority WHERE id = :id;

-- name: sweep_prioritise
UPDATE sweeps SET priority = :priority WHERE id = :id;

-- name: run_waits_anew
-- Its counters stay: it is the same work, only what it waits for has changed.
UPDATE runs SET reason = NULL, detail = NULL, not_before = NULL WHERE id = :id;

-- name: sweep_removed
-- How many runs were cancelled because the campaign's file has them no more.
SELECT count(*) FROM runs INDEXED BY runs_removed WHERE sweep_id = :id AND reason = 'removed';

-- name: runs_needing
-- Runs that go on by themselves and need this one, cell by cell.
SELECT r.id FROM run_needs n JOIN runs r ON r.id = n.run_id
WHERE n.needs_id = :needs_id AND r.state IN ('queued', 'delayed');

-- name: conditions_open
-- What the next waiting runs of a sweep require whose own needs (cell by cell) have all succeeded.
SELECT r.seq, r.id, c.requires, CASE c.skip WHEN 1 THEN r.config END, c.idle_since
FROM conditions c INDEXED BY conditions_open CROSS JOIN runs r
WHERE c.sweep_id = :sweep_id AND c.met = 0 AND r.id = c.run_id AND r.state = 'waiting' AND r.seq > :after
  AND NOT EXISTS (SELECT 1 FROM run_needs n JOIN runs d ON d.id = n.needs_id
    WHERE n.run_id = r.id AND d.state <> 'succeeded')
ORDER BY r.seq LIMIT :limit;

-- name: conditions_any
-- Whether some run waits for files; whether its needs are met is another question.
SELECT 1 FROM sweeps s CROSS JOIN conditions c INDEXED BY conditions_open CROSS JOIN runs r
WHERE s.state = 'active' AND c.sweep_id = s.id AND c.met = 0 AND r.id = c.run_id AND r.state = 'waiting' LIMIT 1;

-- name: condition_met
UPDATE conditions SET met = 1, idle_since = NULL WHERE run_id = :run_id AND requires = :requires AND met = 0
RETURNING run_id;

-- name: condition_idle
-- Since when nothing but files is waited for; NULL = something else goes on.
UPDATE conditions SET idle_since = :since WHERE run_id = :run_id AND met = 0;

-- name: conditions_missing
-- Waiting runs of a campaign that were seen to wait for files alone while nothing else of it went on, and since when.
SELECT r.id, r.sweep_id, r.detail, c.idle_since FROM sweeps s CROSS JOIN conditions c INDEXED BY conditions_open
CROSS JOIN runs r
WHERE s.campaign_id = :campaign_id AND c.sweep_id = s.id AND c.met = 0 AND c.idle_since IS NOT NULL
  AND r.id = c.run_id AND r.state = 'waiting' ORDER BY r.seq LIMIT :limit;

-- name: conditions_unseen
-- Whether some run of a sweep could start, for all that its own needs say, and its files were not looked at since
-- nothing else of the campaign goes on.
SELECT 1 FROM conditions c INDEXED BY conditions_open CROSS JOIN runs r
WHERE c.sweep_id = :sweep_id AND c.met = 0 AND c.idle_since IS NULL AND r.id = c.run_id AND r.state = 'waiting'
  AND NOT EXISTS (SELECT 1 FROM run_needs n JOIN runs d ON d.id = n.needs_id
    WHERE n.run_id = r.id AND d.state <> 'succeeded') LIMIT 1;

-- name: conditions_retry
-- A run that is tried again is not made superfluous by what it wrote itself, for ever (-1); what it requires is looked
-- at again.
UPDATE conditions SET skip = -1, idle_since = NULL, met = CASE requires WHEN '[]' THEN 1 ELSE 0 END
WHERE run_id = :run_id;

-- name: conditions_again
-- A run that waits once more: its files are looked at again.
UPDATE conditions SET idle_since = NULL, met = 0 WHERE run_id = :run_id AND (skip = 1 OR requires <> '[]');

-- name: run_waits
-- Why a waiting run waits; NULL = for nothing that a person could mend.
UPDATE runs SET reason = :reason, detail = :detail WHERE id = :id AND state = 'waiting'
  AND coalesce(detail, '') <> coalesce(CAST(:detail AS TEXT), '');

-- name: run_skipped
UPDATE runs SET reason = :reason, detail = :detail, ended_at = :now WHERE id = :id;

-- name: sweep_most_attempts
SELECT most_attempts FROM sweeps WHERE id = :id;

-- name: audit_run_needs
SELECT needs_id, since FROM run_needs WHERE run_id = :run_id;

-- name: audit_sweep_needs
SELECT needs_id, since FROM sweep_needs WHERE sweep_id = :id;

-- name: sweeps_going_on
-- Sweeps of a campaign of which something goes on by itself: how many runs are in such a state.
SELECT s.id, s.name, t.state, t.number FROM sweeps s JOIN tallies t ON t.sweep_id = s.id
WHERE s.campaign_id = :campaign_id AND t.number > 0
  AND t.state IN ('waiting', 'queued', 'delayed', 'running', 'cancelling', 'collecting') ORDER BY s.seq;

-- name: leases_of_sweeps_before
-- Devices that attempts of earlier sweeps of a campaign still hold.
SELECT s.id, l.device_id, l.attempt_id FROM leases l INDEXED BY leases_held CROSS JOIN attempts a CROSS JOIN runs r
CROSS JOIN sweeps s
WHERE l.state = 'held' AND a.id = l.attempt_id AND r.id = a.run_id AND s.id = r.sweep_id
  AND s.campaign_id = :campaign_id AND s.seq < :seq;

-- name: sweeps_with_queued
-- Active sweeps that have queued runs: where they will work.
SELECT s.id, s.settings FROM sweeps s JOIN tallies t ON t.sweep_id = s.id AND t.state = 'queued'
WHERE s.state = 'active' AND t.number > 0 ORDER BY s.seq;

-- name: outputs_claimed
-- Active campaigns that claim some of these paths (JSON list) too, with one example of each.
SELECT c.id, c.name, count(*), min(o.path) FROM json_each(:paths) CROSS JOIN outputs o CROSS JOIN runs r
CROSS JOIN campaigns c
WHERE o.path = json_each.value AND r.id = o.run_id AND c.id = r.campaign_id AND c.state = 'active'
GROUP BY c.id, c.name ORDER BY c.id LIMIT :limit;

-- name: runs_held_up
-- Runs of a campaign that cannot start by themselves: blocked, or waiting for files.
SELECT r.id, r.name, r.state, r.reason, r.detail FROM runs r
WHERE r.campaign_id = :campaign_id AND r.reason IS NOT NULL AND r.state IN ('waiting', 'blocked')
ORDER BY r.seq LIMIT :limit;

-- name: runs_removed_of_sweep
SELECT id FROM runs INDEXED BY runs_removed WHERE sweep_id = :sweep_id AND reason = 'removed';

-- name: device_holders
-- Who holds the GPUs of a target that are well: which part, with which settings, how the attempt before ended, whether
-- this one has ended.
SELECT d.id, l.part, a.id, a.run_id, coalesce(a.settings, s.settings), p.reason, a.state
FROM leases l INDEXED BY leases_held CROSS JOIN devices d CROSS JOIN attempts a CROSS JOIN runs r CROSS JOIN sweeps s
LEFT JOIN attempts p ON p.run_id = a.run_id AND p.number = a.number - 1
WHERE l.state = 'held' AND d.id = l.device_id AND d.target = :target AND d.kind = 'gpu' AND d.state = 'healthy'
  AND d.seen_at >= :seen_since AND a.id = l.attempt_id AND r.id = a.run_id AND s.id = r.sweep_id
ORDER BY d.position, l.part;

-- name: run_before
-- Why the newest attempt of a run ended.
SELECT a.reason FROM runs r JOIN attempts a ON a.run_id = r.id AND a.fence = r.fence WHERE r.id = :id;

-- name: run_family
-- What tells the runs of one family from others, but for the GPU.
SELECT c.name, s.name, s.settings, r.config, r.rung FROM runs r JOIN sweeps s ON s.id = r.sweep_id
LEFT JOIN campaigns c ON c.id = r.campaign_id WHERE r.id = :id;

-- name: family_peak
SELECT peak_mib FROM families WHERE family = :family;

-- name: family_put
INSERT INTO families (family, peak_mib, attempts, updated_at) VALUES (:family, :mib, 1, :now)
ON CONFLICT (family) DO UPDATE SET attempts = families.attempts + 1, updated_at = excluded.updated_at,
  peak_mib = CASE WHEN excluded.peak_mib > families.peak_mib THEN excluded.peak_mib ELSE families.peak_mib END;

-- name: peaks_held
-- Who holds the GPUs of a target, whether it has ended, and the most memory that it was seen to use there.
SELECT l.device_id, l.attempt_id, a.state, p.mib
FROM leases l INDEXED BY leases_held CROSS JOIN devices d CROSS JOIN attempts a
LEFT JOIN peaks p ON p.attempt_id = l.attempt_id AND p.device_id = l.device_id
WHERE l.state = 'held' AND d.id = l.device_id AND d.target = :target AND d.kind = 'gpu' AND a.id = l.attempt_id
ORDER BY l.device_id, l.part;

-- name: peak_put
INSERT INTO peaks (attempt_id, device_id, mib) VALUES (:attempt_id, :device_id, :mib)
ON CONFLICT (attempt_id, device_id) DO UPDATE SET mib = excluded.mib;

-- name: peak_of_attempt
SELECT max(mib) FROM peaks WHERE attempt_id = :attempt_id;

-- name: mark_has
SELECT 1 FROM marks WHERE attempt_id = :attempt_id AND kind = :kind;

-- name: attempts_of_campaign
-- Every attempt of a campaign, those of a run oldest first.
SELECT a.run_id, a.id, a.target, a.folder, a.reason, a.devices, a.started_at, a.ended_at
FROM runs r CROSS JOIN attempts a WHERE r.campaign_id = :campaign_id AND a.run_id = r.id ORDER BY r.seq, a.number;

-- name: queue_jobs
-- Runs of a campaign with their newest attempts.
SELECT r.id, r.name, r.sweep_id, r.state, r.reason, r.detail, r.config, r.attempts, r.rung, r.not_before, r.ended_at,
  a.devices, a.pid, a.code, a.signal, a.started_at, a.ended_at
FROM runs r LEFT JOIN attempts a ON a.fence = r.fence AND a.run_id = r.id
WHERE r.campaign_id = :campaign_id ORDER BY r.seq;

-- name: queue_waits
-- What the waiting runs of a campaign wait for, run by run.
SELECT r.id, d.name, d.state FROM runs r JOIN run_needs n ON n.run_id = r.id JOIN runs d ON d.id = n.needs_id
WHERE r.campaign_id = :campaign_id AND r.state = 'waiting' AND d.state <> 'succeeded' ORDER BY r.seq, d.seq;

-- name: queue_links
-- Which sweeps of a campaign need which, as a whole or run by run.
SELECT s.id, n.needs_id FROM sweeps s JOIN sweep_needs n ON n.sweep_id = s.id WHERE s.campaign_id = :campaign_id
UNION SELECT r.sweep_id, d.sweep_id FROM runs r JOIN run_needs n ON n.run_id = r.id JOIN runs d ON d.id = n.needs_id
WHERE r.campaign_id = :campaign_id;

-- name: run_judging
-- What the end of an attempt is weighed against.
SELECT state, sweep_id, campaign_id, failures, interruptions, rung, hint, name, config FROM runs WHERE id = :id;

-- name: attempt_before
-- How one earlier attempt of a run ended.
SELECT reason, signature, ended_at - started_at FROM attempts WHERE run_id = :run_id AND number = :number;

-- name: attempts_killed
SELECT count(*) FROM attempts WHERE run_id = :run_id AND number < :before AND reason = 'killed';

-- name: failures_of_sweep
-- How the failed runs of a sweep ended; asked for when exactly `limit` have failed and none has succeeded.
SELECT r.reason, a.signature FROM runs r JOIN attempts a ON a.run_id = r.id AND a.fence = r.fence
WHERE r.sweep_id = :sweep_id AND r.state = 'failed' ORDER BY r.seq LIMIT :limit;

-- name: seconds_of_others
-- How long the runs took that succeeded among the first few of a sweep: a sample, whatever the size of the sweep.
SELECT a.ended_at - a.started_at FROM runs r JOIN attempts a ON a.run_id = r.id AND a.fence = r.fence
WHERE r.sweep_id = :sweep_id AND r.seq < (SELECT min(f.seq) FROM runs f WHERE f.sweep_id = :sweep_id) + :limit
  AND r.state = 'succeeded' AND r.id <> :run_id AND a.started_at IS NOT NULL;

-- name: campaign_update
UPDATE campaigns SET digest = :digest, path = :path, source = :source, settings = :settings WHERE id = :id;

-- name: sweep_settings_put
-- The most attempts that any version of the settings allowed are kept.
UPDATE sweeps SET settings = :settings, most_attempts = CASE WHEN coalesce(most_attempts, 0) < CAST(:most AS BIGINT)
  THEN CAST(:most AS BIGINT) ELSE most_attempts END WHERE id = :id;

-- name: attempts_keep_settings
-- What live attempts of a sweep were started with, before its settings are changed.
UPDATE attempts SET settings = :settings WHERE settings IS NULL AND state IN ('launching', 'running', 'stopping')
  AND run_id IN (SELECT id FROM runs WHERE sweep_id = :sweep_id AND state IN ('running', 'cancelling'));

-- name: attempt_settings
SELECT settings FROM attempts WHERE id = :id;

-- name: sweep_need_drop
DELETE FROM sweep_needs WHERE sweep_id = :sweep_id AND needs_id = :needs_id;

-- name: sweep_need_add
INSERT INTO sweep_needs (sweep_id, needs_id, since) VALUES (:sweep_id, :needs_id, :since);

-- name: run_need_drop
DELETE FROM run_needs WHERE run_id = :run_id AND needs_id = :needs_id;

-- name: run_need_add
INSERT INTO run_needs (run_id, needs_id, since) VALUES (:run_id, :needs_id, :since);

-- name: conditions_drop
DELETE FROM conditions WHERE run_id = :run_id;

-- name: outputs_drop
DELETE FROM outputs WHERE run_id = :run_id;

-- name: run_replaced
-- A pending run gets another configuration and is judged anew.
UPDATE runs SET config = :config, reason = NULL, detail = NULL, failures = 0, interruptions = 0, not_before = NULL,
  rung = 0, hint = NULL WHERE id = :id;

-- name: sweep_seq_put
UPDATE sweeps SET seq = :seq WHERE id = :id;

-- name: run_sweep_put
-- A pending run belongs to another sweep from now on.
UPDATE runs SET sweep_id = :sweep_id WHERE id = :id;

-- name: runs_known
-- Runs of a campaign that its file has, for all that is known; of equal names the newest comes last.
SELECT id, name, sweep_id, state, config FROM runs
WHERE campaign_id = :campaign_id AND coalesce(reason, '') <> 'removed' ORDER BY seq;

-- name: needs_known
-- Which runs of a campaign need which: id, id and name of what is needed.
SELECT r.id, d.id, d.name FROM runs r JOIN run_needs n ON n.run_id = r.id JOIN runs d ON d.id = n.needs_id
WHERE r.campaign_id = :campaign_id;

-- name: alerts_waiting
-- What people are still to be told, oldest first; requests for an analysis are another matter.
SELECT seq, kind, subject, campaign_id, title, detail, at, tries, next_at, failure, sent_at
FROM alerts INDEXED BY alerts_due WHERE next_at IS NOT NULL AND kind <> :other ORDER BY seq LIMIT :limit;

-- name: alerts_waiting_of_kind
SELECT seq, kind, subject, campaign_id, title, detail, at, tries, next_at, failure, sent_at
FROM alerts INDEXED BY alerts_due WHERE next_at IS NOT NULL AND kind = :kind ORDER BY seq LIMIT :limit;

-- name: alerts_latest
SELECT seq, kind, subject, campaign_id, title, detail, at, tries, next_at, failure, sent_at
FROM alerts WHERE seq < :before ORDER BY seq DESC LIMIT :limit;

-- name: alerts_of_campaign
SELECT seq, kind, subject, campaign_id, title, detail, at, tries, next_at, failure, sent_at
FROM alerts WHERE campaign_id = :campaign_id AND seq < :before ORDER BY seq DESC LIMIT :limit;

-- name: alert_sent
UPDATE alerts SET sent_at = :now, next_at = NULL, failure = NULL, tries = tries + 1 WHERE seq = :seq;

-- name: alert_failed
-- next_at NULL: it is given up.
UPDATE alerts SET next_at = :next_at, failure = :failure, tries = tries + 1 WHERE seq = :seq;

-- name: alert_unwanted
-- Nobody is to be told.
UPDATE alerts SET sent_at = at, next_at = NULL WHERE seq = :seq;

-- name: attempt_ordered
-- Why its end was ordered, until its end says more.
UPDATE attempts SET detail = :detail WHERE id = :id AND fence = :fence;

-- name: run_must_run
-- Whether outputs that are there already may be a run's own: it has made attempts, or was asked to run again.
SELECT 1 FROM runs r LEFT JOIN conditions c ON c.run_id = r.id
WHERE r.id = :run_id AND (r.attempts > 0 OR c.skip = -1);

-- name: audit_wild_sessions
SELECT id, status FROM wild_sessions;

-- name: wild_session_insert
INSERT INTO wild_sessions (seq, id, chat, status, record, actor, scoped, started_at)
VALUES (:seq, :id, :chat, 'running', :record, :actor, :scoped, :now);

-- What is there for who asks (store/scope.py), and access tokens.

-- name: token_last_seq
SELECT coalesce(max(seq), 0) FROM tokens;

-- name: token_insert
INSERT INTO tokens (seq, id, name, hash, role, campaigns, verbs, budget, used, created_at, created_by, expires_at)
VALUES (:seq, :id, :name, :hash, :role, :campaigns, :verbs, :budget, 0, :now, :created_by, :expires_at);

-- name: token_find
SELECT id, seq, name, role, campaigns, verbs, budget, used, created_at, created_by, expires_at, revoked_at
FROM tokens WHERE id = :text OR name = :text;

-- name: tokens_all
SELECT id, seq, name, role, campaigns, verbs, budget, used, created_at, created_by, expires_at, revoked_at
FROM tokens ORDER BY seq DESC;

-- name: tokens_standing
SELECT id, seq, name, role, campaigns, verbs, budget, used, created_at, created_by, expires_at, revoked_at, hash
FROM tokens WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now);

-- name: token_revoke
UPDATE tokens SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL RETURNING id;

-- name: token_spend
UPDATE tokens SET used = used + :runs
WHERE id = :id AND (budget IS NULL OR used + CAST(:runs AS BIGINT) <= budget) RETURNING used;

-- name: events_after_in_scope
-- Of campaigns, their sweeps, runs and attempts (RUN.NUMBER) that are there for who asks.
SELECT e.seq, e.wall, e.boot_id, e.actor, e.request_id, e.kind, e.subject, e.token, e.payload, e.hash
FROM events e
WHERE e.seq > :after AND e.seq <= :until
  AND (substr(e.subject, 1, 12) = :scope_run
    OR e.subject IN (SELECT value FROM json_each(:scope_campaigns))
    OR EXISTS (SELECT 1 FROM sweeps s WHERE s.id = e.subject
      AND s.campaign_id IN (SELECT value FROM json_each(:scope_campaigns)))
    OR EXISTS (SELECT 1 FROM runs r WHERE r.id = substr(e.subject, 1, 12) AND (r.actor = :scope_actor
      OR r.campaign_id IN (SELECT value FROM json_each(:scope_campaigns)))))
ORDER BY e.seq LIMIT :limit;

-- name: events_last_in_scope
SELECT e.seq, e.wall, e.boot_id, e.actor, e.request_id, e.kind, e.subject, e.token, e.payload, e.hash
FROM events e
WHERE e.seq > :after
  AND (substr(e.subject, 1, 12) = :scope_run
    OR e.subject IN (SELECT value FROM json_each(:scope_campaigns))
    OR EXISTS (SELECT 1 FROM sweeps s WHERE s.id = e.subject
      AND s.campaign_id IN (SELECT value FROM json_each(:scope_campaigns)))
    OR EXISTS (SELECT 1 FROM runs r WHERE r.id = substr(e.subject, 1, 12) AND (r.actor = :scope_actor
      OR r.campaign_id IN (SELECT value FROM json_each(:scope_campaigns)))))
ORDER BY e.seq DESC LIMIT :limit;

-- name: alerts_in_scope
SELECT a.seq, a.kind, a.subject, a.campaign_id, a.title, a.detail, a.at, a.tries, a.next_at, a.failure, a.sent_at
FROM alerts a WHERE a.seq < :before
  AND (a.subject = :scope_run OR a.campaign_id IN (SELECT value FROM json_each(:scope_campaigns))
    OR EXISTS (SELECT 1 FROM runs r WHERE r.id = substr(a.subject, 1, 12) AND r.actor = :scope_actor))
ORDER BY a.seq DESC LIMIT :limit;

-- name: campaign_named
-- The newest campaign of a name that is there for who asks.
SELECT id FROM campaigns WHERE name = :name
  AND (CAST(:scope_actor AS TEXT) IS NULL OR id IN (SELECT value FROM json_each(:scope_campaigns)))
ORDER BY seq DESC LIMIT 1;

-- name: campaign_owner
SELECT actor, name FROM campaigns WHERE id = :id;

-- name: run_owner
SELECT actor, campaign_id FROM runs WHERE id = :id;

-- name: sweep_campaign
SELECT campaign_id FROM sweeps WHERE id = :id;

-- name: campaigns_in_scope
-- By id, by name, by who made them.
SELECT id FROM campaigns WHERE actor = :actor
UNION SELECT id FROM campaigns WHERE id IN (SELECT value FROM json_each(:scope_campaigns))
UNION SELECT id FROM campaigns WHERE name IN (SELECT value FROM json_each(:scope_campaigns));

-- Listings of runs (store/listing.py): one query for each way to the rows, newest or oldest first, all with one filter.

-- part: listed_run
SELECT r.id, r.seq, r.campaign_id, r.sweep_id, r.name, r.state, r.reason, r.detail, r.priority, r.config, r.attempts,
  r.failures, r.interruptions, r.not_before, r.created_at, r.started_at, r.ended_at, r.fence, r.rung, r.hint,
  r.actor, r.origin, r.chat, r.attributed, r.parent_id, r.queued_at, r.archived_at FROM runs r;

-- part: label_of_run
-- Its own label, else that of its sweep, else that of its campaign.
coalesce((SELECT l.value FROM labels l WHERE l.thing = r.id AND l.name = :label),
  (SELECT l.value FROM labels l WHERE l.thing = r.sweep_id AND l.name = :label),
  (SELECT l.value FROM labels l WHERE l.thing = r.campaign_id AND l.name = :label));

-- part: chosen_runs
-- Every argument may be NULL: then nothing is left out for its sake.
(CAST(:archived AS BIGINT) = 1 OR r.archived_at IS NULL)
  AND (CAST(:alone AS BIGINT) = 0 OR r.campaign_id IS NULL)
  AND (CAST(:states AS TEXT) IS NULL OR r.state IN (SELECT value FROM json_each(:states)))
  AND (CAST(:chat AS TEXT) IS NULL OR r.chat = :chat)
  AND (CAST(:parent AS TEXT) IS NULL OR r.parent_id = :parent)
  AND (CAST(:actor AS TEXT) IS NULL OR r.actor = :actor)
  AND (CAST(:label AS TEXT) IS NULL OR {label_of_run} = coalesce(CAST(:value AS TEXT), {label_of_run}))
  AND (CAST(:metric AS TEXT) IS NULL
    OR EXISTS (SELECT 1 FROM results m WHERE m.run_id = r.id AND m.metric = :metric))
  AND (CAST(:scope_actor AS TEXT) IS NULL OR r.actor = :scope_actor OR r.id = :scope_run
    OR r.campaign_id IN (SELECT value FROM json_each(:scope_campaigns)));

-- name: list_runs_newest
{listed_run} WHERE r.seq < :place AND {chosen_runs}
ORDER BY r.seq DESC LIMIT :limit;

-- name: list_runs_oldest
{listed_run} WHERE r.seq > :place AND {chosen_runs}
ORDER BY r.seq LIMIT :limit;

-- name: list_runs_of_campaign_newest
{listed_run} INDEXED BY runs_campaign WHERE r.campaign_id = :campaign AND r.seq < :place AND {chosen_runs}
ORDER BY r.seq DESC LIMIT :limit;

-- name: list_runs_of_campaign_oldest
{listed_run} INDEXED BY runs_campaign WHERE r.campaign_id = :campaign AND r.seq > :place AND {chosen_runs}
ORDER BY r.seq LIMIT :limit;

-- name: list_runs_of_sweep_newest
{listed_run} INDEXED BY runs_sweep WHERE r.sweep_id = :sweep AND r.seq < :place AND {chosen_runs}
ORDER BY r.seq DESC LIMIT :limit;

-- name: list_runs_of_sweep_oldest
{listed_run} INDEXED BY runs_sweep WHERE r.sweep_id = :sweep AND r.seq > :place AND {chosen_runs}
ORDER BY r.seq LIMIT :limit;

-- name: list_runs_of_chat_newest
{listed_run} INDEXED BY runs_chat WHERE r.chat = :chat AND r.seq < :place AND {chosen_runs}
ORDER BY r.seq DESC LIMIT :limit;

-- name: list_runs_of_chat_oldest
{listed_run} INDEXED BY runs_chat WHERE r.chat = :chat AND r.seq > :place AND {chosen_runs}
ORDER BY r.seq LIMIT :limit;

-- name: list_runs_alone_newest
{listed_run} INDEXED BY runs_campaign WHERE r.campaign_id IS NULL AND r.seq < :place AND {chosen_runs}
ORDER BY r.seq DESC LIMIT :limit;

-- name: list_runs_alone_oldest
{listed_run} INDEXED BY runs_campaign WHERE r.campaign_id IS NULL AND r.seq > :place AND {chosen_runs}
ORDER BY r.seq LIMIT :limit;

-- name: list_runs_in_state_newest
{listed_run} INDEXED BY runs_unsuccessful WHERE r.state = :state AND r.state <> 'succeeded' AND r.seq < :place AND {chosen_runs}
ORDER BY r.seq DESC LIMIT :limit;

-- name: list_runs_in_state_oldest
{listed_run} INDEXED BY runs_unsuccessful WHERE r.state = :state AND r.state <> 'succeeded' AND r.seq > :place AND {chosen_runs}
ORDER BY r.seq LIMIT :limit;

-- name: list_runs_made_from_newest
{listed_run} INDEXED BY runs_parent WHERE r.parent_id = :parent AND r.seq < :place AND {chosen_runs}
ORDER BY r.seq DESC LIMIT :limit;

-- name: list_runs_made_from_oldest
{listed_run} INDEXED BY runs_parent WHERE r.parent_id = :parent AND r.seq > :place AND {chosen_runs}
ORDER BY r.seq LIMIT :limit;

-- name: sort_runs_of_campaign
SELECT r.seq, r.id, r.name, CASE CAST(:parameters AS BIGINT) WHEN 1 THEN r.config END,
  (SELECT v.text FROM results v WHERE v.run_id = r.id AND v.metric = :sorted_metric)
FROM runs r INDEXED BY runs_campaign WHERE r.campaign_id = :campaign AND {chosen_runs};

-- name: sort_runs_of_sweep
SELECT r.seq, r.id, r.name, CASE CAST(:parameters AS BIGINT) WHEN 1 THEN r.config END,
  (SELECT v.text FROM results v WHERE v.run_id = r.id AND v.metric = :sorted_metric)
FROM runs r INDEXED BY runs_sweep WHERE r.sweep_id = :sweep AND {chosen_runs};

-- name: sort_runs_of_chat
SELECT r.seq, r.id, r.name, CASE CAST(:parameters AS BIGINT) WHEN 1 THEN r.config END,
  (SELECT v.text FROM results v WHERE v.run_id = r.id AND v.metric = :sorted_metric)
FROM runs r INDEXED BY runs_chat WHERE r.chat = :chat AND {chosen_runs};

-- name: runs_by_ids
{listed_run} WHERE r.id IN (SELECT value FROM json_each(:ids));

-- part: chosen_campaigns
(CAST(:state AS TEXT) IS NULL OR c.state = :state)
  AND (CAST(:label AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM labels l WHERE l.thing = c.id AND l.name = :label
    AND l.value = coalesce(CAST(:value AS TEXT), l.value)))
  AND (CAST(:scope_actor AS TEXT) IS NULL OR c.actor = :scope_actor
    OR c.id IN (SELECT value FROM json_each(:scope_campaigns)));

-- part: listed_campaign
SELECT c.id, c.seq, c.name, c.state, c.gate, c.digest, c.path, c.settings, c.attempts_used, c.created_at, c.started_at,
  c.settled_at, c.actor, c.origin, c.chat, c.attributed FROM campaigns c;

-- name: list_campaigns_newest
{listed_campaign} WHERE c.seq < :place AND {chosen_campaigns} ORDER BY c.seq DESC LIMIT :limit;

-- name: list_campaigns_of_chat_newest
{listed_campaign} INDEXED BY campaigns_chat WHERE c.chat = :chat AND c.seq < :place AND {chosen_campaigns}
ORDER BY c.seq DESC LIMIT :limit;

-- Labels.

-- name: labels_of
SELECT l.thing, l.name, l.value FROM labels l WHERE l.thing IN (SELECT value FROM json_each(:things))
ORDER BY l.thing, l.name;

-- name: label_put
INSERT INTO labels (thing, name, value) VALUES (:thing, :name, :value)
ON CONFLICT (thing, name) DO UPDATE SET value = excluded.value;

-- name: label_drop
DELETE FROM labels WHERE thing = :thing AND name = :name;

-- Records of agents' loops (store/sessions.py). Those without a conversation belong together.

-- name: wild_session_last_seq
SELECT coalesce(max(seq), 0) FROM wild_sessions;

-- name: wild_session_get
SELECT id, chat, status, record, actor, scoped, started_at, finished_at FROM wild_sessions WHERE id = :id;

-- name: wild_session_latest
SELECT id, chat, status, record, actor, scoped, started_at, finished_at FROM wild_sessions
WHERE seq < :before ORDER BY seq DESC LIMIT 1;

-- name: wild_session_latest_of_actor
SELECT id, chat, status, record, actor, scoped, started_at, finished_at FROM wild_sessions
WHERE actor = :actor ORDER BY seq DESC LIMIT 1;

-- name: wild_sessions_of_chat
-- Those that go on first; owner NULL: whoever began them.
SELECT id, chat, status, record, actor, scoped, started_at, finished_at FROM wild_sessions
WHERE coalesce(chat, '') = coalesce(CAST(:chat AS TEXT), '') AND (CAST(:owner AS TEXT) IS NULL OR actor = :owner)
ORDER BY CASE WHEN status IN ('running', 'paused') THEN 0 ELSE 1 END, seq DESC LIMIT :limit;

-- name: wild_session_record
UPDATE wild_sessions SET record = :record WHERE id = :id;

-- name: wild_session_finished
UPDATE wild_sessions SET finished_at = :now WHERE id = :id;

-- name: wild_iteration_last_seq
SELECT coalesce(max(seq), 0) FROM wild_iterations WHERE session_id = :session_id;

-- name: wild_iteration_insert
INSERT INTO wild_iterations (session_id, seq, iteration, at, entry)
VALUES (:session_id, :seq, :iteration, :now, :entry);

-- name: wild_iterations_latest
SELECT iteration, at, entry FROM wild_iterations WHERE session_id = :session_id ORDER BY seq DESC LIMIT :limit;

-- name: wild_session_holding
-- The paused loop that holds a run back.
SELECT w.id FROM runs r CROSS JOIN wild_sessions w WHERE r.id = :run_id AND w.status = 'paused' AND w.chat = r.chat
  AND (w.scoped = 0 OR w.actor = r.actor) LIMIT 1;

-- name: wild_runs_ended
SELECT id, name, state, reason, detail, ended_at FROM runs INDEXED BY runs_chat_ended
WHERE chat = :chat AND ended_at >= :since AND state IN ('succeeded', 'failed', 'cancelled')
  AND (CAST(:owner AS TEXT) IS NULL OR actor = :owner) ORDER BY ended_at DESC LIMIT :limit;

-- name: wild_questions_open
-- Questions of a conversation that nobody answered.
SELECT q.id, r.id, r.name, q.severity, q.message, q.at FROM questions q INDEXED BY questions_open CROSS JOIN runs r
WHERE q.response IS NULL AND q.seq < :before AND q.at >= :since AND r.id = q.run_id AND r.chat = :chat
  AND (CAST(:owner AS TEXT) IS NULL OR r.actor = :owner) ORDER BY q.seq DESC LIMIT :limit;

-- name: wild_resolved_among
SELECT event_id FROM wild_resolved
WHERE session_id = :session_id AND event_id IN (SELECT value FROM json_each(:event_ids));

-- name: wild_resolved_insert
INSERT INTO wild_resolved (session_id, event_id, at) VALUES (:session_id, :event_id, :now)
ON CONFLICT (session_id, event_id) DO NOTHING;

-- Texts that teach agents and were made here (store/skills.py).

-- name: skill_get
SELECT id, name, description, category, template FROM skills WHERE id = :id;

-- name: skills_made
SELECT id, name, description, category, template FROM skills WHERE id > :after_id ORDER BY id LIMIT :limit;

-- name: skill_insert
INSERT INTO skills (id, name, description, template, category, created_at, updated_at, actor)
VALUES (:id, :name, :description, :template, :category, :now, :now, :actor);

-- name: skill_update
UPDATE skills SET name = :name, description = :description, template = :template, category = :category,
  updated_at = :now WHERE id = :id;

-- name: skill_delete
DELETE FROM skills WHERE id = :id;

-- Metric rows, and what is asked about runs (store/points.py, store/questions.py).

-- name: point_last_seq
SELECT coalesce(max(seq), 0) FROM points WHERE run_id = :run_id;

-- name: point_insert
INSERT INTO points (run_id, seq, attempt, at, data) VALUES (:run_id, :seq, :number, :now, :data);

-- name: points_after
SELECT seq, data FROM points WHERE run_id = :run_id AND seq > :after ORDER BY seq LIMIT :limit;

-- name: curve_get
SELECT state FROM curves WHERE run_id = :run_id AND attempt = :number;

-- name: curve_put
INSERT INTO curves (run_id, attempt, state) VALUES (:run_id, :number, :data)
ON CONFLICT (run_id, attempt) DO UPDATE SET state = excluded.state;

-- name: question_last_seq
SELECT coalesce(max(seq), 0) FROM questions;

-- name: question_insert
-- A rule asks once per attempt.
INSERT INTO questions (seq, id, run_id, attempt, rule, severity, message, choices, at)
VALUES (:seq, :id, :run_id, :number, :rule, :severity, :message, :choices, :now)
ON CONFLICT DO NOTHING RETURNING id;

-- name: question_get
SELECT q.id, q.run_id, q.attempt, q.rule, q.severity, q.message, q.choices, q.at, q.response, q.responded_at,
  q.responded_by, q.delivered_at, r.chat
FROM questions q JOIN runs r ON r.id = q.run_id WHERE q.id = :id;

-- name: questions_latest
SELECT q.id, q.run_id, q.attempt, q.rule, q.severity, q.message, q.choices, q.at, q.response, q.responded_at,
  q.responded_by, q.delivered_at, r.chat
FROM questions q JOIN runs r ON r.id = q.run_id
WHERE q.seq < :before AND (CAST(:scope_actor AS TEXT) IS NULL OR r.actor = :scope_actor OR r.id = :scope_run
  OR r.campaign_id IN (SELECT value FROM json_each(:scope_campaigns)))
ORDER BY q.seq DESC LIMIT :limit;

-- name: questions_open
SELECT id FROM questions WHERE run_id = :run_id AND response IS NULL LIMIT :limit;

-- name: question_answer
UPDATE questions SET response = :response, responded_at = :now, responded_by = :actor
WHERE id = :id AND response IS NULL RETURNING id;

-- name: questions_undelivered
-- What was answered and is not in the folder of the attempt that asked; target and folder NULL: there is none.
SELECT q.id, q.run_id, q.response, a.target, a.folder
FROM questions q INDEXED BY questions_undelivered LEFT JOIN attempts a ON a.run_id = q.run_id AND a.number = q.attempt
WHERE q.response IS NOT NULL AND q.delivered_at IS NULL ORDER BY q.seq LIMIT :limit;

-- name: question_delivered
UPDATE questions SET delivered_at = :now WHERE id = :id AND delivered_at IS NULL RETURNING id;

-- The cluster and what is counted for it (store/cluster.py).

-- name: cluster_get
SELECT state FROM cluster WHERE one = 1;

-- name: cluster_put
INSERT INTO cluster (one, state) VALUES (1, :state) ON CONFLICT (one) DO UPDATE SET state = excluded.state;

-- name: total_add
INSERT INTO totals (state, number) VALUES (:state, :change)
ON CONFLICT (state) DO UPDATE SET number = totals.number + excluded.number;

-- name: totals_move
INSERT INTO totals (state, number) VALUES (:left, -CAST(:number AS BIGINT)), (:entered, CAST(:number AS BIGINT))
ON CONFLICT (state) DO UPDATE SET number = totals.number + excluded.number;

-- name: totals
SELECT state, number FROM totals;

-- name: attempts_launching
-- The first condition lets the index of live attempts serve.
SELECT count(*) FROM attempts WHERE state IN ('launching', 'running', 'stopping') AND state = 'launching';

-- name: runs_external
-- What was last said of the runs that others carry out, and how often. The first condition lets the index serve.
SELECT c.status, count(*) FROM runs r CROSS JOIN callbacks c
WHERE r.state <> 'succeeded' AND r.state = 'external' AND c.run_id = r.id GROUP BY c.status;

-- name: runs_archived
-- How many runs listings leave out, by state. All states are named so that the index is searched.
SELECT state, count(*) FROM runs INDEXED BY runs_archived
WHERE archived_at IS NOT NULL AND state IN ('ready', 'waiting', 'queued', 'running', 'delayed', 'external', 'succeeded',
  'failed', 'blocked', 'cancelled', 'cancelling', 'collecting') GROUP BY state;

-- Runs and sweeps of the Wild V2 protocol (store/wild.py).

-- name: sweep_shared
SELECT id, state FROM sweeps WHERE campaign_id = :campaign_id AND name = :name;

-- name: wild_sweep_get
SELECT settings, draft, cancelled FROM wild_sweeps WHERE campaign_id = :campaign_id;

-- name: wild_sweep_insert
INSERT INTO wild_sweeps (campaign_id, settings, draft, cancelled) VALUES (:campaign_id, :settings, :draft, 0);

-- name: wild_sweep_put
UPDATE wild_sweeps SET settings = :settings, draft = :draft, cancelled = :cancelled WHERE campaign_id = :campaign_id;

-- name: wild_sweeps_open
-- Sweeps of a conversation that were not cancelled, newest first.
SELECT c.id, c.state, w.settings FROM campaigns c INDEXED BY campaigns_chat CROSS JOIN wild_sweeps w
WHERE c.chat = :chat AND w.campaign_id = c.id AND w.cancelled = 0 ORDER BY c.seq DESC LIMIT :limit;

-- name: wild_launching
-- Campaigns of runs whose process was not seen yet.
SELECT r.campaign_id FROM attempts a INDEXED BY attempts_live_target CROSS JOIN runs r
WHERE a.state IN ('launching', 'running', 'stopping') AND a.state = 'launching' AND r.id = a.run_id
  AND r.state = 'running';

-- name: wild_launching_elsewhere
-- The same for runs that others carry out.
SELECT r.campaign_id FROM runs r INDEXED BY runs_unsuccessful CROSS JOIN callbacks c
WHERE r.state = 'external' AND r.state <> 'succeeded' AND c.run_id = r.id AND c.status = 'launching';

-- name: run_ids_of_campaign
SELECT id FROM runs INDEXED BY runs_campaign WHERE campaign_id = :campaign_id ORDER BY seq;

-- name: runs_alike
-- The next runs of a campaign in one state.
SELECT id FROM runs INDEXED BY runs_unsuccessful
WHERE state = :state AND state <> 'succeeded' AND campaign_id = :campaign_id ORDER BY seq LIMIT :limit;

-- name: attempts_of_runs
SELECT a.run_id, a.number, a.state, a.reason, a.detail, a.target, a.folder, a.devices, a.claimed_at, a.started_at,
  a.ended_at, a.code, a.signal
FROM attempts a WHERE a.run_id IN (SELECT value FROM json_each(:ids)) ORDER BY a.run_id, a.number;

-- name: callbacks_of_runs
SELECT c.run_id, c.status, c.exit_code, c.error, c.tmux_pane, c.wandb_dir, c.at
FROM callbacks c WHERE c.run_id IN (SELECT value FROM json_each(:ids)) ORDER BY c.run_id;

-- name: callback_put
-- What is not said again stays.
INSERT INTO callbacks (run_id, status, exit_code, error, tmux_pane, wandb_dir, at)
VALUES (:run_id, :status, :exit_code, :error, :tmux_pane, :wandb_dir, :now)
ON CONFLICT (run_id) DO UPDATE SET status = excluded.status, exit_code = excluded.exit_code, error = excluded.error,
  tmux_pane = coalesce(excluded.tmux_pane, callbacks.tmux_pane),
  wandb_dir = coalesce(excluded.wandb_dir, callbacks.wandb_dir), at = excluded.at;

-- name: callback_drop
-- What others said of it is over: from now on we carry it out.
DELETE FROM callbacks WHERE run_id = :run_id;

-- name: run_reported
UPDATE runs SET reason = :reason, detail = :detail, started_at = coalesce(started_at, :started_at),
  ended_at = :ended_at WHERE id = :id;

-- name: run_enqueued
UPDATE runs SET queued_at = coalesce(queued_at, :now) WHERE id = :id;

-- name: run_named
UPDATE runs SET name = :name WHERE id = :id;

-- name: run_archived_put
UPDATE runs SET archived_at = :archived_at WHERE id = :id;

-- name: run_joined
UPDATE runs SET campaign_id = :campaign_id, sweep_id = :sweep_id WHERE id = :id;

-- name: campaign_begun
UPDATE campaigns SET started_at = coalesce(started_at, :now) WHERE id = :id;

-- name: campaign_said
UPDATE campaigns SET name = :name, settings = :settings WHERE id = :id;

-- What happened to a run and its attempts, whose ids are the run's with a number behind it. The plus keeps the walk
-- along events_subject: along seq it would be endless.
-- name: events_about
SELECT seq, wall, boot_id, actor, request_id, kind, subject, token, payload, hash
FROM events WHERE subject >= :low AND subject < :high ORDER BY +seq LIMIT :limit;

-- What a pass places (daemon/placing.py).

-- name: sweeps_startable
-- Active sweeps that have queued runs.
SELECT s.id, s.seq, s.campaign_id, s.name, s.state, s.gate, s.priority, s.settings, s.created_at, s.settled_at,
  s.started_at
FROM sweeps s JOIN tallies t ON t.sweep_id = s.id AND t.state = 'queued'
WHERE s.state = 'active' AND t.number > 0 ORDER BY s.seq;

-- name: sweeps_in_line
-- Active sweeps of which a run could start, by the order of their next runs.
SELECT s.id FROM sweeps s JOIN runs r ON r.seq = (
  SELECT runs.seq FROM runs INDEXED BY runs_queued WHERE runs.sweep_id = s.id AND runs.state = 'queued'
    AND NOT EXISTS (SELECT 1 FROM wild_sessions w
      WHERE w.status = 'paused' AND w.chat = runs.chat AND (w.scoped = 0 OR w.actor = runs.actor))
  ORDER BY runs.priority DESC, runs.seq LIMIT 1)
WHERE s.state = 'active' ORDER BY s.priority + r.priority DESC, r.seq;

-- Targets beside this machine.

-- name: targets_all
SELECT id, ssh, origin, actor, created_at, state, detail, since FROM targets ORDER BY id;

-- name: target_put
INSERT INTO targets (id, ssh, origin, actor, created_at, state, detail, since)
VALUES (:id, :ssh, :origin, :actor, :now, 'unknown', 'not asked yet', :now);

-- name: target_changed
UPDATE targets SET ssh = :ssh, origin = :origin WHERE id = :id;

-- name: target_noted
UPDATE targets SET state = :state, detail = :detail, since = :now WHERE id = :id AND state <> :state RETURNING id;

-- What briefs and waits read (store/chronicle.py).

-- name: chronicle_newest
-- The newest events about some things (JSON list of ids), without those of one kind.
SELECT seq, wall, boot_id, actor, request_id, kind, subject, token, payload, hash
FROM events WHERE subject IN (SELECT value FROM json_each(:things)) AND kind <> :left_out
ORDER BY seq DESC LIMIT :limit;

-- name: chronicle_naming
-- The newest events about wider things (JSON list of ids) that name one run in what they say.
SELECT seq, wall, boot_id, actor, request_id, kind, subject, token, payload, hash
FROM events WHERE subject IN (SELECT value FROM json_each(:things)) AND payload LIKE :pattern
ORDER BY seq DESC LIMIT :limit;

-- name: chronicle_verdicts
-- The newest ends of attempts by which runs of some sweeps (JSON list of ids) did not succeed. Runs that did so with
-- their first attempt, which are most, are not looked at.
SELECT e.seq, e.wall, e.boot_id, e.actor, e.request_id, e.kind, e.subject, e.token, e.payload, e.hash
FROM runs r CROSS JOIN events e
WHERE r.sweep_id IN (SELECT value FROM json_each(:things)) AND (r.attempts > 1 OR r.state <> 'succeeded')
  AND e.subject = r.id AND e.kind IN ('run.delay', 'run.requeue', 'run.fail', 'run.stopped', 'run.refuse')
ORDER BY e.seq DESC LIMIT :limit;

-- name: chronicle_within
-- Behind a cursor: about a campaign or a sweep, its sweeps, runs and attempts (RUN.NUMBER).
SELECT e.seq, e.wall, e.boot_id, e.actor, e.request_id, e.kind, e.subject, e.token, e.payload, e.hash
FROM events e WHERE e.seq > :after AND e.seq <= :until
  AND (substr(e.subject, 1, 12) = :thing
    OR EXISTS (SELECT 1 FROM sweeps s WHERE s.id = e.subject AND s.campaign_id = :thing)
    OR EXISTS (SELECT 1 FROM runs r WHERE r.id = substr(e.subject, 1, 12)
      AND (r.campaign_id = :thing OR r.sweep_id = :thing)))
ORDER BY e.seq LIMIT :limit;

-- name: chronicle_of_run
-- Behind a cursor: about a run and its attempts (RUN.NUMBER), or naming it in what is said of its sweep or campaign.
SELECT e.seq, e.wall, e.boot_id, e.actor, e.request_id, e.kind, e.subject, e.token, e.payload, e.hash
FROM events e WHERE e.seq > :after AND e.seq <= :until
  AND (substr(e.subject, 1, 12) = :run_id OR e.payload LIKE :pattern)
ORDER BY e.seq LIMIT :limit;

-- name: attempts_named
-- Attempts by their ids (JSON list), and where they were.
SELECT a.id, a.target FROM attempts a WHERE a.id IN (SELECT value FROM json_each(:ids));

-- name: runs_named
SELECT id, name FROM runs WHERE id IN (SELECT value FROM json_each(:ids));

-- name: attempts_by_target
-- Where the attempts of some sweeps (JSON list of ids) were made: how many, since when, how many may be alive.
SELECT a.target, count(*), min(a.claimed_at),
  sum(CASE WHEN a.state IN ('launching', 'running', 'stopping') THEN 1 ELSE 0 END)
FROM runs r CROSS JOIN attempts a
WHERE r.sweep_id IN (SELECT value FROM json_each(:things)) AND a.run_id = r.id
GROUP BY a.target ORDER BY min(a.claimed_at);

-- name: attempts_by_reason
-- How attempts of some sweeps (JSON list of ids) ended that did not end well: how many, of how many runs, how many of
-- these runs failed by it for good, since when, until when, and the fence of the last one.
SELECT a.reason, count(*), count(DISTINCT a.run_id),
  sum(CASE WHEN r.state = 'failed' AND r.fence = a.fence THEN 1 ELSE 0 END),
  min(a.ended_at), max(a.ended_at), max(a.fence)
FROM runs r CROSS JOIN attempts a
WHERE r.sweep_id IN (SELECT value FROM json_each(:things)) AND a.run_id = r.id
  AND a.ended_at IS NOT NULL AND a.reason <> 'ok'
GROUP BY a.reason ORDER BY count(*) DESC;

-- name: attempt_by_fence
SELECT id, run_id, number, state, reason, detail, fence, target, boot_id, folder, devices, claimed_at, started_at,
  ended_at, observed_at, pid, code, signal, record, signature FROM attempts WHERE fence = :fence;

-- name: runs_next_due_of
-- When the next delayed runs of some sweeps (JSON list of ids) are tried again, and how many wait for that.
SELECT min(r.not_before), count(*) FROM runs r INDEXED BY runs_unsuccessful
WHERE r.state = 'delayed' AND r.state <> 'succeeded' AND r.sweep_id IN (SELECT value FROM json_each(:things));

-- name: questions_open_of
-- Questions about runs of some sweeps (JSON list of ids) that nobody answered, oldest first, with numbers above `after`.
SELECT q.id, q.run_id, r.name, q.severity, q.message, q.choices, q.at
FROM questions q INDEXED BY questions_open CROSS JOIN runs r
WHERE q.response IS NULL AND q.seq > :after AND r.id = q.run_id
  AND r.sweep_id IN (SELECT value FROM json_each(:things))
ORDER BY q.seq LIMIT :limit;

-- name: point_newest
-- The last row of numbers that a run sent.
SELECT data, at, attempt FROM points WHERE run_id = :run_id ORDER BY seq DESC LIMIT 1;

-- name: result_best
-- The best final number of some sweeps (JSON list of ids): the largest with a sign of 1, the smallest with -1.
SELECT r.id, r.name, x.number FROM runs r CROSS JOIN results x
WHERE r.sweep_id IN (SELECT value FROM json_each(:things)) AND x.run_id = r.id AND x.metric = :metric
  AND x.number IS NOT NULL ORDER BY x.number * CAST(:sign AS REAL) DESC, r.seq LIMIT 1;

-- name: usage_put
INSERT INTO usages (attempt_id, at, cpu_seconds, rss_bytes, peak_rss_bytes, processes, gpu_utilisation, gpu_memory_mib)
VALUES (:attempt_id, :now, :cpu_seconds, :rss_bytes, :peak_rss_bytes, :processes, :gpu_utilisation, :gpu_memory_mib)
ON CONFLICT (attempt_id) DO UPDATE SET at = excluded.at, cpu_seconds = excluded.cpu_seconds,
  rss_bytes = excluded.rss_bytes, peak_rss_bytes = excluded.peak_rss_bytes, processes = excluded.processes,
  gpu_utilisation = excluded.gpu_utilisation, gpu_memory_mib = excluded.gpu_memory_mib;

-- name: usages_of_run
-- What its attempts that may be alive were last seen to use.
SELECT u.attempt_id, u.at, u.cpu_seconds, u.rss_bytes, u.peak_rss_bytes, u.processes, u.gpu_utilisation, u.gpu_memory_mib
FROM attempts a JOIN usages u ON u.attempt_id = a.id
WHERE a.run_id = :id AND a.state IN ('launching', 'running', 'stopping');


-- What attempts left on other machines (store/fetches.py).

-- name: fetch_insert
INSERT INTO fetches (id, run_id, target, state, created_at) VALUES (:id, :run_id, :target, 'pending', :now);

-- name: fetch_get
SELECT id, run_id, target, state, tries, not_before, files, bytes, digest, problem, created_at, ended_at
FROM fetches WHERE id = :id;

-- name: fetches_of_run
SELECT id, run_id, target, state, tries, not_before, files, bytes, digest, problem, created_at, ended_at
FROM fetches INDEXED BY fetches_run WHERE run_id = :run_id;

-- name: fetches_due
SELECT id, run_id, target, state, tries, not_before, files, bytes, digest, problem, created_at, ended_at
FROM fetches INDEXED BY fetches_pending WHERE target = :target AND state = 'pending'
  AND (not_before IS NULL OR not_before <= :now) ORDER BY created_at, id LIMIT :limit;

-- name: fetches_oldest
SELECT id, run_id, target, state, tries, not_before, files, bytes, digest, problem, created_at, ended_at
FROM fetches INDEXED BY fetches_pending WHERE target = :target AND state = 'pending' ORDER BY created_at, id LIMIT 1;

-- name: fetch_postponed
UPDATE fetches SET tries = tries + 1, not_before = :not_before, problem = :problem WHERE id = :id AND state = 'pending';

-- name: fetches_hurry
UPDATE fetches SET not_before = NULL WHERE target = :target AND state = 'pending' AND not_before IS NOT NULL;

-- name: fetch_ended
UPDATE fetches SET files = :files, bytes = :bytes, digest = :digest, problem = :problem, not_before = NULL,
  ended_at = :now WHERE id = :id;

-- name: run_collected
-- What a run left on another machine is here, or never will be.
UPDATE runs SET reason = :reason, detail = :detail, ended_at = :now WHERE id = :id;

-- name: audit_fetches
SELECT id, state, digest FROM fetches ORDER BY id;
