package plan

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("plan.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("plan.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON is what an editor's YAML server validates.
func asJSON(t *testing.T, text string) any {
	t.Helper()
	content, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestSchemaAcceptsWhatLoads(t *testing.T) {
	schema := compileSchema(t)
	files, _ := filepath.Glob("testdata/good/*.*")
	if len(files) == 0 {
		t.Fatal("no examples")
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(asJSON(t, string(text))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	schema := compileSchema(t)
	for name, text := range map[string]string{
		"unknown top-level key": "holding: []",
		"unknown key":           "portfolio: {name: A, nmae: B}",
		"missing key":           "portfolio: {time_zone: UTC}",
		"bare duration":         "accounts: [{name: a, kind: broker, rto: 30}]",
		"share above one":       "models: [{name: m, weights: {cash: 100}}]",
		"unknown word":          "accounts: [{name: a, kind: bnak}]",
		"score out of range":    "threats: [{name: t, probability: 6, impact: 1}]",
		"two things in a step":  "playbooks: [{name: p, steps: [{wait: 1h, approve: a}]}]",
		"nothing in a step":     "playbooks: [{name: p, steps: [{name: a}]}]",
		"trigger and nothing":   "triggers: [{name: a, tier: 1}]",
		"tier 4":                "triggers: [{name: a, tier: 4, condition: a > 1}]",
	} {
		if schema.Validate(asJSON(t, text)) == nil {
			t.Errorf("%s: the schema accepts %s", name, text)
		}
		plan, _, err := loadText("a.yaml", "portfolio: {name: A}\n---\n"+text)
		if err == nil {
			t.Errorf("%s: the loader accepts %s: %v", name, text, plan)
		}
	}
}

// TestSchemaKnowsTheDecodersKeys asks the decoder: every key in the schema must be one it reads, and the other way round.
func TestSchemaKnowsTheDecodersKeys(t *testing.T) {
	var document struct {
		OneOf []struct {
			Properties map[string]any `json:"properties"`
		} `json:"oneOf"`
		Defs map[string]struct {
			Properties map[string]struct {
				Description string `json:"description"`
			} `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &document); err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(document.OneOf[0].Properties)), slices.Sorted(slices.Values(names(keysOf(reflect.TypeFor[Plan]())))); !slices.Equal(got, want) {
		t.Errorf("the schema's top-level keys are %v, the decoder's %v", got, want)
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[Account](), reflect.TypeFor[Trigger](), reflect.TypeFor[Step](), reflect.TypeFor[Check]()} {
		properties := document.Defs[typ.Name()].Properties
		d := newDecoder()
		for name, property := range properties {
			g := grower{}
			nodes, _ := g.grow("a.yaml", []byte(name+": {}"))
			d.fields(nodes[0], "x", "it", reflect.New(typ).Elem())
			if property.Description == "" && name != "name" && !strings.HasPrefix(name, "check") && typ == reflect.TypeFor[Check]() {
				t.Errorf("%s.%s has no description", typ.Name(), name)
			}
		}
		for _, f := range d.faults {
			if strings.Contains(f.Message, "has no key") {
				t.Errorf("%s: %s", typ.Name(), f.Message)
			}
		}
		if got, want := len(properties), len(keysOf(typ)); got != want {
			t.Errorf("%s has %d keys in the schema and %d in the decoder", typ.Name(), got, want)
		}
	}
}
