// What the Go example of docs/reference/sealed-format.md needs: tests/keyring/test_sealed_format.py runs it.
module sealed

go 1.24.0

require github.com/go-jose/go-jose/v4 v4.1.9
