package parse

import "testing"

func TestFixedKey(t *testing.T) {
	id := []KeyColumn{{Name: "id", Type: 23}}
	both := []KeyColumn{{Name: "id", Type: 23}, {Name: "Code", Type: 25}}
	for _, test := range []struct {
		text       string
		key        []KeyColumn
		parameters []uint32
		want       string
	}{
		{"UPDATE a SET id = $2 WHERE id = $1 AND NOT EXISTS (SELECT FROM a s WHERE s.id = $2 OR true)", id, []uint32{23, 23}, "SELECT $1"},
		{"UPDATE a SET id = 2 WHERE id = 1", id, nil, "SELECT CAST(1 AS pg_catalog.int4)"},
		{"UPDATE a SET id = 2 WHERE '1' /* one */ = ID", id, nil, "SELECT CAST('1' AS pg_catalog.int4)"},
		{"UPDATE a x SET id = 2 FROM b WHERE b.id = 7 AND x.id = 1 RETURNING 1", id, nil, "SELECT CAST(1 AS pg_catalog.int4)"},
		{"UPDATE a SET id = 2 FROM b JOIN c ON b.id = 7 AND true WHERE a.\"id\" = 1", id, nil, "SELECT CAST(1 AS pg_catalog.int4)"},
		{"WITH w AS (SELECT 1 WHERE 2 = 3) UPDATE a SET id = 2 FROM w WHERE a.id = 1", id, nil, "SELECT CAST(1 AS pg_catalog.int4)"},
		{"UPDATE a SET id = 2 WHERE \"Code\" = 'x''y' AND id = $1", both, []uint32{23}, "SELECT $1, CAST('x''y' AS pg_catalog.text)"},

		{"UPDATE a SET id = 2", id, nil, ""},
		{"UPDATE a SET id = 2 WHERE id = 1 OR id = 3", id, nil, ""},
		{"UPDATE a SET id = 2 WHERE id = 1 OR true AND id = 3", id, nil, ""},
		{"UPDATE a SET id = 2 WHERE v BETWEEN 1 AND id = 3", id, nil, ""},
		{"UPDATE a SET id = 2 WHERE CASE WHEN true AND id = 3 AND true THEN true END", id, nil, ""},
		{"UPDATE a SET id = 2 WHERE (id = 1 AND true)", id, nil, ""},
		{"UPDATE a SET id = 2 WHERE NOT id = 1", id, nil, ""},
		{"UPDATE a SET id = 2 WHERE id = 1 IS FALSE", id, nil, ""},
		{"UPDATE a SET id = 2 WHERE id <> 1", id, nil, ""},
		{"UPDATE a SET id = 2 WHERE id = -1", id, nil, ""},
		{"UPDATE a SET id = 2 WHERE id = 1.0", id, nil, ""},
		{"UPDATE a SET id = 2 WHERE id = 9999999999", id, nil, ""},
		{"UPDATE a SET id = 2 WHERE id = B'1'", id, nil, ""},
		{"UPDATE a SET id = 2 WHERE id = $1", id, []uint32{20}, ""},
		{"UPDATE a SET id = 2 WHERE id = $2", id, []uint32{23}, ""},
		{"UPDATE a SET id = 2 FROM b WHERE b.id = 1", id, nil, ""},
		{"UPDATE a x SET id = 2 WHERE \"ID\" = 1", id, nil, ""},
		{"UPDATE a SET id = 2 WHERE id = v", id, nil, ""},
		{"UPDATE a SET id = 2 WHERE id = 1", both, nil, ""},
		{"UPDATE a SET id = 2 WHERE id = 1 AND \"Code\" = 'x'", []KeyColumn{{Name: "id", Type: 23}, {Name: "Code", Type: 25, Collated: true}}, nil, ""},
		{"UPDATE a SET id = 2 WHERE id = 1", []KeyColumn{{Name: "id", Type: 1700}}, nil, ""},
		{"UPDATE a SET id = 2 WHERE CURRENT OF c", id, nil, ""},
		{"DELETE FROM a WHERE id = 1", id, nil, ""},
	} {
		s, err := Analyse([]byte(test.text), Limits{Bytes: 64 << 10, Operators: 1000})
		if err != nil {
			t.Fatal(test.text, err)
		}
		got, ok := FixedKey([]byte(test.text), s, test.key, test.parameters)
		if string(got) != test.want || ok != (test.want != "") {
			t.Errorf("%s: %q %t, want %q", test.text, got, ok, test.want)
		}
	}
}
