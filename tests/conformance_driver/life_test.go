package conformance

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/client/lib/cgroupslib"
	"github.com/hashicorp/nomad/nomad/structs"
	"github.com/hashicorp/nomad/plugins/drivers"
	"github.com/hashicorp/nomad/plugins/drivers/fsisolation"
	"github.com/shoenig/test/must"
)

func fingerprint(t *testing.T, n *node) *drivers.Fingerprint {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	prints, err := n.Fingerprint(ctx)
	must.NoError(t, err)
	select {
	case found := <-prints:
		must.NoError(t, found.Err)
		return found
	case <-time.After(patience):
		t.Fatal("no fingerprint")
		return nil
	}
}

// The node says what it can run, at once.
func TestFingerprint(t *testing.T) {
	found := fingerprint(t, started(t))
	must.Eq(t, drivers.HealthStateHealthy, found.Health, must.Sprint(found.HealthDescription))
	for _, name := range []string{"driver.wasm", "driver.wasm.version", "driver.wasm.wasmtime", "driver.wasm.wasi", "driver.wasm.engines", "unique.driver.wasm.cache_mb"} {
		must.MapContainsKey(t, found.Attributes, name)
	}
	there, ok := found.Attributes["driver.wasm"].GetBool()
	must.True(t, ok && there)
}

// A node that cannot keep compiled guests says so.
func TestFingerprintUnhealthy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must.NoError(t, os.WriteFile(file, nil, 0o600))
	found := fingerprint(t, launch(t, filepath.Join(file, "data"), ""))
	must.Eq(t, drivers.HealthStateUnhealthy, found.Health)
	must.StrContains(t, found.HealthDescription, file)
}

// What the driver can do is what Nomad is told.
func TestCapabilities(t *testing.T) {
	found, err := started(t).Capabilities()
	must.NoError(t, err)
	must.True(t, found.SendSignals)
	must.True(t, found.Exec)
	must.False(t, found.MustInitiateNetwork)
	must.Eq(t, fsisolation.Image, found.FSIsolation)
	must.SliceContains(t, found.NetIsolationModes, drivers.NetIsolationModeHost)
}

// Every key of both schemas travels from HCL through Nomad's own parser to the plugin, which takes them.
func TestConfigSchema(t *testing.T) {
	n := launch(t, sharedData(), `
		allow_paths = ["/srv/components"]
		vault {
			address = "http://127.0.0.1:8200"
			mount   = "kv"
		}
	`)
	n.start(n.task(job{
		config: `
			app       = "hello"
			namespace = "default"
			http { port = "http" }
			component "web" {
				source      = "local/cgi.wasm"
				route       = ["/...", "/other"]
				executor    = "wagi"
				argv        = "web"
				args        = ["a", "b"]
				environment = { COLOR = "{{ color }}" }
				dir {
					host     = "local"
					guest    = "/data"
					readonly = true
				}
			}
			component "more" {
				source = "local/cgi.wasm"
				route  = ["/more"]
				environment { BLOCK = "too" }
			}
			variable "color" { value = "green" }
			limits {
				memory_mb = 128
				timeout   = "3s"
			}
		`,
		guests: []string{"cgi.wasm"},
	}))
}

// A task's output is in Nomad's logs, and its end is told to whoever waits, as often as it is asked for.
func TestStartWait(t *testing.T) {
	n := started(t)
	config := n.task(command("both"))
	n.start(config)
	for range 2 {
		result := n.end(config.ID)
		must.NoError(t, result.Err)
		must.True(t, result.Successful())
	}
	logged(t, config, "stdout", "to stdout\n")
	logged(t, config, "stderr", "to stderr\n")
	status, err := n.InspectTask(config.ID)
	must.NoError(t, err)
	must.Eq(t, drivers.TaskStateExited, status.State)
	must.False(t, status.CompletedAt.Before(status.StartedAt))
	must.NoError(t, n.DestroyTask(config.ID, false))
	_, err = n.InspectTask(config.ID)
	must.ErrorContains(t, err, drivers.ErrTaskNotFound.Error())
}

// An app that is stopped ends in order, within its time.
func TestStartWaitStop(t *testing.T) {
	n := started(t)
	config := n.task(app(""))
	n.start(config)
	must.Eq(t, "hello from Go\n", get(t, config, "/"))
	must.Error(t, n.DestroyTask(config.ID, false))
	ended := make(chan *drivers.ExitResult, 1)
	go func() { ended <- n.end(config.ID) }()
	must.NoError(t, n.StopTask(config.ID, 10*time.Second, "SIGTERM"))
	result := <-ended
	must.NoError(t, result.Err)
	must.True(t, result.Successful(), must.Sprint(result))
	must.NoError(t, n.StopTask(config.ID, time.Second, "SIGTERM"))
	must.NoError(t, n.DestroyTask(config.ID, false))
	must.NoError(t, n.DestroyTask(config.ID, true))
}

// A task outlives its plugin; the next plugin takes it up with what Nomad stored, and waits, inspects and stops it.
func TestStartWaitRecoverWaitStop(t *testing.T) {
	n := started(t)
	config := n.task(app(""))
	handle := n.start(config)
	pid := n.executor(config.ID)
	n.kill()
	must.Eq(t, "hello from Go\n", get(t, config, "/"))

	next := launch(t, n.data, "")
	for range 2 {
		must.NoError(t, next.RecoverTask(stored(handle)))
	}
	must.Eq(t, pid, next.executor(config.ID))
	must.Eq(t, "hello from Go\n", get(t, config, "/"))
	ended := make(chan *drivers.ExitResult, 1)
	go func() { ended <- next.end(config.ID) }()
	must.NoError(t, next.StopTask(config.ID, 10*time.Second, "SIGTERM"))
	must.True(t, (<-ended).Successful())
	must.NoError(t, next.DestroyTask(config.ID, false))
}

// A task that ends while no plugin is there keeps its exit code.
func TestRecoverEnded(t *testing.T) {
	n := started(t)
	config := n.task(command("wait", "/data/go", "42"))
	must.NoError(t, os.MkdirAll(filepath.Join(config.TaskDir().LocalDir, "data"), 0o755))
	spec, err := n.TaskConfigSchema()
	must.NoError(t, err)
	must.NoError(t, config.EncodeDriverConfig(decoded(t, spec, `config {
		module = "local/tool.wasm"
		args   = ["wait", "/data/go", "42"]
		dir {
			host  = "local/data"
			guest = "/data"
		}
	}`)))
	handle := n.start(config)
	pid := n.executor(config.ID)
	n.kill()
	must.NoError(t, os.WriteFile(filepath.Join(config.TaskDir().LocalDir, "data", "go"), nil, 0o644))
	eventually(t, "the task ends", func() bool { return !running(pid) })
	next := launch(t, n.data, "")
	must.NoError(t, next.RecoverTask(stored(handle)))
	must.Eq(t, 42, next.end(config.ID).ExitCode)
}

// stored is what Nomad's client has of a handle after a restart: the driver's config is not part of it.
func stored(handle *drivers.TaskHandle) *drivers.TaskHandle {
	kept := handle.Copy()
	config := *handle.Config
	_ = config.EncodeConcreteDriverConfig(map[string]string{})
	kept.Config = &config
	return kept
}

// The exit code is the guest's own; a trap, a signal and the kernel's kill for memory are told apart.
func TestExitCode(t *testing.T) {
	n := started(t)
	for name, each := range map[string]struct {
		job  job
		code int
	}{
		"0":    {command("exit", "0"), 0},
		"1":    {command("exit", "1"), 1},
		"42":   {command("exit", "42"), 42},
		"trap": {module("trap.wasm", ""), 134},
	} {
		t.Run(name, func(t *testing.T) {
			config := n.task(each.job)
			n.start(config)
			result := n.end(config.ID)
			must.Eq(t, each.code, result.ExitCode)
			must.Eq(t, 0, result.Signal)
			must.False(t, result.OOMKilled)
		})
	}
	t.Run("signal", func(t *testing.T) {
		config := n.task(module("spin.wasm", ""))
		n.start(config)
		must.NoError(t, syscall.Kill(n.executor(config.ID), syscall.SIGKILL))
		result := n.end(config.ID)
		must.Eq(t, 137, result.ExitCode)
		must.Eq(t, 9, result.Signal)
		must.False(t, result.OOMKilled)
	})
	t.Run("OOM", func(t *testing.T) {
		eater := module("eater.wasm", "limits { memory_mb = 2048 }")
		eater.memory = 128
		config := n.task(eater)
		n.start(config)
		result := n.end(config.ID)
		must.Eq(t, 137, result.ExitCode)
		must.Eq(t, 9, result.Signal)
		must.True(t, result.OOMKilled)
	})
}

// Use of CPU and memory is told at once and then at each interval, for all processes of the task, until it ends.
func TestStats(t *testing.T) {
	n := started(t)
	config := n.task(module("spin.wasm", ""))
	n.start(config)
	samples, err := n.TaskStats(context.Background(), config.ID, 200*time.Millisecond)
	must.NoError(t, err)
	busy := false
	for count := 0; count < 50 && !busy; count++ {
		sample := <-samples
		must.NotNil(t, sample)
		must.Positive(t, sample.Timestamp)
		must.Positive(t, sample.ResourceUsage.MemoryStats.RSS)
		must.Between(t, 1, sample.ResourceUsage.MemoryStats.Usage, sample.ResourceUsage.MemoryStats.RSS)
		must.SliceContains(t, sample.ResourceUsage.MemoryStats.Measured, "Usage")
		must.SliceContains(t, sample.ResourceUsage.CpuStats.Measured, "Throttled Periods")
		must.MapNotEmpty(t, sample.Pids)
		busy = sample.ResourceUsage.CpuStats.Percent > 20 && sample.ResourceUsage.CpuStats.UserMode > 10
	}
	must.True(t, busy)
	must.NoError(t, n.StopTask(config.ID, 0, "SIGKILL"))
	for range samples { // closed without an error
	}
}

// A signal never harms a task, whatever it is; the ones with a meaning are told as events.
func TestSignal(t *testing.T) {
	n := started(t)
	config := n.task(app(""))
	n.start(config)
	for _, name := range []string{"SIGHUP", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGTERM", "SIGWINCH", "SIGNONSENSE"} {
		must.NoError(t, n.SignalTask(config.ID, name))
	}
	must.Eq(t, "hello from Go\n", get(t, config, "/"))
	logged(t, config, "stderr", "requests")
	must.ErrorContains(t, n.SignalTask("unknown/task/00000000", "SIGHUP"), drivers.ErrTaskNotFound.Error())
	must.NoError(t, n.SignalTask(config.ID, "SIGKILL"))
	must.Eq(t, 9, n.end(config.ID).Signal)
}

// Nomad shows what happens to a task: compiling, signals, stopping, each with its allocation and task.
func TestEvents(t *testing.T) {
	data := t.TempDir()
	n := launch(t, data, "")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	events, err := n.TaskEvents(ctx)
	must.NoError(t, err)
	first := n.task(module("trap.wasm", ""))
	n.start(first)
	n.end(first.ID)
	second := n.task(module("trap.wasm", ""))
	n.start(second)
	wanted := map[string]string{"compiling": first.ID, "compiled in": first.ID, "in the cache": second.ID, "unreachable": first.ID}
	for deadline := time.After(patience); len(wanted) > 0; {
		select {
		case event := <-events:
			must.NoError(t, event.Err)
			must.Eq(t, "task", event.TaskName)
			must.NotEq(t, "", event.AllocID)
			for words, task := range wanted {
				if event.TaskID == task && strings.Contains(event.Message, words) {
					delete(wanted, words)
				}
			}
		case <-deadline:
			t.Fatalf("these events were not told: %v", wanted)
		}
	}
}

// A command has the job's environment, and nothing of the agent's or the machine's.
func TestEnv(t *testing.T) {
	t.Setenv("OF_THE_AGENT", "leaked")
	n := started(t)
	j := job{
		config: `
			module = "local/tool.wasm"
			args   = ["environ"]
			env    = { OWN = "{{ color }} eggs" }
			variable "color" { value = "green" }
		`,
		guests: []string{"tool.wasm"}, env: map[string]string{"NOMAD_META_OWNER": "us", "NOMAD_TOKEN": "identity"},
	}
	config := n.task(j)
	n.start(config)
	must.True(t, n.end(config.ID).Successful())
	logged(t, config, "stdout", "OWN=green eggs\n")
	logged(t, config, "stdout", "NOMAD_META_OWNER=us\n")
	logged(t, config, "stdout", "NOMAD_ALLOC_DIR=/alloc\n")
	data, err := os.ReadFile(filepath.Join(config.AllocDir, "alloc", "logs", "task.stdout.0"))
	must.NoError(t, err)
	for _, leaked := range []string{"OF_THE_AGENT", "NOMAD_TOKEN", "identity", "PATH=", "HOME="} {
		must.StrNotContains(t, string(data), leaked)
	}
}

// Directories are the ones that the job names, writable or not, the allocation's shared one among them.
func TestAllocDir(t *testing.T) {
	n := started(t)
	run := func(guest string, arguments string, dirs string) (*drivers.TaskConfig, int) {
		config := n.task(job{
			config: `module = "local/tool.wasm"
				args = [` + arguments + `]
				` + dirs, guests: []string{guest},
		})
		must.NoError(t, os.WriteFile(filepath.Join(config.AllocDir, "alloc", "data", "shared"), []byte("of a sibling"), 0o644))
		n.start(config)
		return config, n.end(config.ID).ExitCode
	}
	dirs := `
		dir {
			host  = "alloc/data"
			guest = "/alloc"
		}
		dir {
			host     = "local"
			guest    = "/ro"
			readonly = true
		}
	`
	config, code := run("tool.wasm", `"write", "/alloc/made"`, dirs)
	must.Eq(t, 0, code)
	made, err := os.ReadFile(filepath.Join(config.AllocDir, "alloc", "data", "made"))
	must.NoError(t, err)
	must.Eq(t, "written", string(made))
	config, code = run("tool.wasm", `"read", "/alloc/shared"`, dirs)
	must.Eq(t, 0, code)
	logged(t, config, "stdout", "of a sibling")
	_, code = run("tool.wasm", `"write", "/ro/made"`, dirs)
	must.Eq(t, 1, code)
	_, code = run("tool.wasm", `"read", "/etc/passwd"`, dirs)
	must.Eq(t, 1, code)
	for _, host := range []string{"private", ".", "alloc/../private", "../..", "alloc/data/.."} {
		config := n.task(job{
			config: `module = "local/tool.wasm"
				dir {
					host  = "` + host + `"
					guest = "/x"
				}`, guests: []string{"tool.wasm"},
		})
		_, _, err := n.StartTask(config)
		must.Error(t, err, must.Sprint(host))
	}
}

// Volumes are there at their destinations, writable or not, and what a guest writes is in them.
func TestMounts(t *testing.T) {
	n := started(t)
	volume := t.TempDir()
	must.NoError(t, os.WriteFile(filepath.Join(volume, "kept"), []byte("of a task before"), 0o644))
	run := func(readonly bool, arguments ...string) (*drivers.TaskConfig, int) {
		config := n.task(command(arguments...))
		config.Mounts = []*drivers.MountConfig{{HostPath: volume, TaskPath: "/data", Readonly: readonly}}
		n.start(config)
		return config, n.end(config.ID).ExitCode
	}
	config, code := run(true, "read", "/data/kept")
	must.Eq(t, 0, code)
	logged(t, config, "stdout", "of a task before")
	_, code = run(true, "write", "/data/made")
	must.Eq(t, 1, code)
	_, code = run(false, "write", "/data/made")
	must.Eq(t, 0, code)
	made, err := os.ReadFile(filepath.Join(volume, "made"))
	must.NoError(t, err)
	must.Eq(t, "written", string(made))
	config = n.task(command("read", "/data/kept"))
	config.Mounts = []*drivers.MountConfig{{HostPath: filepath.Dir(config.AllocDir), TaskPath: "/data"}}
	_, _, err = n.StartTask(config)
	must.ErrorContains(t, err, "no guest sees")
}

// Nothing of a task is left once it is destroyed, its engine processes included.
func TestDestroyKillsAll(t *testing.T) {
	n := started(t)
	config := n.task(app(""))
	n.start(config)
	go func() { _, _ = httpGet(config, "/loop") }()
	go func() { _, _ = httpGet(config, "/loop") }()
	eventually(t, "two guests run", func() bool {
		status, err := n.InspectTask(config.ID)
		return err == nil && status.DriverAttributes["in_flight"] == "2"
	})
	eventually(t, "an engine process runs", func() bool { return len(cgroupProcesses(config)) >= 2 })
	processes := cgroupProcesses(config)
	if cgroupslib.GetMode() == cgroupslib.CG1 {
		must.Len(t, 1, pidsGroups(config))
		limit, err := os.ReadFile(filepath.Join(pidsGroups(config)[0], "pids.max"))
		must.NoError(t, err)
		must.Eq(t, "4096\n", string(limit))
	}
	must.NoError(t, n.DestroyTask(config.ID, true))
	must.SliceEmpty(t, pidsGroups(config))
	eventually(t, "all processes are gone", func() bool {
		for _, pid := range processes {
			if running(pid) {
				return false
			}
		}
		return len(cgroupProcesses(config)) == 0
	})
}

// A start that the plugin does not survive leaves no process, and neither does a task whose plugin never came back.
func TestNoOrphans(t *testing.T) {
	data := t.TempDir()
	n := launch(t, data, "")
	config := n.task(app(""))
	go func() { _, _, _ = n.StartTask(config) }()
	eventually(t, "an executor is started", func() bool { return len(family(data)) > 0 })
	n.kill()
	next := launch(t, data, "")
	eventually(t, "it is gone", func() bool { return len(family(data)) == 0 && len(pidsGroups(config)) == 0 })
	again := next.task(app(""))
	next.start(again)
	must.NoError(t, next.DestroyTask(again.ID, true))
	eventually(t, "nothing is left", func() bool { return len(family(data)) == 0 })
}

// Nomad tries again what may work later, and gives up on what never can.
func TestRecoverableErrors(t *testing.T) {
	n := started(t)
	full := t.TempDir()
	must.NoError(t, syscall.Mount("tmpfs", full, "tmpfs", 0, "size=256k,mode=700"))
	t.Cleanup(func() { _ = syscall.Unmount(full, syscall.MNT_DETACH) })
	small := launch(t, full, "")
	_, _, err := small.StartTask(small.task(app("")))
	must.ErrorContains(t, err, "No space left")
	must.True(t, structs.IsRecoverable(err), must.Sprint("cache full"))

	away := launch(t, sharedData(), `vault { address = "http://127.0.0.1:1" }`)
	secret := away.task(app(`variable "token" { secret = true }`))
	must.NoError(t, os.WriteFile(filepath.Join(secret.TaskDir().Dir, "private", "vault_token"), []byte("token"), 0o600))
	_, _, err = away.StartTask(secret)
	must.ErrorContains(t, err, "127.0.0.1:1")
	must.True(t, structs.IsRecoverable(err), must.Sprint("Vault away"))

	missing := n.task(job{config: `module = "local/absent.wasm"`})
	_, _, err = n.StartTask(missing)
	must.Error(t, err)
	must.True(t, structs.IsRecoverable(err), must.Sprint("missing artifact"))
	for name, config := range map[string]string{
		"no guest":     `app = "x"`,
		"leads out":    `module = "../../etc/passwd"`,
		"no digest":    "module = \"local/trap.wasm\"\ndigest = \"sha256:00\"",
		"other digest": "module = \"local/trap.wasm\"\ndigest = \"sha256:" + strings.Repeat("0", 64) + "\"",
	} {
		_, _, err := n.StartTask(n.task(job{config: config, guests: []string{"trap.wasm"}}))
		must.Error(t, err, must.Sprint(name))
		must.False(t, structs.IsRecoverable(err), must.Sprint(name))
	}
}
