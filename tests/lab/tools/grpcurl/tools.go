//go:build tools

// Package tools keeps the lab's grpcurl in go.mod.
package tools

import _ "github.com/fullstorydev/grpcurl/cmd/grpcurl"
