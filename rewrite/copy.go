package rewrite

// CopyFormat is a format of COPY.
type CopyFormat uint8

// Formats of COPY.
const (
	CopyText CopyFormat = iota
	CopyCSV
	CopyBinary
)

// Copy is how COPY FROM reads its data, with the server's own values where the
// text says nothing.
type Copy struct {
	Stdin     bool // the data comes from the client
	Format    CopyFormat
	Delimiter byte
	Quote     byte   // CSV
	Escape    byte   // CSV
	Null      string // as it stands in the data
	Default   string // as it stands in the data; empty: there is none
	Header    bool   // the first line is no row
	Freeze    bool
	Where     bool     // not every row that comes is inserted
	NotNull   []string // FORCE_NOT_NULL: NULL's text is a value in these columns
	ForceNull []string // FORCE_NULL: NULL's text is NULL in these columns, also quoted
	AllForced bool     // one of these two names every column
	Encoding  string   // empty: client_encoding
	// Strange: an option is not understood, so that the data is not either.
	Strange bool
}
