# Everything a developer runs. Tools are pinned here, never in go.mod, and live in .tools/bin.

BUF_VERSION                := v1.75.0
PROTOC_GEN_GO_VERSION      := v1.36.12
PROTOC_GEN_GO_GRPC_VERSION := v1.6.2
GOLANGCI_LINT_VERSION      := v2.15.0

TOOLS   := $(CURDIR)/.tools/bin
STAMPS  := $(CURDIR)/.tools/stamps
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GO      := GOWORK=off go
FUZZ_SECONDS ?= 10
PKG     ?= ./...

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/semabus, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/semabus ./cmd/semabus

.PHONY: test
test: ## all tests (PKG=./broker/... for some)
	$(GO) test $(PKG)

.PHONY: race
race: ## all tests under the race detector
	$(GO) test -race $(PKG)

.PHONY: mutate
mutate: build ## builds with a planted fault must fail a suite
	scripts/mutate

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZ_SECONDS (10)
	scripts/fuzz $(FUZZ_SECONDS)

.PHONY: bench
bench: build ## the figures of docs/performance.md on this machine
	scripts/figures

.PHONY: soak
soak: build ## one minute of traffic with three kill -9
	bin/semabus soak run --messages 100000 --kills 3

.PHONY: format
format: ## gofmt and goimports
	$(TOOLS)/golangci-lint fmt ./...

.PHONY: lint
lint: $(STAMPS)/golangci-lint-$(GOLANGCI_LINT_VERSION) ## golangci-lint, and buf on the contract
	GOWORK=off $(TOOLS)/golangci-lint run $(PKG)

.PHONY: lint-proto
lint-proto: $(STAMPS)/buf-$(BUF_VERSION) ## buf lint, and breaking against the newest tag
	$(TOOLS)/buf lint
	scripts/check-breaking $(TOOLS)/buf

.PHONY: generate
generate: proto-tools ## regenerate the code of the contract
	PATH="$(TOOLS):$$PATH" $(TOOLS)/buf generate

.PHONY: check-generate
check-generate: generate ## fail when the committed generated code is not current
	scripts/check-clean api

.PHONY: proto-tools
proto-tools: $(STAMPS)/buf-$(BUF_VERSION) $(STAMPS)/protoc-gen-go-$(PROTOC_GEN_GO_VERSION) $(STAMPS)/protoc-gen-go-grpc-$(PROTOC_GEN_GO_GRPC_VERSION)

.PHONY: tools
tools: proto-tools $(STAMPS)/golangci-lint-$(GOLANGCI_LINT_VERSION) ## install the pinned tools into .tools/bin

.PHONY: ci
ci: ## what the gate runs
	.ci/run

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist

# One stamp a tool and version: another version reinstalls, the same one does nothing.
$(STAMPS)/buf-%:
	scripts/install-tool $(TOOLS) github.com/bufbuild/buf/cmd/buf@$* $@
$(STAMPS)/protoc-gen-go-v%:
	scripts/install-tool $(TOOLS) google.golang.org/protobuf/cmd/protoc-gen-go@v$* $@
$(STAMPS)/protoc-gen-go-grpc-%:
	scripts/install-tool $(TOOLS) google.golang.org/grpc/cmd/protoc-gen-go-grpc@$* $@
$(STAMPS)/golangci-lint-%:
	scripts/install-tool $(TOOLS) github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$* $@
