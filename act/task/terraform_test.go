package task_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lifeboat"
	"lifeboat/act/task"
	"lifeboat/plan"
)

// programs are the Terraform and the OpenTofu of this machine; make tofu builds one.
func programs(t *testing.T) []string {
	t.Helper()
	var all []string
	if built, err := filepath.Abs("../../bin/tofu"); err == nil {
		if _, err := os.Stat(built); err == nil {
			all = append(all, built)
		}
	}
	for _, name := range []string{"terraform", "tofu"} {
		if found, err := exec.LookPath(name); err == nil {
			all = append(all, found)
		}
	}
	if len(all) == 0 {
		t.Fatal("neither bin/tofu nor terraform nor tofu is here: run make tofu")
	}
	return all
}

// terraformBench has a configuration that needs no provider from elsewhere.
func terraformBench(t *testing.T, program string) *bench {
	b := newBench(t, nil, func(o *task.Options) { o.Terraform = program })
	configure(t, b, `
variable "address" { type = string }
resource "terraform_data" "workstation" { input = var.address }
output "address" { value = terraform_data.workstation.output }
`)
	return b
}

func configure(t *testing.T, b *bench, text string) {
	t.Helper()
	dir := filepath.Join(b.PlanDir, "site")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func planned(t *testing.T, b *bench, key lifeboat.Key, address string) (lifeboat.Receipt, lifeboat.Task) {
	t.Helper()
	step := map[string]any{"dir": "site", "by": "owner", "var": map[string]string{"address": address}}
	r := b.does(t, key, todo(t, "terraform-plan", plan.Terraform{Dir: "site", By: "owner", Var: map[string]string{"address": address}}, true))
	step["hash"] = r.Facts["hash"]
	return r, todo(t, "terraform-apply", step, false)
}

// The plan that was approved is the one that is applied, once, by the real program.
func TestTerraform(t *testing.T) {
	for _, program := range programs(t) {
		t.Run(filepath.Base(program), func(t *testing.T) {
			b := terraformBench(t, program)
			made, apply := planned(t, b, "lb-plan", "192.168.10.50")
			if made.Status != lifeboat.Performed || made.Facts["changes"] != "true" || !strings.Contains(made.Output, "192.168.10.50") {
				t.Fatalf("got %+v", made)
			}
			state := filepath.Join(b.PlanDir, "site", "terraform.tfstate")
			if _, err := os.Stat(state); !os.IsNotExist(err) {
				t.Errorf("a plan changed something: %v", err)
			}
			b = b.again(t) // approvals take days, and restarts happen meanwhile
			if r := b.does(t, "lb-apply", apply); r.Status != lifeboat.Performed || !strings.Contains(r.Output, "1 added") {
				t.Fatalf("got %+v", r)
			}
			if text, err := os.ReadFile(state); err != nil || !strings.Contains(string(text), "192.168.10.50") {
				t.Errorf("the state says %s, %v", text, err)
			}
			if r := b.does(t, "lb-again", apply); r.Status != lifeboat.NotPerformed || !strings.Contains(r.Why, "not here any more") {
				t.Errorf("a plan was applied twice: %+v", r)
			}
			if r, _ := planned(t, b, "lb-same", "192.168.10.50"); r.Facts["changes"] != "false" {
				t.Errorf("got %+v", r)
			}
		})
	}
}

// Nothing else than what was approved is applied: not a changed file, not a plan that the world has overtaken, not no plan.
func TestTerraformApprovedOnly(t *testing.T) {
	b := terraformBench(t, programs(t)[0])
	_, first := planned(t, b, "lb-1", "192.168.10.50")
	second, overtaken := planned(t, b, "lb-2", "192.168.10.51")
	if second.Facts["hash"] == "" {
		t.Fatalf("got %+v", second)
	}
	if r := b.does(t, "lb-apply-1", first); r.Status != lifeboat.Performed {
		t.Fatalf("got %+v", r)
	}
	if r := b.does(t, "lb-apply-2", overtaken); r.Status != lifeboat.NotPerformed || !strings.Contains(r.Why, "has changed since") {
		t.Errorf("got %+v", r)
	}
	third, changed := planned(t, b, "lb-3", "192.168.10.52")
	file := filepath.Join(b.DataDir, "terraform", "plans", third.Facts["hash"])
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(content, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := b.does(t, "lb-apply-3", changed); r.Status != lifeboat.NotPerformed || !strings.Contains(r.Why, "not the one that was approved") {
		t.Errorf("got %+v", r)
	}
	none := todo(t, "terraform-apply", plan.Terraform{Dir: "site", By: "owner"}, false)
	if r := b.does(t, "lb-apply-4", none); r.Status != lifeboat.NotPerformed || !strings.Contains(r.Why, "no plan was approved") {
		t.Errorf("got %+v", r)
	}
	if text, err := os.ReadFile(filepath.Join(b.PlanDir, "site", "terraform.tfstate")); err != nil || !strings.Contains(string(text), "192.168.10.50") {
		t.Errorf("the state says %s, %v", text, err)
	}
}

// A configuration that is wrong is told in Terraform's own words, and so is what failed in the middle.
func TestTerraformThatFails(t *testing.T) {
	b := terraformBench(t, programs(t)[0])
	configure(t, b, `resource "terraform_data" "x" { input = var.nobody }`)
	step := plan.Terraform{Dir: "site", By: "owner"}
	if r := b.does(t, "lb-1", todo(t, "terraform-plan", step, true)); r.Status != lifeboat.NotPerformed || !strings.Contains(r.Why, "undeclared input variable") {
		t.Errorf("got %+v", r)
	}
	configure(t, b, `resource "terraform_data" "x" {
  provisioner "local-exec" { command = "echo going wrong; exit 4" }
}`)
	made := b.does(t, "lb-2", todo(t, "terraform-plan", step, true))
	apply := todo(t, "terraform-apply", map[string]any{"dir": "site", "by": "owner", "hash": made.Facts["hash"]}, false)
	if r := b.does(t, "lb-3", apply); r.Status != lifeboat.NotPerformed || !strings.Contains(r.Why, "a part of it may be done") || !strings.Contains(r.Output, "going wrong") {
		t.Errorf("got %+v", r)
	}
	missing := newBench(t, nil, func(o *task.Options) { o.Terraform, o.PlanDir = "/nowhere/terraform", b.PlanDir })
	if r := missing.does(t, "lb-1", todo(t, "terraform-plan", step, true)); !strings.Contains(r.Why, "not installed here") {
		t.Errorf("got %+v", r)
	}
}

// The oldest plans go; those that were made last wait for their yes.
func TestTerraformKeepsSomePlans(t *testing.T) {
	b := terraformBench(t, programs(t)[0])
	made, apply := planned(t, b, "lb-plan", "192.168.10.50")
	plans := filepath.Join(b.DataDir, "terraform", "plans")
	for i := range 40 {
		name := filepath.Join(plans, strings.Repeat(string(rune('a'+i%6)), 60)+string([]byte{'0', '0' + byte(i/10), '0' + byte(i%10), 'f'}))
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, noon, noon); err != nil {
			t.Fatal(err)
		}
	}
	planned(t, b, "lb-other", "192.168.10.51")
	entries, err := os.ReadDir(plans)
	if err != nil || len(entries) != 32 {
		t.Errorf("%d plans are kept, %v", len(entries), err)
	}
	if _, err := os.Stat(filepath.Join(plans, made.Facts["hash"])); err != nil {
		t.Errorf("the plan that waits for a yes is gone: %v", err)
	}
	if r := b.does(t, "lb-apply", apply); r.Status != lifeboat.Performed {
		t.Errorf("got %+v", r)
	}
}
