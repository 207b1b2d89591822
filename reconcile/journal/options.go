package journal

import (
	"cmp"
	"log/slog"
	"time"
)

const (
	kib = 1 << 10
	mib = 1 << 20

	// intentMax is the largest intent that is taken, as a record.
	intentMax = 16 * mib
	// queueMax is what may wait for the disk; one intent may be more.
	queueMax = 4 * mib
	// settlesMax is how many settled ids wait for an intent to ride with.
	settlesMax = 8 * kib
	// beat is how long they wait at most, and how often old segments are looked at.
	beat = time.Second
	// segmentMax keeps offsets within 32 bits, with the largest batch behind it.
	segmentMax = 1024 * mib

	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Durability is what an intent survives once Wait has returned nil.
type Durability uint8

// Durabilities.
const (
	Fsync   Durability = iota // the loss of power, as far as the disk is honest
	Process                   // the end of the process; not that of the machine
)

// Options of a journal. The zero value is the safe one.
type Options struct {
	Durability Durability
	// SegmentSize is where a segment ends, in bytes; 0: 16 MiB.
	SegmentSize int64
	// Window is how long settled intents are kept at least; 0: 10 minutes.
	Window time.Duration
	// Keep bounds the files, in bytes; 0: 1 GiB. Beyond it settled intents go
	// before the window has passed, the oldest first; open ones never do.
	Keep int64
	// Now is the clock that segments are dated with; nil: time.Now.
	Now func() time.Time
	// FS is the disk; nil: the real one.
	FS FS
	// Log is told of cut tails, stops and recoveries; nil: nobody is.
	Log *slog.Logger
	// Synced is told how long each fsync took; nil: nobody is.
	Synced func(time.Duration)
}

func (o Options) filled() Options {
	o.SegmentSize = min(cmp.Or(max(o.SegmentSize, 0), 16*mib), segmentMax)
	o.Window = cmp.Or(max(o.Window, 0), 10*time.Minute)
	o.Keep = cmp.Or(max(o.Keep, 0), 1024*mib)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FS == nil {
		o.FS = disk{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Synced == nil {
		o.Synced = func(time.Duration) {}
	}
	return o
}

// Stats are what metrics show of a journal.
type Stats struct {
	Open     int    // intents that are not settled
	Segments int    // files
	Bytes    uint64 // written in this life
	Disk     int64  // bytes of the files
	// Window is how far back all settled intents are kept: the whole of
	// Options.Window, or less where Options.Keep was exceeded in this life.
	Window  time.Duration
	Syncs   uint64 // fsyncs of batches in this life
	Stops   uint64 // times that the disk refused, in this life
	Cut     int64  // bytes of the torn tail that Open found
	Stopped error  // why nothing can be remembered now; nil: it can
}
