"""The executor: runs a task's guests, in a process of its own on a node, or inside the CLI for `up` and
`run`.
"""
