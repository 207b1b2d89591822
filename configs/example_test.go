package configs_test

import (
	"fmt"
	"os"

	"github.com/crossfade-db/crossfade/configs"
)

func ExampleParse() {
	_, err := configs.Parse("crossfade.yaml", []byte(`
listeners:
  - address: 127.0.0.1:6432
source:
  adress: 127.0.0.1:5432
users:
  - name: app
    password: hunter2
`), os.LookupEnv)
	fmt.Println(err)
	// Output:
	// crossfade.yaml:4:1: source.address: is missing (host:port or /socket/dir)
	// crossfade.yaml:5:3: source.adress: unknown key; did you mean "address"?
	// crossfade.yaml:8:5: users[0].password: is not written in this file: give env:NAME or file:PATH
}
