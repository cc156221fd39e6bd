package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"lifeboat/custodian/bitcoin/bitcointest"
)

// The first block pays to this address.
const (
	genesisAddress = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
	genesisPayment = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
)

// esplora keeps to the shapes of Esplora's API, as bitcointest has them. A block comes every ten seconds here.
func esplora(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: esplora NAME FILE")
	}
	file := ts.MkAbs(args[1])
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		satoshi, err := os.ReadFile(file)
		if err != nil {
			http.Error(w, "upstream is down", http.StatusBadGateway)
			return
		}
		blocks := time.Now().Unix() / 10
		chain := &bitcointest.Chain{Genesis: "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f", Height: uint64(blocks), Time: blocks * 10,
			Tips: []string{fmt.Sprintf("%064d", blocks)}, Address: genesisAddress, Funded: strings.TrimSpace(string(satoshi)), Spent: "0", Leaving: "0"}
		history := "/address/" + genesisAddress + "/txs/chain"
		chain.Paths = map[string]string{history + "/" + genesisPayment: "[]", history: fmt.Sprintf(`[{"txid":%q,"vin":[{"is_coinbase":true}],
			"vout":[{"scriptpubkey":"76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac","scriptpubkey_address":%q,"value":5000000000}],
			"status":{"confirmed":true,"block_height":0,"block_time":1231006505}}]`, genesisPayment, genesisAddress)}
		chain.Esplora().ServeHTTP(w, r)
	}))
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.URL)
}
