// Package shadow brings writes to the side that is not the authority: row
// images, mirror transactions, shadow reads and their verdicts. Nothing of it
// exists in this version: the proxy relays to the source and mirrors nothing.
package shadow
