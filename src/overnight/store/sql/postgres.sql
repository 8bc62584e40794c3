-- Only what PostgreSQL must say differently, each with the reason.

-- name: runs_in_states_of_sweep
-- json_each is SQLite's table function.
SELECT id FROM runs WHERE sweep_id = :sweep_id
AND state IN (SELECT json_array_elements_text(CAST(:states AS json))) ORDER BY seq;
