-- A place that is deleted keeps its row, which says since when.

ALTER TABLE places ADD COLUMN deleted_at timestamptz;

COMMENT ON COLUMN places.deleted_at IS 'When the place was deleted; NULL: it was not, or is back since.';
