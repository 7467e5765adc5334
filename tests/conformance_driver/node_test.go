// Package conformance drives the plugin as Nomad does: started through go-plugin, wrapped by the harness that Nomad tests
// its own drivers with, tasks in allocation directories and cgroups as a client makes them.
//
// WASMDEPLOY_PLUGIN is the plugin's executable, WASMDEPLOY_GUESTS a directory of guests, WASMDEPLOY_DATA where compiled
// guests are kept from one test to the next.
package conformance

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/nomad/client/lib/cgroupslib"
	"github.com/hashicorp/nomad/helper/pluginutils/hclspecutils"
	"github.com/hashicorp/nomad/helper/pluginutils/hclutils"
	"github.com/hashicorp/nomad/helper/uuid"
	"github.com/hashicorp/nomad/nomad/structs"
	"github.com/hashicorp/nomad/plugins/base"
	"github.com/hashicorp/nomad/plugins/drivers"
	"github.com/hashicorp/nomad/plugins/drivers/testutils"
	"github.com/hashicorp/nomad/plugins/shared/hclspec"
	"github.com/shoenig/test/must"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"
	"google.golang.org/grpc"
)

// Patience with a machine that others use too.
const patience = 60 * time.Second

// node is a client with one plugin.
type node struct {
	*testutils.DriverHarness
	t       *testing.T
	client  *plugin.Client
	data    string
	process int
}

// launch starts the plugin and configures it; extra is more of its HCL configuration.
func launch(t *testing.T, data string, extra string) *node {
	t.Helper()
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: base.Handshake,
		Plugins: map[string]plugin.Plugin{
			base.PluginTypeBase:   &base.PluginBase{},
			base.PluginTypeDriver: drivers.NewDriverPlugin(nil, hclog.NewNullLogger()),
		},
		Cmd:              exec.Command(os.Getenv("WASMDEPLOY_PLUGIN")),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr}),
		StartTimeout:     patience,
	})
	t.Cleanup(client.Kill)
	protocol, err := client.Client()
	must.NoError(t, err)
	raw, err := protocol.Dispense(base.PluginTypeDriver)
	must.NoError(t, err)
	driver := raw.(drivers.DriverPlugin)

	spec, err := driver.ConfigSchema()
	must.NoError(t, err)
	config := packed(t, spec, fmt.Sprintf("config {\n data_dir = %q\n %s\n}", data, extra))
	must.NoError(t, driver.SetConfig(&base.Config{
		PluginConfig: config,
		AgentConfig: &base.AgentConfig{Driver: &base.ClientDriverConfig{
			ClientMinPort: 14000, ClientMaxPort: 14512, Topology: structs.MockBasicTopology(),
		}},
	}))
	return &node{
		DriverHarness: testutils.NewDriverHarness(t, driver), t: t, client: client, data: data,
		process: client.ReattachConfig().Pid,
	}
}

// started is a node that shares compiled guests with the other tests.
func started(t *testing.T) *node {
	return launch(t, sharedData(), "")
}

func sharedData() string { return os.Getenv("WASMDEPLOY_DATA") }

// connection is the raw one, below Nomad's own client.
func (n *node) connection() *grpc.ClientConn {
	protocol, err := n.client.Client()
	must.NoError(n.t, err)
	return protocol.(*plugin.GRPCClient).Conn
}

// kill ends the plugin as a crash would.
func (n *node) kill() {
	must.NoError(n.t, syscall.Kill(n.process, syscall.SIGKILL))
	eventually(n.t, "the plugin ends", func() bool { return n.client.Exited() })
}

// packed is HCL as msgpack, the way from a job file to the plugin.
func packed(t *testing.T, spec *hclspec.Spec, text string) []byte {
	t.Helper()
	value := decoded(t, spec, text)
	data, err := msgpack.Marshal(value, value.Type())
	must.NoError(t, err)
	return data
}

func decoded(t *testing.T, spec *hclspec.Spec, text string) cty.Value {
	t.Helper()
	decoder, diagnostics := hclspecutils.Convert(spec)
	must.False(t, diagnostics.HasErrors(), must.Sprint(diagnostics))
	value, _, errs := hclutils.ParseHclInterface(hclutils.HclConfigToInterface(t, text), decoder, nil)
	must.SliceEmpty(t, errs)
	return value
}

// job is what one task is made of.
type job struct {
	config string
	guests []string
	memory int64
	env    map[string]string
}

// task makes the directories, log collection and cgroup of a task whose config block is given.
func (n *node) task(j job) *drivers.TaskConfig {
	n.t.Helper()
	allocation := uuid.Generate()
	if j.memory == 0 {
		j.memory = 256
	}
	port := freePort(n.t)
	config := &drivers.TaskConfig{
		ID: allocation + "/task/" + uuid.Short(), AllocID: allocation, Name: "task", JobName: "job", JobID: "job",
		Namespace: "default", TaskGroupName: "group", Env: map[string]string{}, DeviceEnv: map[string]string{},
		Resources: &drivers.Resources{
			NomadResources: &structs.AllocatedTaskResources{
				Memory: structs.AllocatedMemoryResources{MemoryMB: j.memory},
				Cpu:    structs.AllocatedCpuResources{CpuShares: 250},
			},
			LinuxResources: &drivers.LinuxResources{
				MemoryLimitBytes: j.memory << 20,
				CPUShares:        250,
				CpusetCgroupPath: cgroupslib.LinuxResourcesPath(allocation, "task", false),
			},
			Ports: &structs.AllocatedPorts{{Label: "http", Value: port, To: port, HostIP: "127.0.0.1"}},
		},
	}
	for name, value := range j.env {
		config.Env[name] = value
	}
	n.t.Cleanup(n.MkAllocDir(config, true))
	n.MakeTaskCgroup(allocation, "task")
	for _, guest := range j.guests {
		n.copyGuest(guest, config)
	}
	spec, err := n.TaskConfigSchema()
	must.NoError(n.t, err)
	must.NoError(n.t, config.EncodeDriverConfig(decoded(n.t, spec, "config {\n"+j.config+"\n}")))
	n.t.Cleanup(func() { _ = n.DestroyTask(config.ID, true) })
	return config
}

func (n *node) copyGuest(guest string, config *drivers.TaskConfig) {
	data, err := os.ReadFile(filepath.Join(os.Getenv("WASMDEPLOY_GUESTS"), guest))
	must.NoError(n.t, err)
	must.NoError(n.t, os.WriteFile(filepath.Join(config.TaskDir().LocalDir, guest), data, 0o644))
}

// command is a job that runs tool.wasm with arguments.
func command(arguments ...string) job {
	quoted := make([]string, len(arguments))
	for i, each := range arguments {
		quoted[i] = strconv.Quote(each)
	}
	config := fmt.Sprintf("module = \"local/tool.wasm\"\nargs = [%s]", strings.Join(quoted, ", "))
	return job{config: config, guests: []string{"tool.wasm"}}
}

// module is a job that runs one guest without arguments; more is added to its config.
func module(name string, more string) job {
	return job{config: fmt.Sprintf("module = \"local/%s\"\n%s", name, more), guests: []string{name}}
}

// app is a job that answers HTTP with cgi.wasm.
func app(more string) job {
	config := `
		app = "hello"
		http { port = "http" }
		component "web" {
			source = "local/cgi.wasm"
			route = ["/..."]
			dir {
				host  = "local"
				guest = "/data"
			}
		}
		variable "greeting" { value = "hello" }
		limits { timeout = "20s" }
	` + more
	return job{config: config, guests: []string{"cgi.wasm"}}
}

// start starts the task and sees that Nomad is told that it runs.
func (n *node) start(config *drivers.TaskConfig) *drivers.TaskHandle {
	n.t.Helper()
	handle, _, err := n.StartTask(config)
	must.NoError(n.t, err)
	must.NotNil(n.t, handle)
	must.Eq(n.t, drivers.TaskStateRunning, handle.State)
	must.True(n.t, handle.Version >= 1)
	return handle
}

// end waits for the task's end.
func (n *node) end(id string) *drivers.ExitResult {
	n.t.Helper()
	results, err := n.WaitTask(context.Background(), id)
	must.NoError(n.t, err)
	select {
	case result := <-results:
		return result
	case <-time.After(patience):
		n.t.Fatal("the task does not end")
		return nil
	}
}

// executor is the pid of the task's process.
func (n *node) executor(id string) int {
	n.t.Helper()
	status, err := n.InspectTask(id)
	must.NoError(n.t, err)
	pid, err := strconv.Atoi(status.DriverAttributes["pid"])
	must.NoError(n.t, err)
	return pid
}

func get(t *testing.T, config *drivers.TaskConfig, path string) string {
	t.Helper()
	body, err := httpGet(config, path)
	must.NoError(t, err)
	return body
}

func httpGet(config *drivers.TaskConfig, path string) (string, error) {
	port := (*config.Resources.Ports)[0].Value
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

// cgroupProcesses is everything that runs in the task's own group.
func cgroupProcesses(config *drivers.TaskConfig) []int {
	file := filepath.Join(config.Resources.LinuxResources.CpusetCgroupPath, "cgroup.procs")
	if cgroupslib.GetMode() == cgroupslib.CG1 {
		file = filepath.Join(cgroupslib.PathCG1(config.AllocID, config.Name, "memory"), "cgroup.procs")
	}
	data, _ := os.ReadFile(file)
	found := []int{}
	for _, field := range strings.Fields(string(data)) {
		if pid, err := strconv.Atoi(field); err == nil && running(pid) {
			found = append(found, pid)
		}
	}
	return found
}

// pidsGroups are the cgroups that count a task's processes, which on v1 the driver makes itself.
func pidsGroups(config *drivers.TaskConfig) []string {
	found, _ := filepath.Glob("/sys/fs/cgroup/pids/nomad/" + config.AllocID + "." + config.Name + ".*")
	return found
}

// logged waits until the task's log has the words.
func logged(t *testing.T, config *drivers.TaskConfig, stream, words string) {
	t.Helper()
	file := filepath.Join(config.AllocDir, "alloc", "logs", config.Name+"."+stream+".0")
	eventually(t, fmt.Sprintf("%s has %q", stream, words), func() bool {
		data, _ := os.ReadFile(file)
		return strings.Contains(string(data), words)
	})
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come to that: %s", what)
		}
	}
}

func freePort(t *testing.T) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must.NoError(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// running says whether a process runs; a zombie does not.
func running(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	return fields[0] != "Z" && fields[0] != "X"
}

// family is every process whose command line names the directory.
func family(directory string) []int {
	found := []int{}
	entries, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, entry := range entries {
		data, _ := os.ReadFile(entry)
		pid, _ := strconv.Atoi(strings.Split(entry, "/")[2])
		if strings.Contains(string(data), directory) && running(pid) {
			found = append(found, pid)
		}
	}
	return found
}

func TestMain(m *testing.M) {
	if _, err := os.Stat(filepath.Dir(cgroupslib.LinuxResourcesPath("alloc", "task", false))); err != nil {
		if err := cgroupslib.Init(hclog.NewNullLogger(), fmt.Sprintf("0-%d", cores()-1)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func cores() int {
	found, _ := filepath.Glob("/sys/devices/system/cpu/cpu[0-9]*")
	return max(1, len(found))
}
