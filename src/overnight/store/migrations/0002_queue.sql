-- What the experiment queue needs: conditions, claimed outputs, smaller settings, shared GPUs and what was learnt of
-- them, marks, holds, alerts.

-- 0 = the configuration as it was written, n = its n-th declared smaller setting; hint = JSON for the next placement.
ALTER TABLE runs ADD COLUMN rung INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN hint TEXT;
-- When the first run of a sweep with a barrier was started: from then on the barrier is open.
ALTER TABLE sweeps ADD COLUMN started_at REAL;
ALTER TABLE attempts ADD COLUMN signature TEXT;
ALTER TABLE devices ADD COLUMN used_mib INTEGER;
ALTER TABLE devices ADD COLUMN strangers INTEGER NOT NULL DEFAULT 0;

-- I18: at most one live lease of each share of a device; part 0 is the only one of a device that is not shared.
ALTER TABLE leases ADD COLUMN part INTEGER NOT NULL DEFAULT 0;
DROP INDEX leases_held;
CREATE UNIQUE INDEX leases_held ON leases (device_id, part) WHERE state = 'held';

-- Paths that a run needs before it starts, and whether outputs that are there already make it superfluous.
-- While met is 0 its run waits. skip: 1 = outputs that are there suffice, -1 = not any more, for it was tried again.
CREATE TABLE conditions (
  run_id TEXT PRIMARY KEY REFERENCES runs (id),
  sweep_id TEXT NOT NULL REFERENCES sweeps (id),
  requires TEXT NOT NULL,
  skip INTEGER NOT NULL,
  met INTEGER NOT NULL,
  idle_since REAL
);
CREATE INDEX conditions_open ON conditions (sweep_id) WHERE met = 0;

-- Absolute path (or pattern) of each declared output, to find other campaigns that write the same.
CREATE TABLE outputs (
  path TEXT NOT NULL,
  run_id TEXT NOT NULL REFERENCES runs (id),
  PRIMARY KEY (path, run_id)
);
CREATE INDEX outputs_run ON outputs (run_id);

-- What is worth saying of an attempt, once each.
CREATE TABLE marks (
  attempt_id TEXT NOT NULL REFERENCES attempts (id),
  kind TEXT NOT NULL,
  run_id TEXT NOT NULL REFERENCES runs (id),
  detail TEXT NOT NULL,
  at REAL NOT NULL,
  PRIMARY KEY (attempt_id, kind)
);
CREATE INDEX marks_run ON marks (run_id);

-- Most device memory that an attempt was seen to use, and what its family of configurations was seen to need.
CREATE TABLE peaks (
  attempt_id TEXT NOT NULL REFERENCES attempts (id),
  device_id TEXT NOT NULL REFERENCES devices (id),
  mib INTEGER NOT NULL,
  PRIMARY KEY (attempt_id, device_id)
);
CREATE TABLE families (
  family TEXT PRIMARY KEY,
  peak_mib INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  updated_at REAL NOT NULL
);

-- Why nothing new starts on a target (its name) or of a sweep (its id), until it is taken away.
CREATE TABLE holds (
  subject TEXT PRIMARY KEY,
  code TEXT NOT NULL,
  detail TEXT NOT NULL,
  since REAL NOT NULL
);

-- What a person should hear, once per kind and subject; sent_at is set when it was delivered or nobody is to be told.
CREATE TABLE alerts (
  seq INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  campaign_id TEXT REFERENCES campaigns (id),
  title TEXT NOT NULL,
  detail TEXT NOT NULL,
  at REAL NOT NULL,
  tries INTEGER NOT NULL,
  next_at REAL,
  failure TEXT,
  sent_at REAL
);
CREATE UNIQUE INDEX alerts_once ON alerts (kind, subject);
CREATE INDEX alerts_due ON alerts (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX alerts_campaign ON alerts (campaign_id, seq);

-- What it takes to change a campaign that is under way.

-- The event after which a need holds: what was started before is not judged by it. 0 = since submission.
ALTER TABLE run_needs ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sweep_needs ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
-- The most attempts that any version of the settings allowed; NULL = they were never changed.
ALTER TABLE sweeps ADD COLUMN most_attempts INTEGER;
-- The settings that an attempt was started with, kept when those of its sweep are changed meanwhile.
ALTER TABLE attempts ADD COLUMN settings TEXT;
-- Cancelled because the campaign's file has them no more: they do not count for what needs their sweep as a whole.
CREATE INDEX runs_removed ON runs (sweep_id) WHERE reason = 'removed';
