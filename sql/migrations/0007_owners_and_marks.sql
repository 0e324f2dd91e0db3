-- Whose tables these are, and the positions once more, so that neither of the two can be changed alone without notice.

CREATE TABLE schema_owners (
  state_id  text COLLATE "C" NOT NULL,
  place     text NOT NULL,
  shared    boolean NOT NULL,
  since     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (state_id)
);

COMMENT ON TABLE schema_owners IS 'The state directories that write these tables: one, or several that all say sql.shared.';
COMMENT ON COLUMN schema_owners.state_id IS 'The identity of the state directory, which its checkpoints share.';
COMMENT ON COLUMN schema_owners.place IS 'For people: the host, and the directory there.';

CREATE TABLE position_marks (
  source      text COLLATE "C" NOT NULL,
  partition   integer NOT NULL,
  next_offset bigint NOT NULL,
  cursor      bytea NOT NULL,
  PRIMARY KEY (source, partition)
) WITH (fillfactor = 50);

COMMENT ON TABLE position_marks IS
  'What consumer_positions says, written with it: where they differ, one of them was changed by hand or is lost.';

INSERT INTO position_marks (source, partition, next_offset, cursor)
SELECT source, partition, next_offset, cursor FROM consumer_positions;
