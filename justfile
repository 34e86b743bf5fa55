# Recipes for https://just.systems; each is one command, so that nobody needs just.

# Everything the continuous integration checks.
check:
    tests/run

# All tests that need no root and no other daemon; the others say that they were skipped.
test *args:
    cargo test --workspace {{ args }}

# The scenarios against other daemons, as root; a name picks some: just interop bird::md5
interop *name:
    cargo test -p podbgp-tests --test interop -- {{ name }}

# One fuzz target, for instance: just fuzz decode_message -- -runs=10000000
fuzz target *args:
    cargo +nightly fuzz run --fuzz-dir bgp/fuzz {{ target }} {{ args }}

# Rewrites what the script tests expect from what they get; read the diff before committing it.
bless:
    BLESS=1 cargo test --workspace

# A full table through podbgpd and through BIRD, side by side.
bench *args:
    cargo bench -p podbgp-tests --bench full_table -- {{ args }}
