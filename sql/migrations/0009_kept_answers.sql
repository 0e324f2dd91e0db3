-- Answers that daemons keep for one another and for later starts (tier L3), and what makes kept answers outdated.
--
-- Kept answers are not logged: a crash of the server empties the table, which costs computations and nothing else, while
-- a log of them (4.1 KiB for an answer of 3.2 KiB) would go to every standby and archive. There are no partitions and no
-- index on when they expire: whoever removes them reads the table, which holds no more than a time to live of writes.

CREATE UNLOGGED TABLE kept_answers (
  made_at       timestamptz NOT NULL,
  expires_at    timestamptz NOT NULL,
  invalidations bigint NOT NULL,
  key           uuid NOT NULL,
  user_id       text COLLATE "C",
  tags          text[] COLLATE "C" NOT NULL,
  answer        bytea NOT NULL,
  PRIMARY KEY (key)
);
-- Bytes of an answer are made smaller where that is worth it, and not at any price: they are read once or twice.
DO $$
BEGIN
  ALTER TABLE kept_answers ALTER COLUMN answer SET COMPRESSION lz4;
EXCEPTION
  WHEN feature_not_supported OR syntax_error OR invalid_parameter_value THEN
    NULL;  -- PostgreSQL 13, or built without lz4
END
$$;

COMMENT ON TABLE kept_answers IS 'Recommendations that may be given again; read and written by daemons alone.';
COMMENT ON COLUMN kept_answers.made_at IS 'When it was computed, by this server''s clock; never later than it was.';
COMMENT ON COLUMN kept_answers.invalidations IS 'The last of answer_invalidations that was known before it was computed.';
COMMENT ON COLUMN kept_answers.key IS 'A hash of all that it was made from; the answer names it in full.';
COMMENT ON COLUMN kept_answers.user_id IS 'Whose answer it is; NULL: of somebody of whom nothing was known.';
COMMENT ON COLUMN kept_answers.tags IS 'What it is about, as answer_invalidations says it.';

CREATE TABLE answer_invalidations (
  serial     bigint NOT NULL,
  written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  everything boolean NOT NULL,
  tags       text[] COLLATE "C" NOT NULL,
  PRIMARY KEY (serial)
);

COMMENT ON TABLE answer_invalidations IS
  'What kept answers were made outdated by, by invalidate_answers(); removed when nobody can need it any more.';
COMMENT ON COLUMN answer_invalidations.serial IS 'Ascends in the order in which the transactions end.';
COMMENT ON COLUMN answer_invalidations.tags IS 'u: a user, p: a place, c: a category, g: a geohash of 5 letters.';

-- One row, which every invalidation locks until its transaction ends: so serials become visible in their order, and
-- who has read up to one has missed none before it.
CREATE TABLE answer_invalidation_order (
  only_row boolean NOT NULL DEFAULT true CHECK (only_row),
  serial   bigint NOT NULL,
  PRIMARY KEY (only_row)
) WITH (fillfactor = 10);

INSERT INTO answer_invalidation_order (serial) VALUES (0);

COMMENT ON TABLE answer_invalidation_order IS 'The last serial of answer_invalidations; one row.';

CREATE FUNCTION invalidate_answers(users text[] DEFAULT '{}', places text[] DEFAULT '{}',
                                   categories text[] DEFAULT '{}', cells text[] DEFAULT '{}',
                                   everything boolean DEFAULT false)
RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  made  bigint;
  named text[];
  cell  text;
BEGIN
  FOREACH cell IN ARRAY coalesce(cells, '{}') LOOP
    IF cell IS NULL OR lower(cell) !~ '^[0-9b-hjkmnp-z]{5,12}$' THEN
      RAISE EXCEPTION '''%'' is no geohash of 5 to 12 letters', cell USING ERRCODE = 'invalid_parameter_value';
    END IF;
  END LOOP;
  named := array(SELECT 'u:' || one FROM unnest(users) AS one WHERE one <> ''
                 UNION SELECT 'p:' || one FROM unnest(places) AS one WHERE one <> ''
                 UNION SELECT 'c:' || one FROM unnest(categories) AS one WHERE one <> ''
                 UNION SELECT 'g:' || left(lower(one), 5) FROM unnest(cells) AS one);
  IF cardinality(named) = 0 AND everything IS NOT TRUE THEN
    RAISE EXCEPTION 'nothing is named: give users, places, categories or cells, or everything => true'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  UPDATE answer_invalidation_order SET serial = serial + 1 RETURNING serial INTO made;
  INSERT INTO answer_invalidations (serial, everything, tags) VALUES (made, coalesce(everything, false), named);
  PERFORM pg_notify('cairn_invalidate', current_schema());
  RETURN made;
END
$$;

COMMENT ON FUNCTION invalidate_answers IS
  'No daemon gives an answer again that is about any of these. Holds a lock until the transaction ends: call it last.';
