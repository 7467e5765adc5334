"""An app's console: what `nomad alloc exec` opens, inside the task's sandbox, and no shell of the machine.

A console is a process of its own beside the task's guests, in their cgroup. It knows what `launch.json` says, which
holds no secret, and asks the executor for the rest.
"""
