package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/examples"
)

func initCommand() *cobra.Command {
	var template string
	c := &cobra.Command{
		Use: "init DIR", Short: "Write a complete, commented example plan into a new Git repository", Args: arguments(1, 1),
		Long: `init writes one of the example plans into DIR, which must be new or empty, makes
a Git repository of it and commits it. Edit the files to say what you own;
lifeboat check tells what does not fit.

Templates:
` + templates(),
		RunE: func(c *cobra.Command, args []string) error {
			if err := initPlan(args[0], template); err != nil {
				return err
			}
			p, err := app.LoadPlan(args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: %s, in a Git repository with one commit\nnext: lifeboat drill list, then lifeboat drill run SCENARIO --plan %s\n", args[0], summary(p), args[0])
			return nil
		},
	}
	c.Flags().StringVar(&template, "template", "brokerage", "example `NAME`: "+strings.Join(examples.Names(), ", "))
	return c
}

func templates() string {
	var b strings.Builder
	for _, e := range examples.All() {
		fmt.Fprintf(&b, "  %-14s %s\n", e.Name, e.Title)
	}
	return strings.TrimRight(b.String(), "\n")
}

func initPlan(dir, template string) error {
	example, ok := examples.ByName(template)
	if !ok {
		return notFound(fmt.Sprintf("there is no template %q", template), "choose one of "+strings.Join(examples.Names(), ", "))
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return &lifeboat.Problem{Reason: "exists", What: fmt.Sprintf("%s is not empty, and init does not overwrite", dir),
			Money: "nothing was written", Next: "name a new directory"}
	}
	err := fs.WalkDir(example.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(example.Files, name)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, text, 0o644)
	})
	if err != nil {
		return &lifeboat.Problem{Reason: "not-written", What: fmt.Sprintf("the plan cannot be written to %s: %v", dir, reasonOf(err)),
			Money: "no money is concerned", Next: "free space, or name another directory", Err: err}
	}
	return commitAll(dir, "plan: "+template+" example of lifeboat")
}

// commitAll makes dir a repository and commits what is in it, as the person whom Git knows, else as lifeboat.
func commitAll(dir, message string) error {
	repository, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: "refs/heads/main"}})
	if err != nil {
		return fmt.Errorf("make a Git repository: %w", err)
	}
	tree, err := repository.Worktree()
	if err != nil {
		return err
	}
	if err := tree.AddGlob("."); err != nil {
		return fmt.Errorf("add the plan to Git: %w", err)
	}
	author := &object.Signature{Name: "lifeboat", Email: "lifeboat@localhost", When: lifeboat.WallClock{}.Now()}
	if global, err := config.LoadConfig(config.GlobalScope); err == nil && global.User.Name != "" {
		author.Name, author.Email = global.User.Name, global.User.Email
	}
	if _, err := tree.Commit(message, &git.CommitOptions{Author: author}); err != nil {
		return fmt.Errorf("commit the plan: %w", err)
	}
	return nil
}
