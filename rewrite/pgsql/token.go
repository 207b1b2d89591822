package pgsql

// Kind is the lexical class of a token.
type Kind uint8

const (
	// KindNone is the kind of no token: the zero value.
	KindNone Kind = iota
	// KindWord is an unquoted identifier or a keyword: a letter, an underscore
	// or a byte ≥ 0x80, then these, digits and $.
	KindWord
	// KindQuotedIdent is "name"; a quote in it is written twice.
	KindQuotedIdent
	// KindUnicodeIdent is U&"name". Its escapes may depend on a UESCAPE clause
	// in the tokens behind it.
	KindUnicodeIdent
	// KindString is a string or bit string constant with all its continuation
	// lines: '…', E'…', U&'…', N'…', B'…' and X'…'.
	KindString
	// KindDollarString is $tag$ … $tag$.
	KindDollarString
	// KindParam is $1.
	KindParam
	// KindNumber is an integer or numeric constant, without sign.
	KindNumber
	// KindOperator is an operator of one or more characters, except =>.
	KindOperator
	// KindSemicolon is ;
	KindSemicolon
	// KindComma is ,
	KindComma
	// KindLeftParen is (
	KindLeftParen
	// KindRightParen is )
	KindRightParen
	// KindLeftBracket is [
	KindLeftBracket
	// KindRightBracket is ]
	KindRightBracket
	// KindDot is .
	KindDot
	// KindColon is :
	KindColon
	// KindTypecast is ::
	KindTypecast
	// KindAssign is :=
	KindAssign
	// KindDotDot is ..
	KindDotDot
	// KindArrow is => between an argument's name and its value.
	KindArrow
	// KindOther is a byte that no token may begin with. The server's grammar
	// refuses every text that holds one.
	KindOther
)

// Token is the place of one token in the scanned text: text[Start:End].
type Token struct {
	Kind       Kind
	Start, End int
}

// Mode holds the session settings that change how a text is cut. The zero value
// is the server's default.
type Mode uint8

// BackslashStrings says that the session runs with
// standard_conforming_strings = off: a backslash escapes in plain '…' strings
// as it does in E'…' (manual §19.13.1).
const BackslashStrings Mode = 1

// Fault is why a text could not be scanned to its end.
type Fault uint8

const (
	// UnterminatedString is a string constant without its closing quote.
	UnterminatedString Fault = iota + 1
	// UnterminatedDollarString is a dollar-quoted string without its closing
	// tag.
	UnterminatedDollarString
	// UnterminatedIdentifier is a quoted identifier without its closing quote.
	UnterminatedIdentifier
	// UnterminatedComment is a /* comment without as many */.
	UnterminatedComment
	// AmbiguousNumber is a constant in the notation of PostgreSQL 16 (0x1F,
	// 1_000) with a letter, digit or $ directly behind it. Up to version 14 it
	// is a number and an identifier that swallows what follows, $ included;
	// from 16 on it is an error or, before a $, the start of something else.
	// The two cut the rest of the text differently, so it is not cut at all.
	AmbiguousNumber
)

// Error says in a few words what is wrong, without any part of the text.
func (f Fault) Error() string {
	switch f {
	case UnterminatedString:
		return "unterminated string"
	case UnterminatedDollarString:
		return "unterminated dollar-quoted string"
	case UnterminatedIdentifier:
		return "unterminated quoted identifier"
	case UnterminatedComment:
		return "unterminated comment"
	case AmbiguousNumber:
		return "number that server versions read differently"
	}
	return "no fault"
}
