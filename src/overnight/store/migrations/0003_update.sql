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
