\pset pager off
\set VERBOSITY verbose
\set SHOW_CONTEXT always
\echo == server
\echo :SERVER_VERSION_NUM :ENCODING :USER :DBNAME
SHOW client_encoding;
SHOW application_name;
\echo == prepared
PREPARE twice(int, text, timestamptz) AS SELECT $1 + 1 AS n, upper($2) AS u, $3 AT TIME ZONE 'UTC' AS t;
EXECUTE twice(1, 'a', '2020-01-02 03:04:05+00');
EXECUTE twice(2, 'b', NULL);
DEALLOCATE twice;
\echo == several statements in one message
SELECT 1 AS one\; SELECT 2 AS two\; SELECT 3 AS three;
\echo == table
CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric(8,2) CONSTRAINT items_price_positive CHECK (price > 0));
\d items
\echo == copy in
COPY items FROM STDIN;
1	one	1.50
2	two	\N
3	thrée	3.25
\.
\copy items FROM STDIN WITH (FORMAT csv)
4,"fo,ur",4.00
\.
\echo == copy out
COPY items TO STDOUT WITH (FORMAT csv, HEADER);
\copy (SELECT name, id FROM items ORDER BY id) TO STDOUT
\echo == copy that fails
COPY items FROM STDIN;
5	five	5
x	six	6
\.
SELECT count(*) FROM items;
\echo == failing insert
INSERT INTO items VALUES (1, 'again', 1);
INSERT INTO items VALUES (9, NULL, 1);
INSERT INTO items VALUES (9, 'free', 0);
\errverbose
\echo == syntax error
SELECT * FORM items;
\echo == notices
DO $$ BEGIN
  RAISE NOTICE 'a notice' USING DETAIL = 'its detail', HINT = 'its hint';
  RAISE WARNING 'a warning' USING ERRCODE = '01ABC';
  RAISE INFO 'info';
END $$;
DROP TABLE IF EXISTS nosuch;
\echo == notify
LISTEN smoke;
NOTIFY smoke, 'first';
BEGIN;
NOTIFY smoke, 'second';
COMMIT;
UNLISTEN *;
\echo == transaction
BEGIN;
INSERT INTO items VALUES (10, 'ten', 10);
SAVEPOINT s;
INSERT INTO items VALUES (10, 'ten', 10);
SELECT 1;
ROLLBACK TO SAVEPOINT s;
COMMIT;
SELECT id, name FROM items WHERE id >= 10;
ROLLBACK;
\echo == settings
SET application_name = 'renamed';
SHOW application_name;
SET TimeZone = 'Asia/Tokyo';
SELECT timestamptz '2020-01-01 00:00+00';
SET DateStyle = 'German';
SELECT date '2020-02-01';
RESET ALL;
SHOW application_name;
\echo == cursor
\set FETCH_COUNT 100
SELECT g, md5(g::text) FROM generate_series(1, 1050) g;
\set FETCH_COUNT 0
\echo == many rows
SELECT g, repeat('row', g % 7) FROM generate_series(1, 5000) g;
\echo == a wide value
SELECT repeat('wide ', 60000) AS wide;
\echo == types
SELECT true, 1::int2, 2::int8, 1.5::float4, 'NaN'::float8, '{1,NULL,3}'::int[], '\xdeadbeef'::bytea, '{"a": [1]}'::jsonb,
  interval '1 day 2 hours', '10.0.0.0/8'::cidr, '[1,5)'::int4range, NULL::text, '' AS empty, 'ünïcode ✓' AS text;
\echo == statement timeout
SET statement_timeout = '50ms';
SELECT pg_sleep(60);
RESET statement_timeout;
\echo == own backend is terminated
SELECT pg_terminate_backend(pg_backend_pid());
