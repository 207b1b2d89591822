package shadow

// Savepoints of the client are noted from the beginning of its transaction, and
// sent to the leg once that has one (ENGINE §6.17). What is missed by an apply
// belongs to the savepoint that it was made in, so the leg settles before a new
// one (Leg.Savepoint).

// Savepoint notes a savepoint of the client.
func (t *Tx) Savepoint(name string) {
	n := save{name: name, entries: len(t.entries)}
	if t.state == open {
		if err := t.leg.Savepoint(len(t.saves)); err != nil {
			t.failed(err)
		} else {
			t.entries = append(t.entries, entry{depth: len(t.saves)})
			n.entries, n.sent = len(t.entries), true
		}
	}
	t.saves = append(t.saves, n)
}

// find is the newest savepoint of a name; -1: there is none.
func (t *Tx) find(name string) int {
	for i := len(t.saves) - 1; i >= 0; i-- {
		if t.saves[i].name == name {
			return i
		}
	}
	return -1
}

// Release forgets a savepoint and those inside of it.
func (t *Tx) Release(name string) {
	i := t.find(name)
	if i < 0 {
		return
	}
	sent := t.saves[i].sent
	t.saves = t.saves[:i]
	if !sent || t.state != open {
		return
	}
	if err := t.leg.Release(i); err != nil {
		t.failed(err)
		return
	}
	t.entries = append(t.entries, entry{depth: i, released: true})
}

// RollbackTo takes back what was captured since a savepoint. The keys stay
// remembered: more than needed is only more to look at.
func (t *Tx) RollbackTo(name string) {
	i := t.find(name)
	if i < 0 { // made out of sight: how much is taken back is not known
		t.abandon(CauseUncaptured)
		return
	}
	at := t.saves[i]
	t.saves = t.saves[:i+1]
	if t.state != open || len(t.entries) == at.entries {
		return
	}
	t.entries = t.entries[:at.entries]
	if at.sent {
		if err := t.leg.RollbackTo(i); err != nil {
			t.failed(err)
		}
		return
	}
	t.leg.Rollback()
	t.leg, t.state = nil, empty
	if len(t.entries) == 0 {
		return
	}
	t.abandon(CauseFailed) // cannot be: entries before it mean that the leg was open then
}
