package configs

// Mirror says how writes reach the side that is not the authority.
type Mirror struct {
	Mode        MirrorMode `yaml:"mode" default:"inline" doc:"inline: in the client's own transaction."`
	Strict      bool       `yaml:"strict" default:"false" doc:"Fail the client if the other side fails."`
	Budget      Duration   `yaml:"budget" default:"250ms" doc:"The longest that a client is held for the other side."`
	Answer      Answer     `yaml:"answer" default:"both" doc:"When the reply leaves."`
	Commit      Commit     `yaml:"commit" default:"ordered" doc:"How the two commits follow each other."`
	TTL         Duration   `yaml:"ttl" default:"10m" doc:"How long settled intents are kept: so long before a restart of a server commits may have been lost by it."`
	LockTimeout Duration   `yaml:"lock_timeout" default:"100ms" doc:"The longest wait for a lock on the other side."`
	Breaker     Breaker    `yaml:"breaker" doc:"When mirroring pauses by itself."`
}

// Breaker says how long mirroring pauses after the other side failed.
type Breaker struct {
	OpenFor [2]Duration `yaml:"open_for" default:"[1s, 30s]" doc:"The first pause and the longest."`
}

// Canary says which sessions the target answers once a share is set. The share
// itself is runtime state and not configuration.
type Canary struct {
	Key           []string     `yaml:"key" default:"[startup:user_id, application_name, user, client_address]" doc:"What places a session: the first of these that is present."`
	Salt          string       `yaml:"salt" doc:"Mixed into the place, so that two migrations choose differently."`
	ForceIn       []string     `yaml:"force_in" doc:"Sessions that the target answers whatever their place, such as user=qa*; a share of 0 is nobody all the same."`
	ForceOut      []string     `yaml:"force_out" doc:"Sessions that the target never answers."`
	Writes        CanaryWrites `yaml:"writes" reload:"no" doc:"Only for a migration without tables: refuse makes canary sessions read-only; target keeps them whole on the target, and their writes are not brought back."`
	Wait          Duration     `yaml:"wait" default:"5ms" reload:"no" doc:"How long a read on the target waits for earlier commits of its tables; then the source answers."`
	AbortDeadline Duration     `yaml:"abort_deadline" default:"30s" doc:"When an abort ends pinned sessions."`
}

// Shadow says how many reads also run on the other side.
type Shadow struct {
	Sample Percent `yaml:"sample" default:"0" doc:"Percent of the proven reads."`
}

// Journal is the durable record of what is in doubt.
type Journal struct {
	Durability Durability `yaml:"durability" default:"fsync" doc:"fsync survives the machine, process survives only the process."`
}

// State is where the embedded state lives.
type State struct {
	Dir Path `yaml:"dir" default:"./var" doc:"Directory of journal, divergences, audit, phase and share."`
}

// Evidence says how row values appear in what is kept and reported.
type Evidence struct {
	Values  EvidencePolicy            `yaml:"values" default:"hmac" doc:"What stands for a value."`
	Columns map[string]EvidencePolicy `yaml:"columns" doc:"The same for single columns, by schema.table.column."`
	Key     Secret                    `yaml:"key" doc:"The key of hmac."`
}
