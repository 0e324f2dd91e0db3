-- The catalogue of places, and how far it has been written.
--
-- Ids and categories are COLLATE "C": compared by bytes, so an index does not depend on the system's locale version.

CREATE TABLE places (
  place_id   text COLLATE "C" NOT NULL CHECK (octet_length(place_id) BETWEEN 1 AND 128),
  name       text NOT NULL,
  category   text COLLATE "C" CHECK (category <> ''),
  location   geography(Point, 4326) NOT NULL,
  version    bigint NOT NULL CHECK (version >= 0),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (place_id)
);

COMMENT ON TABLE places IS 'Places that can be recommended.';
COMMENT ON COLUMN places.name IS 'For people; may be empty.';
COMMENT ON COLUMN places.category IS 'Free text of the deployment; NULL when unknown.';
COMMENT ON COLUMN places.location IS 'WGS 84. Distances are metres: ST_DWithin(location, ST_MakePoint(lon, lat)::geography, 500).';
COMMENT ON COLUMN places.version IS 'Version of the catalogue that wrote the row; a lower one never overwrites it.';

-- One index answers "within 500 m" and "cafés within 500 m". The second column needs btree_gist, a trusted extension of
-- PostgreSQL's contrib; where it cannot be had the index is on the position alone, which only costs speed.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'btree_gist') THEN
    -- Beside PostGIS, so that dropping this schema leaves other users of the extension alone.
    EXECUTE format('CREATE EXTENSION btree_gist SCHEMA %s',
                   (SELECT extnamespace::regnamespace FROM pg_extension WHERE extname = 'postgis'));
  END IF;
  CREATE INDEX places_location_category ON places USING gist (location, category);
EXCEPTION
  WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
    RAISE WARNING 'no extension btree_gist (%), the index on places is on location alone', SQLERRM;
    CREATE INDEX places_location_category ON places USING gist (location);
END
$$;

CREATE TABLE sql_state (
  key   text COLLATE "C" PRIMARY KEY,
  value bigint NOT NULL
);

COMMENT ON TABLE sql_state IS 'Single numbers: places_version, the largest version of the catalogue written.';
