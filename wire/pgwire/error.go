package pgwire

import (
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/wire"
)

// SQLSTATE codes that we send in our own name (manual, appendix A).
const (
	CodeConnectionFailure = "08006"
	CodeProtocolViolation = "08P01"
	CodeInvalidAuth       = "28000"
	CodeInvalidPassword   = "28P01"
	CodeNotSupported      = "0A000"
	CodeTooMany           = "53300"
	CodeShutdown          = "57P01"
	CodeCannotConnect     = "57P03"
	CodeInvalidParameter  = "22023"
	CodeInternal          = "XX000"
	CodeReadOnly          = "25006"
	CodeSerialization     = "40001"
	CodeIO                = "58030"
	CodeTooLarge          = "54000"
)

// AppendError appends e as a FATAL ErrorResponse: after it the session ends.
func AppendError(dst []byte, e *wire.Error) []byte { return appendError(dst, "FATAL", e) }

// AppendFailure appends e as an ErrorResponse after which the session goes on.
func AppendFailure(dst []byte, e *wire.Error) []byte { return appendError(dst, "ERROR", e) }

// AppendReady appends a ReadyForQuery of the transaction status tx.
func AppendReady(dst []byte, tx byte) []byte { return append(dst, 'Z', 0, 0, 0, 5, tx) }

// AppendReport appends a ParameterStatus.
func AppendReport(dst []byte, name, value string) []byte {
	return appendMessage(dst, 'S', []byte(name+"\x00"+value+"\x00"))
}

func appendError(dst []byte, severity string, e *wire.Error) []byte {
	message := pgproto3.ErrorResponse{
		Severity: severity, SeverityUnlocalized: severity,
		Code: e.Code, Message: e.Message, Detail: e.Detail, Hint: e.Hint,
	}
	whole, err := message.Encode(dst)
	if err != nil { // only a text of a gigabyte cannot be encoded
		return dst
	}
	return whole
}

// ServerError is an ErrorResponse with which a server refused a login. Raw is
// the message as it came, for the client.
type ServerError struct {
	Raw  []byte
	Code string
}

// Error names the SQLSTATE only: the text is the server's and may hold data.
func (e *ServerError) Error() string {
	return fmt.Sprintf("the server refused the login (SQLSTATE %s)", e.Code)
}

// ParseError reads the body of an ErrorResponse.
func ParseError(body []byte) *ServerError { return serverError(body) }

// serverError keeps a copy of an ErrorResponse. Fields may be missing in it
// (PgBouncer CVE-2026-6666).
func serverError(body []byte) *ServerError {
	e := &ServerError{Raw: appendMessage(nil, 'E', body), Code: "?????"}
	var fields pgproto3.ErrorResponse
	if err := fields.Decode(body); err == nil && sqlstate.MatchString(fields.Code) {
		e.Code = fields.Code
	}
	return e
}

// sqlstate is the form of every SQLSTATE (manual, appendix A); what has another
// stays out of our log.
var sqlstate = regexp.MustCompile(`^[0-9A-Z]{5}$`)

// appendMessage appends one message of a body that was received and is
// therefore no longer than serverMost.
func appendMessage(dst []byte, kind byte, body []byte) []byte {
	n := len(body) + 4
	dst = append(dst, kind, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	return append(dst, body...)
}

func violation(format string, args ...any) *wire.Error {
	return &wire.Error{Fault: wire.ByClient, Code: CodeProtocolViolation, Message: fmt.Sprintf(format, args...)}
}
