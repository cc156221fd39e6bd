package evm

import (
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/chain/protocol"
	"lifeboat/plan"
)

// ofAddress are the series that are about an account's address, whatever account of the plan it is.
var ofAddress = []string{protocol.HealthFactor, protocol.LiquidationDistance, protocol.Cover, protocol.HalfLife, protocol.TimeLeft, protocol.Queued, protocol.PoolShare,
	string(Approved), string(Upgraded), string(SafeChanged), string(ModuleUsed)}

// twins are the series of accounts at an address that is another account already, by the series of that one: an address may be two
// accounts, what lies there and what it has in a protocol. It is read once, and said of both.
func twins(accounts []Account, feeds []plan.Feed) map[lifeboat.Series][]lifeboat.Series {
	first, all := map[common.Address]string{}, map[lifeboat.Series][]lifeboat.Series{}
	for _, a := range accounts {
		name, known := first[a.Address]
		if !known {
			first[a.Address] = a.Name
			continue
		}
		for _, f := range feeds {
			if kind, rest, ok := about(f.Series, a.Name); ok && slices.Contains(ofAddress, kind) {
				of := lifeboat.Series(kind + "." + name + rest)
				all[of] = append(all[of], lifeboat.Series(f.Series))
			}
		}
	}
	return all
}

// about an account is a series whose second part is its name.
func about(series, account string) (kind, rest string, ok bool) {
	kind, rest, _ = strings.Cut(series, ".")
	rest, ok = strings.CutPrefix(rest, account)
	return kind, rest, ok && (rest == "" || rest[0] == '.')
}

// both lets what is said of one account be said of its twin.
func (s *Source) both(deliver func([]lifeboat.Reading, []error)) func([]lifeboat.Reading, []error) {
	if len(s.twins) == 0 {
		return deliver
	}
	return func(readings []lifeboat.Reading, problems []error) {
		all := slices.Clip(readings)
		for _, r := range readings {
			for _, r.Series = range s.twins[r.Series] {
				all = append(all, r)
			}
		}
		deliver(all, problems)
	}
}
