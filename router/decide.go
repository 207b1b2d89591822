package router

// Cohort says whether a session belongs to the canary, and why: the policy
// alone, without regard to the state of the target.
func (p *Policy) Cohort(at Place) (in bool, why Reason) {
	switch {
	case p.Phase != Canary || (p.Writes == WritesUnset && !p.Mapped):
		return false, WrongPhase
	case p.Share == 0: // nobody, whatever the lists say: going back is one number
		return false, OutOfShare
	case at.Forced == ForcedOut:
		return false, ListedOut
	case at.Forced == ForcedIn:
		return true, ListedIn
	case Share(at.Bucket) < p.Share:
		return true, InShare
	default:
		return false, OutOfShare
	}
}

// Decide says which side answers a session's next statement. against is what
// stands against the target: a pin of the session or a fact of the statement;
// None when nothing does.
func (s *Snapshot) Decide(at Place, against Reason) (Side, Reason) {
	if s == nil || s.Target == TargetNone {
		return Source, NoTarget
	}
	in, why := s.Cohort(at)
	switch {
	case !in:
		return Source, why
	case s.Target != TargetOpen:
		return Source, Broken
	case against != None:
		return Source, against
	default:
		return Target, why
	}
}
