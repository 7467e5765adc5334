package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/plugins/drivers"
	"github.com/hashicorp/nomad/plugins/drivers/testutils"
	"github.com/shoenig/test/must"
)

// What of the harness's cases needs a real shell: loops, subshells, substitution. An app's console has none.
// TestExecFSIsolation stays out whole for the same reason: it makes a file with $(mktemp) and >>, and reads /proc.
var needsShell = map[string]bool{
	"notty: streaming": true, "tty: streaming": true, "tty: children processes": true,
}

// The harness's cases of a streaming exec, with and without a terminal.
func TestExecStreaming(t *testing.T) {
	n := started(t)
	config := n.task(app(""))
	n.start(config)
	kept := testutils.ExecTaskStreamingBasicCases[:0]
	for _, each := range testutils.ExecTaskStreamingBasicCases {
		if !needsShell[each.Name] {
			kept = append(kept, each)
		}
	}
	testutils.ExecTaskStreamingBasicCases = kept
	must.Eq(t, 6, len(kept))
	// Through Nomad's client for plugins, not through the harness's second one in between.
	testutils.TestExecTaskStreamingBasicResponses(t, n.DriverHarness, config.ID)
	for _, each := range []struct {
		line, stdout string
		code         int
	}{
		{"echo 1; sleep 0.1; echo 2; sleep 0.1; echo 3", "1\n2\n3\n", 0},
		{"invoke GET /", "hello from Go\n", 0},
		{"invoke POST /echo -d 'a body'", "a body", 0},
		{"invoke GET /fail", "the app failed\n", 2},
		{"invoke GET /teapot", "short and stout\n", 1},
		{"variables", "greeting = hello\n", 0},
		{"routes", "web  /...\n", 0},
		{"ls /", "data/\n", 0},
		{"ls /data", "cgi.wasm\n", 0},
		{"cat /data/absent && echo then || echo otherwise", "otherwise\n", 0},
		{"cat /etc/passwd", "", 1},
		{"nonsense", "", 127},
		{"echo $HOME", "", 2},
		{"ls /proc", "", 1},
	} {
		code, stdout, stderr := testutils.ExecTask(t, n.DriverHarness, config.ID, each.line, false, "")
		must.Eq(t, each.stdout, stdout, must.Sprint(each.line, stderr))
		must.Eq(t, each.code, code, must.Sprint(each.line, stderr))
		must.True(t, code == 0 || stderr != "", must.Sprint(each.line, stderr))
	}
}

// The exec of script checks gives output and exit code, and has an end.
func TestExec(t *testing.T) {
	n := started(t)
	config := n.task(app(""))
	n.start(config)
	for _, each := range []struct {
		command        []string
		stdout, stderr string
		code           int
	}{
		{[]string{"/bin/sh", "-c", "echo a; echo b >&2; exit 3"}, "a\n", "b\n", 3},
		{[]string{"invoke", "GET", "/"}, "hello from Go\n", "", 0},
		{[]string{"echo", "a  b", "$HOME", "; exit 4"}, "a  b $HOME ; exit 4\n", "", 0},
	} {
		result, err := n.ExecTask(config.ID, each.command, patience)
		must.NoError(t, err)
		must.Eq(t, each.stdout, string(result.Stdout))
		must.Eq(t, each.stderr, string(result.Stderr))
		must.Eq(t, each.code, result.ExitResult.ExitCode)
	}
	_, err := n.ExecTask(config.ID, []string{"sleep", "600"}, time.Second)
	must.ErrorContains(t, err, "1 s")
	_, err = n.ExecTask("unknown/task/00000000", []string{"help"}, time.Second)
	must.ErrorContains(t, err, drivers.ErrTaskNotFound.Error())
	eventually(t, "no console is left", func() bool { return len(consoles(config)) == 0 })
}

// A module of the task directory runs inside the sandbox of the task, with its directories and limits.
func TestExecRun(t *testing.T) {
	n := started(t)
	config := n.task(app(""))
	n.copyGuest("tool.wasm", config)
	n.start(config)
	run := func(line string) (int, string, string) {
		return testutils.ExecTask(t, n.DriverHarness, config.ID, line, false, "stdin\n")
	}
	code, stdout, stderr := run("run local/tool.wasm args a 'b c'")
	must.Eq(t, "[\"args\" \"a\" \"b c\"]\n", stdout, must.Sprint(stderr))
	must.Eq(t, 0, code)
	code, _, _ = run("run local/tool.wasm exit 42")
	must.Eq(t, 42, code)
	_, stdout, _ = run("run local/tool.wasm cat")
	must.Eq(t, "stdin\n", stdout)
	code, _, _ = run("run local/tool.wasm write /data/made; cat /data/made")
	must.Eq(t, 0, code)
	must.FileExists(t, filepath.Join(config.TaskDir().LocalDir, "made"))
	for _, line := range []string{"run local/tool.wasm read /etc/passwd", "run ../../../etc/passwd", "run private/x", "run /bin/true"} {
		code, stdout, _ = run(line)
		must.NotEq(t, 0, code, must.Sprint(line))
		must.Eq(t, "", stdout)
	}
}

// The end of a task is the end of its consoles, and so is the end of whoever looks at one.
func TestExecEnds(t *testing.T) {
	n := started(t)
	config := n.task(app(""))
	n.start(config)
	done := make(chan int, 2)
	for _, tty := range []bool{false, true} {
		go func() {
			defer func() { done <- 1 }()
			testutils.ExecTask(t, n.DriverHarness, config.ID, "sleep 25", tty, "")
		}()
	}
	eventually(t, "two consoles are open", func() bool { return len(consoles(config)) == 2 })
	must.NoError(t, n.StopTask(config.ID, 5*time.Second, "SIGTERM"))
	must.True(t, n.end(config.ID).Successful())
	eventually(t, "no console is left", func() bool { return len(consoles(config)) == 0 })
	<-done
	<-done
	_, err := n.ExecTask(config.ID, []string{"help"}, time.Second)
	must.Error(t, err)
}

// consoles is every open console of a task.
func consoles(config *drivers.TaskConfig) []int {
	found := []int{}
	for _, pid := range cgroupProcesses(config) {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.Contains(string(data), "wasmdeploy_driver.console") {
			found = append(found, pid)
		}
	}
	return found
}
