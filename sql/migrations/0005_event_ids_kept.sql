-- How long event ids are kept is decided by features/dedup.h, for the tables and for the features alike.

COMMENT ON TABLE seen_event_ids IS
  'Event ids, removed by maintenance when event time and time of writing both lie more than four dedup windows back.';
