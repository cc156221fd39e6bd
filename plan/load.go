package plan

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"

	"lifeboat"
)

// Bounds on what is read. A plan is what people wrote; prices and history are given to drills as files of their own.
const (
	fileSizeMax  = 1 << 20 // of one plan file
	planSizeMax  = 4 << 20 // of all plan files together
	planFilesMax = 1000
	dirFilesMax  = 10_000   // that are looked through for secrets
	dirSizeMax   = 64 << 20 // of those together; a larger single file is no place for a phrase and is left out
)

// Load reads the plan in a directory: every .yaml, .yml and .json file below it that is not hidden, any top-level key
// in any of them, lists joined in the order of the files' names.
//
// All that is wrong is told at once, in a [*Faults] that unwraps to a [*lifeboat.Problem]. With the reason
// plan-invalid the plan and its places are returned too, incomplete, so that a check can go on to look for faults in
// expressions; such a plan must not be acted on. With any other reason they are nil.
func Load(dir string) (*Plan, *Places, error) {
	root, err := openDir(dir)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	files, err := gather(root.FS(), dir)
	if err != nil {
		return nil, nil, err
	}
	if secrets := findSecrets(files); secrets != nil {
		return nil, nil, newFaults("plan-secret", secrets)
	}
	return load(files, dir)
}

func openDir(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err == nil {
		return root, nil
	}
	what := fmt.Sprintf("the plan directory %s cannot be read", dir)
	if info, statErr := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		what = fmt.Sprintf("there is no plan directory %s", dir)
	} else if statErr == nil && !info.IsDir() {
		what = fmt.Sprintf("%s is a file, and a plan is a directory", dir)
	}
	return nil, &lifeboat.Problem{Reason: "not-found", What: what, Money: "nothing of the plan was used",
		Next: "give the directory with --plan, or write one with lifeboat init", Err: err}
}

// A file of the plan directory.
type file struct {
	name string // relative, with slashes
	text []byte
	plan bool // false for a file that is only looked through for secrets
}

// gather reads the directory's files in the order of their names, once their sizes are known to be bearable.
func gather(dir fs.FS, dirName string) ([]file, error) {
	g := gathering{dir: dir}
	err := fs.WalkDir(dir, ".", g.visit)
	if err == nil {
		err = readAll(dir, g.files)
	}
	if problem, ok := errors.AsType[*lifeboat.Problem](err); ok {
		return nil, problem
	}
	if err != nil {
		return nil, &lifeboat.Problem{Reason: "not-found", What: fmt.Sprintf("the plan directory %s cannot be read: %v", dirName, err),
			Money: "nothing of the plan was used", Next: "check the path and the rights", Err: err}
	}
	slices.SortFunc(g.files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return g.files, nil
}

// A gathering weighs what it finds before anything of it is read.
type gathering struct {
	dir       fs.FS
	files     []file
	plans     int   // plan files
	plansSize int64 // of those together
	filesSize int64 // of all files together
}

func (g *gathering) visit(name string, entry fs.DirEntry, err error) error {
	hidden := strings.HasPrefix(path.Base(name), ".") && name != "."
	switch {
	case err != nil:
		return err
	case entry.IsDir() && hidden:
		return fs.SkipDir
	case entry.IsDir() && g.isData(name):
		return fs.SkipDir
	case entry.IsDir():
		return nil
	}
	info, err := fs.Stat(g.dir, name) // through links, which cannot lead out of the directory
	if err != nil && entry.Type()&fs.ModeSymlink != 0 {
		return tooMuch(fmt.Sprintf("the link %s leads out of the plan directory, or nowhere", name), "plan-invalid")
	}
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	plan := !hidden && slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(path.Ext(name)))
	return g.take(file{name: name, plan: plan}, info.Size())
}

// dataMark lies in every data directory. One may lie within the plan's, where serve puts it unless told otherwise; what is in
// it, keys among it, is not the owner's writing.
const dataMark = "lifeboat.lock"

func (g *gathering) isData(name string) bool {
	_, err := fs.Stat(g.dir, path.Join(name, dataMark))
	return name != "." && err == nil
}

// take adds a file, unless it is too large to hold a phrase or the directory is too large to be read.
func (g *gathering) take(f file, size int64) error {
	if f.plan {
		g.plans++
		g.plansSize += size
	}
	switch {
	case f.plan && size > fileSizeMax:
		return tooMuch(fmt.Sprintf("the plan file %s is %s large, and lifeboat reads up to %s", f.name, sizeOf(size), sizeOf(fileSizeMax)), "plan-too-large")
	case g.plansSize > planSizeMax:
		return tooMuch(fmt.Sprintf("the plan files are together more than %s large", sizeOf(planSizeMax)), "plan-too-large")
	case g.plans > planFilesMax:
		return tooMuch(fmt.Sprintf("the plan has more than %d files", planFilesMax), "plan-too-large")
	case len(g.files) == dirFilesMax:
		return tooMuch(fmt.Sprintf("the plan directory has more than %d files", dirFilesMax), "plan-too-large")
	case size > fileSizeMax:
		return nil
	}
	if g.filesSize += size; g.filesSize > dirSizeMax {
		return tooMuch(fmt.Sprintf("the files in the plan directory are together more than %s large", sizeOf(dirSizeMax)), "plan-too-large")
	}
	g.files = append(g.files, f)
	return nil
}

func readAll(dir fs.FS, files []file) error {
	for i := range files {
		opened, err := dir.Open(files[i].name)
		if err != nil {
			return err
		}
		// The bound holds for a file that grows while it is read, too.
		files[i].text, err = io.ReadAll(io.LimitReader(opened, fileSizeMax))
		opened.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func tooMuch(what string, reason lifeboat.Reason) error {
	next := "split it, or move what is not plan out of the directory"
	if reason == "plan-invalid" {
		next = "replace the link by a file and run lifeboat check"
	}
	return &lifeboat.Problem{Reason: reason, What: what, Money: "nothing of the plan was used", Next: next}
}

func sizeOf(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d bytes", n)
}

// load makes a plan of files that hold no secrets.
func load(files []file, dir string) (*Plan, *Places, error) {
	d := newDecoder()
	p := &Plan{}
	var grower grower
	empty := true
	for _, f := range files {
		if !f.plan {
			continue
		}
		documents, faults := grower.grow(f.name, f.text)
		d.faults = append(d.faults, faults...)
		d.unread[""] = d.unread[""] || len(faults) > 0
		if len(documents) > 0 && d.file == "" {
			d.file = f.name
		}
		for _, n := range documents {
			d.document(n, p)
		}
		empty = empty && len(documents) == 0 && len(faults) == 0
	}
	if empty {
		return nil, nil, &lifeboat.Problem{Reason: "plan-empty", What: fmt.Sprintf("there is no plan in %s: no YAML or JSON file with anything in it", dir),
			Money: "nothing of the plan was used", Next: "write one with lifeboat init DIR --template brokerage"}
	}
	d.complete(p)
	d.check(p)
	if faults := NewFaults(d.faults); faults != nil {
		return p, d.places, faults
	}
	return p, d.places, nil
}

// document adds one document to the plan: a mapping with top-level keys, or triggers as other tools write them: one
// alone, a list of them, or nothing but a rule.
func (d *decoder) document(n *node, p *Plan) {
	switch {
	case n.kind == list:
		d.topLevel(n, "triggers", p)
	case n.kind == scalar && ruleForm.MatchString(n.text), n.kind == mapping && isTrigger(n):
		d.topLevel(&node{file: n.file, line: n.line, column: n.column, kind: list, items: []*node{n}}, "triggers", p)
	case n.kind == mapping:
		for _, f := range n.fields {
			d.topKey(f, p)
		}
	default:
		d.fault(n, "a plan file holds keys such as portfolio, holdings or triggers, or a trigger", "")
	}
}

func isTrigger(n *node) bool {
	known := names(keysOf(reflect.TypeFor[Plan]()))
	for _, f := range n.fields {
		if slices.Contains(known, f.key.text) {
			return false
		}
	}
	return n.get("condition") != nil || n.get("rule") != nil
}

func (d *decoder) topKey(f field, p *Plan) {
	known := names(keysOf(reflect.TypeFor[Plan]()))
	if !slices.Contains(known, f.key.text) {
		meant := d.nearest(f.key.text, known)
		d.fault(f.key, fmt.Sprintf("a plan has no key %q", shorten(f.key.text, textMax)), meant)
		if meant != "" {
			d.unread[meant] = true // the names in it are not missing
		}
		return
	}
	if f.key.text == "portfolio" && f.value.kind != null {
		if first, twice := d.places.at["portfolio"]; twice {
			d.fault(f.key, fmt.Sprintf("the portfolio already stands in %s:%d, and a plan has one", first.node.file.name, first.node.line), "")
			return
		}
	}
	d.topLevel(f.value, f.key.text, p)
}

func (d *decoder) topLevel(n *node, name string, p *Plan) {
	keys := keysOf(reflect.TypeFor[Plan]())
	i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
	told := name
	if name == "portfolio" {
		told = "the portfolio"
	}
	d.value(n, name, keys[i].rules, told, reflect.ValueOf(p).Elem().FieldByIndex(keys[i].index))
}
