package proxy

import (
	"bytes"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
)

// control is what a text does to the transaction.
type control struct {
	op    controlOp
	name  string // of a savepoint
	chain bool   // another transaction begins with its end
}

type controlOp uint8

// controlOf reads a text of transaction control.
func controlOf(text []byte) control {
	var words []string
	var s pgsql.Scanner
	s.Reset(text, 0)
	for len(words) < 5 && s.Next() {
		t := s.Token()
		if t.Kind == pgsql.KindWord {
			words = append(words, strings.ToLower(string(text[t.Start:t.End])))
		} else if t.Kind == pgsql.KindQuotedIdent {
			words = append(words, strings.ReplaceAll(string(text[t.Start+1:t.End-1]), `""`, `"`))
		}
	}
	if len(words) == 0 {
		return control{}
	}
	last := words[len(words)-1]
	switch words[0] {
	case "begin", "start":
		return control{op: beginOp}
	case "savepoint":
		return control{op: savepointOp, name: last}
	case "release":
		return control{op: releaseOp, name: last}
	case "prepare":
		return control{op: prepareOp}
	case "commit", "end":
		if len(words) > 1 && words[1] == "prepared" {
			return control{}
		}
		return control{op: commitOp, chain: chains(words)}
	case "rollback", "abort":
		for _, w := range words[1:] {
			switch w {
			case "to":
				return control{op: rollbackToOp, name: last}
			case "prepared":
				return control{}
			}
		}
		return control{op: rollbackOp, chain: chains(words)}
	default:
		return control{}
	}
}

// chains says that words end in AND CHAIN.
func chains(words []string) bool {
	n := len(words)
	return n > 2 && words[n-1] == "chain" && words[n-2] == "and"
}

// noteSavepoints notes those of a transaction that has come from the target.
func (s *session) noteSavepoints(script []byte) {
	if s.mirror == nil {
		return
	}
	for text := range bytes.SplitSeq(script, []byte{0}) {
		switch what := controlOf(text); what.op {
		case savepointOp:
			s.mirrorTx().Savepoint(what.name)
		case releaseOp:
			s.mirrorTx().Release(what.name)
		case rollbackToOp:
			s.mirrorTx().RollbackTo(what.name)
		case otherControl, beginOp, commitOp, rollbackOp, prepareOp:
		}
	}
}
