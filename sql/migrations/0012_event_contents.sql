-- A retraction that says something else than the event that came under its id is left out, and the id stays free for
-- the right one. What an event said is kept as 32 bits beside its id; of ids that came before this it is not known.

ALTER TABLE seen_event_ids ADD COLUMN contents integer;

COMMENT ON COLUMN seen_event_ids.contents IS
  'Hash of 32 bits of what the event said (user, place, type, time, value, position); NULL: not known.';
