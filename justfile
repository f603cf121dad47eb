# The commands of `cargo xtask`, for those who type `just`.

default:
    @just --list

# Run every check and test
ci:
    cargo xtask ci

# Install the programs that the other commands use
setup:
    cargo xtask setup

# Install a git hook that runs fmt, tidy and arch
hooks:
    cargo xtask hooks

# Format the code
fmt *ARGS:
    cargo xtask fmt {{ARGS}}

# Run clippy; a warning is an error
lint:
    cargo xtask lint

# Check the layout of the sources and the links of the documentation
tidy:
    cargo xtask tidy

# Imports between crates, folders and files
arch:
    cargo xtask arch

# Check the types of the inbox page's scripts, and test their pure parts
page:
    cargo xtask page

# Check licences, banned crates and sources of the dependencies
deny *ARGS:
    cargo xtask deny {{ARGS}}

# Compile each crate alone
layers:
    cargo xtask layers

# Build the documentation; a warning is an error
doc:
    cargo xtask doc

# Run all tests
test:
    cargo xtask test

# Run all tests and measure the lines that they execute
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

# Kill servers and stores under load, and judge what consumers were handed
chaos *ARGS:
    cargo xtask chaos {{ARGS}}

# Send messages by the tools of others
senders:
    cargo xtask senders

# Rehearse a rolling restart under load
rollout:
    cargo xtask rollout

# Measure the server beside a bare handler, or beside another binary with --against
bench *ARGS:
    cargo xtask bench {{ARGS}}
