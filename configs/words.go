package configs

// enum is a type whose values are words. The first list are the words of this
// version; the second are promised for a later one and a fault until then. The
// zero value is no choice at all: whoever switches over one refuses it.
type enum interface {
	words() (now, later []string)
}

// Protocol is the wire protocol of a listener.
type Protocol string

// Engine is the kind of a database server.
type Engine string

// The words of Protocol and Engine in this version.
const (
	ProtocolPostgres Protocol = "postgres"
	EnginePostgres   Engine   = "postgres"
)

func (Protocol) words() (now, later []string) {
	return []string{string(ProtocolPostgres)}, []string{"mysql"}
}

func (Engine) words() (now, later []string) {
	return []string{string(EnginePostgres)}, []string{"mysql", "mariadb"}
}

// Shape names the side whose schema a client speaks. Empty: no statement of
// its own, the less specific one holds.
type Shape string

func (Shape) words() (now, later []string) { return []string{"source", "target"}, nil }

// ListenerTLSMode says whether clients may or must encrypt.
type ListenerTLSMode string

// ListenerTLSMode's words.
const (
	ListenerTLSDisable ListenerTLSMode = "disable"
	ListenerTLSPrefer  ListenerTLSMode = "prefer"
	ListenerTLSRequire ListenerTLSMode = "require"
)

func (ListenerTLSMode) words() (now, later []string) {
	return []string{string(ListenerTLSDisable), string(ListenerTLSPrefer), string(ListenerTLSRequire)}, nil
}

// ServerTLSMode says how a server's certificate is checked. The words mean
// what they mean in libpq's sslmode (PostgreSQL manual, "SSL Support").
type ServerTLSMode string

// ServerTLSMode's words.
const (
	ServerTLSDisable    ServerTLSMode = "disable"
	ServerTLSRequire    ServerTLSMode = "require"
	ServerTLSVerifyCA   ServerTLSMode = "verify-ca"
	ServerTLSVerifyFull ServerTLSMode = "verify-full"
)

func (ServerTLSMode) words() (now, later []string) {
	return []string{string(ServerTLSDisable), string(ServerTLSRequire), string(ServerTLSVerifyCA), string(ServerTLSVerifyFull)}, nil
}

// Auth is how a client proves who it is.
type Auth string

// Auth's words in this version. Passthrough logs in to the backend with the
// key recovered from the client's own proof, so it needs only the verifier.
const (
	AuthSCRAM            Auth = "scram"
	AuthSCRAMPassthrough Auth = "scram-passthrough"
	AuthCertificate      Auth = "certificate"
	AuthTrust            Auth = "trust"
)

func (Auth) words() (now, later []string) {
	return []string{string(AuthSCRAM), string(AuthSCRAMPassthrough), string(AuthCertificate), string(AuthTrust)},
		[]string{"native", "caching-sha2", "ed25519", "passthrough"}
}

// Uncaptured is what happens to a write whose rows cannot be seen.
type Uncaptured string

func (Uncaptured) words() (now, later []string) {
	return []string{"refuse", "dirty-table", "ignore"}, nil
}

// DDL is what happens to a change of a mapped table's definition.
type DDL string

func (DDL) words() (now, later []string) { return []string{"refuse", "authority"}, nil }

// MirrorMode is the way in which writes reach the other side.
type MirrorMode string

func (MirrorMode) words() (now, later []string) { return []string{"inline"}, []string{"log"} }

// Answer is whose commit a client's reply waits for.
type Answer string

func (Answer) words() (now, later []string) { return []string{"both", "authority"}, nil }

// Commit is how the commits of the two sides follow each other.
type Commit string

func (Commit) words() (now, later []string) { return []string{"ordered"}, []string{"two_phase"} }

// CanaryWrites is what happens to the writes of canary sessions in a migration
// without tables. It may be written as "", which is not chosen.
type CanaryWrites string

func (CanaryWrites) words() (now, later []string) { return []string{"refuse", "target", ""}, nil }

// Durability is what a journal record survives.
type Durability string

func (Durability) words() (now, later []string) { return []string{"fsync", "process"}, nil }

// EvidencePolicy is what stands for a row value.
type EvidencePolicy string

func (EvidencePolicy) words() (now, later []string) {
	return []string{"show", "mask", "hmac", "drop"}, nil
}

// Role is what a token may do.
type Role string

// Role's words, from all to least.
const (
	RoleOperator Role = "operator"
	RoleAuditor  Role = "auditor"
	RoleViewer   Role = "viewer"
)

func (Role) words() (now, later []string) {
	return []string{string(RoleOperator), string(RoleAuditor), string(RoleViewer)}, nil
}

// LogLevel is the least severe that is written; slog.Level reads these words.
type LogLevel string

func (LogLevel) words() (now, later []string) {
	return []string{"debug", "info", "warn", "error"}, nil
}

// LogFormat is how a log line looks.
type LogFormat string

// LogFormat's words.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

func (LogFormat) words() (now, later []string) {
	return []string{string(LogText), string(LogJSON)}, nil
}
