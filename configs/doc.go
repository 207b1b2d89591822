// Package configs reads crossfade.yaml: it decodes the file into Config, fills
// in the defaults, resolves the secrets and says everything that is wrong with
// it in one answer.
//
// A proxy that starts on half a configuration is worse than one that does not
// start, and an operator who fixes one fault per attempt loses the night. So
// the file is read once and validated whole; unknown keys are faults, each
// fault has its line and path, and no fault contains a secret.
//
//	file ── bounds ── YAML tree ── decode ── derive ── check ── *Config
//	                                  │         (sides, logins)   │
//	                                  └────────── Faults ─────────┘
//
// The struct tags of the configuration types are the only description of the
// file but for the mapping of tables, whose words are data and not text
// (mapping_decode.go, mapping_schema.go). Decoding, defaults, Unused, Diff and
// Schema all walk them:
//
//	yaml      the key
//	doc       the sentence of the JSON Schema
//	default   what an absent key means, written as YAML
//	required  "yes": the key must be there
//	min       the smallest number, size or count of items
//	literal   a Secret may be written in the file if it starts with this
//	reload    "yes": a running proxy takes a change; inherited, "no" ends it
//	later     accepted, but not used by this version; names what it is for
//
// Every relative path in the file is relative to the directory of the file.
//
//	c, err := configs.Load("crossfade.yaml")
//	if err != nil {
//		return err // one line per fault: crossfade.yaml:12:5: users[0].auth: …
//	}
//	for _, n := range configs.Unused(c) {
//		log.Warn(n.String())
//	}
//	password := c.Users[0].Source.Password.Reveal()
package configs
