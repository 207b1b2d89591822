//go:build !linux

package main

// inMemory: see memory_linux.go.
func inMemory() string { return "" }
