//go:build tools

// Package tools pins the programs that make lint builds, apart from what the product is made of.
package tools

import _ "honnef.co/go/tools/cmd/staticcheck"
