# The commands of `cargo xtask`, for those who type `just`.

default:
    @just --list

# Every check and test
ci:
    cargo xtask ci

# Install the programs that the other commands use
setup:
    cargo xtask setup

# Format the code
fmt *ARGS:
    cargo xtask fmt {{ARGS}}

# Clippy; a warning is an error
lint:
    cargo xtask lint

# The layout of the sources and the links of the documentation
tidy:
    cargo xtask tidy

# Which crate may depend on which
arch:
    cargo xtask arch

# Licences, banned crates and sources of the dependencies
deny:
    cargo xtask deny

# Each crate on its own
layers:
    cargo xtask layers

# The documentation; a warning is an error
doc:
    cargo xtask doc

# All tests
test:
    cargo xtask test

# All tests, and which lines they reach
coverage:
    cargo xtask coverage

# Write docs/openapi.json
openapi *ARGS:
    cargo xtask openapi {{ARGS}}

# Write docs/CONFIGURATION.md
config-docs *ARGS:
    cargo xtask config-docs {{ARGS}}

# Check everything in deploy/
manifests *ARGS:
    cargo xtask manifests {{ARGS}}

# Build the container image
image *ARGS:
    cargo xtask image {{ARGS}}

# Rehearse a rolling restart under load
rollout:
    cargo xtask rollout

# Measure the server beside a bare handler
bench *ARGS:
    cargo xtask bench {{ARGS}}
