// Reads what Prometheus reads, by Prometheus' own parsers, and prints it as JSON.
//
//	reader metrics                reads metrics in the OpenMetrics format from standard input
//	reader rules FILE             reads a file of alerting and recording rules
//	reader expressions            reads a JSON list of PromQL expressions from standard input
//
// Whatever Prometheus would refuse ends it with status 1.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func main() {
	result, err := read(os.Args[1:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(arguments []string) (any, error) {
	switch {
	case len(arguments) == 1 && arguments[0] == "metrics":
		text, err := io.ReadAll(os.Stdin)
		if err != nil {
			return nil, err
		}
		return families(text)
	case len(arguments) == 2 && arguments[0] == "rules":
		return rules(arguments[1])
	case len(arguments) == 1 && arguments[0] == "expressions":
		var expressions []string
		if err := json.NewDecoder(os.Stdin).Decode(&expressions); err != nil {
			return nil, err
		}
		return used(expressions)
	}
	return nil, fmt.Errorf("usage: reader metrics | rules FILE | expressions")
}
