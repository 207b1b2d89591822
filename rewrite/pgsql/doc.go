// Package pgsql reads PostgreSQL statement texts without parsing them.
//
// Scanner cuts a text into tokens by the lexical rules of PostgreSQL
// (manual §4.1, src/backend/parser/scan.l, versions 12 to 18), with no
// allocation, for every input. Classify uses it to tell a relay what a text
// may do to the session that runs it:
//
//	text ──Scanner──▶ tokens ──Classify──▶ Effects{Listens, Opaque, Writes, …}
//
// Four more functions answer, with more time, what few texts need: which
// settings change (SettingNames, AllReset), and which SQL prepared statements
// come and go (Prepared, Deallocates).
//
// A relay has to know because notifications arrive at any moment: a session
// that never listens is read only when it is owed an answer, one that may
// listen is read always. So the package errs to one side: what it cannot
// prove harmless is Opaque, which costs the caller a little memory, never a
// notification. A relay between two servers has more to know: what a session
// would have to take along, what only one server can answer, and what writes.
//
//	var s pgsql.Scanner
//	s.Reset([]byte(`SELECT 'it''s' -- done`), 0)
//	for s.Next() {
//		t := s.Token() // KindWord 0:6, KindString 7:14
//	}
//	err := s.Err() // nil
//
// Texts must be in an encoding in which no byte below 0x80 is part of a longer
// character: UTF-8, LATIN1 and every other encoding a PostgreSQL server can
// store. The client-only ones (SJIS, BIG5, GBK, UHC, GB18030, JOHAB,
// SHIFT_JIS_2004; manual §24.3.1) hide quotes' and backslashes' bytes inside
// characters; under these the caller must not trust any result.
package pgsql
