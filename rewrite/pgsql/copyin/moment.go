package copyin

import (
	"encoding/binary"
	"strings"
	"time"
)

// epoch is where the server's days and microseconds begin.
var epoch = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

const dayLength = 24 * time.Hour

// moment reads a date or a time in the form of ISO 8601, with four digits of the
// year: DateStyle has no say in it, and, with an offset, neither has TimeZone.
func moment(k kind, into []byte, s string) ([]byte, error) {
	day, clock := s, ""
	if k != date {
		if len(s) < len("2000-01-01 00:00:00") || s[10] != ' ' && s[10] != 'T' {
			return nil, ErrUnsure
		}
		day, clock = s[:10], s[11:]
	}
	at, err := time.Parse("2006-01-02", day)
	if err != nil || at.Year() == 0 {
		return nil, ErrUnsure
	}
	days := at.Unix()/int64(dayLength/time.Second) - epoch.Unix()/int64(dayLength/time.Second)
	if k == date {
		return binary.BigEndian.AppendUint32(into, uint32(int32(days))), nil
	}
	micros, rest, ok := clockOf(clock)
	if k == timestamptz && ok {
		var east int64
		east, rest, ok = offset(rest)
		micros -= east
	}
	if !ok || rest != "" {
		return nil, ErrUnsure
	}
	return binary.BigEndian.AppendUint64(into, uint64(days*dayLength.Microseconds()+micros)), nil
}

// clockOf reads hh:mm:ss with up to six digits behind a point.
func clockOf(s string) (micros int64, rest string, ok bool) {
	hour, s, ok1 := two(s, 23)
	s, colon1 := strings.CutPrefix(s, ":")
	minute, s, ok2 := two(s, 59)
	s, colon2 := strings.CutPrefix(s, ":")
	second, s, ok3 := two(s, 59)
	micros = ((hour*60+minute)*60 + second) * 1_000_000
	if after, point := strings.CutPrefix(s, "."); point {
		n := 0
		for unit := int64(100_000); n < len(after) && after[n] >= '0' && after[n] <= '9'; n++ {
			if unit == 0 {
				return 0, "", false // it is rounded
			}
			micros += unit * int64(after[n]-'0')
			unit /= 10
		}
		s = after[n:]
	}
	return micros, s, ok1 && ok2 && ok3 && colon1 && colon2
}

// offset reads Z, +hh or +hh:mm, as microseconds east of Greenwich.
func offset(s string) (east int64, rest string, ok bool) {
	if s == "Z" {
		return 0, "", true
	}
	if s == "" || s[0] != '+' && s[0] != '-' {
		return 0, "", false
	}
	hour, rest, ok := two(s[1:], 15)
	var minute int64
	if after, colon := strings.CutPrefix(rest, ":"); colon && ok {
		minute, rest, ok = two(after, 59)
	}
	east = (hour*60 + minute) * 60 * 1_000_000
	if s[0] == '-' {
		east = -east
	}
	return east, rest, ok
}

// two reads two digits.
func two(s string, most int64) (n int64, rest string, ok bool) {
	if len(s) < 2 || s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9' {
		return 0, "", false
	}
	n = int64(s[0]-'0')*10 + int64(s[1]-'0')
	return n, s[2:], n <= most
}
