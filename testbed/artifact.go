package testbed

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
)

// artifact is what a compiler leaves of a contract: how to call it, and its code in hex with gaps where libraries are linked.
type artifact struct {
	ABI     *abi.ABI
	code    string
	runtime string           // what is on chain afterwards; our own contracts have it
	gaps    map[string][]int // library → positions in code
}

// artifacts of one process, which several beds read: file → *artifact.
var artifacts sync.Map

// artifact reads one of a package's files, or of our own compiled contracts, which are called ours/File.sol/Name.
func (b *Bed) artifact(path string) *artifact {
	b.t.Helper()
	if a, ok := artifacts.Load(path); ok {
		return a.(*artifact)
	}
	var a *artifact
	var err error
	if own, ok := strings.CutPrefix(path, "ours/"); ok {
		a, err = compiled(own)
	} else {
		var text []byte
		if text, err = os.ReadFile(filepath.Join(folder, "node_modules", path)); err == nil {
			a, err = parseArtifact(text)
		}
	}
	b.must("read the contract "+path, err)
	artifacts.Store(path, a)
	return a
}

// parseArtifact understands the files of hardhat, Truffle, Waffle, Foundry and solc's standard JSON.
func parseArtifact(text []byte) (*artifact, error) {
	var file struct {
		ABI      json.RawMessage
		Bytecode json.RawMessage
		Deployed json.RawMessage `json:"deployedBytecode"`
		EVM      struct{ Bytecode struct{ Object string } }
		Links    map[string]map[string][]struct{ Start int } `json:"linkReferences"`
	}
	object := func(raw json.RawMessage) (code string) { // of Foundry
		var in struct{ Object string }
		_ = json.Unmarshal(raw, &in)
		return in.Object
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	a := &artifact{gaps: map[string][]int{}}
	if json.Unmarshal(file.Bytecode, &a.code) != nil || a.code == "" {
		a.code = cmp.Or(object(file.Bytecode), file.EVM.Bytecode.Object)
	}
	a.code = strings.TrimPrefix(a.code, "0x")
	_ = json.Unmarshal(file.Deployed, &a.runtime) // an object in some files, which nobody needs
	for _, libraries := range file.Links {
		for name, gaps := range libraries {
			for _, g := range gaps {
				a.gaps[name] = append(a.gaps[name], 2*g.Start)
			}
		}
	}
	// Some libraries have types in their ABI that go-ethereum does not parse. They are only linked, never called.
	parsed, err := abi.JSON(bytes.NewReader(file.ABI))
	if err != nil && !strings.Contains(err.Error(), "unsupported arg type") {
		return nil, err
	}
	a.ABI = &parsed
	return a, nil
}

// linked is the code with the addresses of the libraries in its gaps.
func (a *artifact) linked(libraries map[string]common.Address) ([]byte, error) {
	code := []byte(a.code)
	for name, gaps := range a.gaps {
		at, ok := libraries[name]
		if !ok {
			return nil, fmt.Errorf("the library %s is not deployed", name)
		}
		for _, g := range gaps {
			hex.Encode(code[g:], at[:])
		}
	}
	return hex.DecodeString(string(code))
}

// artifactAt is a contract of a kind that somebody else has deployed.
func (b *Bed) artifactAt(path string, at common.Address) Contract {
	b.t.Helper()
	return Contract{at, b.artifact(path).ABI}
}
