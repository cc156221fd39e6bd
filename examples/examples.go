// Package examples holds complete plans that lifeboat init offers. They are valid by test, and each is rehearsed by a
// drill in the tests. It reads nothing and decides nothing.
package examples

import (
	"embed"
	"io/fs"
)

//go:embed brokerage defi dao-treasury family-office
var files embed.FS

// Example is one plan.
type Example struct {
	Name, Title string
	Files       fs.FS
}

// All examples, the simplest first.
func All() []Example {
	return []Example{
		example("brokerage", "one person, one broker: stock funds, Treasury notes, cash"),
		example("defi", "one person on chain: stablecoins, ETH and staked ETH, lending, a hardware wallet"),
		example("dao-treasury", "a DAO: a multisig treasury in stablecoins and ETH, m-of-n approval"),
		example("family-office", "a family office: two brokers, property, crypto, trustees and an executor"),
	}
}

// ByName finds an example.
func ByName(name string) (Example, bool) {
	for _, e := range All() {
		if e.Name == name {
			return e, true
		}
	}
	return Example{}, false
}

// Names of the examples.
func Names() []string {
	var names []string
	for _, e := range All() {
		names = append(names, e.Name)
	}
	return names
}

func example(name, title string) Example {
	sub, err := fs.Sub(files, name)
	if err != nil {
		panic(err) // the names above are the embedded folders
	}
	return Example{Name: name, Title: title, Files: sub}
}
