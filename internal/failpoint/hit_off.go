//go:build !failpoints

package failpoint

// Hit is where the process may end in a test.
func Hit(string) {}
