-- What agents need: runs that wait for a word, attribution, access tokens, labels, metrics and questions sent by jobs,
-- the cluster, the records of the Wild V2 protocol.

-- Two more states of a run: `ready` (nobody has asked for its start) and `external` (somebody else carries it out).
-- only: sqlite
CREATE TABLE runs_anew (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  campaign_id TEXT REFERENCES campaigns (id),
  sweep_id TEXT NOT NULL REFERENCES sweeps (id),
  name TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('ready', 'waiting', 'queued', 'running', 'delayed', 'external', 'succeeded',
    'failed', 'blocked', 'cancelled', 'cancelling')),
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
  hint TEXT
);
INSERT INTO runs_anew (seq, id, campaign_id, sweep_id, name, state, reason, detail, priority, config, attempts,
  failures, interruptions, not_before, created_at, started_at, ended_at, fence, rung, hint)
SELECT seq, id, campaign_id, sweep_id, name, state, reason, detail, priority, config, attempts,
  failures, interruptions, not_before, created_at, started_at, ended_at, fence, rung, hint FROM runs;
DROP TABLE runs;
ALTER TABLE runs_anew RENAME TO runs;
CREATE INDEX runs_campaign ON runs (campaign_id, seq);
CREATE INDEX runs_sweep ON runs (sweep_id, seq);
CREATE INDEX runs_queued ON runs (sweep_id, priority DESC, seq) WHERE state = 'queued';
CREATE INDEX runs_waiting ON runs (sweep_id, seq) WHERE state = 'waiting';
CREATE INDEX runs_delayed ON runs (not_before) WHERE state = 'delayed';
CREATE INDEX runs_live ON runs (sweep_id) WHERE state IN ('running', 'cancelling');
CREATE INDEX runs_removed ON runs (sweep_id) WHERE reason = 'removed';
-- only: postgres
ALTER TABLE runs DROP CONSTRAINT runs_state_check;
ALTER TABLE runs ADD CONSTRAINT runs_state_check CHECK (state IN ('ready', 'waiting', 'queued', 'running', 'delayed',
  'external', 'succeeded', 'failed', 'blocked', 'cancelled', 'cancelling'));
-- only: all

-- Who made a run, in which conversation, through which surface. attributed: 0 = nothing was said of a conversation,
-- 1 = there is none, on purpose, 2 = chat names it.
ALTER TABLE runs ADD COLUMN actor TEXT NOT NULL DEFAULT 'admin';
ALTER TABLE runs ADD COLUMN origin TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN chat TEXT;
ALTER TABLE runs ADD COLUMN attributed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN parent_id TEXT;
ALTER TABLE runs ADD COLUMN queued_at REAL;
ALTER TABLE runs ADD COLUMN archived_at REAL;
CREATE INDEX runs_chat ON runs (chat, seq) WHERE chat IS NOT NULL;
CREATE INDEX runs_parent ON runs (parent_id, seq) WHERE parent_id IS NOT NULL;
CREATE INDEX runs_ready ON runs (sweep_id, seq) WHERE state = 'ready';
CREATE INDEX runs_archived ON runs (state) WHERE archived_at IS NOT NULL;
-- To list by state what is rare; what succeeded is most of them, and is found from the newest on.
CREATE INDEX runs_unsuccessful ON runs (state, seq) WHERE state <> 'succeeded';
ALTER TABLE campaigns ADD COLUMN origin TEXT NOT NULL DEFAULT '';
ALTER TABLE campaigns ADD COLUMN chat TEXT;
ALTER TABLE campaigns ADD COLUMN attributed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX campaigns_chat ON campaigns (chat, seq) WHERE chat IS NOT NULL;
CREATE INDEX campaigns_actor ON campaigns (actor, seq);
-- To find the hidden sweep of a shape of settings inside a campaign.
CREATE INDEX sweeps_named ON sweeps (campaign_id, name, seq);

-- Words that people and agents put on campaigns, sweeps and runs (their ids).
CREATE TABLE labels (
  thing TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (thing, name)
);
CREATE INDEX labels_name ON labels (name, value, thing);

-- To sort by a final number.
CREATE INDEX results_metric ON results (metric, number, run_id);

-- Access tokens. hash = SHA-256 of the secret, which is shown once and kept nowhere. campaigns, verbs: JSON lists, NULL =
-- all; budget = runs that it may create in all, NULL = any number.
CREATE TABLE tokens (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  hash TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL CHECK (role IN ('viewer', 'agent', 'operator', 'approver', 'worker')),
  campaigns TEXT,
  verbs TEXT,
  budget INTEGER,
  used INTEGER NOT NULL,
  created_at REAL NOT NULL,
  created_by TEXT NOT NULL,
  expires_at REAL,
  revoked_at REAL
);

-- One row: what the machines behind this server are taken for, as JSON.
CREATE TABLE cluster (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  state TEXT NOT NULL
);
-- How many runs there are in each state: the sums of the tallies, kept in the same way.
CREATE TABLE totals (
  state TEXT PRIMARY KEY,
  number INTEGER NOT NULL
);
INSERT INTO totals (state, number) SELECT state, sum(number) FROM tallies GROUP BY state;

-- Metric rows that jobs sent, as they were sent.
CREATE TABLE points (
  run_id TEXT NOT NULL REFERENCES runs (id),
  seq INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  at REAL NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (run_id, seq)
);

-- What the rules remember of the loss that an attempt sends, as JSON.
CREATE TABLE curves (
  run_id TEXT NOT NULL REFERENCES runs (id),
  attempt INTEGER NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (run_id, attempt)
);

-- What a job, or a rule about its numbers, asks a person; the answer is written into the run's folder (delivered_at).
-- rule = NULL for what was asked by the job itself.
CREATE TABLE questions (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  run_id TEXT NOT NULL REFERENCES runs (id),
  attempt INTEGER NOT NULL,
  rule TEXT,
  severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
  message TEXT NOT NULL,
  choices TEXT NOT NULL,
  at REAL NOT NULL,
  response TEXT,
  responded_at REAL,
  responded_by TEXT,
  delivered_at REAL
);
CREATE UNIQUE INDEX questions_once ON questions (run_id, attempt, rule) WHERE rule IS NOT NULL;
CREATE INDEX questions_run ON questions (run_id, seq);
CREATE INDEX questions_undelivered ON questions (seq) WHERE response IS NOT NULL AND delivered_at IS NULL;

-- What others say of runs that they carry out.
CREATE TABLE callbacks (
  run_id TEXT PRIMARY KEY REFERENCES runs (id),
  status TEXT NOT NULL,
  exit_code INTEGER,
  error TEXT,
  tmux_pane TEXT,
  wandb_dir TEXT,
  at REAL NOT NULL
);

-- What a client of the Wild V2 protocol said of a campaign that it calls a sweep, as JSON; cancelled = by hand, for good.
CREATE TABLE wild_sweeps (
  campaign_id TEXT PRIMARY KEY REFERENCES campaigns (id),
  settings TEXT NOT NULL,
  draft INTEGER NOT NULL,
  cancelled INTEGER NOT NULL
);

-- The durable half of an agent's loop: the agent drives, this remembers. record: JSON of what it keeps; scoped: it
-- reaches only what its actor made.
CREATE TABLE wild_sessions (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  chat TEXT,
  status TEXT NOT NULL CHECK (status IN ('running', 'paused', 'stopped', 'done', 'failed')),
  record TEXT NOT NULL,
  actor TEXT NOT NULL,
  scoped INTEGER NOT NULL,
  started_at REAL NOT NULL,
  finished_at REAL
);
CREATE INDEX wild_sessions_chat ON wild_sessions (coalesce(chat, ''), seq);
CREATE INDEX wild_sessions_actor ON wild_sessions (actor, seq);
-- Nothing of these conversations starts.
CREATE INDEX wild_sessions_paused ON wild_sessions (chat) WHERE status = 'paused';
CREATE TABLE wild_iterations (
  session_id TEXT NOT NULL REFERENCES wild_sessions (id),
  seq INTEGER NOT NULL,
  iteration INTEGER NOT NULL,
  at REAL NOT NULL,
  entry TEXT NOT NULL,
  PRIMARY KEY (session_id, seq)
);
-- What a loop has to look at: runs of its conversation that ended, questions that nobody answered.
CREATE INDEX runs_chat_ended ON runs (chat, ended_at) WHERE chat IS NOT NULL AND ended_at IS NOT NULL;
CREATE INDEX questions_open ON questions (seq) WHERE response IS NULL;
CREATE TABLE wild_resolved (
  session_id TEXT NOT NULL REFERENCES wild_sessions (id),
  event_id TEXT NOT NULL,
  at REAL NOT NULL,
  PRIMARY KEY (session_id, event_id)
);

-- Texts that teach agents, made here; those that come with the program are files of it.
CREATE TABLE skills (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  template TEXT NOT NULL,
  category TEXT NOT NULL,
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL,
  actor TEXT NOT NULL
);
