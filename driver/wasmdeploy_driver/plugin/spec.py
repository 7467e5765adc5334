"""A dataclass as the HCL spec that Nomad checks a configuration block with."""

from __future__ import annotations

from wasmdeploy_driver.plugin.proto import hcl_spec_pb2
from wasmdeploy_driver.schema import Entry, entries, label_of


def spec_of(cls: type) -> hcl_spec_pb2.Spec:
    """The spec of one block; defaults are left to `schema.decode`, so that they stand in one place."""
    attributes = {entry.name: _spec(entry) for entry in entries(cls)}
    return hcl_spec_pb2.Spec(object=hcl_spec_pb2.Object(attributes=attributes))


def _spec(entry: Entry) -> hcl_spec_pb2.Spec:
    match entry.kind:
        case "block":
            block = hcl_spec_pb2.Block(name=entry.name, required=entry.required, nested=spec_of(entry.type))
            return hcl_spec_pb2.Spec(block_value=block)
        case "blocks":
            repeated = hcl_spec_pb2.BlockList(name=entry.name, nested=spec_of(entry.type))
            return hcl_spec_pb2.Spec(block_list=repeated)
        case "labelled":
            labels = [str(label_of(entry.type))]
            by_label = hcl_spec_pb2.BlockMap(name=entry.name, labels=labels, nested=spec_of(entry.type))
            return hcl_spec_pb2.Spec(block_map=by_label)
        case _:
            attribute = hcl_spec_pb2.Attr(name=entry.name, type=entry.hcl_type, required=entry.required)
            return hcl_spec_pb2.Spec(Attr=attribute)
