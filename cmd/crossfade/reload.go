package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strconv"

	"github.com/crossfade-db/crossfade/configs"
)

// reload reads the configuration again and takes over the part that can
// change at run time, whole or not at all. A file with a fault changes nothing.
func (d *daemon) reload() {
	config, err := configs.Load(d.file)
	if err != nil {
		d.metrics.ReloadFailed()
		d.log.Error("reload refused, the configuration in force stays", "error", err)
		return
	}
	live, err := liveOf(config, d.first)
	if err != nil {
		d.metrics.ReloadFailed()
		d.log.Error("reload refused, the configuration in force stays", "error", err)
		return
	}
	for _, c := range configs.Diff(d.current, config) {
		if c.Reloadable {
			d.log.Info("reloaded", "key", c.Path, "before", c.Before, "after", c.After)
			continue
		}
		d.log.Warn("changed in the file, takes a restart", "key", c.Path, "before", c.Before, "after", c.After)
	}
	d.level.Set(levelOf(config.Log.Level))
	d.proxy.Reload(live)
	d.current = config
	d.configured()
	d.log.Info("configuration reloaded", "generation", d.loads)
}

// configured tells the metrics which configuration is in force.
func (d *daemon) configured() {
	d.loads++
	d.metrics.Configured(fileHash(d.file), strconv.Itoa(d.loads))
}

// hashShown is how many bytes of a file's SHA-256 name it.
const hashShown = 6

// fileHash names the content of the configuration file, which holds secrets by
// reference only.
func fileHash(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return "unreadable"
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:hashShown])
}
