-- Where the writer of these tables stands in its sources. Written in the same transaction as the rows, so what is in
-- the tables is exactly what lies before next_offset.

CREATE TABLE consumer_positions (
  source      text COLLATE "C" NOT NULL,
  partition   integer NOT NULL,
  next_offset bigint NOT NULL,
  cursor      bytea NOT NULL,
  updated_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (source, partition)
) WITH (fillfactor = 50);

COMMENT ON TABLE consumer_positions IS 'How far each partition of each source has been written to these tables.';
COMMENT ON COLUMN consumer_positions.next_offset IS 'The next record to read; every record before it is reflected.';
COMMENT ON COLUMN consumer_positions.cursor IS 'The source''s own addition; opaque bytes.';
