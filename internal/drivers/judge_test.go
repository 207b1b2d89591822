package drivers

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// round is what a script prints, from pairs of a section and who answers it.
func round(pairs ...string) Round {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString("== " + pairs[i] + "\nanswered by " + pairs[i+1] + "\n")
	}
	return Round{Printed: b.String()}
}

func TestWrong(t *testing.T) {
	const source, target = "40001", "40002"
	home := round("plain", source, "types", source)
	tests := []struct {
		name   string
		second Round
		want   []string
	}{
		{"all as it should be", round("plain", target, "types", source), nil},
		{
			"a plain read that the source answers", round("plain", source, "types", source),
			[]string{`round 2: "plain" was answered by source, not by the target alone`},
		},
		{
			"types that the target answers", round("plain", target, "types", target),
			[]string{`round 2: "types" was answered by target, not by the source alone`},
		},
		{
			"an answer of nobody known", round("plain", "40009", "types", source),
			[]string{`round 2: "plain" was answered by port 40009, not by the target alone`},
		},
		{
			"a plain read that does not say",
			Round{Printed: "== plain\n1\n"},
			[]string{`round 2: "plain" does not say who answered it`},
		},
		{
			"nothing for the target to answer", round("types", source),
			[]string{"round 2: there is nothing that the target should have answered"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Wrong([]Round{home, tt.second, home}, Shares{false, true, false}, Ports{40001, 40002})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWrongWithoutAShareWantsTheSourceEverywhere(t *testing.T) {
	strayed := round("plain", "40002")
	got := Wrong([]Round{strayed, strayed, strayed}, Shares{}, Ports{40001, 40002})
	if len(got) != Rounds {
		t.Errorf("%d faults, want one for each round: %q", len(got), got)
	}
}

func TestSectionsLeaveOutWhoAnswered(t *testing.T) {
	one, other := round("plain", "40001").Sections(), round("plain", "40002").Sections()
	if one[0].Text != other[0].Text {
		t.Errorf("%q and %q differ", one[0].Text, other[0].Text)
	}
}

func TestTranscript(t *testing.T) {
	tests := []struct {
		name, from, want string
	}{
		{
			"a description", frame('T', "\x00\x01mood\x00\x00\x00\x40\x16\x00\x03\x00\x00\x40\x03\x00\x04\xff\xff\xff\xff\x00\x01"),
			"T mood(table 16406.3 type 16387 size 4 typmod -1 format 1)\n",
		},
		{"parameters", frame('t', "\x00\x02\x00\x00\x00\x17\x00\x00\x40\x03"), "t 23 16387\n"},
		{"a row", frame('D', "\x00\x03\x00\x00\x00\x02\x00\x01\xff\xff\xff\xff\x00\x00\x00\x00"), "D \"\\x00\\x01\" NULL \"\"\n"},
		{"who answered is left out", frame('D', "\x00\x01\x00\x00\x00\x11answered by 40001"), "D \"answered by (who)\"\n"},
		{"what is each connection's own is left out", frame('R', "\x00\x00\x00\x00") + frame('K', "12345678") + frame('Z', "I"), "Z \"I\"\n"},
		{"a description that is cut short is shown as it is", frame('T', "\x00\x01mood\x00\x00"), "T malformed \"\\x00\\x01mood\\x00\\x00\"\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := transcript([]byte(tt.from))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestATranscriptIsOfWholeMessages(t *testing.T) {
	whole := frame('Z', "I")
	for cut := 1; cut < len(whole); cut++ {
		if _, err := transcript([]byte(whole[:cut])); err == nil {
			t.Errorf("%d bytes of a message are no error", cut)
		}
	}
}

// frame is a message of the server.
func frame(kind byte, body string) string {
	size := len(body) + 4
	return string([]byte{kind, byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)}) + body
}
