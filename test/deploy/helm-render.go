// Renders a Helm chart as `helm template` does: Go's templates with sprig's functions and the few that Helm adds. It is stricter
// in one thing: a value that the chart does not have is an error, where Helm puts nothing.
//
// Reads {"chart": ..., "release": ..., "values": ...} as JSON, for the templates in the folder that is its argument, and prints a
// JSON object with the text of each template file.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"gopkg.in/yaml.v3"
)

type input struct {
	Chart   map[string]any `json:"chart"`
	Release map[string]any `json:"release"`
	Values  map[string]any `json:"values"`
}

func toYaml(value any) (string, error) {
	text, err := yaml.Marshal(value)
	return strings.TrimSuffix(string(text), "\n"), err
}

func required(message string, value any) (any, error) {
	if text, isText := value.(string); value == nil || (isText && text == "") {
		return nil, errors.New(message)
	}
	return value, nil
}

func functions(all *template.Template) template.FuncMap {
	found := sprig.TxtFuncMap()
	// Helm leaves these out: what is rendered would depend on who renders it.
	delete(found, "env")
	delete(found, "expandenv")
	found["toYaml"] = toYaml
	found["required"] = required
	found["include"] = func(name string, data any) (string, error) {
		var out strings.Builder
		err := all.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	return found
}

func render(folder string, given input) (map[string]string, error) {
	all := template.New("chart").Option("missingkey=error")
	all.Funcs(functions(all))
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		return nil, err
	}
	base := given.Chart["Name"].(string) + "/templates"
	names := []string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		name := base + "/" + filepath.Base(file)
		if _, err := all.New(name).Parse(string(text)); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(filepath.Base(file), "_") {
			names = append(names, name)
		}
	}
	rendered := map[string]string{}
	for _, name := range names {
		data := map[string]any{
			"Chart":    given.Chart,
			"Release":  given.Release,
			"Values":   given.Values,
			"Template": map[string]any{"Name": name, "BasePath": base},
		}
		var out strings.Builder
		if err := all.ExecuteTemplate(&out, name, data); err != nil {
			return nil, err
		}
		rendered[filepath.Base(name)] = out.String()
	}
	return rendered, nil
}

func run() error {
	var given input
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		return err
	}
	rendered, err := render(os.Args[1], given)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(rendered)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
