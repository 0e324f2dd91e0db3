-- Hourly aggregates: tiles that add up to any longer window. Updated by delta in the transaction that writes the
-- interactions, so they are exact at every instant; a late event lands in its own hour.

CREATE TABLE place_stats_hourly (
  hour        timestamptz NOT NULL,
  events      bigint NOT NULL,
  value_count bigint NOT NULL,
  value_sum   numeric(38, 6) NOT NULL,
  value_min   double precision,
  value_max   double precision,
  place_id    text COLLATE "C" NOT NULL,
  type        text COLLATE "C" NOT NULL,
  PRIMARY KEY (place_id, hour, type)
) PARTITION BY RANGE (hour);

CREATE INDEX place_stats_hourly_hour ON place_stats_hourly USING brin (hour) WITH (autosummarize = on);

COMMENT ON TABLE place_stats_hourly IS 'Interactions per place, hour and type, partitioned by month (UTC).';
COMMENT ON COLUMN place_stats_hourly.hour IS 'Start of the hour, UTC.';
COMMENT ON COLUMN place_stats_hourly.events IS 'Interactions in the hour, with and without a value.';
COMMENT ON COLUMN place_stats_hourly.value_count IS 'Interactions that carried a value.';
COMMENT ON COLUMN place_stats_hourly.value_sum IS
  'Sum of the values, each rounded to a millionth and bounded by 9.2e12 first: exact, whatever order they came in.';

CREATE VIEW place_stats_daily AS
SELECT place_id,
       (hour AT TIME ZONE 'UTC')::date AS day,
       type,
       sum(events)::bigint AS events,
       sum(value_count)::bigint AS value_count,
       sum(value_sum) AS value_sum,
       sum(value_sum) / nullif(sum(value_count), 0) AS value_mean,
       min(value_min) AS value_min,
       max(value_max) AS value_max
FROM place_stats_hourly
GROUP BY place_id, (hour AT TIME ZONE 'UTC')::date, type;

COMMENT ON VIEW place_stats_daily IS 'place_stats_hourly by day (UTC). Filter place_stats_hourly itself when only a few days matter.';
