-- Event ids are remembered by the order in which they arrive, whatever times their events have, so that the features,
-- which keep ids by the same rule (features/event_id_memory.h), leave out the same events. What was remembered by event
-- time cannot be put into that order and goes.

DROP TABLE seen_event_ids;

CREATE TABLE seen_event_ids (
  generation  bigint NOT NULL,
  fingerprint uuid NOT NULL,
  PRIMARY KEY (generation, fingerprint)
);

COMMENT ON TABLE seen_event_ids IS
  'Event ids by which repeats are known: of the newest generation and the one before; older ones are being removed.';
COMMENT ON COLUMN seen_event_ids.generation IS 'Ids fall into generations by the order in which they arrive.';
COMMENT ON COLUMN seen_event_ids.fingerprint IS 'FNV-1a of 128 bits of the id.';

-- One row, which every writer of event ids locks: two at once could each find an id absent and both write its event.
CREATE TABLE event_id_order (
  only_row            boolean NOT NULL DEFAULT true CHECK (only_row),
  generation          bigint NOT NULL,
  ids                 bigint NOT NULL,
  removed_generation  bigint NOT NULL DEFAULT -1,
  removed_fingerprint uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  PRIMARY KEY (only_row)
) WITH (fillfactor = 10);

COMMENT ON TABLE event_id_order IS 'How far the order of event ids has come; one row.';
COMMENT ON COLUMN event_id_order.generation IS 'The newest generation of seen_event_ids.';
COMMENT ON COLUMN event_id_order.ids IS 'How many ids have come in it.';
COMMENT ON COLUMN event_id_order.removed_generation IS
  'With removed_fingerprint: the last id that was removed. Removal goes on from there without a search through what is gone.';
