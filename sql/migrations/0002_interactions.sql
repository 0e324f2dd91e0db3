-- Every interaction, by month of event time. Cairn makes the months (user_interactions_2024_02) as they are needed;
-- dropping an old month is how old rows are removed: DROP TABLE user_interactions_2020_01.
--
-- There is no key: a row and the position after it are written in one transaction, so no row is written twice.

CREATE TABLE user_interactions (
  occurred_at timestamptz NOT NULL,
  written_at  timestamptz NOT NULL DEFAULT now(),
  value       double precision,
  user_id     text COLLATE "C" NOT NULL,
  place_id    text COLLATE "C" NOT NULL,
  type        text COLLATE "C" NOT NULL,
  source      text COLLATE "C" NOT NULL,
  event_id    text COLLATE "C",
  location    geography(Point, 4326)
) PARTITION BY RANGE (occurred_at);

-- Rows arrive roughly in time order, which a BRIN index answers at a thousandth of a btree's size.
CREATE INDEX user_interactions_time ON user_interactions USING brin (occurred_at) WITH (autosummarize = on);
CREATE INDEX user_interactions_user_time ON user_interactions (user_id, occurred_at);

COMMENT ON TABLE user_interactions IS 'What users did with places; one row per interaction, partitioned by month (UTC).';
COMMENT ON COLUMN user_interactions.occurred_at IS 'When it happened, by the event''s own word; milliseconds.';
COMMENT ON COLUMN user_interactions.written_at IS 'When the row was written: the time of the writing transaction''s start.';
COMMENT ON COLUMN user_interactions.value IS 'A rating, seconds of dwell; NULL when the event had none.';
COMMENT ON COLUMN user_interactions.type IS 'view, click, visit, rate, save, dismiss, or a type that the configuration declares.';
COMMENT ON COLUMN user_interactions.source IS 'The source the event was read from.';
COMMENT ON COLUMN user_interactions.event_id IS 'Under which a repeat is recognised; NULL when the event had none.';
COMMENT ON COLUMN user_interactions.location IS 'Where the user was; NULL when unknown.';

CREATE TABLE seen_event_ids (
  event_id    text COLLATE "C" NOT NULL,
  occurred_at timestamptz NOT NULL,
  written_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (event_id, occurred_at)
);

-- All rows of a batch share written_at, so this index is deduplicated to a fraction of its entries.
CREATE INDEX seen_event_ids_written ON seen_event_ids (written_at);

COMMENT ON TABLE seen_event_ids IS 'Event ids written within the dedup window; older ones are removed by maintenance.';
COMMENT ON COLUMN seen_event_ids.event_id IS 'The id, or for one of more than 512 bytes its length and FNV-1a 128 hash.';
