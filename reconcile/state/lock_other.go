//go:build !unix

package state

import (
	"errors"
	"os"
)

func flock(*os.File) (bool, error) {
	return false, errors.New("a state directory needs a Unix system: two instances could not be kept apart")
}
