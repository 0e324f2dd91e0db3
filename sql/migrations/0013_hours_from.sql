-- The hours of a place that was deleted with its history begin anew. An interaction that was written before is in none
-- of them, and is not taken out of one when it is retracted: so a row must say when it was written, to the row, and not
-- when its transaction began.

ALTER TABLE places ADD COLUMN hours_from timestamptz;
ALTER TABLE user_interactions ALTER COLUMN written_at SET DEFAULT clock_timestamp();

COMMENT ON COLUMN places.hours_from IS
  'Its hours count interactions that were written from then on: its history was erased; NULL: all of them.';
COMMENT ON COLUMN user_interactions.written_at IS 'When the row was written.';
