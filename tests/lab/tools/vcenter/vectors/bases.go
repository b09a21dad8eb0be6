package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"sort"
)

// faultBases writes each fault type and the type that it extends, read from the source of govmomi's
// types, where the base is the first embedded struct.
func faultBases(w io.Writer) error {
	found, err := build.Import("github.com/vmware/govmomi/vim25/types", ".", build.FindOnly)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(found.Dir, "types.go"), nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	bases := map[string]string{}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if structure, ok := spec.Type.(*ast.StructType); ok && len(structure.Fields.List) > 0 {
			first := structure.Fields.List[0]
			if base, ok := first.Type.(*ast.Ident); ok && len(first.Names) == 0 {
				bases[spec.Name.Name] = base.Name
			}
		}
		return false
	})
	var names []string
	for name := range bases {
		if isFault(bases, name) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		if _, err := fmt.Fprintln(w, name, bases[name]); err != nil {
			return err
		}
	}
	return nil
}

func isFault(bases map[string]string, name string) bool {
	for name != "" {
		if bases[name] == "MethodFault" {
			return true
		}
		name = bases[name]
	}
	return false
}
