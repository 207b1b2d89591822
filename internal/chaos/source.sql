CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL, seq bigint NOT NULL DEFAULT 0);
CREATE TABLE transfers (token text PRIMARY KEY, src int NOT NULL, dst int NOT NULL, amount bigint NOT NULL);
CREATE TABLE storm (id int PRIMARY KEY, writer int NOT NULL, ver bigint NOT NULL, label text, amount int NOT NULL,
	state text NOT NULL DEFAULT 'new', at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE jobs (id bigserial PRIMARY KEY, token text NOT NULL, payload text);
CREATE TABLE parents (id int PRIMARY KEY, code text NOT NULL UNIQUE, v int NOT NULL DEFAULT 0);
CREATE TABLE children (id bigserial PRIMARY KEY, parent int NOT NULL REFERENCES parents, slot text UNIQUE, n int NOT NULL DEFAULT 0);
CREATE TABLE kept (id int PRIMARY KEY, n int NOT NULL, ver bigint NOT NULL DEFAULT 0);
CREATE TABLE stalls (id bigserial PRIMARY KEY, token text NOT NULL, n int NOT NULL DEFAULT 0);
CREATE TABLE strays (id int PRIMARY KEY, note text NOT NULL);
INSERT INTO accounts (id, balance) SELECT g, 1000 FROM generate_series(1, 12) g;
INSERT INTO kept (id, n) SELECT g, 0 FROM generate_series(1, 10) g;
INSERT INTO parents (id, code) SELECT g, 'code-' || g FROM generate_series(1, 15) g;
INSERT INTO strays SELECT g, 'as it was' FROM generate_series(1, 100) g;
