package configs

// Config is one whole configuration: decoded, with every default filled in,
// every secret resolved and every check passed. Load and Parse are the only
// ways to get one; the zero Config has no listener and no user, so it lets
// nobody in.
type Config struct {
	Listeners []Listener `yaml:"listeners" required:"yes" min:"1" doc:"Where clients connect."`
	Source    Server     `yaml:"source" required:"yes" doc:"The database that is being left."`
	Target    *Server    `yaml:"target" doc:"The database that is being moved to."`
	Users     []User     `yaml:"users" required:"yes" min:"1" reload:"yes" doc:"Who may log in; anybody else is refused."`
	Migration Migration  `yaml:"migration" doc:"What differs between the two sides, and what happens to statements that cannot be mirrored."`
	Mirror    Mirror     `yaml:"mirror" doc:"How writes reach the side that is not the authority."`
	Canary    Canary     `yaml:"canary" reload:"yes" doc:"Which sessions the target answers."`
	Shadow    Shadow     `yaml:"shadow" later:"shadow reads" doc:"Reads that also run on the other side, to compare."`
	Journal   Journal    `yaml:"journal" doc:"The durable record of what is in doubt."`
	State     State      `yaml:"state" doc:"Where the embedded state lives."`
	Admin     Admin      `yaml:"admin" doc:"The address for operators, metrics and health."`
	Limits    Limits     `yaml:"limits" reload:"yes" doc:"What one proxy will hold, wait for and read."`
	Evidence  Evidence   `yaml:"evidence" doc:"How row values appear in what is kept and reported."`
	Log       Log        `yaml:"log" doc:"What is written to standard error."`

	places places
}

// Listener is one address that clients connect to.
type Listener struct {
	Name      string           `yaml:"name" doc:"The name in logs and metrics; default: the address."`
	Protocol  Protocol         `yaml:"protocol" default:"postgres" doc:"The wire protocol that its clients speak."`
	Address   Address          `yaml:"address" required:"yes" doc:"host:port to listen on; an empty host is every interface, port 0 any free port."`
	Shape     Shape            `yaml:"shape" default:"source" later:"shapes" doc:"The schema shape that its clients speak."`
	Databases map[string]Shape `yaml:"databases" later:"shapes" doc:"The shape by the database that a client asks for; more specific than the listener's."`
	TLS       ListenerTLS      `yaml:"tls" doc:"Encryption towards clients."`
}

// ListenerTLS is the encryption that a listener offers. A certificate that is
// renewed under the same path changes nothing here, so Diff does not see it:
// whoever reloads compares the files.
type ListenerTLS struct {
	Mode     ListenerTLSMode `yaml:"mode" doc:"Default: prefer if a certificate is given, else disable."`
	Cert     Path            `yaml:"cert" reload:"yes" doc:"PEM file with the certificate and its chain."`
	Key      Path            `yaml:"key" reload:"yes" doc:"PEM file with the private key."`
	ClientCA Path            `yaml:"client_ca" reload:"yes" doc:"PEM file with the authorities that client certificates are checked against."`
}

// Server is one side: the database server behind the proxy.
type Server struct {
	Engine   Engine    `yaml:"engine" default:"postgres" doc:"What kind of server it is."`
	Address  Address   `yaml:"address" required:"yes" doc:"host:port or /socket/dir."`
	Database string    `yaml:"database" doc:"The database to use; empty: the one that the client asked for."`
	TLS      ServerTLS `yaml:"tls" doc:"Encryption towards the server."`
	Service  Login     `yaml:"service" doc:"The proxy's own login: catalog, checks, repair, backfill."`
}

// ServerTLS is the encryption towards a side. Cert and Key are the proxy's own
// client certificate. Without CA the system's authorities are used.
type ServerTLS struct {
	Mode       ServerTLSMode `yaml:"mode" doc:"Default: verify-full; on loopback and sockets disable."`
	CA         Path          `yaml:"ca" doc:"PEM file with the authorities that the server's certificate is checked against; default: the system's."`
	Cert       Path          `yaml:"cert" doc:"PEM file with the proxy's own certificate."`
	Key        Path          `yaml:"key" doc:"PEM file with the private key."`
	ServerName string        `yaml:"server_name" doc:"The name that the server's certificate must carry; default: the host of the address."`
}

// User is one identity that clients may log in with.
type User struct {
	Name     string `yaml:"name" required:"yes" doc:"The name that the client logs in with."`
	Auth     Auth   `yaml:"auth" default:"scram" doc:"How the client proves who it is; trust only while every listener is on loopback."`
	Password Secret `yaml:"password" doc:"The client's password."`
	Verifier Secret `yaml:"verifier" literal:"SCRAM-SHA-256$" doc:"The password's SCRAM verifier as PostgreSQL keeps it (RFC 5803), in place of the password."`
	Source   Login  `yaml:"source" doc:"The login at the source; default: the same name and password."`
	Target   Login  `yaml:"target" doc:"The login at the target; default: the same name and password."`
	Shape    Shape  `yaml:"shape" later:"shapes" doc:"The schema shape that the user speaks; more specific than the listener's."`
}

// Login is a name and password for a side.
type Login struct {
	User     string `yaml:"user" doc:"The name."`
	Password Secret `yaml:"password" doc:"The password."`
}

// Migration says what differs between the sides. Rules and Sequences are for a
// later version and must be empty.
type Migration struct {
	Name         string     `yaml:"name" doc:"The name in reports."`
	Tables       Tables     `yaml:"tables" doc:"The mapping of tables; without any nothing is mirrored. Tables that are not listed map to that of their name."`
	Sequences    Reserved   `yaml:"sequences" doc:"Sequences whose names differ; not yet in this version."`
	Rules        Reserved   `yaml:"rules" doc:"Rewriting rules; not yet in this version."`
	OnUncaptured Uncaptured `yaml:"on_uncaptured" default:"dirty-table" doc:"What happens to a write whose rows cannot be seen."`
	OnDDL        DDL        `yaml:"on_ddl" default:"refuse" doc:"What happens to a change of a mapped table's definition."`
}

// Admin is the door for operators.
type Admin struct {
	Address Address  `yaml:"address" default:"127.0.0.1:7432" doc:"host:port of the HTTP API; not on loopback: tls is required."`
	Tokens  []Token  `yaml:"tokens" doc:"Bearer tokens and what they may do; without any, serve writes a random one to state.dir/admin.token."`
	TLS     AdminTLS `yaml:"tls" doc:"Encryption of the HTTP API."`
}

// AdminTLS is the certificate of the admin address; both files or none.
type AdminTLS struct {
	Cert Path `yaml:"cert" doc:"PEM file with the certificate and its chain."`
	Key  Path `yaml:"key" doc:"PEM file with the private key."`
}

// Token is a bearer token of the admin address.
type Token struct {
	Name  string `yaml:"name" required:"yes" doc:"The name in the audit."`
	Role  Role   `yaml:"role" required:"yes" doc:"What it may do."`
	Token Secret `yaml:"token" required:"yes" doc:"The token."`
}

// Log says what is written to standard error.
type Log struct {
	Level  LogLevel  `yaml:"level" default:"info" reload:"yes" doc:"The least severe that is written."`
	Format LogFormat `yaml:"format" default:"text" doc:"How a line looks."`
}

// ClientMemory is what one idle client costs; Limits.Memory must cover it for
// Limits.Clients.
const ClientMemory Size = 8 * kib

// maxFrame is the largest message that PostgreSQL and its drivers accept
// (MaxAllocSize in utils/memutils.h).
const maxFrame Size = gib - 1

// Limits bound what a proxy holds. Clients and Memory are read at the start
// only: together they size the admission of sessions.
type Limits struct {
	Clients         int         `yaml:"clients" default:"10000" min:"1" reload:"no" doc:"Client connections at once."`
	LoginTimeout    Duration    `yaml:"login_timeout" default:"15s" doc:"From the first byte to the end of the login."`
	LoginPerAddress int         `yaml:"login_per_address" default:"32" min:"1" doc:"Logins under way from one address."`
	LoginTotal      int         `yaml:"login_total" default:"256" min:"1" doc:"Logins under way at once."`
	Frame           Size        `yaml:"frame" default:"256MiB" min:"1" doc:"The largest message that is held; at most 1GiB-1."`
	Memory          Size        `yaml:"memory" default:"1GiB" min:"1" reload:"no" doc:"What all sessions hold together; at least 8KiB for each of clients."`
	Drain           Duration    `yaml:"drain" default:"30s" doc:"How long an ending proxy waits for open transactions."`
	RetryKeep       Size        `yaml:"retry_keep" default:"64KiB" doc:"How much of a statement is kept to send it again; at most frame."`
	Parse           ParseLimits `yaml:"parse" reload:"no" doc:"Statements beyond these are not analysed."`
	InlineRows      int         `yaml:"inline_rows" default:"10000" min:"1" reload:"no" doc:"Rows of one statement that are mirrored inline."`
	DirtyKeys       int         `yaml:"dirty_keys" default:"1000000" min:"1" reload:"no" doc:"Dirty keys that are kept one by one."`
}

// ParseLimits bound the analysis of one statement.
type ParseLimits struct {
	Bytes     Size `yaml:"bytes" default:"64KiB" min:"1" doc:"Length of the text."`
	Operators int  `yaml:"operators" default:"1000" min:"1" doc:"Operators in the text."`
}
