# `make help` lists the targets.
GOLANGCI_LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME ?= 60s
BENCH ?= .
STARVE ?= 60s
ROUNDS ?= 1
E2E ?= 3

.PHONY: help
help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

.PHONY: run
run: build ## build CoreDNS with rrhealth and start it on Corefile.example
	build/coredns -conf Corefile.example

.PHONY: revive
revive: build ## answer the checks of the third backend of Corefile.example, until Ctrl-C
	build/coredns -conf testdata/Corefile.revive

.PHONY: build
build: ## build CoreDNS with rrhealth into build/coredns, and build/rrhealthctl
	go build -o build/ ./cmd/coredns ./cmd/rrhealthctl

.PHONY: test
test: ## run all tests, in any order, with the race detector
	go test -race -shuffle=on -timeout 15m ./...

.PHONY: e2e
e2e: ## run the end-to-end tests E2E times (3), in any order, with the race detector
	go test -race -shuffle=on -count=$(E2E) -timeout 20m ./test ./cmd/coredns

.PHONY: compat
compat: ## build with the older versions of CoreDNS that docs/install.md names, and test
	scripts/compat

.PHONY: lint
lint: ## vet, gofmt and golangci-lint
	go vet ./...
	@test -z "$$(gofmt -l .)" || { echo "not gofmt'ed:"; gofmt -l .; exit 1; }
	go run $(GOLANGCI_LINT) run ./...

.PHONY: fuzz
fuzz: ## fuzz each fuzz target for FUZZTIME (60s)
	scripts/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## run the Go benchmarks, ready for benchstat
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count 6 ./...

.PHONY: starve
starve: ## check that no healthy backend goes down during busy loops on all cores (STARVE=60s each run, ROUNDS=1)
	STARVE=$(STARVE) go test -count=$(ROUNDS) -timeout 1h -v -run TestABusyMachineTakesNoHealthyBackendOut ./test

.PHONY: bench-dns
bench-dns: ## compare queries with whoami, file, gdnsd, ... (15 minutes; QUICK=1: 2)
	go run ./bench/dns $(BENCHFLAGS)

.PHONY: bench-engine
bench-engine: ## measure the cost of probes, compared with HAProxy (6 minutes; QUICK=1: 1)
	go run ./bench/engine

.PHONY: peers
peers: ## install the servers that the tests probe, if missing (Debian)
	scripts/peers

.PHONY: image
image: ## build the container image (GO_IMAGE=... to build in another image)
	docker build $(if $(GO_IMAGE),--build-arg GO_IMAGE=$(GO_IMAGE)) -t rrhealth .

.PHONY: containers
containers: ## test the image and compose, with a Docker engine
	CONTAINERS=1 go test -count=1 -v -timeout 30m -run TestContainers ./deploy

.PHONY: examples
examples: ## run every example's test and print a table (root, Linux)
	go run ./examples

.PHONY: users
users: build ## measure for how long requests are slow after a failure (root, Linux; 6 minutes)
	USERS=all EXAMPLES=1 RRHEALTH_COREDNS=$(CURDIR)/build/coredns go test -count=1 -v -timeout 20m ./examples/internal/users

.PHONY: man
man: ## generate the man pages
	deploy/man/generate coredns-rrhealth.7
	deploy/man/generate rrhealthctl.8

.PHONY: rules
rules: ## write the alerts for the Prometheus operator
	deploy/prometheus/generate >deploy/prometheus/prometheusrule.yaml

.PHONY: readme
readme: ## run the commands of README.md and docs, and compare what they print
	scripts/readme
