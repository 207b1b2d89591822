package pgsql

import "bytes"

// portable are the functions beginning with pg_ that every server answers alike.
var portable = map[string]bool{
	"pg_sleep": true, "pg_sleep_for": true, "pg_sleep_until": true,
	"pg_size_pretty": true, "pg_size_bytes": true, "pg_column_size": true,
	"pg_char_to_encoding": true, "pg_encoding_to_char": true, "pg_encoding_max_length": true,
	"pg_client_encoding": true, "pg_collation_for": true, "pg_trigger_depth": true,
	"pg_input_is_valid": true, "pg_input_error_info": true,
	"pg_timezone_names": true, "pg_timezone_abbrevs": true, "pg_get_keywords": true,
	"pg_has_role": true,
}

// internal judges a name that begins with pg_, in lower case.
func (c *classifier) internal(name []byte) {
	next := c.next().Kind
	switch {
	case string(name) == "pg_catalog" && next == KindDot:
	case isTemporarySchema(name):
		c.effects |= Temporary | Catalog
	case bytes.Contains(name, []byte("advisory_")):
		c.effects |= ServerBound
		if !bytes.Contains(name, []byte("_xact_")) {
			c.effects |= Advisory
		}
	case next != KindLeftParen:
		c.relation(name)
	case portable[string(name)]:
	default:
		c.effects |= internalFunction(name)
	}
}

func isTemporarySchema(name []byte) bool {
	rest, ok := bytes.CutPrefix(name, []byte("pg_temp"))
	return ok && (len(rest) == 0 || rest[0] == '_')
}

// relation judges a name that is no function: of a catalog, a view, a type or,
// for all we know, a column.
func (c *classifier) relation(name []byte) {
	c.effects |= Catalog
	if bytes.HasPrefix(name, []byte("pg_stat")) || string(name) == "pg_locks" {
		c.effects |= ServerBound
	}
	if string(name) == "pg_settings" {
		c.facts |= viewed
	}
}

// internalFunction judges the other functions: both flags for those whose names
// say nothing.
func internalFunction(name []byte) Effects {
	switch {
	case string(name) == "pg_typeof", bytes.HasSuffix(name, []byte("_is_visible")):
		return Catalog
	case string(name) == "pg_backend_pid", string(name) == "pg_notify",
		string(name) == "pg_export_snapshot":
		return ServerBound
	}
	for _, family := range serverFamilies {
		if bytes.HasPrefix(name, []byte(family)) {
			return ServerBound
		}
	}
	if bytes.HasPrefix(name, []byte("pg_get_")) {
		return Catalog
	}
	return Catalog | ServerBound
}

// serverFamilies begin the names of functions about the work of one server.
var serverFamilies = [...]string{
	"pg_stat_", "pg_current_", "pg_last_", "pg_wal_", "pg_walfile_", "pg_lock_", "pg_xact_",
	"pg_get_wal_", "pg_get_replication_", "pg_get_backend_", "pg_get_shmem_",
}
