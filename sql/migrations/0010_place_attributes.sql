-- What a deployment knows of a place beyond name and category.

ALTER TABLE places ADD COLUMN attributes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object');

COMMENT ON COLUMN places.attributes IS
  'Free, by name: texts, numbers, booleans and lists of them. places.attributes @> ''{"cuisine": ["thai"]}'' finds some.';
