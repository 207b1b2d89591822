package main

// mappingFault is a mapping with one fault, and what is said of it.
type mappingFault struct {
	name  string
	proof proof
	code  int
	check string
	want  []string
}

var mappingFaults = []mappingFault{
	{
		"a column that is NOT NULL at the target only",
		proof{target: "ALTER TABLE users ALTER note SET NOT NULL"},
		exitFound, "not null",
		[]string{"error public.users note 25 of 100 rows have no value for public.users.note, which is NOT NULL"},
	},
	{
		"a constraint of the target",
		proof{target: "ALTER TABLE users ADD CONSTRAINT long CHECK (length(mail) > 8)"},
		exitFound, "check constraint",
		[]string{`error public.users mail 9 of 100 rows break the constraint "long" of public.users`},
	},
	{
		"values that are too long",
		proof{target: "ALTER TABLE users ALTER mail TYPE varchar(9)"},
		exitFound, "length",
		[]string{"error public.users mail 1 of 100 rows are longer than public.users.mail, which is character varying(9)"},
	},
	{
		"numbers out of range", proof{
			source: "ALTER TABLE users ADD n bigint; UPDATE users SET n = 2147483640 + id::bigint", target: "ALTER TABLE users ADD n int",
		}, exitFound, "range", []string{"error public.users n 93 of 100 rows are outside of public.users.n, which is integer"},
	},
	{
		"digits that are lost", proof{
			source: "ALTER TABLE users ADD n numeric; UPDATE users SET n = id / 4.0", target: "ALTER TABLE users ADD n numeric(6,1)",
		}, exitDone, "lossy", []string{
			"warning public.users n 50 of 100 rows lose digits in public.users.n, which is numeric(6,1)",
			"warning public.users n 50 of 100 rows lose something on the way there and back",
		},
	},
	{
		"words that are not listed", proof{
			source:  "ALTER TABLE users ADD state text; UPDATE users SET state = CASE WHEN id < 4 THEN 'MARKER' ELSE 'new' END",
			target:  "ALTER TABLE users ADD state text",
			columns: "{source: state, target: state, values: {new: pending}}",
		}, exitFound, "values", []string{"error public.users state 3 of 100 rows have a word that is not listed"},
	},
	{
		"words that the target's enum lacks", proof{
			source: "CREATE TYPE st AS ENUM ('new', 'gone'); ALTER TABLE users ADD state st; UPDATE users SET state = CASE WHEN id < 4 THEN 'gone' ELSE 'new' END::st",
			target: "CREATE TYPE st AS ENUM ('new'); ALTER TABLE users ADD state st",
		}, exitFound, "range", []string{"error public.users state 3 of 100 rows have a word that public.st lacks at the target"},
	},
	{
		"words of another form than an enum", proof{
			source:  "ALTER TABLE users ADD state text; UPDATE users SET state = CASE WHEN id < 4 THEN 'MARKER' ELSE 'new' END",
			target:  "CREATE TYPE st AS ENUM ('new'); ALTER TABLE users ADD state st",
			columns: "{source: state, target: state, up: \"state::st\", down: \"state::text\"}",
		}, exitFound, "rows", []string{"error public.users 3 of 100 rows cannot be a row of public.users: a value has another form than the type (SQLSTATE 22P02)"},
	},
	{
		"values of another form", proof{
			source:  "ALTER TABLE users ADD u text; UPDATE users SET u = CASE WHEN id < 6 THEN 'MARKER' ELSE '6f1d2f6e-0000-4000-8000-000000000000' END",
			target:  "ALTER TABLE users ADD u uuid",
			columns: "{source: u, target: u, up: \"u::uuid\", down: \"u::text\"}",
		}, exitFound, "rows", []string{"error public.users 5 of 100 rows cannot be a row of public.users: a value has another form than the type (SQLSTATE 22P02)"},
	},
	{
		"a way back that gives something else",
		proof{columns: `{source: mail, target: mail, up: "mail", down: "lower(mail)"}`},
		exitFound, "lossy",
		[]string{"error public.users mail 100 of 100 rows lose something on the way there and back"},
	},
	{
		"a way back that is declared to lose",
		proof{columns: `{source: mail, target: mail, up: "mail", down: "lower(mail)", lossy: "capital letters"}`},
		exitDone, "lossy",
		[]string{"info public.users mail 100 of 100 rows lose something on the way there and back, as declared"},
	},
	{
		"an expression that is not immutable",
		proof{columns: `{source: mail, target: mail, up: "mail || current_setting('DateStyle')", down: "mail", lossy: x}`},
		exitFound, "immutable",
		[]string{"error public.users mail up is not immutable: what it gives hangs on a setting, on the time, or on other rows"},
	},
	{
		"one that is declared stable",
		proof{columns: `{source: mail, target: mail, up: "mail || current_setting('DateStyle')", down: "mail", lossy: x, stable: never set}`},
		exitDone, "immutable",
		[]string{"info public.users mail up is not immutable by the catalog, and stable as declared"},
	},
	{
		"a function that the target lacks", proof{
			source:  "CREATE FUNCTION f(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1'",
			columns: `{source: mail, target: mail, up: "f(mail)", down: "mail"}`,
		}, exitFound, "expression", []string{"error public.users mail the target cannot compute up (SQLSTATE 42883)"},
	},
	{
		"data that the way back hides", proof{
			source:  "ALTER TABLE users ADD old bool; UPDATE users SET old = id < 8",
			columns: `{source: old, down: "false"}`,
		}, exitDone, "initial values", []string{"warning public.users old 7 of 100 rows have another value than the way back gives: it is not in the target"},
	},
	{
		"a unique key of the target that rows break", proof{
			source: "UPDATE users SET note = 'MARKER-' || id / 2", target: "CREATE UNIQUE INDEX one_note ON users (note)",
		}, exitFound, "unique", []string{`error public.users note 98 rows share a value that the unique key "one_note" of public.users takes once`},
	},
	{
		"a unique key of the target",
		proof{target: "CREATE UNIQUE INDEX one_mail ON users (mail)"},
		exitDone, "unique",
		[]string{`warning public.users mail the unique key "one_mail" of public.users has no like at the source: all rows meet it now, and later ones may not`},
	},
	{
		"a large table, of which a sample is tried", proof{
			source:  "INSERT INTO users SELECT n, 'a' FROM generate_series(101, 40000) n; ANALYZE users",
			target:  "ALTER TABLE users ADD u uuid",
			columns: `{target: u, up: "mail::uuid"}`,
		}, exitFound, "rows", []string{"error public.users at least 100 of a sample of 10000 rows cannot be a row of public.users: a value has another form than the type (SQLSTATE 22P02)"},
	},
	{
		"values that COPY writes otherwise", proof{
			source: `UPDATE users SET mail = E'a\\n\t\r\nN' WHERE id > 1; UPDATE users SET mail = '\N' WHERE id = 1`, target: `CREATE FUNCTION f(text) RETURNS bool IMMUTABLE LANGUAGE sql AS $$SELECT $1 IN (E'a\\n\t\r\nN', '\N')$$; ALTER TABLE users ADD CHECK (f(mail))`,
		}, exitDone, "rows", nil,
	},
	{
		"a foreign key to a table that is not mirrored", proof{
			source: "ALTER TABLE users ADD city int", target: "CREATE TABLE cities (id int PRIMARY KEY); ALTER TABLE users ADD city int REFERENCES cities",
		}, exitDone, "foreign keys", []string{`warning public.users city "users_city_fkey" of public.users refers to public.cities, which is not mirrored: rows are refused unless somebody else fills it`},
	},
	{
		"a foreign key that rows break", proof{
			source: cities + "; UPDATE users SET city = id", target: cities + "; ALTER TABLE users ADD FOREIGN KEY (city) REFERENCES cities",
			tables: both,
		}, exitFound, "foreign keys", []string{`error public.users city 90 rows refer to no row of public.cities, which "users_city_fkey" of public.users demands`},
	},
	{
		"a foreign key that all rows meet", proof{
			source: cities, target: cities + "; ALTER TABLE users ADD FOREIGN KEY (city) REFERENCES cities", tables: both,
		}, exitDone, "foreign keys", []string{`warning public.users city "users_city_fkey" of public.users has no like at the source: all rows meet it now, and later ones may not`},
	},
	{
		"one foreign key on both sides", proof{
			source: cities + "; ALTER TABLE users ADD FOREIGN KEY (city) REFERENCES cities", target: cities + "; ALTER TABLE users ADD FOREIGN KEY (city) REFERENCES cities",
			tables: both,
		}, exitDone, "foreign keys", nil,
	},
	{
		"a cascade of both sides",
		proof{source: cities + cascade, target: cities + cascade, tables: both},
		exitDone, "foreign keys",
		[]string{`info public.users city "users_city_fkey" writes it when public.cities changes, which the target does alike`},
	},
	{
		"a cascade of the target", proof{
			source: cities + "; ALTER TABLE users ADD FOREIGN KEY (city) REFERENCES cities", target: cities + cascade, tables: both,
		}, exitFound, "foreign keys", []string{`error public.users city "users_city_fkey" of public.users changes rows at the target where the source does not`},
	},
	{
		"a cascade of the source",
		proof{source: cities + cascade, target: cities, tables: both},
		exitDone, "uncaptured",
		[]string{`warning public.cities some of its writes cannot be seen as they happen, and follow migration.on_uncaptured: it writes public.users by the foreign key "users_city_fkey"`},
	},
	{
		"a split with a part that is empty", proof{
			target: `ALTER TABLE users DROP note; CREATE TABLE notes (user_id int PRIMARY KEY, note text CHECK (note <> 'MARKER')); GRANT ALL ON notes TO app, service`,
			tables: `
    - source: public.users
      targets: [{target: public.users, key: {id: id}}, {target: public.notes, key: {user_id: id}, when: "note IS NOT NULL"}]
      columns: [{source: note, target: notes.note}]`,
		}, exitFound, "check constraint", []string{`error public.users note 75 of 75 rows break the constraint "notes_note_check" of public.notes`},
	},
	{
		"a trigger that changes rows at the target", proof{
			target: "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note = 1; RETURN NEW; END'; CREATE TRIGGER touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION t()",
		}, exitFound, "triggers", []string{`error public.users the trigger "touch" of public.users at the target may change the rows that are mirrored, or keep them out`},
	},
	{
		"a trigger that writes other rows at the target", proof{
			target: "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO users VALUES (0); RETURN NULL; END'; CREATE TRIGGER log AFTER UPDATE ON users EXECUTE FUNCTION t()",
		}, exitFound, "triggers", []string{`error public.users the trigger "log" of public.users at the target may write rows there that the source does not have`},
	},
	{
		"triggers that do not fire for mirrored rows", proof{
			target: `CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note = 1; RETURN NEW; END';
					CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'insert' /* insert */; -- insert
						RETURN NULL; END$$;
					CREATE TRIGGER a BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION t(); ALTER TABLE users ENABLE REPLICA TRIGGER a;
					CREATE TRIGGER b BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION t(); ALTER TABLE users DISABLE TRIGGER b;
					CREATE TRIGGER d AFTER UPDATE ON users EXECUTE FUNCTION quiet();
					CREATE TRIGGER c BEFORE UPDATE ON users FOR EACH ROW WHEN (current_setting('crossfade.mirror', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION t();`,
		}, exitDone, "triggers", nil,
	},
	{
		"triggers of the source that write unseen", proof{
			source: `CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM users WHERE id = 0; RETURN NULL; END'; CREATE TRIGGER log AFTER UPDATE ON users EXECUTE FUNCTION t();
					CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note = 1; RETURN NEW; END'; CREATE TRIGGER quiet BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION quiet()`,
		}, exitDone, "uncaptured", []string{`warning public.users some of its writes cannot be seen as they happen, and follow migration.on_uncaptured: it has the trigger "log", which may write rows unseen`},
	},
	{
		"rules", proof{
			source: "CREATE RULE r AS ON DELETE TO users DO ALSO SELECT 1", target: "CREATE RULE r AS ON DELETE TO users DO ALSO SELECT 1",
		}, exitFound, "rules", []string{"error public.users public.users has a rule at the target: the server refuses INSERT … ON CONFLICT there, which brings the rows"},
	},
	{
		"a view that can be written through",
		proof{source: "CREATE VIEW people AS SELECT id, mail FROM users; CREATE VIEW counted AS SELECT count(*) FROM users"},
		exitDone, "views",
		[]string{"info public.users the view people can be written through: such writes are not captured, and follow migration.on_uncaptured"},
	},
	{
		"rows without a partition", proof{
			target: "DROP TABLE users; CREATE TABLE users (id int PRIMARY KEY, mail text NOT NULL, note text) PARTITION BY RANGE (id); CREATE TABLE users_1 PARTITION OF users FOR VALUES FROM (1) TO (91); GRANT ALL ON users TO app, service",
		}, exitFound, "partitions", []string{"error public.users 10 of 100 rows have no partition of public.users at the target"},
	},
	{
		"settings that lose",
		proof{source: "ALTER ROLE app IN DATABASE shop SET synchronous_commit = off; ALTER DATABASE shop SET track_counts = off"},
		exitFound, "server settings",
		[]string{
			"error track_counts is off at the source: writes of functions and triggers cannot be noticed",
			"warning fsync is off at the source: a crash may lose what was committed",
			"warning synchronous_commit is off at the source for app: a crash may lose what was acknowledged, and give its transaction id to another",
			"warning fsync is off at the target: a crash may lose what was committed",
		},
	},
	{
		"rights that a login lacks", proof{source: "REVOKE SELECT ON users FROM app", target: "REVOKE INSERT, DELETE ON users FROM app"}, exitFound, "rights", []string{
			"warning public.users may write it at the source and not read all of its columns: its writes are not captured",
			"error public.users lacks INSERT, DELETE on public.users at the target",
		},
	},
	{
		"policies", proof{source: "ALTER TABLE users ENABLE ROW LEVEL SECURITY", target: "ALTER TABLE users ENABLE ROW LEVEL SECURITY"}, exitFound, "rights", []string{
			"warning public.users row security applies at the source: its writes are not captured",
			"error public.users row security of public.users applies at the target: rows that policies hide cannot be brought",
		},
	},
	{
		"rights that the service login lacks", proof{
			source: "REVOKE UPDATE ON users FROM service; REVOKE CREATE ON DATABASE shop FROM service", target: "REVOKE DELETE ON users FROM service",
		}, exitFound, "service rights", []string{
			"error public.users the source's service login lacks UPDATE on public.users",
			"error the source's service login may not create the schema crossfade, where the proxy keeps its epoch",
			"error public.users the target's service login lacks DELETE on public.users",
		},
	},
	{
		"rows that the service login cannot read",
		proof{source: "REVOKE SELECT ON users FROM service"},
		exitFound, "rows",
		[]string{"warning public.users could not be proven by its rows: read rows of public.users: the server refused it (SQLSTATE 42501)"},
	},
	{
		"sequences", proof{
			source:  "ALTER TABLE users ADD n serial, ADD k serial; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO service",
			target:  "ALTER TABLE users ADD n serial, ADD k int; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO service",
			columns: "",
		}, exitDone, "sequences", []string{
			"info the source has 2 sequences; numbers are drawn from the side that does the writes, and not carried over",
			"info public.users n the target's sequence is behind the source's, which is not carried over",
			"warning public.users k draws its numbers from a sequence at the source, and has none at the target",
		},
	},
	{
		"collations of columns", proof{
			source: `DROP TABLE users; CREATE TABLE users (id text PRIMARY KEY, mail text COLLATE "C"); GRANT ALL ON users TO app, service`,
			target: `DROP TABLE users; CREATE TABLE users (id text COLLATE "C" PRIMARY KEY, mail text COLLATE "POSIX"); GRANT ALL ON users TO app, service`,
		}, exitDone, "collations", []string{
			`warning public.users id has the collation of the database at the source and pg_catalog."C" at the target, and is of the key: rows are not in one order on both sides`,
			`info public.users mail has the collation pg_catalog."C" at the source and pg_catalog."POSIX" at the target`,
		},
	},
	{
		"tables that are not mirrored", proof{
			source: "CREATE TABLE left_out (id int PRIMARY KEY); CREATE TABLE lacking (id int PRIMARY KEY); CREATE TABLE keyless (id int)",
			target: "CREATE TABLE keyless (id int)",
			tables: "\n    - " + plainUsers + "\n    - {source: public.left_out, skip: true}",
		}, exitFound, "coverage", []string{"info public.left_out is left out, as the file says", "info 1 of 4 tables of the source are mirrored"},
	},
	{
		"nothing that is mirrored",
		proof{target: "DROP TABLE users"},
		exitFound, "coverage",
		[]string{"info 0 of 1 table of the source are mirrored", "error nothing is mirrored"},
	},
}
