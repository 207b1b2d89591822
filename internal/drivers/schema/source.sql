-- The types and tables as the source has them.
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN spirit AS mood CHECK (VALUE <> 'sad');
CREATE TYPE place AS (street text, floor int, feel mood);
CREATE TYPE span AS RANGE (subtype = numeric);
CREATE DOMAIN euro AS numeric(12,2) CHECK (VALUE >= 0);
CREATE TABLE people (
  id int PRIMARY KEY, name varchar(50) NOT NULL, feels mood, felt mood[], best spirit, home place, homes place[],
  open span, opens span[]
);
CREATE TABLE items (
  id serial PRIMARY KEY, code text, label varchar(50) NOT NULL, price numeric(12,2) NOT NULL, cost euro, stock int,
  made timestamptz, tags text[], extra jsonb
);
ALTER TABLE items DROP COLUMN code;
CREATE TABLE visits (id int PRIMARY KEY, note text);
CREATE VIEW cheap AS SELECT id, label, price FROM items WHERE price < 20;
