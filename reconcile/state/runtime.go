package state

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Runtime is what operators change while the proxy runs. A new state directory
// has the first value: version 0, phase observe, share 0.
//
// As JSON its share is a percentage, as everywhere that people look.
type Runtime struct {
	Version uint64 // one more with each change
	Phase   string
	Share   uint16 // in hundredths of a percent
}

const firstPhase = "observe"

type runtimeJSON struct {
	Phase   string      `json:"phase"`
	Share   json.Number `json:"share"`
	Version uint64      `json:"version"`
}

// MarshalJSON writes {"phase":"canary","share":0.25,"version":7}.
func (r Runtime) MarshalJSON() ([]byte, error) {
	percent := strconv.FormatFloat(float64(r.Share)/100, 'f', -1, 64)
	return json.Marshal(runtimeJSON{Phase: r.Phase, Share: json.Number(percent), Version: r.Version})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Runtime) UnmarshalJSON(text []byte) error {
	var in runtimeJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	percent, err := in.Share.Float64()
	hundredths := math.Round(percent * 100)
	if err != nil || hundredths < 0 || hundredths > math.MaxUint16 {
		return fmt.Errorf("%q is not a share in percent", in.Share)
	}
	*r = Runtime{Version: in.Version, Phase: in.Phase, Share: uint16(hundredths)}
	return nil
}
