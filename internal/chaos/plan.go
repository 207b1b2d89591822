package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/crossfade-db/crossfade/internal/failpoint"
)

// victim is who is struck.
type victim string

const (
	proxyVictim  victim = "proxy"
	sourceVictim victim = "source"
	targetVictim victim = "target"
	nobody       victim = ""
)

// strikeKind is how.
type strikeKind uint8

const (
	kill     strikeKind = iota // SIGKILL to all of its processes
	freeze                     // SIGSTOP, and SIGCONT after a while
	killAt                     // the proxy kills itself at a point
	stallAll                   // commits that ask for a standby wait for one
)

// strike is one fault.
type strike struct {
	kind   strikeKind
	victim victim        // of stallAll: who is killed meanwhile, if anybody is
	point  string        // of killAt
	after  time.Duration // since the last one has ended
	hold   time.Duration // how long it stays down, or stands still
}

func (s strike) String() string {
	switch s.kind {
	case kill:
		return "kill " + string(s.victim)
	case freeze:
		return fmt.Sprintf("stop %s %v", s.victim, s.hold.Round(time.Millisecond))
	case killAt:
		return "kill at " + s.point
	case stallAll:
		if s.victim == nobody {
			return "stall"
		}
		return "stall and kill " + string(s.victim)
	}
	return "?"
}

// roundPlan is what happens in a round.
type roundPlan struct {
	number  int
	seed    uint64 // of its load
	delay   time.Duration
	strikes []strike
}

func (p roundPlan) String() string {
	if len(p.strikes) == 0 {
		return fmt.Sprintf("quiet, delay %v", p.delay)
	}
	var words []string
	for _, s := range p.strikes {
		words = append(words, s.String())
	}
	return fmt.Sprintf("%s, delay %v", strings.Join(words, ", "), p.delay)
}

// delays are between the two commits.
var delays = []time.Duration{2 * time.Millisecond, 0, 500 * time.Microsecond}

const (
	cycle       = 5 // rounds: quiet, points, two strikes, points, two strikes
	pointsMost  = 4 // kills at points in one round
	hitsWanted  = 3 // kills at each point in the long form
	strikesEach = 2
)

// planner draws without repetition until all were drawn.
type planner struct {
	random *rand.Rand
	points []string
	deck   []strike
}

// plans decide on all rounds. The same seed and number give the same.
func plans(seed uint64, rounds int) []roundPlan {
	p := planner{random: rand.New(rand.NewPCG(seed, 0))}
	each := p.perRound(rounds)
	var all []roundPlan
	for i := range rounds {
		r := roundPlan{number: i + 1, seed: p.random.Uint64(), delay: delays[p.random.IntN(len(delays))]}
		switch i % cycle {
		case 0:
			r.delay = delays[i/cycle%len(delays)]
		case 1, 3:
			for range each {
				r.strikes = append(r.strikes, p.nextPoint())
			}
		default:
			for range strikesEach {
				r.strikes = append(r.strikes, p.nextStrike())
			}
		}
		all = append(all, r)
	}
	return all
}

// perRound is how many points one round has for all to come often enough.
func (p *planner) perRound(rounds int) int {
	with := 0
	for i := range rounds {
		if i%cycle == 1 || i%cycle == 3 {
			with++
		}
	}
	want := hitsWanted * len(failpoint.Points())
	if with == 0 {
		return 0
	}
	return min(pointsMost, (want+with-1)/with)
}

func (p *planner) nextPoint() strike {
	if len(p.points) == 0 {
		p.points = failpoint.Points()
		p.random.Shuffle(len(p.points), func(i, j int) { p.points[i], p.points[j] = p.points[j], p.points[i] })
	}
	s := strike{kind: killAt, victim: proxyVictim, point: p.points[0], after: p.upTo(300 * time.Millisecond)}
	p.points = p.points[1:]
	return s
}

func (p *planner) nextStrike() strike {
	if len(p.deck) == 0 {
		stalled := []victim{nobody, proxyVictim, sourceVictim}[p.random.IntN(3)]
		p.deck = []strike{
			{kind: kill, victim: proxyVictim},
			{kind: kill, victim: sourceVictim},
			{kind: kill, victim: targetVictim},
			{kind: freeze, victim: proxyVictim},
			{kind: freeze, victim: sourceVictim},
			{kind: freeze, victim: targetVictim},
			{kind: stallAll, victim: stalled},
		}
		p.random.Shuffle(len(p.deck), func(i, j int) { p.deck[i], p.deck[j] = p.deck[j], p.deck[i] })
	}
	s := p.deck[0]
	p.deck = p.deck[1:]
	s.after, s.hold = p.upTo(800*time.Millisecond), p.upTo(700*time.Millisecond)
	if s.kind == freeze {
		s.hold += 50 * time.Millisecond
	}
	if s.kind == stallAll {
		s.hold += time.Second
	}
	return s
}

func (p *planner) upTo(most time.Duration) time.Duration {
	return time.Duration(p.random.Int64N(int64(most)))
}
