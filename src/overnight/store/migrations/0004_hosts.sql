-- What machines reached over SSH need.

-- Targets beside this machine, and what was last known of the way to them. ssh: JSON of how to reach it; origin: `file`
-- (config.toml) or `manifest` (an alias of the user's SSH configuration).
CREATE TABLE targets (
  id TEXT PRIMARY KEY,
  ssh TEXT NOT NULL,
  origin TEXT NOT NULL CHECK (origin IN ('file', 'manifest')),
  actor TEXT NOT NULL,
  created_at REAL NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('unknown', 'reachable')),
  detail TEXT,
  since REAL NOT NULL
);

-- One more state of a run: `collecting` (it ended well on another machine, and what it left is on its way home).
-- only: sqlite
CREATE TABLE runs_anew (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  campaign_id TEXT REFERENCES campaigns (id),
  sweep_id TEXT NOT NULL REFERENCES sweeps (id),
  name TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('ready', 'waiting', 'queued', 'running', 'delayed', 'external', 'succeeded',
    'failed', 'blocked', 'cancelled', 'cancelling', 'collecting')),
  reason TEXT,
  detail TEXT,
  priority INTEGER NOT NULL,
  config TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  interruptions INTEGER NOT NULL,
  not_before REAL,
  created_at REAL NOT NULL,
  started_at REAL,
  ended_at REAL,
  fence INTEGER NOT NULL,
  rung INTEGER NOT NULL DEFAULT 0,
  hint TEXT,
  actor TEXT NOT NULL DEFAULT 'admin',
  origin TEXT NOT NULL DEFAULT '',
  chat TEXT,
  attributed INTEGER NOT NULL DEFAULT 0,
  parent_id TEXT,
  queued_at REAL,
  archived_at REAL
);
INSERT INTO runs_anew (seq, id, campaign_id, sweep_id, name, state, reason, detail, priority, config, attempts,
  failures, interruptions, not_before, created_at, started_at, ended_at, fence, rung, hint, actor, origin, chat,
  attributed, parent_id, queued_at, archived_at)
SELECT seq, id, campaign_id, sweep_id, name, state, reason, detail, priority, config, attempts,
  failures, interruptions, not_before, created_at, started_at, ended_at, fence, rung, hint, actor, origin, chat,
  attributed, parent_id, queued_at, archived_at FROM runs;
DROP TABLE runs;
ALTER TABLE runs_anew RENAME TO runs;
CREATE INDEX runs_campaign ON runs (campaign_id, seq);
CREATE INDEX runs_sweep ON runs (sweep_id, seq);
CREATE INDEX runs_queued ON runs (sweep_id, priority DESC, seq) WHERE state = 'queued';
CREATE INDEX runs_waiting ON runs (sweep_id, seq) WHERE state = 'waiting';
CREATE INDEX runs_delayed ON runs (not_before) WHERE state = 'delayed';
CREATE INDEX runs_live ON runs (sweep_id) WHERE state IN ('running', 'cancelling');
CREATE INDEX runs_removed ON runs (sweep_id) WHERE reason = 'removed';
CREATE INDEX runs_chat ON runs (chat, seq) WHERE chat IS NOT NULL;
CREATE INDEX runs_parent ON runs (parent_id, seq) WHERE parent_id IS NOT NULL;
CREATE INDEX runs_ready ON runs (sweep_id, seq) WHERE state = 'ready';
CREATE INDEX runs_archived ON runs (state) WHERE archived_at IS NOT NULL;
CREATE INDEX runs_unsuccessful ON runs (state, seq) WHERE state <> 'succeeded';
CREATE INDEX runs_chat_ended ON runs (chat, ended_at) WHERE chat IS NOT NULL AND ended_at IS NOT NULL;
-- only: postgres
ALTER TABLE runs DROP CONSTRAINT runs_state_check;
ALTER TABLE runs ADD CONSTRAINT runs_state_check CHECK (state IN ('ready', 'waiting', 'queued', 'running', 'delayed',
  'external', 'succeeded', 'failed', 'blocked', 'cancelled', 'cancelling', 'collecting'));
-- only: all

-- What an ended attempt left on another machine, on its way home; id: the attempt's. digest: SHA-256 over the list of
-- files with sizes and hashes, equal on both sides; problem: why the last try failed.
CREATE TABLE fetches (
  id TEXT PRIMARY KEY REFERENCES attempts (id),
  run_id TEXT NOT NULL,
  target TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'failed')),
  tries INTEGER NOT NULL DEFAULT 0,
  not_before REAL,
  files INTEGER,
  bytes INTEGER,
  digest TEXT,
  problem TEXT,
  created_at REAL NOT NULL,
  ended_at REAL
);
CREATE INDEX fetches_pending ON fetches (target, created_at, id) WHERE state = 'pending';
CREATE INDEX fetches_run ON fetches (run_id);

-- What a live attempt was last seen to use.
CREATE TABLE usages (
  attempt_id TEXT PRIMARY KEY REFERENCES attempts (id),
  at REAL NOT NULL,
  cpu_seconds REAL,
  rss_bytes INTEGER,
  peak_rss_bytes INTEGER,
  processes INTEGER,
  gpu_utilisation REAL,
  gpu_memory_mib INTEGER
);
