package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strconv"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/proxy"
	"github.com/crossfade-db/crossfade/router"
)

// reloadBySignal is a reload that nobody has signed for but the machine.
func (d *daemon) reloadBySignal(s os.Signal) {
	by := admin.Change{Actor: "signal", Door: admin.DoorSignal, Reason: s.String()}
	if _, err := d.control.Reload(context.Background(), by); err != nil {
		d.log.Error("reload refused, the configuration in force stays", "error", err)
	}
}

// reloadBy reads the configuration again and takes over the part that can
// change at run time, whole or not at all, once accept has been told what it
// is. A file with a fault changes nothing.
func (d *daemon) reloadBy(accept func(admin.Reloaded) error) error {
	d.loading.Lock()
	defer d.loading.Unlock()
	before := d.hash
	config, err := configs.Load(d.file)
	if err != nil {
		d.metrics.ReloadFailed()
		return err
	}
	next, policy, err := d.reloadable(config)
	if err != nil {
		d.metrics.ReloadFailed()
		return err
	}
	changes := configs.Diff(d.current, config)
	found := admin.Reloaded{Before: before, After: fileHash(d.file), Changed: []string{}, Restart: []string{}}
	for _, c := range changes {
		if c.Reloadable {
			found.Changed = append(found.Changed, c.Path)
		} else {
			found.Restart = append(found.Restart, c.Path)
		}
	}
	if err := accept(found); err != nil {
		d.metrics.ReloadFailed()
		return err
	}
	d.logChanges(changes)
	d.level.Set(levelOf(config.Log.Level))
	d.proxy.Reload(next)
	d.live.SetPolicy(func(p router.Policy) router.Policy {
		p.Salt, p.Keys, p.ForceIn, p.ForceOut = policy.Salt, policy.Keys, policy.ForceIn, policy.ForceOut
		return p
	})
	d.current = config
	d.configured()
	d.log.Info("configuration reloaded", "generation", d.loads)
	return nil
}

// reloadable is what a configuration makes of the parts that change at run time.
func (d *daemon) reloadable(config *configs.Config) (*proxy.Live, router.Policy, error) {
	policy, err := policyOf(config)
	if err != nil {
		return nil, policy, err
	}
	next, err := liveOf(config, d.first)
	return next, policy, err
}

func (d *daemon) logChanges(changes []configs.Change) {
	for _, c := range changes {
		if c.Reloadable {
			d.log.Info("reloaded", "key", c.Path, "before", c.Before, "after", c.After)
			continue
		}
		d.log.Warn("changed in the file, takes a restart", "key", c.Path, "before", c.Before, "after", c.After)
	}
}

// configured tells the metrics which configuration is in force.
func (d *daemon) configured() {
	d.loads++
	d.hash = fileHash(d.file)
	d.metrics.Configured(d.hash, strconv.Itoa(d.loads))
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
