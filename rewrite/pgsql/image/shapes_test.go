package image

// shapes are what a pair can be, each with NULLs where its columns take them.
var shapes = []carried{
	{
		name:   "the same table",
		source: "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, 'x'), (2, NULL), (-3, '')",
		target: "CREATE TABLE a (id int PRIMARY KEY, v text)",
		shape:  shape{table: "a", key: "id", targets: []into{{table: "a"}}},
		query:  "SELECT * FROM a ORDER BY id", want: []string{"-3|", "1|x", "2|~"},
		damage: "UPDATE a SET v = 'wrong'",
	},
	{
		name: "names that need quotes, other schema, other names",
		source: `CREATE TABLE "Or ders" ("Id" int PRIMARY KEY, "select" text, ord int, "a""b" int);
			INSERT INTO "Or ders" VALUES (1, 'x', 7, 8), (2, NULL, NULL, NULL)`,
		target: `CREATE SCHEMA "S 1"; CREATE TABLE "S 1"."t'" ("\Key" int PRIMARY KEY, "wh\ere'" text, n int, m int, ord int)`,
		shape: shape{table: "Or ders", key: "Id", targets: []into{{
			table: `S 1.t'`, key: `\Key`,
			up: map[string]string{`\Key`: "Id", `wh\ere'`: "select", "n": `"Or ders"."ord" + 1`, "m": `a"b`},
		}}},
		query: `SELECT * FROM "S 1"."t'" ORDER BY 1`, want: []string{"1|x|8|8|7", "2|~|~|~|~"},
		damage: `UPDATE "S 1"."t'" SET "wh\ere'" = 'wrong'`,
	},
	{
		name: "wider types, expressions, words, an initial value, generated and identity columns",
		source: `CREATE TYPE state AS ENUM ('new', 'done');
			CREATE TABLE orders (id int PRIMARY KEY, amount numeric, state state, created timestamp, note varchar(50), legacy bool);
			INSERT INTO orders VALUES (1, 1.005, 'new', '2024-02-01 01:02:03.000004', 'a', true), (2, NULL, NULL, NULL, NULL, NULL),
			(3, 12345678.9, 'done', 'infinity', '  ', false)`,
		target: `CREATE TABLE orders_v2 (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, total numeric(12,2), status text,
			created_at timestamptz, comment text, metadata jsonb NOT NULL, twice numeric GENERATED ALWAYS AS (total * 2) STORED,
			serial int NOT NULL DEFAULT 5, made timestamptz NOT NULL DEFAULT now())`,
		shape: shape{table: "orders", key: "id", targets: []into{{
			table: "orders_v2",
			up: map[string]string{
				"total": "amount", "created_at": "created AT TIME ZONE 'UTC'", "comment": "upper(note)",
				"status": "CASE state WHEN 'new' THEN 'pending' WHEN 'done' THEN 'delivered' ELSE NULL END",
			},
			initial: map[string]string{"metadata": "'{}'::jsonb", "serial": "DEFAULT", "made": " default "},
		}}},
		query: "SET TimeZone = 'UTC'; SELECT id, total, status, created_at, comment, metadata, twice, serial, made = now() FROM orders_v2 ORDER BY id",
		want: []string{
			"1|1.01|pending|2024-02-01 01:02:03.000004+00|A|{}|2.02|5|f", "2|~|~|~|~|{}|~|5|f",
			"3|12345678.90|delivered|infinity|  |{}|24691357.80|5|f",
		},
		damage: "UPDATE orders_v2 SET total = 0, status = 'wrong'",
	},
	{
		name: "one table to several, not all of them with a row",
		source: `CREATE TABLE users (id int PRIMARY KEY, email text, bio text, n int);
			INSERT INTO users VALUES (1, 'a@x', 'b', 2), (2, NULL, NULL, 0), (3, 'c@x', 'd', NULL)`,
		target: `CREATE TABLE users_v2 (id int PRIMARY KEY, email text);
			CREATE TABLE profiles (no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int NOT NULL UNIQUE, bio text NOT NULL);
			CREATE TABLE shares (id int PRIMARY KEY, share int)`,
		shape: shape{table: "users", key: "id", targets: []into{
			{table: "users_v2"},
			{table: "profiles", key: "user_id", up: map[string]string{"user_id": "id"}, when: "bio IS NOT NULL"},
			{table: "shares", up: map[string]string{"share": "100 / n"}, when: "n <> 0"},
		}},
		query:  "SELECT u.*, user_id, bio, share FROM users_v2 u LEFT JOIN profiles ON user_id = u.id LEFT JOIN shares USING (id) ORDER BY 1",
		want:   []string{"1|a@x|1|b|50", "2|~|~|~|~", "3|c@x|3|d|~"},
		damage: "UPDATE users_v2 SET email = 'wrong'; UPDATE profiles SET bio = 'wrong'; UPDATE shares SET share = 7",
	},
	{
		name: "a key of several columns, partitioned by one",
		source: `CREATE TABLE c (a int, b text, d date, v int, PRIMARY KEY (b, a, d));
			INSERT INTO c VALUES (1, 'x', '2024-01-01', 1), (1, 'y', '2025-01-01', NULL), (2, 'x', '2024-12-31', 3)`,
		target: `CREATE TABLE c (d date, a bigint, b varchar(5), v int, PRIMARY KEY (d, a, b)) PARTITION BY RANGE (d);
			CREATE TABLE c24 PARTITION OF c FOR VALUES FROM ('2024-01-01') TO ('2025-01-01'); CREATE TABLE c25 PARTITION OF c DEFAULT`,
		shape:  shape{table: "c", key: "b a d", targets: []into{{table: "c"}}},
		query:  "SELECT tableoid::regclass, * FROM c ORDER BY b, a, d",
		want:   []string{"c24|2024-01-01|1|x|1", "c24|2024-12-31|2|x|3", "c25|2025-01-01|1|y|~"},
		damage: "UPDATE c SET v = 99",
	},
	{
		name:   "nothing but a key",
		source: "CREATE TABLE k (a int, b uuid, PRIMARY KEY (a, b)); INSERT INTO k SELECT i, md5(i::text)::uuid FROM generate_series(1, 2) i",
		target: "CREATE TABLE k (a int, b uuid, PRIMARY KEY (a, b))",
		shape:  shape{table: "k", key: "a b", targets: []into{{table: "k"}}},
		query:  "SELECT * FROM k ORDER BY 1",
		want:   []string{"1|c4ca4238-a0b9-2382-0dcc-509a6f75849b", "2|c81e728d-9d4c-2f63-6f06-7f89cc14862c"},
	},
	{
		name:   "nothing but a key that is always generated",
		source: "CREATE TABLE k (id int PRIMARY KEY); INSERT INTO k VALUES (1), (2)",
		target: "CREATE TABLE k (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, extra text DEFAULT 'e')",
		shape:  shape{table: "k", key: "id", targets: []into{{table: "k"}}},
		query:  "SELECT * FROM k ORDER BY 1", want: []string{"1|e", "2|e"},
	},
	{
		name: "an identity column that is always generated and not the key",
		source: `CREATE TABLE k (code text PRIMARY KEY, no int, v int);
			INSERT INTO k VALUES ('a', 7, 1), ('b', 8, NULL)`,
		target: "CREATE TABLE k (code text PRIMARY KEY, no int GENERATED ALWAYS AS IDENTITY, v int)",
		shape:  shape{table: "k", key: "code", targets: []into{{table: "k"}}},
		query:  "SELECT * FROM k ORDER BY 1", want: []string{"a|7|1", "b|8|~"},
		damage: "UPDATE k SET v = 99",
	},
	{
		name: "letters: text, varchar, char, citext and name as values and key",
		source: `CREATE EXTENSION citext; CREATE TABLE l (k citext, c char(3), t text, v varchar(4), n name, q "char", b bpchar, PRIMARY KEY (k, c));
			INSERT INTO l VALUES ('A', 'x', E'tab\tä''\\', 'v  ', 'n', 'q', 'b'), ('b', 'xyz', '', '', '', '', ''), ('b', ' ', NULL, NULL, NULL, NULL, NULL)`,
		target: `CREATE EXTENSION citext; CREATE TABLE l (k citext, c char(5), t text, v varchar(4), n name, q "char", b bpchar, PRIMARY KEY (k, c))`,
		shape:  shape{table: "l", key: "k c", targets: []into{{table: "l"}}},
		query:  `SELECT k, octet_length(c), t, v, n, q, b FROM l ORDER BY k, c`,
		want:   []string{"A|5|tab\tä'\\|v  |n|q|b", "b|5|~|~|~|~|~", "b|5|||||"},
		damage: "UPDATE l SET t = 'wrong', v = 'w'",
	},
	{
		name: "numbers at their ends",
		source: `CREATE TABLE n (id numeric PRIMARY KEY, n numeric, r real, d float8, s smallint, m money, o oid, b bool);
			INSERT INTO n VALUES (1.0, 'NaN', 'NaN', '-infinity', 32767, '-12.34', 4294967295, true),
			(-2.50, 1.2300, 0.1, 0.30000000000000004, -32768, '0', 0, false), (1e100, 1e-100, '-0', 1e308, 0, NULL, NULL, NULL)`,
		target: `CREATE TABLE n (id numeric PRIMARY KEY, n numeric, r real, d float8, s bigint, m money, o oid, b bool)`,
		shape:  shape{table: "n", key: "id", targets: []into{{table: "n"}}},
		query:  "SELECT id, n, r, d, s, m, o, b FROM n WHERE id < 10 ORDER BY id",
		want:   []string{"-2.50|1.2300|0.1|0.30000000000000004|-32768|$0.00|0|f", "1.0|NaN|NaN|-Infinity|32767|-$12.34|4294967295|t"},
		damage: "UPDATE n SET n = 1.23, d = 0, r = 0",
	},
	{
		name: "times, networks, bits, bytes, documents",
		source: `CREATE TABLE v (id uuid PRIMARY KEY, t timestamptz, i interval, tt timetz, d date, ip inet, m macaddr, bi bit(3), bv varbit(9),
			by bytea, j json, jb jsonb, x xml, ts tsvector, p point, r int4range);
			INSERT INTO v VALUES ('00000000-0000-0000-0000-000000000001', '0044-03-15 12:00:00+00 BC', '1 mon -2 days 03:04:05.6', '12:00:00-05',
			'infinity', '10.0.0.1/8', '08:00:2b:01:02:03', B'101', B'', '\x00ff', '{"b" : 1, "b":2}', '{"b":[1.0,null]}', '<a/>', 'a:1', '(1,2)', '[1,5)'),
			('00000000-0000-0000-0000-000000000002', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`,
		target: `CREATE TABLE v (id uuid PRIMARY KEY, t timestamptz, i interval, tt timetz, d date, ip inet, m macaddr, bi bit(3), bv varbit(9),
			by bytea, j json, jb jsonb, x xml, ts tsvector, p point, r int4range)`,
		shape: shape{table: "v", key: "id", targets: []into{{table: "v"}}},
		query: "SET TimeZone = 'UTC'; SELECT t, i, tt, d, ip, m, bi, bv, by, j, jb, x, ts, p, r FROM v ORDER BY id",
		want: []string{
			`0044-03-15 12:00:00+00 BC|1 mon -2 days +03:04:05.6|12:00:00-05|infinity|10.0.0.1/8|08:00:2b:01:02:03|101||\x00ff|` +
				`{"b" : 1, "b":2}|{"b": [1.0, null]}|<a/>|'a':1|(1,2)|[1,5)`,
			"~|~|~|~|~|~|~|~|~|~|~|~|~|~|~",
		},
		damage: `UPDATE v SET j = '{"b":1, "b":2}', by = ''`,
	},
	{
		name: "arrays, in binary one by one",
		source: `CREATE TABLE a (id int PRIMARY KEY, n int[], t text[], c varchar(3)[]);
			INSERT INTO a VALUES (1, '{{1,2},{3,NULL}}', '{"a,b",NULL,"NULL"}', '{abc}'), (2, '[5:6]={1,2}', '{}', NULL)`,
		target: "CREATE TABLE a (id int PRIMARY KEY, n bigint[], t text[], c varchar(3)[])",
		shape:  shape{table: "a", key: "id", targets: []into{{table: "a"}}},
		query:  "SELECT * FROM a ORDER BY 1", want: []string{`1|{{1,2},{3,NULL}}|{"a,b",NULL,"NULL"}|{abc}`, "2|[5:6]={1,2}|{}|~"},
		damage: "UPDATE a SET n = '{9}'", single: true,
	},
	{
		name: "arrays and ranges, as text and in batches",
		source: `CREATE TABLE a (id int PRIMARY KEY, n int[], t text[], r tstzrange);
			INSERT INTO a VALUES (1, '{{1,2},{3,NULL}}', '{"a,b",NULL,"NULL"}', '[2024-01-02,2024-03-04)'), (2, '[5:6]={1,2}', '{}', NULL)`,
		target: "CREATE TABLE a (id int PRIMARY KEY, n bigint[], t text[], r tstzrange)",
		shape:  shape{table: "a", key: "id", text: "n t r", targets: []into{{table: "a"}}},
		query:  "SET TimeZone = 'UTC'; SELECT * FROM a ORDER BY 1",
		want: []string{
			`1|{{1,2},{3,NULL}}|{"a,b",NULL,"NULL"}|["2024-01-02 00:00:00+00","2024-03-04 00:00:00+00")`, "2|[5:6]={1,2}|{}|~",
		},
		damage: "UPDATE a SET n = '{9}'",
	},
	{
		name: "an enum as key and value, there and not there; domains, there and not there",
		source: `CREATE TYPE e AS ENUM ('b', 'a'); CREATE TYPE gone AS ENUM ('x', 'y'); CREATE DOMAIN d AS int CHECK (VALUE > 0); CREATE DOMAIN lost AS d;
			CREATE TABLE t (k e, g gone, d d, l lost, PRIMARY KEY (k, g)); INSERT INTO t VALUES ('a', 'x', 1, 2), ('b', 'y', NULL, NULL)`,
		target: `CREATE SCHEMA other; CREATE TABLE pad (p int); CREATE TYPE other.g2 AS ENUM ('y', 'x'); CREATE TYPE e AS ENUM ('b', 'a');
			CREATE DOMAIN d AS int; CREATE DOMAIN short AS varchar(3);
			CREATE TABLE t (k e, g other.g2, d d, l bigint, s short, w text, PRIMARY KEY (k, g))`,
		shape: shape{table: "t", key: "k g", targets: []into{{table: "t", up: map[string]string{"s": "'s' || d::text", "w": "g"}}}},
		query: "SELECT * FROM t ORDER BY k::text", want: []string{"a|x|1|2|s1|x", "b|y|~|~|~|y"},
		damage: "UPDATE t SET w = 'wrong'",
	},
	{
		name: "composites, arrays of enums and domains over them, whose values name types",
		source: `CREATE TABLE pad (a int, b int); CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE inner_t AS (m mood, n numeric);
			CREATE TYPE outer_t AS (i inner_t, many inner_t[], moods mood[]); CREATE DOMAIN moods AS mood[]; CREATE DOMAIN o2 AS outer_t;
			CREATE TYPE span AS RANGE (SUBTYPE = inner_t);
			CREATE TABLE t (id int PRIMARY KEY, i inner_t, o outer_t, d moods, o2 o2, s span);
			INSERT INTO t VALUES (1, ('sad', 1.50), (('ok', NULL), ARRAY[('sad', 2)::inner_t, NULL], '{ok,sad}'), '{sad}',
			(NULL, '{}', NULL), span(('sad', 1)::inner_t, ('ok', 2)::inner_t)), (2, NULL, NULL, NULL, NULL, span(NULL, ('ok', 2)::inner_t))`,
		target: `CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE inner_t AS (m mood, n numeric);
			CREATE TYPE outer_t AS (i inner_t, many inner_t[], moods mood[]); CREATE DOMAIN moods AS mood[]; CREATE DOMAIN o2 AS outer_t;
			CREATE TYPE span AS RANGE (SUBTYPE = inner_t);
			CREATE TABLE t (id int PRIMARY KEY, i inner_t, o outer_t, d moods, o2 o2, s span)`,
		shape: shape{table: "t", key: "id", targets: []into{{table: "t"}}},
		query: "SELECT * FROM t ORDER BY id",
		want: []string{
			`1|(sad,1.50)|("(ok,)","{""(sad,2)"",NULL}","{ok,sad}")|{sad}|(,{},)|["(sad,1)","(ok,2)")`, `2|~|~|~|~|(,"(ok,2)")`,
		},
		damage: "UPDATE t SET i = ('ok', 1.5)",
	},
	{
		name: "a unique key of the target that is not its primary key, and a column of the source in two of the target",
		source: `CREATE TABLE clients (id int PRIMARY KEY, name text);
			INSERT INTO clients VALUES (1, 'a'), (2, NULL)`,
		target: `CREATE TABLE clients_v2 (uid uuid PRIMARY KEY, legacy_id int UNIQUE NOT NULL, name text, name2 text)`,
		shape: shape{table: "clients", key: "id", targets: []into{{
			table: "clients_v2", key: "legacy_id", up: map[string]string{"legacy_id": "id", "name2": "name"},
			initial: map[string]string{"uid": "gen_random_uuid()"},
		}}},
		query: "SELECT uid IS NOT NULL, legacy_id, name, name2 FROM clients_v2 ORDER BY 2", want: []string{"t|1|a|a", "t|2|~|~"},
		damage: "UPDATE clients_v2 SET name2 = 'wrong'",
	},
}
