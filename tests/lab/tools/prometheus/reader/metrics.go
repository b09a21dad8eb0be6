package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// A family is what stands between two TYPE lines.
type family struct {
	Type    string   `json:"type"`
	Help    string   `json:"help"`
	Samples []sample `json:"samples"`
}

type sample struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
	Value  float64           `json:"value"`
}

// families parses an exposition as a scrape does, and refuses a family that is there twice and a
// sample that belongs to none.
func families(text []byte) (map[string]*family, error) {
	parser, err := textparse.New(text, "application/openmetrics-text; version=1.0.0", labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		return nil, err
	}
	found := map[string]*family{}
	of := func(name []byte) *family {
		if found[string(name)] == nil {
			found[string(name)] = &family{Samples: []sample{}}
		}
		return found[string(name)]
	}
	current := ""
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		switch entry {
		case textparse.EntryType:
			name, kind := parser.Type()
			if of(name).Type != "" {
				return nil, fmt.Errorf("%s is there twice", name)
			}
			current = string(name)
			of(name).Type = string(kind)
		case textparse.EntryHelp:
			name, help := parser.Help()
			of(name).Help = string(help)
		case textparse.EntrySeries:
			_, _, value := parser.Series()
			var set labels.Labels
			parser.Labels(&set)
			next := sample{Name: set.Get(labels.MetricName), Labels: set.Map(), Value: value}
			delete(next.Labels, labels.MetricName)
			if current == "" || !strings.HasPrefix(next.Name, current) {
				return nil, fmt.Errorf("%s belongs to no family", next.Name)
			}
			found[current].Samples = append(found[current].Samples, next)
		}
	}
}
