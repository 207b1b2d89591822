package admin

import "fmt"

// Role is what a token may do. Each may all that the one before it may; the
// zero value may nothing, and a verb that asks for it is open to nobody.
type Role uint8

const (
	// Nobody is no role.
	Nobody Role = iota
	// Viewer sees how the migration stands.
	Viewer
	// Auditor also reads the chain of acts, and changes nothing.
	Auditor
	// Operator changes things.
	Operator
)

// Roles are the roles that a token can have, from least to all.
func Roles() []Role { return []Role{Viewer, Auditor, Operator} }

// String is the word of the configuration.
func (r Role) String() string {
	switch r {
	case Nobody:
		return "nobody"
	case Viewer:
		return "viewer"
	case Auditor:
		return "auditor"
	case Operator:
		return "operator"
	default:
		return "unknown"
	}
}

// ParseRole reads a word of the configuration.
func ParseRole(word string) (Role, error) {
	for _, r := range Roles() {
		if r.String() == word {
			return r, nil
		}
	}
	return Nobody, fmt.Errorf("role %q is not known: it is operator, auditor or viewer", word)
}

// may says whether r is enough where need is asked for.
func (r Role) may(need Role) bool {
	return need != Nobody && need <= Operator && r >= need && r <= Operator
}
