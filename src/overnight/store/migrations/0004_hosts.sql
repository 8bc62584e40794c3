-- What machines reached over SSH need.

-- Targets beside this machine, and what was last known of the way to them. ssh: JSON of how to reach it; origin: `file`
-- (config.toml) or `manifest` (an alias of the user's SSH configuration).
CREATE TABLE targets (
  name TEXT PRIMARY KEY,
  ssh TEXT NOT NULL,
  origin TEXT NOT NULL CHECK (origin IN ('file', 'manifest')),
  actor TEXT NOT NULL,
  created_at REAL NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('unknown', 'reachable')),
  detail TEXT,
  since REAL NOT NULL
);

-- What an ended attempt left on another machine, on its way home. digest: SHA-256 over the list of files with sizes and
-- hashes, equal on both sides; problem: why the last try failed.
CREATE TABLE fetches (
  attempt_id TEXT PRIMARY KEY REFERENCES attempts (id),
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
CREATE INDEX fetches_pending ON fetches (target, not_before) WHERE state = 'pending';
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
