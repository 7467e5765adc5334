package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/hashicorp/nomad/plugins/drivers/proto"
	"github.com/shoenig/test/must"
	"google.golang.org/protobuf/types/known/durationpb"
)

// No answer lacks a message that Nomad looks into without asking whether it is there: the agent would panic.
func TestNilFields(t *testing.T) {
	n := started(t)
	client := proto.NewDriverClient(n.connection())
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	schema, err := client.TaskConfigSchema(ctx, &proto.TaskConfigSchemaRequest{})
	must.NoError(t, err)
	must.NotNil(t, schema.Spec)
	abilities, err := client.Capabilities(ctx, &proto.CapabilitiesRequest{})
	must.NoError(t, err)
	must.NotNil(t, abilities.Capabilities)

	inspected := func(id string) {
		answer, err := client.InspectTask(ctx, &proto.InspectTaskRequest{TaskId: id})
		must.NoError(t, err)
		must.NotNil(t, answer.Task)
		must.NotNil(t, answer.Task.Result)
		must.NotNil(t, answer.Task.StartedAt)
		must.NotNil(t, answer.Task.CompletedAt)
		must.NotNil(t, answer.Driver)
	}
	measured := func(id string) {
		stream, err := client.TaskStats(ctx, &proto.TaskStatsRequest{
			TaskId: id, CollectionInterval: durationpb.New(time.Second),
		})
		must.NoError(t, err)
		answer, err := stream.Recv()
		must.NoError(t, err)
		must.NotNil(t, answer.Stats)
		must.NotNil(t, answer.Stats.Timestamp)
		must.NotNil(t, answer.Stats.AggResourceUsage)
		must.NotNil(t, answer.Stats.AggResourceUsage.Cpu)
		must.NotNil(t, answer.Stats.AggResourceUsage.Memory)
		for _, usage := range answer.Stats.ResourceUsageByPid {
			must.NotNil(t, usage.Cpu)
			must.NotNil(t, usage.Memory)
		}
	}
	waited := func(id string) {
		answer, err := client.WaitTask(ctx, &proto.WaitTaskRequest{TaskId: id})
		must.NoError(t, err)
		must.NotNil(t, answer.Result)
	}

	serving := n.task(app(""))
	handle := n.start(serving)
	must.NotNil(t, handle.Config)
	inspected(serving.ID)
	measured(serving.ID)
	executed, err := client.ExecTask(ctx, &proto.ExecTaskRequest{
		TaskId: serving.ID, Command: []string{"nonsense"}, Timeout: durationpb.New(patience),
	})
	must.NoError(t, err)
	must.NotNil(t, executed.Result)
	// A running task's process is killed: the error's answer needs its messages too.
	must.NoError(t, n.SignalTask(serving.ID, "SIGKILL"))
	waited(serving.ID)
	inspected(serving.ID)

	failing := n.task(module("trap.wasm", ""))
	n.start(failing)
	waited(failing.ID)
	inspected(failing.ID)

	ended := n.task(command("exit", "3"))
	n.start(ended)
	waited(ended.ID)
	inspected(ended.ID)
	stats, err := client.TaskStats(ctx, &proto.TaskStatsRequest{
		TaskId: ended.ID, CollectionInterval: durationpb.New(time.Second),
	})
	must.NoError(t, err)
	_, err = stats.Recv()
	must.EqError(t, err, "EOF")
}
