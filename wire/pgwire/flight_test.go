package pgwire

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/wire"
)

func land(t *testing.T, in []byte) (*Landing, error) {
	t.Helper()
	var l Landing
	for len(in) > 0 {
		h := wire.Parse(in)
		if h.State != wire.Whole {
			return &l, nil
		}
		if done, err := l.Land(in[:h.Size]); done || err != nil {
			return &l, err
		}
		in = in[h.Size:]
	}
	return &l, nil
}

func answered(messages ...pgproto3.BackendMessage) []byte {
	var out []byte
	for _, m := range messages {
		out, _ = m.Encode(out) // small messages can be encoded
	}
	return out
}

func TestAFlightsAnswerIsRead(t *testing.T) {
	l, err := land(t, answered(
		&pgproto3.CloseComplete{}, &pgproto3.ParseComplete{}, &pgproto3.BindComplete{},
		&pgproto3.DataRow{Values: [][]byte{[]byte("a"), nil, {}}}, &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")},
		&pgproto3.NotificationResponse{Channel: "c"}, &pgproto3.ParameterStatus{Name: "TimeZone", Value: "UTC"},
		&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42704"}, &pgproto3.ReadyForQuery{TxStatus: 'E'},
	))
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Rows) != 1 || string(l.Rows[0][0]) != "a" || l.Rows[0][1] != nil || l.Rows[0][2] == nil {
		t.Errorf("rows %q", l.Rows)
	}
	if l.Failed == nil || l.Failed.Code != "42704" || l.Tx != 'E' || len(l.Aside) == 0 || len(l.Reports) == 0 {
		t.Errorf("%+v", l)
	}
}

func TestV11AnAnswerThatNobodyAskedForEndsAFlight(t *testing.T) {
	for name, in := range map[string][]byte{
		"an authentication":                 answered(&pgproto3.AuthenticationOk{}),
		"a COPY":                            answered(&pgproto3.CopyInResponse{}),
		"a ReadyForQuery of two bytes":      {'Z', 0, 0, 0, 6, 'I', 'I'},
		"a row that claims more than it is": {'D', 0, 0, 0, 10, 0, 1, 0, 0, 0, 9},
		"a row with a negative length":      {'D', 0, 0, 0, 10, 0, 1, 0xff, 0xff, 0xff, 0xfe},
		"a row with bytes behind it":        {'D', 0, 0, 0, 7, 0, 0, 1},
	} {
		if _, err := land(t, in); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// FuzzLanding: whatever a server answers, nothing crashes and no more is kept
// than came in.
func FuzzLanding(f *testing.F) {
	f.Add(answered(&pgproto3.DataRow{Values: [][]byte{[]byte("a"), nil}}, &pgproto3.ReadyForQuery{TxStatus: 'I'}))
	f.Add(answered(&pgproto3.ErrorResponse{Code: "42704"}))
	f.Fuzz(func(t *testing.T, in []byte) {
		l, err := land(t, in)
		if err != nil {
			return
		}
		kept := len(l.Described) + len(l.Aside) + len(l.Reports)
		for _, row := range l.Rows {
			for _, v := range row {
				kept += len(v)
			}
		}
		if kept > len(in) {
			t.Fatalf("%d bytes kept of %d", kept, len(in))
		}
	})
}
