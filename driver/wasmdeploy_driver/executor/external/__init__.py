"""`engine = "wasmtime"`: an app under the wasmtime command line that the operator installed.

The child process takes the task's own listener, so no byte of a request passes through Python: what it costs is
what `wasmtime serve` costs. In return nothing of ours stands between client and guest: the app is one component
that answers every path, and only what wasmtime itself can enforce is accepted; anything else is refused when the
app starts.
"""
