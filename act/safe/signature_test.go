package safe

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

var someTx = Tx{Chain: 1, Safe: ours, To: usdc, Data: contract.ERC20.Transfer.Pack(friend, big.NewInt(5)), Nonce: 7}

func stateOf(threshold int, owners ...common.Address) State {
	return State{Safe: ours, Version: "1.4.1", Owners: owners, Threshold: threshold, Nonce: 7, Implementation: Implementations[4].Address}
}

// high is the other signature that anybody can make of a signature.
func high(b []byte) []byte {
	b = slices.Clone(b)
	s := new(big.Int).Sub(crypto.S256().Params().N, new(big.Int).SetBytes(b[32:64]))
	copy(b[32:64], common.LeftPadBytes(s.Bytes(), 32))
	b[64] = 27 + 28 - b[64]
	return b
}

func TestFromWallet(t *testing.T) {
	hash := someTx.Hash()
	owners := []common.Address{addressOf(1), addressOf(2)}
	zeroBased := signed(1, hash)
	zeroBased[64] -= 27
	unmarked := personalBy(1, hash).Bytes
	unmarked[64] -= 4
	for _, c := range []struct {
		name string
		b    []byte
		kind Kind
		want string // of a refusal
	}{
		{"a wallet", signed(1, hash), Typed, ""},
		{"a wallet that counts from zero", zeroBased, Typed, ""},
		{"eth_sign", personalBy(2, hash).Bytes, Personal, ""},
		{"eth_sign without a mark", unmarked, Personal, ""},
		{"a stranger", signed(3, hash), "", "not by an owner"},
		{"another transaction", signed(1, common.Hash{1}), "", "something else was signed"},
		{"high s", high(signed(1, hash)), "", "high form"},
		{"cut", signed(1, hash)[:64], "", "65 bytes"},
		{"nothing", make([]byte, 65), "", "out of range"},
		{"no such v", append(signed(1, hash)[:64], 29), "", "ends in 29"},
	} {
		s, err := FromWallet(hash, c.b, owners)
		switch {
		case c.want == "" && (err != nil || s.Kind != c.kind || s.check(hash) != nil):
			t.Errorf("%s: %+v, %v", c.name, s, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestCount(t *testing.T) {
	hash := someTx.Hash()
	vault := common.HexToAddress("0xC0")
	state := stateOf(2, addressOf(1), addressOf(2), addressOf(3), vault)
	forged := typedBy(3, hash)
	forged.Owner = addressOf(1)
	highOne := typedBy(1, hash)
	highOne.Bytes = high(highOne.Bytes)
	ofContract := Signature{Contract, vault, []byte("yes")}
	for _, c := range []struct {
		name    string
		given   []Signature
		vouched bool
		missing int
		fault   string
	}{
		{"two owners", []Signature{typedBy(2, hash), personalBy(1, hash)}, false, 0, ""},
		{"one owner twice", []Signature{typedBy(2, hash), personalBy(2, hash)}, false, 1, ""},
		{"a stranger", []Signature{typedBy(2, hash), typedBy(9, hash)}, false, 1, "no owner"},
		{"another's name", []Signature{typedBy(2, hash), forged}, false, 1, "or by somebody else"},
		{"another transaction", []Signature{typedBy(2, hash), typedBy(1, common.Hash{1})}, false, 1, "something else was signed"},
		{"high s", []Signature{typedBy(2, hash), highOne}, false, 1, "high form"},
		{"a contract that vouches", []Signature{typedBy(2, hash), ofContract}, true, 0, ""},
		{"a contract that does not", []Signature{typedBy(2, hash), ofContract}, false, 1, "does not say"},
		{"approved", []Signature{typedBy(2, hash), {Approved, addressOf(1), nil}}, true, 0, ""},
		{"not approved", []Signature{typedBy(2, hash), {Approved, addressOf(1), nil}}, false, 1, "not been approved"},
		{"no kind", []Signature{typedBy(2, hash), {"", addressOf(1), nil}}, true, 1, "no kind"},
	} {
		tally := state.Count(hash, c.given, func(Signature) bool { return c.vouched })
		if tally.Missing != c.missing || (len(tally.Faults) > 0) != (c.fault != "") || !strings.Contains(strings.Join(tally.Faults, ";"), c.fault) {
			t.Errorf("%s: %d missing, %q", c.name, tally.Missing, tally.Faults)
		}
		if !slices.IsSortedFunc(tally.Good, func(a, b Signature) int { return a.Owner.Cmp(b.Owner) }) {
			t.Errorf("%s: not ascending", c.name)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	hash := someTx.Hash()
	f.Add(Pack([]Signature{typedBy(1, hash), personalBy(2, hash)}))
	f.Add(Pack([]Signature{typedBy(1, hash), {Contract, friend, []byte("yes")}, {Contract, usdc, nil}, {Approved, pool, nil}}))
	f.Add(append(Pack([]Signature{{Contract, friend, nil}})[:40], greatest.Bytes()...))
	f.Fuzz(func(t *testing.T, packed []byte) {
		signatures, err := Unpack(hash, packed)
		if err != nil {
			return
		}
		if !bytes.Equal(Pack(signatures), packed) {
			t.Errorf("%x was taken for something else", packed)
		}
		for _, s := range signatures {
			if err := s.check(hash); err != nil {
				t.Errorf("%x holds a signature that is none: %v", packed, err)
			}
		}
	})
}

func TestUnpack(t *testing.T) {
	hash := someTx.Hash()
	all := []Signature{typedBy(1, hash), personalBy(2, hash), {Contract, friend, []byte("yes")}, {Contract, usdc, []byte{}}, {Approved, pool, nil}}
	back, err := Unpack(hash, Pack(all))
	if err != nil || len(back) != len(all) {
		t.Fatalf("%d signatures came back as %d, %v", len(all), len(back), err)
	}
	two := []Signature{typedBy(1, hash), typedBy(2, hash)}
	packed := Pack(two)
	for name, bad := range map[string][]byte{
		"nothing": nil, "cut": packed[:129], "left over": append(slices.Clone(packed), 1), "not ascending": append(slices.Clone(packed[65:]), packed[:65]...),
		"a contract outside": append(append(append(wordOf(friend), word(big.NewInt(66))...), 0), make([]byte, 32)...),
		"a contract inside":  append(append(append(wordOf(friend), word(big.NewInt(0))...), 0), make([]byte, 32)...),
	} {
		if signatures, err := Unpack(hash, bad); err == nil {
			t.Errorf("%s was taken for %+v", name, signatures)
		}
	}
}

// node is a fake that answers calls and slots from a map, all at one block, as chain.Reader promises.
type node struct {
	answers map[string]chain.Answer // :: address and data → answer
	read    int
}

func (n *node) Head(context.Context) (chain.Block, error) { return chain.Block{Number: 9}, nil }

func (n *node) Read(_ context.Context, at *chain.Block, queries []chain.Query) ([]chain.Answer, chain.Block, error) {
	n.read++
	if at != nil && at.Number != 9 {
		return nil, chain.Block{}, errors.New("another block was asked for")
	}
	var answers []chain.Answer
	for _, q := range queries {
		a, ok := n.answers[string(q.To[:])+string(q.Data)]
		if !ok && q.What == chain.Storage {
			a = chain.Answer{Data: make([]byte, 32)}
		}
		answers = append(answers, a)
	}
	return answers, chain.Block{Number: 9}, nil
}

func (n *node) says(to common.Address, data, answer []byte) {
	n.answers[string(to[:])+string(data)] = chain.Answer{Data: answer}
}

func safeNode(version string, owners ...common.Address) *node {
	n := &node{answers: map[string]chain.Answer{}}
	n.says(ours, getOwners.Pack(), getOwners.Returns(owners))
	n.says(ours, getThreshold.Pack(), getThreshold.Returns(big.NewInt(2)))
	n.says(ours, getNonce.Pack(), getNonce.Returns(big.NewInt(7)))
	n.says(ours, getVersion.Pack(), getVersion.Returns(version))
	n.says(ours, getModules.Pack(sentinel, big.NewInt(modulesPage)), getModules.Returns([]common.Address{}, sentinel))
	n.says(ours, implementationSlot, wordOf(Implementations[4].Address))
	return n
}

func TestRead(t *testing.T) {
	n := safeNode("1.4.1", addressOf(1), addressOf(2))
	n.says(ours, guardSlot, wordOf(friend))
	n.says(ours, fallbackSlot, wordOf(pool))
	s, err := Read(t.Context(), n, nil, ours)
	if err != nil || s.Threshold != 2 || s.Nonce != 7 || s.Guard != friend || s.Fallback != pool || s.Version != "1.4.1" || s.Implementation != Implementations[4].Address || len(s.Owners) != 2 || s.Block.Number != 9 {
		t.Errorf("it reads %+v, %v", s, err)
	}
	if n.read != 1 {
		t.Errorf("it was asked %d times", n.read)
	}
}

// TestModulesPageByPage reads two pages as both generations of the contract write them.
func TestModulesPageByPage(t *testing.T) {
	var all []common.Address
	for i := range int64(modulesPage + 2) {
		all = append(all, addressOf(100+i))
	}
	size := big.NewInt(modulesPage)
	for version, next := range map[string]common.Address{"1.4.1": all[modulesPage-1], "1.3.0": all[modulesPage]} {
		n := safeNode(version, addressOf(1), addressOf(2))
		n.says(ours, getModules.Pack(sentinel, size), getModules.Returns(all[:modulesPage], next))
		n.says(ours, getModules.Pack(all[modulesPage-1], size), getModules.Returns(all[modulesPage:], sentinel))
		n.says(ours, getModules.Pack(all[modulesPage], size), getModules.Returns(all[modulesPage+1:], sentinel))
		if s, err := Read(t.Context(), n, nil, ours); err != nil || !slices.Equal(s.Modules, all) {
			t.Errorf("%s: %d modules of %d, %v", version, len(s.Modules), len(all), err)
		}
	}
	endless := safeNode("1.4.1", addressOf(1), addressOf(2))
	endless.says(ours, getModules.Pack(sentinel, size), getModules.Returns(all[:1], all[0]))
	endless.says(ours, getModules.Pack(all[0], size), getModules.Returns(all[:1], all[0]))
	if _, err := Read(t.Context(), endless, nil, ours); err == nil {
		t.Error("a list without an end was read")
	}
}

func TestNoSafe(t *testing.T) {
	for name, change := range map[string]func(*node){
		"nothing there":  func(n *node) { n.answers = map[string]chain.Answer{} },
		"an old version": func(n *node) { n.says(ours, getVersion.Pack(), getVersion.Returns("1.1.1")) },
		"no version":     func(n *node) { n.says(ours, getVersion.Pack(), getVersion.Returns("\x1b[2J")) },
		"no owners":      func(n *node) { n.says(ours, getOwners.Pack(), getOwners.Returns([]common.Address{})) },
		"no threshold":   func(n *node) { n.says(ours, getThreshold.Pack(), getThreshold.Returns(new(big.Int))) },
		"threshold high": func(n *node) { n.says(ours, getThreshold.Pack(), getThreshold.Returns(big.NewInt(3))) },
		"threshold huge": func(n *node) { n.says(ours, getThreshold.Pack(), getThreshold.Returns(greatest)) },
		"nonce huge":     func(n *node) { n.says(ours, getNonce.Pack(), getNonce.Returns(greatest)) },
		"cut":            func(n *node) { n.says(ours, getOwners.Pack(), make([]byte, 31)) },
		"modules refused": func(n *node) {
			n.answers[string(ours[:])+string(getModules.Pack(sentinel, big.NewInt(modulesPage)))] = chain.Answer{Err: chain.ErrReverted}
		},
	} {
		n := safeNode("1.4.1", addressOf(1), addressOf(2))
		change(n)
		if s, err := Read(t.Context(), n, nil, ours); err == nil {
			t.Errorf("%s: it was read as %+v", name, s)
		} else if strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %q", name, err)
		}
	}
}

func TestTold(t *testing.T) {
	hash := someTx.Hash()
	other := common.HexToHash("0x02")
	for name, c := range map[string]struct {
		topics      []common.Hash
		data        []byte
		success, ok bool
	}{
		"since 1.4.0":  {[]common.Hash{Succeeded, hash}, make([]byte, 32), true, true},
		"before":       {[]common.Hash{Failed}, append(hash.Bytes(), make([]byte, 32)...), false, true},
		"another":      {[]common.Hash{other, hash}, make([]byte, 32), false, false},
		"nothing":      {nil, nil, false, false},
		"too little":   {[]common.Hash{Succeeded}, hash.Bytes(), false, false},
		"cut of both":  {[]common.Hash{Succeeded, hash}, nil, false, false},
		"more of both": {[]common.Hash{Succeeded, hash}, make([]byte, 64), false, false},
	} {
		told, success, ok := Told(c.topics, c.data)
		if success != c.success || ok != c.ok || ok && told != hash {
			t.Errorf("%s: %s, %v, %v", name, told, success, ok)
		}
	}
}

func TestVerify(t *testing.T) {
	hash := someTx.Hash()
	vault := common.HexToAddress("0xC0")
	magic := func(m *contract.Method) []byte { s := m.Selector(); return common.RightPadBytes(s[:], 32) }
	for version, ask := range map[string]struct {
		data, magic []byte
	}{
		"1.4.1": {isValidOfData.Pack(someTx.Preimage(), []byte("yes")), magic(isValidOfData)},
		"1.5.0": {isValidOfHash.Pack(hash, []byte("yes")), magic(isValidOfHash)},
	} {
		n := safeNode(version, vault, addressOf(1), addressOf(2))
		n.says(vault, ask.data, ask.magic)
		n.says(ours, approvedHashes.Pack(addressOf(1), hash), approvedHashes.Returns(big.NewInt(1)))
		n.says(ours, approvedHashes.Pack(addressOf(2), hash), approvedHashes.Returns(new(big.Int)))
		state, err := Read(t.Context(), n, nil, ours)
		if err != nil {
			t.Fatal(err)
		}
		good := []Signature{{Contract, vault, []byte("yes")}, {Approved, addressOf(1), nil}}
		if tally, err := state.Verify(t.Context(), n, someTx, good); err != nil || !tally.Enough() {
			t.Errorf("%s: %+v, %v", version, tally, err)
		}
		bad := []Signature{{Contract, vault, []byte("no")}, {Approved, addressOf(2), nil}, {Approved, vault, nil}}
		if tally, err := state.Verify(t.Context(), n, someTx, bad); err != nil || len(tally.Good) > 0 || len(tally.Faults) != 3 {
			t.Errorf("%s: %+v, %v", version, tally, err)
		}
		n.says(vault, ask.data, append(ask.magic[:31:31], 1))
		if tally, _ := state.Verify(t.Context(), n, someTx, good); tally.Enough() {
			t.Errorf("%s: an answer that is not quite the right one was taken", version)
		}
	}
}

func TestFindings(t *testing.T) {
	good := stateOf(2, addressOf(1), addressOf(2), addressOf(3))
	good.Fallback = fallbackHandlers[2].Address
	policy := Policy{Owners: []common.Address{addressOf(3), addressOf(2), addressOf(1)}, ThresholdMin: 2}
	if found := good.Findings(policy); len(found) > 0 {
		t.Errorf("a good Safe has findings: %v", found)
	}
	for _, c := range []struct {
		name   string
		change func(*State)
		urgent bool
		want   string
	}{
		{"other code", func(s *State) { s.Implementation, s.Code = evil, common.Hash{1} }, true, "runs code of"},
		{"a new owner", func(s *State) { s.Owners = append(slices.Clone(s.Owners), evil) }, true, "not by the plan"},
		{"an owner is gone", func(s *State) { s.Owners = s.Owners[:2]; s.Threshold = 1 }, false, "should be an owner"},
		{"a low threshold", func(s *State) { s.Threshold = 1 }, true, "1 of 3 owners are enough"},
		{"all have to sign", func(s *State) { s.Threshold = 3 }, false, "one lost key"},
		{"a module", func(s *State) { s.Modules = []common.Address{evil} }, true, "without its owners"},
		{"a guard", func(s *State) { s.Guard = evil }, true, "can stop"},
		{"a guard of modules", func(s *State) { s.ModuleGuard = evil }, true, "can stop"},
		{"a handler", func(s *State) { s.Fallback = evil }, true, "may vouch"},
	} {
		s := good
		c.change(&s)
		found := s.Findings(policy)
		if !slices.ContainsFunc(found, func(f Finding) bool { return f.Urgent == c.urgent && strings.Contains(f.Text, c.want) }) {
			t.Errorf("%s: %v", c.name, found)
		}
	}
	elsewhere := good
	elsewhere.Implementation, elsewhere.Code = friend, Implementations[4].Code
	if found := elsewhere.Findings(policy); len(found) > 0 {
		t.Errorf("Safe's own code at another address: %v", found)
	}
	policy.Modules = []common.Address{pool}
	if found := good.Findings(policy); len(found) != 1 || !strings.Contains(found[0].Text, "not enabled") {
		t.Errorf("a module that is missing: %v", found)
	}
}

func keptFor(by string, nonce uint64, signers ...int64) Kept {
	tx := someTx
	tx.Nonce = nonce
	tx.Value = big.NewInt(int64(len(by))) // another transaction for each
	k := Kept{Tx: tx, Hash: tx.Hash(), For: by, Prepared: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Implementation: Implementations[4].Address}
	for _, i := range signers {
		k.Signatures = append(k.Signatures, typedBy(i, k.Hash))
	}
	return k
}

func TestStale(t *testing.T) {
	owners := []common.Address{addressOf(1), addressOf(2), addressOf(3)}
	kept := keptFor("exit", 7, 1, 2)
	if why := kept.Stale(stateOf(2, owners...)); len(why) > 0 {
		t.Errorf("it is stale: %q", why)
	}
	for _, c := range []struct {
		name   string
		change func(*State)
		want   string
	}{
		{"the nonce moved on", func(s *State) { s.Nonce = 8 }, "GS026"},
		{"others come first", func(s *State) { s.Nonce = 5 }, "2 transactions have to be carried out before it"},
		{"one comes first", func(s *State) { s.Nonce = 6 }, "1 transaction has to be"},
		{"the threshold rose", func(s *State) { s.Threshold = 3 }, "2 of the 3 signatures"},
		{"an owner left", func(s *State) { s.Owners = owners[1:] }, "no owner of the Safe any more"},
		{"an owner left, so one is missing", func(s *State) { s.Owners = owners[1:] }, "1 of the 2 signatures"},
		{"other code", func(s *State) { s.Implementation = evil }, "now runs that of"},
		{"another Safe", func(s *State) { s.Safe = friend }, "not of"},
	} {
		s := stateOf(2, owners...)
		c.change(&s)
		if why := strings.Join(kept.Stale(s), "; "); !strings.Contains(why, c.want) {
			t.Errorf("%s: %q, want %q", c.name, why, c.want)
		}
	}
}

func TestStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "signatures")
	store, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	first, second, later := keptFor("a", 7, 1), keptFor("bb", 7, 1, 2), keptFor("ccc", 9)
	for _, k := range []Kept{later, second, first} {
		if err := store.Put(k); err != nil {
			t.Fatal(err)
		}
	}
	k, err := store.Sign(1, ours, first.Hash, personalBy(2, first.Hash))
	if err != nil || len(k.Signatures) != 2 {
		t.Errorf("a signature was not added: %+v, %v", k, err)
	}
	if _, err := store.Sign(1, ours, first.Hash, typedBy(2, second.Hash)); err == nil {
		t.Error("a signature over another transaction was added")
	}
	again, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := again.List(1, ours)
	if err != nil || len(all) != 3 || all[2].For != "ccc" || len(all[0].Signatures) != 2 || all[0].Tx.Hash() != all[0].Hash {
		t.Errorf("it was kept as %+v, %v", all, err)
	}
	if free := Free(7, all); free != 8 {
		t.Errorf("%d is free", free)
	}
	if r := Reserved(all); len(r[7]) != 2 || len(r[9]) != 1 {
		t.Errorf("reserved are %v", r)
	}
	if others, err := again.List(2, ours); err != nil || len(others) > 0 {
		t.Errorf("another chain has %v, %v", others, err)
	}
	if err := again.Remove(1, ours, first.Hash); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(1, ours, first.Hash); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, _ := e.Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("others may read %s", e.Name())
		}
	}
	wrong := second
	wrong.Tx.Value = big.NewInt(99)
	if err := store.Put(wrong); err == nil {
		t.Error("a transaction under the hash of another was kept")
	}
}

// TestTamperedFile changes a kept file: it must be refused, never read as another transaction.
func TestTamperedFile(t *testing.T) {
	store, _ := OpenStore(t.TempDir())
	k := keptFor("exit", 7, 1, 2)
	if err := store.Put(k); err != nil {
		t.Fatal(err)
	}
	name := store.file(1, ours, k.Hash)
	content, _ := os.ReadFile(name)
	changed := bytes.Replace(content, []byte(`"nonce": 7`), []byte(`"nonce": 8`), 1)
	if bytes.Equal(changed, content) {
		t.Fatal("nothing was changed")
	}
	for what, content := range map[string][]byte{"changed": changed, "cut": content[:len(content)/2], "more": append(slices.Clone(content), '{'), "unknown field": bytes.Replace(content, []byte(`"for"`), []byte(`"four"`), 1)} {
		if _, err := ParseKept(content); err == nil {
			t.Errorf("%s: it was read", what)
		}
	}
}

func TestService(t *testing.T) {
	hash := someTx.Hash()
	k := Kept{Tx: someTx, Hash: hash, Signatures: []Signature{typedBy(1, hash), personalBy(2, hash), {Contract, friend, []byte("yes")}, {Approved, pool, nil}}}
	back, err := FromService(1, k.Service())
	if err != nil || back.Hash != hash || len(back.Signatures) != 4 {
		t.Fatalf("it came back as %+v, %v", back, err)
	}
	for i, s := range back.Signatures {
		if s.Kind != k.Signatures[i].Kind || s.Owner != k.Signatures[i].Owner || !bytes.Equal(s.Bytes, k.Signatures[i].Bytes) {
			t.Errorf("signature %d came back as %+v", i, s)
		}
	}
	// The shape of the service's own answer, version 1, shortened.
	theirs := `{"safe":"` + ours.Hex() + `","to":"` + usdc.Hex() + `","value":"0","data":"` + someTx.Data.String() + `","operation":0,"gasToken":"0x0000000000000000000000000000000000000000",
		"safeTxGas":0,"baseGas":0,"gasPrice":"0","refundReceiver":"0x0000000000000000000000000000000000000000","nonce":7,"executionDate":null,"submissionDate":"2026-01-02T03:04:05.000000Z",
		"modified":"2026-01-02T03:04:05Z","blockNumber":null,"transactionHash":null,"safeTxHash":"` + hash.Hex() + `","proposer":"` + addressOf(1).Hex() + `","executor":null,"isExecuted":false,
		"confirmationsRequired":2,"confirmations":[{"owner":"` + addressOf(1).Hex() + `","submissionDate":"2026-01-02T03:04:05.000000Z","transactionHash":null,"signature":"` + typedBy(1, hash).Bytes.String() + `","signatureType":"EOA"}],
		"trusted":true,"signatures":null}`
	if got, err := FromService(1, []byte(theirs)); err != nil || got.Hash != hash || len(got.Signatures) != 1 || got.Prepared.Year() != 2026 {
		t.Errorf("theirs is read as %+v, %v", got, err)
	}
	for what, change := range map[string][2]string{
		"another amount": {`"value":"0"`, `"value":"1"`}, "another owner": {`"owner":"` + addressOf(1).Hex(), `"owner":"` + addressOf(2).Hex()},
		"a float": {`"nonce":7`, `"nonce":7.0`}, "a delegate call": {`"operation":0`, `"operation":1`}, "a refund": {`"gasPrice":"0"`, `"gasPrice":"1"`},
	} {
		changed := strings.Replace(theirs, change[0], change[1], 1)
		if changed == theirs {
			t.Fatalf("%s: nothing was changed", what)
		}
		if _, err := FromService(1, []byte(changed)); err == nil {
			t.Errorf("%s was not seen", what)
		}
	}
	if _, err := FromService(10, []byte(theirs)); err == nil {
		t.Error("another chain was not seen")
	}
}

func FuzzFromService(f *testing.F) {
	f.Add([]byte(keptFor("exit", 7, 1, 2).Service()))
	f.Fuzz(func(t *testing.T, content []byte) {
		if k, err := FromService(1, content); err == nil && k.check() != nil {
			t.Errorf("%s was taken", content)
		}
	})
}

func FuzzParseKept(f *testing.F) {
	store, _ := OpenStore(f.TempDir())
	k := keptFor("exit", 7, 1, 2)
	_ = store.Put(k)
	content, _ := os.ReadFile(store.file(1, ours, k.Hash))
	f.Add(content)
	f.Fuzz(func(t *testing.T, content []byte) {
		if k, err := ParseKept(content); err == nil && (k.Hash != k.Tx.Hash() || k.check() != nil) {
			t.Errorf("%s was taken", content)
		}
	})
}
