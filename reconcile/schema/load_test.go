package schema

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/rewrite"
)

// shop has one of everything that a schema can say.
var shop = []string{
	"CREATE ROLE reader LOGIN PASSWORD 'reader-password'",
	"CREATE SCHEMA billing",
	"CREATE TYPE billing.mood AS ENUM ('sad', 'ok')",
	"ALTER TYPE billing.mood ADD VALUE 'so so' BEFORE 'ok'",
	"CREATE DOMAIN billing.price AS numeric(12,2) CHECK (VALUE >= 0)",
	"CREATE TYPE billing.pair AS (low int, high billing.mood)",
	"CREATE TYPE billing.drawn AS (at point)",
	"CREATE TYPE billing.span AS RANGE (subtype = numeric)",
	`CREATE COLLATION billing.german (provider = libc, locale = 'C')`,
	"CREATE TABLE billing.clients (id int PRIMARY KEY, mail text UNIQUE, late int, CONSTRAINT late_key UNIQUE (late) DEFERRABLE)",
	"CREATE UNIQUE INDEX partly ON billing.clients (id) WHERE id > 5",
	"CREATE UNIQUE INDEX computed ON billing.clients (lower(mail))",
	`CREATE TABLE billing.orders (
		id bigint GENERATED ALWAYS AS IDENTITY, client int NOT NULL, gone int, "The Note" varchar(50) COLLATE billing.german DEFAULT 'x',
		m billing.mood, p billing.price, pairs billing.pair[], r billing.span, twice int GENERATED ALWAYS AS (client * 2) STORED,
		PRIMARY KEY (id) INCLUDE (client), UNIQUE (client, id),
		CONSTRAINT positive CHECK (client > 0),
		CONSTRAINT client_fk FOREIGN KEY (client) REFERENCES billing.clients (id) ON DELETE CASCADE ON UPDATE SET NULL DEFERRABLE)`,
	"ALTER TABLE billing.orders DROP COLUMN gone",
	"CREATE FUNCTION billing.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
	"CREATE TRIGGER b_touch BEFORE INSERT OR UPDATE ON billing.orders FOR EACH ROW WHEN (NEW.client > 0) EXECUTE FUNCTION billing.touch()",
	"CREATE CONSTRAINT TRIGGER c_late AFTER DELETE ON billing.orders DEFERRABLE FOR EACH ROW EXECUTE FUNCTION billing.touch()",
	"CREATE TRIGGER d_off AFTER TRUNCATE ON billing.orders EXECUTE FUNCTION billing.touch()",
	"CREATE TRIGGER e_always AFTER TRUNCATE ON billing.orders EXECUTE FUNCTION billing.touch()",
	"CREATE TRIGGER f_replica AFTER UPDATE ON billing.orders EXECUTE FUNCTION billing.touch()",
	"ALTER TABLE billing.orders DISABLE TRIGGER d_off",
	"ALTER TABLE billing.orders ENABLE ALWAYS TRIGGER e_always",
	"ALTER TABLE billing.orders ENABLE REPLICA TRIGGER f_replica",
	"CREATE RULE quiet AS ON DELETE TO billing.orders WHERE false DO INSTEAD NOTHING",
	"ALTER TABLE billing.orders ENABLE ROW LEVEL SECURITY",
	"ALTER TABLE billing.orders FORCE ROW LEVEL SECURITY",
	"CREATE VIEW latest AS SELECT id FROM billing.orders",
	"CREATE MATERIALIZED VIEW kept AS SELECT 1 AS one",
	"CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing; CREATE FOREIGN TABLE far (id int) SERVER nowhere",
	"CREATE TABLE parted (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
	"CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (id)",
	"CREATE TABLE parted_1_1 PARTITION OF parted_1 DEFAULT",
	"CREATE TRIGGER of_root AFTER INSERT ON parted FOR EACH ROW EXECUTE FUNCTION billing.touch()",
	"CREATE TRIGGER of_part AFTER INSERT ON parted_1_1 FOR EACH ROW EXECUTE FUNCTION billing.touch()",
	"ALTER TABLE parted ADD CONSTRAINT parted_fk FOREIGN KEY (id) REFERENCES billing.clients (id)",
	"ALTER TABLE parted_1_1 ADD CONSTRAINT part_fk FOREIGN KEY (id) REFERENCES billing.clients (id) ON DELETE CASCADE",
	"CREATE TABLE to_part (id int, at date, FOREIGN KEY (id, at) REFERENCES parted_1_1 (id, at) ON DELETE CASCADE)",
	"CREATE TABLE animals (id int); CREATE TABLE cats () INHERITS (animals)",
	"CREATE TABLE late (id int PRIMARY KEY DEFERRABLE)",
	"CREATE TABLE empty ()",
	"INSERT INTO billing.clients (id) SELECT generate_series(1, 100)",
	"INSERT INTO parted SELECT n, '2024-05-05' FROM generate_series(1, 100) n",
	"CREATE FUNCTION billing.rate(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'",
	"CREATE FUNCTION billing.rate(text) RETURNS int STABLE LANGUAGE sql AS 'SELECT 1'",
	"CREATE PROCEDURE billing.act() LANGUAGE sql AS 'SELECT 1'",
	"CREATE SCHEMA crossfade; CREATE TABLE crossfade.epoch (one bool)",
	"ANALYZE parted",
}

func load(t *testing.T, server *dbserver.Postgres) *rewrite.Schema {
	t.Helper()
	conn := connect(t, server, "reader", "reader-password")
	s, err := Load(t.Context(), Of(conn))
	if err != nil {
		t.Fatal(err)
	}
	if status := conn.TxStatus(); status != 'I' {
		t.Errorf("the session is left in state %c", status)
	}
	return s
}

func billing(name string) rewrite.Name { return rewrite.Name{Schema: "billing", Name: name} }
func public(name string) rewrite.Name  { return rewrite.Name{Schema: "public", Name: name} }

// column is what a test says of a column: numbers are the server's.
func column(number int16, name, sqlType string, more ...func(*rewrite.Column)) rewrite.Column {
	c := rewrite.Column{Number: number, Name: name, SQLType: sqlType}
	for _, f := range more {
		f(&c)
	}
	return c
}

func TestATableIsReadWithEverythingThatBelongsToIt(t *testing.T) {
	both(t, func(t *testing.T, server *dbserver.Postgres) {
		s := load(t, server)
		notNull := func(c *rewrite.Column) { c.NotNull = true }
		client := rewrite.ForeignKey{
			Name: "client_fk", From: billing("orders"), To: billing("clients"), Columns: []string{"client"}, Refers: []string{"id"},
			OnDelete: 'c', OnUpdate: 'n', Deferrable: true,
		}
		touch := func(trigger rewrite.Trigger) rewrite.Trigger {
			trigger.Function = billing("touch")
			return trigger
		}
		want := &rewrite.Table{
			Name: billing("orders"),
			Columns: []rewrite.Column{
				column(1, "id", "bigint", notNull, func(c *rewrite.Column) { c.Identity = 'a' }),
				column(2, "client", "integer", notNull),
				column(4, "The Note", "character varying(50)", func(c *rewrite.Column) {
					c.Default, c.Collation = "'x'::character varying", billing("german")
				}),
				column(5, "m", "billing.mood"), column(6, "p", "billing.price"),
				column(7, "pairs", "billing.pair[]"), column(8, "r", "billing.span"),
				column(9, "twice", "integer", func(c *rewrite.Column) { c.Generated = true }),
			},
			Keys: []rewrite.Key{
				{Name: "orders_pkey", Primary: true, Columns: []string{"id"}},
				{Name: "orders_client_id_key", Columns: []string{"client", "id"}},
			},
			ForeignKeys: []rewrite.ForeignKey{client},
			Checks:      []rewrite.Check{{Name: "positive", Expression: "(client > 0)"}},
			Triggers: []rewrite.Trigger{
				touch(rewrite.Trigger{Name: "b_touch", Before: true, Row: true, Insert: true, Update: true, When: true}),
				touch(rewrite.Trigger{Name: "c_late", Row: true, Delete: true, Deferred: true}),
				touch(rewrite.Trigger{Name: "e_always", Truncate: true, Always: true}),
				touch(rewrite.Trigger{Name: "f_replica", Update: true, Replica: true}),
			},
			Rules: true, RowSecurity: true, Forced: true, Uses: []rewrite.Name{billing("touch")},
		}
		ignored := []cmp.Option{
			cmpopts.IgnoreFields(rewrite.Table{}, "OID", "Bytes", "Rows"), cmpopts.IgnoreFields(rewrite.Column{}, "Type", "Typmod"),
		}
		if diff := cmp.Diff(want, s.Tables[want.Name], ignored...); diff != "" {
			t.Error(diff)
		}
		clients := s.Tables[billing("clients")]
		if diff := cmp.Diff([]rewrite.Key{
			{Name: "clients_pkey", Primary: true, Columns: []string{"id"}}, {Name: "clients_mail_key", Columns: []string{"mail"}},
		}, clients.Keys); diff != "" {
			t.Error(diff)
		}
		var from []string
		for _, f := range clients.Referenced {
			from = append(from, f.From.String()+" "+f.Name)
		}
		if diff := cmp.Diff([]string{"billing.orders client_fk", "public.parted parted_fk", "public.parted_1_1 part_fk"}, from); diff != "" {
			t.Error(diff)
		}
		if len(clients.Columns) != 3 || clients.Columns[0].Type != 23 || clients.Columns[0].Typmod != -1 {
			t.Errorf("columns: %+v", clients.Columns)
		}
	}, shop...)
}

func TestEveryKindOfRelationIsTold(t *testing.T) {
	both(t, func(t *testing.T, server *dbserver.Postgres) {
		s := load(t, server)
		got := map[string]rewrite.RelationKind{}
		for name, table := range s.Tables {
			got[name.String()] = table.Kind
		}
		want := map[string]rewrite.RelationKind{
			"billing.clients": rewrite.OrdinaryTable, "billing.orders": rewrite.OrdinaryTable, "public.latest": rewrite.View,
			"public.kept": rewrite.MaterializedView, "public.far": rewrite.ForeignTable, "public.parted": rewrite.PartitionedTable,
			"public.parted_1": rewrite.PartitionedTable, "public.parted_1_1": rewrite.OrdinaryTable, "public.to_part": rewrite.OrdinaryTable,
			"public.animals": rewrite.OrdinaryTable, "public.cats": rewrite.OrdinaryTable, "public.late": rewrite.OrdinaryTable,
			"public.empty": rewrite.OrdinaryTable,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for name, table := range s.Tables {
			if inherits := name.Name == "animals" || name.Name == "cats"; table.Inherits != inherits {
				t.Errorf("%s: inherits %v", name, table.Inherits)
			}
			if deferrable := name.Name == "late"; table.Deferrable != deferrable {
				t.Errorf("%s: deferrable %v", name, table.Deferrable)
			}
			if table.Rules != (name.Name == "orders") {
				t.Errorf("%s: rules %v", name, table.Rules)
			}
		}
		if n := len(s.Tables[public("empty")].Columns); n != 0 {
			t.Errorf("a table without columns has %d", n)
		}
	}, shop...)
}

func TestPartitionsBelongToTheirRoot(t *testing.T) {
	both(t, func(t *testing.T, server *dbserver.Postgres) {
		s := load(t, server)
		root := s.Tables[public("parted")]
		for _, name := range []string{"parted_1", "parted_1_1"} {
			if parent := s.Tables[public(name)].Parent; parent != root.Name {
				t.Errorf("the parent of %s is %v", name, parent)
			}
		}
		if root.Rows != 100 || root.Bytes != 8192 || root.Parent != (rewrite.Name{}) {
			t.Errorf("the root has %v rows, %d bytes, parent %v", root.Rows, root.Bytes, root.Parent)
		}
		var triggers, foreign, referenced []string
		for _, trigger := range root.Triggers {
			triggers = append(triggers, trigger.Name)
		}
		for _, f := range root.ForeignKeys {
			foreign = append(foreign, f.Name)
		}
		for _, f := range root.Referenced {
			referenced = append(referenced, f.From.String())
		}
		if diff := cmp.Diff([][]string{{"of_part", "of_root"}, {"parted_fk", "part_fk"}, {"public.to_part"}}, [][]string{triggers, foreign, referenced}); diff != "" {
			t.Error(diff)
		}
		if n := len(s.Tables[public("parted_1_1")].Triggers); n != 1 {
			t.Errorf("the partition has %d triggers of its own", n)
		}
	}, shop...)
}

func TestTypesSayWhatTheyAreMadeOf(t *testing.T) {
	both(t, func(t *testing.T, server *dbserver.Postgres) {
		s := load(t, server)
		named := func(schema, name string) *rewrite.Type {
			found := s.TypeNamed(rewrite.Name{Schema: schema, Name: name})
			if found == nil {
				t.Fatalf("no type %s.%s", schema, name)
			}
			return found
		}
		mood, pair, pairs := named("billing", "mood"), named("billing", "pair"), named("billing", "_pair")
		price, span, drawn := named("billing", "price"), named("billing", "span"), named("billing", "drawn")
		for _, c := range []struct{ got, want *rewrite.Type }{
			{mood, &rewrite.Type{Kind: rewrite.EnumType, Labels: []string{"sad", "so so", "ok"}, Binary: true, Equality: true}},
			{pair, &rewrite.Type{Kind: rewrite.CompositeType, Fields: []uint32{23, mood.OID}, Binary: true, Equality: true}},
			{pairs, &rewrite.Type{Kind: rewrite.ArrayType, Element: pair.OID, Binary: true, Equality: true}},
			{price, &rewrite.Type{Kind: rewrite.DomainType, Base: 1700, Binary: true, Equality: true}},
			{span, &rewrite.Type{Kind: rewrite.RangeType, Element: 1700, Binary: true, Equality: true}},
			{drawn, &rewrite.Type{Kind: rewrite.CompositeType, Fields: []uint32{600}, Binary: true}},
			{named("pg_catalog", "int4"), &rewrite.Type{OID: 23, Kind: rewrite.BaseType, Array: 1007, Binary: true, Equality: true}},
			{named("pg_catalog", "varchar"), &rewrite.Type{OID: 1043, Kind: rewrite.BaseType, Array: 1015, Binary: true, Equality: true}},
			{named("pg_catalog", "json"), &rewrite.Type{OID: 114, Kind: rewrite.BaseType, Array: 199, Binary: true}},
			{named("pg_catalog", "aclitem"), &rewrite.Type{OID: 1033, Kind: rewrite.BaseType, Array: 1034, Equality: true}},
			{named("pg_catalog", "_aclitem"), &rewrite.Type{OID: 1034, Kind: rewrite.ArrayType, Element: 1033, Equality: true}},
			{named("pg_catalog", "int2vector"), &rewrite.Type{OID: 22, Kind: rewrite.BaseType, Array: 1006, Binary: true}},
			{named("pg_catalog", "int8range"), &rewrite.Type{OID: 3926, Kind: rewrite.RangeType, Element: 20, Array: 3927, Binary: true, Equality: true}},
		} {
			c.want.Name = c.got.Name
			if c.want.OID == 0 {
				c.want.OID, c.want.Array = c.got.OID, c.got.Array
			}
			if diff := cmp.Diff(c.want, c.got); diff != "" {
				t.Errorf("%s: %s", c.got.Name, diff)
			}
		}
		if pair.Array != pairs.OID {
			t.Errorf("the array of pair is %d, want %d", pair.Array, pairs.OID)
		}
		if server.Version().Major >= 14 {
			if multi := named("billing", "span_multirange"); multi.Kind != rewrite.MultirangeType || multi.Element != span.OID || !multi.Binary {
				t.Errorf("multirange: %+v", multi)
			}
		}
	}, shop...)
}

func TestVolatileFunctionsAreKnownByName(t *testing.T) {
	both(t, func(t *testing.T, server *dbserver.Postgres) {
		s := load(t, server)
		for name, want := range map[string]bool{"touch": true, "rate": false, "act": true} {
			if got := s.Acts(rewrite.Ref{Schema: "billing", Name: name}); got != want {
				t.Errorf("%s may write: %v", name, got)
			}
		}
		if s.Acts(rewrite.Ref{Name: "now"}) || s.Acts(rewrite.Ref{Schema: "public", Name: "act"}) || !s.Acts(rewrite.Ref{Name: "act"}) {
			t.Error("a name means what it does not")
		}
		if s.Encoding != "UTF8" || s.Version/10000 != server.Version().Major {
			t.Errorf("encoding %s, version %d", s.Encoding, s.Version)
		}
	}, shop...)
}
