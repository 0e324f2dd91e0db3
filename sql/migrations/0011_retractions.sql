-- Retractions stand among the event ids, each as a fingerprint of its own, so that an event that comes after its
-- retraction is known. Where none is remembered nobody looks for them.

ALTER TABLE event_id_order ADD COLUMN retracted_generation bigint;

COMMENT ON COLUMN event_id_order.retracted_generation IS
  'The newest generation of seen_event_ids with a retraction in it; NULL: none ever came.';
