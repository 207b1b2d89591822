package journal

import "time"

// heal waits until a fresh segment can be begun. It returns false when the journal
// is closed.
func (j *Journal) heal() bool {
	for {
		wait := time.NewTimer(j.tail.retry)
		select {
		case <-wait.C:
		case <-j.quit:
			wait.Stop()
			j.mu.Lock()
			j.tail.end, j.err = j.err, ErrClosed
			j.mu.Unlock()
			return false
		}
		j.tail.retry = min(2*j.tail.retry, lastRetry)
		if err := j.begin(); err != nil {
			j.mu.Lock()
			j.err = stopped(err)
			j.mu.Unlock()
			continue
		}
		j.tail.broken = nil
		j.mu.Lock()
		j.err = nil
		j.mu.Unlock()
		j.o.Log.Warn("the journal goes on in a fresh segment", "segment", j.tail.number)
		return true
	}
}

// stop refuses all intents until then: after a write or fsync has failed nobody
// knows what the file holds.
func (j *Journal) stop(err error) {
	j.tail.broken = err
	_ = j.tail.closeFile(false) // its fate is known
	err = stopped(err)
	j.mu.Lock()
	j.err = err
	j.index.stats.Stops++
	j.fail(j.filling, err)
	j.filling = newBatch(nil)
	j.room.Broadcast()
	j.mu.Unlock()
	j.o.Log.Error("the journal cannot be written: writes of mapped tables cannot be mirrored", "err", err)
}
