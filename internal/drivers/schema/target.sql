-- The same types and tables as schema/source.sql, made in another order, so that their numbers differ and some number
-- of one side means another thing on the other. Columns that are gone shift the numbers of those that are there.
CREATE TABLE visits (was int, id int PRIMARY KEY, was_too text, note text);
ALTER TABLE visits DROP COLUMN was, DROP COLUMN was_too;
CREATE DOMAIN euro AS numeric(12,2) CHECK (VALUE >= 0);
CREATE TABLE items (
  id serial PRIMARY KEY, label varchar(50) NOT NULL, a text, price numeric(12,2) NOT NULL, b int, cost euro, stock int,
  made timestamptz, tags text[], extra jsonb
);
ALTER TABLE items DROP COLUMN a, DROP COLUMN b;
CREATE VIEW cheap AS SELECT id, label, price FROM items WHERE price < 20;
CREATE TYPE span AS RANGE (subtype = numeric);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE place AS (street text, floor int, feel mood);
CREATE DOMAIN spirit AS mood CHECK (VALUE <> 'sad');
CREATE TABLE people (
  was mood[], id int PRIMARY KEY, name varchar(50) NOT NULL, feels mood, felt mood[], best spirit, home place, homes place[],
  open span, opens span[]
);
ALTER TABLE people DROP COLUMN was;
