# Every target works on a machine with Go, Node and make; what else a target needs it installs through package managers.
GO ?= go
OUT ?= out

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/lifeboat
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/lifeboat ./cmd/lifeboat

.PHONY: demo
demo: build ## rehearse March 2020 on the brokerage example; report in out/demo
	@rm -rf $(OUT)/demo && mkdir -p $(OUT)
	bin/lifeboat check examples/brokerage
	bin/lifeboat drill run covid-2020 --plan examples/brokerage --out $(OUT)/demo

.PHONY: test
test: peers tofu clef btcd testbed lint ## check and test everything, with the race detector
	$(GO) test -race -timeout 20m ./...

.PHONY: peers
peers: ## install the servers that tests run against, where they are missing
	@./testdata/peers.sh

.PHONY: tofu
tofu: ## build OpenTofu from its modules, for the tests of terraform steps, where there is no terraform
	@command -v terraform >/dev/null || test -x bin/tofu || { cd tools/terraform && CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o ../../bin/tofu github.com/opentofu/opentofu/cmd/tofu; }

.PHONY: clef
clef: ## build clef, the signer that asks its owner, for the tests of signing
	@test -x bin/clef || GOBIN=$(CURDIR)/bin $(GO) install github.com/ethereum/go-ethereum/cmd/clef@v1.16.8

.PHONY: btcd
btcd: ## build btcd, the Bitcoin node of the tests
	@test -x bin/btcd || { cd tools/btcd && CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o ../../bin/btcd github.com/btcsuite/btcd; }

.PHONY: testbed
testbed: ## install the contracts, the node and the compiler of the tests on chain, where they are missing
	@cd testbed && { cmp -s package-lock.json node_modules/.installed || { npm ci && cp package-lock.json node_modules/.installed; } }
	@cd testbed && node compile.mjs

.PHONY: lint
lint: ## formatting, vet and staticcheck
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo "run: gofmt -w ."; exit 1; }
	$(GO) vet ./...
	cd tools && $(GO) build -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	bin/staticcheck ./...

.PHONY: generate
generate: ## write the documents that are made from the code
	LIFEBOAT_WRITE_DOCS=1 $(GO) test -count=1 -run TestDocs . ./cmd/lifeboat ./plan ./risk/sheet ./serve/api ./watch/rule

.PHONY: bench
bench: ## the figures of docs/performance.md
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: fuzz
fuzz: ## fuzz every parser for FUZZTIME each (30s)
	@./testdata/fuzz-all.sh $(or $(FUZZTIME),30s)

.PHONY: soak
soak: ## the long crash tests: more kills, more seeds
	LIFEBOAT_SOAK=1 $(GO) test -count=1 -timeout 2h -run 'Kill|Worlds|EverythingAtOnce|Mutants' ./...

.PHONY: scenarios
scenarios: ## make the scenario tables again from HISTORY, a folder of market data
	$(GO) run ./drill/convert -history $(HISTORY)
