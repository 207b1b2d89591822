package shadow

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// locked is an error that may be gone soon.
type locked struct{ error }

func (locked) Retry() Retry { return Soon }

// TestTheLastTryHasTimeLeft: pauses double, and none of them eats what the try
// behind it needs.
func TestTheLastTryHasTimeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget = 100 * time.Millisecond
		tx := Begin(Options{Budget: Budget{Wait: budget}})
		deadline := time.Now().Add(budget)
		tries := 0
		for pause := firstPause; tx.pause(locked{errors.New("locked")}, pause, deadline); pause *= 2 {
			tries++
			if left := time.Until(deadline); left < budget/retryShare {
				t.Fatalf("try %d has %v left of %v", tries, left, budget)
			}
			<-time.After(time.Millisecond) // what the try takes
		}
		if tries < 5 {
			t.Errorf("%d tries", tries)
		}
	})
}
