-- The record: campaigns, sweeps, runs, attempts, devices, leases, results, events.
-- INTEGER and REAL become BIGINT and DOUBLE PRECISION on PostgreSQL. Times are wall seconds.

CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

-- One row: the newest fence that was ever given out. Never goes back (reliability.md, I8).
CREATE TABLE fence (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  value INTEGER NOT NULL
);
INSERT INTO fence (one, value) VALUES (1, 0);

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  wall REAL NOT NULL,
  mono REAL NOT NULL,
  boot_id TEXT NOT NULL,
  actor TEXT NOT NULL,
  request_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  token INTEGER NOT NULL,
  payload TEXT NOT NULL,
  prev_hash TEXT NOT NULL,
  hash TEXT NOT NULL
);
CREATE INDEX events_subject ON events (subject, seq);

CREATE TABLE campaigns (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('active', 'succeeded', 'failed', 'cancelled')),
  gate TEXT NOT NULL CHECK (gate IN ('open', 'paused')),
  digest TEXT NOT NULL,
  path TEXT NOT NULL,
  source TEXT NOT NULL,
  settings TEXT NOT NULL,
  attempts_used INTEGER NOT NULL,
  created_at REAL NOT NULL,
  started_at REAL,
  settled_at REAL,
  actor TEXT NOT NULL
);
CREATE INDEX campaigns_name ON campaigns (name, seq);
CREATE INDEX campaigns_digest ON campaigns (digest) WHERE state = 'active';
CREATE INDEX campaigns_active ON campaigns (seq) WHERE state = 'active';

CREATE TABLE sweeps (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  campaign_id TEXT REFERENCES campaigns (id),
  name TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('active', 'settled')),
  gate TEXT NOT NULL CHECK (gate IN ('open', 'paused')),
  priority INTEGER NOT NULL,
  settings TEXT NOT NULL,
  created_at REAL NOT NULL,
  settled_at REAL
);
CREATE INDEX sweeps_campaign ON sweeps (campaign_id, seq);
CREATE INDEX sweeps_active ON sweeps (seq) WHERE state = 'active';
-- Runs submitted alone share one sweep per shape of settings.
CREATE UNIQUE INDEX sweeps_alone ON sweeps (name) WHERE campaign_id IS NULL;

-- sweep_id may not start before every run of needs_id has succeeded.
CREATE TABLE sweep_needs (
  sweep_id TEXT NOT NULL REFERENCES sweeps (id),
  needs_id TEXT NOT NULL REFERENCES sweeps (id),
  PRIMARY KEY (sweep_id, needs_id)
);
CREATE INDEX sweep_needs_reverse ON sweep_needs (needs_id);

CREATE TABLE runs (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  campaign_id TEXT REFERENCES campaigns (id),
  sweep_id TEXT NOT NULL REFERENCES sweeps (id),
  name TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN
    ('waiting', 'queued', 'running', 'delayed', 'succeeded', 'failed', 'blocked', 'cancelled', 'cancelling')),
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
  fence INTEGER NOT NULL
);
CREATE INDEX runs_campaign ON runs (campaign_id, seq);
CREATE INDEX runs_sweep ON runs (sweep_id, seq);
CREATE INDEX runs_queued ON runs (sweep_id, priority DESC, seq) WHERE state = 'queued';
CREATE INDEX runs_waiting ON runs (sweep_id, seq) WHERE state = 'waiting';
CREATE INDEX runs_delayed ON runs (not_before) WHERE state = 'delayed';
CREATE INDEX runs_live ON runs (sweep_id) WHERE state IN ('running', 'cancelling');

-- run_id may not start before needs_id has succeeded.
CREATE TABLE run_needs (
  run_id TEXT NOT NULL REFERENCES runs (id),
  needs_id TEXT NOT NULL REFERENCES runs (id),
  PRIMARY KEY (run_id, needs_id)
);
CREATE INDEX run_needs_reverse ON run_needs (needs_id);

-- How many runs of a sweep are in each state: written in the transaction of each move, recomputed by verify-log.
CREATE TABLE tallies (
  sweep_id TEXT NOT NULL REFERENCES sweeps (id),
  state TEXT NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (sweep_id, state)
);

CREATE TABLE attempts (
  id TEXT PRIMARY KEY,
  run_id TEXT NOT NULL REFERENCES runs (id),
  number INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('launching', 'running', 'stopping', 'exited', 'lost', 'refused')),
  reason TEXT,
  detail TEXT,
  fence INTEGER NOT NULL UNIQUE,
  target TEXT NOT NULL,
  boot_id TEXT,
  folder TEXT NOT NULL,
  devices TEXT NOT NULL,
  claimed_at REAL NOT NULL,
  started_at REAL,
  ended_at REAL,
  observed_at REAL,
  pid INTEGER,
  code INTEGER,
  signal INTEGER,
  record TEXT
);
CREATE UNIQUE INDEX attempts_number ON attempts (run_id, number);
-- I9: at most one possibly live attempt of a run.
CREATE UNIQUE INDEX attempts_live ON attempts (run_id) WHERE state IN ('launching', 'running', 'stopping');
CREATE INDEX attempts_live_target ON attempts (target, fence) WHERE state IN ('launching', 'running', 'stopping');

CREATE TABLE devices (
  id TEXT PRIMARY KEY,
  target TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('gpu', 'slot')),
  position INTEGER NOT NULL,
  uuid TEXT,
  name TEXT NOT NULL,
  memory_mib INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('healthy', 'quarantined')),
  diagnosis TEXT,
  busy TEXT,
  seen_at REAL NOT NULL
);
CREATE INDEX devices_target ON devices (target, kind, position);

CREATE TABLE leases (
  device_id TEXT NOT NULL REFERENCES devices (id),
  attempt_id TEXT NOT NULL REFERENCES attempts (id),
  state TEXT NOT NULL CHECK (state IN ('held', 'released')),
  acquired_at REAL NOT NULL,
  released_at REAL,
  PRIMARY KEY (attempt_id, device_id)
);
-- I18: at most one live lease of a device.
CREATE UNIQUE INDEX leases_held ON leases (device_id) WHERE state = 'held';

-- Final numbers of a run's accepted attempt. number is NULL for NaN; text keeps the value as it was.
CREATE TABLE results (
  run_id TEXT NOT NULL REFERENCES runs (id),
  metric TEXT NOT NULL,
  number REAL,
  text TEXT NOT NULL,
  PRIMARY KEY (run_id, metric)
);

-- Answers to requests that carried an idempotency key (R20), written in the transaction of the change.
CREATE TABLE answers (
  principal TEXT NOT NULL,
  route TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  answer TEXT NOT NULL,
  created_at REAL NOT NULL,
  PRIMARY KEY (principal, route, key)
);
